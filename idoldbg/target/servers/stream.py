"""A connection to a debug server, with limits: how long it may take, and how much it may send.

Its users hold signals back for the length of an exchange: one that is cut off would leave an answer
to be taken for another's, and a core stopped. So Ctrl-C is heard after at most the limit.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

from idoldbg.errors import LinkError

__all__ = ["GREETING_LIMIT_S", "Deadline", "Stream"]

CONNECT_LIMIT_S = 5.0
GREETING_LIMIT_S = 5.0
"""How long the first answer may take, of a server that may not be what it is taken for."""
CHUNK_SIZE = 1 << 16


class Deadline:
    """A time by which an answer must have come, however slowly it comes."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._end_s = clock() + limit_s

    @property
    def left_s(self) -> float:
        """Seconds left, 0 when there are none."""
        return max(0.0, self._end_s - self._clock())


class Stream:
    """Sends and receives bytes. After its first failure it is closed and stays so.

    `server` is what should be at the other end, `hint` what to try where nothing is.
    """

    def __init__(self, spec: str, host: str, port: int, *, server: str, hint: str) -> None:
        self.spec = spec
        self._server, self._hint = server, hint
        self._reason = "the connection is closed"
        self.was_closed = False
        """Whether the other end has closed it."""
        self._socket: socket.socket | None = None
        self._socket = self._connect(host, port)

    @property
    def is_open(self) -> bool:
        """Whether nothing has failed yet."""
        return self._socket is not None

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it; raise `LinkError`."""
        connection = self._need()
        try:
            connection.settimeout(max(deadline.left_s, 0.001))
            connection.sendall(data)
        except OSError as error:
            raise self._lost(error, deadline) from error

    def receive(self, deadline: Deadline) -> bytes:
        """Return what came, at least one byte; raise `LinkError`, also when nothing does."""
        connection = self._need()
        try:
            connection.settimeout(max(deadline.left_s, 0.001))
            data = connection.recv(CHUNK_SIZE)
        except OSError as error:
            raise self._lost(error, deadline) from error
        if not data:
            self.was_closed = True
            raise self.fail(f"{self._server} has closed the connection")
        return data

    def peek(self) -> bytes:
        """Return what has come already, without waiting; often nothing."""
        connection = self._need()
        try:
            connection.setblocking(False)
            data = connection.recv(CHUNK_SIZE)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            raise self._lost(error, Deadline(0.0)) from error
        if not data:
            self.was_closed = True
            raise self.fail(f"{self._server} has closed the connection")
        return data

    def fail(self, why: str) -> LinkError:
        """Close the connection, and return the error that says why."""
        self.close(why)
        return LinkError(f"{self.spec}: {why}", link=self.spec)

    def close(self, reason: str = "the connection is closed") -> None:
        """End the connection; closing twice is harmless, and the first reason is kept."""
        connection, self._socket = self._socket, None
        if connection is not None:
            self._reason = reason
            connection.close()

    def _need(self) -> socket.socket:
        if self._socket is None:
            raise LinkError(f"{self.spec}: the connection was lost: {self._reason}", link=self.spec)
        return self._socket

    def _lost(self, error: OSError, deadline: Deadline) -> LinkError:
        if isinstance(error, TimeoutError):
            return self.fail(f"{self._server} did not answer within {deadline.limit_s:g} s")
        self.was_closed = isinstance(error, ConnectionError)
        return self.fail(f"the connection to {self._server} is lost ({error.strerror or error})")

    def _connect(self, host: str, port: int) -> socket.socket:
        try:
            try:
                connection = socket.create_connection((host, port), CONNECT_LIMIT_S)
            except socket.gaierror:
                if host != "localhost":
                    raise
                # It is this host (RFC 6761), even where no /etc/hosts says so.
                connection = socket.create_connection(("127.0.0.1", port), CONNECT_LIMIT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise LinkError(
                f"{self.spec}: nothing answers there within {CONNECT_LIMIT_S:g} s; {self._hint}",
                link=self.spec,
            ) from None
        except socket.gaierror as error:
            raise LinkError(
                f"{self.spec}: the host `{host}` is not known ({error.strerror})", link=self.spec
            ) from None
        except OSError as error:
            is_refused = error.errno == errno.ECONNREFUSED
            why = "nothing listens there" if is_refused else f"it cannot be reached: {error}"
            raise LinkError(f"{self.spec}: {why}; {self._hint}", link=self.spec) from None
        return connection
