"""An object's ELF file as other debuggers get it: without commands in it, with all frames told.

gdb runs what `.debug_gdb_scripts` holds if its user has allowed that for everything, and opens the
files that links to other debug files name; builds come from anywhere.
"""

from __future__ import annotations

import struct

from idoldbg.build.debuginfo.elf import SHF_COMPRESSED, ElfFile
from idoldbg.build.debuginfo.stub_frames import debug_frame_with_stubs
from idoldbg.errors import DebugInfoError

__all__ = ["copy_for_debugger"]

LEFT_OUT = frozenset(
    (".debug_gdb_scripts", ".zdebug_gdb_scripts", ".gnu_debuglink", ".gnu_debugaltlink",
     ".note.gnu.build-id")
)  # fmt: skip
SHT_NULL = 0
_E_SHOFF, _SHDR = 0x20, 40
_TYPE, _OFFSET, _SIZE = 4, 16, 20  # fields of a section header


def copy_for_debugger(name: str, data: bytes, archive: str = "") -> bytes:
    """Return the file to hand on; raise `DebugInfoError` where it makes no sense as ELF.

    `name` and `archive` are for errors.
    """
    elf = ElfFile(name, data, archive)
    copy = bytearray(data)
    (table,) = struct.unpack_from("<I", data, _E_SHOFF)
    for section in elf.sections:
        if section.name in LEFT_OUT:
            header = table + section.index * _SHDR
            struct.pack_into("<I", copy, header + _TYPE, SHT_NULL)
            struct.pack_into("<I", copy, header + _SIZE, 0)
    old = elf.find_section(".debug_frame")
    if old is not None and not old.flags & SHF_COMPRESSED:
        try:
            frames = debug_frame_with_stubs(elf)
        except DebugInfoError:  # without symbols there is nothing to tell
            frames = None
        if frames is not None:
            copy += bytes(-len(copy) % 4)
            header = table + old.index * _SHDR
            struct.pack_into("<II", copy, header + _OFFSET, len(copy), len(frames))
            copy += frames
    return bytes(copy)
