"""Calls per second on every link, one by one and in batches.

The limit that nothing on the host can beat is the target's own time: hiffy polls for work at
intervals, wakes up, runs the program. It is measured on the board's virtual clock. Links in real
time (`pyocd`, a probe server) are compared with it; where virtual time passes as fast as the host
can emulate it (`emu`, `emu:NAME`), a link is compared with `emu`, which has nothing in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from idoldbg.call.calls import Call, prepare_call
from idoldbg.session import Session, TargetOptions, open_session
from idoldbg.target.emulated.server import running_board

__all__ = ["bench_links"]

BOARD = "stm32f4-discovery"
BATCH = 32


def bench_links(repeat: int) -> None:
    """Print a table of links: calls per second, single and batched, and their ratios."""
    print(f"calls on each link ({BOARD}; batches of {BATCH})")
    with running_board("bench-links", board=BOARD, pyocd_port=0) as board:
        base = _measure("emu", repeat)
        print(f"  {'the target alone':<28} {_rates(base.target)}")
        print(f"  {'emu':<28} {_rates(base.host)}")
        links = (board.spec, "pyocd:emu", "pyocd:board-bench-links")
        for spec in (*links, f"remote:localhost:{board.pyocd_port}"):
            found = _measure(spec, max(repeat // 4, 1))
            is_virtual = spec.startswith("emu")
            beside, what = (base.host, "emu") if is_virtual else (base.target, "the target alone")
            ratios = " / ".join(f"{b / f:4.0%}" for f, b in zip(found.host, beside, strict=True))
            print(f"  {spec:<28} {_rates(found.host)}   {ratios} of {what}")


class _Times:
    """Seconds a call, (single, batched): of the host's clock, and of the target's."""

    def __init__(self, host: tuple[float, float], target: tuple[float, float]) -> None:
        self.host = host
        self.target = target


def _rates(times: tuple[float, float]) -> str:
    single, batched = times
    return f"{1 / single:7.0f} single {1 / batched:8.0f} batched calls/s"


def _measure(spec: str, repeat: int) -> _Times:
    options = TargetOptions(board=BOARD, probe=spec, timeout_s=30)
    with open_session(options, notify=lambda _: None) as session:
        call = prepare_call(session.program.operation("Sensor.get"), {"id": "0"})
        session.caller.call(call)
        single = _time(session, lambda: session.caller.call(call), repeat)
        calls: list[Call] = [call] * BATCH
        batched = _time(session, lambda: list(session.caller.call_all(calls)), max(repeat // 8, 1))
    return _Times(
        (single[0], batched[0] / BATCH),
        (single[1], batched[1] / BATCH),
    )


def _time(session: Session, action: Callable[[], object], repeat: int) -> tuple[float, float]:
    action()
    begin, board_begin = time.perf_counter(), session.link.monotonic()
    for _ in range(repeat):
        action()
    board_s = session.link.monotonic() - board_begin
    return (time.perf_counter() - begin) / repeat, board_s / repeat
