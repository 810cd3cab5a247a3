"""Requests of several clients, executed on one board.

No sockets and no clock here: the server says when a client comes and goes, and makes the board's
time pass. A request is done in one go, except that it stops at a `wait`, where others get a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol

from idoldbg.errors import IdoldbgError, LinkError
from idoldbg.target.emulated.link import Board
from idoldbg.target.emulated.protocol import TAKEN, BoardOperation, Header, encode_error

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.instruments import InstrumentSet

__all__ = ["Execution", "NO_IMAGE", "NamedImage", "ServedBoard", "SharedBoard", "StatusFacts"]


class ServedBoard(Board, Protocol):
    """Protocol of a served board: an `EmulatedBoard`, or a test's."""

    @property
    def lockup(self) -> str | None:
        """Reason for the core's lockup, None while it is not locked up."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the users of this board."""

    @property
    def leds(self) -> dict[str, bool]:
        """State of the LEDs, by name."""

    @property
    def uart(self) -> dict[str, bytes]:
        """Latest output of each serial port, by name."""

    @property
    def instruments(self) -> InstrumentSet:
        """Trace, coverage and profile, by client."""

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""

    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        """Erase the flash, program it, reset; raise `TargetFileError` before anything is erased."""


StatusFacts = Callable[[], Mapping[str, Any]]
"""What the server adds to a `status`: names, process, clients."""


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image of which it is known what build it is of: its path, and its id in hexadecimal."""

    archive: str
    image_id: str
    segments: tuple[tuple[int, bytes], ...] = field(repr=False)


NO_IMAGE = NamedImage("", "", ())


class SharedBoard:
    """A board whose core several clients may want to hold still at the same time.

    `image` is what it runs at first. `image_changed` is told when it runs another one: one that a
    client has named, or `NO_IMAGE` where the flash was changed in a way that nobody spoke of.
    """

    def __init__(
        self,
        board: ServedBoard,
        facts: StatusFacts,
        image: NamedImage = NO_IMAGE,
        image_changed: Callable[[NamedImage], None] = lambda image: None,
    ) -> None:
        self.board = board
        self._facts = facts
        self._image = self._told_image = image
        self._image_changed = image_changed
        self._holds: dict[object, int] = {}
        self._halted_by_user = False
        """Whether the core is to stay halted when nobody holds it any more."""
        self._locked_by: object | None = None
        self._observing: set[object] = set()
        self._rest: dict[tuple[object, str], bytes] = {}
        """Records of instruments that did not fit into an answer."""

    def state(self) -> Header:
        """Return what every answer says of the board."""
        return {"time_s": self.board.time_s, "halted": self.board.is_halted}

    def read_all(self, operations: Sequence[BoardOperation]) -> Sequence[bytes]:
        """Return what several reads in a row read."""
        return [self.board.read(o.values["address"], o.values["size"]) for o in operations]

    def try_lock(self, client: object) -> bool:
        """Give a client the lock, if nobody else has it."""
        if self._locked_by is None:
            self._locked_by = client
        return self._locked_by == client

    def check(self, client: object, operation: BoardOperation) -> None:
        """Raise `LinkError` for an operation that can no longer mean what the client thinks."""

    def perform(self, client: object, operation: BoardOperation) -> tuple[Header, bytes]:
        """Do an operation other than `wait` and `lock`; return its result and what was read."""
        board, values = self.board, operation.values
        match operation.name:
            case "read":
                return {}, self.read_all([operation])[0]
            case "write":
                board.write(values["address"], operation.data)
            case "registers":
                return {"values": [board.read_register(n) for n in values["names"]]}, b""
            case "halt":
                self._halted_by_user = True
                board.halt()
            case "resume":
                self._halted_by_user = False
                if not self._holds:
                    board.resume()
            case "unlock":
                self._unlock(client)
            case "hold":
                self._hold(client)
            case "release":
                self._release(client, 1)
            case "reset":
                self._reset(halt=bool(values.get("halt")), line=bool(values.get("line")))
            case "uart":
                ports = board.uart
                sizes = [[name, len(data)] for name, data in ports.items()]
                return {"ports": sizes}, b"".join(ports.values())
            case "uart-send":
                board.uart_feed(values["port"], operation.data)
            case "instrument-start":
                self._rest.pop((client, values["name"]), None)
                board.instruments.start(values["name"], values["settings"], owner=client)
                self._observing.add(client)
            case "instrument-take" | "instrument-stop":
                return {}, self._taken(client, values["name"], operation.name)
            case "flash":
                self._flash(operation)
            case "name-image":
                self._name_image(_image(operation))
            case _:  # status
                self.look_at_image()
                return self._status(), b""
        return {}, b""

    def _taken(self, client: object, name: str, operation: str) -> bytes:
        """Return the next part of what an instrument has recorded."""
        rest = self._rest.pop((client, name), b"")
        if operation == "instrument-stop":
            rest += self.board.instruments.stop(name, owner=client)
        elif not rest:
            rest = self.board.instruments.take(name, owner=client)
        if len(rest) > TAKEN:
            self._rest[client, name] = rest[TAKEN:]
        return rest[:TAKEN]

    def look_at_image(self) -> None:
        """Notice when the flash no longer holds the named image, or does so again."""
        image = self._image if self._holds_image(self._image) else NO_IMAGE
        if image is not self._told_image:
            self._told_image = image
            self._image_changed(image)

    def _holds_image(self, image: NamedImage) -> bool:
        return all(self.board.read(at, len(data)) == data for at, data in image.segments)

    def _name_image(self, image: NamedImage) -> None:
        if not self._holds_image(image):
            raise LinkError("the board's flash holds another image than the one to be named")
        self._image = image
        self.look_at_image()

    def leave(self, client: object) -> None:
        """Let go of what a client held; it has gone, in whatever way."""
        self.look_at_image()
        if client in self._observing:
            self._observing.remove(client)
            self.board.instruments.stop_all(client)
        self._rest = {key: data for key, data in self._rest.items() if key[0] != client}
        self._unlock(client)
        self._release(client, self._holds.get(client, 0))

    def _unlock(self, client: object) -> None:
        if self._locked_by == client:
            self._locked_by = None

    def _hold(self, client: object) -> None:
        if not self._holds:
            self._halted_by_user = self.board.is_halted
            if not self._halted_by_user:
                self.board.halt()
        self._holds[client] = self._holds.get(client, 0) + 1

    def _release(self, client: object, count: int) -> None:
        left = self._holds.get(client, 0) - count
        if left > 0:
            self._holds[client] = left
        elif self._holds.pop(client, 0) and not self._holds and not self._halted_by_user:
            self.board.resume()

    def _reset(self, *, halt: bool, line: bool) -> None:
        """Reset the chip; of an emulated one, both ways are one."""
        self.board.reset()
        self._halted_by_user = halt
        if halt or self._holds:
            self.board.halt()
        elif self.board.is_halted:  # by a vector catch that some debugger left behind
            self.board.resume()

    def _flash(self, operation: BoardOperation) -> None:
        image = _image(operation)
        self.board.flash(image.segments)
        self._halted_by_user = False
        if self._holds:
            self.board.halt()
        self._image = image if image.archive else NO_IMAGE
        self.look_at_image()

    def _status(self) -> Header:
        board = self.board
        return {
            **self._facts(),
            "halted": board.is_halted,
            "held_by": len(self._holds),
            "leds": board.leds,
            "lockup": board.lockup,
            "notices": list(board.notices),
            "time_s": board.time_s,
        }


def _image(operation: BoardOperation) -> NamedImage:
    """Cut the payload of a `flash` or `name-image` into its segments."""
    segments, at = [], 0
    for address, size in operation.values["segments"]:
        segments.append((address, operation.data[at : at + size]))
        at += size
    values = operation.values
    return NamedImage(values.get("archive", ""), values.get("image_id", ""), tuple(segments))


@dataclass(slots=True)
class Execution:
    """A request on its way: what it has done, and what it waits for, if it does.

    `wait_until_s` is a time of the board, `wants_lock` its lock, for which `lock_patience_s` real
    seconds are given, None for as many as the server likes.
    """

    client: object
    operations: Sequence[BoardOperation]
    wait_until_s: float | None = None
    wants_lock: bool = False
    lock_patience_s: float | None = None
    _results: list[Header] = field(default_factory=list)
    _data: list[bytes] = field(default_factory=list)
    _began_s: float = 0.0
    _error: IdoldbgError | None = None

    def advance(self, shared: SharedBoard) -> bool:
        """Do operations up to the next wait; return whether the request is over."""
        while self._error is None and len(self._results) < len(self.operations):
            operation = self.operations[len(self._results)]
            if operation.name == "wait" and operation.values["seconds"] > 0:
                self._began_s = shared.board.time_s
                self.wait_until_s = self._began_s + operation.values["seconds"]
                return False
            if operation.name == "wait":
                self._results.append({"waited_s": 0.0})
                continue
            if operation.name == "lock":
                if not shared.try_lock(self.client):
                    self.wants_lock = True
                    self.lock_patience_s = operation.values.get("seconds")
                    return False
                self._results.append({})
                continue
            try:
                self._perform(shared, operation)
            except IdoldbgError as error:
                self._error = error
                return True
        return True

    def _perform(self, shared: SharedBoard, operation: BoardOperation) -> None:
        """Do an operation, and with a read the reads that follow it."""
        shared.check(self.client, operation)
        begin = len(self._results)
        rest = takewhile(lambda o: o.name == "read", self.operations[begin:])
        if len(reads := tuple(rest)) > 1:
            self._data += shared.read_all(reads)
            self._results += [{} for _ in reads]
            return
        result, data = shared.perform(self.client, operation)
        self._results.append(result)
        self._data.append(data)

    def end_wait(self, time_s: float) -> None:
        """Go on after a wait, at its end or before it."""
        self.wait_until_s = None
        self._results.append({"waited_s": time_s - self._began_s})

    def end_lock(self, error: IdoldbgError | None) -> None:
        """Go on with the lock, or give up without it."""
        self.wants_lock = False
        self._error = error
        if error is None:
            self._results.append({})

    def answer(self, shared: SharedBoard) -> tuple[Header, bytes]:
        """Return what the client gets to hear."""
        header = shared.state()
        if self._error is not None:
            header |= {"error": encode_error(self._error), "at": len(self._results)}
            return header, b""
        return {**header, "done": self._results}, b"".join(self._data)
