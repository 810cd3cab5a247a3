"""Core dumps, directories of ELF files, bare ELF files, and everything that is none of them."""

from __future__ import annotations

import random
import shutil
import struct
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.load import open_build
from idoldbg.build.load.archive_zip import read_archive
from idoldbg.build.load.dump_file import NT_ARCHIVE, NT_REGISTERS, NT_TASK, read_dump
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.cli import run
from idoldbg.errors import ArchiveError, DebugInfoError, FaultError
from idoldbg.model.memory import Segment

ARCHIVES = Path(__file__).parents[4] / "fixtures" / "archives"
OWNER = b"Oxide Computer Company\0"
REAL_CORES = ("inheritance.0", "new-compiler", "new-sensors", "v6")


def note(kind: int, data: bytes, owner: bytes = OWNER) -> bytes:
    head = struct.pack("<III", len(owner), len(data), kind)
    return head + owner + bytes(-len(owner) % 4) + data + bytes(-len(data) % 4)


def core(notes: Sequence[bytes], segments: Sequence[tuple[int, bytes]] = ()) -> bytes:
    count = len(notes) + len(segments)
    at = 52 + 32 * count
    headers, body = b"", b""
    for data in notes:
        headers += struct.pack("<8I", 4, at + len(body), 0, 0, len(data), 0, 4, 1)
        body += data
    for address, data in segments:
        headers += struct.pack(
            "<8I", 1, at + len(body), address, address, len(data), len(data), 4, 1
        )
        body += data
    head = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 4, 40, 1, 0, 52, 0, 0, 52, 32, count, 0, 0, 0
    )
    return head + headers + body


@pytest.fixture(scope="module")
def fixture_archive() -> Path:
    return min(ARCHIVES.glob("*.zip"), key=lambda p: p.stat().st_size)


@pytest.fixture(scope="module")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive without ELF files that matter."""
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"hubris build archive v9"
        archive.writestr("app.toml", "name = 'x'\n[tasks.jefe]\n")
        archive.writestr("elf/task/jefe", b"")
        archive.writestr("elf/kernel", b"")
        archive.writestr("img/final.elf", core([], [(0x08000000, b"flashed!")]))
    return path.read_bytes()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_core_dump(tmp_path: Path, small_archive: bytes) -> None:
    registers = b"".join(
        struct.pack("<II", n, v) for n, v in [(0, 7), (13, 0x20000100), (20, 0x03000001), (64, 5)]
    )
    data = core(
        [note(NT_REGISTERS, registers), note(NT_ARCHIVE, small_archive)],
        [(0x20000000, b"ram!"), (0x20000100, b"more")],
    )
    build = open_build(write(tmp_path / "core", data))
    assert build.is_dump and build.archive.format_version == 9
    assert build.registers == {
        "r0": 7, "sp": 0x20000100, "s0": 5,
        "primask": 1, "basepri": 0, "faultmask": 0, "control": 3,
    }  # fmt: skip
    assert build.memory.read(0x20000000, 4) == b"ram!"
    # The flash comes from the archive where the dump leaves it out.
    assert build.memory.read(0x08000000, 8) == b"flashed!"
    with pytest.raises(FaultError):
        build.memory.read(0x20000002, 4)


def test_dump_of_one_task(tmp_path: Path, small_archive: bytes) -> None:
    task = struct.pack("<2sHIQ", b"\xda\xda", 3, 0, 123456)
    data = core([note(NT_TASK, task), note(NT_ARCHIVE, small_archive)], [(0x20000000, b"ram!")])
    build = open_build(write(tmp_path / "core", data))
    assert (build.task, build.ticks, build.registers) == (3, 123456, {})


def test_registers_of_other_dumpers(tmp_path: Path, small_archive: bytes) -> None:
    status = bytes(72) + struct.pack("<18I", *range(100, 118))
    data = core([note(1, status, b"CORE\0"), note(NT_ARCHIVE, small_archive)])
    registers = open_build(write(tmp_path / "core", data)).registers
    assert registers is not None
    assert (registers["r0"], registers["pc"], registers["xpsr"]) == (100, 115, 116)


def test_core_dump_without_an_archive(tmp_path: Path) -> None:
    with pytest.raises(
        ArchiveError, match=r"without its Hubris archive; give the build.*-a build\.zip"
    ):
        open_build(write(tmp_path / "core", core([note(NT_REGISTERS, bytes(8))])))


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ([struct.pack("<III", 8, 0xFFFFFFFF, 1) + bytes(8)], "longer than its segment"),
        ([struct.pack("<III", 0xFFFFFFFF, 4, 1) + bytes(8)], "longer than its segment"),
        ([struct.pack("<III", 0, 0, 1) * 100_000], "more than 1024 notes"),
        ([note(NT_ARCHIVE, b"x")] * 2, "2 Hubris archives in it"),
    ],
)
def test_bad_notes(notes: list[bytes], message: str) -> None:
    with pytest.raises((ArchiveError, DebugInfoError), match=message):
        read_dump(ElfFile("core", core(notes)))


@pytest.mark.parametrize(
    "odd",
    [
        # A note that pyelftools would read a list of files from.
        note(0x46494C45, b"\xff" * 8, b"CORE\0"),
        note(1, b"", b"x" * 4000),
    ],
)
def test_notes_of_others_are_passed_over(odd: bytes) -> None:
    assert read_dump(ElfFile("core", core([odd]))).archive is None


def test_directory_of_an_unpacked_archive(tmp_path: Path, fixture_archive: Path) -> None:
    with zipfile.ZipFile(fixture_archive) as archive:
        archive.extractall(tmp_path)  # our own archive
    packed, unpacked = open_build(fixture_archive).archive, open_build(tmp_path).archive
    assert [t.name for t in unpacked.tasks] == [t.name for t in packed.tasks]
    assert unpacked.image_id == packed.image_id is not None
    assert unpacked.vector_table == packed.vector_table is not None
    assert unpacked.flash_segments() == packed.flash_segments()


def test_directory_of_elf_files(tmp_path: Path, fixture_archive: Path) -> None:
    """Without app.toml, the kernel tells the order of the tasks."""
    packed = open_build(fixture_archive).archive
    for name in packed.object_names:
        (tmp_path / name).write_bytes(packed.object_bytes(name))
    (tmp_path / "notes.txt").write_text("not an ELF file")
    archive = open_build(tmp_path).archive
    assert [t.name for t in archive.tasks] == [t.name for t in packed.tasks]
    assert archive.image_id == packed.image_id
    flash = open_build(tmp_path).memory
    assert packed.vector_table is not None
    for segment in packed.flash_segments():
        assert flash.read(packed.vector_table, 8) == segment.data[:8]
        break


def test_bare_elf_files(tmp_path: Path, fixture_archive: Path) -> None:
    packed = open_build(fixture_archive).archive
    kernel = open_build(write(tmp_path / "kernel.elf", packed.object_bytes("kernel"))).archive
    assert kernel.object_names == ("kernel",) and kernel.image_id == packed.image_id
    task = open_build(write(tmp_path / "jefe", packed.object_bytes("jefe"))).archive
    assert task.object_names == ("jefe",) and task.image_id is None


def test_files_that_are_not_builds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="No such file"):
        open_build(tmp_path / "missing.zip")
    with pytest.raises(ArchiveError, match=r"neither a Hubris archive \(zip\) nor an ELF file"):
        open_build(write(tmp_path / "text", b"hello"))
    with pytest.raises(ArchiveError, match="neither"):
        open_build(write(tmp_path / "empty", b""))
    (tmp_path / "dir").mkdir()
    with pytest.raises(
        ArchiveError, match=r"no ELF files of a Cortex-M build here; give a build-\*\.zip"
    ):
        open_build(tmp_path / "dir")
    write(tmp_path / "dir" / "build-demo.zip", b"PK")
    with pytest.raises(ArchiveError, match=r"give the archive .*/build-demo\.zip"):
        open_build(tmp_path / "dir")
    with pytest.raises(DebugInfoError, match="cut short"):
        open_build(write(tmp_path / "elf", b"\x7fELF\x01\x01\x01"))


def test_damaged_core_dumps(small_archive: bytes) -> None:
    """Truncated at every length, and 2,000 times mutated: a dump or a documented error."""
    good = core(
        [note(NT_REGISTERS, bytes(160)), note(NT_ARCHIVE, small_archive)], [(0x20000000, bytes(64))]
    )
    memory_at = len(good) - 64
    for size in range(memory_at):
        with pytest.raises((ArchiveError, DebugInfoError)):
            read_dump(ElfFile("core", good[:size]))
    for size in range(memory_at, len(good)):
        dump = read_dump(ElfFile("core", good[:size]))
        assert dump.missing_size == len(good) - size
        assert b"".join(s.data for s in dump.segments) == good[memory_at:size]
    rng = random.Random(7)
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(
                (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
            )
        try:
            dump = read_dump(ElfFile("core", bytes(data)))
            if dump.archive is None:  # its note went for another's
                continue
            assert read_archive("core", dump.archive).flash_segments() is not None
        except (ArchiveError, DebugInfoError):
            pass


@pytest.mark.parametrize("name", REAL_CORES)
def test_real_core_dumps(name: str, real_hubris: Path) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{name}")
    archive = build.archive
    assert archive.image_id and archive.image_id_address and archive.vector_table
    # The dump holds the very image that its archive describes.
    assert build.memory.read(archive.image_id_address, 8) == archive.image_id
    for segment in archive.flash_segments()[:1]:
        assert build.memory.read(segment.address, 64) == segment.data[:64]
    assert build.registers is not None
    assert build.registers["psp"] == build.registers["sp"]


def test_real_directory_without_description(tmp_path: Path, real_hubris: Path) -> None:
    archive = open_build(real_hubris / "archives" / "build-gimlet-rot-c-image-b.zip").archive
    for name in archive.object_names:
        (tmp_path / name).write_bytes(archive.object_bytes(name))
    found = open_build(tmp_path).archive
    assert [t.name for t in found.tasks] == [t.name for t in archive.tasks]
    shutil.rmtree(tmp_path)


# ---- once ---------------------------------------------------------------------------------------

_opened: list[str] = []


def _hear_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        _opened.append(arguments[0])


sys.addaudithook(_hear_open)


@pytest.mark.parametrize("use_cache", [False, True])
@pytest.mark.parametrize("how", ["-a", "-p", "both"])
def test_a_dump_is_opened_once(
    how: str, use_cache: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "board.core"
    build = open_build(ARCHIVES / "stm32f4-discovery.zip")
    flash, ram = build.archive.flash_segments(), Segment(0x2000_0000, bytes(0x2_0000))
    archive = (ARCHIVES / "stm32f4-discovery.zip").read_bytes()
    path.write_bytes(encode_dump(archive, [*flash, ram], {"pc": 0x0800_0000}))
    argv = [] if use_cache else ["--no-cache"]
    argv += ["-a", str(path)] if how == "-a" else ["-p", f"dump:{path}"]
    argv += ["-a", str(ARCHIVES / "stm32f4-discovery.zip")] if how == "both" else []
    _opened.clear()
    assert run([*argv, "tasks"]) == 0
    assert _opened.count(str(path)) == 1
    _opened.clear()


def test_a_single_elf_file_is_opened_once(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    kernel = open_build(ARCHIVES / "stm32f4-discovery.zip").archive.object_bytes("kernel")
    path.write_bytes(kernel)
    _opened.clear()
    build = open_build(path)
    assert build.archive.object_bytes("kernel") == kernel
    assert _opened.count(str(path)) == 1
    _opened.clear()
