"""Stacks of tasks: on the emulated boards, and against what humility says of real core dumps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo.frames import FrameRules, find_stub_row
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.dumping import REGISTERS
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.model.types import Struct
from idoldbg.render.tasks import describe_end
from idoldbg.session import TargetOptions, demo_boards, open_session
from idoldbg.startup import settle
from idoldbg.views.backtrace import Backtrace, End, decode_call, read_backtrace, read_core_backtrace
from idoldbg.views.saved import read_saved
from idoldbg.views.tasks import read_tasks, table_address, task_type


def functions(trace: Backtrace) -> list[str | None]:
    return [frame.function for frame in trace.frames if not frame.is_inlined]


@pytest.mark.parametrize("board", demo_boards())
def test_tasks_that_wait_are_seen_down_to_their_start(board: str) -> None:
    with open_session(TargetOptions(board=board, probe="emu")) as session:
        settle(session)
        tasks = session.program.archive.tasks
        found = {t.name: read_backtrace(session.program, t.index) for t in tasks}
    # The sensor receives in two places, so that `sys_recv` is a function and not part of `main`.
    for name, between in (("jefe", []), ("spi", []), ("sensor", ["sys_recv"]), ("victim", [])):
        calls = [f"userlib::syscall::{function}" for function in ("syscall_stub", *between)]
        assert functions(found[name]) == [*calls, "main", "_start"]
        assert describe_end(found[name]) == ""
    if found["idle"].frames:  # else it is running, and was never put aside
        assert functions(found["idle"])[-1] == "_start"


def test_stack_that_is_gone_ends_the_walk_with_a_reason() -> None:
    build = open_build("fixtures/archives/stm32f4-discovery.zip")
    trace = read_backtrace(Program(build.archive, build.memory), 0)
    assert trace.frames == ()
    assert "cannot be read" in describe_end(trace)


class Patched:
    """Another's memory, but for some words."""

    def __init__(self, inner: MemoryReader, words: dict[int, int]) -> None:
        self.inner, self.words = inner, words

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self.inner.read(address, size))
        for at, word in self.words.items():
            if address <= at <= address + size - 4:
                data[at - address : at - address + 4] = word.to_bytes(4, "little")
        return bytes(data)


def test_the_function_that_overflowed_a_stack_is_found_by_frame_pointers() -> None:
    """After an overflow: the stack pointer is outside of the task's stack, r7 is not."""
    with open_session(TargetOptions(board="stm32f4-discovery", probe="emu")) as session:
        settle(session)
        program = session.program
        spi = program.task("spi").index
        entry = task_type(program)
        assert isinstance(entry, Struct)
        save = next(m for m in entry.members if m.name == "save")
        assert isinstance(save.type, Struct)
        save_at = table_address(program) + spi * entry.size + save.offset
        at = {m.name: save_at + m.offset for m in save.type.members}
        callers = [f for f in read_backtrace(program, spi).frames[1:] if not f.is_inlined]
        main, start = (f.address | 1 for f in callers)
        frame = read_u32(program.memory, at["psp"])
        records = {frame: frame + 16, frame + 4: main, frame + 16: 0, frame + 20: start}
        for psp in (0xFFFF0000, 0x20000000):  # no memory; nothing that makes sense
            words = records | {at["psp"]: psp, at["r7"]: frame}
            trace = read_backtrace(Program(program.archive, Patched(program.memory, words)), spi)
            # The first has no return address: the call in `main` says that it is there.
            assert functions(trace) == ["userlib::syscall::syscall_stub", "main", "_start"]
            assert "a guess" in describe_end(trace)
            asked = Program(program.archive, Patched(program.memory, words))
            without = read_backtrace(asked, spi, guess=False)
            assert not without.frames
            assert "(--guess)" in describe_end(without)
            words[at["r7"]] = frame + 4
            trace = read_backtrace(Program(program.archive, Patched(program.memory, words)), spi)
            assert [f for f in functions(trace) if f] == []
            assert describe_end(trace)


def test_registers_of_the_kernel_are_not_taken_for_those_of_its_current_task() -> None:
    with open_session(TargetOptions(board="stm32f4-discovery", probe="emu")) as session:
        settle(session)
        spi = session.program.task("spi").index
        waiting = read_backtrace(session.program, spi)
        for pc, xpsr in ((0x08000400, 0), (waiting.frames[0].address, 11), (0x1FFF0000, 0)):
            live = {f"r{i}": 0 for i in range(13)} | {"sp": 0, "lr": 0, "pc": pc, "xpsr": xpsr}
            assert read_backtrace(session.program, spi, live) == waiting


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("fff7feff", 0x0801FFFC),  # to itself
        ("00f000f8", 0x08020000),
        ("00f002f8", 0x08020004),
        ("ff f7 00 f8", 0x0801F000),
        ("9847 00bf", None),  # blx r3; nop
    ],
)
def test_calls_say_what_they_call(code: str, target: int | None) -> None:
    assert decode_call(bytes.fromhex(code), 0x08020000) == target


@pytest.mark.parametrize("name", ["spi", "sensor"])
def test_stack_of_a_handler_goes_on_in_the_task_below(name: str) -> None:
    """SVCall in assembly uses r4 to r11: the task's are where it has put them."""
    with open_session(TargetOptions(board="stm32f4-discovery", probe="emu")) as session:
        settle(session)
        program = session.program
        index = program.task(name).index
        waiting = read_backtrace(program, index)
        saved = read_saved(program, index)
        handler = program.kernel.symbols.find("SVCall")
        assert handler is not None and saved.psp is not None
        live = {f"r{i}": 0xBAD for i in range(13)} | {"sp": 0x20000600, "lr": 0xFFFFFFED}
        live |= {"pc": handler.address + 4, "xpsr": 11, "psp": saved.psp}
        trace = read_core_backtrace(program, live)
    assert functions(trace) == ["SVCall", *functions(waiting)]
    assert [f.cfa for f in trace.frames[1:]] == [f.cfa for f in waiting.frames]
    assert (trace.end, trace.doubt) == (End.TASK_START, None)


@pytest.mark.parametrize(
    ("code", "depth", "saved"),
    [
        # push.w {r3-r11, lr}; svc
        (
            "2de9f84f00df",
            40,
            {3: -40, 4: -36, 5: -32, 6: -28, 7: -24, 8: -20, 9: -16, 10: -12, 11: -8, 14: -4},
        ),
        # ARMv6-M: push {r4-r7, lr}; mov r4 to r7, r8 to r11; push {r4-r7}; svc
        (
            "f0b544464d4656465f46f0b400df",
            36,
            {4: -20, 5: -16, 6: -12, 7: -8, 14: -4, 8: -36, 9: -32, 10: -28, 11: -24},
        ),
        # The same without lr, then arguments by way of the stack:
        # ldm r0!, {r4-r7}; push {r4-r7}; mov r8, r4; pop {r4-r7}; svc
        (
            "f0b444464d4656465f46f0b4f0c8f0b4a046f0bc00df",
            32,
            {4: -16, 5: -12, 6: -8, 7: -4, 8: -32, 9: -28, 10: -24, 11: -20},
        ),
        # Only r8 and r11 are saved: push {r4-r7}; mov r4, r8; mov r5, r11; push {r4, r5}; svc
        ("f0b444465d4630b400df", 24, {4: -16, 5: -12, 6: -8, 7: -4, 8: -24, 11: -20}),
        # What is on the stack no more is not the caller's: push {r4}; pop {r4}; push {r5}; svc
        ("10b410bc20b400df", 4, {5: -4}),
        # push {r4, lr}; sub sp, #8; svc, and with add sp, #8 before it
        ("10b582b000df", 16, {4: -8, 14: -4}),
        ("10b582b002b000df", 8, {4: -8, 14: -4}),
        # ARMv7-M: str r4, [sp, #-4]!; ldr r4, [sp], #4; push.w {r11}; svc
        ("4df8044d5df8044b4df804bd00df", 4, {11: -4}),
    ],
)
def test_pushes_of_a_stub_are_read_from_its_code(
    code: str, depth: int, saved: dict[int, int]
) -> None:
    row = find_stub_row(bytes.fromhex(code))
    assert row is not None
    assert (row.cfa_register, row.cfa_offset) == (13, depth)
    assert row.saved == saved


@pytest.mark.parametrize(
    "code",
    [
        "10b430bc00df",  # pops more than it pushed
        "02b000df",  # add sp, #8
        "8d4600df",  # mov sp, r1
        "5df8044b00df",
    ],
)
def test_stub_that_loses_its_stack_has_no_row(code: str) -> None:
    assert find_stub_row(bytes.fromhex(code)) is None


def test_stack_of_the_running_task_is_a_guess_without_registers() -> None:
    """A running task's entry in the task table is of when it last stopped."""
    with open_session(TargetOptions(board="stm32f4-discovery", probe="emu")) as session:
        settle(session)
        session.link.halt()
        program = session.program
        running = next(row for row in read_tasks(program).rows if row.is_current)
        waiting = program.task("spi").index
        assert describe_end(read_backtrace(program, waiting)) == ""
        stale = read_backtrace(program, running.index)
        assert "this task was running, and the core's registers are not known" in describe_end(
            stale
        )
        # A task that has been put aside before: its frames are shown, and called what they are.
        size = task_type(program).size
        at = table_address(program) + waiting * size
        current = program.kernel.find_variables("CURRENT_TASK_PTR")[0].address
        assert current is not None
        # In the kernel's hands it is where it was put aside.
        patched = Program(program.archive, Patched(program.memory, {current: at}))
        assert read_backtrace(patched, waiting) == read_backtrace(program, waiting)
        state = next(m.offset for m in task_type(program).members if m.name == "state")
        runs = read_u32(program.memory, table_address(program) + running.index * size + state)
        words = {current: at, at + state: runs}
        patched = Program(program.archive, Patched(program.memory, words))
        trace = read_backtrace(patched, waiting)
        assert trace.frames == read_backtrace(program, waiting).frames
        assert describe_end(trace).startswith(
            "a guess: this task was running, and the core's registers"
        )
        live = {name: session.link.read_register(name) for name in REGISTERS}
        assert describe_end(read_backtrace(patched, waiting, live)) == ""


@pytest.mark.parametrize("code", ["", "00", "00bf", "2de9", "2de9f84f"])
def test_code_that_makes_no_system_call_has_no_stub_row(code: str) -> None:
    assert find_stub_row(bytes.fromhex(code)) is None


def test_damaged_call_frames_give_no_rows_and_no_traceback() -> None:
    build = open_build("fixtures/archives/stm32f4-discovery.zip")
    info = ObjectInfo("victim", build.archive.object_bytes("victim"))
    data = bytearray(info.section(".debug_frame") or b"")
    rules = FrameRules(bytes(data))
    assert rules.find_row(0x0801804E) is not None
    for at in range(0, len(data), 13):
        broken = data.copy()
        broken[at : at + 8] = b"\xff" * 8
        FrameRules(bytes(broken)).find_row(0x0801804E)
    for size in (0, 1, 3, 4, 12, 40):
        assert FrameRules(bytes(data[:size])).find_row(0x0801804E) is None


# A frame of humility's `tasks -slvr`: stack pointer, program counter, function.
_FRAME = re.compile(r"   (?:\||\+--->) *(?:\+--->)? *0x\w{8} 0x(\w{8}) (\S+)$")
_TASK = re.compile(r" ?\s?(\d+) (\w+) +\d+ +\d+ ")


def humility_frames(text: str) -> dict[str, list[tuple[int, str]]]:
    """Read frames, with inlined functions folded into the one that holds them."""
    found: dict[str, list[tuple[int, str]]] = {}
    task = ""
    for line in text.splitlines():
        if match := _TASK.match(line):
            task = match[2]
            found[task] = []
        elif (match := _FRAME.match(line)) and task:
            frame = (int(match[1], 16) & ~1, match[2])
            if found[task] and found[task][-1][0] == frame[0]:
                found[task][-1] = frame
            else:
                found[task].append(frame)
    return found


@pytest.mark.parametrize("core", ["inheritance.0", "new-compiler", "new-sensors", "v6"])
def test_stacks_of_real_dumps_are_those_that_humility_shows(real_hubris: Path, core: str) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{core}")
    program = Program(build.archive, build.memory)
    expected = humility_frames(
        (real_hubris / "tasks-slvr" / f"tasks-slvr.{core}.stdout").read_text()
    )
    assert expected
    for row in read_tasks(program).rows:
        live = build.registers if row.is_current else None
        trace = read_backtrace(program, row.index, live)
        ours = [(f.address, f.function) for f in trace.frames if not f.is_inlined]
        if ours and ours[-1][1] == "_start":  # humility stops before
            ours.pop()
        assert ours == expected[row.name], row.name
