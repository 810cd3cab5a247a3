"""Connects what a board's description names: interrupts, chip selects, lights, serial ports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from idoldbg.errors import NotFound
from idoldbg.model.board import Emulation, Led, Peripheral, SpiDevice
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device, StatefulPart
from idoldbg.target.emulated.emu.devices.i2c_bus import I2cBus, I2cPeer
from idoldbg.target.emulated.emu.devices.lpc55_flash import Lpc55Flash, ProgrammedPages
from idoldbg.target.emulated.emu.devices.nor_flash import NorFlash
from idoldbg.target.emulated.emu.devices.own_wiring import OwnDevices
from idoldbg.target.emulated.emu.devices.pins import Pins
from idoldbg.target.emulated.emu.devices.spi_bus import Loopback, SpiBus, SpiPeer
from idoldbg.target.emulated.emu.devices.stm32_flash import FlashArray, Stm32FlashController
from idoldbg.target.emulated.emu.devices.uart_port import UartPort

__all__ = ["SPI_PEERS", "BoardMemory", "Wiring", "wire_board"]

T = TypeVar("T")
SPI_PEERS = frozenset({"nor-flash", "loopback"})
"""The same names as `idoldbg.model.board.SPI_DEVICE_MODELS`."""


class BoardMemory(FlashArray, Protocol):
    """The memory that device models get at, and the devices by name."""

    devices: dict[str, Device]
    flash_size: int

    def attach_flash_controller(self, controller: Stm32FlashController) -> None:
        """Let stores to flash go to a controller while it is unlocked for programming."""

    def add_device(self, name: str, address: int, size: int, device: Device) -> None:
        """Put a device at an address."""


@runtime_checkable
class _HasPins(Protocol):
    pins: Pins


@runtime_checkable
class _HasPort(Protocol):
    port: UartPort


@runtime_checkable
class _HasI2c(Protocol):
    i2c: I2cBus


@runtime_checkable
class _HasBus(Protocol):
    bus: SpiBus
    lines: dict[int, int]


class Wiring:
    """Connections of the device models."""

    def __init__(
        self,
        clock: Clock,
        memory: BoardMemory,
        set_line: Callable[[int, bool], None],
        uart_sink: Callable[[str, bytes], None] | None,
    ) -> None:
        self.clock = clock
        self.memory = memory
        self.programmed_pages = ProgrammedPages()
        self._set_line = set_line
        self._uart_sink = uart_sink
        self._leds: list[tuple[Led, Pins]] = []
        self._uarts: dict[str, UartPort] = {}
        self._spi: dict[str, SpiPeer] = {}
        self._buses: dict[str, SpiBus] = {}
        self.own = OwnDevices(self)

    def interrupt(self, peripheral: Peripheral) -> Callable[[bool], None]:
        """Return what drives a peripheral's interrupt line."""
        return self.line(peripheral.interrupt)

    def error_interrupt(self, peripheral: Peripheral) -> Callable[[bool], None]:
        """Return what drives a peripheral's second line, or its only one."""
        number = peripheral.error_interrupt
        return self.line(peripheral.interrupt if number is None else number)

    def line(self, number: int | None) -> Callable[[bool], None]:
        """Return what drives an interrupt line of the NVIC."""
        if number is None:
            return lambda _level: None
        return lambda level: self._set_line(number, level)

    def flash_controller(self, controller: Lpc55Flash) -> Lpc55Flash:
        """Let a flash controller share the record of programmed pages."""
        controller.programmed = self.programmed_pages
        return controller

    def stm32_flash(
        self, make: Callable[..., Stm32FlashController], peripheral: Peripheral
    ) -> Device:
        """Make the controller of the flash, to which stores into it go."""
        controller = make(self.memory, self.memory.flash_size, self.interrupt(peripheral))
        self.memory.attach_flash_controller(controller)
        return controller

    def image_loaded(self, address: int, size: int) -> None:
        """Take notice that a loader or debugger has programmed memory."""
        self.programmed_pages.add(address, size)

    def flash_erased(self) -> None:
        """Take notice that a programmer has erased all flash."""
        self.programmed_pages.pages.clear()

    # ------------------------------------------------------------------ connecting

    def connect_spi(self, device: SpiDevice, contents: bytes) -> None:
        """Put a device on its bus and its chip select on a pin or a line of the controller."""
        if device.model == "nor-flash":
            now_s = self._now_s
            peer: SpiPeer = NorFlash(device.jedec_id, device.size, now_s, contents)
        else:
            peer = Loopback()
        select = device.select
        pin = None if select.port is None or select.pin is None else (select.port, select.pin)
        self.attach_spi(device.name, device.bus, peer, select.line, pin)

    def connect_i2c(self, bus: str, address: int, peer: I2cPeer) -> None:
        """Put a device on an I2C bus."""
        controller = self.memory.devices[bus]
        assert isinstance(controller, _HasI2c)  # validate_board has made sure
        controller.i2c.attach(address, peer)

    def connect_led(self, led: Led) -> None:
        """Put a light on its pin."""
        self._leds.append((led, self.pins_of(led.port)))

    def connect_uart(self, name: str, peripheral: str) -> None:
        """Lead out a serial port."""
        port = self._uarts[name] = self.port_of(peripheral)
        sink = self._uart_sink
        if sink is not None:
            port.sink = lambda data: sink(name, data)

    def attach_spi(
        self, name: str, bus_name: str, peer: SpiPeer, line: int | None, pin: tuple[str, int] | None
    ) -> None:
        """Put a device on an SPI bus, and its chip select on a line or a pin."""
        controller = self.memory.devices[bus_name]
        assert isinstance(controller, _HasBus)  # validate_board has made sure
        bus = controller.bus
        index = bus.attach(peer)
        self._spi[name] = peer
        self._buses[bus_name] = bus
        if line is not None:
            controller.lines[line] = index
        elif pin is not None:
            pins = self.pins_of(pin[0])
            pins.listen(pin[1], lambda level: bus.select(index, level is False))

    def port_of(self, peripheral: str) -> UartPort:
        """Return the serial port of a USART; raise `NotFound`."""
        return self._find(peripheral, "serial port", _HasPort, self._uarts).port

    def pins_of(self, port: str) -> Pins:
        device = self.memory.devices[port]
        assert isinstance(device, _HasPins)  # validate_board has made sure
        return device.pins

    def _now_s(self) -> float:
        return self.clock.time_s

    # ------------------------------------------------------------------ looking

    def led_states(self) -> dict[str, bool]:
        """Return which lights are on."""
        states = {}
        for led, pins in self._leds:
            level = pins.level(led.pin)
            states[led.name] = level is not None and level is not led.active_low
        return states

    def uart_output(self) -> dict[str, bytes]:
        """Return what the serial ports have sent."""
        return {name: bytes(port.output) for name, port in self._uarts.items()}

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive."""
        (self._uarts.get(name) or self.port_of(name)).feed(data)

    def uart_sent(self, name: str) -> bytes:
        """Return what a serial port has sent, by its name or its USART's; raise `NotFound`."""
        return bytes((self._uarts.get(name) or self.port_of(name)).output)

    def i2c_bus(self, name: str) -> I2cBus:
        """Return the bus of an I2C controller; raise `NotFound`."""
        return self._find(name, "I2C controller", _HasI2c).i2c

    def find_pins(self, port: str) -> Pins:
        """Return the pins of a GPIO port; raise `NotFound`."""
        return self._find(port, "GPIO port", _HasPins).pins

    def _find(self, name: str, what: str, kind: type[T], also: Iterable[str] = ()) -> T:
        device: object = self.memory.devices.get(name)
        if not isinstance(device, kind):
            known = [n for n, d in self.memory.devices.items() if isinstance(d, kind)]
            known = [*also, *known]
            raise NotFound(what, name, hint=f"known: {', '.join(known) or 'none'}")
        return device

    def spi_contents(self, name: str) -> bytes:
        """Return what an SPI flash holds."""
        peer = self._spi.get(name)
        if not isinstance(peer, NorFlash):
            known = [n for n, p in self._spi.items() if isinstance(p, NorFlash)]
            raise NotFound("SPI flash", name, hint=f"known: {', '.join(known) or 'none'}")
        return peer.contents()

    # ------------------------------------------------------------------ snapshots

    def _parts(self) -> dict[str, StatefulPart]:
        ports = {n: d.port for n, d in self.memory.devices.items() if isinstance(d, _HasPort)}
        buses = {n: d.i2c for n, d in self.memory.devices.items() if isinstance(d, _HasI2c)}
        return {
            **{f"uart {name}": port for name, port in ports.items()},
            **{f"i2c {name}": bus for name, bus in buses.items()},
            **{f"spi {name}": peer for name, peer in self._spi.items()},
            **{f"bus {name}": bus for name, bus in self._buses.items()},
        }

    def save(self) -> dict[str, tuple[object, ...]]:
        """Return the state of everything outside the chip."""
        state = {name: part.save() for name, part in self._parts().items()}
        state["(pages)"] = (frozenset(self.programmed_pages.pages),)
        state.update(self.own.save())
        return state

    def restore(self, state: Mapping[str, tuple[object, ...]]) -> None:
        """Go back to a snapshot."""
        for name, part in self._parts().items():
            part.restore(state[name])
        self.own.restore(state)
        (pages,) = state["(pages)"]
        assert isinstance(pages, frozenset)
        self.programmed_pages.pages = set(pages)


def wire_board(
    emulation: Emulation, wiring: Wiring, nor_contents: Mapping[str, bytes], folder: str
) -> None:
    """Connect what a board has besides its chip; `folder` is that of its file (`Board.folder`)."""
    for device in emulation.spi_devices:
        wiring.connect_spi(device, nor_contents.get(device.name, b""))
    for led in emulation.leds:
        wiring.connect_led(led)
    for uart in emulation.uarts:
        wiring.connect_uart(uart.name, uart.peripheral)
    for own in emulation.devices:
        wiring.own.connect(own, folder)
