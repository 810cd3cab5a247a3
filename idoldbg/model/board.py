"""Chips and boards as values: what `targets/*.toml` describes, without any TOML.

A chip says where its memory is, what its peripherals read, and which of them has a device model; a
board adds what is wired to the chip, how a debug probe attaches to it, and which builds are for it.
Addresses are absolute, sizes are in bytes. The emulator (`idoldbg.target.emulated.emu`) turns a
`Board` into a running machine; `idoldbg.target.board_files` reads the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise

from idol.records import dataclass, field, replace
from idoldbg.model.identification import Identification, identification_problems
from idoldbg.model.own_device import OwnDevice, own_device_problems

__all__ = [
    "Board",
    "Chip",
    "ChipSelect",
    "ClockRule",
    "Core",
    "Emulation",
    "Follow",
    "IoWindow",
    "Led",
    "MemoryKind",
    "MemoryRegion",
    "PERIPHERAL_MODELS",
    "Peripheral",
    "ProbeSettings",
    "Register",
    "SPI_DEVICE_MODELS",
    "SpiDevice",
    "Uart",
    "match_boards",
    "validate_board",
    "validate_chip",
    "unmodelled_chip",
]

PERIPHERAL_MODELS = frozenset(
    {
        "registers",
        "stm32-gpio",
        "stm32-i2c-v1",
        "stm32-i2c-v2",
        "stm32-spi-v1",
        "stm32-spi-v2",
        "stm32-timer",
        "stm32-usart-v1",
        "stm32-usart-v2",
        "stm32f4-flash",
        "stm32g0-flash",
        "stm32h7-flash",
        "lpc55-ctimer",
        "lpc55-gpio",
        "lpc55-i2c",
        "lpc55-spi",
        "lpc55-usart",
        "lpc55-flash",
        "lpc55-rom-api",
    }
)
"""Names that a peripheral's `model` may have; `registers` is a plain bank of words."""

I2C_MODELS = frozenset({"stm32-i2c-v1", "stm32-i2c-v2", "lpc55-i2c"})
SPI_MODELS = frozenset({"stm32-spi-v1", "stm32-spi-v2", "lpc55-spi"})
USART_MODELS = frozenset({"stm32-usart-v1", "stm32-usart-v2", "lpc55-usart"})
GPIO_MODELS = frozenset({"stm32-gpio", "lpc55-gpio"})

SPI_DEVICE_MODELS = frozenset({"nor-flash", "loopback"})
"""Names that a board's SPI device may have as its `model`."""

PART_LENGTH = len("stm32h743zi")  # a part number without package and temperature range

_PPB = (0xE0000000, 0xE0100000)


class Core(StrEnum):
    """Processor cores that Hubris runs on."""

    CORTEX_M0PLUS = "cortex-m0plus"
    CORTEX_M4 = "cortex-m4"
    CORTEX_M7 = "cortex-m7"
    CORTEX_M33 = "cortex-m33"


class MemoryKind(StrEnum):
    """Kind of a memory region: decides who may write it and what a reset does."""

    FLASH = "flash"
    RAM = "ram"
    ROM = "rom"


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """Memory that the core sees at `address` and again, the same bytes, at each of `aliases`."""

    name: str
    address: int
    size: int
    kind: MemoryKind
    aliases: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """First address after the region."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class IoWindow:
    """A range of the peripheral bus in which every access is answered."""

    address: int
    size: int
    aliases: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """First address after the window."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Follow:
    """Status bits that mirror control bits: `bits`, shifted left by `shift`, read as `bits` do."""

    bits: int
    shift: int


@dataclass(frozen=True, slots=True)
class Register:
    """Read behaviour of a 32-bit register that is not "as last written, 0 after reset".

    `set_bits` always read as ones. `reads` makes the register a constant. `counts_hz` makes it a
    free-running 32-bit counter of virtual time.
    """

    name: str
    offset: int
    reset: int = 0
    set_bits: int = 0
    follows: tuple[Follow, ...] = ()
    reads: int | None = None
    counts_hz: int | None = None


@dataclass(frozen=True, slots=True)
class Peripheral:
    """A block of registers. `interrupt` is its NVIC number (IRQ 0 = exception 16).

    `error_interrupt` is the number of the second line that some I2C controllers have.
    """

    name: str
    address: int
    size: int
    model: str = "registers"
    interrupt: int | None = None
    error_interrupt: int | None = None
    registers: tuple[Register, ...] = ()

    @property
    def end(self) -> int:
        """First address after the block."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class ClockRule:
    """The core clock is `hz` while `(word at address) & mask == value`; the first match counts."""

    address: int
    mask: int
    value: int
    hz: int


@dataclass(frozen=True, slots=True)
class Chip:
    """A microcontroller family as far as firmware and debuggers can see it.

    `vector_table` is where the core fetches SP and PC from after reset. `clock_hz` is the core
    clock after reset. `interrupts` counts NVIC lines, `priority_bits` the implemented bits of an
    interrupt priority. `keep_awake` is a register, and the bits that keep its debug port's clock
    on while the core sleeps. A chip that has no file is not modelled: `core` is None, and nothing
    else is known either.
    """

    name: str
    description: str
    core: Core | None
    clock_hz: int
    interrupts: int
    priority_bits: int
    vector_table: int
    memory: tuple[MemoryRegion, ...]
    io: tuple[IoWindow, ...]
    peripherals: tuple[Peripheral, ...] = ()
    clocks: tuple[ClockRule, ...] = ()
    identification: Identification | None = None
    keep_awake: tuple[int, int] | None = None

    @property
    def is_modelled(self) -> bool:
        """Whether there is a file of it, so that it can be emulated and its memory is known."""
        return self.core is not None

    def find_peripheral(self, name: str) -> Peripheral | None:
        """Return the peripheral called `name`."""
        return next((p for p in self.peripherals if p.name == name), None)

    def find_memory(self, name: str) -> MemoryRegion | None:
        """Return the memory region called `name`."""
        return next((m for m in self.memory if m.name == name), None)


@dataclass(frozen=True, slots=True)
class ChipSelect:
    """Chip select of an SPI device: a GPIO pin (`port`, `pin`) or the controller's `line`."""

    port: str | None = None
    pin: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class SpiDevice:
    """A device on the SPI controller called `bus`. Chip selects are active low.

    `jedec_id` and `size` apply to `nor-flash`.
    """

    name: str
    model: str
    bus: str
    select: ChipSelect
    jedec_id: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Led:
    """A light on a GPIO pin."""

    name: str
    port: str
    pin: int
    active_low: bool = False


@dataclass(frozen=True, slots=True)
class Uart:
    """A serial port that the board leads out, on the USART called `peripheral`."""

    name: str
    peripheral: str


@dataclass(frozen=True, slots=True)
class Emulation:
    """Parts of the emulated board besides the chip.

    `memory` gives sizes of chip memories that differ on this board's part.
    """

    memory: tuple[tuple[str, int], ...] = ()
    spi_devices: tuple[SpiDevice, ...] = ()
    leds: tuple[Led, ...] = ()
    uarts: tuple[Uart, ...] = ()
    devices: tuple[OwnDevice, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """pyOCD's settings for the real board.

    `pyocd_target` is what to attach as (`cortex_m` needs nothing installed). `flash_target` is the
    pyOCD target that can program the flash, `pack` the CMSIS pack part that provides it (None:
    built in). `notes` are attach quirks for people. `access_port` and `speed_hz` are those of
    `idoldbg.target.probe.link.ProbeOptions`: the number of the memory access port (its address on
    ADIv6), and the debug clock, None for pyOCD's default. `connect` is how to attach where the user
    does not say.
    """

    pyocd_target: str = "cortex_m"
    flash_target: str | None = None
    pack: str | None = None
    notes: tuple[str, ...] = ()
    access_port: int = 0
    speed_hz: int | None = None
    connect: str | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A board that Hubris runs on.

    `archive_names` are the values of `board = "…"` in a build's `app.toml` that mean this board.
    `part` is the exact chip. `emulation` is None where the board cannot be emulated, as where its
    chip is not modelled. `folder` is that of the user's own board file, "" for bundled ones: device
    models may be files in it.
    """

    name: str
    description: str
    chip: Chip
    part: str
    archive_names: tuple[str, ...]
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    emulation: Emulation | None = None
    folder: str = ""

    def memory(self) -> tuple[MemoryRegion, ...]:
        """Return the chip's memory regions with the sizes of this board's part."""
        sizes = dict(self.emulation.memory) if self.emulation else {}
        return tuple(replace(m, size=sizes.get(m.name, m.size)) for m in self.chip.memory)


def unmodelled_chip(name: str) -> Chip:
    """Return a chip of which nothing but its name is known: pyOCD may know more."""
    return Chip(name, "", None, 0, 0, 0, 0, (), (), ())


def match_boards(known: Iterable[Board], name: str | None, target: str | None) -> tuple[str, ...]:
    """Return the names of the boards that a probe may be part of.

    `name` and `target` are what pyOCD calls its board and chip (`NUCLEO-H743ZI2`, `stm32h743zitx`).
    A board of that name is the only answer; else those whose chip it is, up to the memory size.
    """
    boards = list(known)
    named = [b.name for b in boards if name is not None and _plain(b.name) == _plain(name)]
    if named or target is None:
        return tuple(named)
    part = _plain(target)[:PART_LENGTH]
    return tuple(b.name for b in boards if b.part and _plain(b.part)[:PART_LENGTH] == part)


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def validate_chip(chip: Chip) -> list[str]:
    """Return what is wrong with a chip, as sentences; empty when it makes sense."""
    problems = [*_overlaps(_chip_ranges(chip.memory, chip.io)), *_duplicates(chip)]
    if chip.clock_hz <= 0:
        problems.append("`clock_hz` must be positive")
    if not 1 <= chip.interrupts <= 480:
        problems.append("`interrupts` must be 1 to 480")
    if not 2 <= chip.priority_bits <= 8:
        problems.append("`priority_bits` must be 2 to 8")
    if chip.vector_table % 128:
        problems.append(f"`vector_table` 0x{chip.vector_table:08x} is not a multiple of 128")
    if not any(
        start <= chip.vector_table < start + m.size
        for m in chip.memory
        for start in (m.address, *m.aliases)
    ):
        problems.append(f"`vector_table` 0x{chip.vector_table:08x} is in no memory")
    for peripheral in chip.peripherals:
        problems += _peripheral_problems(chip, peripheral)
    problems += _overlaps([(p.address, p.size, f"peripheral `{p.name}`") for p in chip.peripherals])
    for rule in chip.clocks:
        if rule.hz <= 0 or rule.value & ~rule.mask:
            problems.append(f"clock rule at 0x{rule.address:08x} can never apply")
        if not any(w.address <= rule.address < w.end for w in chip.io):
            problems.append(f"clock rule at 0x{rule.address:08x} is in no io window")
    if chip.identification is not None:
        problems += identification_problems(chip.identification)
    return problems


def validate_board(board: Board) -> list[str]:
    """Return what is wrong with a board, as sentences; empty when it makes sense."""
    problems: list[str] = []
    if board.probe.speed_hz is not None and board.probe.speed_hz <= 0:
        problems.append("`probe.speed_hz` must be positive")
    if board.probe.connect not in (None, "attach", "under-reset", "awake"):
        problems.append("`probe.connect` must be `attach`, `under-reset` or `awake`")
    if board.emulation is None:
        return problems
    emulation, chip = board.emulation, board.chip
    for name, size in emulation.memory:
        if chip.find_memory(name) is None:
            problems.append(f"`emulation.memory` sizes `{name}`, which chip `{chip.name}` lacks")
        problems += _granularity(f"memory `{name}`", 0, size)
    problems += _overlaps(_chip_ranges(board.memory(), chip.io))
    names = [d.name for d in emulation.spi_devices] + [d.name for d in emulation.devices]
    problems += [f"two devices are called `{n}`" for n in sorted(set(names)) if names.count(n) > 1]
    for own in emulation.devices:
        problems += _own_device_problems(chip, own)
    problems += _shared_i2c(emulation.devices)
    for device in emulation.spi_devices:
        problems += _spi_device_problems(chip, device)
    for led in emulation.leds:
        problems += _model_problems(chip, led.port, GPIO_MODELS, f"LED `{led.name}`")
    for uart in emulation.uarts:
        problems += _model_problems(chip, uart.peripheral, USART_MODELS, f"UART `{uart.name}`")
    return problems


def _chip_ranges(
    memory: tuple[MemoryRegion, ...], io: tuple[IoWindow, ...]
) -> list[tuple[int, int, str]]:
    ranges = [
        (start, m.size, f"memory `{m.name}`") for m in memory for start in (m.address, *m.aliases)
    ]
    ranges += [
        (start, w.size, f"io window 0x{w.address:08x}")
        for w in io
        for start in (w.address, *w.aliases)
    ]
    ranges.append((_PPB[0], _PPB[1] - _PPB[0], "the core's private peripheral bus"))
    return ranges


def _overlaps(ranges: list[tuple[int, int, str]]) -> Iterator[str]:
    ordered = sorted(ranges)
    for start, size, name in ordered:
        yield from _granularity(name, start, size)
    for (start, size, name), (following, _, other) in pairwise(ordered):
        if start + size > following:
            yield f"{name} at 0x{start:08x} and {other} at 0x{following:08x} overlap"


def _granularity(name: str, start: int, size: int) -> list[str]:
    unit = 0x100 if name.startswith("peripheral") else 0x400
    if size <= 0 or start % unit or size % unit or start + size > 1 << 32:
        return [f"{name}: address and size must be multiples of 0x{unit:x} within 4 GiB"]
    return []


def _duplicates(chip: Chip) -> list[str]:
    names = [m.name for m in chip.memory] + [p.name for p in chip.peripherals]
    return [f"the name `{n}` is used twice" for n in sorted(set(names)) if names.count(n) > 1]


def _peripheral_problems(chip: Chip, peripheral: Peripheral) -> list[str]:
    where = f"peripheral `{peripheral.name}`"
    problems = []
    if peripheral.model not in PERIPHERAL_MODELS:
        known = ", ".join(sorted(PERIPHERAL_MODELS))
        problems.append(f"{where} has the unknown model `{peripheral.model}` (known: {known})")
    if peripheral.registers and peripheral.model != "registers":
        problems.append(f"{where}: its model decides what it reads; drop `registers`")
    if not any(w.address <= peripheral.address and peripheral.end <= w.end for w in chip.io):
        problems.append(f"{where} at 0x{peripheral.address:08x} is in no io window")
    for line in (peripheral.interrupt, peripheral.error_interrupt):
        if line is not None and not 0 <= line < chip.interrupts:
            problems.append(f"{where}: no such interrupt: {line}")
    seen: set[int] = set()
    for register in peripheral.registers:
        if register.offset % 4 or not 0 <= register.offset < peripheral.size:
            problems.append(f"{where}: register `{register.name}` is at no word of it")
        if register.offset in seen:
            problems.append(f"{where}: two registers at offset 0x{register.offset:x}")
        seen.add(register.offset)
        words = (register.reset, register.set_bits, register.reads or 0)
        if any(not 0 <= word < 1 << 32 for word in words):
            problems.append(f"{where}: register `{register.name}` does not fit 32 bits")
        if any(
            not 0 < follow.bits << max(follow.shift, 0) < 1 << 32 for follow in register.follows
        ):
            problems.append(f"{where}: register `{register.name}` has a `follows` past bit 31")
    return problems


def _model_problems(chip: Chip, name: str, models: frozenset[str], what: str) -> list[str]:
    peripheral = chip.find_peripheral(name)
    if peripheral is None:
        return [f"{what} names `{name}`, which chip `{chip.name}` lacks"]
    if peripheral.model not in models:
        return [f"{what} needs a {' or '.join(sorted(models))}, but `{name}` is {peripheral.model}"]
    return []


def _own_device_problems(chip: Chip, device: OwnDevice) -> list[str]:
    what = f"device `{device.name}`"
    problems = own_device_problems(device)
    if device.i2c is not None:
        problems += _model_problems(chip, device.i2c.bus, I2C_MODELS, what)
    if device.spi is not None:
        problems += _model_problems(chip, device.spi, SPI_MODELS, what)
    if device.uart is not None:
        problems += _model_problems(chip, device.uart, USART_MODELS, what)
    for pin in device.pins:
        problems += _model_problems(chip, pin.port, GPIO_MODELS, what)
    mapped = device.mapped
    if mapped is None:
        return problems
    end = mapped.address + mapped.size
    problems += _granularity(f"peripheral of {what}", mapped.address, mapped.size)
    if not any(w.address <= mapped.address and end <= w.end for w in chip.io):
        problems.append(f"{what} at 0x{mapped.address:08x} is in no io window")
    problems += [
        f"{what} at 0x{mapped.address:08x} and peripheral `{p.name}` overlap"
        for p in chip.peripherals
        if p.address < end and mapped.address < p.end
    ]
    if mapped.interrupt is not None and not 0 <= mapped.interrupt < chip.interrupts:
        problems.append(f"{what}: no such interrupt: {mapped.interrupt}")
    return problems


def _shared_i2c(devices: tuple[OwnDevice, ...]) -> list[str]:
    places = [(d.i2c.bus, d.i2c.address) for d in devices if d.i2c is not None]
    return [
        f"two devices on `{bus}` have the address 0x{address:02x}"
        for bus, address in sorted(set(places))
        if places.count((bus, address)) > 1
    ]


def _spi_device_problems(chip: Chip, device: SpiDevice) -> list[str]:
    what = f"SPI device `{device.name}`"
    problems = _model_problems(chip, device.bus, SPI_MODELS, what)
    select = device.select
    if device.model not in SPI_DEVICE_MODELS:
        known = ", ".join(sorted(SPI_DEVICE_MODELS))
        problems.append(f"{what} has the unknown model `{device.model}` (known: {known})")
    if (select.line is None) == (select.port is None or select.pin is None):
        problems.append(f"{what} needs either `line`, or `port` and `pin`, in its `select`")
    if select.port is not None:
        problems += _model_problems(chip, select.port, GPIO_MODELS, what)
    if device.model == "nor-flash":
        if not 0 < device.jedec_id < 1 << 24:
            problems.append(f"{what} needs a 24-bit `jedec_id`")
        if device.size < 4096 or device.size & (device.size - 1) or device.size > 1 << 24:
            problems.append(f"{what}: `size` must be a power of two from 4 KiB to 16 MiB")
    return problems
