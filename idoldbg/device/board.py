"""The emulated board around the firmware: its devices and its serial ports, as tests use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from idol.printable import printable
from idoldbg.device.shown import shown
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.injecting import inject
from idoldbg.model.moment import Moment
from idoldbg.render import moment
from idoldbg.rewinding import Traveller
from idoldbg.session import Session
from idoldbg.target.capability import BoardParts, SerialPorts

__all__ = ["BoardControl", "BoardI2c", "BoardUart", "DeviceHandle"]


class DeviceHandle:
    """A device model of the board file: its attributes can be read and set, its methods called.

    What is done through it is an input of the board, so that a recorded run can be repeated.
    """

    def __init__(self, owner: BoardParts, name: str) -> None:
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        value = getattr(self._owner.own_device(self._name), attribute)
        if callable(value):
            owner, name = self._owner, self._name
            return lambda *arguments, **options: owner.call_own_device(
                name, attribute, arguments, options
            )
        return value

    def __setattr__(self, attribute: str, value: object) -> None:
        device = self._owner.own_device(self._name)
        if not hasattr(device, attribute):
            known = ", ".join(n for n in vars(device) if not n.startswith("_"))
            raise AttributeError(
                printable(
                    f"device `{self._name}` has no `{attribute}`; it has {known or 'nothing'}"
                )
            )
        self._owner.set_own_device(self._name, attribute, value)

    def __repr__(self) -> str:
        device = self._owner.own_device(self._name)
        values = ", ".join(f"{k}={v!r:.60}" for k, v in vars(device).items() if k[:1] != "_")
        return printable(f"<{self._name}: {type(device).__name__}({values})>")


class BoardUart:
    """One serial port, both ways."""

    def __init__(self, session: Session, port: str) -> None:
        self._session, self._port = session, port

    def send(self, data: bytes | str) -> None:
        """Let the firmware receive bytes, or a text in UTF-8."""
        content = data.encode() if isinstance(data, str) else data
        self._session.target.need(SerialPorts).uart_feed(self._port, content)

    def sent(self) -> bytes:
        """Return the last 64 KiB that the firmware has sent."""
        return self._session.target.need(SerialPorts).uart_sent(self._port)


class BoardI2c:
    """A second controller on an I2C bus, which talks to its devices without any firmware."""

    def __init__(self, session: Session, bus: str) -> None:
        self._session, self._bus = session, bus

    def transfer(self, address: int, data: bytes = b"", read: int = 0) -> bytes:
        """Write bytes, then read some; raise `LinkError` where an acknowledge is missing."""
        received = self._transfer(address, data, read)
        if received is None:
            raise LinkError(
                f"`{self._bus}`: the device at 0x{address:02x} did not acknowledge",
                link=self._session.link.spec,
            )
        return received

    def probe(self, address: int) -> bool:
        """Return whether a device acknowledges an address."""
        return self._transfer(address, b"", 0) is not None

    def _transfer(self, address: int, data: bytes, read: int) -> bytes | None:
        if not 0 <= address < 0x80:
            raise ArgumentError(f"an I2C address is 0x00 to 0x7f, not {address:#x}", name="address")
        parts = self._session.target.need(BoardParts)
        return parts.i2c_transfer(self._bus, address, bytes(data), read)


class BoardControl:
    """Parts of an emulated board of this process; other targets raise `Unsupported`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def device(self, name: str) -> DeviceHandle:
        """Return a device of `[[emulation.device]]` by its name; raise `NotFound`."""
        owner = self._session.target.need(BoardParts)
        owner.own_device(name)
        return DeviceHandle(owner, name)

    def uart(self, port: str) -> BoardUart:
        """Return a serial port by its name in the board file or that of its USART."""
        if not isinstance(port, str):
            raise ArgumentError(f"a port's name is a string, not {port!r:.40}", name="port")
        found = BoardUart(self._session, port)
        found.sent()  # a name that is not there is an error here, not later
        return found

    def i2c(self, bus: str) -> BoardI2c:
        """Return a second controller on the bus of one of the chip's."""
        return BoardI2c(self._session, bus)

    # -- time

    def now(self) -> Moment:
        """Return where the board is in time."""
        return self._shown(self._travel.now())

    def rewind(self, seconds: float) -> Moment:
        """Go back by a time of the board; as `idoldbg.rewinding.Traveller`, also the others."""
        return self._shown(self._travel.rewind(seconds))

    def step_back(self, count: int = 1) -> Moment:
        """Go back by instructions."""
        return self._shown(self._travel.step_back(count))

    def forward(self, seconds: float | None = None) -> Moment:
        """Go forward through what is recorded, by a time or to its end."""
        return self._shown(self._travel.forward(seconds))

    def rewind_to(self, event: str | Callable[[], bool]) -> Moment:
        """Go back to right before the last event: `fault of TASK`, `restart of TASK`, `reset`.

        Or to right before a condition became true.
        """
        return self._shown(self._travel.rewind_to(event))

    def last_write(self, what: int | str, size: int | None = None) -> Moment:
        """Go back to right before the last write to an address, a static or a part of one."""
        return self._shown(self._travel.last_write(what, size))

    def until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> Moment:
        """Let the board run on until a condition holds, exact to the instruction."""
        return self._shown(self._travel.until(condition, limit_s))

    @property
    def _travel(self) -> Traveller:
        return Traveller(self._session)

    @staticmethod
    def _shown(found: Moment) -> Moment:
        return shown(found, moment.text)

    def inject(self, kind: str, **options: object) -> dict[str, object]:
        """Inject a fault, from now on or `at_s` seconds later; docs/faults.md has the kinds."""
        return inject(self._session, kind, **options)

    # -- what is around the chip

    def pin(self, port: str, pin: int) -> bool:
        """Return what the chip reads of a pin; raise `NotFound`."""
        return self._session.target.need(BoardParts).pin_level(port, pin)
