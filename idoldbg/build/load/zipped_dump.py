"""Core dumps inside zip files.

Either a core file that somebody packed, or what a service processor sends of a crashed task: its
memory as `0xADDRESS.bin`, and `dump.json` (format: humility, `cmd/hydrate/src/lib.rs`). The latter
holds no build, but says which one it wants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.load.archive_zip import ZipMembers
from idoldbg.build.load.dump_file import DumpFile, read_dump
from idoldbg.errors import ArchiveError
from idoldbg.model.memory import Segment

__all__ = ["read_zipped_dump"]

_ELF = b"\x7fELF"
_MOST_FILES = 16  # beside a packed dump there may be notes
_DESCRIPTION = "dump.json"
_MEMORY = re.compile(r"0x([0-9a-fA-F]{1,8})\.bin")


def read_zipped_dump(path: str, data: bytes) -> DumpFile | None:
    """Read the core dump inside a zip; None where there is none.

    Raises `ArchiveError` for a damaged zip, and for one with several dumps.
    """
    members = ZipMembers(path, data)
    names = members.names()
    if _DESCRIPTION in names:
        return _read_crash(path, members)
    if len(names) > _MOST_FILES:
        return None
    cores = [(name, content) for name in names if (content := members.read(name))[:4] == _ELF]
    if not cores:
        return None
    if len(cores) > 1:
        found = ", ".join(name for name, _ in cores)
        raise ArchiveError(
            f"{path}: has {len(cores)} ELF files in it ({found}); unpack the core dump and give it",
            path=path,
        )
    name, content = cores[0]
    return read_dump(ElfFile(f"{path}: {name}", content))


def _read_crash(path: str, members: ZipMembers) -> DumpFile:
    try:
        text = json.loads(members.read(_DESCRIPTION))
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"is not valid JSON: {error}") from None
    if not isinstance(text, Mapping):
        raise _bad(path, "is not a JSON object")
    segments = [
        Segment(int(match[1], 16), members.read(name))
        for name in members.names()
        if (match := _MEMORY.fullmatch(name))
    ]
    if not segments:
        raise ArchiveError(f"{path}: no memory is in it (0xADDRESS.bin)", path=path)
    try:
        image_id = bytes.fromhex(str(text["archive_id"]))
    except (KeyError, ValueError):
        raise _bad(path, "has no `archive_id` in hexadecimal digits") from None
    task, ticks = _number(path, text, "task_index"), _number(path, text, "crash_time")
    return DumpFile(None, tuple(segments), {}, task, ticks, image_id=image_id)


def _number(path: str, text: Mapping[str, Any], key: str) -> int:
    value = text.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(path, f"has no number `{key}`")
    return value


def _bad(path: str, what: str) -> ArchiveError:
    return ArchiveError(f"{path}: {_DESCRIPTION} {what}", path=path, member=_DESCRIPTION)
