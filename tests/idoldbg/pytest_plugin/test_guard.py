"""Tasks held at their fault: looked at once, let go of, held again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import idoldbg
from idoldbg.call.supervisor import Supervisor
from idoldbg.device import Device
from idoldbg.errors import ServerDied
from idoldbg.pytest_plugin.guard import FaultGuard


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach(probe="emu") as device:
        device.tasks()
        yield device


def make(dev: Device, seen: list[tuple[str, ...]]) -> FaultGuard:
    session = dev.session

    def look(names: tuple[str, ...]) -> None:
        assert all(dev[name].state().fault is not None for name in names)
        seen.append(names)

    return FaultGuard(session, Supervisor(session.program, session.link), look)


def test_a_fault_is_looked_at_while_the_call_waits(dev: Device) -> None:
    seen: list[tuple[str, ...]] = []
    guard = make(dev, seen)
    guard.hold_all_but({"spi"})
    assert guard.held == {"hiffy", "sensor", "user_leds", "victim", "sleeper", "idle"}
    guard.start()
    for count in (1, 2):
        with pytest.raises(ServerDied):
            dev["victim"].Victim.panic(code=3)
        assert seen == [("victim",)] * count
        assert dev["victim"].state().generation == count


def test_tasks_that_may_die_are_released(dev: Device) -> None:
    seen: list[tuple[str, ...]] = []
    guard = make(dev, seen)
    guard.hold_all_but(())
    guard.hold_all_but({"victim"})
    guard.start()
    with pytest.raises(ServerDied):
        dev["victim"].Victim.panic(code=3)
    assert seen == []


def test_tasks_are_held_again_after_a_reset(dev: Device) -> None:
    seen: list[tuple[str, ...]] = []
    guard = make(dev, seen)
    guard.hold_all_but(())
    dev.reset()
    dev.tasks()
    dev.wait(5)  # its clock is beyond that of before again
    guard.hold_all_but(())
    guard.start()
    with pytest.raises(ServerDied):
        dev["victim"].Victim.panic(code=3)
    assert seen == [("victim",)]


def test_afterwards_the_supervisor_restarts_tasks_by_itself(dev: Device) -> None:
    seen: list[tuple[str, ...]] = []
    guard = make(dev, seen)
    guard.hold_all_but(())
    guard.release_all()
    with pytest.raises(ServerDied):
        dev["victim"].Victim.panic(code=3)
    assert seen == []
    assert dev["victim"].state().fault is None
