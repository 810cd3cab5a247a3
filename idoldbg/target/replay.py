"""Traffic of a link as text, one JSON object a line, and a link that replays it.

For bug reports and for tests without the hardware they were recorded on. The first line is
`{"schema": "idoldbg.traffic/1", "spec", "description"}`. Each further line is one operation, with
its arguments and its outcome: `{"op": "read", "address", "size", "data": HEX}`, `{"op": "write",
"address", "data": HEX}`, `{"op": "wait", "seconds"}`, `{"op": "register", "name", "value"}`,
`{"op": "tag", "data": HEX}` (made here, for a program), and `halt`, `resume` and `reset` without
arguments. Instead of its outcome a failed one has `"fault":
{"address", "size"}` or `"error": CLASS`, and always `"message"`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from idoldbg.errors import FaultError, LinkError, Unsupported
from idoldbg.target.forwarding import ForwardingLink
from idoldbg.target.link import BaseLink, Link

__all__ = ["RecordingLink", "ReplayLink"]

SCHEMA = "idoldbg.traffic/1"


class RecordingLink(ForwardingLink):
    """A link around another that hands each line of its traffic, without its end, to `emit`."""

    def __init__(self, inner: Link, emit: Callable[[str], None]) -> None:
        super().__init__(inner)
        self._emit = emit
        self._line({"schema": SCHEMA, "spec": inner.spec, "description": inner.description})

    def read(self, address: int, size: int) -> bytes:
        with self._recorded("read", address=address, size=size) as outcome:
            data = self.inner.read(address, size)
            outcome["data"] = data.hex()
        return data

    def write(self, address: int, data: bytes) -> None:
        with self._recorded("write", address=address, data=data.hex()):
            self.inner.write(address, data)

    def wait(self, seconds: float) -> None:
        with self._recorded("wait", seconds=seconds):
            self.inner.wait(seconds)

    def read_register(self, name: str) -> int:
        with self._recorded("register", name=name) as outcome:
            value = outcome["value"] = self.inner.read_register(name)
        return value

    def halt(self) -> None:
        with self._recorded("halt"):
            self.inner.halt()

    def resume(self) -> None:
        with self._recorded("resume"):
            self.inner.resume()

    def reset(self) -> None:
        with self._recorded("reset"):
            self.inner.reset()

    def make_tag(self) -> bytes:
        """Make the tag of a program."""
        tag = os.urandom(8)
        self._line({"op": "tag", "data": tag.hex()})
        return tag

    @contextmanager
    def _recorded(self, operation: str, **arguments: object) -> Iterator[dict[str, Any]]:
        line: dict[str, Any] = {"op": operation, **arguments}
        try:
            yield line
        except FaultError as error:
            line["fault"] = {"address": error.address, "size": error.size}
            line["message"] = error.message
            raise
        except LinkError as error:
            line["error"] = type(error).__name__
            line["message"] = error.message
            raise
        finally:
            self._line(line)

    def _line(self, line: dict[str, Any]) -> None:
        self._emit(json.dumps(line))


class ReplayLink(BaseLink):
    """Answers as recorded, as long as it is asked for exactly what was asked then.

    Its clock shows the time spent in `wait`. Anything else than the recorded operation, and lines
    that are no recording, raise `LinkError` with the number of the line.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = enumerate(lines, 1)
        self._number = 0
        self._time_s = 0.0
        super().__init__("replay", "replayed traffic")
        head = self._next()
        if head is None or head.get("schema") != SCHEMA:
            raise self._error(f"this is no recording: its first line lacks the schema `{SCHEMA}`")
        self.description = f"replay of {head.get('description')} ({head.get('spec')})"

    def read(self, address: int, size: int) -> bytes:
        line = self._replay("read", address=address, size=size)
        data = self._hex(line)
        if len(data) != size:
            raise self._error(f"{len(data)} bytes were recorded for a read of {size}")
        return data

    def write(self, address: int, data: bytes) -> None:
        self._replay("write", address=address, data=data.hex())

    def make_tag(self) -> bytes:
        """Return the tag that was made then."""
        return self._hex(self._replay("tag"))

    def wait(self, seconds: float) -> None:
        self._replay("wait", seconds=seconds)
        self._time_s += seconds

    def monotonic(self) -> float:
        return self._time_s

    def read_register(self, name: str) -> int:
        value = self._replay("register", name=name).get("value")
        if not isinstance(value, int):
            raise self._error("a register without a number")
        return value

    def halt(self) -> None:
        self._replay("halt")

    def resume(self) -> None:
        self._replay("resume")

    def reset(self) -> None:
        self._replay("reset")

    @contextmanager
    def halted(self) -> Iterator[None]:
        yield

    def _replay(self, operation: str, **arguments: object) -> dict[str, Any]:
        asked = {"op": operation, **arguments}
        line = self._next()
        if line is None:
            raise self._error(f"the recording ends, but {json.dumps(asked)} was asked for")
        if any(line.get(key) != value for key, value in asked.items()):
            recorded = {key: line.get(key) for key in ("op", "address", "size", "name", "seconds")}
            text = json.dumps({key: value for key, value in recorded.items() if value is not None})
            raise self._error(f"recorded is {text}, but {json.dumps(asked)} was asked for")
        message = str(line.get("message", ""))
        match line.get("fault"), line.get("error"):
            case {"address": int(address), "size": int(size)}, _:
                raise FaultError(message, address=address, size=size)
            case None, None:
                return line
            case _, "Unsupported":
                raise Unsupported(message, capability=operation, link=self.spec)
        raise LinkError(message, link=self.spec)

    def _next(self) -> dict[str, Any] | None:
        self._number, text = next(self._lines, (self._number + 1, None))
        if text is None:
            return None
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._error(f"no JSON ({error})") from None
        if not isinstance(line, dict):
            raise self._error("no JSON object")
        return line

    def _hex(self, line: dict[str, Any]) -> bytes:
        try:
            return bytes.fromhex(line["data"])
        except (KeyError, TypeError, ValueError):
            raise self._error("no hexadecimal `data`") from None

    def _error(self, message: str) -> LinkError:
        return LinkError(f"replay, line {self._number}: {message}", link=self.spec)
