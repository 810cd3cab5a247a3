"""Memory through a GDB server while the core stands still.

OpenOCD gives zeros where it cannot read (unless it was started with `gdb_report_data_abort
enable`), so zeros are not believed before its monitor has read there too.

In QEMU a debugger is bound by the MPU as the code is that was stopped, so it cannot read most of
a Hubris image. Its packets for physical memory (`docs/system/gdb.rst`) can, but give zeros where
there is no memory, and know nothing of the core's own peripherals; its monitor's `xp` does both.
"""

from __future__ import annotations

import re

from idoldbg.errors import FaultError, LinkError
from idoldbg.target.servers.gdb_client import GdbClient
from idoldbg.target.servers.gdb_packets import (
    GdbError,
    decode_error_reply,
    decode_memory,
    encode_binary,
)
from idoldbg.target.servers.gdb_servers import OPENOCD, ServerKind

__all__ = ["CPUID", "VTOR", "GdbMemory", "OpenocdMemory", "QemuMemory", "open_memory"]

CHUNK_SIZE = 1024
VTOR, CPUID = 0xE000ED08, 0xE000ED00
PRIVATE = range(0xE0000000, 0xE0100000)  # the core's own peripherals
_DUMPED = re.compile(r"[0-9a-fA-F]{8,16}: ((?:0x[0-9a-fA-F]{1,8} ?)+)")
_MDB = re.compile(r"\s*0x([0-9a-fA-F]{1,8}): [0-9a-fA-F]{2}\s*")


class GdbMemory:
    """Reads and writes by `m`, `X` and `M`."""

    def __init__(self, client: GdbClient) -> None:
        self._client = client
        self._binary = True

    def read(self, address: int, size: int) -> bytes:
        """Return all of a range; raise `FaultError`, or `LinkError` where the target is lost."""
        step = min(CHUNK_SIZE, (self._client.packet_size - 16) // 2)
        parts = []
        for at in range(address, address + size, step):
            parts.append(self._read_part(at, min(step, address + size - at)))
        return b"".join(parts)

    def try_word(self, address: int) -> int | None:
        """Return a word, None where the server refuses to read it."""
        data = self._ask(address, 4)
        return None if data is None or len(data) != 4 else int.from_bytes(data, "little")

    def write(self, address: int, data: bytes) -> None:
        """Write all of it; raise as `read`."""
        step = min(CHUNK_SIZE, (self._client.packet_size - 32) // 2)
        for offset in range(0, len(data), step):
            part = data[offset : offset + step]
            if not self._tell(address + offset, part):
                raise self._refused("write", address + offset, len(part))

    def _read_part(self, address: int, size: int) -> bytes:
        """Read what one packet can hold; a server may give less at once, to where memory ends."""
        data = b""
        while len(data) < size:
            more = self._ask(address + len(data), size - len(data))
            if more is None:
                raise self._refused("read", address + len(data), size - len(data))
            data += more
        return data

    def _ask(self, address: int, size: int) -> bytes | None:
        """Return what the server reads, at least one byte; None where it refuses."""
        reply = self._client.ask(b"m%x,%x" % (address, size))
        if not reply or decode_error_reply(reply) is not None:
            return None
        try:
            return decode_memory(reply, size)
        except GdbError as error:
            raise self._client.fail(str(error)) from None

    def _tell(self, address: int, data: bytes) -> bool:
        """Write; return whether the server did it."""
        reply = b""
        if self._binary:
            reply = self._client.ask(b"X%x,%x:%b" % (address, len(data), encode_binary(data)))
            self._binary = reply != b""  # empty: it has no `X`
        if not self._binary:
            reply = self._client.ask(b"M%x,%x:%b" % (address, len(data), data.hex().encode()))
        return reply == b"OK"

    def _refused(self, doing: str, address: int, size: int) -> FaultError | LinkError:
        """Return the error of an access: servers say the same of a hole and of a lost target."""
        spec = self._client.spec
        if self.try_word(CPUID) is None and self.try_word(self.try_word(VTOR) or 0) is None:
            return LinkError(
                f"{spec}: the server reads nothing any more; its own output may say why: look "
                "whether the board is powered and the probe plugged in",
                link=spec,
            )
        bytes_ = "1 byte" if size == 1 else f"{size} bytes"
        return FaultError(
            f"{spec}: cannot {doing} {bytes_} at 0x{address:08x}: the server refuses",
            address=address,
            size=size,
        )


class OpenocdMemory(GdbMemory):
    """Memory of OpenOCD, whose zeros may mean that it could not read.

    To `X` it answers before it writes, and reports a failure at the next one: `M` is used.
    """

    def __init__(self, client: GdbClient) -> None:
        super().__init__(client)
        self._binary = False

    def _ask(self, address: int, size: int) -> bytes | None:
        data = super()._ask(address, size)
        if data is None or any(data):
            return data
        ends = {address, address + len(data) - 1}
        return data if all(self._is_readable(at) for at in ends) else None

    def _is_readable(self, address: int) -> bool:
        try:
            text = self._client.monitor(f"mdb 0x{address:x}") or ""
        except LinkError:
            if not self._client.is_open:
                raise
            return False
        match = _MDB.fullmatch(text)
        return match is not None and int(match[1], 16) == address


class QemuMemory(GdbMemory):
    """Memory of QEMU, past the MPU."""

    def __init__(self, client: GdbClient) -> None:
        super().__init__(client)
        self._is_physical: bool | None = None
        self._mapped: set[int] = set()

    def _ask(self, address: int, size: int) -> bytes | None:
        is_private = address in PRIVATE
        self._look(physical=not is_private)
        data = super()._ask(address, size)
        if is_private:
            return self._dump(address, size) if data is None else data
        if data is not None and not any(data) and not self._is_mapped(address, len(data)):
            return None
        return data

    def _tell(self, address: int, data: bytes) -> bool:
        is_private = address in PRIVATE
        self._look(physical=not is_private)
        if not is_private and not self._is_mapped(address, len(data)):
            return False
        return super()._tell(address, data)

    def _look(self, *, physical: bool) -> None:
        """Choose which memory the packets are about."""
        if self._is_physical is physical:
            return
        if self._client.ask(b"Qqemu.PhyMemMode:%d" % physical) != b"OK":
            raise self._client.fail("QEMU does not change the way in which it accesses memory")
        self._is_physical = physical

    def _is_mapped(self, address: int, size: int) -> bool:
        """Return whether there is memory at both ends of a range; what is found is kept."""
        for at in (address, address + size - 1):
            page = at // CHUNK_SIZE
            if page not in self._mapped:
                if self._dump(at, 1) is None:
                    return False
                self._mapped.add(page)
        return True

    def _dump(self, address: int, size: int) -> bytes | None:
        """Read through the monitor, in words where the range has whole ones."""
        width = 4 if address % 4 == 0 and size % 4 == 0 else 1
        command = f"xp /{size // width}x{'w' if width == 4 else 'b'} 0x{address:x}"
        text = self._client.monitor(command) or ""
        words = [word for match in _DUMPED.finditer(text) for word in match[1].split()]
        if len(words) * width != size:
            return None
        try:
            return b"".join(int(word, 16).to_bytes(width, "little") for word in words)
        except OverflowError:
            return None


def open_memory(client: GdbClient, kind: ServerKind) -> GdbMemory:
    """Return the memory of a server, as it is to be reached there."""
    if client.ask(b"qqemu.PhyMemMode") in (b"0", b"1"):
        return QemuMemory(client)
    return OpenocdMemory(client) if kind.name == OPENOCD else GdbMemory(client)
