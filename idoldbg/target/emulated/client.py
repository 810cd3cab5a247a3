"""One connection to a board that another process keeps running: requests and answers.

The protocol is that of `idoldbg.target.emulated.protocol`, described in docs/board-protocol.md;
`idoldbg.target.emulated.socket` makes a board of it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from idol.near import near_misses
from idoldbg.errors import LinkError, LinkTimeout, ProbeNotFound
from idoldbg.target.emulated.entries import read_board_entries, socket_path
from idoldbg.target.emulated.protocol import (
    PROTOCOL,
    FrameReader,
    Header,
    ProtocolError,
    decode_error,
    encode_frame,
)
from idoldbg.target.peer import need_kept_boards, peer_credentials, user_id
from idoldbg.target.signals import let_through

__all__ = ["ANSWER_LIMIT_S", "BoardClient", "short_address"]

ANSWER_LIMIT_S = 60.0
CONNECT_LIMIT_S = 10.0
BACKLOG_PAUSE_S = 0.02
CHUNK_SIZE = 1 << 16
PATH_LIMIT = 100  # bytes; a Unix socket's address holds 107


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Give a name for a socket's path that fits into its address, however long the path is."""
    if len(os.fsencode(path)) <= PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class BoardClient:
    """One connection to a board's process. After its first failure it stays failed.

    `clock` is `wall` for a client that sleeps where it could wait, and expects time to have passed.
    One that was interrupted (by Ctrl-C, or a timer of a test) can be opened once more: `again`.
    """

    def __init__(
        self, path: Path, spec: str, *, clock: str = "virtual", limit_s: float = ANSWER_LIMIT_S
    ) -> None:
        self.spec = spec
        self.was_interrupted = False
        self._path, self._clock = path, clock
        self._limit_s = limit_s
        self._frames = FrameReader()
        self._socket: socket.socket | None = _connect(path, spec)
        try:
            self.process = peer_credentials(self._socket)[0]
            self.greeting = self._ask({"hello": PROTOCOL, "clock": clock}, b"")[0]
        except BaseException:
            self.close()
            raise

    def do(
        self, *operations: Mapping[str, Any], payload: bytes = b""
    ) -> tuple[list[dict[str, Any]], Header, bytes]:
        """Have operations done in one round trip.

        Returns each one's result, the whole header, and the bytes that were read. Raises what the
        first operation that failed raised; those before it were done.
        """
        header, data = self._ask({"do": list(operations)}, payload)
        if "error" in header:
            raise decode_error(header["error"], self.spec)
        done = header.get("done")
        if not isinstance(done, list) or len(done) != len(operations):
            raise self._fail("the board's process answered with nonsense")
        return done, header, data

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that has not failed."""
        return self._socket is not None

    def interrupt(self) -> None:
        """End the connection in the middle of a request: an answer may still be on its way."""
        if self._socket is not None:
            self.was_interrupted = True
            self.close()

    def again(self) -> Self:
        """Open another connection to the same board; raise `LinkError` where that is gone."""
        other = type(self)(self._path, self.spec, clock=self._clock, limit_s=self._limit_s)
        if other.process != self.process:
            other.close()
            raise LinkError(
                f"{self.spec}: the connection was interrupted, and the board was stopped and "
                "started since; attach anew",
                link=self.spec,
            )
        return other

    def close(self) -> None:
        """End the connection; closing twice is harmless."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _ask(self, header: Header, payload: bytes) -> tuple[Header, bytes]:
        connection = self._socket
        if connection is None:
            raise LinkError(f"{self.spec}: the connection to the board is lost", link=self.spec)
        try:
            connection.settimeout(self._limit_s)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(encode_frame(header, payload))
            # Who is refused may find the connection closed, with the reason still to be read.
            while (frame := self._frames.take()) is None:
                data = let_through(lambda: connection.recv(CHUNK_SIZE))
                if not data:
                    raise self._fail("its process has ended or been stopped")
                self._frames.feed(data)
        except TimeoutError:
            self.close()
            raise LinkTimeout(
                f"{self.spec}: its process did not answer within {self._limit_s:g} s; look at its "
                "log (`idoldbg board list -v` says where), or stop it and start it again",
                timeout_s=self._limit_s,
                link=self.spec,
            ) from None
        except (OSError, ProtocolError) as error:
            raise self._fail(f"lost its process ({error})") from error
        except BaseException:
            self.interrupt()
            raise
        if frame[0].get("closing"):
            self.close()
            raise decode_error(frame[0].get("error"), self.spec)
        return frame

    def _fail(self, what: str) -> LinkError:
        self.close()
        return LinkError(f"{self.spec}: {what}", link=self.spec)


def _connect(path: Path, spec: str) -> socket.socket:
    need_kept_boards(spec)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_LIMIT_S)
        with short_address(path) as address:
            _connect_to(connection, address)
        if peer_credentials(connection)[1] not in (user_id(), 0):
            connection.close()
            raise LinkError(f"{spec}: {path} is served by another user", link=spec)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        connection.close()
        raise ProbeNotFound(_nobody_there(path, spec), link=spec) from error
    except OSError as error:
        connection.close()
        denied = isinstance(error, PermissionError)
        why = "it belongs to another user, and is for that one alone" if denied else str(error)
        raise LinkError(f"{spec}: cannot reach {path}: {why}", link=spec) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to(connection: socket.socket, address: str) -> None:
    """Connect, also where more clients are waiting to be accepted than the server's backlog takes.

    The kernel then refuses at once (EAGAIN): a time limit makes the socket a non-blocking one.
    """
    end_s = time.monotonic() + CONNECT_LIMIT_S
    while True:
        try:
            connection.connect(address)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                raise TimeoutError(
                    f"its process has taken none of its waiting clients for {CONNECT_LIMIT_S:g} s"
                ) from None
            time.sleep(BACKLOG_PAUSE_S)
        else:
            return


def _nobody_there(path: Path, spec: str) -> str:
    if path != socket_path(path.stem):
        return f"{spec}: no board listens at {path}"
    names = [entry.name for entry in read_board_entries()]
    near = near_misses(path.stem, names)
    if near:
        hint = f"did you mean `{near[0]}`?"
    elif names:
        hint = f"running: {', '.join(names)}"
    else:
        hint = f"start it with `idoldbg board start {path.stem} [ARCHIVE]`"
    return f"{spec}: no board of that name is running; {hint}"
