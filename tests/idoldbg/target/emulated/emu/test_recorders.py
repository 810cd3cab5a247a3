"""The recorders of instruments, on tiny programs whose every instruction is known."""

from __future__ import annotations

import pytest

from idoldbg.errors import ArgumentError, NotFound
from idoldbg.model.coverage_records import BlockRecord, read_coverage_records
from idoldbg.model.sample_records import SampleReader
from idoldbg.model.trace_records import RecordKind, read_records
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.emu.engine import Engine
from idoldbg.target.emulated.emu.trace_recorder import TraceRecorder

from .machines import ALL, RAM, RESULTS, STACK, TASK_STACK, V7M, Machine
from .thumb import LR, Program

each_core = pytest.mark.parametrize("machine", ALL, ids=str)
CURRENT, TABLE = RAM + 0x600, RAM + 0x700
LAYOUT = {
    "current": CURRENT,
    "table": TABLE,
    "table_pointer": None,
    "entry_size": 32,
    "count": 3,
    "watched": [[8, 4], [20, 4]],
}


def covered(board: EmulatedBoard) -> set[int]:
    """Return the addresses of the halfwords that were executed since the last time."""
    found = set()
    for record in read_coverage_records(board.instruments.take("coverage")):
        assert isinstance(record, BlockRecord)
        found |= set(range(record.address, record.address + record.size, 2))
    return found


# ---- coverage ------------------------------------------------------------------------------------


@each_core
def test_both_sides_of_a_branch_are_distinguished(machine: Machine) -> None:
    p = machine.program()
    p.mov(6, RESULTS)
    p.label("again")
    p.ldr(0, 6)
    p.half(0x2800)  # CMP r0, #0
    p.branch_not_zero("other")
    p.label("one")
    p.nop(3)
    p.branch("again")
    p.label("other")
    p.nop(2)
    p.idle()
    board = machine.boot(p)
    board.instruments.start("coverage", {})
    board.run(0.0001)
    one = set(range(p.address("one"), p.address("other"), 2))
    other = set(range(p.address("other"), p.address("other") + 4, 2))
    first = covered(board)
    assert one <= first and not other & first
    board.write(RESULTS, b"\1\0\0\0")
    board.run(0.0001)
    second = covered(board)
    assert other <= second and not one & second  # what is known is not told again


@each_core
def test_code_behind_a_fault_was_not_executed(machine: Machine) -> None:
    """The load in the middle of a block faults until the handler has mended its address."""
    p = machine.program()
    p.mov(0, 0xF1000000)
    p.branch("block")
    p.label("block")
    p.nop()
    p.label("load")
    p.ldr(1, 0)
    p.label("rest")
    p.nop(4)
    p.idle()
    p.handler(3)
    p.count(RESULTS)
    p.label("stay")
    p.ldr(5, 6, 4)  # until the test says so
    p.half(0x2D00)  # CMP r5, #0
    p.branch_not_zero("mend")
    p.branch("stay")
    p.label("mend")
    p.mov(5, RAM)
    p.half(0x9500)  # STR r5, [sp]: r0 of the code that faulted
    p.bx(LR)
    board = machine.boot(p)
    board.instruments.start("coverage", {})
    board.run(0.0001)
    load, rest = p.address("load"), p.address("rest")
    first = covered(board)
    assert load in first and p.address("stay") in first
    assert not set(range(rest, rest + 8, 2)) & first
    board.write(RESULTS + 4, b"\1\0\0\0")
    board.run(0.0001)
    assert set(range(rest, rest + 8, 2)) <= covered(board)


def test_code_that_faults_all_the_time_is_not_translated_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p = V7M.program()
    p.mov(0, 0xF0000000)
    p.branch("begin")  # a board's first block is seen when another one follows
    p.label("begin")
    p.nop()
    p.branch("again")
    p.label("again")
    p.nop()
    p.ldr(1, 0)
    p.idle()
    p.handler(3)
    p.count(RESULTS)
    p.mov(5, p.address("again"))
    p.half(0x9506)  # STR r5, [sp, #24]: where it goes on
    p.bx(LR)
    board = V7M.boot(p)
    board.instruments.start("coverage", {})
    flushes = []
    flush = Engine.flush_code
    monkeypatch.setattr(Engine, "flush_code", lambda engine: (flushes.append(1), flush(engine)))
    board.run(0.001)
    assert int.from_bytes(board.read(RESULTS, 4), "little") > 100
    assert len(flushes) <= 10
    assert p.address("again") in covered(board)


def test_a_recorder_that_starts_late_sees_what_comes() -> None:
    p = V7M.program()
    p.label("early")
    p.nop(4)
    p.label("loop")
    p.nop(4)
    p.branch("loop")
    board = V7M.boot(p)
    board.run(0.0001)
    board.instruments.start("coverage", {})
    board.run(0.0001)
    found = covered(board)
    assert p.address("loop") in found
    assert p.address("early") not in found


# ---- trace ---------------------------------------------------------------------------------------


def two_tasks(machine: Machine) -> Program:
    """Return a kernel whose task 1 sends a message; the handler answers and lets task 2 run."""
    p = machine.program()
    p.store(CURRENT, TABLE + 32)
    p.unprivileged(TASK_STACK)
    p.store(RAM + 0x800, 0x64636261)
    for register, value in ((4, 2 << 16 | 7), (5, RAM + 0x800), (6, 4), (7, RAM + 0x800), (8, 4)):
        if register < 8:
            p.mov(register, value)
        else:
            p.mov(0, value)
            p.move(register, 0)
    p.mov(0, 0)
    for register in (9, 10, 11):
        p.move(register, 0)
    p.svc()
    p.label("stay")
    p.branch("stay")
    p.handler(11)
    p.mov(0, RAM + 0x800)
    p.mov(1, 0x7A797877)
    p.str(1, 0)
    p.mov(0, TABLE + 32 + 8)
    p.mov(1, 0x55)
    p.str(1, 0)
    p.mov(4, 5)  # response code
    p.mov(5, 3)  # length of the answer
    p.bx(LR)
    return p


@each_core
def test_a_system_call_is_recorded_with_what_it_names(machine: Machine) -> None:
    board = machine.boot(two_tasks(machine))
    board.instruments.start("trace", {"layout": LAYOUT})
    board.run(0.0005)
    records = list(read_records(board.instruments.take("trace")))
    (call,) = (r for r in records if r.kind is RecordKind.CALL)
    assert (call.task, call.registers[0], call.registers[7]) == (1, 2 << 16 | 7, 0)
    assert call.data == b"abcd"
    (result,) = (r for r in records if r.kind is RecordKind.RESULT)
    assert (result.task, result.registers[:2], result.data) == (1, (5, 3), b"wxy")
    changes = [(r.task, r.data) for r in records if r.kind is RecordKind.TASK]
    assert (1, b"\x55" + bytes(7)) in changes
    assert [r.task for r in records if r.kind is RecordKind.SWITCH] == [1]
    assert board.instruments.take("trace") == b""


def test_records_that_nobody_takes_are_counted() -> None:
    p = V7M.program()
    p.store(CURRENT, TABLE)
    p.label("again")
    p.svc()
    p.branch("again")
    p.handler(11)
    p.bx(LR)
    board = V7M.boot(p)
    recorders: list[TraceRecorder] = []

    def make(core: object) -> TraceRecorder:
        from idoldbg.model.kernel_layout import KernelLayout

        recorder = TraceRecorder(core, KernelLayout.from_json(LAYOUT), limit=500)  # type: ignore[arg-type]  # a core
        recorders.append(recorder)
        return recorder

    board.observe(make)
    board.run(0.0005)
    data = recorders[0].take()
    assert len(data) < 800
    last = list(read_records(data))[-1]
    assert last.kind is RecordKind.LOST and last.number > 10


# ---- samples -------------------------------------------------------------------------------------


def test_samples_are_of_the_board_s_time() -> None:
    """A loop of 1000 instructions, of which a quarter are in another place."""
    p = V7M.program()
    p.label("outer")
    p.label("quarter")
    p.nop(249)
    p.label("rest")
    p.nop(750)
    p.branch("outer")
    board = V7M.boot(p)
    board.instruments.start("profile", {"rate_hz": 9973.0})
    board.run(0.5)
    samples = list(SampleReader().feed(board.instruments.stop("profile")))
    total = sum(count for _, count, _ in samples)
    assert total == pytest.approx(0.5 * 9973, abs=3)
    quarter = sum(n for s, n, _ in samples if s.registers[15] < p.address("rest"))
    assert quarter / total == pytest.approx(0.25, abs=0.02)
    assert {s.registers[13] for s, _, _ in samples} == {STACK}


def test_sleep_counts_as_long_as_it_lasts() -> None:
    p = V7M.program()
    p.store(0xE000E014, 15999)  # SysTick every 16,000 cycles, 1 ms
    p.store(0xE000E018, 0)
    p.store(0xE000E010, 7)
    p.idle()
    p.handler(15)
    p.nop(1600)
    p.bx(LR)
    board = V7M.boot(p)
    board.run(0.0001)
    board.instruments.start("profile", {"rate_hz": 9973.0})
    board.run(1.0)
    samples = list(SampleReader().feed(board.instruments.stop("profile")))
    total = sum(count for _, count, _ in samples)
    asleep = sum(count for sample, count, _ in samples if sample.is_asleep)
    assert total == pytest.approx(9973, abs=3)
    assert asleep / total == pytest.approx(0.9, abs=0.01)
    assert {s.exception for s, _, _ in samples if not s.is_asleep} == {0, 15}


# ---- all of them ---------------------------------------------------------------------------------


def test_owners_have_instruments_of_their_own() -> None:
    board = V7M.boot(two_tasks(V7M))
    for owner in ("a", "b"):
        board.instruments.start("trace", {"layout": LAYOUT}, owner=owner)
    board.run(0.0005)
    first = board.instruments.take("trace", owner="a")
    assert first == board.instruments.stop("trace", owner="b") != b""
    with pytest.raises(NotFound):
        board.instruments.take("trace", owner="b")
    board.instruments.stop_all("a")
    assert board.instruments.stop("trace", owner="a") == b""


@pytest.mark.parametrize(
    ("name", "settings", "error"),
    [
        ("tracer", {}, NotFound),
        ("trace", {}, ArgumentError),
        ("trace", {"layout": {}}, ArgumentError),
        ("trace", {"layout": {**LAYOUT, "saved": 1}}, ArgumentError),
        ("profile", {}, ArgumentError),
        ("profile", {"rate_hz": 0}, ArgumentError),
        ("profile", {"rate_hz": float("nan")}, ArgumentError),
        ("profile", {"rate_hz": 1e12}, ArgumentError),
        ("profile", {"rate_hz": True}, ArgumentError),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(
    name: str, settings: dict[str, object], error: type[Exception]
) -> None:
    board = V7M.boot(two_tasks(V7M))
    with pytest.raises(error):
        board.instruments.start(name, settings)
    board.run(0.0001)
