"""The LPC55's GPIO block (NXP UM11126, chapter "General Purpose I/O"): ports 0 and 1."""

from __future__ import annotations

from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.pins import Pins

__all__ = ["Lpc55Gpio"]

_PORTS, _PINS = 2, 32
_BYTES, _WORDS = 0x0000, 0x1000
_DIR, _MASK, _PIN, _MPIN, _SET, _CLR, _NOT = (
    0x2000, 0x2080, 0x2100, 0x2180, 0x2200, 0x2280, 0x2300,
)  # fmt: skip
_DIRSET, _DIRCLR, _DIRNOT = 0x2380, 0x2400, 0x2480
_ALL = 0xFFFFFFFF


class Lpc55Gpio(Device):
    """Pin n of port p is number 32 * p + n. An output drives its latch; an input is pulled down."""

    STATE = ("_direction", "_latch", "_mask")

    def __init__(self) -> None:
        self.pins = Pins()
        self._direction = [0] * _PORTS
        self._latch = [0] * _PORTS
        self._mask = [0] * _PORTS

    def reset(self) -> None:
        self._direction = [0] * _PORTS
        self._latch = [0] * _PORTS
        self._mask = [0] * _PORTS
        for port in range(_PORTS):
            self._drive(port)

    def read(self, offset: int, size: int) -> int:
        if offset < _WORDS:  # one byte for each pin
            bits = (self._level(offset + i) << 8 * i for i in range(size))
            return sum(bits)
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        if offset < _WORDS:
            for i in range(size):
                self._set_pin(offset + i, bool(value >> 8 * i & 0xFF))
        else:
            super().write(offset, size, value)

    def restore(self, state: tuple[object, ...]) -> None:
        super().restore(state)
        for port in range(_PORTS):
            self._drive(port)

    def read_word(self, offset: int) -> int:
        if offset < _DIR:
            return _ALL if self._level((offset - _WORDS) >> 2) else 0
        block, port = offset & ~0x7F, offset >> 2 & 0x1F
        if port >= _PORTS:
            return 0
        if block == _DIR:
            return self._direction[port]
        if block == _MASK:
            return self._mask[port]
        levels = self._levels(port)
        if block == _PIN:
            return levels
        if block == _MPIN:
            return levels & ~self._mask[port]
        return self._latch[port] if block == _SET else 0

    def write_word(self, offset: int, value: int) -> None:
        if offset < _DIR:
            self._set_pin((offset - _WORDS) >> 2, bool(value))
            return
        block, port = offset & ~0x7F, offset >> 2 & 0x1F
        if port >= _PORTS:
            return
        if block == _MASK:
            self._mask[port] = value
        latch, direction, mask = self._latch[port], self._direction[port], self._mask[port]
        latches = {
            _PIN: value,
            _MPIN: latch & mask | value & ~mask,
            _SET: latch | value,
            _CLR: latch & ~value,
            _NOT: latch ^ value,
        }
        directions = {
            _DIR: value,
            _DIRSET: direction | value,
            _DIRCLR: direction & ~value,
            _DIRNOT: direction ^ value,
        }
        self._latch[port] = latches.get(block, latch)
        self._direction[port] = directions.get(block, direction)
        self._drive(port)

    def _level(self, number: int) -> int:
        port, pin = divmod(number, _PINS)
        return self._levels(port) >> pin & 1 if port < _PORTS else 0

    def _levels(self, port: int) -> int:
        levels = self._latch[port] & self._direction[port]
        for number, level in self.pins.outside.items():
            if level and number // _PINS == port:
                levels |= 1 << number % _PINS & ~self._direction[port]
        return levels

    def _set_pin(self, number: int, level: bool) -> None:
        port, pin = divmod(number, _PINS)
        if port < _PORTS:
            self._latch[port] = self._latch[port] & ~(1 << pin) | level << pin
            self._drive(port)

    def _drive(self, port: int) -> None:
        for pin in range(_PINS):
            output = self._direction[port] >> pin & 1
            level = bool(self._latch[port] >> pin & 1)
            self.pins.drive(_PINS * port + pin, level if output else None)
