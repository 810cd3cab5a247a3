"""Locks between the processes of one host: on a probe, on the name of a board.

The lock is the kernel's (`file_lock.py`), so it ends with its holder however that dies; the text
inside the file only says who holds it (beside it, where a locked file cannot be read). A file that
nobody has locked is stale, whatever it says.

Such a file is in a folder of one user. What several users could reach has a name besides that they
all see: an abstract Unix socket (unix(7)), which ends with its holder as well. Only Linux has them;
elsewhere a lock is one among the processes of one user.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Self
from weakref import WeakSet

from idol.records import dataclass
from idoldbg.target.file_lock import IS_READABLE, OPEN_FLAGS, lock_exclusively, lock_shared
from idoldbg.target.peer import HAS_ABSTRACT_NAMES, peer_credentials, user_name

__all__ = ["Holder", "HostLock", "LockHeld", "find_holder", "find_user", "this_process"]

TEXT_LIMIT = 4096
COMMAND_LIMIT = 200
PAUSE_S = 0.05
# Whoever asks for the holder takes the lock for an instant; that is not to be seen as held.
GRACE_S = 0.3


@dataclass(frozen=True, slots=True)
class Holder:
    """Holder of a lock. `since` is Unix time in seconds; `pid` is 0 where not known.

    `user` is the name of another user, of whose process nothing more is known.
    """

    pid: int
    command: str
    since: float
    user: str = ""

    def __str__(self) -> str:
        if self.user:
            return f"process {self.pid} of user {self.user}"
        if not self.pid:
            return "another process"
        began = time.localtime(self.since)
        day = "" if time.time() - self.since < 43200 else time.strftime("%Y-%m-%d ", began)
        return (
            f"process {self.pid} (`{self.command}`) since {day}{time.strftime('%H:%M:%S', began)}"
        )

    @property
    def advice(self) -> str:
        """Return what to do about what it holds: the process of a board serves others as well."""
        board = _KEEPS.fullmatch(self.command)
        if board is not None and not self.user:
            return f"use it as `--probe board:{board[1]}`"
        return "end that, or wait for it with `--wait SECONDS`"


_KEEPS = re.compile(r"idoldbg board (?:start|serve) ([A-Za-z0-9][A-Za-z0-9._-]*).*")
UNKNOWN = Holder(0, "", 0.0)

_names: WeakSet[socket.socket] = WeakSet()


def _close_names() -> None:
    """Let go of the names that a forked process has inherited: they are its parent's."""
    for name in list(_names):
        name.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_names)


class LockHeld(Exception):
    """Somebody else has the lock."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


def this_process(command: str | None = None) -> Holder:
    """Describe this process as a holder from now on; `command` is by default what it was run as."""
    if command is None:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python"
    return Holder(os.getpid(), command[:COMMAND_LIMIT], time.time())


class HostLock:
    """A lock that this process holds, until `release` or its end. Made by `acquire`."""

    def __init__(self, path: Path, descriptor: int, shared: socket.socket | None = None) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._shared = shared

    @classmethod
    def acquire(
        cls,
        path: Path,
        *,
        command: str | None = None,
        shared_name: str = "",
        wait_s: float = 0.0,
        on_wait: Callable[[Holder], None] | None = None,
    ) -> Self:
        """Take the lock in a folder of our own, waiting for at most `wait_s`.

        `command` is what others read of the holder, by default what this process was run as.
        With `shared_name`, no process of another user holds one of that name either.
        `on_wait` hears once who holds it, when it has to be waited for. Raises `LockHeld`.
        """
        begin = time.monotonic()
        told = False
        while True:
            found = cls._try(path, command, shared_name)
            if not isinstance(found, Holder):
                return found
            waited = time.monotonic() - begin
            if waited >= max(wait_s, GRACE_S):
                raise LockHeld(found)
            if waited > GRACE_S and on_wait is not None and not told:
                told = True
                on_wait(found)
            time.sleep(PAUSE_S)

    @classmethod
    def _try(cls, path: Path, command: str | None, shared_name: str) -> Self | Holder:
        """Return the lock, or who holds it."""
        descriptor = _open_locked(path)
        if descriptor is None:
            return _read_holder(path)
        shared = None
        if shared_name and HAS_ABSTRACT_NAMES:
            shared = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                shared.bind(_abstract(shared_name))
                shared.listen()
            except OSError:
                shared.close()
                os.close(descriptor)
                return find_user(shared_name) or UNKNOWN
            _names.add(shared)
        _write_holder(path, descriptor, this_process(command))
        return cls(path, descriptor, shared)

    def release(self) -> None:
        """Let others have it, and remove its file; releasing twice is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if self._shared is not None:
            self._shared.close()
        with contextlib.suppress(OSError):
            # Still locked: nobody can have taken it; a later file of this name is another one.
            self.path.unlink()
        os.close(descriptor)
        if not IS_READABLE:
            _text_path(self.path).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def find_holder(path: Path) -> Holder | None:
    """Return who holds the lock of that file, None where nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
    except OSError:
        return None
    try:
        if not lock_shared(descriptor):
            return _read_holder(path)
    finally:
        os.close(descriptor)
    return None


def find_user(shared_name: str) -> Holder | None:
    """Return who holds a lock of that name, of whatever user; None where nobody is known to."""
    if not HAS_ABSTRACT_NAMES:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(_abstract(shared_name))
            pid, uid = peer_credentials(connection)
        except BlockingIOError:
            # The holder accepts nobody: those who have asked fill its backlog.
            return _find_listener(_abstract(shared_name)) or UNKNOWN
        except OSError:
            return None
    return Holder(pid, "", 0.0, user_name(uid))


def _find_listener(address: bytes) -> Holder | None:
    """Look for who listens at an abstract name among the processes whose files we may see."""
    shown = address.decode().replace("\0", "@")
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/unix").read_text(errors="replace").splitlines():
            # proc(5): Num RefCount Protocol Flags Type St Inode Path; 10000 is __SO_ACCEPTCON.
            fields = line.split()
            if len(fields) == 8 and fields[7] == shown and int(fields[3], 16) & 0x10000:
                return _find_owner(f"socket:[{fields[6]}]")
    return None


def _find_owner(file: str) -> Holder | None:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or just gone
            if any(str(link.readlink()) == file for link in (process / "fd").iterdir()):
                return Holder(int(process.name), "", 0.0, user_name(process.stat().st_uid))
    return None


def _abstract(name: str) -> bytes:
    """Return the address of a name of any length."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return b"\0idoldbg-" + digest.encode()


def _open_locked(path: Path) -> int | None:
    """Lock the file of that name and return its descriptor, None if somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
    try:
        # Its holder may have removed the file between our opening and locking it.
        if lock_exclusively(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _text_path(path: Path) -> Path:
    """Return where the holder of a lock says who it is."""
    return path if IS_READABLE else path.with_name(path.name + ".holder")


def _write_holder(path: Path, descriptor: int, holder: Holder) -> None:
    text = json.dumps(asdict(holder)).encode()
    if not IS_READABLE:
        _text_path(path).write_bytes(text)
        return
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _read_holder(path: Path) -> Holder:
    """Read what the holder wrote; it may be about to write."""
    try:
        with _text_path(path).open("rb") as file:
            found = json.loads(file.read(TEXT_LIMIT))
        since = float(found["since"])
        time.localtime(since)  # of times far away it raises
        return Holder(int(found["pid"]), str(found["command"]), since)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return UNKNOWN
