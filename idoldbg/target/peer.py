"""Users and peers, as far as this system knows them."""

from __future__ import annotations

import os
import socket
import struct
import sys

from idoldbg.errors import LinkError

__all__ = [
    "HAS_ABSTRACT_NAMES",
    "HAS_KEPT_BOARDS",
    "need_kept_boards",
    "peer_credentials",
    "user_id",
    "user_name",
]

_CREDENTIALS = struct.Struct("3i")  # struct ucred of Linux: pid, uid, gid

#: Unix sockets with abstract names, whose peers can be asked for: Linux.
HAS_ABSTRACT_NAMES = (
    sys.platform == "linux" and hasattr(socket, "AF_UNIX") and hasattr(socket, "SO_PEERCRED")
)
#: Boards that keep running are reached through such sockets, and are processes of their own.
HAS_KEPT_BOARDS = HAS_ABSTRACT_NAMES and hasattr(os, "fork") and hasattr(os, "pidfd_open")


def need_kept_boards(what: str) -> None:
    """Raise `LinkError` where boards cannot keep running on this system."""
    if not HAS_KEPT_BOARDS:
        raise LinkError(
            f"{what}: boards that keep running need Linux; `-p emu` has one in the same process",
            link=what,
        )


def peer_credentials(connection: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end, as the kernel knows them."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    return int(pid), int(uid)


def user_id() -> int | None:
    """Return the number of this process's user, None on a system without such numbers."""
    return os.getuid() if hasattr(os, "getuid") else None


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where it has none."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)
