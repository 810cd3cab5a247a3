"""A conversation with a GDB server: packets sent and answered, the core stopped and continued."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from idoldbg.errors import LinkError
from idoldbg.target.servers.gdb_packets import (
    ACK,
    INTERRUPT,
    NACK,
    GdbError,
    Packet,
    PacketReader,
    Signal,
    decode_error_reply,
    decode_hex,
    decode_part,
    decode_supported,
    encode_packet,
    is_stop,
)
from idoldbg.target.servers.stream import GREETING_LIMIT_S, Deadline, Stream
from idoldbg.target.signals import HeldSignals

__all__ = ["LIMIT_S", "GdbClient"]

P = ParamSpec("P")
T = TypeVar("T")

LIMIT_S = 10.0
"""How long an answer may take; a reset of a real board takes seconds."""
PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
MAX_RETRIES = 3
MAX_CONSOLE = 1 << 16
MAX_XFER = 1 << 18
MAX_SKIPPED = 1000  # packets that are not the answer
SMALLEST_PACKET, LARGEST_PACKET = 64, 1 << 16
USUAL_PACKET = 400  # where the server does not say: what old stubs take

HINT = (
    "start the GDB server first, and give the port on which it waits for gdb (OpenOCD and pyOCD: "
    "3333, J-Link: 2331, QEMU: 1234 with `-s`)"
)


def _whole(exchange: Callable[P, T]) -> Callable[P, T]:
    """Let an exchange come to its end before a signal's handler may raise."""

    @wraps(exchange)
    def held(*args: P.args, **options: P.kwargs) -> T:
        with HeldSignals():
            return exchange(*args, **options)

    return held


class GdbClient:
    """One connection. `requests` counts the packets that were sent."""

    def __init__(self, spec: str, host: str, port: int, *, limit_s: float = LIMIT_S) -> None:
        self.spec = spec
        self.requests = 0
        self.supported: dict[str, str] = {}
        self.packet_size = USUAL_PACKET
        self._limit_s = limit_s
        self._reader = PacketReader()
        self._acknowledges = True
        self._open = partial(Stream, spec, host, port, server="the GDB server", hint=HINT)
        self._stream = self._open()

    @property
    def is_open(self) -> bool:
        """Whether the connection has not failed."""
        return self._stream.is_open

    def greet(self) -> None:
        """Agree on features; raise `LinkError` where the other end is not a GDB server."""
        reply = self._say_hello()
        self.supported = decode_supported(reply)
        size = self.supported.get("PacketSize", "")
        if size:
            self.packet_size = self._packet_size(size)
        if self.supported.get("QStartNoAckMode") == "+" and self.ask(b"QStartNoAckMode") == b"OK":
            self._acknowledges = False

    def _say_hello(self) -> bytes:
        """Ask what the server supports; try again where it is not done with its last client yet."""
        deadline = Deadline(min(self._limit_s, GREETING_LIMIT_S))
        for pause_s in (*PAUSES_S, None):
            try:
                self._stream.send(ACK, deadline)
                return self.ask(b"qSupported:xmlRegisters=arm;multiprocess-", deadline)
            except LinkError as error:
                if pause_s is None or not self._stream.was_closed:
                    raise LinkError(
                        f"{error.message}; its own output may say why: is this the port on which "
                        "it waits for gdb, and no debugger on it yet?",
                        link=self.spec,
                    ) from error
            time.sleep(pause_s)
            self._reader = PacketReader()
            self._stream = self._open()
        raise AssertionError("the last attempt returns or raises")

    def _packet_size(self, text: str) -> int:
        try:
            size = int(text[:8], 16)
        except ValueError:
            size = 0
        if size < SMALLEST_PACKET:
            raise self.fail(f"it offers packets of `{text[:20]}` bytes")
        return min(size, LARGEST_PACKET)

    @_whole
    def ask(self, request: bytes, deadline: Deadline | None = None) -> bytes:
        """Return the answer to a request, which is not about running the core."""
        deadline = deadline or Deadline(self._limit_s)
        self._drop_stale(deadline)
        self._send(request, deadline)
        return self._answer(deadline, lambda data: not is_stop(data) and not _is_console(data))

    @_whole
    def run(self, request: bytes) -> None:
        """Send a request that lets the core run: it is answered when the core has stopped."""
        self._send(request, Deadline(self._limit_s))

    @_whole
    def interrupt(self) -> bytes:
        """Stop a core that runs; return what the server says of its stop."""
        deadline = Deadline(self._limit_s)
        self.requests += 1
        self._stream.send(INTERRUPT, deadline)
        return self.wait_for_stop(deadline)

    @_whole
    def find_stop(self) -> bytes | None:
        """Return why a core that was let run has stopped by itself, None while it runs."""
        return next(filter(is_stop, self._waiting(Deadline(self._limit_s))), None)

    def wait_for_stop(self, deadline: Deadline | None = None) -> bytes:
        """Return the packet that says that the core has stopped."""
        return self._answer(deadline or Deadline(self._limit_s), is_stop)

    @_whole
    def ask_stop(self) -> bytes:
        """Ask why the core stands still; return the answer, empty where there is no target."""
        deadline = Deadline(self._limit_s)
        self._send(b"?", deadline)
        return self._answer(deadline, lambda data: not _is_console(data))

    @_whole
    def monitor(self, command: str) -> str | None:
        """Run a command of the server's own; return what it printed, None where it knows none.

        One that fails, where the server says so, raises `LinkError`.
        """
        deadline = Deadline(self._limit_s)
        self._drop_stale(deadline)
        self._send(b"qRcmd," + command.encode().hex().encode(), deadline)
        printed = bytearray()
        while True:
            data = self._answer(deadline, lambda data: not is_stop(data))
            if data == b"":
                return None
            if data == b"OK":
                return printed.decode(errors="replace")
            try:
                if _is_console(data):
                    printed += decode_hex(data[1:])
                elif decode_error_reply(data) is not None:
                    raise LinkError(
                        f"{self.spec}: `monitor {command}` failed "
                        f"({printed.decode(errors='replace').strip() or data.decode()})",
                        link=self.spec,
                    )
                else:  # all at once
                    return (bytes(printed) + decode_hex(data)).decode(errors="replace")
            except GdbError as error:
                raise self.fail(str(error)) from None
            if len(printed) > MAX_CONSOLE:
                raise self.fail(f"`monitor {command}` prints without an end")

    def transfer(self, what: str, name: str) -> bytes:
        """Return a document that `qXfer` reads; raise `LinkError`."""
        found = bytearray()
        step = min(self.packet_size, 0x4000) - 32
        while True:
            reply = self.ask(f"qXfer:{what}:read:{name}:{len(found):x},{step:x}".encode())
            try:
                part, is_last = decode_part(reply)
            except GdbError as error:
                raise LinkError(
                    f"{self.spec}: `{name}` cannot be read: {error}", link=self.spec
                ) from None
            found += part
            if len(found) > MAX_XFER or (not part and not is_last):
                raise self.fail(f"its `{name}` has no end")
            if is_last:
                return bytes(found)

    def fail(self, why: str) -> LinkError:
        """Close the connection, and return the error that says why."""
        return self._stream.fail(why)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    # ------------------------------------------------------------------ packets

    def _waiting(self, deadline: Deadline) -> Iterator[bytes]:
        """Yield the packets that have come already."""
        self._reader.feed(self._stream.peek())
        while (found := self._take()) is not None:
            data = self._checked(found, deadline) if isinstance(found, Packet) else None
            if data is not None:
                yield data

    def _drop_stale(self, deadline: Deadline) -> None:
        """Pass over what came before the next request: it cannot be the answer to that."""
        for _ in self._waiting(deadline):
            pass

    def _send(self, request: bytes, deadline: Deadline) -> None:
        """Send a packet, again where the server did not get it whole."""
        packet = encode_packet(request)
        for _ in range(MAX_RETRIES):
            self.requests += 1
            self._stream.send(packet, deadline)
            if not self._acknowledges or self._is_acknowledged(deadline):
                return
        raise self.fail(f"it refused a packet {MAX_RETRIES} times as garbled")

    def _is_acknowledged(self, deadline: Deadline) -> bool:
        """Wait for the acknowledgement; what comes before it was sent before our packet came."""
        for _ in range(MAX_SKIPPED):
            found = self._next(deadline)
            if isinstance(found, Signal):
                return not found.again
            self._checked(found, deadline)
        raise self.fail("it acknowledges nothing")

    def _answer(self, deadline: Deadline, is_wanted: Callable[[bytes], bool]) -> bytes:
        """Return the next packet that is wanted; others are passed over, a bounded number."""
        garbled = 0
        for _ in range(MAX_SKIPPED):
            found = self._next(deadline)
            if isinstance(found, Signal):
                continue
            data = self._checked(found, deadline)
            if data is None:
                garbled += 1
                if garbled > MAX_RETRIES:
                    raise self.fail("its answers are garbled, also when they are asked for again")
            elif is_wanted(data):
                return data
        raise self.fail("it sends packets without an end, and no answer")

    def _checked(self, packet: Packet, deadline: Deadline) -> bytes | None:
        """Acknowledge a packet, or ask for it again; return its data."""
        if not self._acknowledges:
            if packet.data is None:
                raise self.fail("a garbled answer: its checksum does not fit")
            return packet.data
        self._stream.send(NACK if packet.data is None else ACK, deadline)
        return packet.data

    def _next(self, deadline: Deadline) -> Packet | Signal:
        while (found := self._take()) is None:
            self._reader.feed(self._stream.receive(deadline))
        return found

    def _take(self) -> Packet | Signal | None:
        try:
            return self._reader.take()
        except GdbError as error:
            raise self.fail(str(error)) from None


def _is_console(data: bytes) -> bool:
    """Return whether a packet is output for the user's console; `OK` is none."""
    return data[:1] == b"O" and data != b"OK"
