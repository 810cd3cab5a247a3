"""Device models by their registers, without a core."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idoldbg.model.board import Follow, Register
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_flash import PAGE_SIZE, Lpc55Flash
from idoldbg.target.emulated.emu.devices.lpc55_gpio import Lpc55Gpio
from idoldbg.target.emulated.emu.devices.lpc55_spi import Lpc55Spi
from idoldbg.target.emulated.emu.devices.lpc55_usart import Lpc55Usart
from idoldbg.target.emulated.emu.devices.nor_flash import NorFlash
from idoldbg.target.emulated.emu.devices.register_bank import RegisterBank
from idoldbg.target.emulated.emu.devices.spi_bus import Loopback, SpiBus
from idoldbg.target.emulated.emu.devices.stm32_gpio import Stm32Gpio
from idoldbg.target.emulated.emu.devices.stm32_spi import Stm32SpiV1, Stm32SpiV2
from idoldbg.target.emulated.emu.devices.stm32_usart import Stm32UsartV1, Stm32UsartV2

HZ = 1_000_000
JEDEC_ID = bytes.fromhex("ef4018")
SIZE = 1 << 20


class Line:
    """An interrupt line that remembers its level."""

    def __init__(self) -> None:
        self.level = False

    def __call__(self, level: bool) -> None:
        self.level = level


def pass_time(clock: Clock, cycles: int) -> None:
    """Let virtual time go on, with the timers that fire meanwhile."""
    end = clock.cycles + cycles
    while (deadline := clock.next_deadline()) is not None and deadline <= end:
        clock.cycles = max(deadline, clock.cycles)
        clock.fire_due()
    clock.cycles = end


# ---------------------------------------------------------------------- NOR flash


class Nor:
    """A NOR flash with its clock, driven transaction by transaction."""

    def __init__(self, contents: bytes = b"") -> None:
        self.time_s = 0.0
        self.device = NorFlash(0xEF4018, SIZE, lambda: self.time_s, contents)

    def transfer(self, sent: str, receive: int = 0) -> bytes:
        """Send bytes (in hex), then receive some, in one transaction."""
        self.device.select()
        answer = bytes(self.device.exchange(b) for b in bytes.fromhex(sent) + bytes(receive))
        self.device.deselect()
        return answer[len(answer) - receive :] if receive else b""

    def wait(self) -> None:
        """Poll until the device is ready; count how long."""
        while self.transfer("05", 1)[0] & 1:
            self.time_s += 5e-3

    def write(self, command: str) -> None:
        """Enable writing, send a command and wait for its end."""
        self.transfer("06")
        self.transfer(command)
        self.wait()


def test_nor_identification() -> None:
    nor = Nor()
    assert nor.transfer("9f", 3) == JEDEC_ID
    assert nor.transfer("9f", 7) == JEDEC_ID * 2 + JEDEC_ID[:1]
    assert nor.transfer("90000000", 2) == bytes.fromhex("ef17")
    assert nor.transfer("90000001", 2) == bytes.fromhex("17ef")
    assert nor.transfer("ab000000", 1) == bytes.fromhex("17")
    device = nor.device
    device.select()
    assert device.exchange(0x9F) == 0xFF  # nobody drives the line while the command comes in


def test_nor_reads() -> None:
    nor = Nor(bytes(range(200)))
    assert nor.transfer("03000010", 4) == bytes([16, 17, 18, 19])
    assert nor.transfer("0b00001000", 4) == bytes([16, 17, 18, 19])
    assert nor.transfer("030000c6", 4) == bytes([198, 199, 255, 255])
    assert nor.transfer("030ffffe", 4) == bytes([255, 255, 0, 1])  # wraps at the end
    assert len(nor.device.contents()) == SIZE


def test_nor_page_program() -> None:
    nor = Nor()
    nor.transfer("02000100aabb")
    assert nor.transfer("03000100", 2) == b"\xff\xff"  # not enabled
    nor.write("02000100aabb")
    assert nor.transfer("03000100", 3) == b"\xaa\xbb\xff"
    nor.write("020001000ff0")
    assert nor.transfer("03000100", 2) == bytes([0xAA & 0x0F, 0xBB & 0xF0])  # only clears bits
    nor.write("020002fe01020304")
    assert nor.transfer("030002fe", 3) == b"\x01\x02\xff"
    assert nor.transfer("03000200", 2) == b"\x03\x04"  # wrapped within the page


def test_nor_long_page_program_keeps_the_last_256_bytes() -> None:
    nor = Nor()
    nor.write("02000000" + "00" * 256 + "1122")
    page = nor.transfer("03000000", 256)
    assert page[:3] == b"\x11\x22\x00"


@pytest.mark.parametrize(
    ("command", "size", "at_least_s"),
    [("20", 4 << 10, 0.04), ("52", 32 << 10, 0.1), ("d8", 64 << 10, 0.1), ("c7", SIZE, 10.0)],
)
def test_nor_erases(command: str, size: int, at_least_s: float) -> None:
    nor = Nor(bytes(256 << 10))
    address = "" if command == "c7" else "013456"
    nor.write(command + address)
    assert nor.time_s > at_least_s
    start = 0 if command == "c7" else 0x13456 & -size
    erased = {i for i, b in enumerate(nor.device.contents()[: 256 << 10]) if b == 0xFF}
    assert erased == set(range(start, min(start + size, 256 << 10)))


def test_nor_status_and_power() -> None:
    nor = Nor()
    assert nor.transfer("05", 2) == b"\0\0"
    nor.transfer("06")
    assert nor.transfer("05", 1) == b"\x02"
    nor.transfer("04")
    assert nor.transfer("05", 1) == b"\0"
    nor.transfer("06")
    nor.transfer("20000000")
    assert nor.transfer("05", 1)[0] & 1  # busy, no longer write enabled
    assert not nor.transfer("05", 1)[0] & 2
    assert nor.transfer("9f", 3) == b"\xff\xff\xff"  # deaf while busy
    nor.wait()
    nor.transfer("b9")
    assert nor.transfer("9f", 3) == b"\xff\xff\xff"
    nor.transfer("ab")
    assert nor.transfer("9f", 3) == JEDEC_ID


def test_nor_state_can_be_kept_in_mid_transfer() -> None:
    nor = Nor(bytes(range(100)))
    device = nor.device
    device.select()
    for value in bytes.fromhex("03000000"):
        device.exchange(value)
    state = device.save()
    first = [device.exchange(0) for _ in range(4)]
    device.restore(state)
    assert [device.exchange(0) for _ in range(4)] == first == [0, 1, 2, 3]


# ---------------------------------------------------------------------- SPI controllers


def test_bus_selects_and_answers() -> None:
    bus = SpiBus()
    first, second = bus.attach(Loopback()), bus.attach(Loopback())
    assert bus.exchange(0x55, 8) == 0xFF  # nobody is selected
    bus.select(first, True)
    assert bus.exchange(0x55, 8) == 0x55
    assert bus.exchange(0x1234, 16) == 0x1234
    bus.select(second, True)
    assert bus.exchange(0x0F, 8) == 0x0F
    bus.select(first, False)
    bus.select(second, False)
    assert bus.exchange(0, 8) == 0xFF


CR1, CR2, SR, DR = 0, 4, 8, 12
MASTER = 1 << 2 | 1 << 6 | 1 << 8 | 1 << 9
RXNE, TXE, MODF, OVR, BSY = 1, 2, 1 << 5, 1 << 6, 1 << 7


class Stm32:
    """An STM32 SPI controller with a loopback."""

    def __init__(self, kind: type[Stm32SpiV1] | type[Stm32SpiV2]) -> None:
        self.clock = Clock(HZ)
        self.line = Line()
        self.spi = kind(self.clock, self.line)
        self.spi.bus.select(self.spi.bus.attach(Loopback()), True)
        self.spi.reset()

    def read(self, offset: int, size: int = 4) -> int:
        return self.spi.read(offset, size)

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self.spi.write(offset, size, value)


def test_spi_v1_frame_takes_its_time() -> None:
    chip = Stm32(Stm32SpiV1)
    assert chip.read(SR) == TXE
    chip.write(CR1, MASTER | 2 << 3)  # divided by 8
    chip.write(DR, 0xA5)
    assert chip.read(SR) == TXE | BSY
    chip.write(DR, 0x5A)
    assert chip.read(SR) == BSY
    pass_time(chip.clock, 63)
    assert not chip.read(SR) & RXNE
    pass_time(chip.clock, 1)
    assert chip.read(SR) == RXNE | TXE | BSY
    assert chip.read(DR) == 0xA5
    pass_time(chip.clock, 64)
    assert chip.read(SR) == RXNE | TXE
    assert chip.read(DR) == 0x5A
    assert chip.read(SR) == TXE


def test_spi_v1_overrun_is_cleared_by_reading_data_then_status() -> None:
    chip = Stm32(Stm32SpiV1)
    chip.write(CR1, MASTER)
    for value in (1, 2):
        chip.write(DR, value)
        pass_time(chip.clock, 100)
        chip.read(SR)
    assert chip.read(SR) & OVR
    assert chip.read(DR) == 1
    assert chip.read(SR) & OVR
    assert not chip.read(SR) & OVR


def test_spi_v1_sixteen_bits_and_mode_fault() -> None:
    chip = Stm32(Stm32SpiV1)
    chip.write(CR1, MASTER | 1 << 11)
    chip.write(DR, 0xBEEF)
    pass_time(chip.clock, 100)
    assert chip.read(DR) == 0xBEEF
    chip.write(CR1, MASTER & ~(1 << 8))  # SSM without SSI
    assert chip.read(SR) & MODF
    assert not chip.read(CR1) & (1 << 2 | 1 << 6)


@pytest.mark.parametrize("kind", [Stm32SpiV1, Stm32SpiV2])
def test_spi_interrupts(kind: type[Stm32SpiV1] | type[Stm32SpiV2]) -> None:
    chip = Stm32(kind)
    chip.write(CR1, MASTER)
    chip.write(CR2, 0x1700 | 1 << 6)  # RXNEIE, 8 bits, FRXTH
    assert not chip.line.level
    chip.write(DR, 0x77, 1)
    assert not chip.line.level
    pass_time(chip.clock, 16)
    assert chip.line.level
    assert chip.read(DR, 1) == 0x77
    assert not chip.line.level
    chip.write(CR2, 0x1700 | 1 << 7)  # TXEIE
    assert chip.line.level
    chip.write(CR2, 0x1700)
    assert not chip.line.level


def test_spi_v2_fifos() -> None:
    chip = Stm32(Stm32SpiV2)
    assert chip.read(CR2) == 0x0700
    chip.write(CR1, MASTER)
    for value in (1, 2, 3, 4):
        chip.write(DR, value, 1)
    pass_time(chip.clock, 64)
    assert chip.read(SR) >> 9 & 3 == 3  # full
    assert chip.read(DR, 2) == 0x0201  # two frames in one access
    assert chip.read(DR, 1) == 3
    assert not chip.read(SR) & RXNE  # one byte is less than the threshold of two
    chip.write(CR2, 0x1700)
    assert chip.read(SR) & RXNE
    assert chip.read(DR, 1) == 4
    chip.write(DR, 0x2211, 2)
    pass_time(chip.clock, 64)
    assert chip.read(DR, 2) == 0x2211
    for _ in range(5):
        chip.write(DR, 0, 1)
        pass_time(chip.clock, 16)
    assert chip.read(SR) & OVR


@pytest.mark.parametrize(("data_size", "bits"), [(0, 8), (3, 4), (7, 8), (11, 12), (15, 16)])
def test_spi_v2_frame_sizes(data_size: int, bits: int) -> None:
    chip = Stm32(Stm32SpiV2)
    chip.write(CR2, data_size << 8 | 1 << 12)
    chip.write(CR1, MASTER)
    size = 2 if bits > 8 else 1
    chip.write(DR, 0xFEDC, size)
    pass_time(chip.clock, 2 * bits)
    assert chip.read(DR, size) == 0xFEDC & (1 << bits) - 1


FIFOCFG, FIFOSTAT, FIFOTRIG, FIFOINTENSET, FIFOWR, FIFORD = (
    0xE00, 0xE04, 0xE08, 0xE10, 0xE20, 0xE30,
)  # fmt: skip
SPI_CFG, SPI_STAT, SPI_DIV, PSELID = 0x400, 0x408, 0x424, 0xFF8
EIGHT_BITS, END, ALL_HIGH = 7 << 24, 1 << 20, 0xF << 16


class Lpc55:
    """A Flexcomm SPI with a loopback at SSEL1 and a NOR flash at SSEL0."""

    def __init__(self) -> None:
        self.clock = Clock(HZ)
        self.line = Line()
        self.spi = Lpc55Spi(self.clock, self.line)
        nor = NorFlash(0xEF4018, SIZE, lambda: self.clock.time_s)
        self.spi.lines = {0: self.spi.bus.attach(nor), 1: self.spi.bus.attach(Loopback())}
        self.spi.reset()
        self.write(PSELID, 2)
        self.write(SPI_CFG, 1 | 1 << 2)
        self.write(FIFOCFG, 3)

    def read(self, offset: int) -> int:
        return self.spi.read(offset, 4)

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self.spi.write(offset, size, value)

    def send(self, value: int, select: int, flags: int = 0) -> None:
        self.write(FIFOWR, value | EIGHT_BITS | ALL_HIGH & ~(1 << 16 + select) | flags)


def test_flexcomm_spi_selects_by_entry() -> None:
    chip = Lpc55()
    for value, flags in ((0x9F, 0), (0, 0), (0, 0), (0, END)):
        chip.send(value, 0, flags)
    pass_time(chip.clock, 32)
    answer = [chip.read(FIFORD) for _ in range(4)]
    assert bytes(a & 0xFF for a in answer) == b"\xff" + JEDEC_ID
    assert answer[0] >> 16 & 0xF == 0b1110
    assert chip.read(SPI_STAT) & (1 << 8 | 1 << 4 | 1 << 5)  # idle, selected, deselected
    chip.send(0x42, 1, END)
    pass_time(chip.clock, 8)
    assert chip.read(FIFORD) & 0xFF == 0x42


def test_flexcomm_spi_levels_and_interrupts() -> None:
    chip = Lpc55()
    chip.write(SPI_DIV, 9)
    chip.write(FIFOTRIG, 1 << 16 | 2)  # receive level: more than one entry
    chip.write(FIFOINTENSET, 1 << 3)
    for value in range(9):
        chip.send(value, 1)
    assert chip.read(FIFOSTAT) >> 8 & 0x1F == 8  # one is being shifted
    assert not chip.read(FIFOSTAT) & 1 << 5  # full
    pass_time(chip.clock, 80)
    assert not chip.line.level
    pass_time(chip.clock, 80)
    assert chip.line.level
    chip.read(FIFORD)
    assert not chip.line.level
    pass_time(chip.clock, 1000)
    assert chip.read(FIFOSTAT) & 1 << 7
    assert [chip.read(FIFORD) & 0xFF for _ in range(8)] == list(range(1, 9))
    chip.write(FIFOCFG, 3 | 1 << 17)
    assert chip.read(FIFOSTAT) >> 16 == 0


def test_flexcomm_spi_control_halfword_and_ignored_answers() -> None:
    chip = Lpc55()
    control = (EIGHT_BITS | ALL_HIGH & ~(1 << 17)) >> 16
    chip.write(FIFOWR + 2, control, 2)
    chip.write(FIFOWR, 0x33, 2)
    pass_time(chip.clock, 8)
    assert chip.read(FIFORD) & 0xFF == 0x33
    chip.send(0x44, 1, 1 << 22)
    pass_time(chip.clock, 8)
    assert not chip.read(FIFOSTAT) & 1 << 6


def test_flexcomm_spi_needs_its_function_and_enables() -> None:
    chip = Lpc55()
    chip.write(PSELID, 1)
    chip.send(0x55, 1)
    pass_time(chip.clock, 100)
    assert not chip.read(FIFOSTAT) & 1 << 6
    chip.write(PSELID, 2)
    pass_time(chip.clock, 100)
    assert chip.read(FIFOSTAT) & 1 << 6


# ---------------------------------------------------------------------- GPIO, serial ports, others


def test_stm32_gpio_drives_outputs_only() -> None:
    port = Stm32Gpio()
    port.reset()
    seen: list[bool | None] = []
    port.pins.listen(3, seen.append)
    port.write(0x18, 4, 1 << 3)  # BSRR
    assert seen == []
    port.write(0x00, 4, 1 << 6)
    port.write(0x18, 4, 1 << 19)
    port.write(0x14, 4, 0x0F)
    port.write(0x28, 4, 1 << 3)
    port.write(0x00, 4, 0)
    assert seen == [True, False, True, False, None]
    assert port.read(0x14, 4) == 0x07
    port.write(0x0C, 4, 1)  # a pull-up
    assert port.read(0x10, 4) == 1


def test_lpc55_gpio_has_many_ways_to_set_a_pin() -> None:
    gpio = Lpc55Gpio()
    gpio.reset()
    seen: list[bool | None] = []
    gpio.pins.listen(36, seen.append)  # PIO1_4
    gpio.write(0x2384, 4, 1 << 4)  # DIRSET
    for offset, size, value in (
        (0x2204, 4, 1 << 4),  # SET
        (0x2284, 4, 1 << 4),  # CLR
        (0x2304, 4, 1 << 4),  # NOT
        (0x2104, 4, 0),  # PIN
        (0x0024, 1, 1),  # the pin's byte
        (0x1090, 4, 0),  # the pin's word
    ):
        gpio.write(offset, size, value)
    assert seen == [False, True, False, True, False, True, False]
    gpio.write(0x2304, 4, 1 << 4)
    assert gpio.read(0x2104, 4) == 1 << 4
    assert gpio.read(0x0024, 1) == 1
    assert gpio.read(0x1090, 4) == 0xFFFFFFFF
    gpio.write(0x2404, 4, 1 << 4)  # DIRCLR
    assert seen[-1] is None


SETUPS: list[tuple[Callable[[Clock, Line], Device], list[tuple[int, int]], int, int, int]] = [
    (Stm32UsartV1, [(0x0C, 1 << 13 | 1 << 3 | 1 << 2 | 1 << 5)], 0x04, 0x04, 1 << 5),
    (Stm32UsartV2, [(0x00, 1 | 1 << 3 | 1 << 2 | 1 << 5)], 0x28, 0x24, 1 << 5),
    (
        Lpc55Usart,
        [(0xFF8, 1), (0x00, 1), (0xE00, 3), (0xE08, 2), (0xE10, 1 << 3)],
        0xE20,
        0xE30,
        1 << 6,
    ),
]


@pytest.mark.parametrize(("kind", "setup", "send", "receive", "flag"), SETUPS)
def test_serial_ports(
    kind: Callable[[Clock, Line], Device],
    setup: list[tuple[int, int]],
    send: int,
    receive: int,
    flag: int,
) -> None:
    line = Line()
    device = kind(Clock(HZ), line)
    device.reset()
    port = device.port  # type: ignore[attr-defined]  # all serial ports have one
    device.write(send, 4, ord("x"))
    assert port.output == b""  # not enabled yet
    device.reset()
    for offset, value in setup:
        device.write(offset, 4, value)
    for character in b"Hi":
        device.write(send, 4, character)
    assert port.output == b"Hi"
    assert not line.level
    port.feed(b"ok")
    assert line.level
    status = {0x04: 0x00, 0x28: 0x1C, 0xE20: 0xE04}[send]
    assert device.read(status, 4) & flag
    assert bytes(device.read(receive, 4) for _ in range(2)) == b"ok"
    assert not line.level


def test_serial_output_is_bounded() -> None:
    device = Stm32UsartV2(Clock(HZ), Line())
    device.write(0x00, 4, 1 | 1 << 3)
    for _ in range(70_000):
        device.write(0x28, 4, 0x41)
    assert len(device.port.output) == 65536


def test_register_rules() -> None:
    clock = Clock(HZ)
    bank = RegisterBank(
        (
            Register(
                "CR", 0, reset=0x83, set_bits=0x400, follows=(Follow(0x1, 1), Follow(0x10, 2))
            ),
            Register("ID", 4, reads=0x1234),
            Register("CNT", 8, counts_hz=1000),
        ),
        clock,
    )
    bank.reset()
    assert bank.read(0, 4) == 0x483
    bank.write(0, 4, 0x10)
    assert bank.read(0, 4) == 0x450
    bank.write(0, 1, 0x01)
    assert bank.read(0, 4) == 0x403
    bank.write(4, 4, 7)
    assert bank.read(4, 4) == 0x1234
    assert bank.read(5, 1) == 0x12
    clock.cycles += HZ * 5
    assert bank.read(8, 4) == 5000
    bank.write(12, 2, 0xBEEF)
    assert bank.read(12, 4) == 0xBEEF
    bank.reset()
    assert (bank.read(0, 4), bank.read(12, 4)) == (0x483, 0)


class Array:
    """A flash array for a flash controller."""

    def __init__(self) -> None:
        self.data = bytearray(b"\xff" * 0x10000)

    def find_bytes(self, address: int, size: int) -> bytes | None:
        return bytes(self.data[address : address + size])

    def program(self, address: int, data: bytes) -> None:
        self.data[address : address + len(data)] = data


def test_lpc55_flash_controller() -> None:
    array, line = Array(), Line()
    flash = Lpc55Flash(array, line)
    flash.reset()

    def command(number: int, start: int, stop: int = 0) -> int:
        flash.write(0xFE8, 4, 0x1F)
        flash.write(0x10, 4, start // 16)
        flash.write(0x14, 4, (stop or start) // 16)
        flash.write(0x00, 4, number)
        return flash.read(0xFE0, 4)

    done, fail = 4, 1
    assert command(5, 0x400, 0x5F0) == done  # blank
    for row in range(32):
        for i in range(4):
            flash.write(0x80 + 4 * i, 4, row * 4 + i)
        assert command(8, 0x400 + 16 * row) == done
    assert command(12, 0x400) == done
    assert command(5, 0x200, 0x5F0) == done | fail
    assert flash.read(0x80, 4) == 0x400 // 16
    assert array.data[0x400:0x408] == b"\0\0\0\0\1\0\0\0"
    assert command(12, 0x400) == done | fail  # programmed already
    assert command(3, 0x410) == done
    assert flash.read(0x80, 4) == 4
    flash.write(0xFDC, 4, done)
    assert line.level
    assert command(4, 0x400) == done
    assert array.data[0x400 : 0x400 + PAGE_SIZE] == b"\xff" * PAGE_SIZE
    assert command(5, 0x400) == done
    assert command(4, 0x9DE00) == done | 2
    flash.write(0xFE8, 4, 0x1F)
    assert not line.level
