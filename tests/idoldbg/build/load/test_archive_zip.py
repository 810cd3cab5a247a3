"""Hubris archives: what is read, and what is refused, with the place and what to try."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from idoldbg.build.load import open_build
from idoldbg.build.load.archive_zip import MAX_MEMBER_SIZE, ZipMembers, read_archive
from idoldbg.errors import ArchiveError, DebugInfoError, NotFound
from idoldbg.model.memory import Segment

COMMENT = b"hubris build archive v11"
APP = """
name = "demo"
board = "demo-board"
chip = "../../chips/stm32f4"
target = "thumbv7em-none-eabihf"

[kernel]
name = "demo"

[tasks.jefe]
name = "task-jefe"
priority = 0
start = true
stacksize = 1536
notifications = ["fault", "timer"]
config.allowed-callers = { request_reset = ["spi"] }

[tasks.spi]
name = "drv-spi"
priority = 2
features = ["h7"]
uses = ["spi1"]
task-slots = ["jefe", {sys = "jefe"}]
"""
ELF = (
    b"\x7fELF\x01\x01\x01"
    + bytes(9)
    + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0x101, 0, 0, 0, 52, 32, 0, 40, 0, 0)
)
MEMBERS: Mapping[str, bytes] = {
    "git-rev": b"0123abcd\n",
    "image-name": b"default",
    "app.toml": APP.encode(),
    "chip.toml": b"[spi1]\naddress = 0x40013000\nsize = 0x400\n",
    "elf/task/jefe": ELF,
    "elf/task/spi": ELF,
    "elf/kernel": ELF,
}

Pack = Callable[..., bytes]


def pack(
    members: Mapping[str, bytes] = MEMBERS,
    *,
    method: int = zipfile.ZIP_BZIP2,
    comment: bytes = COMMENT,
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_archive(method: int) -> None:
    archive = read_archive("a.zip", pack(method=method))
    assert (archive.format_version, archive.name, archive.board) == (11, "demo", "demo-board")
    assert (archive.image_name, archive.git_rev) == ("default", "0123abcd")
    assert archive.chip_description["spi1"]["address"] == 0x40013000
    assert archive.object_names == ("kernel", "jefe", "spi")
    assert archive.object_bytes("kernel") == archive.object_bytes("spi") == ELF
    jefe, spi = archive.tasks
    assert (jefe.index, jefe.priority, jefe.start, jefe.stack_size) == (0, 0, True, 1536)
    assert jefe.notifications == ("fault", "timer")
    assert jefe.allowed_callers == {"request_reset": ("spi",)}
    assert (spi.index, spi.start, spi.crate) == (1, False, "drv-spi")
    assert (spi.features, spi.uses) == (("h7",), ("spi1",))
    assert spi.slots == {"jefe": "jefe", "sys": "jefe"}


def test_objects_are_read_when_asked_for() -> None:
    """Opening an archive must not expand its ELF files: one call needs three of many."""
    data = pack()
    members = ZipMembers("a.zip", data)
    archive = read_archive("a.zip", data.replace(members.read("elf/kernel")[:4], b"JUNK"))
    assert archive.object_names == ("kernel", "jefe", "spi")
    assert archive.object_bytes("jefe") is archive.object_bytes("jefe")


def test_unknown_task_names_near_misses() -> None:
    with pytest.raises(NotFound, match="did you mean `jefe`"):
        read_archive("a.zip", pack()).object_bytes("jeff")


def test_older_formats_patch_the_description() -> None:
    """Formats up to 7 put what a build changed beside `app.toml`, and named the chip's file."""
    members = dict(MEMBERS)
    members["stm32f4.toml"] = members.pop("chip.toml")
    members["app.toml"] = APP.replace("chips/stm32f4", "chips/stm32f4.toml").encode()
    members["patches.toml"] = b'name = "renamed"\nfeatures.jefe = ["itm"]\n'
    archive = read_archive("a.zip", pack(members, comment=b"hubris build archive v4"))
    assert (archive.format_version, archive.name) == (4, "renamed")
    assert archive.tasks[0].features == ("itm",)
    assert archive.chip_description["spi1"]["size"] == 0x400


@pytest.mark.parametrize(("comment", "version"), [("v1.0.0", 1), ("v2", 2), ("v3", 3)])
def test_first_formats(comment: str, version: int) -> None:
    archive = read_archive("a.zip", pack(comment=f"hubris build archive {comment}".encode()))
    assert (archive.format_version, archive.name) == (version, "demo")


def test_slots_of_the_first_builds_are_one_table() -> None:
    app = b"name='a'\n[tasks.spi]\n[tasks.spi.task-slots]\nsys='jefe'\ngpio='gpio_driver'\n"
    archive = read_archive("a.zip", pack(replaced("app.toml", app)))
    assert archive.tasks[0].slots == {"sys": "jefe", "gpio": "gpio_driver"}


def without(name: str) -> dict[str, bytes]:
    return {n: d for n, d in MEMBERS.items() if n != name}


def replaced(name: str, data: bytes) -> dict[str, bytes]:
    return {**MEMBERS, name: data}


_MANY_TASKS = b"".join(b"t%d = {}\n" % i for i in range(1025))


@pytest.mark.parametrize(
    ("members", "member", "message"),
    [
        (without("app.toml"), "app.toml", "missing"),
        (replaced("app.toml", b"[tasks]\n" + _MANY_TASKS), "app.toml", "1025 tasks"),
        (replaced("app.toml", b"= ="), "app.toml", "not valid TOML"),
        (replaced("app.toml", b"\xff"), "app.toml", "not valid TOML"),
        (replaced("app.toml", b"a=" + b"[" * 5000), "app.toml", "not valid TOML"),
        (replaced("app.toml", b"tasks = 3"), "app.toml", "`tasks` should be a table"),
        (replaced("app.toml", b"board = 3"), "app.toml", "`board` should be a string"),
        (replaced("app.toml", b"[tasks.jefe]\npriority='x'"), "app.toml", "integer"),
        (replaced("app.toml", b"[tasks.jefe]\nfeatures=[1]"), "app.toml", "list of strings"),
        (replaced("app.toml", b"[tasks.jefe]\ntask-slots=[1]"), "app.toml", "list of names"),
        (replaced("git-rev", b"\xff"), "git-rev", "UTF-8"),
        ({"../app.toml": b""}, "'../app.toml'", "no build gives a member"),
        ({"/etc/passwd": b""}, "'/etc/passwd'", "no build gives a member"),
        ({"elf\\kernel": b""}, "'elf\\\\kernel'", "no build gives a member"),
        ({"elf/\nkernel": b""}, "'elf/\\nkernel'", "no build gives a member"),
    ],
)
def test_bad_members(members: dict[str, bytes], member: str, message: str) -> None:
    with pytest.raises(ArchiveError, match=message) as error:
        read_archive("a.zip", pack(members))
    assert (error.value.path, error.value.member) == ("a.zip", member)
    assert str(error.value).startswith("a.zip: ")


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (b"", "its comment does not say so"),
        (b"hubris build archive v99", "update idoldbg"),
        (b"hubris build archive v1.1.0", "its comment does not say so"),
    ],
)
def test_other_zips(comment: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        read_archive("a.zip", pack(comment=comment))


@pytest.mark.parametrize(("member", "name"), [("elf/kernel", "kernel"), ("elf/task/spi", "spi")])
def test_missing_files_are_reported_when_they_are_needed(member: str, name: str) -> None:
    archive = read_archive("a.zip", pack(without(member)))
    with pytest.raises(ArchiveError, match=f"{member}: is missing"):
        archive.object_bytes(name)
    assert archive.object_bytes("jefe")


def patched_directory(data: bytes, name: bytes, at: int, value: bytes) -> bytes:
    """Change a field of a member's entry in the central directory (offset `at` in it)."""
    entry = data.index(b"PK\x01\x02")
    while data[entry + 46 : entry + 46 + len(name)] != name:
        entry = data.index(b"PK\x01\x02", entry + 1)
    return data[: entry + at] + value + data[entry + at + len(value) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_bombs_are_not_expanded(method: int) -> None:
    """The size in the directory lies: 40 MB of zeros come as `1 MB` or as what they are."""
    bomb = pack({**MEMBERS, "bomb": bytes(40 << 20)}, method=method)
    with pytest.raises(ArchiveError, match="bomb: expands to 41943040 bytes"):
        ZipMembers("a.zip", bomb).read("bomb")
    small = patched_directory(bomb, b"bomb", 24, struct.pack("<I", 1 << 20))
    with pytest.raises(ArchiveError, match="bomb: has a wrong size"):
        ZipMembers("a.zip", small).read("bomb")


def test_all_members_together_are_bounded() -> None:
    size = MAX_MEMBER_SIZE
    data = pack({str(i): bytes(size) for i in range(5)}, method=zipfile.ZIP_DEFLATED)
    members = ZipMembers("a.zip", data)
    with pytest.raises(ArchiveError, match="more than the 0"):
        for name in members.names():
            members.read(name)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (8, b"\x01\x00", "encrypted"),
        (10, b"\x63\x00", "method 99"),
        (16, b"\x00\x00\x00\x00", "check sum"),
        (20, b"\xff\xff\x00\x00", "overlaps|reaches beyond"),
        (42, b"\x00\x00\x00\x00", "overlaps"),
    ],
)
def test_forged_directories(at: int, value: bytes, message: str) -> None:
    data = patched_directory(pack(), b"elf/kernel", at, value)
    with pytest.raises(ArchiveError, match=message):
        read_archive("a.zip", data).object_bytes("kernel")


def test_a_name_twice() -> None:
    data = patched_directory(pack(), b"elf/task/spi", 46, b"elf/task/xxx")
    data = patched_directory(
        pack({**MEMBERS, "elf/task/spj": ELF}), b"elf/task/spj", 46, b"elf/task/spi"
    )
    with pytest.raises(ArchiveError, match="elf/task/spi: is in the archive twice"):
        read_archive("a.zip", data)


def test_bytes_before_the_zip_are_allowed() -> None:
    """As in a self-extracting archive; the offsets then count from the zip's own start."""
    assert read_archive("a.zip", b"#!stub\n" + pack()).name == "demo"


def use_all(path: str, data: bytes) -> None:
    archive = read_archive(path, data)
    for name in archive.object_names:
        archive.object_bytes(name)
    archive.flash_segments()
    assert archive.facts


def test_truncated_at_every_length() -> None:
    data = pack({"app.toml": b"name='x'", "elf/kernel": ELF})
    for size in range(len(data)):
        with pytest.raises(ArchiveError):
            use_all("a.zip", data[:size])


def test_mutations_end_in_an_archive_error() -> None:
    """3,000 archives with up to four bytes changed: a result or the documented error."""
    good = pack(method=zipfile.ZIP_DEFLATED)
    rng = random.Random(4)
    refused = 0
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            use_all("a.zip", bytes(data))
        except ArchiveError:
            refused += 1
        except DebugInfoError:
            refused += 1
    assert refused > 1000


def test_the_final_image_is_flashed(tmp_path: Path) -> None:
    header = bytearray(ELF[:52]) + struct.pack("<8I", 1, 84, 0x08000000, 0x08000000, 4, 4, 5, 4)
    struct.pack_into("<I", header, 28, 52)
    struct.pack_into("<H", header, 44, 1)
    path = tmp_path / "a.zip"
    path.write_bytes(pack({**MEMBERS, "img/final.elf": bytes(header) + b"abcd"}))
    build = open_build(path)
    assert build.archive.flash_segments() == (Segment(0x08000000, b"abcd"),)
    assert build.memory.read(0x08000001, 2) == b"bc"
    assert not build.is_dump and build.registers is None


@pytest.mark.parametrize("member", ["app.toml", "chip.toml", "memory.toml", "patches.toml"])
def test_a_deep_key_is_refused_before_it_is_parsed(member: str) -> None:
    """20,000 parts took 20 s and 1.5 GiB."""
    deep = MEMBERS.get(member, b"") + b"\n" + b".".join([b"a"] * 20_000) + b" = 1\n"
    with pytest.raises(ArchiveError, match=r"line .*a key of more than 24 parts") as refused:
        read_archive("x.zip", pack({**MEMBERS, member: deep}))
    assert f"x.zip: {member}: is not valid TOML" in str(refused.value)


def test_too_many_members_are_counted() -> None:
    data = pack({**MEMBERS, **{f"elf/task/t{number}": b"" for number in range(5000)}})
    with pytest.raises(ArchiveError, match=r"^a\.zip: has \d+ members, more than the 4096 "):
        read_archive("a.zip", data)
