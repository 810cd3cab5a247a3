"""Every exception that pyOCD may raise becomes one of ours."""

from __future__ import annotations

import errno
import inspect
import json

import pytest
import usb.core
from pyocd.core import exceptions
from pyocd.probe.pydapaccess import DAPAccess

from idoldbg.errors import FaultError, IdoldbgError, LinkError, LinkTimeout, ProbeNotFound
from idoldbg.target.probe.errors import Attempt, translate, translated
from idoldbg.target.probe.watchdog import NoAnswer

PYOCD = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)]

# The class expected, and what the message must say.
EXPECTED: dict[str, tuple[type[IdoldbgError], str]] = {
    "CommandError": (LinkError, "refused a command"),
    "CoreRegisterAccessError": (LinkError, "core register"),
    "DebugError": (LinkError, "debug hardware"),
    "Error": (LinkError, "told so"),
    "FlashEraseFailure": (LinkError, "erased"),
    "FlashFailure": (LinkError, "flash"),
    "FlashProgramFailure": (LinkError, "programmed"),
    "InternalError": (LinkError, "inside"),
    "ProbeDisconnected": (LinkError, "probe is gone"),
    "ProbeError": (LinkError, "probe fails"),
    "RTTError": (LinkError, "real-time transfer"),
    "TargetError": (LinkError, "target fails"),
    "TargetSupportError": (LinkError, "support"),
    "TimeoutError": (LinkTimeout, "gave up waiting"),
    "TransferError": (LinkError, "does not answer"),
    "TransferFaultError": (FaultError, "FAULT"),
    "TransferProtocolError": (LinkError, "garbled"),
    "TransferTimeoutError": (LinkTimeout, "WAIT"),
}

READ = Attempt("pyocd:0669FF", "read 8 bytes at 0x20000000", 0x20000000, 8)


@pytest.mark.parametrize("kind", PYOCD, ids=lambda kind: kind.__name__)
def test_every_class_of_pyocd(kind: type[Exception]) -> None:
    expected, message = EXPECTED[kind.__name__]
    ours = translate(kind("told so"), READ)
    assert type(ours) is expected
    assert message in ours.message
    assert "told so" in ours.message or kind is exceptions.TransferFaultError
    assert "pyocd:0669FF" in ours.message
    assert "read 8 bytes" in ours.message
    assert isinstance(ours, FaultError) or ours.link == "pyocd:0669FF"


def test_the_table_above_has_no_class_that_pyocd_lacks() -> None:
    assert set(EXPECTED) == {kind.__name__ for kind in PYOCD}


@pytest.mark.parametrize("kind", [k for k in PYOCD if k is not exceptions.TransferFaultError])
def test_without_a_text(kind: type[Exception]) -> None:
    """Some are raised bare; the message must still say something."""
    ours = translate(kind(), READ)
    assert ours is not None
    assert not ours.message.rstrip().endswith(("()", ":"))


@pytest.mark.parametrize(
    ("reported", "address", "size"),
    [
        (0x20000004, 0x20000004, 4),
        (None, 0x20000000, 8),  # a probe server loses it
        (0x10000000, 0x20000000, 8),  # of some other access
    ],
)
def test_fault_addresses(reported: int | None, address: int, size: int) -> None:
    ours = translate(exceptions.TransferFaultError(fault_address=reported), READ)
    assert isinstance(ours, FaultError)
    assert (ours.address, ours.size) == (address, size)


def test_fault_outside_a_memory_access() -> None:
    ours = translate(exceptions.TransferFaultError(), Attempt("pyocd", "attach"))
    assert type(ours) is LinkError
    assert "locked" in ours.message


def test_target_not_detected_is_a_bare_error_with_a_cause() -> None:
    bare = exceptions.Error("Target not detected.")
    bare.__cause__ = exceptions.TransferError("No ACK")
    ours = translate(bare, READ)
    assert ours is not None
    assert "no target answers (No ACK)" in ours.message


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (exceptions.ProbeError("unable to claim interface"), LinkError, "in use"),
        (usb.core.USBError("Resource busy", errno=errno.EBUSY), LinkError, "in use"),
        (usb.core.USBError("Access denied", errno=errno.EACCES), LinkError, "udev"),
        (usb.core.USBError("No such device", errno=errno.ENODEV), LinkError, "gone"),
        (usb.core.USBError("Pipe error", errno=errno.EPIPE), LinkError, "USB transfer failed"),
        (usb.core.USBTimeoutError("timed out", errno=errno.ETIMEDOUT), LinkTimeout, "timed out"),
        (usb.core.NoBackendError("No backend available"), LinkError, "libusb"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), LinkError, "nothing listens"),
        (ConnectionResetError("reset by peer"), LinkError, "connection failed"),
        (BrokenPipeError(errno.EPIPE, "broken pipe"), LinkError, "gone"),
        (TimeoutError("timed out"), LinkTimeout, "no answer"),
        (EOFError(), LinkError, "connection ended"),
        (NoAnswer(15.0), LinkTimeout, "no answer within 15 s"),
        (ProbeNotFound("none"), ProbeNotFound, "none"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exceptions_from_below_pyocd_are_converted(
    error: BaseException, kind: type[IdoldbgError], message: str
) -> None:
    ours = translate(error, READ)
    assert type(ours) is kind
    assert message in ours.message


def raised_in(module: str, code: str, **names: object) -> Exception:
    """Raise inside a function of `module`, as far as its traceback tells."""
    scope = {"__name__": module, **names}
    exec(f"def fail():\n    {code}", scope)
    try:
        scope["fail"]()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - it is what was asked for
        return error
    raise AssertionError("nothing was raised")


def test_an_assertion_in_pyocd_is_a_lost_link_and_names_the_first_error() -> None:
    error = raised_in("pyocd.probe.tcp_client_probe", "assert False")
    ours = translate(error, READ)
    assert type(ours) is LinkError
    error.__context__ = ConnectionResetError("reset by peer")
    ours = translate(error, READ)
    assert ours is not None
    assert "reset by peer" in ours.message


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("pyocd.probe.stlink.usb", "raise DAPError('device error')"),
        ("pyocd.probe.tcp_client_probe", "{}['status']"),
        ("usb.backend.libusb1", "None.handle"),
        ("pylink.jlink", "raise RuntimeError('Connection has been lost.')"),
        ("pyocd.probe.tcp_client_probe", "json.loads('nonsense')"),
    ],
)
def test_anything_raised_below_is_a_failure_of_the_link(module: str, code: str) -> None:
    error = raised_in(module, code, DAPError=DAPAccess.DeviceError, json=json)
    assert isinstance(translate(error, READ), LinkError)


def test_a_bug_of_ours_passes_unchanged() -> None:
    error = raised_in("idoldbg.target.probe.link", "{}['status']")
    assert translate(error, READ) is None
    with pytest.raises(KeyError), translated(READ):
        raise error
    with pytest.raises(KeyboardInterrupt), translated(READ):
        raise KeyboardInterrupt


def test_the_original_is_kept_as_the_cause() -> None:
    original = exceptions.TransferError("No ACK")
    with pytest.raises(LinkError) as caught, translated(READ):
        raise original
    assert caught.value.__cause__ is original
