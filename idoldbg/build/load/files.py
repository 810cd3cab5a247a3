"""Reads the files that users name: only regular ones, whose size is known before they are read.

A pipe may never end or never begin, a device may go on for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from idoldbg.errors import ArchiveError

__all__ = ["read_file", "read_regular"]

MAX_FILE_SIZE = 128 << 20  # bytes of any file of a build

# Bytes as they are; a pipe that took the place of a file is not waited for.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_KINDS = {
    stat.S_IFDIR: "a directory, not a file",
    stat.S_IFIFO: "a pipe, not a file: save what comes out of it, and give that",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}


def read_file(
    path: str | os.PathLike[str],
    shown: str,
    *,
    check_start: Callable[[bytes], None] = lambda start: None,
) -> bytes:
    """Read a whole file of bounded size; raise `ArchiveError` saying why it cannot be read.

    `check_start` gets the first four bytes, and may refuse the file before more of it is read.
    """
    try:
        return read_regular(path, MAX_FILE_SIZE, check_start)
    except (OSError, ValueError) as e:  # ValueError: a path with a zero byte
        reason = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise ArchiveError(f"{shown}: cannot be read: {reason}", path=shown) from e


def read_regular(
    path: str | os.PathLike[str],
    most: int,
    check_start: Callable[[bytes], None] = lambda start: None,
) -> bytes:
    """Read a regular file of at most `most` bytes; raise `OSError` for what is another thing."""
    kind = _KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}", str(path))
    # It may have been replaced meanwhile: opening a pipe waits for its writer unless told not to.
    with os.fdopen(os.open(path, _READ), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(4) or b""  # None: it has nothing to give yet, as some in /proc
        check_start(start)
        if size <= most:  # so much memory is set aside: no more than the file has
            data = start + (file.read(max(0, size - len(start)) + 1) or b"")
            if len(data) > size:  # it grew, or has no size, as all in /proc
                data += file.read(max(0, most - len(data)) + 1) or b""
            if len(data) <= most:
                return data
    raise OSError(errno.EFBIG, f"it has more than {_size(most)}", str(path))


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
