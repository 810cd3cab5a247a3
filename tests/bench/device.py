"""A USB device: descriptors, one pipe each way, claims, counters, faults at the n-th transfer."""

from __future__ import annotations

import enum
import errno
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.bench.latency import Latency, ModelClock

__all__ = [
    "Counts",
    "Endpoint",
    "FaultKind",
    "Firmware",
    "Identity",
    "Interface",
    "UsbDevice",
    "UsbError",
    "UsbFault",
]

GARBAGE = 0x5A


class UsbError(Exception):
    """An errno, as the host's kernel reports it of a transfer."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.errno = number


class FaultKind(enum.Enum):
    """Ways in which a transfer fails."""

    UNPLUG = "the device is gone, until `plug` puts it back"
    TIMEOUT = "the host gives up; the transfer never came through"
    LATE = "the host gives up; the answer is there for whoever reads next"
    STALL = "the endpoint stalls (EPIPE)"
    IO = "the host controller reports an error (EIO)"
    SHORT = "half of the answer comes"
    EMPTY = "an answer of no bytes comes"
    GARBAGE = "the answer's bytes are others"
    HANG = "the device answers no more, until it is plugged in anew"


ON_ANSWERS = (FaultKind.LATE, FaultKind.SHORT, FaultKind.EMPTY, FaultKind.GARBAGE)
ERRNOS = {FaultKind.TIMEOUT: errno.ETIMEDOUT, FaultKind.STALL: errno.EPIPE, FaultKind.IO: errno.EIO}


@dataclass
class UsbFault:
    """Let `count` transfers fail (None: all) after `after` ones. Both directions are counted.

    Kinds that are about answers strike the first answer from there on.
    """

    kind: FaultKind
    after: int = 0
    count: int | None = 1

    def strikes(self, *, is_answer: bool) -> bool:
        """Count a transfer; return whether it is one of those that fail."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.count == 0 or (self.kind in ON_ANSWERS and not is_answer):
            return False
        if self.count is not None:
            self.count -= 1
        return True


@dataclass(frozen=True)
class Endpoint:
    """`attributes` are 2 for bulk, 3 for interrupt."""

    address: int
    attributes: int
    packet: int
    interval: int = 0


@dataclass(frozen=True)
class Interface:
    """One interface of a device."""

    number: int
    usb_class: int
    subclass: int
    protocol: int
    name: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Identity:
    """The descriptors of a device. `speed` is libusb's number: 2 full, 3 high."""

    vendor: int
    product: int
    names: tuple[str, str]  # manufacturer, product
    interfaces: tuple[Interface, ...]
    speed: int
    device_class: int = 0xEF


@dataclass
class Counts:
    """Traffic since `clear`."""

    writes: int = 0
    reads: int = 0
    bytes_written: int = 0
    bytes_read: int = 0
    control: int = 0
    opens: int = 0
    vain_reads: int = 0  # of a pipe that had nothing, as when a host empties it
    commands: Counter[str] = field(default_factory=Counter)

    @property
    def round_trips(self) -> int:
        """Answers that the host fetched: each had a command before it."""
        return self.reads

    @property
    def transfers(self) -> int:
        """All that faults count."""
        return self.writes + self.reads


class Firmware(Protocol):
    """Protocol of the program that runs in a probe."""

    def take(self, data: bytes) -> bytes | None:
        """Take what the host wrote; return an answer for it to fetch, None for none."""

    def name(self, data: bytes) -> str:
        """Return what is counted for what the host wrote."""

    def restart(self) -> None:
        """Begin anew, as when it gets power."""

    def forget(self) -> None:
        """Drop a command that is only half there: its host has gone."""


class UsbDevice:
    """One device on the bus. The attributes without underscore may be set by tests at any time."""

    def __init__(
        self,
        identity: Identity,
        serial: str,
        firmware: Firmware,
        latency: Latency,
        clock: ModelClock,
    ) -> None:
        self.identity, self.serial, self.firmware = identity, serial, firmware
        self.latency, self.clock = latency, clock
        self.address = 0  # the bus gives one
        self.plugged = True
        self.denied = False  # opening it is not permitted
        self.hung = False
        self.waits_for_real = False  # a hung transfer takes its time-out, not only in the model
        self.faults: list[UsbFault] = []
        self.claims: dict[int, int] = {}  # interface: handle
        self.counts = Counts()
        self.on_change: Callable[[], None] = lambda: None  # plugged in or out
        self.generation = 0  # one more each time it was plugged in
        self._answers: deque[bytes] = deque()
        self._lost = 0  # answers that will never come, as their commands did not come through
        self._changed = threading.Condition(threading.RLock())

    # ------------------------------------------------------------------ tests order

    def clear(self) -> None:
        """Count from zero."""
        with self._changed:
            self.counts = Counts()

    def unplug(self) -> None:
        """Pull it out: every transfer fails from now on."""
        with self._changed:
            self.plugged = False
            self._changed.notify_all()
        self.on_change()

    def plug(self) -> None:
        """Put it in: its firmware begins anew, nothing is claimed."""
        with self._changed:
            self.plugged, self.hung = True, False
            self.generation += 1
            self.claims.clear()
            self._answers.clear()
            self._lost = 0
            self.firmware.restart()
        self.on_change()

    def heal(self) -> None:
        """Take back all that was ordered."""
        self.faults.clear()
        self.denied = False
        if self.hung or not self.plugged:
            self.plug()

    # ------------------------------------------------------------------ transfers

    def check_plugged(self) -> None:
        """Raise `UsbError` if it is not there."""
        if not self.plugged:
            raise UsbError(errno.ENODEV)

    def release(self, number: int) -> None:
        """Let go of an interface; what its host has not fetched is dropped."""
        with self._changed:
            self.claims.pop(number, None)
            self._answers.clear()
            self._lost = 0
            self.firmware.forget()

    def write(self, data: bytes, timeout_s: float) -> int:
        """Take a transfer from the host."""
        with self._changed:
            self.check_plugged()
            self._strike(is_answer=False, timeout_s=timeout_s)
            self.clock.advance(self.latency.of_out(len(data)))
            self.counts.writes += 1
            self.counts.bytes_written += len(data)
            if data:  # a packet of no bytes only ends a transfer
                name = self.firmware.name(data)
                if name:
                    self.counts.commands[name] += 1
                answer = self.firmware.take(data)
                if answer is not None:
                    self._answers.append(answer)
                    self._changed.notify_all()
        return len(data)

    def read(
        self, size: int, timeout_s: float, is_gone: Callable[[], bool] = lambda: False
    ) -> bytes:
        """Give the host an answer; wait for one, unless it `is_gone` meanwhile."""
        with self._changed:
            self._await_answer(timeout_s, is_gone)
            struck = self._strike(is_answer=True, timeout_s=timeout_s)
            data = _damage(self._answers.popleft(), struck)
            self.clock.advance(self.latency.of_in(len(data)))
            self.counts.reads += 1
            self.counts.bytes_read += len(data)
        if len(data) > size:
            raise UsbError(errno.EOVERFLOW)
        return data

    def _await_answer(self, timeout_s: float, is_gone: Callable[[], bool]) -> None:
        end = time.monotonic() + timeout_s
        while not self._answers:
            self.check_plugged()
            left = end - time.monotonic()
            if (self._lost or self.hung) and not self.waits_for_real:
                self.clock.advance(max(left, 0.0))
                self._lost = max(0, self._lost - 1)
                left = 0
            if left <= 0:
                self.counts.vain_reads += 1
                raise UsbError(errno.ETIMEDOUT)
            self._changed.wait(min(left, 0.05))
            if is_gone():
                raise UsbError(errno.ENODEV)
        self.check_plugged()

    def _strike(self, *, is_answer: bool, timeout_s: float) -> FaultKind | None:
        """Let the faults do what they are for; return what is left to do to an answer."""
        struck = None
        for fault in self.faults:
            if not fault.strikes(is_answer=is_answer):
                continue
            struck = fault.kind
            if fault.kind is FaultKind.UNPLUG:
                self.unplug()
            elif fault.kind is FaultKind.HANG:
                self.hung = True
                self._changed.notify_all()
            elif fault.kind is FaultKind.LATE:
                self.clock.advance(timeout_s)
                raise UsbError(errno.ETIMEDOUT)
            elif fault.kind in ERRNOS:
                if is_answer:
                    self._answers.popleft()
                else:
                    self._lost += 1
                    self._changed.notify_all()
                raise UsbError(ERRNOS[fault.kind])
        self.check_plugged()
        if self.hung:
            self._wait_in_vain(timeout_s)
        return struck

    def _wait_in_vain(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        if not self.waits_for_real:
            self.clock.advance(timeout_s)
            end = 0
        while self.plugged and self.hung and (left := end - time.monotonic()) > 0:
            self._changed.wait(left)
        self.check_plugged()
        raise UsbError(errno.ETIMEDOUT)

    # ------------------------------------------------------------------ descriptors

    def control(self, kind: int, request: int, value: int, data: bytes) -> bytes:
        """Answer a control transfer: strings, and HID's SET_REPORT."""
        self.check_plugged()
        self.counts.control += 1
        if (kind, request, value >> 8) == (0x80, 6, 3):
            return self._string(value & 0xFF)
        if (kind, request) == (0x21, 9):
            self.write(data, 1.0)
            return b""
        raise UsbError(errno.EPIPE)

    def _string(self, number: int) -> bytes:
        if number == 0:
            return b"\x04\x03\x09\x04"  # English
        interfaces = self.identity.interfaces
        strings = [*self.identity.names, self.serial, *(i.name for i in interfaces)]
        if number > len(strings) or not strings[number - 1]:
            raise UsbError(errno.EPIPE)
        text = strings[number - 1].encode("utf-16-le")
        return bytes([2 + len(text), 3]) + text

    def describe(self) -> dict[str, Any]:
        """Return the descriptors, by the names that pyUSB has for their fields."""
        identity = self.identity
        return {
            "device": {
                **_fields("bLength bDescriptorType bcdUSB", 18, 1, 0x200),
                **_fields("bDeviceClass bDeviceSubClass", identity.device_class, 0),
                **_fields("bDeviceProtocol bMaxPacketSize0 bcdDevice", 0, 64, 0x100),
                **_fields("idVendor idProduct", identity.vendor, identity.product),
                **_fields("iManufacturer iProduct", 1, 2),
                **_fields("iSerialNumber bNumConfigurations", 3 if self.serial else 0, 1),
                **_fields("bus address port_number", 1, self.address, self.address),
                "port_numbers": [self.address],
                "speed": identity.speed,
            },
            "configuration": {
                **_fields("bLength bDescriptorType wTotalLength", 9, 2, 9),
                **_fields("bNumInterfaces bConfigurationValue", len(identity.interfaces), 1),
                **_fields("iConfiguration bmAttributes bMaxPower", 0, 0x80, 250),
            },
            "interfaces": [_describe(i, 4 + n) for n, i in enumerate(identity.interfaces)],
        }


def _damage(data: bytes, struck: FaultKind | None) -> bytes:
    if struck is FaultKind.SHORT:
        return data[: max(1, len(data) // 2)]
    if struck is FaultKind.EMPTY:
        return b""
    return bytes([GARBAGE]) * len(data) if struck is FaultKind.GARBAGE else data


def _fields(names: str, *values: int) -> dict[str, Any]:
    return dict(zip(names.split(), values, strict=True))


def _describe(interface: Interface, name: int) -> dict[str, Any]:
    endpoints = [
        {
            **_fields("bLength bDescriptorType bEndpointAddress", 7, 5, e.address),
            **_fields("bmAttributes wMaxPacketSize bInterval", e.attributes, e.packet, e.interval),
            **_fields("bRefresh bSynchAddress", 0, 0),
        }
        for e in interface.endpoints
    ]
    return {
        **_fields("bLength bDescriptorType bInterfaceNumber", 9, 4, interface.number),
        **_fields("bAlternateSetting bNumEndpoints", 0, len(endpoints)),
        **_fields("bInterfaceClass bInterfaceSubClass", interface.usb_class, interface.subclass),
        **_fields("bInterfaceProtocol iInterface", interface.protocol, name),
        "endpoints": endpoints,
    }
