"""The one place where pyOCD's exceptions become ours.

pyOCD raises its own tree, but also lets USB, socket and vendor library errors escape, uses
assertions for lost connections, and reports a switched-off target as a bare `Error`. What is raised
inside pyOCD or a library below it is a failure of the link; anything else is a bug and passes.

Written against pyOCD 0.46 (`pyocd/core/exceptions.py`).
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from pyocd.core import exceptions

from idol.records import dataclass, field
from idoldbg.errors import FaultError, IdoldbgError, LinkError, LinkTimeout
from idoldbg.target.probe.watchdog import NoAnswer
from idoldbg.target.spec import Spec

__all__ = ["GONE", "Attempt", "Unpowered", "translate", "translated"]

# Top-level packages whose failures are the link's: pyOCD and what it drives probes with.
BELOW = ("pyocd", "usb", "pylink", "hid", "libusb_package", "cmsis_pack_manager")

PLUG = "check that the probe is still plugged in, then try again"
SERVER = "check that the probe server still runs, then try again"
GONE = "the probe is gone"
CABLE = (
    "check that the board is powered and the SWD cable seated; try a lower speed (`--speed "
    "100000`), and `--connect under-reset` where firmware switches the debug pins off"
)
SLEEP = (
    "the core may be asleep with its debug clock off: `--connect awake` insists and keeps the "
    "clock on where the chip can, or build the application with its idle task's feature "
    "`insomniac`; else lower the speed (`--speed 100000`)"
)
PERMISSION = (
    "install udev rules that let this user open it (docs/probes.md has them), and plug it in again"
)
BUSY_WORDS = ("claim", "already", "in use", "busy", "exclusive", "access denied")
SILENT_WORDS = ("timeout", "timed out", "read thread exited")
OLD_WORDS = ("firmware version", "firmware does not support")


class Unpowered(exceptions.TargetError):  # type: ignore[misc]  # pyOCD publishes no types
    """No target answers, and the probe measures that it has no supply."""

    def __init__(self, volts: float) -> None:
        super().__init__(f"the probe measures {volts:.1f} V at the target")
        self.volts = volts


@dataclass(frozen=True, slots=True)
class Attempt:
    """Operation that failed. `address` and `size` are those of a memory access."""

    link: str
    doing: str
    address: int | None = None
    size: int = 0
    started_s: float = field(default_factory=time.monotonic)

    def fail(self, reason: str, hint: str = "") -> LinkError:
        """Return the error for this attempt."""
        return LinkError(self._message(reason, hint), link=self.link)

    def time_out(self, reason: str, hint: str = "") -> LinkTimeout:
        """Return the error for an attempt that took too long."""
        elapsed_s = time.monotonic() - self.started_s
        return LinkTimeout(self._message(reason, hint), timeout_s=elapsed_s, link=self.link)

    def _message(self, reason: str, hint: str) -> str:
        if hint is PLUG and Spec.parse(self.link).scheme == "remote":
            hint = SERVER
        return f"{self.link}: cannot {self.doing}: {reason}" + (f"; {hint}" if hint else "")


def _fault(error: BaseException, attempt: Attempt) -> IdoldbgError:
    if attempt.address is None:
        return attempt.fail(
            "the debug port answers FAULT",
            "the chip may be locked, or have no memory access port of that number",
        )
    # A probe server loses the address; then the start of the block is all that is known.
    address = getattr(error, "fault_address", None)
    if address is None or not attempt.address <= address < attempt.address + max(1, attempt.size):
        address = attempt.address
    return FaultError(
        f"{attempt.link}: cannot {attempt.doing}: the bus answers FAULT at or after "
        f"0x{address:08x}",
        address=address,
        size=attempt.address + attempt.size - address,
    )


def _probe(error: BaseException, attempt: Attempt) -> IdoldbgError:
    if any(word in _chain_text(error) for word in BUSY_WORDS):
        return attempt.fail(
            f"the probe is in use ({_text(error)})", "close the other debugger that holds it"
        )
    system = next((e for e in _chain(error) if isinstance(e, OSError) and e.errno), None)
    if system is not None and (system.errno not in (None, errno.ETIMEDOUT)):
        return _system(system, attempt)
    words = _chain_text(error)
    if any(word in words for word in OLD_WORDS):
        return attempt.fail(
            f"the probe's firmware is too old: {_text(error)}",
            "update it with its maker's tool (docs/probes.md)",
        )
    if system is not None or any(word in words for word in SILENT_WORDS):
        return attempt.time_out(f"the probe does not answer ({_text(error)})", PLUG)
    if _is_wire_state(error):
        return attempt.fail(f"no target answers ({_text(error)})", CABLE)
    return attempt.fail(f"the probe fails: {_text(error)}", PLUG)


def _is_wire_state(error: BaseException) -> bool:
    """Return whether an ST-Link says that its target does not answer.

    In the words of pyOCD's `stlink/constants.py`: no device connected, no id code, no debug power.
    """
    return _text(error).startswith(("STLink error (5)", "STLink error (9)", "STLink error (11)"))


def _bare(error: BaseException, attempt: Attempt) -> IdoldbgError:
    cause = error.__cause__
    if isinstance(cause, (exceptions.TransferError, exceptions.DebugError)):
        return attempt.fail(f"no target answers ({_text(cause)})", CABLE)
    if isinstance(cause, exceptions.ProbeError):
        return _probe(cause, attempt)
    return attempt.fail(_text(error))


def _unpowered(error: BaseException, attempt: Attempt) -> IdoldbgError:
    return attempt.fail(
        f"no target answers, and {error}: its supply is off",
        "switch the board on, and check that the probe's voltage pin (VTref) is connected",
    )


def _reason(reason: str, hint: str = "") -> Callable[[BaseException, Attempt], IdoldbgError]:
    return lambda error, attempt: attempt.fail(f"{reason} ({_text(error)})", hint)


def _slow(reason: str, hint: str = "") -> Callable[[BaseException, Attempt], IdoldbgError]:
    return lambda error, attempt: attempt.time_out(f"{reason} ({_text(error)})", hint)


# From the particular to the general: the first class that fits is taken.
PYOCD_ERRORS: tuple[
    tuple[type[BaseException], Callable[[BaseException, Attempt], IdoldbgError]], ...
] = (
    (exceptions.TransferFaultError, _fault),
    (exceptions.TransferTimeoutError, _slow("the target only answers WAIT", SLEEP)),
    (exceptions.TransferProtocolError, _reason("garbled answers over the debug wires", CABLE)),
    (exceptions.TransferError, _reason("the target does not answer", CABLE)),
    (exceptions.CoreRegisterAccessError, _reason("a core register is out of reach")),
    (exceptions.FlashEraseFailure, _reason("the flash cannot be erased")),
    (Unpowered, _unpowered),
    (exceptions.FlashProgramFailure, _reason("the flash cannot be programmed")),
    (exceptions.FlashFailure, _reason("the flash fails")),
    (exceptions.DebugError, _reason("the debug hardware refuses")),
    (exceptions.TargetError, _reason("the target fails")),
    (exceptions.ProbeDisconnected, _reason(GONE, PLUG)),
    (exceptions.ProbeError, _probe),
    (exceptions.TargetSupportError, _reason("pyOCD lacks support for this target")),
    (exceptions.TimeoutError, _slow("pyOCD gave up waiting")),
    (exceptions.CommandError, _reason("pyOCD refused a command")),
    (exceptions.RTTError, _reason("real-time transfer failed")),
    (exceptions.InternalError, _reason("pyOCD failed inside")),
    (exceptions.Error, _bare),
)


def translate(error: BaseException, attempt: Attempt) -> IdoldbgError | None:
    """Return the error of ours that says the same; None for what is not a failure of the link."""
    if isinstance(error, IdoldbgError):
        return error
    if isinstance(error, NoAnswer):
        return LinkTimeout(
            f"{attempt.link}: cannot {attempt.doing}: {error}; unplug the probe (or restart its "
            "server) and plug it in again",
            timeout_s=error.limit_s,
            link=attempt.link,
        )
    for kind, make in PYOCD_ERRORS:
        if isinstance(error, kind):
            return make(error, attempt)
    if isinstance(error, OSError):
        return _system(error, attempt)
    if isinstance(error, EOFError):
        return attempt.fail(f"the connection ended ({_text(error)})", PLUG)
    if type(error).__name__ == "NoBackendError":
        return attempt.fail("libusb is missing", "install the system's libusb-1.0 package")
    if isinstance(error, Exception) and _raised_below(error.__traceback__):
        # Assertions, and mistakes over answers that a lost or foreign probe server never gave.
        cause = error.__context__ if isinstance(error, AssertionError) else None
        if isinstance(cause, Exception) and (first := translate(cause, attempt)) is not None:
            return first
        return attempt.fail(
            f"an answer makes no sense ({type(error).__name__} in pyOCD: {_text(error)})", PLUG
        )
    return None


@contextmanager
def translated(attempt: Attempt) -> Iterator[None]:
    """Raise the translation of whatever the body raises; bugs and interrupts pass unchanged."""
    try:
        yield
    except IdoldbgError:
        raise
    except Exception as error:
        ours = translate(error, attempt)
        if ours is None:
            raise
        raise ours from error


def _system(error: OSError, attempt: Attempt) -> IdoldbgError:
    """Sockets, and USB: pyusb's `USBError` is an `OSError` that pyOCD lets escape."""
    text = _text(error)
    if error.errno == errno.EBUSY:
        return attempt.fail(
            f"the probe is in use ({text})", "close the other debugger that holds it"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return attempt.fail(
            f"no permission to open the probe ({text})",
            PERMISSION,
        )
    if error.errno in (errno.ENODEV, errno.ENOENT, errno.ESHUTDOWN):
        return attempt.fail(f"{GONE} ({text})", PLUG)
    if error.errno in (errno.EIO, errno.EPIPE) and _is_usb(error):
        return attempt.fail(f"a USB transfer failed ({text})", PLUG)
    if error.errno in (errno.EIO, errno.EPIPE):
        return attempt.fail(f"{GONE} ({text})", PLUG)
    if error.errno == errno.ETIMEDOUT and _is_usb(error):
        return attempt.time_out(f"the probe does not answer ({text})", PLUG)
    if isinstance(error, ConnectionRefusedError):
        return attempt.fail(
            f"nothing listens there ({text})", "start the server: `pyocd server -p PORT`"
        )
    if isinstance(error, TimeoutError):
        return attempt.time_out(f"no answer ({text})")
    return attempt.fail(f"the connection failed ({text})", PLUG)


def _is_usb(error: BaseException) -> bool:
    return type(error).__module__.startswith("usb")


def _raised_below(traceback: TracebackType | None) -> bool:
    """Return whether pyOCD, not idoldbg, called the code that raised."""
    below = False
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in BELOW or package == "idoldbg":
            below = package in BELOW
        traceback = traceback.tb_next
    return below


def _text(error: BaseException | None) -> str:
    return str(error) or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__


def _chain_text(error: BaseException | None) -> str:
    return " ".join(str(each).lower() for each in _chain(error))
