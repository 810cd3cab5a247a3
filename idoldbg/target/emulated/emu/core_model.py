"""Differences between Cortex-M cores: identification registers and optional parts.

Values from the cores' technical reference manuals: Cortex-M0+ (DDI 0484), M4 (DDI 0439),
M7 (DDI 0489), M33 (100230); CoreSight component identification from the Arm Debug Interface
Architecture Specification (IHI 0031), part D.
"""

from __future__ import annotations

from enum import Enum

from idol.records import dataclass
from idoldbg.model.board import Core

__all__ = ["Architecture", "CORE_MODELS", "CoreModel", "coresight_words"]

ROM_TABLE = 0xE00FF000
_SCS, _DWT, _FPB, _ITM = 0xE000E000, 0xE0001000, 0xE0002000, 0xE0000000
_TPIU, _ETM = 0xE0040000, 0xE0041000


class Architecture(Enum):
    """Architecture profiles that behave differently here."""

    V6M = "v6-M"
    V7EM = "v7E-M"
    V8M = "v8-M"


@dataclass(frozen=True, slots=True)
class CoreModel:
    """One core. `components` lists (address, PIDR, CIDR, DEVARCH) of what its ROM table names."""

    architecture: Architecture
    floating_point: bool
    cpuid: int
    ap_idr: int
    dp_idr: int
    code_breakpoints: int
    watchpoints: int
    rom_pidr: int
    components: tuple[tuple[int, int, int, int], ...]
    words: tuple[tuple[int, int], ...]

    @property
    def v8m(self) -> bool:
        """Whether the MPU and the debug registers are those of Arm v8-M."""
        return self.architecture is Architecture.V8M


_SYSTEM, _CORESIGHT = 0xB105E00D, 0xB105900D
_FEATURES_M4 = (
    (0xE000ED40, 0x00000030),  # ID_PFR0
    (0xE000ED44, 0x00000200),  # ID_PFR1
    (0xE000ED48, 0x00100000),  # ID_DFR0
    (0xE000ED50, 0x00000030),  # ID_MMFR0
    (0xE000ED60, 0x01141110),  # ID_ISAR0
    (0xE000ED64, 0x02112000),
    (0xE000ED68, 0x21232231),
    (0xE000ED6C, 0x01111131),
    (0xE000ED70, 0x01310132),
)
_FLOAT_SINGLE = ((0xE000EF40, 0x10110021), (0xE000EF44, 0x11000011), (0xE000EF48, 0))
_FLOAT_DOUBLE = ((0xE000EF40, 0x10110221), (0xE000EF44, 0x12000011), (0xE000EF48, 0x40))
_FLOAT_V8 = ((0xE000EF40, 0x10110021), (0xE000EF44, 0x11000011), (0xE000EF48, 0x40))

CORE_MODELS: dict[Core, CoreModel] = {
    Core.CORTEX_M0PLUS: CoreModel(
        Architecture.V6M,
        False,
        cpuid=0x410CC601,
        ap_idr=0x04770031,
        dp_idr=0x0BC11477,
        code_breakpoints=4,
        watchpoints=2,
        rom_pidr=0x04000BB4C0,
        components=(
            (_SCS, 0x04000BB008, _SYSTEM, 0),
            (_DWT, 0x04000BB00A, _SYSTEM, 0),
            (_FPB, 0x04000BB00B, _SYSTEM, 0),
        ),
        words=(),
    ),
    Core.CORTEX_M4: CoreModel(
        Architecture.V7EM,
        True,
        cpuid=0x410FC241,
        ap_idr=0x24770011,
        dp_idr=0x2BA01477,
        code_breakpoints=6,
        watchpoints=4,
        rom_pidr=0x04000BB4C4,
        components=(
            (_SCS, 0x04000BB00C, _SYSTEM, 0),
            (_DWT, 0x04003BB002, _SYSTEM, 0),
            (_FPB, 0x04002BB003, _SYSTEM, 0),
            (_ITM, 0x04003BB001, _SYSTEM, 0),
            (_TPIU, 0x04000BB9A1, _CORESIGHT, 0),
            (_ETM, 0x04000BB925, _CORESIGHT, 0),
        ),
        words=(
            *_FEATURES_M4,
            *_FLOAT_SINGLE,
            (_TPIU + 0xFCC, 0x11),  # DEVTYPE: a trace sink, a port
            (_ETM + 0xFCC, 0x13),  # a trace source, of a processor
        ),
    ),
    Core.CORTEX_M7: CoreModel(
        Architecture.V7EM,
        True,
        cpuid=0x411FC271,
        ap_idr=0x84770001,
        dp_idr=0x6BA02477,
        code_breakpoints=8,
        watchpoints=4,
        rom_pidr=0x04000BB4C7,
        components=(
            (_SCS, 0x04000BB00C, _SYSTEM, 0),
            (_DWT, 0x04000BB002, _SYSTEM, 0),
            (_FPB, 0x04000BB00E, _SYSTEM, 0),
            (_ITM, 0x04000BB001, _SYSTEM, 0),
        ),
        words=(*_FEATURES_M4, *_FLOAT_DOUBLE),
    ),
    Core.CORTEX_M33: CoreModel(
        Architecture.V8M,
        True,
        cpuid=0x410FD213,
        ap_idr=0x84770001,
        dp_idr=0x6BA02477,
        code_breakpoints=8,
        watchpoints=4,
        rom_pidr=0x04000BB4C9,
        components=(
            (_SCS, 0x04000BBD21, _CORESIGHT, 0x47702A04),
            (_DWT, 0x04000BBD21, _CORESIGHT, 0x47701A02),
            (_FPB, 0x04000BBD21, _CORESIGHT, 0x47701A03),
            (_ITM, 0x04000BBD21, _CORESIGHT, 0x47701A01),
        ),
        words=(
            (0xE000ED40, 0x00000030),
            (0xE000ED44, 0x00000200),  # ID_PFR1: no security extension (none is emulated)
            (0xE000ED48, 0x00200000),
            (0xE000ED50, 0x00101F40),
            (0xE000ED60, 0x01101110),
            (0xE000ED64, 0x02212000),
            (0xE000ED68, 0x20232232),
            (0xE000ED6C, 0x01111131),
            (0xE000ED70, 0x01310132),
            *_FLOAT_V8,
        ),
    ),
}


def coresight_words(model: CoreModel) -> dict[int, int]:
    """Return the constant words that a debugger reads to find out what this core is."""
    words = dict(model.words)
    words[0xE000ED00] = model.cpuid
    for index, (address, pidr, cidr, devarch) in enumerate(model.components):
        words.update(_identification(address, pidr, cidr, devarch))
        words[ROM_TABLE + 4 * index] = (address - ROM_TABLE) & 0xFFFFF000 | 3
    words.update(_identification(ROM_TABLE, model.rom_pidr, 0xB105100D, 0))
    words[ROM_TABLE + 0xFCC] = 1  # MEMTYPE: the bus behind the table is the system's
    return words


def _identification(address: int, pidr: int, cidr: int, devarch: int) -> dict[int, int]:
    words = {address + 0xFBC: devarch} if devarch else {}
    for i in range(4):
        words[address + 0xFE0 + 4 * i] = pidr >> 8 * i & 0xFF
        words[address + 0xFD0 + 4 * i] = pidr >> 32 + 8 * i & 0xFF
        words[address + 0xFF0 + 4 * i] = cidr >> 8 * i & 0xFF
    return words
