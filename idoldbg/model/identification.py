"""The ids by which an STM32 is known: DBGMCU_IDCODE, the size of its flash, its ROM table.

Debuggers choose flash algorithms by these. RM0090 38.6.1 (STM32F4), RM0444 40.10.1 (STM32G0),
RM0433 60.5.8 (STM32H7); the ROM table's part number is the DEV_ID of the IDCODE.
"""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["CORE_ROM_TABLE", "Identification", "identification_problems"]

CORE_ROM_TABLE = 0xE00FF000
ST = 0x000A_0000  # of a PIDR: JEDEC's code of the designer
DEV_ID = 0xFFF
TABLE_SIZE = 0x1000
CIDR_ROM_TABLE = 0xB105100D


@dataclass(frozen=True, slots=True)
class Identification:
    """The ids of a chip, and where they are; addresses are absolute, None for what it lacks.

    `idcodes` are (beginning of the part's name, IDCODE); the first that fits counts, else the last.
    `rom_table` is the address of the chip's own ROM table: the core's, or one that leads to it.
    """

    idcode_address: int
    idcodes: tuple[tuple[str, int], ...]
    flash_size_address: int | None = None
    rom_table: int | None = None

    def idcode(self, part: str) -> int:
        """Return the IDCODE of a part."""
        name = part.casefold()
        fitting = (value for start, value in self.idcodes if name.startswith(start))
        return next(fitting, self.idcodes[-1][1])

    def constants(self, part: str, flash_size: int) -> dict[int, bytes]:
        """Return what is read at which address, on a part with so many bytes of flash."""
        idcode = self.idcode(part)
        found = {self.idcode_address: idcode.to_bytes(4, "little")}
        if self.flash_size_address is not None:
            found[self.flash_size_address] = (flash_size >> 10).to_bytes(2, "little")
        if self.rom_table is not None:
            table = _rom_table(self.rom_table, ST | idcode & DEV_ID)
            found |= {address: word.to_bytes(4, "little") for address, word in table.items()}
        return found


def _rom_table(address: int, pidr: int) -> dict[int, int]:
    table = {address + 0xFD0 + 4 * i: pidr >> 32 + 8 * i & 0xFF for i in range(4)}
    table |= {address + 0xFE0 + 4 * i: pidr >> 8 * i & 0xFF for i in range(4)}
    if address != CORE_ROM_TABLE:
        table |= {address + 0xFF0 + 4 * i: CIDR_ROM_TABLE >> 8 * i & 0xFF for i in range(4)}
        table[address + 0xFCC] = 1  # MEMTYPE: memory can be reached too
        table[address] = (CORE_ROM_TABLE - address) & 0xFFFFF000 | 3
    return table


def identification_problems(found: Identification) -> list[str]:
    """Return what is wrong with it, as sentences."""
    problems = []
    if not found.idcodes:
        problems.append("`identification` needs at least one of `idcodes`")
    if found.idcode_address % 4:
        problems.append(f"`idcode_address` 0x{found.idcode_address:08x} is not a multiple of 4")
    if (found.flash_size_address or 0) % 2:
        problems.append(f"`flash_size_address` 0x{found.flash_size_address:08x} is odd")
    if (found.rom_table or 0) % TABLE_SIZE:
        problems.append(f"`rom_table` 0x{found.rom_table:08x} is not a multiple of 4 KiB")
    return problems
