"""Lifetime of devices and replies: closed, copied, pickled, forked, left alone."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import idoldbg
from idoldbg import errors
from idoldbg.device import Device
from idoldbg.device.classes import Classes, lower
from idoldbg.model.types import CEnum, Enumerator, Member, Scalar, ScalarKind, Struct
from idoldbg.target.emulated import link as emulated

U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach() as device:
        yield device


def test_a_closed_device_raises_an_error(dev: Device) -> None:
    get, batch = dev.Sensor.get, dev.batch()
    batch.Sensor.get(id=0)
    dev.close()
    dev.close()
    for use in (lambda: get(id=0), dev.tasks, dev.reset, batch.run, dev["victim"].state):
        with pytest.raises(errors.LinkError, match="this device was closed"):
            use()


def test_a_fork_may_not_use_the_connection_of_its_parent(dev: Device) -> None:
    child = os.fork()
    if child == 0:
        try:
            dev.Sensor.get(id=0)
        except errors.LinkError as error:
            dev.close()  # of no concern to the parent
            os._exit(42 if "fork" in str(error) else 1)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert dev.Sensor.get(id=0).value == 21.5


def test_leases_and_errors_go_to_other_processes(dev: Device) -> None:
    reply = dev.Sensor.history(samples=3)
    for other in (pickle.loads(pickle.dumps(reply)), copy.deepcopy(reply)):
        assert other == reply
        assert repr(other) == repr(reply)
        assert other.leases.samples.elements == reply.leases.samples.elements == [0, 1, 2]
    died = errors.ServerDied("gone", operation="Spi.read", task="spi", generation=1)
    died.add_note("a note")
    again = pickle.loads(pickle.dumps(died))
    assert (str(again), again.task, again.generation) == ("gone", "spi", 1)
    assert again.__notes__ == ["a note"]


def test_devices_do_not(dev: Device) -> None:
    for what in (dev, dev.Spi, dev.Spi.exchange, dev["victim"], dev.batch(), dev.aio):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            if attempt is copy.copy:
                continue  # shares what the original has
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                attempt(what)


def test_misspelt_settings_are_refused(dev: Device) -> None:
    dev.timeout_s = 2.0
    assert dev.session.caller.timeout_s == 2.0
    with pytest.raises(AttributeError, match="`timeout_s` is"):
        dev.timeout = 3.0
    for wrong in (lambda: dev[0], lambda: list(dev), lambda: 1 in dev):  # type: ignore[index,call-overload,operator]  # what users try
        with pytest.raises(TypeError, match="a task goes by its name"):
            wrong()


def test_interfaces_of_several_tasks_are_listed_and_explained(dev: Device) -> None:
    assert "Victim" in dir(dev)
    with pytest.raises(AttributeError, match=r'dev\["victim"\].Victim or dev\["sleeper"\].Victim'):
        _ = dev.Victim


def test_names_that_python_has_for_itself(dev: Device) -> None:
    """Rust has no keyword `None`, and nothing against fields called `class` or `class_`."""
    mode = CEnum(
        "app::Mode", 1, "u8", (Enumerator("None", 0), Enumerator("mro", 1), Enumerator("On", 2))
    )
    thing = Struct("app::Thing", 2, (Member("class", 0, U8), Member("len_", 1, U8)))
    classes = Classes()
    made = classes.find(mode)
    assert [m.name for m in made] == ["None_", "mro_", "On"]
    assert [lower(m) for m in made] == ["None", "mro", "On"]
    assert str(made.None_) == "None"
    assert lower(classes.find(thing)(class_=1, len_=2)) == {"class": 1, "len_": 2}


def test_patience_counts_emulation_alone(dev: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the time that passes while nobody waits for the board."""
    now_s = [100.0]
    monkeypatch.setattr(emulated, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    dev.Sensor.get(id=0)
    now_s[0] += 2 * emulated.REAL_LIMIT_S
    dev.wait(0.01)
    dev.reset()
    assert dev.Sensor.get(id=0).value == 21.5


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), "5", None])
def test_timeouts_are_limits(dev: Device, seconds: float) -> None:
    with pytest.raises(errors.ArgumentError, match="timeout_s: give seconds, more than 0"):
        idoldbg.attach(timeout_s=seconds)
    with pytest.raises(errors.ArgumentError, match="timeout_s: give seconds, more than 0"):
        dev.timeout_s = seconds


@pytest.mark.parametrize("spec", ["", "emu:", "pyocd:"])
def test_an_empty_name_is_refused_as_a_target(spec: str) -> None:
    """As of a variable that was not set: any target at all would be the wrong one."""
    with pytest.raises(errors.ArgumentError, match="does not say which target"):
        idoldbg.attach(probe=spec)
