"""Signals that come while a board runs: their handlers are called, and the board stays whole."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import idoldbg.target.emulated.emu
from idoldbg.device import Device, attach
from idoldbg.session import emulated_board
from idoldbg.target import signals
from idoldbg.target import turns as turns_module
from idoldbg.target.capability import Halting
from idoldbg.target.emulated import link as link_module
from idoldbg.target.emulated.emu import EmulatedBoard, StopReason
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.probe import core_debug
from idoldbg.target.probe.core_debug import C_HALT, DHCSR, S_HALT, CoreDebug
from idoldbg.target.signals import HeldSignals, hold_lock, let_through
from idoldbg.target.turns import Turns
from tests.idoldbg.target.emulated.emu.machines import ALL, Machine

EMULATOR = str(Path(idoldbg.target.emulated.emu.__file__).parent)
HELD = signals.__file__
SIGNALS = (signal.SIGINT, signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD, signal.SIGRTMIN + 3)


class Interrupted(Exception):
    """Exception that the handlers of these tests raise."""


def interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def handled(number: int, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def sent_at_line(wanted: int, numbers: tuple[int, ...]) -> Iterator[list[int]]:
    """Send signals at the line with this number of those that the emulator executes.

    Gives the number of lines that there were so far, as the only element of a list.
    """
    seen = [0]

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(EMULATOR):
            return None
        if frame.f_code.co_filename == HELD:
            return None  # there is a test of its own
        if event == "line":
            seen[0] += 1
            if seen[0] == wanted:
                for number in numbers:
                    signal.raise_signal(number)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


def board_after(seconds: float) -> EmulatedBoard:
    board = emulated_board("stm32f4-discovery")
    board.run(seconds)
    return board


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: f"signal {n}")
def test_board_is_whole_wherever_a_signal_comes(number: int) -> None:
    """It goes on as one that nobody interrupted: the same state, to the last byte."""
    span_s = 0.01  # with system calls, context switches, interrupts of devices
    board = board_after(0.1)
    start = board.snapshot()
    end_s = board.time_s + span_s
    with handled(number, interrupt), sent_at_line(0, ()) as seen:
        board.run(span_s)
    expected = board.snapshot()
    lines = seen[0]
    assert lines > 1000 and expected != start
    for line in range(1 + number % 7, lines, lines // 40):
        board.restore(start)
        with handled(number, interrupt), sent_at_line(line, (number,)), pytest.raises(Interrupted):
            board.run(span_s)
        assert signal.getsignal(number) is not interrupt
        board.run(end_s - board.time_s)
        assert board.snapshot() == expected, f"sent at line {line} of {lines}"


def test_handlers_that_raise_nothing_are_called_once_each_and_change_nothing() -> None:
    heard: list[tuple[int, bool]] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append((number, frame is not None))

    plain = board_after(0.1)
    board = board_after(0.1)
    plain.run(0.01)
    numbers = (signal.SIGRTMAX, signal.SIGCHLD, signal.SIGUSR2, signal.SIGCHLD)
    with ExitStack() as stack:
        for number in set(numbers):
            stack.enter_context(handled(number, hear))
        stack.enter_context(sent_at_line(700, numbers))
        assert board.run(0.01) is StopReason.TIME
    assert heard == [(signal.SIGRTMAX, True), (signal.SIGCHLD, True), (signal.SIGUSR2, True)]
    assert board.snapshot() == plain.snapshot()


def test_of_several_signals_all_handlers_are_called() -> None:
    """As Python does: what the later one raises has what the first one raised as its context."""
    board = board_after(0.1)
    numbers = (signal.SIGALRM, signal.SIGTERM)
    with handled(signal.SIGALRM, interrupt), handled(signal.SIGTERM, interrupt):
        with sent_at_line(500, numbers), pytest.raises(Interrupted) as caught:
            board.run(0.1)
        assert caught.value.args == (signal.SIGTERM,)
        assert isinstance(caught.value.__context__, Interrupted)
        assert {signal.getsignal(n) for n in numbers} == {interrupt}, "they are back"


def test_handler_may_put_another_in_its_place() -> None:
    """As those do that end gracefully the first time; the other one is held, too."""
    board = board_after(0.1)

    def first(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, interrupt)
        signal.raise_signal(signal.SIGUSR1)

    heard: list[int] = []
    with handled(signal.SIGTERM, first), handled(signal.SIGUSR1, lambda n, _: heard.append(n)):
        with sent_at_line(500, (signal.SIGTERM,)):
            board.run(0.01)
        assert heard == [signal.SIGUSR1]
        with sent_at_line(500, (signal.SIGTERM,)), pytest.raises(Interrupted):
            board.run(0.01)
        assert signal.getsignal(signal.SIGTERM) is interrupt


def test_signals_python_has_no_handler_for_are_left_alone() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    board = board_after(0.01)
    seen = []
    board.run_until(lambda: bool(seen.append(signal.getsignal(signal.SIGPIPE))), 0.001)
    assert set(seen) == {before[signal.SIGPIPE]}
    assert {n: signal.getsignal(n) for n in signal.valid_signals()} == before


@pytest.mark.parametrize("machine", ALL, ids=str)
def test_run_ends_within_instructions_of_the_signal(machine: Machine) -> None:
    """Firmware that polls a device, which is what takes longest: no slice is done to its end."""
    program = machine.program()
    serial = {"v6-M": 0x40013800, "v7-M": 0x40004400, "v8-M": 0x40086000}[machine.core]
    program.mov(0, serial)
    program.label("again")
    program.half(0x6801, 0xE7FD)  # ldr r1, [r0]; b again
    board = machine.boot(program)
    at: list[int] = []

    def hear(_number: int, _frame: FrameType | None) -> None:
        at.append(board.cycles)
        raise Interrupted

    board.run(0.001)
    begin = board.cycles
    alarm = signal.SIGALRM
    with handled(alarm, hear), sent_at_line(400, (alarm,)), pytest.raises(Interrupted):
        board.run(3600)
    assert 0 < at[0] - begin < 1000
    assert board.cycles == at[0]


def test_condition_may_be_interrupted_and_may_run_another_board() -> None:
    board, other = board_after(0.01), board_after(0.01)

    def condition() -> bool:
        signal.raise_signal(signal.SIGALRM)
        return False

    with handled(signal.SIGALRM, interrupt):
        with pytest.raises(Interrupted):
            board.run_until(condition, 1)

        def run_other() -> bool:
            with sent_at_line(300, (signal.SIGALRM,)):
                other.run(0.01)
            return True

        with pytest.raises(Interrupted):
            board.run_until(run_other, 1)
        assert signal.getsignal(signal.SIGALRM) is interrupt
    assert board.run(0.01) is other.run(0.01) is StopReason.TIME


def test_board_of_another_thread_goes_on() -> None:
    """The main thread alone gets signals, at once; what other threads run is not disturbed."""
    board, plain = board_after(0.1), board_after(0.1)
    plain.run(0.5)
    begun = threading.Event()

    def run() -> None:
        begun.set()
        board.run(0.5)

    thread = threading.Thread(target=run)
    with handled(signal.SIGALRM, interrupt):
        thread.start()
        begun.wait()
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGALRM)
        thread.join()
    assert board.snapshot() == plain.snapshot()


class _Nobody:
    is_in_callback = False

    def hurry(self) -> None:
        pass


@contextmanager
def heard_at_line(line: int, *files: str) -> Iterator[list[int]]:
    """Send a signal at a line of those that files execute; give the numbers that were heard."""
    calls: list[int] = []
    seen = 0

    def hear(number: int, _frame: FrameType | None) -> None:
        calls.append(number)
        raise Interrupted

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in files or frame.f_code.co_name == "heard_at_line":
            return None
        if event == "line":
            seen += 1
            if seen == line:
                signal.raise_signal(signal.SIGUSR1)
        return trace

    before = sys.gettrace()
    with handled(signal.SIGUSR1, hear), handled(signal.SIGTERM, hear):
        sys.settrace(trace)
        try:
            yield calls
        except Interrupted:
            pass
        finally:
            sys.settrace(before)
        assert calls == ([signal.SIGUSR1] if seen >= line else [])
        with HeldSignals():  # whatever was left in between is put right by the next one
            pass
        assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGTERM) is hear


@pytest.mark.parametrize("line", range(1, 190))
def test_handlers_are_called_once_and_put_back_whatever_is_interrupted(line: int) -> None:
    """The holding itself: a signal at each of its lines."""
    with heard_at_line(line, HELD) as calls, HeldSignals(_Nobody()) as outer:
        with HeldSignals(_Nobody()):
            pass
        outer.deliver()
    assert calls or line > 40


class Lock:
    """A lock that takes its time, and whose holders are counted."""

    def __init__(self) -> None:
        self.count = 0

    def take(self) -> None:
        self.count += 1
        let_through(lambda: None)  # where it waits

    def give_back(self) -> None:
        self.count -= 1
        let_through(lambda: None)


@pytest.mark.parametrize("line", range(1, 560))
def test_a_lock_is_free_wherever_a_signal_comes(line: int) -> None:
    lock, done = Lock(), []
    with heard_at_line(line, HELD, __file__) as calls:
        hold_lock(lock.take, lambda: hold_lock(lock.take, lambda: done.append(1), lock.give_back),
                  lock.give_back)  # fmt: skip
    assert lock.count == 0
    assert calls or (done and line > 100)


@pytest.mark.parametrize("line", range(1, 120))
def test_a_turn_is_free_wherever_a_signal_comes(line: int) -> None:
    turns = Turns()
    others: list[bool] = []
    with heard_at_line(line, turns_module.__file__, HELD) as calls:
        turns.alone(lambda: turns.alone(lambda: turns.wait(lambda: None)))

    def take() -> None:
        others.extend(lock.acquire(blocking=False) for lock in (turns.turn, turns.names))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert others == [True, True]
    assert calls or line > 20


class Core:
    """A core behind a probe, by its debug registers, or on an emulated board."""

    def __init__(self) -> None:
        self.is_halted = False

    def halt(self) -> None:
        self.is_halted = True
        let_through(lambda: None)  # where a probe waits

    def resume(self) -> None:
        self.is_halted = False  # by a thread that goes on whatever becomes of who waits for it
        let_through(lambda: None)

    def read_word(self, address: int) -> int:
        return S_HALT if address == DHCSR and self.is_halted else 0

    def write_word(self, address: int, value: int) -> None:
        if address == DHCSR and bool(value & C_HALT) is not self.is_halted:
            (self.halt if value & C_HALT else self.resume)()


def probe_of(core: Core) -> Halting:
    return CoreDebug(core, link="test", wait=lambda _: None, monotonic=lambda: 0.0)


def board_of(core: Core) -> Halting:
    board: Any = core
    return EmulatedLink(board, spec="emu")


@pytest.mark.parametrize("make", [probe_of, board_of])
@pytest.mark.parametrize("line", range(1, 420))
def test_a_core_runs_on_wherever_a_signal_comes(line: int, make: Callable[[Core], Halting]) -> None:
    core = Core()
    link, done = make(core), []
    files = (HELD, core_debug.__file__, link_module.__file__, __file__)
    with heard_at_line(line, *files) as calls:
        link.halted(lambda: link.halted(lambda: done.append(core.is_halted)))
    assert not core.is_halted
    assert calls or (done == [True] and line > 60)
    assert link.halted(lambda: core.is_halted), "and can be halted again"
    assert not core.is_halted


@pytest.fixture
def device() -> Iterator[Device]:
    with attach(board="stm32f4-discovery", probe="emu") as device:
        yield device


def test_calls_work_after_calls_that_a_timer_interrupted(device: Device) -> None:
    assert device.Sensor.get(id=0).value == 21.5  # reads the build, with threads of its own
    gc.collect()  # what a handler raises in a finalizer, such as those of other tests, is lost
    with handled(signal.SIGALRM, interrupt):
        for round_ in range(16):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.0007 * round_)
            with pytest.raises(Interrupted):
                for _ in range(5000):  # a signal that is lost fails the test
                    device.Sensor.get(id=0)
            assert device.Sensor.get(id=0).value == 21.5
