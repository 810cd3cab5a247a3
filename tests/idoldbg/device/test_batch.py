"""Batches: the same answers as one by one, in few programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import idoldbg
from idoldbg import errors
from idoldbg.call.hiffy import pace
from idoldbg.call.hiffy.transport import HiffyTransport
from idoldbg.device import Device, Err, Ok


@pytest.fixture(params=["stm32f4-discovery", "nucleo-g031"])
def dev(request: pytest.FixtureRequest) -> Iterator[Device]:
    with idoldbg.attach(board=request.param) as device:
        yield device


def test_answers_come_in_order_and_errors_stay_with_their_calls(dev: Device) -> None:
    with dev.batch() as b:
        good = b.Sensor.get(id=0)
        bad = b.Sensor.get(id=9)
        sent = b.Sensor.sum(values=[1, 2])
        other = b.Sensor.sum(values=[3, 4])
        written = b.Spi.exchange(device_index=1, source=b"hi", sink=4)
        dead = b["victim"].Victim.panic(code=1)
        complex_ = b.Sensor.configure(mode="Off", offset=None)
        wrong = b.Sensor.configure(mode={"Threshold": (2.0, 1.0)}, offset=None)
        last = b["victim"].Victim.ping()
        with pytest.raises(errors.NotCallable, match="was not run"):
            _ = good.value
    assert good.value == 21.5
    assert isinstance(good.result, Ok)
    assert isinstance(bad.exception, dev.Sensor.errors.InvalidSensor)
    assert isinstance(bad.result, Err)
    with pytest.raises(dev.Sensor.errors.InvalidSensor):
        _ = bad.value
    assert (sent.value, other.value) == (3, 7)
    assert written.leases.sink == b"hi\0\0"
    assert isinstance(dead.exception, errors.ServerDied)
    assert repr(complex_.value) == "Off"
    assert isinstance(wrong.exception, dev.Sensor.errors.BadThreshold)
    assert wrong.exception.error._0 == 2.0
    assert last.value == 1
    assert [p.is_done for p in b] == [True] * len(b) == [True] * 9


def test_a_batch_is_few_programs(dev: Device) -> None:
    dev.Sensor.get(id=0)
    before = dev.session.traffic
    with dev.batch() as b:
        pending = [b.Sensor.get(id=i % 2) for i in range(100)]
    spent = dev.session.traffic - before
    results = [p.result.is_ok for p in pending]
    assert results == [True, False] * 50  # sensor 1 was never read
    # A text, a kick and an end for 11 calls: what the smallest hiffy takes.
    writes = 3 * (100 // 11)
    assert spent.block_writes <= writes


def test_operations_that_cannot_be_called_are_refused_when_recorded(dev: Device) -> None:
    before = dev.session.traffic
    with dev.batch() as b:
        with pytest.raises(errors.LimitExceeded):
            b.Spi.exchange(device_index=0, sink=60000)
        with pytest.raises(errors.NotCallable, match="by sensor only"):
            b.Jefe.get_reset_reason()
    assert len(b) == 0
    assert (dev.session.traffic - before).transactions == 0


def test_an_error_in_the_block_makes_no_call(dev: Device) -> None:
    with pytest.raises(ZeroDivisionError), dev.batch() as b:
        pending = b.Sensor.get(id=0)
        _ = 1 / 0
    assert not pending.is_done


def test_a_failure_of_hiffy_ends_the_batch(dev: Device) -> None:
    with pytest.raises(errors.HiffyFailure, match=r"restarted.*reply fault"), dev.batch() as b:
        before = b.Sensor.configure(mode="Off", offset=None)  # ends its program: Complex error
        refused = b["victim"].Victim.refuse()
    assert before.is_done
    assert not refused.is_done
    b.calls.remove(refused)
    b.run()  # nothing is left, nothing happens
    assert dev.Sensor.get(id=0).value == 21.5


def test_programs_fill_the_area_that_is_smallest(dev: Device) -> None:
    """The real limits decide: with a return stack of 64 bytes, eight f32 replies fit."""
    transport = dev.session.caller.transport
    assert isinstance(transport, HiffyTransport)
    mailbox = transport.mailbox
    small = replace(mailbox.layout.return_stack, size=64)
    mailbox.layout = replace(mailbox.layout, return_stack=small)
    before = dev.session.traffic
    with dev.batch() as b:
        pending = [b.Sensor.get(id=0) for _ in range(25)]
    assert {p.value for p in pending} == {21.5}
    assert 4 <= (dev.session.traffic - before).block_writes <= 12


@pytest.mark.parametrize("count", [40, 93, 250])
def test_batches_are_nearly_as_fast_as_hiffy_can(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the board's own time, beside somebody who looks without a pause: its limit."""

    def seconds() -> float:
        with idoldbg.attach() as dev:
            dev.Sensor.get(id=0)
            begin_s = dev.link.monotonic()
            with dev.batch() as b:
                for _ in range(count):
                    b.Sensor.get(id=0)
            return dev.link.monotonic() - begin_s

    usual_s = seconds()
    monkeypatch.setattr(pace, "FIRST_WAIT_S", 0.0001)
    monkeypatch.setattr(pace, "WAIT_GROWTH", 1.0)
    assert seconds() / usual_s >= 0.8


def test_a_failed_batch_reports_its_progress() -> None:
    with (
        idoldbg.attach(timeout_s=0.3) as dev,
        pytest.raises(errors.CallTimeout) as failed,
        dev.batch() as b,
    ):
        dev["victim"].hold()
        b.Sensor.configure(mode="Off", offset=None)  # ends its program: Complex error
        b.Sensor.get(id=0)
        b["victim"].Victim.panic(code=1)
        b.Sensor.configure(mode="Off", offset=None)
        b.Sensor.get(id=0)
    assert [p.is_done for p in b] == [True, False, False, False, False]
    assert failed.value.__notes__[-1] == (
        "of the 5 calls of this batch, 1 were answered, 3 may have been made or not, in the "
        "program that failed, 1 were not made"
    )
