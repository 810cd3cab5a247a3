"""ST's `stlink-server` protocol in front of the ST-Links of a bench, for OpenOCD's own driver.

    openocd -f interface/stlink-dap.cfg -c 'st-link backend tcp PORT' -f target/stm32f4x.cfg

ST publishes no description: requests and answers are those of OpenOCD (`stlink_tcp_*` in
`src/jtag/drivers/stlink_usb.c`). It says that it speaks version 3, which OpenOCD wants before it
uses an ST-Link's queues (`READWRITEMISC`).
"""

from __future__ import annotations

import enum
import socket
import struct
import threading

from tests.bench.bus import Bus
from tests.bench.device import UsbDevice, UsbError
from tests.bench.stlink import StLink

__all__ = ["StLinkServer"]

API_VERSION = 3
OK, BAD_PARAMETER, OPEN_ERROR, NOT_AVAILABLE = 1, 0x1002, 0x1003, 0x1053
SERIAL_SIZE = 32
TIMEOUT_S = 5.0
INTERFACE = 0


class _Request(enum.IntEnum):
    REFRESH = 0
    COUNT = 1
    INFO = 2
    OPEN = 3
    CLOSE = 4
    TRANSFER = 5
    VERSION = 6
    CLIENTS = 7


SIZES = dict(zip(_Request, (2, 1, 8, 8, 8, 32, 4, 8), strict=True))


class StLinkServer:
    """Serves the ST-Links of a bus on a port of this host, each connection in a thread."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True, name="stlink-server")
        self._thread.start()

    def close(self) -> None:
        """End all connections."""
        for each in [self._listener, *self._connections]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its client has gone
            each.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            client = _Client(self._bus, connection, f"stlink-server {len(self._connections)}")
            threading.Thread(target=client.serve, daemon=True, name="stlink-server").start()


class _Client:
    """One connection: OpenOCD has a single device open."""

    def __init__(self, bus: Bus, connection: socket.socket, user: str) -> None:
        self._bus, self._socket, self._user = bus, connection, user
        self._handles: dict[int, int] = {}

    def serve(self) -> None:
        """Answer until the client goes; then close what it had open."""
        try:
            while True:
                kind = self._take(1)
                rest = self._take(SIZES[_Request(kind[0])] - 1)
                self._socket.sendall(self._answer(_Request(kind[0]), kind + rest))
        except (OSError, EOFError, ValueError):
            pass  # it has gone, or speaks something else
        finally:
            self._bus.leave(self._user)
            self._socket.close()

    @property
    def _stlinks(self) -> list[tuple[int, UsbDevice]]:
        present = enumerate(self._bus.devices)
        return [(n, d) for n, d in present if d.plugged and isinstance(d.firmware, StLink)]

    def _answer(self, kind: _Request, request: bytes) -> bytes:
        stlinks = self._stlinks
        match kind:
            case _Request.VERSION:
                return struct.pack("<4I", API_VERSION, 2, 1, 1)
            case _Request.REFRESH:
                return _status(OK)
            case _Request.COUNT:
                return struct.pack("<I", len(stlinks))
            case _Request.INFO if request[1] < len(stlinks):
                number, device = stlinks[request[1]]
                serial = device.serial.encode()[:SERIAL_SIZE].ljust(SERIAL_SIZE, b"\0")
                ids = (device.identity.vendor, device.identity.product, bool(device.claims))
                return struct.pack("<II", OK, number) + serial + struct.pack("<HHB", *ids)
            case _Request.OPEN:
                return self._open(*struct.unpack_from("<I", request, 4))
            case _Request.CLOSE:
                (number,) = struct.unpack_from("<I", request, 4)
                self._bus.close(self._handles.pop(number, 0))
                return _status(OK)
            case _Request.TRANSFER:
                return self._transfer(request)
        return _status(NOT_AVAILABLE)

    def _open(self, number: int) -> bytes:
        try:
            handle = self._bus.open(number, self._user)
            self._bus.claim(handle, INTERFACE)
        except UsbError:
            return _status(OPEN_ERROR) + bytes(4)
        self._handles[number] = handle
        return _status(OK) + struct.pack("<I", number)

    def _transfer(self, request: bytes) -> bytes:
        (number,) = struct.unpack_from("<I", request, 4)
        is_read, (size,) = request[24] != 0, struct.unpack_from("<I", request, 28)
        data = b"" if is_read else self._take(size)
        handle = self._handles.get(number, 0)
        found = b""
        try:
            self._bus.write(handle, request[8:24], TIMEOUT_S)
            if data:
                self._bus.write(handle, data, TIMEOUT_S)
            if is_read and size:
                found = self._bus.read(handle, max(size, 64), TIMEOUT_S, lambda: False)
        except UsbError:
            return _status(BAD_PARAMETER) + bytes(size if is_read else 0)
        return _status(OK) + (found.ljust(size, b"\0")[:size] if is_read else b"")

    def _take(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _status(value: int) -> bytes:
    return struct.pack("<I", value)
