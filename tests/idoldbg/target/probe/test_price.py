"""USB round trips of attaching and of calls, for each kind of probe, above pyOCD's own drivers."""

from __future__ import annotations

from typing import Any

import pytest

from idoldbg.call.calls import Call, prepare_call
from idoldbg.session import Session, TargetOptions, open_session
from tests.bench.bench import Bench
from tests.conftest import ARCHIVES
from tests.tools import need_sysfs

BOARDS = {
    "stlink-v2-1": "stm32f4-discovery",
    "stlink-v3": "nucleo-g031",
    "mcu-link": "lpcxpresso55s69",
    "daplink": "lpcxpresso55s69",
    "daplink-hid": "lpcxpresso55s69",
}
ONE_MORE_PACKET = ("daplink", "daplink-hid")  # the proof takes two, of 64 bytes each


def open_on(bench: Bench, kind: str, **more: Any) -> tuple[Any, Session]:
    probe = bench.plug(kind, BOARDS[kind])
    options = TargetOptions(archive=str(ARCHIVES / f"{BOARDS[kind]}.zip"), probe=probe.spec, **more)
    return probe, open_session(options, notify=lambda _: None)


def calls_of(session: Session) -> tuple[Call, Call]:
    leased = {"device_index": "0", "source": "hex:9f000000", "sink": "4"}
    operations = (("Sensor.temperature", {}), ("Spi.exchange", leased))
    return tuple(
        prepare_call(session.program.operation(name), arguments, read_data=lambda _: b"")
        for name, arguments in operations
    )  # type: ignore[return-value]


def price_of(probe: Any, session: Session, call: Call, *, poll: int = 1) -> int:
    """Return the fewest round trips of a call, with one poll; `poll` is what one takes."""
    found = []
    for _ in range(12):
        probe.clear()
        before = session.traffic.polls
        session.caller.call(call)
        more = session.traffic.polls - before - 1
        found.append(probe.counts.round_trips - more * poll)
    return min(found)


@pytest.mark.parametrize("kind", BOARDS)
def test_round_trips_of_a_call(bench: Bench, kind: str) -> None:
    """A look at hiffy, the program and its kick, a poll, the proof: one each."""
    probe, session = open_on(bench, kind)
    with session:
        bare, leased = calls_of(session)
        limit = 5 if kind in ONE_MORE_PACKET else 4
        for call in (bare, leased, bare, leased):
            assert 4 <= price_of(probe, session, call) <= limit


@pytest.mark.parametrize("kind", BOARDS)
def test_round_trips_in_batches(bench: Bench, kind: str) -> None:
    probe, session = open_on(bench, kind)
    with session:
        for call in calls_of(session):
            list(session.caller.call_all([call] * 32))
            probe.clear()
            list(session.caller.call_all([call] * 32))
            assert probe.counts.round_trips <= 2 * 32


def test_an_old_st_link_has_no_queues_and_calls_all_the_same(bench: Bench) -> None:
    need_sysfs()
    probe = bench.plug("stlink-v2-1", "stm32f4-discovery")
    probe.firmware.jtag_version = 31
    archive = str(ARCHIVES / "stm32f4-discovery.zip")
    with open_session(TargetOptions(archive=archive, probe=probe.spec)) as session:
        bare, leased = calls_of(session)
        # The image is read anew: the board's clock is ahead of ours, by what is modelled.
        assert 10 < price_of(probe, session, bare, poll=2) <= 19
        assert 10 < price_of(probe, session, leased, poll=2) <= 22
        assert not probe.counts.commands["READWRITEMISC_OUT"]
