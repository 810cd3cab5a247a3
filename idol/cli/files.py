"""Reading and writing the files that a command names; `-` is the standard input or output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from idol.hints import Final
from idol.source import Source

#: Largest file that is read, in bytes; the largest interface of Hubris has 20 kB.
MAX_FILE_SIZE: Final = 4 * 1024 * 1024

#: How the names of Idol files end.
SUFFIXES: Final = (".idol", ".idl")

#: What commands that take many files say of them.
FILES_HELP: Final = "a folder stands for the .idol and .idl files in it; `-` is the standard input"


class HostError(Exception):
    """A file cannot be read or written; the text says which and why."""


def expand_folders(names: Iterable[str]) -> Iterator[str | HostError]:
    """Yield names of files: those that are given, and once those of Idol files in folders.

    Folders are searched to any depth, but for hidden ones. A folder that has no such file, or
    cannot be read, gives the error to report in its place.
    """
    seen: set[str] = set()
    for name in names:
        if not os.path.isdir(name):
            seen.add(name)
            yield name
            continue
        for found in _iter_files(name):
            if isinstance(found, HostError):
                yield found
            elif found not in seen:
                seen.add(found)
                yield found


def _iter_files(folder: str) -> Iterator[str | HostError]:
    from pathlib import Path  # slow to load, and needed for folders alone

    errors: list[OSError] = []
    is_empty = True
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if file.endswith(SUFFIXES):
                is_empty = False
                yield str(Path(place, file))
    for error in errors:
        yield HostError(f"{error.filename}: cannot be read: {error.strerror or error}")
    if is_empty and not errors:
        yield HostError(f"{folder} holds no file named {' or '.join(f'*{s}' for s in SUFFIXES)}")


def read_source(name: str) -> Source:
    """Read an Idol file.

    :raises HostError: when it cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_FILE_SIZE + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(MAX_FILE_SIZE + 1)
    except IsADirectoryError:
        raise HostError(f"{name} is a folder: name a file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HostError(f"{name}: cannot be read: {reason}") from None
    if len(data) > MAX_FILE_SIZE:
        raise HostError(f"{name} is larger than {MAX_FILE_SIZE} bytes: is it an Idol file?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HostError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}"
        ) from None
    return Source("<stdin>" if name == "-" else name, text)


def write_if_changed(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file as a whole or not at all; the same content leaves its time alone."""
    from idol.whole_file import write_whole

    data = text.encode()
    try:
        if os.path.isfile(path) and _has(path, data):
            return
        write_whole(path, data)
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror or error}") from None


def _has(path: str | os.PathLike[str], data: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read() == data


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, with those above it, unless it is there; raise `HostError`."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise HostError(f"{path} cannot be made: {error.strerror or error}") from None
