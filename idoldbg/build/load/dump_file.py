"""Core dumps of Hubris: an ELF core file with the build's archive in a note.

Format: humility's dumps, as `humility-core/src/hubris.rs` writes them. The notes have the owner
`Oxide Computer Company`: the archive, the core registers as pairs of DCRSR register number
(Armv7-M ARM C1.6.3) and value, or, in the dump of a single task, which task and when. A dump made
by other tools has NT_PRSTATUS for the registers instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from idol.records import dataclass
from idoldbg.build.debuginfo.elf import PT_LOAD, ElfFile, Note
from idoldbg.errors import ArchiveError
from idoldbg.model.memory import Segment

__all__ = [
    "DCRSR_NUMBERS",
    "PACKED_NAMES",
    "PACKED_NUMBER",
    "DumpFile",
    "name_registers",
    "read_dump",
]

OWNER = "Oxide Computer Company"
NT_ARCHIVE, NT_REGISTERS, NT_TASK = 0x1DE00001, 0x1DE00002, 0x1DE00003
NT_PRSTATUS = "NT_PRSTATUS"  # the types that pyelftools knows have names
_PRSTATUS_REGISTERS = 72  # offset of r0 in Linux's elf_prstatus for Arm

_DCRSR = {
    **{i: f"r{i}" for i in range(13)},
    13: "sp",
    14: "lr",
    15: "pc",
    16: "xpsr",
    17: "msp",
    18: "psp",
    0x21: "fpscr",
    **{0x40 + i: f"s{i}" for i in range(32)},
}
DCRSR_NUMBERS = {name: number for number, name in _DCRSR.items()}
"""The number of each register that a dump stores in a word of its own."""

PACKED_NUMBER, PACKED_NAMES = 20, ("primask", "basepri", "faultmask", "control")
"""The word that holds four registers of a byte each, the first in the lowest."""


@dataclass(frozen=True, slots=True)
class DumpFile:
    """Content of a core dump.

    `archive` is the build's zip file, None where the dump lacks it; `image_id` is the build's, for
    dumps that say it themselves. `task` and `ticks` are set for the dump of a single task.
    `missing_size` is how many bytes of memory were cut off the file.
    """

    archive: bytes | None
    segments: tuple[Segment, ...]
    registers: Mapping[str, int]
    task: int | None
    ticks: int | None
    missing_size: int = 0
    image_id: bytes | None = None


def read_dump(elf: ElfFile) -> DumpFile:
    """Read a core dump; raise `ArchiveError` when several builds are in it."""
    path, data = elf.name, elf.data
    archives: list[bytes] = []
    registers: dict[str, int] = {}
    task = ticks = None
    for note in elf.iter_notes():
        if note.owner == OWNER and note.type == NT_ARCHIVE:
            archives.append(note.data)
        elif note.owner == OWNER and note.type == NT_REGISTERS:
            registers = name_registers(_pairs(note))
        elif note.owner == OWNER and note.type == NT_TASK:
            if len(note.data) < 16:
                raise ArchiveError(f"{path}: the task note is cut short", path=path)
            _, task, _, ticks = struct.unpack_from("<2sHIQ", note.data)
        elif note.owner != OWNER and note.type == NT_PRSTATUS and not registers:
            registers = _prstatus(note)
    if len(archives) > 1:
        raise ArchiveError(
            f"{path}: a core dump with {len(archives)} Hubris archives in it; one is expected",
            path=path,
        )
    segments = tuple(
        Segment(s.address, data[s.offset : s.offset + s.file_size])
        for s in elf.segments
        if s.type == PT_LOAD and s.file_size
    )
    archive = archives[0] if archives else None
    return DumpFile(archive, segments, registers, task, ticks, elf.missing_size)


def _pairs(note: Note) -> Iterable[tuple[int, int]]:
    return struct.iter_unpack("<II", note.data[: len(note.data) // 8 * 8])


def name_registers(pairs: Iterable[tuple[int, int]]) -> dict[str, int]:
    """Name registers by their DCRSR numbers; unknown ones are left out."""
    registers: dict[str, int] = {}
    for number, value in pairs:
        if number in _DCRSR:
            registers[_DCRSR[number]] = value
        elif number == PACKED_NUMBER:
            for shift, name in enumerate(PACKED_NAMES):
                registers[name] = value >> 8 * shift & 0xFF
    return registers


def _prstatus(note: Note) -> dict[str, int]:
    registers = note.data[_PRSTATUS_REGISTERS : _PRSTATUS_REGISTERS + 17 * 4]
    if len(registers) < 17 * 4:
        return {}
    return dict(zip((_DCRSR[i] for i in range(17)), struct.unpack("<17I", registers), strict=True))
