"""Debug servers on a fake chip, which answer as they should until they are told not to.

`FakeGdb` and `FakeOpenocd` are the answering parts, bytes in and bytes out. `serving` puts one of
them at a port; a `Fault` spoils its n-th answer.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from idoldbg.errors import FaultError, Unsupported
from idoldbg.target.servers.gdb_packets import Packet, PacketReader, encode_packet
from tests.idoldbg.target.conftest import FLASH, FakeChip

VTOR, AIRCR = 0xE000ED08, 0xE000ED0C
LINES = ("unplug", "garbage", "short", "silence", "twice", "huge")
"""Kinds of faults; `huge` sends without an end."""


@dataclass
class Fault:
    """Damage to the n-th answer, counted from 0."""

    kind: str
    at: int
    seen: int = 0

    def spoil(self, answer: bytes) -> bytes | None:
        """Return what is sent instead; None hangs up."""
        hit, self.seen = self.seen == self.at, self.seen + 1
        if not hit:
            return answer
        match self.kind:
            case "unplug":
                return None
            case "garbage":
                return bytes(byte ^ 0x15 for byte in answer) + b"\xff\x00}"
            case "short":
                return answer[: len(answer) // 2]
            case "silence":
                return b""
            case "twice":
                return answer + answer
        return b"\x00" * (3 << 20)


class FakeGdb:
    """A GDB server on a chip; `xml` is its description, `monitor` its own commands."""

    def __init__(
        self,
        chip: FakeChip,
        *,
        acknowledges: bool = False,
        xml: dict[str, bytes] | None = None,
        monitor: dict[str, bytes] | None = None,
        has_binary: bool = True,
        packet_size: int = 0x200,
    ) -> None:
        self.chip = chip
        self.requests: list[bytes] = []
        self.stop = b"T05"
        self._reader = PacketReader()
        self._acknowledges, self._has_binary = acknowledges, has_binary
        self._xml, self._packet_size = xml or {}, packet_size
        self._monitor = {"version": b"a fake"} if monitor is None else monitor
        self._is_silent = False

    def connected(self) -> None:
        """Stop the core, as most servers do."""
        self.chip.halt()
        self._is_silent = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield an answer for each packet in what came."""
        interrupt = data.endswith(b"\x03")  # a packet ends with its checksum
        self._reader.feed(data.removesuffix(b"\x03"))
        while (found := self._reader.take()) is not None:
            if isinstance(found, Packet):
                assert found.data is not None, "we send what is not a packet"
                self.requests.append(found.data)
                answer = self._answer(found.data)
                ack = b"" if self._is_silent else b"+"
                self._is_silent |= found.data == b"QStartNoAckMode" and answer == b"OK"
                yield ack + (b"" if answer is None else encode_packet(answer))
        if interrupt:
            self.chip.halt()
            yield encode_packet(b"T02thread:01;")

    def _answer(self, request: bytes) -> bytes | None:
        text = request.decode("latin-1")
        if text.startswith("qSupported"):
            more = ";qXfer:features:read+" if self._xml else ""
            more += "" if self._acknowledges else ";QStartNoAckMode+"
            return f"PacketSize={self._packet_size:x}{more}".encode()
        if text == "QStartNoAckMode":
            return b"" if self._acknowledges else b"OK"
        if text == "?":
            return self.stop
        if text == "vCont?":
            return b"vCont;c;C;s;S"
        if text in ("c", "vCont;c"):
            self.chip.resume()
            return None
        if text.startswith("qRcmd,"):
            return self._command(bytes.fromhex(text[6:]).decode())
        if match := re.fullmatch(r"qXfer:features:read:(.*):([0-9a-f]+),([0-9a-f]+)", text):
            document = self._xml[match[1]][int(match[2], 16) :]
            part = document[: int(match[3], 16)]
            return (b"l" if part == document else b"m") + part
        return self._memory(text) if text[:1] in "mMXpg" else b""

    def _memory(self, text: str) -> bytes:
        assert self.chip.is_halted, f"`{text}` while the core runs"
        try:
            if match := re.fullmatch(r"m([0-9a-f]+),([0-9a-f]+)", text):
                address, size = int(match[1], 16), int(match[2], 16)
                assert 2 * size <= self._packet_size
                if address == VTOR:
                    return FLASH.to_bytes(4, "little").hex().encode()
                return self.chip.read(address, size).hex().encode()
            if match := re.fullmatch(r"([MX])([0-9a-f]+),([0-9a-f]+):(.*)", text, re.DOTALL):
                if match[1] == "X" and not self._has_binary:
                    return b""
                data = match[4].encode("latin-1") if match[1] == "X" else bytes.fromhex(match[4])
                assert len(data) == int(match[3], 16)
                self.chip.write(int(match[2], 16), data)
                return b"OK"
        except FaultError:
            return b"E0e"
        return self._registers(text)

    def _registers(self, text: str) -> bytes:
        names = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc"]
        words = [self.chip.registers[name].to_bytes(4, "little").hex() for name in names]
        xpsr = self.chip.registers["xpsr"].to_bytes(4, "little").hex()
        if text == "g":
            fpa = "x" * (2 * 12 * 8) + "00000000"
            return "".join([*words, xpsr] if self._xml else [*words, fpa, xpsr]).encode()
        return [*words, xpsr][int(text[1:], 16)].encode()

    def _command(self, command: str) -> bytes:
        if not self._monitor:
            return b""
        if command not in self._monitor:
            return b"E01"
        if "reset" in command:
            self.chip.reset()
            self.chip.halt()
            vector = int.from_bytes(self.chip.read(FLASH + 4, 4), "little")
            self.chip.registers["pc"] = vector & ~1
        return self._monitor[command].hex().encode() or b"OK"


class FakeOpenocd:
    """The Tcl port of an OpenOCD, as far as our requests go; the chip may be `lost`."""

    def __init__(self, chip: FakeChip, *, version: str = "Open On-Chip Debugger 0.12.0") -> None:
        self.chip = chip
        self.version = version
        self.targets = "chip.cpu"
        self.reset_config = "none separate"
        self.is_lost = False
        self.requests: list[str] = []
        self._buffer = b""

    def connected(self) -> None:
        """Leave the core alone."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield an answer for each command in what came."""
        *commands, self._buffer = (self._buffer + data).split(b"\x1a")
        for command in commands:
            self.requests.append(command.decode())
            yield self._answer(command.decode()).encode() + b"\x1a"

    def _answer(self, command: str) -> str:
        if match := re.fullmatch(r"apply \{\{wanted\} .*\} \{([^}]*)\}", command):
            return self._read(match[1].split())
        match = re.fullmatch(r"apply \{\{\} \{if \{\[catch \{(.*)\} r\]\} .*\}\}", command)
        assert match, command
        try:
            return "=" + self._do(match[1])
        except (FaultError, Unsupported, KeyError) as error:
            return f"!{error}"

    def _read(self, words: list[str]) -> str:
        found = ""
        for address, width, count in zip(words[::3], words[1::3], words[2::3], strict=True):
            size = int(width) // 8
            try:
                if self.is_lost:
                    raise FaultError("lost", address=0)
                data = self.chip.read(int(address, 16), size * int(count))
            except FaultError:
                return f"{found}!read_memory: failed to read memory"
            values = (data[at : at + size] for at in range(0, len(data), size))
            found += " ".join(hex(int.from_bytes(v, "little")) for v in values) + ";"
        return found

    def _do(self, command: str) -> str:
        match command.split(maxsplit=1)[0]:
            case "version":
                return self.version
            case "info":
                return "read_memory" if "0.12" in self.version else ""
            case "target":
                return self.targets if command == "target names" else self.targets.split()[0]
            case "poll":
                return "background polling: on\nTAP: chip.cpu (enabled)\n"
            case "halt":
                self.chip.halt()
            case "resume":
                self.chip.resume()
            case "reset_config":
                return self.reset_config
            case "reset":
                self.chip.reset()
                if command.endswith("halt"):
                    self.chip.halt()
            case "get_reg":
                name = command[9:-1]
                if name.lower() not in self.chip.registers:
                    raise Unsupported(f"unknown register '{name}'", capability="")
                assert self.chip.is_halted, "registers of a running core are stale"
                return f"{name} 0x{self.chip.registers[name.lower()]:08x}"
            case "write_memory":
                found = re.fullmatch(r"write_memory (\S+) (\d+) \{(.*)\}", command)
                assert found
                size = int(found[2]) // 8
                data = b"".join(int(v, 16).to_bytes(size, "little") for v in found[3].split())
                assert int(found[1], 16) % size == 0
                self.chip.write(int(found[1], 16), data)
            case other:
                raise KeyError(f'invalid command name "{other}"')
        return ""


@dataclass
class Served:
    """A server at a port of this host; `connections` were made to it."""

    port: int = 0
    connections: int = 0
    problems: list[BaseException] = field(default_factory=list)


@contextmanager
def serving(
    peer: FakeGdb | FakeOpenocd, fault: Fault | None = None, *, slowly: bool = False
) -> Iterator[Served]:
    """Serve a peer, one connection at a time, while the block runs."""
    served, stopping = Served(), threading.Event()

    def run(listener: socket.socket) -> None:
        while not stopping.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                with connection:
                    served.connections += 1
                    connection.settimeout(0.1)
                    peer.connected()
                    try:
                        _converse(connection, peer, fault, stopping, slowly=slowly)
                    except ConnectionError:
                        pass
                    except AssertionError as error:  # of the peer, for the test
                        served.problems.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        served.port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        try:
            yield served
        finally:
            stopping.set()
            thread.join(60)
    assert not thread.is_alive()
    assert served.problems == []


def _converse(
    connection: socket.socket,
    peer: FakeGdb | FakeOpenocd,
    fault: Fault | None,
    stopping: threading.Event,
    *,
    slowly: bool,
) -> None:
    send: Callable[[bytes], None] = connection.sendall
    while not stopping.is_set():
        try:
            data = connection.recv(1 << 16)
        except TimeoutError:
            continue
        if not data:
            return
        for answer in peer.feed(data):
            spoilt = answer if fault is None else fault.spoil(answer)
            if spoilt is None:
                return
            connection.settimeout(5)
            for part in [spoilt[n : n + 1] for n in range(len(spoilt))] if slowly else [spoilt]:
                send(part)
            connection.settimeout(0.1)
