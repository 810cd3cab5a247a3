"""Lock an open file against other processes, on whatever system this is.

The lock belongs to the process and ends with it, however that dies. Where the system has `flock`,
that is it; elsewhere (Windows) the package `portalocker` takes the system's own kind of lock. There
nobody but its holder can read a locked file either: `IS_READABLE` says which of the two it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable

try:
    import fcntl
except ImportError:  # Windows
    _flock: Callable[[int, int], None] | None = None
else:
    _flock = fcntl.flock

__all__ = ["IS_READABLE", "OPEN_FLAGS", "lock_exclusively", "lock_shared"]

#: Whether others can read a file that somebody has locked.
IS_READABLE = _flock is not None
#: For `os.open`, where there are such flags: no symbolic link, not inherited, bytes as they are.
OPEN_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def lock_exclusively(descriptor: int) -> bool:
    """Take the lock without waiting; return False where another process has it."""
    if _flock is None:
        return _lock_by_library(descriptor)
    try:
        _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_shared(descriptor: int) -> bool:
    """Take the lock together with others who only ask; return False where somebody holds it.

    On Windows it is an exclusive one: two that ask at the same time see each other for an instant.
    """
    if _flock is None:
        return _lock_by_library(descriptor)
    try:
        _flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_by_library(descriptor: int) -> bool:
    import portalocker  # slow to load, and not installed where `flock` is

    try:
        portalocker.lock(descriptor, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except portalocker.AlreadyLocked:
        return False
    return True
