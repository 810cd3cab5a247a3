"""Cost of the emulated board's instruments: the same work without and with each of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.calls import flash_id_call, quiet_session
from benchmarks.measure import row
from idoldbg.errors import IdoldbgError
from idoldbg.session import Session
from idoldbg.startup import settle
from idoldbg.target.capability import Instruments
from idoldbg.views.kernel_layout import find_kernel_layout

__all__ = ["bench_instruments"]

BOARD = "stm32f4-discovery"
SETTINGS: dict[str, dict[str, Any]] = {"coverage": {}, "profile": {"rate_hz": 9973}, "trace": {}}
CALLS = 50


def bench_instruments(repeat: int) -> None:
    """Idle, calling and busy; without an instrument and with each, in turns."""
    print("instruments of the emulated board (coverage aims at 1.10, a trace at 2.00)")
    _compare("boot, and 2 s of idling", _idle, repeat)
    _compare(f"boot, and {CALLS} calls with leases", _calls, repeat)
    _compare("boot, and 0.3 s of system calls without end", _busy, repeat)


def _compare(label: str, work: Callable[[Session], None], repeat: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in ("", *SETTINGS)}
    for turn in range(repeat + 1):
        for name in times:
            seconds = _measure(name, work)
            if turn:
                times[name].append(seconds)
    without = statistics.median(times.pop(""))
    row(f"{label}: without", without, without, "itself")
    for name, found in times.items():
        row(f"{label}: {name}", statistics.median(found), without, "without")


def _measure(name: str, work: Callable[[Session], None]) -> float:
    """Return the processor time of work on a new board."""
    with quiet_session(BOARD, "emu") as session:
        instruments = session.target.need(Instruments)
        layout = find_kernel_layout(session.program).to_json()
        flash_id_call(session)  # what is found once in a build
        session.link.reset()
        begin = time.process_time()
        if name:
            settings: Mapping[str, Any] = {**SETTINGS[name], "layout": layout}
            instruments.start_instrument(name, settings)
        work(session)
        if name:
            instruments.stop_instrument(name)
        return time.process_time() - begin


def _idle(session: Session) -> None:
    session.link.wait(2.0)


def _calls(session: Session) -> None:
    settle(session)
    for _ in range(CALLS):
        session.caller.call(flash_id_call(session))


def _busy(session: Session) -> None:
    """Let a task ask the kernel for the time as fast as it can."""
    from idoldbg.call.calls import bind_call

    session.caller.timeout_s = 0.35
    operation = session.program.operation("Victim.hang", "victim")
    try:
        session.caller.call(bind_call(operation, {"milliseconds": 10_000}))
    except IdoldbgError:  # no answer within that time, which is the point
        return
    raise RuntimeError("a task that hangs has answered")
