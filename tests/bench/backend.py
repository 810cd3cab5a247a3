"""A backend of pyUSB whose devices are those of a bus, in place of libusb1."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import usb.backend
from usb.core import USBError, USBTimeoutError

from tests.bench.device import UsbError
from tests.bench.remote import UsbBus

__all__ = ["Backend", "make_backend"]

# errno: libusb's error code and its text, which programs show
ERRORS = {
    errno.EIO: (-1, "Input/Output Error"),
    errno.EINVAL: (-5, "Entity not found"),
    errno.EACCES: (-3, "Access denied (insufficient permissions)"),
    errno.EBUSY: (-6, "Resource busy"),
    errno.ENODEV: (-4, "No such device (it may have been disconnected)"),
    errno.EPIPE: (-9, "Pipe error"),
    errno.EOVERFLOW: (-8, "Overflow"),
    errno.ETIMEDOUT: (-7, "Operation timed out"),
}


class Backend(usb.backend.IBackend):  # type: ignore[misc]  # pyUSB publishes no types
    """pyUSB's names, `UsbBus`'s deeds."""

    def __init__(self, bus: UsbBus) -> None:
        super().__init__()
        self._bus = bus

    def _call(
        self, operation: str, data: bytes = b"", **fields: Any
    ) -> tuple[dict[str, Any], bytes]:
        try:
            return self._bus.call(operation, data, **fields)
        except UsbError as error:
            code, text = ERRORS[error.errno]
            kind = USBTimeoutError if error.errno == errno.ETIMEDOUT else USBError
            raise kind(text, code, error.errno) from None

    def enumerate_devices(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("enumerate")[0]["devices"]
        return found

    def get_parent(self, dev: Any) -> None:
        return None

    def get_device_descriptor(self, dev: Any) -> SimpleNamespace:
        return _descriptor({**dev["device"], "port_numbers": tuple(dev["device"]["port_numbers"])})

    def get_configuration_descriptor(self, dev: Any, config: int) -> SimpleNamespace:
        if config:
            raise IndexError(config)
        return _descriptor(dev["configuration"])

    def get_interface_descriptor(
        self, dev: Any, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        if alt:
            raise IndexError(alt)
        return _descriptor(dev["interfaces"][intf])

    def get_endpoint_descriptor(
        self, dev: Any, ep: int, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        return _descriptor(dev["interfaces"][intf]["endpoints"][ep])

    def open_device(self, dev: Any) -> Any:
        return self._call("open", id=dev["id"])[0]["handle"]

    def close_device(self, dev_handle: int) -> None:
        self._call("close", handle=dev_handle)

    def get_configuration(self, dev_handle: int) -> int:
        return 1

    def set_configuration(self, dev_handle: int, config_value: int) -> None:
        pass

    def set_interface_altsetting(self, dev_handle: int, intf: int, altsetting: int) -> None:
        pass

    def claim_interface(self, dev_handle: int, intf: int) -> None:
        self._call("claim", handle=dev_handle, interface=intf)

    def release_interface(self, dev_handle: int, intf: int) -> None:
        self._call("release", handle=dev_handle, interface=intf)

    def bulk_write(self, dev_handle: int, ep: int, intf: int, data: Any, timeout: int) -> int:
        fields = {"handle": dev_handle, "timeout_s": timeout / 1000}
        count: int = self._call("write", data.tobytes(), **fields)[0]["count"]
        return count

    def bulk_read(self, dev_handle: int, ep: int, intf: int, buff: Any, timeout: int) -> int:
        size = len(buff) * buff.itemsize
        fields = {"handle": dev_handle, "size": size, "timeout_s": timeout / 1000}
        data = self._call("read", **fields)[1]
        memoryview(buff).cast("B")[: len(data)] = data
        return len(data)

    intr_write = bulk_write
    intr_read = bulk_read

    def ctrl_transfer(
        self,
        dev_handle: int,
        bmRequestType: int,  # noqa: N803 - pyUSB's names
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: Any,
        timeout: int,
    ) -> int:
        is_in = bool(bmRequestType & 0x80)
        fields = {"handle": dev_handle, "kind": bmRequestType, "request": bRequest, "value": wValue}
        found = self._call("control", b"" if is_in else data.tobytes(), **fields)[1]
        if not is_in:
            return len(data) * int(data.itemsize)
        found = found[: len(data) * data.itemsize]
        memoryview(data).cast("B")[: len(found)] = found
        return len(found)

    def clear_halt(self, dev_handle: int, ep: int) -> None:
        pass

    def reset_device(self, dev_handle: int) -> None:
        pass

    def is_kernel_driver_active(self, dev_handle: int, intf: int) -> bool:
        return False


def _descriptor(fields: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(extra_descriptors=[], **fields)


def make_backend(path: str) -> Backend:
    """Make a backend for the bus at that socket."""
    from tests.bench.remote import RemoteBus

    return Backend(RemoteBus(path))
