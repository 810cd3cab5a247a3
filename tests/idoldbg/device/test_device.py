"""The Python API on emulated boards: values, leases, errors, names, help."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from typing import Any

import pytest

import idoldbg
from idoldbg import errors
from idoldbg.device import Device, Err, Ok, Reply


@pytest.fixture(scope="module", params=["emu", "pyocd:emu"])
def dev(request: pytest.FixtureRequest) -> Iterator[Device]:
    with idoldbg.attach(probe=request.param, timeout_s=60) as device:
        yield device


READ_ID = b"\x9f\0\0\0"
ID = b"\xff\xef\x40\x18"


def test_a_reply_has_its_value_and_the_bytes_of_leases(dev: Device) -> None:
    reply = dev.Spi.exchange(device_index=0, source=READ_ID, sink=4)
    assert reply.value is None
    assert reply.leases.sink == reply.leases["sink"] == ID
    value, leases = reply
    assert value is None
    assert dict(leases) == {"sink": ID}
    assert repr(reply) == "Reply((), sink: hex:ffef4018)"
    assert reply == dev.Spi.exchange(0, READ_ID, 4) != dev.Spi.exchange(0, READ_ID, 3)
    with pytest.raises(AttributeError, match="did you mean `sink`"):
        _ = reply.leases.snk


def test_values_are_pythons(dev: Device) -> None:
    sensor = dev.Sensor
    assert sensor.get(id=0).value == 21.5
    assert sensor.multiply(2**64 - 1, 2**64 - 1).value == (2**64 - 1) ** 2
    assert sensor.adjust(tiny=-128, small=-1, medium=-1, large=-(2**62)).value == -(2**62) - 130
    assert sensor.reverse(bytes=bytes(range(8))).value == bytes(reversed(range(8)))
    assert sensor.range().value == (21.5, 21.5)
    assert sensor.last(id=0).value == 21.5
    assert sensor.last(id=1).value is None
    assert sensor.set_enabled(enabled=True).value is True
    reading = sensor.reading(id=0).value
    assert (reading.id, reading.value, reading.unit) == (0, 21.5, 0)
    assert reading.unit.name == "Celsius"
    assert repr(reading).startswith("Reading { id: SensorId(0), value: 21.5, unit: Celsius, ")
    sensor.post(id=3, value=1000)
    match sensor.newest().value:
        case Ok(newest):
            assert newest.value == 1000
        case other:
            pytest.fail(str(other))


def test_variants_match_and_go_back_in(dev: Device) -> None:
    sensor = dev.Sensor
    sensor.configure(mode={"Periodic": {"interval_ms": 100}}, offset=-3)
    mode = sensor.status().value.mode
    assert (mode.interval_ms, repr(mode)) == (100, "Periodic { interval_ms: 100 }")
    kind: Any = type(mode).__mro__[1]  # `task_sensor_api.Mode`
    match mode:
        case kind.Periodic(interval_ms=100):
            pass
        case _:
            pytest.fail(repr(mode))
    sensor.configure(mode=kind.Threshold(1.5, 2.5), offset=None)
    assert sensor.configure(mode=mode, offset=None).value == kind.Threshold(1.5, 2.5)
    assert sensor.configure(mode=kind.Off, offset=0).value == kind.Periodic(100)
    assert repr(kind.Threshold(1.5, 0.1)) == "Threshold(1.5, 0.1)"
    assert sensor.configure(mode="Off", offset=None).value == kind.Off()


def test_leases_have_elements(dev: Device) -> None:
    assert dev.Sensor.history(samples=3).leases.samples.elements == [0, 1, 2]
    assert dev.Sensor.sum(values=[1, 2, 2**32 - 1]).value == 2**32 + 2
    assert dev.Sensor.sum(values=b"\1\0\0\0").value == 1
    assert dev.Sensor.sum().value == 0
    assert len(dev.Jefe.read_fault_counts().leases.data) == 32


def test_errors_are_classes_of_their_variants(dev: Device) -> None:
    with pytest.raises(dev.Spi.errors.BadDevice) as caught:
        dev.Spi.exchange(device_index=7, source=READ_ID, sink=4)
    error = caught.value
    assert (error.variant, error.code, error.operation) == ("BadDevice", 4, "Spi.exchange")
    assert repr(error.error) == "SpiError::BadDevice"
    assert str(error) == "Spi.exchange answered with BadDevice"
    assert isinstance(error, errors.OperationError)
    assert isinstance(error, dev.Spi.exchange.Error.BadDevice)  # type: ignore[attr-defined]  # dynamic
    assert not isinstance(error, dev.Spi.errors.BadTransferSize)
    with pytest.raises(dev.Spi.exchange.Error):
        dev.Spi.exchange(device_index=0)
    with pytest.raises(dev.Sensor.errors.BadInterval) as complex_error:
        dev.Sensor.configure(mode={"Periodic": {"interval_ms": 5}}, offset=None)
    found = complex_error.value.error
    assert (found.lowest, found.highest, found.given) == (10, 60000, 5)


def test_try_gives_results_to_match(dev: Device) -> None:
    match dev.Sensor.get.try_(id=0):
        case Ok(Reply(value)):
            assert value == 21.5
        case Err(_):
            pytest.fail("an error")
    match dev.Spi.exchange.try_(7, READ_ID, 4):
        case Err(error) as bad:
            assert error.name == "BadDevice"
            assert repr(bad) == "Err(SpiError::BadDevice)"
            with pytest.raises(dev.Spi.errors.BadDevice):
                bad.unwrap()
        case Ok(_):
            pytest.fail("no error")
    with pytest.raises(errors.ServerDied):
        dev["victim"].Victim.panic.try_(code=1)


def test_other_failures_have_their_own_classes(dev: Device) -> None:
    victim = dev["victim"].Victim
    with pytest.raises(errors.ServerDied) as died:
        victim.panic(code=42)
    assert died.value.task == "victim"
    with pytest.raises(errors.HiffyFailure, match="restarted"):
        victim.refuse()
    dev["victim"].hold()
    timeout_s, dev.timeout_s = dev.timeout_s, 0.4
    with pytest.raises(errors.CallTimeout, match="waiting for `victim` to reply") as late:
        victim.panic(code=42)
    assert late.value.timeout_s == 0.4
    dev.timeout_s = timeout_s
    dev["victim"].release()
    assert victim.ping().value == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: d.Spy, AttributeError, "did you mean `Spi`"),
        (lambda d: d.Spi.exchang, AttributeError, "did you mean `exchange`"),
        (lambda d: d.Victim, AttributeError, r'dev\["victim"\].Victim'),
        (lambda d: d["spy"], errors.NotFound, "did you mean `spi`"),
        (lambda d: d["spi"].Sensor, AttributeError, "in task `spi`"),
        (lambda d: d.Spi.errors.BadDevise, AttributeError, "did you mean `BadDevice`"),
        (lambda d: d.Spi.exchange(), TypeError, "also needs device_index"),
        (lambda d: d.Spi.exchange(0, b"", 0, 1), TypeError, r"takes 3 argument"),
        (lambda d: d.Spi.exchange(0, device_index=0), TypeError, "given twice"),
        (lambda d: d.Spi.exchange(divice_index=0), TypeError, "did you mean `device_index`"),
        (lambda d: d.Spi.exchange(256), errors.ArgumentError, "0..=255"),
        (lambda d: d.Spi.exchange("0.5"), errors.ArgumentError, "device_index"),
        (lambda d: d.Spi.lock(0, "Assertd"), errors.ArgumentError, "did you mean `Asserted`"),
        (lambda d: d.Spi.exchange(0, source="9f"), errors.ArgumentError, "give a list of u8"),
        (lambda d: d.Spi.exchange(0, sink=b"1234"), errors.ArgumentError, "number of elements"),
        (lambda d: d.Spi.exchange(0, sink=True), errors.ArgumentError, "number of elements"),
        (lambda d: d.Spi.exchange(0, sink=60000), errors.LimitExceeded, "HIFFY_SCRATCH"),
        (lambda d: d.Sensor.sum([1] * 65), errors.ArgumentError, "at most 64"),
        (lambda d: d.Sensor.sum([2**32]), errors.ArgumentError, r"values\[0\]"),
        (lambda d: d.Jefe.get_reset_reason(), errors.NotCallable, "by sensor only"),
        (lambda d: d["sleeper"].Victim.ping(), errors.NotCallable, "not started"),
    ],
)
def test_mistakes_are_refused_with_advice(
    dev: Device, make: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(dev)


def test_names_can_be_explored(dev: Device) -> None:
    assert {"Spi", "Sensor", "UserLeds", "Jefe", "batch", "aio"} <= set(dir(dev))
    assert not hasattr(dev, "Victim")  # though `dir` has it: the error names its tasks
    assert "Victim" in dir(dev["victim"])
    assert dir(dev.Spi) == sorted(["read", "write", "exchange", "lock", "release", "errors"])
    assert {"SpiError", "BadDevice"} <= set(dir(dev.Spi.errors))
    assert not hasattr(dev, "Nothing")
    assert not hasattr(dev, "Victim")
    assert "lock(device_index: u8, cs_state: CsState)" in repr(dev.Spi)
    assert repr(dev["victim"]) == "<task `victim`: Victim>"


def test_operations_describe_themselves(dev: Device) -> None:
    operation = dev.Spi.exchange
    parameters = inspect.signature(operation).parameters
    assert list(parameters) == ["device_index", "source", "sink"]
    assert (parameters["source"].default, parameters["sink"].default) == (b"", 0)
    assert list(inspect.signature(dev.Jefe.read_fault_counts).parameters) == []
    assert repr(operation) == (
        "<Spi.exchange(device_index: u8, source: &[u8], sink: &mut [u8]) -> Result<(), SpiError>>"
    )
    text = pydoc.plain(pydoc.render_doc(operation))
    for message in (
        "operation 3 of task `spi`",
        "zerocopy",
        "at most 65535 elements",
        "Raises SpiError: BadTransferSize, ",
        "hiffy can carry 26 bytes of arguments, 2048 bytes of data to read",
    ):
        assert message in text, message
    assert "cs_state: CsState (NotAsserted | Asserted)" in dev.Spi.lock.__doc__
    assert "idempotent" in dev.Sensor.temperature.__doc__
    restricted = " ".join(dev.Jefe.get_reset_reason.__doc__.split())
    assert "Cannot be called: Jefe.get_reset_reason may be called by sensor only" in restricted


def test_attach_compares_the_images(dev: Device) -> None:
    if dev.link.spec == "emu":
        other = idoldbg.attach(board="lpcxpresso55s69", probe="emu")
        other.close()
    with pytest.raises(errors.ArchiveError):
        idoldbg.attach("/no/such/build.zip", probe="emu")
    with pytest.raises(errors.ArgumentError, match="unknown target"):
        idoldbg.attach(probe="carrier-pigeon")


def test_a_reset_is_noticed() -> None:
    with idoldbg.attach() as device:
        assert device.Sensor.get(id=0).value == 21.5
        device.Sensor.post(id=0, value=1)
        device.reset()
        assert device.Sensor.get(id=0).value == 21.5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"SpiErorr": "u8"}, r"^type_overrides: .*`SpiErorr`; did you mean `SpiError`\?"),
        ({"Nope": "u8"}, "no interface of .* has a type called `Nope`$"),
        ({"SpiError": "drv_spi_api::"}, "is not a Rust type"),
    ],
)
def test_type_overrides_must_be_for_types_of_interfaces(
    overrides: dict[str, str], message: str
) -> None:
    with pytest.raises(errors.ArgumentError, match=message):
        idoldbg.attach(type_overrides=overrides)
