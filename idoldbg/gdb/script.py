"""The commands that gdb begins with. None holds anything of a build: files have names of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from idoldbg.errors import ArgumentError
from idoldbg.gdb.symbols import SymbolFiles

__all__ = ["connect", "open_core", "quoted", "select_thread", "symbol_commands"]

SETTINGS = (
    "set auto-load off",  # again: the user's own .gdbinit comes after our first options
    "set osabi none",  # Debian's takes everything for Linux
    "set mem inaccessible-by-default off",  # peripherals
    "set print asm-demangle on",
)
REMAPPED = "/hubris"  # what Hubris's build writes instead of its checkout's path


def quoted(path: Path) -> str:
    """Quote a path as most of gdb's commands take it; raise `ArgumentError` for one that cannot be.

    A plain one stays as it is, for those that take no quotes.
    """
    text = str(path)
    if re.fullmatch(r"[A-Za-z0-9_./-]+", text):
        return text
    if not text.isprintable():
        raise ArgumentError(f"gdb cannot be told of the path `{text}`", name="path")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def symbol_commands(files: SymbolFiles, source: Path | None = None) -> list[str]:
    """Return the commands that load all symbols; `source` is where the sources are looked for."""
    commands = [*SETTINGS, f"file {quoted(files.kernel)}"]
    commands += [f"add-symbol-file {quoted(path)}" for path in files.tasks]
    if source is not None:
        if ":" in str(source):
            raise ArgumentError("gdb takes no path with a colon", name="--source")
        commands += [
            f"directory {quoted(source)}",
            f"set substitute-path {REMAPPED} {quoted(source)}",
        ]
    return commands


def connect(port: int) -> str:
    """Return the command that connects to a server of this host."""
    return f"target remote 127.0.0.1:{port}"


def select_thread(number: int) -> str:
    """Return the command that selects the thread that the server calls `number`.

    gdb numbers threads as it meets them; only its Python knows the server's numbers.
    """
    threads = "gdb.selected_inferior().threads()"
    return f"python [t.switch() for t in {threads} if {number} in t.ptid[1:]]"


def open_core(core: Path, names: Sequence[str], chosen: int | None) -> list[str]:
    """Return the commands that open a core and name its threads; `chosen` is one to select.

    Names are those of the threads in order, and are refused unless they are plain words; threads
    count from 1, as gdb does.
    """
    told = quoted(core)
    if told != str(core):  # older gdbs take the quotes for a part of the name
        raise ArgumentError(
            f"gdb cannot open a core in `{core.parent}`: set TMPDIR to a folder without blanks",
            name="TMPDIR",
        )
    commands = [f"core-file {told}"]
    for place, name in enumerate(names, 1):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ArgumentError(f"gdb cannot be told of a thread called `{name}`", name="name")
        commands.append(f"thread apply {place} -q -s thread name {name}")
    if chosen is not None:
        commands.append(f"thread {chosen}")
    return commands
