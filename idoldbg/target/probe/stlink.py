"""Several accesses to memory in one exchange with an ST-Link.

Its commands for memory are a round trip each, and a read is two: the data, and then the status. A
queue of single words, each with its own status, is one. Firmware has it since V2J32 and V3J2.
Sources: OpenOCD (`src/jtag/drivers/stlink_usb.c`, RW_MISC) and pyOCD (`probe/stlink/constants.py`).

The first queue of a probe is compared with a plain read: an ST-Link that does not do as those say
is used without queues.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pyocd.core import exceptions
from pyocd.probe.stlink.constants import Commands, Status

__all__ = ["StlinkQueue", "find_queue"]

ADDRESS, WRITE, READ, ACCESS_PORT = 1, 2, 3, 5
FIRST_FIRMWARE = {2: 32, 3: 2, 4: 2}
ITEM_LIMIT = {2: 64}
LARGE_ITEM_LIMIT = 240
BLOCK_WORDS = 40
"""Longer reads are blocks by themselves: two round trips, however long they are."""
CPUID = 0xE000ED00

Range = tuple[int, int]

_is_proved: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


class StlinkQueue:
    """Queues of accesses through one access port of one ST-Link; `link` is pyOCD's object."""

    def __init__(self, link: Any, access_port: int) -> None:
        self._link = link
        self._access_port = access_port
        self._limit = ITEM_LIMIT.get(link.hw_version, LARGE_ITEM_LIMIT)

    def exchange(self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[Range]) -> list[bytes]:
        """Write, then read, in this order; all of it is whole words."""
        items = [item for address, data in writes for item in _write_items(address, data)]
        found: list[bytes] = []
        for address, size in ranges:
            if size > BLOCK_WORDS * 4:
                found += self._run(items)
                items = []
                found.append(self._read_block(address, size))
            else:
                items += [(READ, at) for at in range(address, address + size, 4)]
        found += self._run(items)
        return list(_join(found, ranges))

    def _run(self, items: Sequence[tuple[int, int]]) -> list[bytes]:
        """Do accesses, as many at once as it takes; return the words that were read."""
        room = (self._limit - 1) & ~1  # an address and what is written there stay together
        words: list[bytes] = []
        for start in range(0, len(items), room):
            words += self._run_one(items[start : start + room])
        return words

    def _run_one(self, items: Sequence[tuple[int, int]]) -> list[bytes]:
        every = [(ACCESS_PORT, self._access_port), *items]
        count = len(every)
        kinds = bytes(kind for kind, _ in every)
        data = kinds + bytes(-count % 4) + struct.pack(f"<{count}I", *(v for _, v in every))
        link, head = self._link, bytes([Commands.JTAG_COMMAND])
        with link._lock:
            out = head + bytes([Commands.JTAG_READWRITEMISC_OUT]) + struct.pack("<I", count)
            link._device.transfer(out, writeData=data)
            answer = link._device.transfer(
                head + bytes([Commands.JTAG_READWRITEMISC_IN]), readSize=8 * count
            )
            states = struct.unpack_from(f"<{count}I", answer, 4 * count)
            for state, (_, value) in zip(states, every, strict=True):
                if state != Status.JTAG_OK:
                    self._fail(state, value)
        return [
            bytes(answer[4 * number : 4 * number + 4])
            for number, (kind, _) in enumerate(every)
            if kind == READ
        ]

    def _fail(self, state: int, value: int) -> None:
        link = self._link
        if state in link._MEM_FAULT_ERRORS:
            link._clear_sticky_error()
            fault = exceptions.TransferFaultError("access")
            fault.fault_address = value
            fault.fault_length = 4
            raise fault
        link._check_status(struct.pack("<H", state & 0xFFFF))

    def _read_block(self, address: int, size: int) -> bytes:
        return bytes(self._link.read_mem32(address, size, self._access_port, 0))

    def agrees(self) -> bool:
        """Return whether a queue answers as a plain read does."""
        try:
            first, second = self.exchange((), [(CPUID, 4), (CPUID, 4)])
        except exceptions.Error:
            return False
        return first == second == self._read_block(CPUID, 4)


def find_queue(ap: Any) -> StlinkQueue | None:
    """Return a queue for the probe of an access port, if it is an ST-Link that has them."""
    memory = ap._accelerated_memory_interface
    link, access_port = getattr(memory, "_link", None), getattr(memory, "_apsel", None)
    if link is None or access_port is None or not hasattr(link, "jtag_version"):
        return None
    if link.jtag_version < FIRST_FIRMWARE.get(link.hw_version, 1 << 16):
        return None
    queue = StlinkQueue(link, access_port)
    if link not in _is_proved:
        _is_proved[link] = queue.agrees()
    return queue if _is_proved[link] else None


def _write_items(address: int, data: bytes) -> Iterator[tuple[int, int]]:
    for offset, (word,) in zip(range(0, len(data), 4), struct.iter_unpack("<I", data), strict=True):
        yield ADDRESS, address + offset
        yield WRITE, word


def _join(found: Sequence[bytes], ranges: Sequence[Range]) -> Iterator[bytes]:
    """Put words together, and leave blocks as they are."""
    left = iter(found)
    for _, size in ranges:
        if size > BLOCK_WORDS * 4:
            yield next(left)
        else:
            yield b"".join(next(left) for _ in range(size // 4))
