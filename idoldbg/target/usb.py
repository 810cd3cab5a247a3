"""USB devices from Linux's own list, without opening any; elsewhere there are none."""

from __future__ import annotations

import os

from idol.records import dataclass

__all__ = ["DEVICES", "PROBE_VENDORS", "UsbDevice", "is_probe_device", "list_usb_devices"]

DEVICES = "/sys/bus/usb/devices"
# USB vendors of debug probes, and what a CMSIS-DAP probe calls itself (its specification, "USB
# Communication": the product string or an interface string contains "CMSIS-DAP").
PROBE_VENDORS = {"0483": "ST-Link", "1366": "J-Link", "0d28": "DAPLink", "1fc9": "MCU-Link"}
# What their makers call them; of the same vendors there are boot loaders and serial ports as well.
PROBE_NAMES = {
    "0483": ("stlink", "st-link"),
    "1366": ("j-link", "jlink"),
    "0d28": ("daplink",),
    "1fc9": ("mcu-link", "lpc-link"),
}
# The product numbers of ST-Links (pyOCD's `stlink/usb.py`, Linux's `usb.ids`); of the others every
# device of DAPLink's and SEGGER's number is a probe, and MCU-Link's.
ST_LINKS = ["3744", "3748", "374a", "374b", "374e", "374f", "3752", "3753", "3754", "3755", "3757"]
MCU_LINKS = ["0090", "0132", "0143"]


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One device. `vendor` and `product` are ids of four hexadecimal digits; "" for unknown."""

    vendor: str
    product: str
    name: str
    serial: str

    @property
    def is_probe(self) -> bool:
        """Return whether its name is that of a debug probe."""
        names = PROBE_NAMES.get(self.vendor, ())
        return "CMSIS-DAP" in self.name or any(name in self.name.lower() for name in names)


def is_probe_device(vendor: str, product: str) -> bool:
    """Return whether numbers of four hexadecimal digits are those of a debug probe."""
    match vendor:
        case "0483":
            return product in ST_LINKS
        case "1fc9":
            return product in MCU_LINKS
    return vendor in PROBE_VENDORS


def list_usb_devices(folder: str = DEVICES) -> tuple[UsbDevice, ...]:
    """Return the devices that are connected, in the order of their places."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # slow to import
    except OSError:
        return ()
    keys = ("idVendor", "idProduct", "product", "serial")
    return tuple(UsbDevice(*(_read(f"{folder}/{name}/{key}") for key in keys)) for name in names)


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:  # noqa: PTH123  # slow to import
            return file.read().strip()
    except OSError:
        return ""
