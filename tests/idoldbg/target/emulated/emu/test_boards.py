"""Devices on the boards, driven through a debugger's writes to the chips' registers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idoldbg.errors import NotFound
from idoldbg.target.emulated.emu import EmulatedBoard

from .machines import V6M, V7M, V8M, Machine

CONTENTS = b"hello, flash"


class Wires:
    """A halted board, its registers, and a record of its serial port."""

    def __init__(self, machine: Machine) -> None:
        self.sent: list[tuple[str, bytes]] = []
        p = machine.program()
        p.idle()
        self.board: EmulatedBoard = machine.boot(
            p,
            nor_contents={"nor-flash": CONTENTS},
            uart_sink=lambda name, data: self.sent.append((name, data)),
        )
        self.board.reset(halt=True)

    def write(self, address: int, value: int, size: int = 4) -> None:
        self.board.write(address, value.to_bytes(size, "little"))

    def read(self, address: int, size: int = 4) -> int:
        return int.from_bytes(self.board.read(address, size), "little")


def stm32_exchange(
    wires: Wires, device: int, data: bytes, ports: tuple[tuple[int, int], tuple[int, int]]
) -> bytes:
    """Exchange bytes over SPI1, with the chip select on (port, pin)."""
    spi = 0x40013000
    for port, pin in ports:
        wires.write(port + 0x18, 1 << pin)
        wires.write(port, wires.read(port) & ~(3 << 2 * pin) | 1 << 2 * pin)
    wires.write(spi + 4, 0x1700)
    wires.write(spi, 0x0344)
    port, pin = ports[device]
    wires.write(port + 0x18, 1 << pin + 16)
    answer = bytearray()
    for value in data:
        wires.write(spi + 12, value, 1)
        wires.board.run(1e-5)
        answer.append(wires.read(spi + 12, 1))
    wires.write(port + 0x18, 1 << pin)
    return bytes(answer)


def f4_exchange(wires: Wires, device: int, data: bytes) -> bytes:
    return stm32_exchange(wires, device, data, ((0x40021000, 3), (0x40021000, 4)))


def g0_exchange(wires: Wires, device: int, data: bytes) -> bytes:
    return stm32_exchange(wires, device, data, ((0x50000000, 4), (0x50000400, 0)))


def lpc55_exchange(wires: Wires, device: int, data: bytes, base: int = 0x4009F000) -> bytes:
    wires.write(base + 0xFF8, 2)
    wires.write(base + 0x400, 5)
    wires.write(base + 0xE00, 3)
    answer = bytearray()
    for i, value in enumerate(data):
        end = 1 << 20 if i == len(data) - 1 else 0
        wires.write(base + 0xE20, value | 7 << 24 | 0xF0000 & ~(1 << 16 + device) | end)
        wires.board.run(1e-5)
        answer.append(wires.read(base + 0xE30) & 0xFF)
    return bytes(answer)


Exchange = Callable[[Wires, int, bytes], bytes]
BUSES = [
    pytest.param(V7M, f4_exchange, id="stm32f4"),
    pytest.param(V6M, g0_exchange, id="stm32g0"),
    pytest.param(V8M, lpc55_exchange, id="lpc55"),
    pytest.param(V8M, lambda w, d, b: lpc55_exchange(w, d, b, 0x5009F000), id="lpc55 secure alias"),
]


@pytest.mark.parametrize(("machine", "exchange"), BUSES)
def test_spi_devices(machine: Machine, exchange: Exchange) -> None:
    wires = Wires(machine)
    assert exchange(wires, 0, bytes.fromhex("9f000000")) == bytes.fromhex("ffef4018")
    assert exchange(wires, 1, b"echo") == b"echo"
    assert exchange(wires, 0, bytes(4).replace(b"\0", b"\3", 1) + bytes(5))[4:] == b"hello"
    exchange(wires, 0, b"\x06")
    exchange(wires, 0, bytes.fromhex("02000100") + b"new")
    assert wires.board.spi_contents("nor-flash")[:12] == CONTENTS
    assert wires.board.spi_contents("nor-flash")[0x100:0x104] == b"new\xff"
    with pytest.raises(NotFound, match="nor-flash"):
        wires.board.spi_contents("loopback")


@pytest.mark.parametrize(("machine", "exchange"), BUSES[:3])
def test_flash_contents_are_part_of_a_snapshot(machine: Machine, exchange: Exchange) -> None:
    wires = Wires(machine)
    snapshot = wires.board.snapshot()
    exchange(wires, 0, b"\x06")
    exchange(wires, 0, bytes.fromhex("02000100") + b"new")
    wires.board.restore(snapshot)
    assert wires.board.spi_contents("nor-flash")[0x100:0x104] == b"\xff" * 4
    exchange(wires, 0, bytes.fromhex("9f000000"))


STM32_F4_PORT, STM32_G0_PORT, LPC55_GPIO = 0x40020C00, 0x50000800, 0x4008C000


def test_leds_of_the_f4() -> None:
    wires = Wires(V7M)
    assert set(wires.board.leds) == {"green", "orange", "red", "blue"}
    wires.write(STM32_F4_PORT, 0x55 << 24)
    assert not any(wires.board.leds.values())
    wires.write(STM32_F4_PORT + 0x18, 0b1001 << 12)
    assert wires.board.leds == {"green": True, "orange": False, "red": False, "blue": True}


def test_led_of_the_g0() -> None:
    wires = Wires(V6M)
    wires.write(STM32_G0_PORT + 0x14, 1 << 6)
    assert wires.board.leds == {"green": False}  # not an output yet
    wires.write(STM32_G0_PORT, 1 << 12)
    assert wires.board.leds == {"green": True}


def test_leds_of_the_lpc55_shine_when_low() -> None:
    wires = Wires(V8M)
    assert not any(wires.board.leds.values())
    wires.write(LPC55_GPIO + 0x2204, 0b11010000)
    wires.write(LPC55_GPIO + 0x2384, 0b11010000)
    assert not any(wires.board.leds.values())
    wires.write(LPC55_GPIO + 0x2284, 1 << 6)
    assert wires.board.leds == {"blue": False, "red": True, "green": False}
    snapshot = wires.board.snapshot()
    wires.board.reset(halt=True)
    assert not any(wires.board.leds.values())
    wires.board.restore(snapshot)
    assert wires.board.leds["red"]


@pytest.mark.parametrize(
    ("machine", "setup", "data"),
    [
        pytest.param(V7M, [(0x4000440C, 0x200C)], 0x40004404, id="stm32f4"),
        pytest.param(V6M, [(0x40004400, 0xD)], 0x40004428, id="stm32g0"),
        pytest.param(
            V8M,
            [(0x40086FF8, 1), (0x40086000, 1), (0x40086E00, 3)],
            0x40086E20,
            id="lpc55",
        ),
    ],
)
def test_console(machine: Machine, setup: list[tuple[int, int]], data: int) -> None:
    wires = Wires(machine)
    for address, value in setup:
        wires.write(address, value)
    for character in b"ok\n":
        wires.write(data, character)
    assert wires.board.uart == {"console": b"ok\n"}
    assert wires.sent == [("console", b"o"), ("console", b"k"), ("console", b"\n")]
    wires.board.uart_feed("console", b"x")
    with pytest.raises(NotFound, match="console"):
        wires.board.uart_feed("modem", b"x")
