"""Call frame information for functions in assembly, which compilers leave without, or with wrong.

LLVM writes an empty entry for such a function: its frame is said to be empty from the first to the
last instruction. In tasks these are the stubs that make system calls, where nearly every task
stands, and `_start`, which nothing has called. What stubs push is read from their code.

Source: DWARF 5, section 6.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from idol.records import dataclass
from idoldbg.build.debuginfo.elf import ElfFile, Section
from idoldbg.build.debuginfo.frames import StubEffect
from idoldbg.model.symbols import Symbol, SymbolKind

__all__ = ["debug_frame_with_stubs"]

OUTERMOST = "_start"
MOST_CODE = 512  # bytes of a stub; Hubris's have some 60
MOST_STUBS = 256
SVC = 0xDF
CIE_ID = 0xFFFFFFFF
UNDEFINED, SAME_VALUE, REGISTER, DEF_CFA, DEF_CFA_OFFSET = 0x07, 0x08, 0x09, 0x0C, 0x0E
ADVANCE, OFFSET = 0x40, 0x80  # with six bits of delta, of register
SP, LR = 13, 14
FACTOR = -4  # of offsets, that of every Arm compiler
NOWHERE = 0xFFFFFFFE  # no code is there
# Armv7-M ARM A7.7: what ends a function. B, BX, POP with pc and UDF in 16 bits.
_ENDS = ((0xF800, 0xE000), (0xFF87, 0x4700), (0xFF00, 0xBD00), (0xFF00, 0xDE00))


@dataclass(frozen=True, slots=True)
class _Entry:
    """An FDE: its offset in the section, its code, and whether it says nothing of it."""

    offset: int
    address: int
    size: int
    is_empty: bool


def debug_frame_with_stubs(elf: ElfFile) -> bytes | None:
    """Return a `.debug_frame` to take the place of the one in a file; None to leave that."""
    section = elf.find_section(".debug_frame")
    if section is None:
        return None
    data = elf.section_data(section)
    entries = list(_entries(data))
    programs: dict[int, tuple[int, bytes]] = {}
    for symbol in _functions(elf):
        around = [e for e in entries if e.address <= symbol.address < e.address + e.size]
        if all(e.is_empty and e.address == symbol.address for e in around):
            program = _program(elf, symbol)
            if program is not None and len(programs) < MOST_STUBS:
                programs[symbol.address] = (symbol.size, program)
    if not programs:
        return None
    changed = bytearray(data)
    for entry in entries:
        if entry.address in programs:
            struct.pack_into("<II", changed, entry.offset + 8, NOWHERE, 0)
    changed += bytes(-len(changed) % 4)
    cie_at = len(changed)
    changed += _padded(
        struct.pack("<I", CIE_ID) + bytes((1, 0, 1, FACTOR & 0x7F, LR, DEF_CFA, SP, 0))
    )
    for address, (size, program) in sorted(programs.items()):
        changed += _padded(struct.pack("<III", cie_at, address, size) + program)
    return bytes(changed)


def _padded(content: bytes) -> bytes:
    content += bytes(-len(content) % 4)
    return struct.pack("<I", len(content)) + content


def _entries(data: bytes) -> Iterator[_Entry]:
    """List the FDEs, as far as the section makes sense."""
    at = 0
    while at + 16 <= len(data):
        length, identity, address, size = struct.unpack_from("<IIII", data, at)
        end = at + 4 + length
        if length < 4 or end > len(data):
            return  # 64-bit DWARF, which nobody writes here, or damage
        if identity != CIE_ID and length >= 12:
            yield _Entry(at, address, size, not any(data[at + 16 : end]))
        at = end


def _functions(elf: ElfFile) -> Sequence[Symbol]:
    symbols = elf.read_symbols()
    return [s for s in symbols if s.kind is SymbolKind.FUNCTION and 0 < s.size <= MOST_CODE]


def _program(elf: ElfFile, symbol: Symbol) -> bytes | None:
    """Return the instructions for a function in assembly; None where they are not known."""
    if symbol.name == OUTERMOST:
        return bytes((UNDEFINED, LR))
    section = next((s for s in elf.sections if _holds(s, symbol)), None)
    if section is None:
        return None
    start = symbol.address - section.address
    code = elf.section_data(section)[start : start + symbol.size]
    halves = [int.from_bytes(code[i : i + 2], "little") for i in range(0, len(code) & ~1, 2)]
    if not any(half >> 8 == SVC for half in halves):
        return None
    return _follow(halves)


def _holds(section: Section, symbol: Symbol) -> bool:
    end = section.address + section.size
    return (
        section.type == "SHT_PROGBITS"
        and section.address <= symbol.address
        and symbol.address + symbol.size <= end
    )


def _follow(halves: Sequence[int]) -> bytes | None:
    """Return how the frame changes from instruction to instruction, up to the first end."""
    effect, program = StubEffect(), bytearray()
    rules, told, index = _rules(effect), 0, 0
    while index < len(halves):
        half = halves[index]
        if any(half & mask == value for mask, value in _ENDS):
            return bytes(program)
        is_wide = half >> 11 in (0b11101, 0b11110, 0b11111)
        after = halves[index + 1] if index + 1 < len(halves) else 0
        if not (effect.execute_wide(half, after) if is_wide else effect.execute(half)):
            return None
        if is_wide and half == 0xE8BD and after >> 15:  # POP with pc
            return bytes(program)
        index += 2 if is_wide else 1
        changed = _rules(effect)
        if changed != rules:
            program += _advance(2 * (index - told)) + _change(rules, changed)
            rules, told = changed, index
    return bytes(program)


def _rules(effect: StubEffect) -> dict[int, bytes]:
    """Return the instruction for each register that the caller has elsewhere, and that for sp."""
    row = effect.row()
    rules = {SP: bytes((DEF_CFA_OFFSET,)) + _uleb(row.cfa_offset)}
    for register, offset in row.saved.items():
        rules[register] = bytes((OFFSET | register,)) + _uleb(offset // FACTOR)
    for register, other in effect.find_elsewhere().items():
        moved = (UNDEFINED, register) if other is None else (REGISTER, register, other)
        rules[register] = bytes(moved)
    return rules


def _advance(size: int) -> bytes:
    whole, rest = divmod(size, 0x3F)
    return bytes((ADVANCE | 0x3F,)) * whole + (bytes((ADVANCE | rest,)) if rest else b"")


def _change(before: Mapping[int, bytes], after: Mapping[int, bytes]) -> bytes:
    told = [rule for register, rule in sorted(after.items()) if before.get(register) != rule]
    back = [bytes((SAME_VALUE, register)) for register in sorted(before.keys() - after.keys())]
    return b"".join((*told, *back))


def _uleb(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
