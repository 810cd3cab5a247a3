"""The kinds of probes on the bench, with the descriptors of those that one can buy."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.cmsis_dap import CmsisDap
from tests.bench.device import Endpoint, Firmware, Identity, Interface, UsbDevice
from tests.bench.latency import FULL_SPEED, HID, HIGH_SPEED, Latency, ModelClock
from tests.bench.stlink import StLink
from tests.bench.wires import Wires

__all__ = ["KINDS", "make_device", "make_serial_port"]

BULK, INTERRUPT = 2, 3
FULL, HIGH = 2, 3
VENDOR_CLASS, HID_CLASS, CDC_CLASS = 0xFF, 3, 2


@dataclass(frozen=True)
class _StLinkKind:
    product: int
    hardware: int
    jtag_version: int
    name: str
    latency: Latency


@dataclass(frozen=True)
class _DapKind:
    vendor: int
    product: int
    maker: str
    name: str
    version: str
    packets: int
    latency: Latency
    is_hid: bool = False


KINDS: dict[str, _StLinkKind | _DapKind] = {
    "stlink-v2": _StLinkKind(0x3748, 2, 37, "STM32 STLink", FULL_SPEED),
    "stlink-v2-1": _StLinkKind(0x374B, 2, 40, "STM32 STLink", FULL_SPEED),
    "stlink-v3": _StLinkKind(0x374E, 3, 10, "STLINK-V3", HIGH_SPEED),
    "mcu-link": _DapKind(
        *(0x1FC9, 0x0143, "NXP Semiconductors", "MCU-LINK (r0FF) CMSIS-DAP V3.128", "2.1.1"),
        packets=8,
        latency=HIGH_SPEED,
    ),
    "daplink": _DapKind(
        *(0x0D28, 0x0204, "ARM", "DAPLink CMSIS-DAP", "2.1.0"), packets=4, latency=FULL_SPEED
    ),
    "daplink-hid": _DapKind(
        *(0x0D28, 0x0204, "ARM", "DAPLink CMSIS-DAP", "1.10"),
        packets=4,
        latency=HID,
        is_hid=True,
    ),
}


def make_device(kind: str, wires: Wires, serial: str, board_id: str) -> UsbDevice:
    """Make a probe of that kind. By four digits, `board_id`, an ST-Link knows its board."""
    found = KINDS[kind]
    if isinstance(found, _StLinkKind):
        return _make_stlink(kind, found, wires, serial, board_id)
    return _make_dap(found, wires, serial)


class _Deaf:
    """The firmware of a device that has nothing to do with us."""

    def take(self, data: bytes) -> bytes | None:
        return None

    def name(self, data: bytes) -> str:
        return "unknown"

    def restart(self) -> None:
        pass

    def forget(self) -> None:
        pass


def make_serial_port(vendor: int, product: int, name: str, clock: ModelClock) -> UsbDevice:
    """Make a USB device that is not a probe: a virtual COM port."""
    endpoints = (Endpoint(0x01, BULK, 64), Endpoint(0x81, BULK, 64))
    interface = Interface(0, CDC_CLASS, 2, 1, name, endpoints)
    identity = Identity(vendor, product, ("somebody", name), (interface,), FULL, CDC_CLASS)
    return UsbDevice(identity, "", _Deaf(), FULL_SPEED, clock)


def _make_stlink(
    name: str, kind: _StLinkKind, wires: Wires, serial: str, board_id: str
) -> UsbDevice:
    out, trace = (0x02, 0x83) if name == "stlink-v2" else (0x01, 0x82)
    packet = kind.latency.packet
    endpoints = tuple(Endpoint(address, BULK, packet) for address in (0x81, out, trace))
    interface = Interface(0, VENDOR_CLASS, 0xFF, 0xFF, "ST-Link Debug", endpoints)
    identity = Identity(
        *(0x0483, kind.product, ("STMicroelectronics", kind.name), (interface,)),
        speed=FULL if packet == 64 else HIGH,
    )
    firmware = StLink(
        wires,
        hardware=kind.hardware,
        jtag_version=kind.jtag_version,
        product=kind.product,
        board_id=board_id,
    )
    return UsbDevice(identity, serial, firmware, kind.latency, wires.clock)


def _make_dap(kind: _DapKind, wires: Wires, serial: str) -> UsbDevice:
    packet = kind.latency.packet
    if kind.is_hid:
        endpoints = (Endpoint(0x81, INTERRUPT, packet, 1), Endpoint(0x01, INTERRUPT, packet, 1))
        interface = Interface(0, HID_CLASS, 0, 0, "CMSIS-DAP v1", endpoints)
    else:
        endpoints = (Endpoint(0x01, BULK, packet), Endpoint(0x81, BULK, packet))
        interface = Interface(0, VENDOR_CLASS, 0, 0, "CMSIS-DAP v2", endpoints)
    identity = Identity(
        *(kind.vendor, kind.product, (kind.maker, kind.name), (interface,)),
        speed=FULL if packet == 64 else HIGH,
    )
    firmware: Firmware = CmsisDap(
        wires,
        packet_size=packet,
        packet_count=kind.packets,
        strings={1: kind.maker, 2: kind.name, 3: serial, 4: kind.version},
        pads=kind.is_hid,
    )
    return UsbDevice(identity, serial, firmware, kind.latency, wires.clock)
