"""Connects what a board's description names: interrupts, chip selects, lights, serial ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from idoldbg.errors import NotFound
from idoldbg.model.board import Emulation, Led, Peripheral, SpiDevice
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_flash import FlashMemory, Lpc55Flash, ProgrammedPages
from idoldbg.target.emulated.emu.devices.nor_flash import NorFlash
from idoldbg.target.emulated.emu.devices.pins import Pins
from idoldbg.target.emulated.emu.devices.spi_bus import Loopback, SpiBus, SpiPeer
from idoldbg.target.emulated.emu.devices.uart_port import UartPort

__all__ = ["SPI_PEERS", "BoardMemory", "Wiring", "wire_board"]

SPI_PEERS = frozenset({"nor-flash", "loopback"})
"""The same names as `idoldbg.model.board.SPI_DEVICE_MODELS`."""


class BoardMemory(FlashMemory, Protocol):
    """The memory that device models get at, and the devices by name."""

    devices: dict[str, Device]


@runtime_checkable
class _HasPins(Protocol):
    pins: Pins


@runtime_checkable
class _HasPort(Protocol):
    port: UartPort


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

    def interrupt(self, peripheral: Peripheral) -> Callable[[bool], None]:
        """Return what drives a peripheral's interrupt line."""
        number = peripheral.interrupt
        if number is None:
            return lambda _level: None
        return lambda level: self._set_line(number, level)

    def flash_controller(self, controller: Lpc55Flash) -> Lpc55Flash:
        """Let a flash controller share the record of programmed pages."""
        controller.programmed = self.programmed_pages
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
        controller = self.memory.devices[device.bus]
        assert isinstance(controller, _HasBus)  # validate_board has made sure
        bus = controller.bus
        index = bus.attach(peer)
        self._spi[device.name] = peer
        self._buses[device.bus] = bus
        if device.select.line is not None:
            controller.lines[device.select.line] = index
        else:
            assert device.select.port is not None
            assert device.select.pin is not None
            pins = self._pins(device.select.port)
            pins.listen(device.select.pin, lambda level: bus.select(index, level is False))

    def connect_led(self, led: Led) -> None:
        """Put a light on its pin."""
        self._leds.append((led, self._pins(led.port)))

    def connect_uart(self, name: str, peripheral: str) -> None:
        """Lead out a serial port."""
        device = self.memory.devices[peripheral]
        assert isinstance(device, _HasPort)  # validate_board has made sure
        self._uarts[name] = device.port
        sink = self._uart_sink
        if sink is not None:
            device.port.sink = lambda data: sink(name, data)

    def _pins(self, port: str) -> Pins:
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
        port = self._uarts.get(name)
        if port is None:
            raise NotFound("serial port", name, hint=f"known: {', '.join(self._uarts) or 'none'}")
        port.feed(data)

    def spi_contents(self, name: str) -> bytes:
        """Return what an SPI flash holds."""
        peer = self._spi.get(name)
        if not isinstance(peer, NorFlash):
            known = [n for n, p in self._spi.items() if isinstance(p, NorFlash)]
            raise NotFound("SPI flash", name, hint=f"known: {', '.join(known) or 'none'}")
        return peer.contents()

    # ------------------------------------------------------------------ snapshots

    def _parts(self) -> dict[str, UartPort | SpiPeer | SpiBus]:
        return {
            **{f"uart {name}": port for name, port in self._uarts.items()},
            **{f"spi {name}": peer for name, peer in self._spi.items()},
            **{f"bus {name}": bus for name, bus in self._buses.items()},
        }

    def save(self) -> dict[str, tuple[object, ...]]:
        """Return the state of everything outside the chip."""
        state = {name: part.save() for name, part in self._parts().items()}
        state["(pages)"] = (frozenset(self.programmed_pages.pages),)
        return state

    def restore(self, state: Mapping[str, tuple[object, ...]]) -> None:
        """Go back to a snapshot."""
        for name, part in self._parts().items():
            part.restore(state[name])
        (pages,) = state["(pages)"]
        assert isinstance(pages, frozenset)
        self.programmed_pages.pages = set(pages)


def wire_board(emulation: Emulation, wiring: Wiring, nor_contents: Mapping[str, bytes]) -> None:
    """Connect what a board has besides its chip."""
    for device in emulation.spi_devices:
        wiring.connect_spi(device, nor_contents.get(device.name, b""))
    for led in emulation.leds:
        wiring.connect_led(led)
    for uart in emulation.uarts:
        wiring.connect_uart(uart.name, uart.peripheral)
