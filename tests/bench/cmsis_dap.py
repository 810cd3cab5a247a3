"""The firmware of a CMSIS-DAP probe: packets in, packets out.

Arm, CMSIS-DAP 2.1 ("CMSIS-DAP Commands"). Left out, and answered as unknown commands: JTAG, SWO,
DAP_SWD_Sequence, DAP_QueueCommands and DAP_ExecuteCommands, of which pyOCD uses none on SWD.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.wires import RDBUFF, Ack, Wires

__all__ = ["CmsisDap"]

NAMES = {
    0x00: "DAP_Info",
    0x01: "DAP_HostStatus",
    0x02: "DAP_Connect",
    0x03: "DAP_Disconnect",
    0x04: "DAP_TransferConfigure",
    0x05: "DAP_Transfer",
    0x06: "DAP_TransferBlock",
    0x07: "DAP_TransferAbort",
    0x08: "DAP_WriteABORT",
    0x09: "DAP_Delay",
    0x0A: "DAP_ResetTarget",
    0x10: "DAP_SWJ_Pins",
    0x11: "DAP_SWJ_Clock",
    0x12: "DAP_SWJ_Sequence",
    0x13: "DAP_SWD_Configure",
}
INFO_CAPABILITIES, INFO_PACKET_COUNT, INFO_PACKET_SIZE = 0xF0, 0xFE, 0xFF
DAP_OK, DAP_ERROR, UNKNOWN = b"\0", b"\xff", b"\xff"
AP, READ, MATCH, MASK = 0x01, 0x02, 0x10, 0x20  # of a transfer request, beside A[3:2]
PROTOCOL_ERROR, MISMATCH = 0x08, 0x10  # of a response, beside the acknowledgement
PIN_NRESET, PIN_SWD = 0x80, 0x03
LINE_RESET_ONES = 50
RESPONSES = {Ack.PARITY: Ack.OK.value | PROTOCOL_ERROR}


@dataclass(frozen=True)
class _Request:
    is_ap: bool
    is_read: bool
    register: int
    matches: bool
    sets_mask: bool
    value: int


class _Refused(Exception):
    """A transfer was not acknowledged with OK."""

    def __init__(self, response: int) -> None:
        self.response = response


class CmsisDap:
    """A probe's firmware; `strings` are its answers to DAP_Info, `pads` fills reports up (HID)."""

    def __init__(
        self,
        wires: Wires,
        *,
        packet_size: int,
        packet_count: int,
        strings: Mapping[int, str],
        pads: bool,
    ) -> None:
        self.wires = wires
        self._packet_size, self._packet_count = packet_size, packet_count
        self._strings, self._pads = strings, pads
        self.restart()

    def restart(self) -> None:
        self.is_connected = False
        self._retries = self._match_retries = self._match_mask = 0
        self._ones = 0
        self._drives_reset = False

    def forget(self) -> None:
        """Nothing is kept between two packets."""

    def name(self, data: bytes) -> str:
        return NAMES.get(data[0], f"command 0x{data[0]:02x}")

    def take(self, data: bytes) -> bytes | None:
        if data[0] == 0x07:  # DAP_TransferAbort has no answer
            return None
        method = COMMANDS.get(data[0])
        try:
            answer = UNKNOWN if method is None else data[:1] + method(self, data)
        except (IndexError, struct.error):  # a packet that ends too early
            answer = UNKNOWN
        return answer.ljust(self._packet_size, b"\0") if self._pads else answer

    # ------------------------------------------------------------------ the probe itself

    def _info(self, data: bytes) -> bytes:
        item = data[1]
        numbers = {
            INFO_CAPABILITIES: b"\x01",  # SWD
            INFO_PACKET_COUNT: bytes([self._packet_count]),
            INFO_PACKET_SIZE: struct.pack("<H", self._packet_size),
        }
        text = self._strings.get(item)
        value = numbers.get(item, b"") if text is None else text.encode() + b"\0"
        return bytes([len(value)]) + value

    def _nothing(self, data: bytes) -> bytes:
        return DAP_OK

    def _connect(self, data: bytes) -> bytes:
        self.is_connected = data[1] in (0, 1)  # default, SWD
        return b"\x01" if self.is_connected else b"\0"

    def _disconnect(self, data: bytes) -> bytes:
        self.is_connected = False
        self._drive_reset(False)
        return DAP_OK

    def _configure(self, data: bytes) -> bytes:
        _, self._retries, self._match_retries = struct.unpack_from("<BHH", data, 1)
        return DAP_OK

    def _reset_target(self, data: bytes) -> bytes:
        return b"\0\0"  # done; no sequence of the device's own

    def _clock(self, data: bytes) -> bytes:
        (hz,) = struct.unpack_from("<I", data, 1)
        self.wires.hz = hz or self.wires.hz
        return DAP_OK if hz else DAP_ERROR

    def _pins(self, data: bytes) -> bytes:
        output, select = data[1], data[2]
        if select & PIN_NRESET:
            self._drive_reset(not output & PIN_NRESET)
        return bytes([PIN_SWD | (0 if self.wires.in_reset else PIN_NRESET)])

    def _drive_reset(self, low: bool) -> None:
        if low != self._drives_reset:
            self._drives_reset = low
            self.wires.drive_nreset(low)

    def _sequence(self, data: bytes) -> bytes:
        count = data[1] or 256
        bits = int.from_bytes(data[2 : 2 + (count + 7) // 8], "little")
        for n in range(count):
            self._ones = self._ones + 1 if bits >> n & 1 else 0
            if self._ones == LINE_RESET_ONES:
                self.wires.line_reset()
        return DAP_OK

    # ------------------------------------------------------------------ transfers

    def _read(self, is_ap: bool, register: int) -> int:
        """Read with retries; of an access port the value is that of the read before."""
        for _ in range(self._retries + 1):
            ack, value = self.wires.read(is_ap, register)
            if ack is not Ack.WAIT:
                break
        if ack is not Ack.OK:
            raise _Refused(RESPONSES.get(ack, ack.value))
        return value

    def _write(self, is_ap: bool, register: int, value: int) -> None:
        for _ in range(self._retries + 1):
            ack = self.wires.write(is_ap, register, value)
            if ack is not Ack.WAIT:
                break
        if ack is not Ack.OK:
            raise _Refused(RESPONSES.get(ack, ack.value))

    def _write_abort(self, data: bytes) -> bytes:
        (value,) = struct.unpack_from("<I", data, 2)
        try:
            self._write(False, 0, value)
        except _Refused:
            return DAP_ERROR
        return DAP_OK

    def _transfer(self, data: bytes) -> bytes:
        words: list[int] = []
        done, response = 0, Ack.OK.value
        is_posted = False  # a read of an access port whose value is still on its way
        last_is_write = False
        try:
            for request in _requests(data):
                is_plain_read = request.is_read and not request.matches
                if is_posted and not (is_plain_read and request.is_ap):
                    words.append(self._read(False, RDBUFF))
                    is_posted = False
                if is_plain_read:
                    value = self._read(request.is_ap, request.register)
                    if is_posted or not request.is_ap:
                        words.append(value)
                    is_posted = request.is_ap
                elif request.is_read:
                    self._await_match(request)
                elif request.sets_mask:
                    self._match_mask = request.value
                else:
                    self._write(request.is_ap, request.register, request.value)
                last_is_write = not request.is_read and not request.sets_mask
                done += 1
            if is_posted:
                words.append(self._read(False, RDBUFF))
            elif last_is_write:
                self._read(False, RDBUFF)  # tells whether the write succeeded
        except _Refused as refused:
            response = refused.response
        return struct.pack(f"<BB{len(words)}I", done, response, *words)

    def _await_match(self, request: _Request) -> None:
        for _ in range(self._match_retries + 1):
            value = self._read(request.is_ap, request.register)
            if request.is_ap:
                value = self._read(False, RDBUFF)
            if value & self._match_mask == request.value:
                return
        raise _Refused(Ack.OK.value | MISMATCH)

    def _transfer_block(self, data: bytes) -> bytes:
        count, kind = struct.unpack_from("<HB", data, 2)
        is_ap, register = bool(kind & AP), kind & 0xC
        words: list[int] = []
        done, response = 0, Ack.OK.value
        try:
            if kind & READ:
                if is_ap:
                    self._read(True, register)
                for n in range(count):
                    is_last = is_ap and n == count - 1
                    words.append(
                        self._read(False, RDBUFF) if is_last else self._read(is_ap, register)
                    )
                    done += 1
            else:
                for value in struct.unpack_from(f"<{count}I", data, 5):
                    self._write(is_ap, register, value)
                    done += 1
                self._read(False, RDBUFF)
        except _Refused as refused:
            response = refused.response
        return struct.pack(f"<HB{len(words)}I", done, response, *words)


def _requests(data: bytes) -> Iterator[_Request]:
    """Take the requests of DAP_Transfer apart."""
    at = 3
    for _ in range(data[2]):
        kind, value = data[at], 0
        at += 1
        is_read, matches = bool(kind & READ), bool(kind & MATCH)
        if not is_read or matches:
            (value,) = struct.unpack_from("<I", data, at)
            at += 4
        yield _Request(bool(kind & AP), is_read, kind & 0xC, matches, bool(kind & MASK), value)


COMMANDS = {
    0x00: CmsisDap._info,
    0x01: CmsisDap._nothing,
    0x02: CmsisDap._connect,
    0x03: CmsisDap._disconnect,
    0x04: CmsisDap._configure,
    0x05: CmsisDap._transfer,
    0x06: CmsisDap._transfer_block,
    0x08: CmsisDap._write_abort,
    0x09: CmsisDap._nothing,  # DAP_Delay
    0x0A: CmsisDap._reset_target,
    0x10: CmsisDap._pins,
    0x11: CmsisDap._clock,
    0x12: CmsisDap._sequence,
    0x13: CmsisDap._nothing,  # DAP_SWD_Configure
}
