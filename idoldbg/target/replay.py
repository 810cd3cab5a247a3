"""`replay:FILE`: what `--record FILE` wrote, as a target: the same questions get the same answers.

So what went wrong on a board can be looked at, and tested, without it. The format is that of
`idoldbg.target.recording`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from idoldbg import errors
from idoldbg.errors import IdoldbgError, LinkError
from idoldbg.target.link import BaseLink
from idoldbg.target.recording import SCHEMA

__all__ = ["ReplayLink", "open_recording"]

T = TypeVar("T")

LINE_LIMIT = 16 << 20  # characters
AGAIN = "replay needs the command, options, build and idoldbg version of the recording"


def open_recording(path: str) -> ReplayLink:
    """Open a file that `--record` wrote; raise `LinkError`."""
    return ReplayLink(_lines(path), path)


def _lines(path: str) -> Iterator[str]:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            while line := file.readline(LINE_LIMIT):
                yield line
    except OSError as error:
        raise LinkError(f"replay:{path}: {error.strerror}", link=f"replay:{path}") from error


class ReplayLink(BaseLink):
    """Answers as recorded, as long as it is asked for exactly what was asked then.

    Anything else, and malformed lines, raise `LinkError` with the number of the line.
    """

    kind = "recording"
    source = "replay"

    def __init__(self, lines: Iterable[str], path: str = "") -> None:
        self._lines = enumerate(lines, 1)
        self._number = 0
        self._pending: dict[str, Any] | None = None
        super().__init__(f"replay:{path}" if path else "replay", "replayed traffic")
        head = self._next()
        if head is None or head.get("schema") != SCHEMA:
            raise self._error(f"not a recording: its first line lacks the schema `{SCHEMA}`")
        self.head = head
        self.description = f"replay of {head.get('description')} ({head.get('spec')})"
        notices = head.get("notices")
        self.notices = tuple(map(str, notices)) if isinstance(notices, list) else ()

    def read(self, address: int, size: int) -> bytes:
        line = self._replay("read", address=address, size=size)
        return self._hex(line.get("data"), size)

    @property
    def reads_at_once(self) -> bool:
        """Whether the target took one transaction for `read_many` then."""
        self._pending = self._next()
        if self._pending is None or self._pending.get("op") != "one-by-one":
            return True
        self._pending = None
        return False

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several ranges, recorded as one read or as one for each."""
        self._pending = self._next()
        if self._pending is not None and self._pending.get("op") == "read":
            return [self.read(address, size) for address, size in ranges]
        line = self._replay("read-many", ranges=[list(r) for r in ranges])
        return self._parts(line, ranges)

    @property
    def exchanges(self) -> bool:
        """Whether the target made a write together with others then."""
        self._pending = self._next()
        return self._pending is not None and self._pending.get("op") == "exchange"

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        """Return ranges that were read after writes."""
        written = [[address, data.hex()] for address, data in writes]
        line = self._replay("exchange", writes=written, ranges=[list(r) for r in ranges])
        return self._parts(line, ranges)

    def write(self, address: int, data: bytes) -> None:
        self._replay("write", address=address, data=data.hex())

    def make_tag(self) -> bytes:
        """Return the tag that was made then."""
        return self._hex(self._replay("tag").get("data"))

    def wait(self, seconds: float) -> None:
        self._replay("wait", seconds=seconds)

    def monotonic(self) -> float:
        return float(self._value("time", (int, float)))

    def read_register(self, name: str) -> int:
        return int(self._value("register", int, name=name))

    def halt(self) -> None:
        self._replay("halt")

    def resume(self) -> None:
        self._replay("resume")

    def reset(self) -> None:
        self._replay("reset")

    def reset_with(self, *, halt: bool, line: bool) -> None:
        self._replay("reset-with", halt=halt, line=line)

    def halted(self, action: Callable[[], T]) -> T:
        self._replay("halted")
        return action()

    def alone(self, action: Callable[[], T]) -> T:
        """Do as the target did; there are no other users."""
        self._replay("exclusive")
        return action()

    def _replay(self, operation: str, **arguments: object) -> dict[str, Any]:
        asked = {"op": operation, **arguments}
        line = self._next()
        if line is None:
            raise self._error(f"the recording ends, but {json.dumps(asked)} was asked for; {AGAIN}")
        if any(line.get(key) != value for key, value in asked.items()):
            outcome = ("data",) if operation == "read" or line.get("op") != operation else ()
            hidden = {*outcome, "value", "error", "message", "facts"}
            recorded = {key: value for key, value in line.items() if key not in hidden}
            text = json.dumps(recorded)
            raise self._error(f"recorded is {text}, but {json.dumps(asked)} was asked for; {AGAIN}")
        if "error" in line:
            raise self._recorded_error(line)
        return line

    def _recorded_error(self, line: dict[str, Any]) -> IdoldbgError:
        kind = getattr(errors, str(line["error"]), None)
        facts = line.get("facts")
        message = str(line.get("message", ""))
        if not (isinstance(kind, type) and issubclass(kind, IdoldbgError)):
            return LinkError(message, link=self.spec)
        try:
            return kind(message, **(facts if isinstance(facts, dict) else {}))
        except TypeError:
            return self._error(f"the facts of the error do not fit a {kind.__name__}")

    def _parts(self, line: dict[str, Any], ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        data = line.get("data")
        if not isinstance(data, list) or len(data) != len(ranges):
            raise self._error("not as much data as was asked for")
        return [self._hex(part, size) for part, (_, size) in zip(data, ranges, strict=True)]

    def _value(self, operation: str, kind: Any, **arguments: object) -> Any:
        value = self._replay(operation, **arguments).get("value")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._error("no number in `value`")
        return value

    def _next(self) -> dict[str, Any] | None:
        pending, self._pending = self._pending, None
        if pending is not None:
            return pending
        self._number, text = next(self._lines, (self._number + 1, None))
        if text is None:
            return None
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._error(f"not JSON ({error})") from None
        if not isinstance(line, dict):
            raise self._error("not a JSON object")
        return line

    def _hex(self, text: object, size: int | None = None) -> bytes:
        try:
            data = bytes.fromhex(text if isinstance(text, str) else "?")
        except ValueError:
            raise self._error("no hexadecimal `data`") from None
        if size is not None and len(data) != size:
            raise self._error(f"{len(data)} bytes were recorded for a read of {size}")
        return data

    def _error(self, message: str) -> LinkError:
        return LinkError(f"{self.spec}, line {self._number}: {message}", link=self.spec)
