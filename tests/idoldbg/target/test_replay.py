"""Recorded traffic replays to the same answers, and to nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.device import attach
from idoldbg.errors import ArgumentError, FaultError, IdoldbgError, LinkError, Unsupported
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.link import Link
from idoldbg.target.recording import SCHEMA, Recorder
from idoldbg.target.replay import ReplayLink
from idoldbg.target.trace import Trace

from .conftest import FLASH, RAM, FakeChip

HEAD = json.dumps({"schema": SCHEMA})
Capture = pytest.CaptureFixture[str]


def conversation(link: Trace) -> list[object]:
    """Use every operation, failing ones included; return the answers."""
    answers: list[object] = [link.read(FLASH, 5), *link.read_many([(FLASH, 2), (RAM, 3)])]
    link.alone(lambda: link.write(RAM, b"kick"))
    link.wait(0.25)
    answers += [link.read(RAM, 4), link.monotonic(), link.make_tag()]
    link.halt()
    answers.append(link.halted(lambda: link.read_register("pc")))
    link.resume()
    link.reset()
    link.reset_with(halt=True, line=False)
    for failing in (lambda: link.read(0x30000000, 8), lambda: link.read_register("r99")):
        with pytest.raises((FaultError, LinkError)) as caught:
            failing()
        answers.append((type(caught.value), str(caught.value), getattr(caught.value, "size", 0)))
    return [*answers, link.traffic]


@pytest.fixture
def recorded(chip: FakeChip, tmp_path: Path) -> tuple[list[str], list[object]]:
    path = tmp_path / "recorded"
    link = EmulatedLink(chip, notices=("a notice",))
    with Trace(link, Recorder(str(path), link, archive="/a.zip", timeout_s=5)) as trace:
        answers = conversation(trace)
    return path.read_text().splitlines(), answers


def test_replay_gives_the_same_answers(recorded: tuple[list[str], list[object]]) -> None:
    lines, answers = recorded
    with Trace(ReplayLink(lines)) as link:
        assert isinstance(link, Link)
        assert "emulated board (emu)" in link.description
        assert link.notices == ("a notice",)
        assert conversation(link) == answers
    assert answers[-2] == (Unsupported, "no register r99", 0)


def test_reads_that_were_not_one_transaction_are_planned_so_again(
    chip: FakeChip, tmp_path: Path
) -> None:
    """The recorded blocks depend on it."""
    path = tmp_path / "recorded"
    inner = EmulatedLink(chip)
    inner.reads_at_once = False  # type: ignore[attr-defined]  # as of ST-Link

    def ask(link: Trace) -> list[object]:
        return [link.reads_at_once, link.read_many([(RAM, 4), (RAM + 8, 4)]), link.monotonic()]

    with Trace(inner, Recorder(str(path), inner, archive="/a.zip", timeout_s=5)) as trace:
        answers = ask(trace)
    assert answers[0] is False
    with Trace(ReplayLink(path.read_text().splitlines())) as link:
        assert ask(link) == answers


def test_lines_are_json(recorded: tuple[list[str], list[object]]) -> None:
    lines, _ = recorded
    head = json.loads(lines[0])
    assert (head["schema"], head["archive"], head["timeout_s"]) == (SCHEMA, "/a.zip", 5)
    assert json.loads(lines[1]) == {
        "op": "read", "address": FLASH, "size": 5, "data": "00070e151c",
    }  # fmt: skip


def test_another_question_is_refused(recorded: tuple[list[str], list[object]]) -> None:
    lines, _ = recorded
    with pytest.raises(LinkError, match=r'line 2: recorded is .*"size": 5.* but .*"size": 4'):
        ReplayLink(lines).read(FLASH, 4)
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink(lines).halt()


def test_the_end_of_the_recording(recorded: tuple[list[str], list[object]]) -> None:
    link = ReplayLink(recorded[0][:2])
    link.read(FLASH, 5)
    with pytest.raises(LinkError, match="line 3: the recording ends"):
        link.write(RAM, b"kick")


@pytest.mark.parametrize("head", ["", "[]", "{}", '{"schema": "other/1"}', "[" * 100_000])
def test_files_that_are_not_recordings_are_refused(
    head: str, tmp_path: Path, capsys: Capture
) -> None:
    with pytest.raises(LinkError, match="line 1"):
        ReplayLink([head])
    with pytest.raises(LinkError, match="not a recording"):
        ReplayLink([])
    (tmp_path / "file").write_text(head)
    assert run(["-p", f"replay:{tmp_path / 'file'}", "tasks"]) == 4
    assert "line 1" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["null", '"xy"', '"00"', "7", "[]"])
def test_damaged_data(data: str) -> None:
    line = f'{{"op": "read", "address": 0, "size": 4, "data": {data}}}'
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink([HEAD, line]).read(0, 4)
    line = f'{{"op": "read-many", "ranges": [[0, 4]], "data": {data}}}'
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink([HEAD, line]).read_many([(0, 4)])


@pytest.mark.parametrize("value", ["null", '"1"', "true", "[1]"])
def test_damaged_numbers(value: str) -> None:
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink([HEAD, f'{{"op": "time", "value": {value}}}']).monotonic()
    line = f'{{"op": "register", "name": "pc", "value": {value}}}'
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink([HEAD, line]).read_register("pc")


@pytest.mark.parametrize("kind", ["FaultError", "LinkTimeout", "NoSuchError", "TYPE_CHECKING", 7])
@pytest.mark.parametrize("facts", ["null", "{}", '{"nonsense": 1}', "[]"])
def test_damaged_errors(kind: object, facts: str) -> None:
    line = f'{{"op": "halt", "error": {json.dumps(kind)}, "message": "m", "facts": {facts}}}'
    with pytest.raises(IdoldbgError):
        ReplayLink([HEAD, line]).halt()


@pytest.mark.parametrize("probe", ["emu", "pyocd:emu"])
def test_a_recorded_command_replays_to_the_same_output(
    probe: str, tmp_path: Path, capsys: Capture
) -> None:
    """A call, one that fails, the tasks: without a board, and without naming the build."""
    for number, argv in enumerate(
        (
            ["call", "Spi.exchange", "--device-index", "0", "--source", "hex:9f000000",
             "--sink", "4"],
            ["call", "Spi.exchange", "--device-index", "7", "--source", "hex:9f", "--sink", "1"],
            ["tasks", "--format", "json"],
            ["-v", "call", "Sensor.get", "--id", "0"],
        )
    ):  # fmt: skip
        path = tmp_path / f"{number}.jsonl"
        code = run(["-p", probe, "--record", str(path), *argv])
        live = capsys.readouterr()
        assert code in (0, 1), live.err
        assert run(["-p", f"replay:{path}", *argv]) == code
        again = capsys.readouterr()
        own = '"link": "emulated"' if probe == "emu" else '"link": "probe"'
        assert again.out.replace('"link": "replay"', own) == live.out
        assert again.err == live.err


def test_a_recorded_session_is_a_test(tmp_path: Path) -> None:
    path = tmp_path / "session"
    arguments = {"device_index": 0, "source": b"\x9f\0\0\0", "sink": 4}
    with attach(probe="emu", record=path) as dev:
        reply = dev.Spi.exchange(**arguments)
    with attach(probe=f"replay:{path}") as dev:
        assert dev.Spi.exchange(**arguments).leases.sink == reply.leases.sink
        with pytest.raises(LinkError, match="the recording ends"):
            dev.Spi.exchange(**arguments)


def test_a_timeout_replays(tmp_path: Path, capsys: Capture) -> None:
    """The clock is that of the recording: what took too long then, does so now."""
    path = tmp_path / "slow"
    argv = ["--timeout", "0.0001", "call", "Sensor.get", "--id", "0"]
    assert run(["-p", "emu", "--record", str(path), *argv]) == 3
    live = capsys.readouterr().err
    assert run(["-p", f"replay:{path}", *argv]) == 3
    assert capsys.readouterr().err == live
    assert run(["-p", f"replay:{path}", *argv[2:]]) == 4
    said = capsys.readouterr().err
    assert "was recorded with a timeout of 0.0001 s: give the same" in said


def test_another_build_is_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "session"
    attach(probe="emu", record=path).close()
    other = str(demo_archive("lpcxpresso55s69"))
    with pytest.raises(LinkError, match="line 2: recorded is"):
        attach(other, probe=f"replay:{path}")


def test_files_are_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "session"
    attach(probe="emu", record=path).close()
    with pytest.raises(ArgumentError, match=r"--record: .* is a file already"):
        open_session(TargetOptions(probe=f"replay:{path}", record=str(tmp_path / "again")))
    assert not (tmp_path / "again").exists()


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    assert run(["-p", "emu", "--record", str(tmp_path), "tasks"]) == 4
    assert f"{tmp_path}: Is a directory" in capsys.readouterr().err
    assert run(["-p", f"replay:{tmp_path / 'none'}", "tasks"]) == 4
    assert "No such file" in capsys.readouterr().err
