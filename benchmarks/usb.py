"""USB round trips of a session with a board on a probe, and the milliseconds that they make.

On the bench of `tests/bench`: pyOCD's own drivers above emulated probes. Round trips, bytes and SWD
transfers are exact, and the least of some runs, for hiffy may be busy with something else;
milliseconds are modelled (`tests/bench/latency.py` says how), and what the host computes is left
out. The aims are those of the first comparison; a poll of hiffy is counted as far as one is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.calls import BATCH, flash_id_call
from idoldbg.call.calls import prepare_call
from idoldbg.session import Session, TargetOptions, open_session
from tests.bench.bench import Bench, Probe

__all__ = ["bench_usb"]

PLACES = {
    "stlink-v2-1": "stm32f4-discovery",
    "stlink-v3": "nucleo-g031",
    "mcu-link": "lpcxpresso55s69",
    "daplink": "lpcxpresso55s69",
    "daplink-hid": "lpcxpresso55s69",
}
# Round trips aimed at, by the driver: ST-Link, CMSIS-DAP
AIMS = {
    "attach": (24, 24),
    "same call again": (7, 4),
    "another call": (9, 5),
    "with two leases": (None, None),
    f"batch of {BATCH}, each": (2, 2),
}


def bench_usb(repeat: int) -> None:
    """Print a table for each kind of probe."""
    print("USB round trips (exact) and milliseconds (modelled) on emulated probes")
    for kind, board in PLACES.items():
        with Bench() as bench, bench.here():
            _bench_probe(bench, kind, board, repeat)


def _bench_probe(bench: Bench, kind: str, board: str, repeat: int) -> None:
    probe = bench.plug(kind, board)
    print(f"  {kind}, {board}")
    began_s = bench.clock.modelled_s
    options = TargetOptions(board=board, probe=probe.spec, timeout_s=60)
    with open_session(options, notify=lambda _: None) as session:
        _print_row(kind, "attach", _cost(probe, bench.clock.modelled_s - began_s, 1))
        for name, (action, count) in _actions(session).items():
            action()  # the first call looks at more
            costs = []
            for number in range(repeat):
                session.link.wait(number % 7 * 0.0003)  # hiffy polls at intervals: meet it anywhere
                probe.clear()
                began_s = bench.clock.modelled_s
                action()
                costs.append(_cost(probe, bench.clock.modelled_s - began_s, count))
            _print_row(kind, name, min(costs))


def _actions(session: Session) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is measured, and how many calls each is."""
    bare = prepare_call(session.program.operation("Sensor.get"), {"id": "0"})
    other = prepare_call(session.program.operation("Jefe.get_state"), {})
    leased = flash_id_call(session)
    turn = [other, bare]

    def another() -> None:
        turn.reverse()
        session.caller.call(turn[0])

    return {
        "same call again": (lambda: session.caller.call(bare), 1),
        "another call": (another, 1),
        "with two leases": (lambda: session.caller.call(leased), 1),
        f"batch of {BATCH}, each": (lambda: list(session.caller.call_all([bare] * BATCH)), BATCH),
    }


def _cost(probe: Probe, seconds: float, calls: int) -> tuple[float, float, float, float]:
    """Return round trips, milliseconds, bytes and SWD transfers of a call."""
    counts = probe.counts
    size = counts.bytes_written + counts.bytes_read
    found = (counts.round_trips, seconds * 1000, size, probe.wires.transfers)
    return found[0] / calls, found[1] / calls, found[2] / calls, found[3] / calls


def _print_row(kind: str, name: str, cost: tuple[float, float, float, float]) -> None:
    round_trips, milliseconds, size, transfers = cost
    aim = AIMS[name][not kind.startswith("stlink")]
    verdict = "" if aim is None else f"   aim {aim}: {'met' if round_trips <= aim else 'missed'}"
    print(
        f"    {name:<22}{round_trips:6.1f} round trips  {milliseconds:6.1f} ms  {size:6.0f} bytes"
        f"  {transfers:6.1f} SWD transfers{verdict}"
    )
