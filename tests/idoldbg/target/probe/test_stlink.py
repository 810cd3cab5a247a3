"""Queues of accesses with an ST-Link: pyOCD's own object above a device that knows the commands."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.probe.stlink.stlink import STLink

from idoldbg.target.probe.stlink import BLOCK_WORDS, CPUID, StlinkQueue, find_queue

OK, FAULT, UNKNOWN = 0x80, 0x11, 0x42
HOLE = 0x3000_0000


class Device:
    """A device that answers as an ST-Link with words of memory behind it."""

    def __init__(self) -> None:
        self.memory = {CPUID: 0x410FC241, **{at: at * 3 for at in range(0, 0x800, 4)}}
        self.log: list[tuple[str, int]] = []
        self.round_trips = 0
        self.queues: list[int] = []
        self.refuses = False
        self.is_wrong = False
        self.answer = b""
        self.status = OK
        self.max_packet_size = 64

    def transfer(
        self,
        command: Any,
        writeData: Any = None,  # noqa: N803  pyOCD's names
        readSize: int | None = None,  # noqa: N803
    ) -> bytes | None:
        data = bytes(command).ljust(16, b"\0")
        self.round_trips += readSize is not None
        assert data[0] == 0xF2
        answer = getattr(self, f"_do_{data[1]:02x}")(data, writeData)
        assert readSize is None or len(answer) == readSize
        return answer  # type: ignore[no-any-return]

    def _do_51(self, data: bytes, written: bytes) -> None:
        (count,) = struct.unpack_from("<I", data, 2)
        self.queues.append(count)
        values = struct.unpack(f"<{count}I", written[-4 * count :])
        assert len(written) == -(-count // 4) * 4 + 4 * count
        found, states, address = [], [], 0
        for kind, value in zip(written[:count], values, strict=True):
            state, word = OK, 0
            if kind == 1:
                address = value
            elif kind in (2, 3):
                at = address if kind == 2 else value
                self.log.append(("write" if kind == 2 else "read", at))
                if at >= HOLE and at != CPUID:
                    state = FAULT
                elif kind == 2:
                    self.memory[at] = value
                else:
                    word = self.memory[at] ^ self.is_wrong
            else:
                assert (kind, value) == (5, 1)
            found.append(word)
            states.append(UNKNOWN if self.refuses else state)
        self.answer = struct.pack(f"<{2 * count}I", *found, *states)

    def _do_52(self, data: bytes, written: None) -> bytes:
        return self.answer

    def _do_07(self, data: bytes, written: None) -> bytes:
        address, size = struct.unpack_from("<IH", data, 2)
        self.log.append(("block", address))
        words = [self.memory.get(at) for at in range(address, address + size, 4)]
        self.status = FAULT if None in words else OK
        return b"".join((word or 0).to_bytes(4, "little") for word in words)

    def _do_3e(self, data: bytes, written: None) -> bytes:
        return struct.pack("<HHII", self.status, 0, 0, 0)

    def _do_46(self, data: bytes, written: None) -> bytes:
        self.log.append(("clear", 0))
        return struct.pack("<H", OK)


def make_port(device: Device, *, hardware: int = 2, firmware: int = 37) -> Any:
    link = STLink(device)
    link._hw_version, link._jtag_version = hardware, firmware
    link._protocol = STLink.Protocol.SWD
    memory = SimpleNamespace(_link=link, _apsel=1)
    return SimpleNamespace(_accelerated_memory_interface=memory)


def make_queue(device: Device, **more: int) -> StlinkQueue:
    queue = find_queue(make_port(device, **more))
    assert queue is not None
    device.log.clear()
    device.queues.clear()
    device.round_trips = 0
    return queue


def test_writes_and_reads_in_their_order() -> None:
    device = Device()
    queue = make_queue(device)
    found = queue.exchange([(0x10, b"abcdefgh"), (0x40, b"wxyz")], [(0x14, 4), (0x40, 8), (0, 4)])
    assert found == [b"efgh", b"wxyz" + (0x44 * 3).to_bytes(4, "little"), bytes(4)]
    written, read = [0x10, 0x14, 0x40], [0x14, 0x40, 0x44, 0]
    assert device.log == [*(("write", at) for at in written), *(("read", at) for at in read)]
    assert device.round_trips == 1


@pytest.mark.parametrize(("hardware", "limit"), [(2, 64), (3, 240)])
def test_no_queue_is_longer_than_the_probe_takes(hardware: int, limit: int) -> None:
    device = Device()
    queue = make_queue(device, hardware=hardware)
    data = bytes(range(200)) + bytes(100)
    places = [(at, 12) for at in range(0, 600, 12)]
    found = queue.exchange([(0x100, data)], places)
    assert b"".join(found)[0x100 : 0x100 + len(data)] == data
    assert max(device.queues) <= limit
    assert len(device.queues) == device.round_trips > 1


def test_long_ranges_are_blocks_in_their_turn() -> None:
    device = Device()
    queue = make_queue(device)
    long = BLOCK_WORDS * 4 + 4
    found = queue.exchange([(0, b"1234")], [(0, 4), (0x100, long), (4, 4)])
    assert [len(part) for part in found] == [4, long, 4]
    assert found[1][:4] == (0x300).to_bytes(4, "little")
    assert device.log == [("write", 0), ("read", 0), ("block", 0x100), ("read", 4)]


def test_a_place_without_memory_is_a_fault_and_what_sticks_is_cleared() -> None:
    device = Device()
    queue = make_queue(device)
    with pytest.raises(exceptions.TransferFaultError) as raised:
        queue.exchange([], [(0, 4), (HOLE, 4)])
    assert raised.value.fault_address == HOLE
    assert device.log[-1] == ("clear", 0)


def test_other_failures_are_those_of_pyocd(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    queue = make_queue(device)
    monkeypatch.setattr(f"{__name__}.FAULT", 0x10)
    with pytest.raises(exceptions.TransferTimeoutError):
        queue.exchange([], [(HOLE, 4)])


@pytest.mark.parametrize("failing", ["refuses", "is_wrong"])
def test_a_probe_that_does_not_do_so_is_used_without(failing: str) -> None:
    device = Device()
    setattr(device, failing, True)
    port = make_port(device)
    assert find_queue(port) is None
    asked = len(device.queues)
    assert find_queue(port) is None
    assert len(device.queues) == asked == 1  # it is asked once


@pytest.mark.parametrize(
    ("hardware", "firmware", "has"), [(2, 31, False), (2, 32, True), (3, 1, False), (3, 2, True)]
)
def test_firmware_that_has_queues(hardware: int, firmware: int, has: bool) -> None:
    found = find_queue(make_port(Device(), hardware=hardware, firmware=firmware))
    assert (found is not None) == has


def test_other_probes_have_none() -> None:
    assert find_queue(SimpleNamespace(_accelerated_memory_interface=None)) is None
    other = SimpleNamespace(_link=object(), _apsel=0)
    assert find_queue(SimpleNamespace(_accelerated_memory_interface=other)) is None
