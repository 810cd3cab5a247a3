"""A board that another process keeps running, reached over its Unix socket.

`open_board` opens the link of `--probe emu:NAME` (or `emu:PATH`, the path of a socket), and of
`board:NAME`, which is also for real boards whose probe a process keeps. The protocol is that of
`idoldbg.target.emulated.protocol`, described in docs/board-protocol.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from idoldbg.errors import (
    ArgumentError,
    IdoldbgError,
    LinkError,
    LinkTimeout,
    NotFound,
    Unsupported,
)
from idoldbg.target.capability import FlashImage, Identity, Progress
from idoldbg.target.emulated.client import ANSWER_LIMIT_S, BoardClient
from idoldbg.target.emulated.entries import check_name, socket_path
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.emulated.protocol import (
    MAX_OPERATIONS,
    MAX_PAYLOAD,
    MAX_WAIT_S,
    TAKEN,
    Header,
    is_number,
    segment_list,
)
from idoldbg.target.link import BaseLink
from idoldbg.target.signals import hold_lock

__all__ = [
    "BoardLink",
    "ProbedLink",
    "RemoteBoard",
    "SharedLink",
    "board_path",
    "connect_board",
    "open_board",
]

T = TypeVar("T")
LOCK_LIMIT_S = 60.0


@dataclass(slots=True)
class _Seen:
    """Board state from the last answer; others may have changed it since."""

    time_s: float
    is_halted: bool


class RemoteBoard:
    """A board at the other end of a connection, as links and the pyOCD plug-in see boards.

    After a request that was interrupted it connects again, unless it held the core or had the lock:
    those ended with the connection.
    """

    def __init__(self, client: BoardClient) -> None:
        self.client = client
        self._claims = 0
        """How many holds and locks this connection has."""
        self._seen = _Seen(0.0, False)
        self._note(client.greeting)

    @property
    def time_s(self) -> float:
        """Virtual seconds since the board was made, when it answered last."""
        return self._seen.time_s

    @property
    def is_halted(self) -> bool:
        """Whether the core stood still when the board answered last."""
        return self._seen.is_halted

    def read(self, address: int, size: int) -> bytes:
        parts = []
        for at in range(address, address + size, MAX_PAYLOAD):
            part = min(MAX_PAYLOAD, address + size - at)
            _, data = self._do({"op": "read", "address": at, "size": part})
            if len(data) != part:
                raise LinkError(f"{self.client.spec}: {len(data)} bytes of {part} came back")
            parts.append(data)
        return b"".join(parts)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several (address, size) in one round trip, none of them torn by the firmware.

        As many and as much as a request may ask for; others are read one by one.
        """
        if len(ranges) > MAX_OPERATIONS or sum(size for _, size in ranges) > MAX_PAYLOAD:
            return [self.read(address, size) for address, size in ranges]
        _, data = self._do(*({"op": "read", "address": a, "size": s} for a, s in ranges))
        parts, at = [], 0
        for _, size in ranges:
            parts.append(data[at : at + size])
            at += size
        return parts

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), MAX_PAYLOAD):
            part = data[at : at + MAX_PAYLOAD]
            operation = {"op": "write", "address": address + at, "size": len(part)}
            self._do(operation, payload=part)

    def read_register(self, name: str) -> int:
        (result,), _ = self._do({"op": "registers", "names": [name]})
        return int(result["values"][0])

    def run(self, seconds: float) -> None:
        """Let virtual time pass; less than `seconds` where the firmware keeps the host busy."""
        self._do({"op": "wait", "seconds": min(max(seconds, 0.0), MAX_WAIT_S)})

    def halt(self) -> None:
        self._do({"op": "halt"})

    def resume(self) -> None:
        self._do({"op": "resume"})

    def hold(self) -> None:
        """Stop the core until `release`, or until this connection ends."""
        self._claim({"op": "hold"})

    def release(self) -> None:
        """Undo one `hold`; the core goes on when nobody holds it that stood in its way."""
        self._give_up("release")

    def lock(self, limit_s: float = LOCK_LIMIT_S) -> None:
        """Have the board's lock until `unlock` or the end of this connection.

        It keeps nobody from anything but having it too. Raises `LinkTimeout` when another client
        does not give it back within `limit_s`, in real time.
        """
        end = time.monotonic() + limit_s
        while True:
            left_s = min(max(0.0, end - time.monotonic()), MAX_WAIT_S)
            try:
                self._claim({"op": "lock", "seconds": left_s})
            except LinkTimeout:  # of the server's, which answers now and then
                if time.monotonic() >= end:
                    raise
            else:
                return

    def unlock(self) -> None:
        """Let others have the lock."""
        self._give_up("unlock")

    def interrupt(self, *, left: int) -> None:
        """End the connection, and with it all claims; `left` are still to be given up."""
        self._claims = left
        self.client.interrupt()

    def _claim(self, operation: Mapping[str, Any]) -> None:
        self._claims += 1  # before it is so: an interruption may come as soon as it is
        try:
            self._do(operation, is_claim=True)
        except IdoldbgError:
            self._claims -= 1
            raise

    def _give_up(self, operation: str) -> None:
        """Undo a claim; one that has ended with its connection is none."""
        if self._claims:
            self._claims -= 1
            if self.client.is_open:
                self._do({"op": operation})

    def reset(self, halt: bool = False, line: bool = False) -> None:
        self._do({"op": "reset", "halt": halt, **({"line": True} if line else {})})

    def uart(self) -> dict[str, bytes]:
        """Return the last 64 KiB that each serial port has sent."""
        (result,), data = self._do({"op": "uart"})
        sent, at = {}, 0
        for port, size in result["ports"]:
            sent[str(port)] = data[at : at + size]
            at += size
        return sent

    def uart_sent(self, name: str) -> bytes:
        """Return what a port that the board leads out has sent; raise `NotFound`."""
        sent = self.uart()
        if name not in sent:
            raise NotFound("serial port", name, hint=f"known: {', '.join(sent) or 'none'}")
        return sent[name]

    def start_instrument(self, name: str, settings: Mapping[str, Any]) -> None:
        """Start an instrument of this connection; it ends with the connection."""
        self._do({"op": "instrument-start", "name": name, "settings": dict(settings)})

    def take_instrument(self, name: str, *, stops: bool = False) -> bytes:
        """Return what it has recorded since the last time, and end it if `stops`."""
        parts = []
        while True:
            operation = "instrument-stop" if stops else "instrument-take"
            _, data = self._do({"op": operation, "name": name})
            parts.append(data)
            if len(data) < TAKEN:
                return b"".join(parts)

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""
        self._do({"op": "uart-send", "port": name, "size": len(data)}, payload=data)

    def flash(
        self, segments: Sequence[tuple[int, bytes]], *, archive: str = "", image_id: str = ""
    ) -> None:
        """Erase the board's flash, program it and start it anew; all of that or nothing.

        `archive` and `image_id` are what the board's entry says from then on.
        """
        self._say_image("flash", segments, archive, image_id)

    def name_image(
        self, segments: Sequence[tuple[int, bytes]], *, archive: str, image_id: str
    ) -> None:
        """Name the build in the board's flash; raise `LinkError` if it holds another one."""
        self._say_image("name-image", segments, archive, image_id)

    def _say_image(
        self, name: str, segments: Sequence[tuple[int, bytes]], archive: str, image_id: str
    ) -> None:
        operation = {
            "op": name,
            "segments": segment_list(segments),
            "archive": archive,
            "image_id": image_id,
        }
        self._do(operation, payload=b"".join(data for _, data in segments))

    def status(self) -> dict[str, Any]:
        """Return what the board's process says about it."""
        (result,), _ = self._do({"op": "status"})
        return result

    def close(self) -> None:
        """End the connection; the board stays."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(
        self, *operations: Mapping[str, Any], payload: bytes = b"", is_claim: bool = False
    ) -> tuple[list[dict[str, Any]], bytes]:
        if self.client.was_interrupted and self._claims <= is_claim:
            self.client = self.client.again()
        try:
            done, header, data = self.client.do(*operations, payload=payload)
            self._note(header)
        except IdoldbgError:
            raise
        except BaseException:
            self.client.interrupt()  # nobody knows what was done of it: a hold ends with this
            raise
        return done, data

    def _note(self, header: Header) -> None:
        time_s, halted = header.get("time_s"), header.get("halted")
        if is_number(time_s) and isinstance(halted, bool):
            self._seen = _Seen(float(time_s), halted)


class SharedLink(BaseLink):
    """Base of links to a board that others may use at the same time."""

    board: RemoteBoard
    _held = _exclusive = 0

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges in one round trip."""
        return self.board.read_ranges(ranges)

    def halted(self, action: Callable[[], T]) -> T:
        """Keep the core still meanwhile; it goes on even if this process dies inside."""
        return hold_lock(self._hold, action, self._release)

    def _hold(self) -> None:
        self._held += 1
        if self._held == 1:
            self.board.hold()

    def _release(self) -> None:
        self._held -= 1
        try:
            if self._held == 0:
                self.board.release()
        except LinkError:
            if self.board.client.is_open:
                raise
            # The connection is lost, and the hold with it.
        except BaseException:
            self.board.interrupt(left=bool(self._held) + bool(self._exclusive))
            raise

    def alone(self, action: Callable[[], T]) -> T:
        """Keep others from making calls meanwhile: two at once would spoil each other's."""
        return hold_lock(self._lock, action, self._unlock)

    def _lock(self) -> None:
        self._exclusive += 1
        if self._exclusive == 1:
            self.board.lock()

    def _unlock(self) -> None:
        self._exclusive -= 1
        try:
            if self._exclusive == 0:
                self.board.unlock()
        except LinkError:
            pass  # the connection is lost, and the lock with it
        except BaseException:
            self.board.interrupt(left=bool(self._held) + bool(self._exclusive))
            raise

    def close(self) -> None:
        self.board.close()


class BoardLink(SharedLink, EmulatedLink):
    """A link to an emulated board that keeps running."""

    board: RemoteBoard

    def start_instrument(self, name: str, settings: Mapping[str, Any]) -> None:
        """Start `trace`, `coverage` or `profile`, for this connection."""
        self.board.start_instrument(name, settings)

    def take_instrument(self, name: str) -> bytes:
        """Return what it has recorded since the last time."""
        return self.board.take_instrument(name)

    def stop_instrument(self, name: str) -> bytes:
        """End it and return the rest."""
        return self.board.take_instrument(name, stops=True)

    def uart_output(self) -> dict[str, bytes]:
        """Return the last 64 KiB that each serial port has sent, by name."""
        return self.board.uart()

    def uart_sent(self, name: str) -> bytes:
        """Return what a port that the board leads out has sent; raise `NotFound`."""
        return self.board.uart_sent(name)

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""
        self.board.uart_feed(name, data)

    def identify(self) -> Identity | None:
        board = str(self.board.status().get("board"))
        return Identity(f"{self.spec} is a", board, is_certain=True)

    def flash(self, image: FlashImage, progress: Progress) -> None:
        progress("program", 0.0)
        segments = [(s.address, s.data) for s in image.segments]
        program = partial(self.board.flash, archive=image.path, image_id=image.image_id)
        self.alone(lambda: program(segments))  # not in the middle of somebody's call
        progress("program", 1.0)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset the chip, for all its users; both ways are one here."""
        self.board.reset(halt)


class ProbedLink(SharedLink):
    """A link to a real board, whose probe a process keeps for all its clients."""

    kind = "board that `idoldbg board` keeps attached"
    source = "probe"

    def __init__(
        self, board: RemoteBoard, *, spec: str, description: str, notices: tuple[str, ...] = ()
    ) -> None:
        super().__init__(spec, description, notices)
        self.board = board

    def read(self, address: int, size: int) -> bytes:
        return self.board.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.board.write(address, data)

    def read_register(self, name: str) -> int:
        return self.board.read_register(name)

    def halt(self) -> None:
        self.board.halt()

    def resume(self) -> None:
        self.board.resume()

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def check_reset(self, *, line: bool) -> None:
        """Raise `Unsupported` for what the link of the process that keeps the board cannot do."""
        why = self.board.status().get("no_line" if line else "no_reset")
        if why:
            raise Unsupported(f"{self.spec}: {why}", capability="reset", link=self.spec)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset the chip, for all its users."""
        self.board.reset(halt, line)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()


def board_path(where: str) -> Path:
    """Return the socket that NAME-OR-PATH means; raise `ArgumentError` for neither."""
    return Path(where) if "/" in where else socket_path(check_name(where))


def connect_board(
    where: str, *, clock: str = "virtual", limit_s: float = ANSWER_LIMIT_S, scheme: str = "emu"
) -> RemoteBoard:
    """Reach the board NAME, or the one whose socket has a path; raise `ProbeNotFound`.

    `clock` as for `BoardClient`; `limit_s` bounds each answer. `scheme` is that of the SPEC which
    messages name.
    """
    client = BoardClient(board_path(where), f"{scheme}:{where}", clock=clock, limit_s=limit_s)
    return RemoteBoard(client)


def open_board(where: str, scheme: str = "emu") -> BoardLink | ProbedLink:
    """Open the link of `emu:NAME-OR-PATH` or `board:NAME-OR-PATH`.

    Raises `ProbeNotFound` where no board is, `ArgumentError` for a real one as `emu:`.
    """
    spec = f"{scheme}:{where}"
    board = connect_board(where, scheme=scheme)
    try:
        status = board.status()
        notices = tuple(str(n) for n in status["notices"])
        name, process, probe = status["name"], status["pid"], status.get("probe")
        if probe is None:
            description = f"emulated {status['board']} `{name}`, process {process}"
            return BoardLink(board, spec=spec, description=description, notices=notices)
        if scheme != "board":
            raise ArgumentError(
                f"`{where}` is a real board behind {probe}: use it as `board:{where}`",
                name="--probe",
            )
        if problem := str(status.get("problem", "")):
            raise LinkError(f"{spec}: its probe is lost: {problem}", link=spec)
        description = f"`{name}` behind {probe}, process {process}"
        return ProbedLink(board, spec=spec, description=description, notices=notices)
    except (KeyError, TypeError) as error:
        board.close()
        raise LinkError(f"{spec}: it answers, but not as a board", link=spec) from error
    except BaseException:
        board.close()
        raise
