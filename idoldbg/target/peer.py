"""Identity of the peer of a Unix socket."""

from __future__ import annotations

import socket
import struct

__all__ = ["peer_credentials"]

_CREDENTIALS = struct.Struct("3i")  # struct ucred of Linux: pid, uid, gid


def peer_credentials(connection: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end, as the kernel knows them."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    return int(pid), int(uid)
