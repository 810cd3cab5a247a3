"""An I2C bus: the wires between a controller and its devices."""

from __future__ import annotations

from typing import Protocol

from idoldbg.target.emulated.emu.devices.device import StatefulPart

__all__ = ["I2cBus", "I2cPeer"]

_IDLE = 0xFF
"""What a data line that nobody drives reads: it is pulled up."""


class I2cPeer(Protocol):
    """A device on an I2C bus; `idoldbg.devices.I2cDevice` says more."""

    def start(self, *, read: bool) -> bool:
        """Begin a transfer; return whether to acknowledge."""

    def write(self, value: int) -> bool:
        """Take a byte; return whether to acknowledge it."""

    def read(self) -> int:
        """Return the next byte."""

    def stop(self) -> None:
        """End the transfer."""


class I2cBus(StatefulPart):
    """Passes bytes to the device that was addressed last. Addresses have 7 bits."""

    STATE = ("_addressed",)

    def __init__(self) -> None:
        self._peers: dict[int, I2cPeer] = {}
        self._addressed: int | None = None

    def attach(self, address: int, peer: I2cPeer) -> None:
        """Connect a device."""
        self._peers[address] = peer

    def start(self, address: int, *, read: bool) -> bool:
        """Send a start condition and an address; return whether it was acknowledged."""
        peer = self._peers.get(address)
        if self._addressed is not None and self._addressed != address:
            self.stop()
        self._addressed = address if peer is not None else None
        return peer is not None and peer.start(read=read)

    def write(self, value: int) -> bool:
        """Send a byte; return whether it was acknowledged."""
        peer = self._current()
        return peer is not None and peer.write(value)

    def read(self) -> int:
        """Receive a byte."""
        peer = self._current()
        return _IDLE if peer is None else peer.read()

    def stop(self) -> None:
        """Send a stop condition."""
        peer, self._addressed = self._current(), None
        if peer is not None:
            peer.stop()

    def transfer(self, address: int, data: bytes, read: int) -> bytes | None:
        """Write, read after a repeated start, stop; None where an acknowledge is missing."""
        received: bytes | None = b""
        if data or not read:
            done = self.start(address, read=False) and all(self.write(byte) for byte in data)
            received = b"" if done else None
        if read and received is not None:
            done = self.start(address, read=True)
            received = bytes(self.read() for _ in range(read)) if done else None
        self.stop()
        return received

    def _current(self) -> I2cPeer | None:
        return None if self._addressed is None else self._peers[self._addressed]
