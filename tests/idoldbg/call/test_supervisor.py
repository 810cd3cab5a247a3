"""Requests to the supervisor: their effect on a task, repeated, and where nobody serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import idoldbg
from idoldbg import errors
from idoldbg.device import Device
from idoldbg.target.emulated.server import running_board

BOARD = "lpcxpresso55s69"


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach(board=BOARD, timeout_s=0.6) as device:
        yield device


@pytest.mark.parametrize("times", [1, 2])
def test_requests_may_be_made_again(dev: Device, times: int) -> None:
    """The second of each changes nothing that the first did not."""
    victim = dev["victim"]
    for _ in range(times):
        done = victim.hold()
    assert (done.after.generation, done.after.fault, done.kept_fault) == (0, None, False)
    for _ in range(times):
        done = victim.fault()
    assert done.after.fault is not None
    assert (done.after.fault.kind, done.after.generation) == ("Injected", 0)
    assert done.kept_fault == (times == 2)
    for _ in range(times):
        done = victim.release()
    assert (done.after.fault, done.after.generation) == (None, 1)
    assert victim.Victim.ping().value == 1


def test_a_restart_leaves_the_hold(dev: Device) -> None:
    victim = dev["victim"]
    victim.hold()
    assert victim.start().after.generation == 1
    assert victim.fault().after.generation == 1
    assert victim.start().after.fault is None
    with pytest.raises(errors.CallTimeout):
        victim.Victim.panic(code=1)
    assert victim.state().fault is not None  # it was held still


def test_a_fault_is_not_replaced_by_an_injected_one(dev: Device) -> None:
    victim = dev["victim"]
    victim.hold()
    with pytest.raises(errors.CallTimeout):
        victim.Victim.panic(code=7)
    for done in (victim.hold(), victim.fault(), victim.hold_until_fault()):
        assert done.kept_fault
        assert done.after.fault is not None
        assert "told to panic with code 7" in (done.after.fault.panic_message or "")


def test_a_task_that_is_not_started_is_started(dev: Device) -> None:
    done = dev["sleeper"].start()
    assert not done.before.is_started
    assert done.after.is_started


def test_no_fault_in_time_leaves_the_task_held(dev: Device) -> None:
    with pytest.raises(errors.LinkTimeout, match="`victim` did not fault within") as caught:
        dev["victim"].hold_until_fault(0.2)
    assert caught.value.__notes__ == ["it is still held; `idoldbg task release victim` undoes that"]
    dev["victim"].fault()


def test_a_fault_that_others_bring_about_ends_the_wait() -> None:
    with (
        running_board("held", board=BOARD) as board,
        idoldbg.attach(board=BOARD, probe=board.spec, timeout_s=60) as one,
        idoldbg.attach(board=BOARD, probe=board.spec, timeout_s=1) as other,
    ):
        other["victim"].hold()

        def die() -> None:
            with pytest.raises(errors.CallTimeout):
                other["victim"].Victim.panic(code=9)

        thread = threading.Thread(target=die)
        thread.start()
        done = one["victim"].hold_until_fault()
        thread.join()
    assert done.after.fault is not None
    assert "panic with code 9" in (done.after.fault.panic_message or "")


def test_requests_are_served_while_hiffy_starves() -> None:
    with idoldbg.attach(board="nucleo-g031", timeout_s=0.2, recover=False) as dev:
        victim = dev["victim"]
        with pytest.raises(errors.CallTimeout):
            victim.Victim.hang(milliseconds=5000)
        assert victim.fault().after.fault is not None
        assert victim.release().after.generation == 1


def test_a_supervisor_that_does_not_look_is_named(dev: Device) -> None:
    dev["victim"].state()
    dev["victim"].hold()
    dev.link.halt()
    with pytest.raises(errors.LinkTimeout) as caught:
        dev["victim"].fault()
    assert "`jefe` does not run: JEFE_EXTERNAL_KICK was still 1 after 2 s" in str(caught.value)
    assert "the core is halted" in str(caught.value)
    dev.link.resume()
    dev.wait(0.3)
    assert dev["victim"].state().fault is None  # the request was taken back
