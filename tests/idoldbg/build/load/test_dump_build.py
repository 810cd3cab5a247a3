"""A core dump is read with its own build alone, whoever asks; dumps without build, and packed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import idoldbg
from idoldbg.build.load import open_build, open_dump
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.cli import run
from idoldbg.errors import ArchiveError, MismatchError
from idoldbg.model.archive import Archive
from idoldbg.model.memory import Segment
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.startup import settle

pytest_plugins = "pytester"

Capture = pytest.CaptureFixture[str]
OWN = demo_archive("stm32f4-discovery")
OTHERS = [demo_archive("nucleo-g031"), OWN.parent / "stm32f4-discovery-no-hiffy.zip"]


@pytest.fixture(scope="module")
def memory() -> tuple[Segment, ...]:
    """RAM of the demo, once its tasks run."""
    with open_session(TargetOptions(archive=str(OWN), probe="emu")) as session:
        settle(session)
        return (Segment(0x20000000, session.link.read(0x20000000, 0x20000)),)


def flash(path: Path = OWN) -> list[Segment]:
    return list(open_build(path).archive.flash_segments())


def write(path: Path, archive: Path | None, segments: Sequence[Segment]) -> Path:
    path.write_bytes(encode_dump(archive and archive.read_bytes(), segments, {}))
    return path


def crash(path: Path, archive: Archive, memory: Sequence[Segment], **changes: object) -> Path:
    """Write a dump as a service processor sends it."""
    facts = {
        "format": 1,
        "task_index": 2,
        "crash_time": 1234,
        "board_name": "a",
        "git_commit": "b",
        "archive_id": (archive.image_id or b"").hex(),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("dump.json", json.dumps(facts | changes))
        for segment in memory:
            file.writestr(f"0x{segment.address:x}.bin", segment.data)
    return path


COMMANDS = ["tasks", "list", "types SensorError", "call Sensor.reading --id 0", "audit", "reset"]


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("other", OTHERS, ids=lambda p: p.stem)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_a_dump_of_another_build(
    command: str,
    other: Path,
    how: str,
    tmp_path: Path,
    memory: tuple[Segment, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    dump = write(tmp_path / "x.core", OWN, memory)
    target = ["-p", f"dump:{dump}"]
    if how == "option":
        target += ["-a", str(other)]
    else:
        monkeypatch.setenv("IDOLDBG_ARCHIVE", str(other))
    assert run([*target, *command.split()]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "is a dump of another build than" in output.err


def test_its_own_build_is_fine(
    tmp_path: Path, memory: tuple[Segment, ...], capsys: Capture
) -> None:
    dump = write(tmp_path / "x.core", OWN, [*flash(), *memory])
    copy = tmp_path / "copy.zip"
    copy.write_bytes(OWN.read_bytes())
    assert run(["-p", f"dump:{dump}", "tasks"]) == 0
    shown = capsys.readouterr()
    for archive in (OWN, copy, dump):
        assert run(["-a", str(archive), "-p", f"dump:{dump}", "tasks"]) == 0
        assert capsys.readouterr() == shown
    assert shown.err == ""


def test_python_refuses_it_too(tmp_path: Path, memory: tuple[Segment, ...]) -> None:
    dump = write(tmp_path / "x.core", OWN, memory)
    with pytest.raises(MismatchError) as caught:
        idoldbg.attach(OTHERS[0], probe=f"dump:{dump}")
    ids = [(open_build(path).archive.image_id or b"").hex() for path in (OTHERS[0], OWN)]
    assert [caught.value.expected, caught.value.actual] == ids
    with idoldbg.attach(OWN, probe=f"dump:{dump}") as device:
        assert device.tasks().rows[0].name == "jefe"


def test_pytest_refuses_it_too(
    tmp_path: Path, memory: tuple[Segment, ...], pytester: pytest.Pytester
) -> None:
    dump = write(tmp_path / "x.core", OWN, memory)
    pytester.makepyfile("def test_it(idol):\n    pass\n")
    options = ["-p", "no:cacheprovider", f"--idoldbg-probe=dump:{dump}"]
    result = pytester.runpytest_subprocess(*options, f"--idoldbg-archive={OTHERS[0]}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*is a dump of another build than*"])
    pytester.runpytest_subprocess(*options, f"--idoldbg-archive={OWN}").assert_outcomes(passed=1)


def test_memory_that_contradicts_the_archive_in_the_dump(tmp_path: Path) -> None:
    dump = write(tmp_path / "x.core", OWN, flash(OTHERS[1]))
    with pytest.raises(MismatchError, match="its image id in memory is"):
        open_build(dump)


def test_without_an_archive_the_memory_decides(
    tmp_path: Path, memory: tuple[Segment, ...], capsys: Capture
) -> None:
    dump = write(tmp_path / "x.core", None, [*flash(), *memory])
    assert run(["-p", f"dump:{dump}", "tasks"]) == 4
    assert f"-a build.zip -p dump:{dump}" in capsys.readouterr().err
    assert run(["-a", str(OWN), "-p", f"dump:{dump}", "tasks"]) == 0
    output = capsys.readouterr()
    assert "jefe" in output.out
    assert output.err == ""
    for other in OTHERS:
        assert run(["-a", str(other), "-p", f"dump:{dump}", "tasks"]) == 3
        assert "in memory is" in capsys.readouterr().err


def test_builds_of_one_id_differ_by_vector_table(tmp_path: Path) -> None:
    archive = open_build(OWN).archive
    assert archive.vector_table is not None and archive.image_id_address is not None
    id_ = Segment(archive.image_id_address, archive.image_id or b"")
    dump = write(tmp_path / "x.core", None, [id_, Segment(archive.vector_table, bytes(8))])
    with pytest.raises(MismatchError, match="its vector table in memory is 0000000000000000"):
        open_dump(dump, archive)


def test_incomparable_types_are_reported(
    tmp_path: Path, memory: tuple[Segment, ...], capsys: Capture
) -> None:
    dump = write(tmp_path / "x.core", None, memory)
    assert run(["-a", str(OWN), "-p", f"dump:{dump}", "tasks"]) == 0
    output = capsys.readouterr()
    assert "jefe" in output.out
    assert "cannot be checked: neither the build nor its image id is in the dump" in output.err


# ---- in zip files --------------------------------------------------------------------------------


def test_packed_dump(tmp_path: Path, memory: tuple[Segment, ...], capsys: Capture) -> None:
    dump = write(tmp_path / "x.core", OWN, memory)
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("notes.txt", "seen on the third board")
        file.write(dump, "folder/x.core")
    assert run(["-p", f"dump:{dump}", "tasks"]) == 0
    shown = capsys.readouterr().out
    for target in (["-p", f"dump:{packed}"], ["-a", str(packed)]):
        assert run([*target, "tasks"]) == 0
        assert capsys.readouterr().out == shown
    assert run(["-a", str(OTHERS[0]), "-p", f"dump:{packed}", "tasks"]) == 3


def test_zip_of_several_dumps_or_none(tmp_path: Path, memory: tuple[Segment, ...]) -> None:
    dump = write(tmp_path / "x.core", OWN, memory)
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(dump, "a.core")
        file.write(dump, "b.core")
    with pytest.raises(ArchiveError, match=r"2 ELF files in it \(a.core, b.core\); unpack"):
        open_build(packed)
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("notes.txt", "nothing")
    with pytest.raises(ArchiveError, match="not a Hubris build archive"):
        open_build(packed)


def test_crash_of_a_task_from_a_service_processor(
    tmp_path: Path, memory: tuple[Segment, ...], capsys: Capture
) -> None:
    archive = open_build(OWN).archive
    dump = crash(tmp_path / "hubris.dry.0", archive, memory)
    build = open_dump(dump, archive)
    assert (build.is_dump, build.task, build.ticks) == (True, 2, 1234)
    assert run(["-a", str(OWN), "-p", f"dump:{dump}", "tasks"]) == 0
    output = capsys.readouterr()
    assert "jefe" in output.out
    assert output.err == ""
    assert run(["-p", f"dump:{dump}", "tasks"]) == 4
    assert (archive.image_id or b"").hex() in capsys.readouterr().err
    for other in OTHERS:
        assert run(["-a", str(other), "-p", f"dump:{dump}", "tasks"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"archive_id": "xyz"}, "no `archive_id`"),
        ({"archive_id": None}, "no `archive_id`"),
        ({"task_index": "1"}, "no number `task_index`"),
        ({"crash_time": -1}, "no number `crash_time`"),
    ],
)
def test_bad_description_of_a_crash(
    tmp_path: Path, changes: dict[str, object], message: str, memory: tuple[Segment, ...]
) -> None:
    archive = open_build(OWN).archive
    with pytest.raises(ArchiveError, match=message):
        open_dump(crash(tmp_path / "dry", archive, memory, **changes), archive)
    with pytest.raises(ArchiveError, match="no memory is in it"):
        open_dump(crash(tmp_path / "dry", archive, ()), archive)
