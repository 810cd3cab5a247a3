"""I2C controllers, driven by the register sequences of the reference manuals, on one device.

Each driver below knows only registers; what crosses the wire must be the same with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.i2c_bus import I2cBus
from idoldbg.target.emulated.emu.devices.lpc55_i2c import Lpc55I2c
from idoldbg.target.emulated.emu.devices.stm32_i2c import Stm32I2cV1, Stm32I2cV2

from .test_devices import HZ, Line, pass_time

ADDRESS, ABSENT = 0x48, 0x49


class Memory:
    """A memory with a one-byte pointer; refuses a byte of 0xEE. `log` is the wire."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.data = bytearray(range(256))
        self.pointer: int | None = None

    def start(self, *, read: bool) -> bool:
        self.log.append("start read" if read else "start write")
        if not read:
            self.pointer = None
        return True

    def write(self, value: int) -> bool:
        self.log.append(f"{value:02x}")
        if value == 0xEE:
            return False
        if self.pointer is None:
            self.pointer = value
        else:
            self.data[self.pointer] = value
            self.pointer += 1
        return True

    def read(self) -> int:
        assert self.pointer is not None
        value = self.data[self.pointer]
        self.pointer += 1
        self.log.append(f"{value:02x}")
        return value

    def stop(self) -> None:
        self.log.append("stop")


class Driver(Protocol):
    """A driver of one kind of controller; None is a missing acknowledge."""

    device: Device
    line: Line

    def write_read(self, address: int, data: bytes, count: int) -> bytes | None: ...


class V2:
    """RM0433, 47.4.9: master transfers by polling, in chunks where there are many bytes."""

    def __init__(self, _clock: Clock, line: Line) -> None:
        self.line = line
        self.device = Stm32I2cV2(line)
        self.bus: I2cBus = self.device.i2c
        self.device.reset()
        self.device.write(0x00, 4, 1 | 0x7E)  # PE and all interrupts

    def write_read(self, address: int, data: bytes, count: int) -> bytes | None:
        answer = bytearray()
        if data:
            reload = len(data) > 255
            first = 255 if reload else len(data)
            self._control(address, first, (1 << 24 if reload else 0) | 1 << 13)
            sent = 0
            while sent < len(data):
                if not self._wait(1 << 1 | 1 << 7):
                    return None
                if self._status() & 1 << 7:
                    self._control(address, len(data) - sent, 0)
                    continue
                self.device.write(0x28, 4, data[sent])
                sent += 1
            if not self._wait(1 << 6):
                return None
        if not count:
            self._control(address, 0, 1 << 14)
            return self._finish(b"")
        self._control(address, count, 1 << 13 | 1 << 10 | 1 << 25)  # AUTOEND
        for _ in range(count):
            if not self._wait(1 << 2):
                return None
            answer.append(self.device.read(0x24, 4))
        return self._finish(bytes(answer))

    def _finish(self, answer: bytes) -> bytes:
        assert self._status() & 1 << 5
        self.device.write(0x1C, 4, 1 << 5)
        assert not self._status() & (1 << 5 | 1 << 15)
        return answer

    def _control(self, address: int, count: int, bits: int) -> None:
        self.device.write(0x04, 4, address << 1 | count << 16 | bits)

    def _status(self) -> int:
        return self.device.read(0x18, 4)

    def _wait(self, wanted: int) -> bool:
        """Wait for the interrupt, then look: a flag that is asked for, or NACK."""
        assert self.line.level, "no interrupt"
        status = self._status()
        if status & 1 << 4:
            assert status & 1 << 5  # the controller has stopped by itself
            self.device.write(0x1C, 4, 1 << 4 | 1 << 5)
            return False
        assert status & wanted
        return True


class V1:
    """RM0090, 27.3.3: the sequences for one, two and more received bytes."""

    def __init__(self, clock: Clock, line: Line) -> None:
        self.line, self.errors = line, Line()
        self.clock = clock
        self.device = Stm32I2cV1(clock, line, self.errors)
        self.bus: I2cBus = self.device.i2c
        self.device.reset()
        self.device.write(0x04, 4, 0x700 | 16)  # all interrupts
        self._control(1)

    def write_read(self, address: int, data: bytes, count: int) -> bytes | None:
        if data:
            if not self._address(address << 1):
                return None
            self.device.read(0x18, 4)
            for byte in data:
                self._wait(1 << 7)
                self.device.write(0x10, 4, byte)
                if self.errors.level:
                    return self._give_up()
            self._wait(1 << 2)
        if not count:
            self._control(1 | 1 << 9)
            return b""
        return self._receive(address, count)

    def _receive(self, address: int, count: int) -> bytes | None:
        ack = 1 << 10
        if not self._address(address << 1 | 1, ack | (1 << 11 if count == 2 else 0)):
            return None
        answer = bytearray()
        if count == 1:
            self._control(1)
            self.device.read(0x18, 4)
            self._control(1 | 1 << 9)
            self._wait(1 << 6)
            return bytes([self.device.read(0x10, 4)])
        if count == 2:
            self.device.read(0x18, 4)
            self._control(1 | 1 << 11)
            self._wait(1 << 2)
            self._control(1 | 1 << 9)
            return bytes([self.device.read(0x10, 4), self.device.read(0x10, 4)])
        self.device.read(0x18, 4)
        while len(answer) < count - 3:
            self._wait(1 << 6)
            answer.append(self.device.read(0x10, 4))
        self._wait(1 << 2)
        self._control(1)
        answer.append(self.device.read(0x10, 4))
        self._control(1 | 1 << 9)
        answer.append(self.device.read(0x10, 4))
        self._wait(1 << 6)
        answer.append(self.device.read(0x10, 4))
        return bytes(answer)

    def _address(self, byte: int, bits: int = 0) -> bool:
        self._control(1 | 1 << 8 | bits)
        self._wait(1)
        self.device.write(0x10, 4, byte)
        if self.errors.level:
            self._give_up()
            return False
        self._wait(2)
        return True

    def _give_up(self) -> None:
        assert self.device.read(0x14, 4) & 1 << 10
        self.device.write(0x14, 4, 0)
        self._control(1 | 1 << 9)
        assert not self.errors.level

    def _control(self, value: int) -> None:
        self.device.write(0x00, 4, value)

    def _wait(self, wanted: int) -> None:
        for _ in range(10):
            if self.line.level and self.device.read(0x14, 4) & wanted:
                return
            pass_time(self.clock, 100)
        raise AssertionError(f"{wanted:#x} never came")


class Lpc55:
    """UM11126, I2C chapter: MSTCTL and MSTSTATE."""

    def __init__(self, _clock: Clock, line: Line) -> None:
        self.line = line
        self.device = Lpc55I2c(line)
        self.bus: I2cBus = self.device.i2c
        self.device.reset()
        self.device.write(0x820, 4, 2)
        assert not self.device.read(0x804, 4), "not selected yet"
        self.device.write(0xFF8, 4, 3)
        self.device.write(0x800, 4, 1)
        self.device.write(0x808, 4, 1)

    def write_read(self, address: int, data: bytes, count: int) -> bytes | None:
        state = 2
        if data:
            state = self._step(address << 1, 2)
            for byte in data:
                if state != 2:
                    break
                state = self._step(byte, 1)
        answer = bytearray()
        if count and state == 2:
            state = self._step(address << 1 | 1, 2)
            while state == 1:
                answer.append(self.device.read(0x828, 4))
                if len(answer) == count:
                    break
                state = self._step(None, 1)
        assert self._step(None, 4) == 0
        return bytes(answer) if state in (1, 2) else None

    def _step(self, data: int | None, control: int) -> int:
        assert self.line.level and self.device.read(0x804, 4) & 1
        if data is not None:
            self.device.write(0x828, 4, data)
        self.device.write(0x820, 4, control)
        return self.device.read(0x804, 4) >> 1 & 7


KINDS: list[Callable[[Clock, Line], V2 | V1 | Lpc55]] = [V2, V1, Lpc55]


@pytest.fixture(params=KINDS, ids=["stm32-v2", "stm32-v1", "lpc55"])
def bench(request: pytest.FixtureRequest) -> Iterator[tuple[V2 | V1 | Lpc55, Memory]]:
    driver = request.param(Clock(HZ), Line())
    memory = Memory()
    driver.bus.attach(ADDRESS, memory)
    yield driver, memory


def test_write(bench: tuple[V2 | V1 | Lpc55, Memory]) -> None:
    driver, memory = bench
    assert driver.write_read(ADDRESS, b"\x10\xaa\xbb", 0) == b""
    assert memory.log == ["start write", "10", "aa", "bb", "stop"]
    assert memory.data[0x10:0x12] == b"\xaa\xbb"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_write_then_read(bench: tuple[V2 | V1 | Lpc55, Memory], count: int) -> None:
    driver, memory = bench
    for _ in range(2):  # a transfer leaves nothing behind that disturbs the next
        memory.log.clear()
        answer = driver.write_read(ADDRESS, b"\x20", count)
        assert answer == bytes(range(0x20, 0x20 + count))
        read = [f"{0x20 + i:02x}" for i in range(count)]
        assert memory.log == ["start write", "20", "start read", *read, "stop"]


def test_nobody_answers(bench: tuple[V2 | V1 | Lpc55, Memory]) -> None:
    driver, memory = bench
    assert driver.write_read(ABSENT, b"\x10", 0) is None
    assert driver.write_read(ABSENT, b"", 2) is None
    assert memory.log == []
    assert driver.write_read(ADDRESS, b"\x30", 1) == b"\x30"


def test_a_byte_is_refused(bench: tuple[V2 | V1 | Lpc55, Memory]) -> None:
    driver, memory = bench
    assert driver.write_read(ADDRESS, b"\x10\xee\x55", 0) is None
    assert memory.log == ["start write", "10", "ee", "stop"]
    assert driver.write_read(ADDRESS, b"\x30", 1) == b"\x30"


def test_more_bytes_than_a_counter_has() -> None:
    driver, memory = V2(Clock(HZ), Line()), Memory()
    driver.bus.attach(ADDRESS, memory)
    data = bytes(i % 200 for i in range(250))
    assert driver.write_read(ADDRESS, b"\x00" + data + b"\x01" * 5, 0) == b""
    assert bytes(memory.data) == (data + b"\x01" * 5)[:255] + b"\xff"
    long = V2(Clock(HZ), Line())
    sink = Memory()
    sink.data = bytearray(400)
    long.bus.attach(ADDRESS, sink)
    assert long.write_read(ADDRESS, b"\x00" + b"\x07" * 300, 0) == b""
    assert sink.data.count(7) == 300


def test_state_is_kept(bench: tuple[V2 | V1 | Lpc55, Memory]) -> None:
    driver, _ = bench
    state, wires = driver.device.save(), driver.bus.save()
    assert driver.write_read(ABSENT, b"\x10", 0) is None
    driver.device.restore(state)
    driver.bus.restore(wires)
    assert driver.write_read(ADDRESS, b"\x30", 2) == b"\x30\x31"


def test_a_disabled_controller_lets_go_of_the_bus() -> None:
    driver, memory = V2(Clock(HZ), Line()), Memory()
    driver.bus.attach(ADDRESS, memory)
    driver.device.write(0x04, 4, ADDRESS << 1 | 2 << 16 | 1 << 13)
    assert driver.device.read(0x18, 4) & 1 << 15
    driver.device.write(0x00, 4, 0)
    assert memory.log == ["start write", "stop"]
    assert driver.device.read(0x18, 4) == 1
