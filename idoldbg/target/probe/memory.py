"""Target memory through an access port of pyOCD's: single accesses, blocks, several at once."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyocd.core import exceptions
from pyocd.coresight.ap import MEM_AP_DRW, APVersion

from idol.records import dataclass
from idoldbg.target.probe.stlink import find_queue

__all__ = [
    "Found",
    "exchange_blocks",
    "queues_reads",
    "read_blocks",
    "read_bytes",
    "to_bytes",
    "write_bytes",
]

PACK_CODES = {1: "B", 2: "H", 4: "I"}
APV2_REGISTERS = 0xD00  # where those of a memory access port begin, in ADIv6


def to_bytes(values: Sequence[int], width: int, count: int = 1) -> bytes:
    """Pack what a probe returned; a probe server may return anything."""
    try:
        data = struct.pack(f"<{len(values)}{PACK_CODES[width]}", *values)
    except (struct.error, TypeError) as error:
        raise exceptions.ProbeError(f"the probe returned no numbers ({error})") from error
    if len(data) != width * count:
        raise exceptions.ProbeError(f"the probe returned {len(data)} bytes of {width * count}")
    return data


@dataclass(frozen=True, slots=True)
class Found:
    """Data that was read, and whether all of it was one exchange with the probe.

    With `exchanges`, writes can be part of one.
    """

    data: list[bytes]
    at_once: bool
    exchanges: bool


def read_bytes(ap: Any, address: int, size: int) -> bytes:
    """Read in whole words, or in one access of 1, 2 or 4 bytes."""
    if size in (1, 2, 4) and address % size == 0 and size * 8 in ap.supported_transfer_sizes:
        return to_bytes([ap.read_memory(address, size * 8)], size)
    start = address & ~3
    count = (address + size - start + 3) // 4
    block = to_bytes(ap.read_memory_block32(start, count), 4, count)
    return block[address - start : address - start + size]


def queues_reads(ap: Any) -> bool:
    """Return whether several reads of registers are one exchange, as with CMSIS-DAP.

    Other probes answer each access by itself (J-Link, Picoprobe, a server of probes), or access
    memory without registers: then the access port has an interface of the probe's.
    """
    # Here, for it imports all of pyOCD's plug-ins, and ours among them.
    from pyocd.probe.cmsis_dap_probe import CMSISDAPProbe

    return isinstance(ap.dp.probe, CMSISDAPProbe) and ap._accelerated_memory_interface is None


def read_blocks(ap: Any, ranges: Sequence[tuple[int, int]]) -> Found:
    """Read ranges in order, in as few exchanges with the probe as it takes."""
    blocks = [(a & ~3, ((a + s + 3) & ~3) - (a & ~3)) for a, s in ranges]  # whole words
    own = getattr(ap.dp.probe, "read_ranges", None)  # a probe, or a server, of our own
    at_once, exchanges = True, False
    try:
        if own is not None:
            data = own(ap.address, blocks)
        else:
            data = exchange_blocks(ap, (), blocks)
            exchanges = True
    except NotImplementedError:
        at_once = False
        data = [read_bytes(ap, *block) for block in blocks]
    parts = zip(data, ranges, blocks, strict=True)
    return Found(
        [d[a - start : a - start + s] for d, (a, s), (start, _) in parts], at_once, exchanges
    )


def exchange_blocks(
    ap: Any, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
) -> list[bytes]:
    """Write, then read ranges, in one exchange; raise `NotImplementedError` where it takes more."""
    blocks = [(a & ~3, ((a + s + 3) & ~3) - (a & ~3)) for a, s in ranges]
    queue = find_queue(ap)
    if queue is not None and all(a % 4 == 0 and len(data) % 4 == 0 for a, data in writes):
        data = queue.exchange(writes, blocks)
    elif queues_reads(ap):
        for address, part in writes:
            write_bytes(ap, address, part, flushes=False)
        if not blocks:
            ap.dp.flush()
        data = _read_queued(ap, blocks)
    else:
        raise NotImplementedError
    parts = zip(data, ranges, blocks, strict=True)
    return [d[a - start : a - start + s] for d, (a, s), (start, _) in parts]


def _read_queued(ap: Any, blocks: Sequence[tuple[int, int]]) -> list[bytes]:
    """Read blocks of words through the registers of the access port, asking for all first."""
    registers = APV2_REGISTERS if ap.address.ap_version is APVersion.APv2 else 0
    data_register = ap.address.address + registers + MEM_AP_DRW
    page = ap.auto_increment_page_size
    waiting: list[list[Callable[[], Any]]] = []
    try:
        for address, size in blocks:
            waiting.append([])
            end = address + size
            while address < end:
                count = (min(end, (address // page + 1) * page) - address) // 4
                waiting[-1].append(ap.read_memory(address, 32, now=False))
                if count > 1:  # the address goes on by itself
                    rest = ap.dp.read_ap_multiple(data_register, count - 1, now=False)
                    waiting[-1].append(rest)
                address += count * 4
        return [
            b"".join(_words(waiting_for.pop(0)()) for _ in range(len(waiting_for)))
            for waiting_for in waiting
        ]
    finally:  # each holds a lock of pyOCD's until it is asked
        for answer in [answer for left in waiting for answer in left]:
            with contextlib.suppress(exceptions.Error):
                answer()


def _words(values: Any) -> bytes:
    found = [values] if isinstance(values, int) else list(values)
    return to_bytes(found, 4, len(found))


def write_bytes(ap: Any, address: int, data: bytes, *, flushes: bool = True) -> None:
    """Write in naturally aligned accesses, words as one block.

    Unless it `flushes`, CMSIS-DAP probes keep writes back until something is read.
    """
    for at, width, part in _lanes(address, data):
        if width == 4 and len(part) > 4:
            ap.write_memory_block32(at, list(struct.unpack(f"<{len(part) // 4}I", part)))
        elif width * 8 in ap.supported_transfer_sizes:
            ap.write_memory(at, int.from_bytes(part, "little"), width * 8)
        else:
            raise exceptions.TargetError(
                f"the access port writes whole words only, not {width} bytes at 0x{at:08x}"
            )
    if flushes:
        ap.dp.flush()


def _lanes(address: int, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Split into naturally aligned accesses: (address, width, bytes), words as one block."""
    at, end = address, address + len(data)
    while at < end:
        left = end - at
        if at % 4 == 0 and left >= 4:
            width, size = 4, left & ~3
        elif at % 2 == 0 and left >= 2:
            width, size = 2, 2
        else:
            width, size = 1, 1
        yield at, width, data[at - address : at - address + size]
        at += size
