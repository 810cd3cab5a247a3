"""Time travel: the past is lived again to the byte, and searches find what is known to be there."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.device import Device
from idoldbg.errors import ArgumentError, IdoldbgError, LinkError, NotFound, ServerDied, Unsupported
from idoldbg.session import demo_boards
from idoldbg.target.capability import TimeTravel
from idoldbg.target.emulated.emu.board import EmulatedBoard
from idoldbg.target.emulated.history_file import read_history, write_history

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "time-travel.md").read_text()


def board_of(dev: Device) -> EmulatedBoard:
    return dev.session.target.need(TimeTravel).past_of()


def die(dev: Device, cause: str = "DivideByZero") -> None:
    with pytest.raises(ServerDied):
        dev["victim"].Victim.die(cause=cause)


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach(probe="emu") as device:
        device.tasks()
        yield device


@pytest.mark.parametrize("board", demo_boards())
def test_any_moment_is_as_it_was(board: str) -> None:
    """States noted on the way forward are the states that a rewind comes to, whatever the order."""
    with idoldbg.attach(board=board, probe="emu") as dev:
        seen = []
        emulated = board_of(dev)
        for step in range(12):
            dev.Sensor.get(id=0)
            if step == 5:
                die(dev, "ReadKernel")
            dev.wait(0.0071)
            seen.append((emulated.cycles, emulated.bare_snapshot()))
        past = emulated.rewinding()
        order = list(range(12))
        random.Random(13).shuffle(order)
        for index in order:
            cycle, state = seen[index]
            past.go_to(cycle - 1)
            past.go_to(cycle)
            assert emulated.cycles == cycle
            assert emulated.bare_snapshot() == state, f"moment {index} of {board}"
        past.go_to_end()
        assert emulated.bare_snapshot() == seen[-1][1]
        assert not emulated.is_in_past


@pytest.mark.parametrize("board", demo_boards())
def test_where_a_run_is_cut_changes_nothing(board: str) -> None:
    """Runs of one instruction, of three, of fifty: through a fault, its handler and a restart."""
    with idoldbg.attach(board=board, probe="emu") as dev:
        die(dev, "ReadKernel")
        dev.board.rewind_to("fault of victim")
        dev.board.rewind(0.00005)
        emulated = board_of(dev)
        start, begin = emulated.bare_snapshot(), emulated.cycles
        states = []
        for stride in (4000, 1, 3, 50):
            emulated.restore_state(start)
            for end in range(begin + stride, begin + 4001, stride):
                emulated.run_to(end)
            emulated.run_to(begin + 4000)
            states.append(emulated.bare_snapshot())
        assert all(state == states[0] for state in states)


def test_the_fault_and_the_instruction_before(dev: Device) -> None:
    dev.Sensor.get(id=0)
    die(dev)
    dev.wait(0.2)
    fault = dev.board.rewind_to("fault of victim")
    assert (fault.task, fault.function) == ("victim", "task_victim::divide_by_zero")
    assert dev["victim"].state().fault is None
    code = board_of(dev).peek(fault.pc, 4)
    assert code[1] == 0xFB and code[3] >> 4 == 0xF, "a UDIV or SDIV"
    before = dev.board.step_back()
    assert before.cycle == fault.cycle - 1
    assert dev.registers().values  # looking lets no time pass
    assert dev.board.now().cycle == before.cycle
    assert dev.board.forward(0).cycle == before.cycle
    after = dev.board.forward()
    assert dev["victim"].state().generation == 1
    assert after.cycle == board_of(dev).cycles
    assert dev.board.rewind_to("restart of victim").task == "jefe"
    with pytest.raises(NotFound, match=r"no event named `fault of spi`; nothing of the kind in"):
        dev.board.rewind_to("fault of spi")
    assert dev.board.now().task == "jefe"


def test_the_last_write_is_found_whoever_made_it(dev: Device) -> None:
    board = board_of(dev)
    dev["victim"].Victim.ping()
    at = dev.board.now()
    die(dev)
    write = dev.board.last_write("JEFE_LAST_FAULT")
    assert write.task == "jefe"
    assert write.write is not None
    assert write.write.by == "core"
    board.run_to(board.cycles + 1)
    value = int.from_bytes(board.peek(write.write.address, write.write.size), "little")
    assert value == write.write.value
    spare = 0x2001_F000
    dev.link.write(spare, b"\1\2\3\4")
    dev.wait(0.001)
    by_us = dev.board.last_write(spare)
    assert by_us.write is not None
    assert (by_us.write.by, by_us.write.before) == ("debugger", b"\0\0\0\0")
    with pytest.raises(NotFound, match="no write named"):
        dev.board.last_write(spare + 8, 4)
    assert at.cycle < by_us.cycle


def test_conditions_forward_and_backward(dev: Device) -> None:
    rows = {row.name: row for row in dev.tasks().rows}
    assert rows["victim"].generation == 0
    board = board_of(dev)
    counter = 0x2001_F000
    dev.link.write(counter, b"\0")
    before = dev.board.now().cycle
    dev.wait(0.05)
    tick = int(board.cycles_per_second * 0.02) + before
    moment = dev.board.until(lambda: board.cycles >= tick + 77, 1.0)
    assert moment.cycle in (tick + 77, board.cycles)
    assert moment.cycle >= tick + 77
    die(dev)
    generation = dev["victim"].state().generation
    assert generation == 1
    found = dev.board.rewind_to(lambda: dev["victim"].state().generation == 1)
    assert found.task == "jefe"
    with pytest.raises(LinkError, match="did not hold within"):
        dev.board.until(lambda: False, 0.01)


def test_another_past_from_a_moment(dev: Device) -> None:
    assert dev["victim"].Victim.ping().value == 1
    die(dev)
    assert dev["victim"].Victim.ping().value == 1
    dev.board.rewind_to("fault of victim")
    dev.board.rewind(0.01)
    assert dev["victim"].Victim.ping().value == 2
    assert dev["victim"].state().generation == 0
    with pytest.raises(NotFound, match="fault of victim"):
        dev.board.rewind_to("fault of victim")


def test_snapshots_bring_their_past(dev: Device) -> None:
    board = board_of(dev)
    dev.wait(0.01)
    kept = board.snapshot()
    die(dev)
    board.restore(kept)
    dev.session.caller.forget()
    dev.wait(0.02)
    with pytest.raises(NotFound):
        dev.board.rewind_to("fault of victim")
    dev.board.rewind(0.025)
    assert board.cycles < kept.clock.cycles


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.rewind_to("fall of victim"), "is not an event; give `fault of TASK`"),
        (lambda b: b.rewind_to("fault of victin"), "did you mean `victim`"),
        (lambda b: b.rewind(-1), "0 or more"),
        (lambda b: b.step_back(0), "1 or more"),
        (lambda b: b.last_write("NONE"), "NONE"),
        (lambda b: b.forward(-1), "0 or more"),
    ],
)
def test_mistakes(call: Callable[[Any], Any], message: str, dev: Device) -> None:
    with pytest.raises(IdoldbgError, match=message):
        call(dev.board)


def test_other_targets_have_no_past() -> None:
    with idoldbg.attach(probe="pyocd:emu") as dev, pytest.raises(Unsupported, match="not recorded"):
        dev.board.rewind(1)


# ---- files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "victim.history"
    with idoldbg.attach(probe="emu") as dev:
        dev.Sensor.get(id=0)
        die(dev)
        dev.wait(0.05)
        write_history(path, board_of(dev), dev.program.archive)
    assert path.stat().st_size < 4096
    return path


COMMANDS = {
    "replay": [],
    "replay-fault": ["--to", "fault of victim"],
    "replay-write": ["--last-write", "JEFE_LAST_FAULT", "--steps", "2"],
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_output_is_as_agreed(
    name: str, form: str, history: Path, golden: Golden, capsys: Capture
) -> None:
    assert run(["replay", str(history), *COMMANDS[name], "--format", form]) == 0
    found = capsys.readouterr().out
    folder = str(idoldbg.opening.demo_archive("stm32f4-discovery").parent) + "/"
    golden(f"cli/{name}.{form.replace('text', 'txt')}", found.replace(folder, ""))


def test_a_history_is_a_target(history: Path, capsys: Capture) -> None:
    assert run(["-p", f"history:{history}", "tasks", "victim"]) == 0
    assert re.search(r"victim +1 ", capsys.readouterr().out)
    assert run(["replay", str(history), "-p", "emu"]) == 2
    assert run(["replay", str(history), "--to", "noon"]) == 2
    assert run(["-a", _other(), "-p", f"history:{history}", "tasks"]) != 0
    assert "another build" in capsys.readouterr().err


def _other() -> str:
    return str(idoldbg.opening.demo_archive("nucleo-g031"))


def _packed(head: object) -> bytes:
    return b"IDHI" + zlib.compress(json.dumps(head).encode())


def test_files_that_are_wrong(history: Path, tmp_path: Path) -> None:
    data = history.read_bytes()
    good = json.loads(zlib.decompress(data[4:]))
    file = tmp_path / "x.history"

    def refused(content: bytes, message: str) -> None:
        file.write_bytes(content)
        with pytest.raises(ArgumentError, match=message):
            read_history(str(file))

    refused(b"", "not a history")
    for size in range(4, len(data)):
        refused(data[:size], "cut off|damaged")
    refused(_packed([]), "schema")
    refused(_packed({**good, "board": 7}), "which build and board")
    last = good["entries"][-1][0]
    for entry in (
        [last, "close", []],
        [last, "call_device", ["x", "__init__", [], {"d": {}}]],
        [last, "write", [0, "00"]],
        [last, "write", [0, {"b": "0"}]],
        [last, "write", [0, {"c": "00"}]],
        [last, "_read_mixed", [0, 1 << 31]],
        [last, "ran", [1]],
        [0, "ran", []],
        [1 << 70, "ran", []],
        [last, "write_register", [{"d": {}}, 1]],
        "ran",
    ):
        refused(_packed({**good, "entries": [*good["entries"], entry]}), "is not an input")


def test_a_history_of_a_board_file_of_ones_own_leads_to_no_code(
    history: Path, tmp_path: Path, capsys: Capture
) -> None:
    good = json.loads(zlib.decompress(history.read_bytes()[4:]))
    file = tmp_path / "own.history"
    file.write_bytes(_packed({**good, "board": None, "board_name": "mine"}))
    assert run(["replay", str(file)]) == 2
    assert "give the file yourself" in capsys.readouterr().err
    file.write_bytes(_packed({**good, "board": "/tmp/mine.toml"}))
    assert run(["replay", str(file)]) != 0
    assert "is not a bundled board" in capsys.readouterr().err


def test_the_guide_runs() -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    blocks = re.findall(r"^```python\n(?!# test_)(.*?)^```$", GUIDE, re.S | re.M)
    assert len(blocks) == 2
    for text in blocks:
        exec(compile(text, "docs/time-travel.md", "exec"), names)
