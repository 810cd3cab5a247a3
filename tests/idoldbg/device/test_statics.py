"""Methods of a device that read statics."""

from __future__ import annotations

import pytest

import idoldbg
from idoldbg.errors import ArgumentError, OperationError
from idoldbg.model.values import format_value


def test_statics_of_a_device() -> None:
    with idoldbg.attach(probe="emu") as dev:
        with pytest.raises(OperationError):
            dev.UserLeds.led_on(index=77)
        (counted,) = dev.counters("user_leds")
        assert "1  led_on(Err(NotPresent))" in str(counted)
        assert (
            int(dev.read("user_leds/__USERLEDS_SERVER_COUNTERS.led_on.Err.NotPresent.v.value.0"))
            == 1
        )
        calls = dev.task_calls()
        assert [(s.operation, s.calls_seen) for s in calls.servers if s.calls_seen] == [
            ("led_on", 1)
        ]
        assert "? → user_leds    UserLeds.led_on   0    1  NotPresent 1" in str(calls)
        assert [s.task for s in dev.variables("SPI").statics if s.memory == "flash"] == ["sensor"]
        assert [(ring.task, ring.entries) for ring in dev.ringbufs()] == [("jefe", ())]
        dev["victim"].fault()
        (ring,) = dev.ringbufs()
        assert [format_value(entry.payload) for entry in ring.entries] == ["Fault(5)", "Held(5)"]
        with pytest.raises(ArgumentError, match="ambiguous"):
            dev.read("MESSAGE")
        assert len(dev.read_all("MESSAGE")) > 1
