"""The event loop of a board's process: clients' requests in turn, and the board's time.

One thread. Requests of different clients are served in turn, one each. The board's time passes

- while a client waits: as fast as the host emulates it, in slices between which others are served;
  several clients that wait at once see the same time pass;
- before a request that comes after a pause: as much as the pause lasted, up to a limit, so that the
  board seems to have run meanwhile. A board that nobody talks to costs no CPU. A client that sleeps
  instead of waiting (pyOCD does) says so in its greeting; for it every pause counts, else only one
  that is longer than what lies between the requests of a client on a busy host.

While the core is halted, time passes for those who wait, and for nobody else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable

from idoldbg.errors import LinkError, LinkTimeout
from idoldbg.target.emulated.protocol import (
    PROTOCOL,
    FrameReader,
    Header,
    ProtocolError,
    decode_operations,
    encode_error,
    encode_frame,
)
from idoldbg.target.emulated.server.operations import Execution, SharedBoard
from idoldbg.target.peer import peer_credentials

__all__ = ["BoardLoop"]

MAX_CLIENTS = 64
CHUNK_SIZE = 1 << 16
WAIT_LIMIT_S = 10.0  # real seconds that one wait may take; then it ends early
# A slice of emulation aims at this much real time: what others may have to wait for their turn.
SLICE_REAL_S = 0.01
SLICE_SHORTEST_S, SLICE_LONGEST_S = 0.0002, 0.25  # virtual
# Catching up: shorter pauses are none (for clients that wait, and for those that sleep); at most so
# much at once, in virtual and in real time.
PAUSE_S = {"virtual": 0.1, "wall": 0.001}
CATCH_UP_VIRTUAL_S = 0.25
CATCH_UP_REAL_S = 0.1

log = logging.getLogger(__name__)


class _Client:
    """One connection: what it sent so far, what it has not taken yet, what it waits for."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.socket = connection
        self.number = number
        self.frames = FrameReader()
        self.outgoing = memoryview(b"")
        self.execution: Execution | None = None
        self.wait_ends_real_s = 0.0
        self.greeted = False
        self.clock = "virtual"
        self.closing = False


class BoardLoop:
    """Serves one board until `stop`, which may be called from a signal handler."""

    def __init__(
        self,
        shared: SharedBoard,
        listener: socket.socket,
        *,
        greeting: Callable[[], Header] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._listener = listener
        self._greeting = greeting
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._lock_queue: list[_Client] = []
        self._numbers = 0
        self._slice_s = 0.002
        self._seen_s = clock()
        self._stopping = False
        self._idle_limit_s: float | None = None
        self._idle_since_s = self._seen_s
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)

    @property
    def client_count(self) -> int:
        """Number of connected clients."""
        return len(self._clients)

    def end_when_closed(self, descriptor: int) -> None:
        """Stop when the other end of a pipe is closed, as it is by the end of its process."""

        def look() -> None:
            if not os.read(descriptor, CHUNK_SIZE):
                self._selector.unregister(descriptor)
                log.info("whoever started this board has gone")
                self.stop()

        self._selector.register(descriptor, selectors.EVENT_READ, look)

    def stop(self) -> None:
        """End `run` soon; also from a signal handler or another thread."""
        self._stopping = True
        with contextlib.suppress(OSError):  # a full pipe wakes just as well
            os.write(self._wake_write, b"x")

    def run(self) -> None:
        """Serve until `stop`; then close every connection."""
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._select_s()):
                    key.data()
                self._grant_lock()
                self._run_slice()
                self._look_whether_idle()
        finally:
            for client in list(self._clients.values()):
                self._drop(client)
            self._selector.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _waiting(self) -> list[tuple[_Client, Execution]]:
        """Return who waits for the board's time."""
        waiting = [(c, c.execution) for c in self._clients.values() if c.execution is not None]
        return [(c, execution) for c, execution in waiting if not execution.wants_lock]

    def _patience_s(self) -> float | None:
        """Return how long nothing needs to be done, None for as long as nobody says anything."""
        if self._waiting():
            return 0.0
        if not self._lock_queue:
            return None
        return max(0.0, min(c.wait_ends_real_s for c in self._lock_queue) - self._clock())

    def _grant_lock(self) -> None:
        """Give a free lock to who has asked for it first, and up on who has waited too long."""
        for client in list(self._lock_queue):
            execution = client.execution
            assert execution is not None  # or it would not be in the queue
            if self._shared.try_lock(client.number):
                error = None
            elif self._clock() >= client.wait_ends_real_s:
                error = LinkTimeout(
                    "another client makes calls without an end", timeout_s=WAIT_LIMIT_S
                )
            else:
                continue
            self._lock_queue.remove(client)
            execution.end_lock(error)
            self._advance(client)

    def end_when_idle(self, seconds: float) -> None:
        """Stop when no client has been connected for so long."""
        self._idle_limit_s = seconds
        self._idle_since_s = self._clock()

    def _select_s(self) -> float | None:
        """Return how long to wait for clients at most, None for as long as none says anything."""
        patience_s = self._patience_s()
        if self._idle_limit_s is None or self._clients:
            return patience_s
        left_s = max(0.0, self._idle_since_s + self._idle_limit_s - self._clock())
        return left_s if patience_s is None else min(patience_s, left_s)

    def _look_whether_idle(self) -> None:
        if self._idle_limit_s is None or self._clients:
            return
        if self._clock() >= self._idle_since_s + self._idle_limit_s:
            log.info("no client for %g s", self._idle_limit_s)
            self._stopping = True

    def _woken(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._wake_read, CHUNK_SIZE)

    # ------------------------------------------------------------------ clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # gone already, or we are out of descriptors
            log.warning("cannot accept a client: %s", error)
            time.sleep(0.01)
            return
        _, uid = peer_credentials(connection)
        connection.setblocking(False)
        self._numbers += 1
        client = _Client(connection, self._numbers)
        self._clients[client.number] = client
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._ready(client))
        if uid not in (os.getuid(), 0):
            self._refuse(client, f"it belongs to user {os.getuid()}, and you are user {uid}")
        elif len(self._clients) > MAX_CLIENTS:
            self._refuse(client, f"it has {MAX_CLIENTS} clients already")

    def _ready(self, client: _Client) -> None:
        """Read from a client, or write to it what it has not taken yet."""
        if client.number not in self._clients:
            return
        if client.outgoing:
            self._send(client)
            return
        try:
            data = client.socket.recv(CHUNK_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if not client.frames.is_empty:
                log.info("client %d ended in the middle of a request", client.number)
            self._drop(client)
            return
        client.frames.feed(data)
        self._serve(client)

    def _serve(self, client: _Client) -> None:
        """Do one request of a client, if it has come."""
        try:
            if client.execution is not None:
                raise ProtocolError("the next one before the last was answered")
            if (frame := client.frames.take()) is None:
                return
            if not client.frames.is_empty:
                raise ProtocolError("several at once")
            header, payload = frame
            if not client.greeted:
                self._greet(client, header)
                return
            operations = decode_operations(header, payload)
        except ProtocolError as error:
            self._refuse(client, f"it got no request of its protocol, but {error}")
            return
        except Exception:
            log.exception("a request was read in an unforeseen way")
            self._refuse(client, "a bug in its process; its log has more")
            return
        self._catch_up(PAUSE_S[client.clock])
        client.execution = Execution(client.number, operations)
        self._advance(client)

    def _greet(self, client: _Client, header: Header) -> None:
        if header.get("hello") != PROTOCOL:
            raise ProtocolError(
                f"a greeting for protocol {str(header.get('hello'))[:20]}; it speaks {PROTOCOL}: "
                "use one version of idoldbg on both sides, or stop the board and start it anew"
            )
        client.clock = str(header.get("clock", "virtual"))
        if client.clock not in PAUSE_S:
            raise ProtocolError("a greeting with a clock that is neither `virtual` nor `wall`")
        client.greeted = True
        self._reply(client, {**self._greeting(), **self._shared.state(), "hello": PROTOCOL})

    def _advance(self, client: _Client) -> None:
        execution = client.execution
        assert execution is not None  # the callers looked
        try:
            over = execution.advance(self._shared)
        except Exception:
            log.exception("a request failed in an unforeseen way")
            self._refuse(client, "a bug in its process; its log has more")
            return
        if over:
            client.execution = None
            self._reply(client, *execution.answer(self._shared))
        else:
            limit_s = WAIT_LIMIT_S
            if execution.wants_lock:
                self._lock_queue.append(client)
                if execution.lock_patience_s is not None:
                    limit_s = min(limit_s, execution.lock_patience_s)
            client.wait_ends_real_s = self._clock() + limit_s

    def _refuse(self, client: _Client, why: str) -> None:
        """Send a client the reason why it is not served, then close the connection."""
        log.warning("client %d refused: %s", client.number, why)
        self._forget(client)
        client.closing = True
        error = encode_error(LinkError(f"the board does not serve this client: {why}"))
        self._reply(client, {"closing": True, "error": error})

    def _reply(self, client: _Client, header: Header, payload: bytes = b"") -> None:
        client.outgoing = memoryview(encode_frame(header, payload))
        self._send(client)

    def _send(self, client: _Client) -> None:
        try:
            sent = client.socket.send(client.outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        client.outgoing = client.outgoing[sent:]
        if client.closing and not client.outgoing:
            self._drop(client)
            return
        events = selectors.EVENT_WRITE if client.outgoing else selectors.EVENT_READ
        if self._selector.get_key(client.socket).events != events:
            self._selector.modify(client.socket, events, lambda: self._ready(client))

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.number, None) is None:
            return
        self._idle_since_s = self._clock()
        self._selector.unregister(client.socket)
        client.socket.close()
        self._forget(client)

    def _forget(self, client: _Client) -> None:
        """End what a client waits for, and let go of what it holds."""
        client.execution = None
        if client in self._lock_queue:
            self._lock_queue.remove(client)
        self._shared.leave(client.number)

    # ------------------------------------------------------------------ time

    def _run_slice(self) -> None:
        """Let time pass for those who wait, at most to the first one's end."""
        board, waiting = self._shared.board, self._waiting()
        if not waiting:
            return
        ends = [execution.wait_until_s or 0.0 for _, execution in waiting]
        begin, before_s = self._clock(), board.time_s
        board.run(max(0.0, min(self._slice_s, min(ends) - before_s)))
        self._seen_s = now = self._clock()
        self._slice_s = _next_slice(self._slice_s, now - begin)
        for client, execution in waiting:
            if client.execution is not execution:
                continue  # dropped while another one was served
            assert execution.wait_until_s is not None
            # Rounded to cycles, a board may stop a hair before the time it was asked for.
            done = board.time_s >= execution.wait_until_s - 1e-9
            if done or board.time_s == before_s or now >= client.wait_ends_real_s:
                execution.end_wait(board.time_s)
                self._advance(client)

    def _catch_up(self, pause_s: float) -> None:
        """Let the board have run while nobody talked to it, if that was longer than a pause."""
        board = self._shared.board
        begin = self._clock()
        due_s = begin - self._seen_s
        if due_s < pause_s or board.is_halted:
            if board.is_halted:
                self._seen_s = begin
            return
        left_s = min(due_s, CATCH_UP_VIRTUAL_S)
        while left_s > 0 and not board.is_halted:
            part_s = min(self._slice_s, left_s)
            slice_begin = self._clock()
            board.run(part_s)
            now = self._clock()
            self._slice_s = _next_slice(self._slice_s, now - slice_begin)
            left_s -= part_s
            if now - begin > CATCH_UP_REAL_S:
                break
        # What the emulation itself took is not owed, or a slow host would never be done.
        self._seen_s = self._clock()


def _next_slice(slice_s: float, took_s: float) -> float:
    """Return how much virtual time to try next, after a slice that took so much real time."""
    if took_s > 2 * SLICE_REAL_S:
        slice_s /= 2
    elif took_s < SLICE_REAL_S / 2:
        slice_s *= 2
    return min(max(slice_s, SLICE_SHORTEST_S), SLICE_LONGEST_S)
