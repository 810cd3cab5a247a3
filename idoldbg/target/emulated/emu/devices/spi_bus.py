"""An SPI bus: the wires between a controller and its devices."""

from __future__ import annotations

from idoldbg.target.emulated.emu.devices.device import StatefulPart

__all__ = ["Loopback", "SpiBus", "SpiPeer"]

_IDLE = 0xFF
"""What a line that nobody drives reads: it is pulled up."""


class SpiPeer(StatefulPart):
    """A device on an SPI bus."""

    def select(self) -> None:
        """Begin a transaction: the chip select went low."""

    def deselect(self) -> None:
        """End a transaction: the chip select went high."""

    def exchange(self, value: int) -> int:
        """Take a byte from the controller and return the one driven at the same time."""
        raise NotImplementedError


class Loopback(SpiPeer):
    """Answers each byte with itself, as a wire from MOSI to MISO does."""

    def exchange(self, value: int) -> int:
        return value


class SpiBus(StatefulPart):
    """Passes frames to the selected devices."""

    STATE = ("_selected",)

    def __init__(self) -> None:
        self._peers: list[SpiPeer] = []
        self._selected: list[bool] = []

    def attach(self, peer: SpiPeer) -> int:
        """Connect a device and return its index, to be used with `select`."""
        self._peers.append(peer)
        self._selected.append(False)
        return len(self._peers) - 1

    def select(self, index: int, selected: bool) -> None:
        """Drive a device's chip select."""
        if self._selected[index] != selected:
            self._selected[index] = selected
            if selected:
                self._peers[index].select()
            else:
                self._peers[index].deselect()

    def exchange(self, value: int, bits: int) -> int:
        """Shift a frame of 4 to 16 bits both ways; 16-bit frames are two bytes, high one first."""
        if bits <= 8:
            return self._exchange_byte(value) & (1 << bits) - 1
        high = self._exchange_byte(value >> 8 & 0xFF)
        return (high << 8 | self._exchange_byte(value & 0xFF)) & (1 << bits) - 1

    def _exchange_byte(self, value: int) -> int:
        result = _IDLE
        for peer, selected in zip(self._peers, self._selected, strict=True):
            if selected:
                result &= peer.exchange(value)
        return result
