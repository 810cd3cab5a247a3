"""The bus for other processes: a Unix socket, one connection for each thread of a user.

A message is two lengths, a JSON object and the bytes of a transfer. It connects two processes of
one test run, and trusts both.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.bench.bus import Bus
from tests.bench.device import UsbError

__all__ = ["BusServer", "LocalBus", "RemoteBus", "UsbBus"]

HEAD = struct.Struct("<II")


class UsbBus(Protocol):
    """Protocol of a bus for a pyUSB backend: one user's view of it."""

    def call(
        self, operation: str, data: bytes = b"", **fields: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Do one thing; raise `UsbError`."""


def _perform(
    bus: Bus,
    user: str,
    request: dict[str, Any],
    data: bytes,
    is_gone: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Any], bytes]:
    """Do what a request says."""
    handle = request.get("handle", 0)
    match request["operation"]:
        case "enumerate":
            return {"devices": bus.enumerate()}, b""
        case "open":
            return {"handle": bus.open(request["id"], user)}, b""
        case "close":
            bus.close(handle)
        case "claim":
            bus.claim(handle, request["interface"])
        case "release":
            bus.release(handle, request["interface"])
        case "write":
            return {"count": bus.write(handle, data, request["timeout_s"])}, b""
        case "read":
            return {}, bus.read(handle, request["size"], request["timeout_s"], is_gone)
        case "control":
            fields = (request["kind"], request["request"], request["value"])
            return {}, bus.control(handle, *fields, data)
        case other:
            raise AssertionError(f"unknown operation {other}")
    return {}, b""


class LocalBus:
    """A bus of this process, for this process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._user = f"{os.getpid()}"

    def call(
        self, operation: str, data: bytes = b"", **fields: Any
    ) -> tuple[dict[str, Any], bytes]:
        return _perform(self._bus, self._user, {"operation": operation, **fields}, data)


class RemoteBus:
    """A bus behind a socket. Each thread has its own connection: reads wait."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        self._name = uuid.uuid4().hex

    def call(
        self, operation: str, data: bytes = b"", **fields: Any
    ) -> tuple[dict[str, Any], bytes]:
        connection = self._connection()
        user = f"{os.getpid()}-{self._name}"
        try:
            _send(connection, {"user": user, "operation": operation, **fields}, data)
            answer, extra = _receive(connection)
        except (OSError, EOFError):
            raise UsbError(errno.ENODEV) from None
        if "errno" in answer:
            raise UsbError(answer["errno"])
        return answer, extra

    def _connection(self) -> socket.socket:
        if getattr(self._local, "process", None) != os.getpid():
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self._path)
            self._local.connection, self._local.process = connection, os.getpid()
        found: socket.socket = self._local.connection
        return found


class BusServer:
    """Serves a bus on a Unix socket from threads of this process."""

    def __init__(self, bus: Bus, path: Path) -> None:
        self._bus, self.path = bus, path
        self._threads: list[threading.Thread] = []
        self._connections: dict[socket.socket, str] = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._is_closed = False
        self._start(self._accept)

    def close(self) -> None:
        """End all connections, and wait for the threads."""
        self._is_closed = True
        with self._lock:
            ends = [self._listener, *self._connections]
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="usb bus")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections[connection] = ""
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        def is_gone() -> bool:
            try:
                return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        try:
            while True:
                request, data = _receive(connection)
                with self._lock:
                    self._connections[connection] = request["user"]
                try:
                    answer, extra = _perform(self._bus, request["user"], request, data, is_gone)
                except UsbError as error:
                    answer, extra = {"errno": error.errno}, b""
                _send(connection, answer, extra)
        except (OSError, EOFError):
            pass  # the process is gone
        finally:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        """Close a connection; with the last one of a process the process has ended."""
        with self._lock:
            user = self._connections.pop(connection)
            is_last = user not in self._connections.values()
            if user and is_last:
                self._bus.leave(user)
        connection.close()


def _send(connection: socket.socket, message: dict[str, Any], data: bytes) -> None:
    body = json.dumps(message).encode()
    connection.sendall(HEAD.pack(len(body), len(data)) + body + data)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    size, extra = HEAD.unpack(_exactly(connection, HEAD.size))
    message: dict[str, Any] = json.loads(_exactly(connection, size))
    return message, _exactly(connection, extra)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
