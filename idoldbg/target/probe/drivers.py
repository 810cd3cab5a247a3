"""pyOCD's objects for probes: found with their places on the USB, made a session of, let go.

What is mended here pyOCD 0.46 does not do: it finds no two probes of one serial number, none at all
beside an ST-Link without one, keeps a probe claimed whose `open` fails half-way, says nothing of
probes that this user may not open, and opens a probe an extra time to ask for its board.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import usb.core
import usb.util
from pyocd.core.session import Session
from pyocd.probe import common
from pyocd.probe.pydapaccess.interface import pyusb_backend, pyusb_v2_backend
from pyocd.probe.stlink.usb import STLinkUSBInterface
from pyocd.probe.stlink_probe import StlinkProbe

from idoldbg.target.usb import is_probe_device

__all__ = [
    "FAST_KINDS",
    "at_its_place",
    "find_drivers",
    "let_go",
    "make_session",
    "measure_supply",
    "place_of",
    "refused_devices",
]

FAST_KINDS = ("cmsisdap", "stlink")
"""Kinds of probes that are opened in far less than a second."""
USB_LIMIT_S = 3
"""How long a CMSIS-DAP probe may take for an answer; pyOCD waits for ten seconds."""

_wanted = threading.local()


def place_of(driver: Any) -> str:
    """Return the USB place of a probe's driver as Linux names it (`1-2.4`); "" for unknown."""
    link = getattr(driver, "_link", None)
    for name in ("_interface", "_device"):
        place = getattr(getattr(link, name, None), "idoldbg_place", None)
        if place:
            return str(place)
    return ""


def _usb_place(device: Any) -> str:
    ports = getattr(device, "port_numbers", None) or ()
    return (
        f"{device.bus}-{'.'.join(map(str, ports))}" if ports else f"{device.bus}:{device.address}"
    )


class _StlinkDevice(STLinkUSBInterface):  # type: ignore[misc]  # pyOCD publishes no types
    """An ST-Link that may have no serial number."""

    def __init__(self, device: Any) -> None:
        try:
            super().__init__(device)
        except TypeError:  # the length of no serial number; what comes after it is missing
            self._serial_number = ""
            self._vendor_name = device.manufacturer
            self._product_name = device.product
            usb.util.dispose_resources(device)
        self.idoldbg_place = _usb_place(device)


def find_drivers(probe_class: Any) -> Sequence[Any]:
    """Return the probes of one of pyOCD's kinds, with their places where those are known."""
    # Each kind is to say what it may not open; pyOCD lets the first one alone.
    common.libusb_error_device_set.clear()
    if probe_class is StlinkProbe:
        return [probe_class(device) for device in _StlinkDevice.get_all_connected_devices()]
    with _noting_places():
        return list(probe_class.get_all_connected_probes(None, False))


def refused_devices() -> Iterator[str]:
    """Yield the names of debug probes that this user may not open."""
    try:
        devices = list(_usb_find(find_all=True))
    except usb.core.NoBackendError:
        return
    for device in devices:
        if not is_probe_device(f"{device.idVendor:04x}", f"{device.idProduct:04x}"):
            continue
        try:
            device.get_active_configuration()
        except usb.core.USBError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                yield f"{device.idVendor:04x}:{device.idProduct:04x} at USB {_usb_place(device)}"
        except (IndexError, NotImplementedError, ValueError):
            pass
        finally:
            usb.util.dispose_resources(device)


def make_session(driver: Any, options: dict[str, Any]) -> Any:
    """Make a session of a probe that is not open, without asking the probe for its board."""
    interface: Any = getattr(getattr(driver, "_link", None), "_interface", None)
    if hasattr(interface, "DEFAULT_USB_TIMEOUT_S"):
        interface.DEFAULT_USB_TIMEOUT_S = USB_LIMIT_S
        interface.DEFAULT_USB_TIMEOUT_MS = USB_LIMIT_S * 1000
    driver.create_associated_board = lambda: None
    try:
        return Session(driver, auto_open=False, options=options)
    finally:
        del driver.create_associated_board


@contextmanager
def at_its_place(driver: Any) -> Iterator[None]:
    """Have pyOCD find this probe by its place, too, when it opens it in this thread."""
    before, _wanted.place = getattr(_wanted, "place", ""), place_of(driver)
    try:
        yield
    finally:
        _wanted.place = before


def let_go(driver: Any) -> None:
    """Release what pyOCD keeps claimed of a probe whose `open` failed half-way.

    Otherwise the next attempt finds it in use, by ourselves.
    """
    link: Any = getattr(driver, "_link", None)
    if link is None:
        return
    for name, closed in (("_device", "_closed"), ("_interface", "closed")):
        device = getattr(link, name, None)
        if device is None or not hasattr(device, closed):
            continue
        handle = getattr(device, "_dev", None) or getattr(device, "dev", None)
        with contextlib.suppress(Exception):
            if getattr(device, closed) is False:
                device.close()
        with contextlib.suppress(Exception):
            if handle is not None:
                usb.util.dispose_resources(handle)  # what was claimed before `closed` was set
        with contextlib.suppress(Exception):
            setattr(device, closed, True)
    if hasattr(link, "_is_open"):
        link._is_open = False
    if hasattr(driver, "_is_open"):
        driver._is_open = False


def measure_supply(driver: Any) -> float | None:
    """Return the volts that an ST-Link found at its target when it was opened; None for others."""
    volts = getattr(getattr(driver, "_link", None), "target_voltage", None)
    return float(volts) if isinstance(volts, (int, float)) else None


def _usb_find(**arguments: Any) -> Any:
    """Find devices as pyOCD does; with a place wanted, only the one that is there."""
    place = getattr(_wanted, "place", "")
    match = arguments.get("custom_match")
    if place and match is not None:
        arguments["custom_match"] = lambda d: _usb_place(d) == place and match(d)
    return _original_find(**arguments)


@contextmanager
def _noting_places() -> Iterator[None]:
    """Have pyOCD's interfaces remember where their device is."""
    with contextlib.ExitStack() as stack:
        for kind in (pyusb_backend.PyUSB, pyusb_v2_backend.PyUSBv2):
            stack.enter_context(_noting(kind))
        yield


@contextmanager
def _noting(kind: Any) -> Iterator[None]:
    original: Callable[..., None] = kind.__init__

    def note(self: Any, device: Any, *more: Any) -> None:
        original(self, device, *more)
        self.idoldbg_place = _usb_place(device)

    kind.__init__ = note
    try:
        yield
    finally:
        kind.__init__ = original


_original_find = pyusb_v2_backend.usb_find
pyusb_backend.usb_find = pyusb_v2_backend.usb_find = _usb_find
