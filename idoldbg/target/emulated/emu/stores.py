"""Decodes store instructions, to finish one that QEMU refused without a reason.

In QEMU 5.0 (`store_helper` of accel/tcg/cputlb.c), an unaligned store also looks up the start of
the page in which it ends. Where a region covers only the rest of that page, that is a false fault:
the emulator then makes the store itself. Encodings: Arm v7-M ARM (DDI 0403), A7.7.161 to A7.7.170.
"""

from __future__ import annotations

from collections.abc import Callable

from idol.records import dataclass

__all__ = ["Store", "decode_store", "store_size"]

_SP = 13
_STM, _STMDB, _STRD = (0xE880, 0xE8A0), (0xE900, 0xE920), 0xE840


@dataclass(frozen=True, slots=True)
class Store:
    """Effect of a store of a word or halfword; `length` is the instruction's, in bytes."""

    address: int
    size: int
    source: int
    length: int
    write_back: tuple[int, int] | None = None
    """Base register and its new value."""


def decode_store(code: bytes, read: Callable[[int], int]) -> Store | None:
    """Decode STR or STRH from four bytes of code; `read` returns a register's value.

    Returns None for other instructions: none of those may be unaligned.
    """
    first = int.from_bytes(code[:2], "little")
    if first >> 11 < 0b11101:
        return _decode_narrow(first, read)
    second = int.from_bytes(code[2:4], "little")
    size = {0xF840: 4, 0xF8C0: 4, 0xF820: 2, 0xF8A0: 2}.get(first & 0xFFF0)
    if size is None:
        return None
    base_number, source = first & 0xF, second >> 12
    base = read(base_number)
    if first & 0x80:
        return Store(base + (second & 0xFFF) & 0xFFFFFFFF, size, source, 4)
    if not second & 0x0FC0:
        address = base + (read(second & 0xF) << (second >> 4 & 3))
        return Store(address & 0xFFFFFFFF, size, source, 4)
    if not second & 0x800:
        return None
    index, add, write_back = second & 0x400, second & 0x200, second & 0x100
    moved = (base + (second & 0xFF if add else -(second & 0xFF))) & 0xFFFFFFFF
    address = moved if index else base
    return Store(address, size, source, 4, (base_number, moved) if write_back else None)


def _decode_narrow(first: int, read: Callable[[int], int]) -> Store | None:
    low, base = first & 7, first >> 3 & 7
    offset = first >> 6 & 0x1F
    kind = first >> 11
    if kind == 0b01100:
        return Store(read(base) + 4 * offset & 0xFFFFFFFF, 4, low, 2)
    if kind == 0b10000:
        return Store(read(base) + 2 * offset & 0xFFFFFFFF, 2, low, 2)
    if kind == 0b10010:
        return Store(read(_SP) + 4 * (first & 0xFF) & 0xFFFFFFFF, 4, first >> 8 & 7, 2)
    if first >> 9 in (0b0101000, 0b0101001):
        address = read(base) + read(first >> 6 & 7) & 0xFFFFFFFF
        return Store(address, 4 if first >> 9 == 0b0101000 else 2, low, 2)
    return None


def store_size(code: bytes) -> int:
    """Return how many bytes STM or STRD stores (A7.7.159, A7.7.160, A7.7.166), 0 for others."""
    first = int.from_bytes(code[:2], "little")
    if first >> 11 == 0b11000:
        return 4 * (first & 0xFF).bit_count()
    if first & 0xFFF0 in (*_STM, *_STMDB):
        return 4 * (int.from_bytes(code[2:4], "little") & 0x5FFF).bit_count()
    is_double = first & 0xFE50 == _STRD and first & 0x0120  # P or W: else it is STREX or the like
    return 8 if is_double else 0
