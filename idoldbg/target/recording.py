"""Writes what crosses a link, one JSON object a line; `replay:FILE` answers from it.

The first line says what was recorded: `{"schema": "idoldbg.traffic/2", "spec", "description",
"kind", "notices", "archive", "timeout_s"}`. Each further line is one operation, with its arguments
and its outcome: `{"op": "read", "address", "size", "data": HEX}`, `{"op": "read-many", "ranges":
[[ADDRESS, SIZE], …], "data": [HEX, …]}`, `{"op": "write", "address", "data": HEX}`, `{"op": "wait",
"seconds"}`, `{"op": "exchange", "writes": [[ADDRESS, HEX], …], "ranges", "data"}` (writes, then
reads), `{"op": "time", "value": SECONDS}`, `{"op": "register", "name", "value"}`, `{"op":
"tag", "data": HEX}` (made here, for a program), `{"op": "one-by-one"}` (the next ranges are read in
a transaction each), `{"op": "reset-with", "halt", "line"}`, and `halt`,
`resume`, `reset`, `halted` and `exclusive` (both: entered) without arguments. Instead of its
outcome a failed one has `"error": CLASS`, `"message"`, and the error's numbers and strings in
`"facts"`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from idoldbg.errors import IdoldbgError
from idoldbg.target.link import BaseLink

__all__ = ["SCHEMA", "Recorder"]

SCHEMA = "idoldbg.traffic/2"
T = TypeVar("T")


class Recorder:
    """Writes lines to a file as they come, so that nothing is lost when the process is killed."""

    def __init__(self, path: str, link: BaseLink, *, archive: str, timeout_s: float) -> None:
        self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115  `close` closes it
        self._line(
            {
                "schema": SCHEMA,
                "spec": link.spec,
                "description": link.description,
                "kind": link.kind,
                "notices": list(link.notices),
                "archive": archive,
                "timeout_s": timeout_s,
            }
        )

    def record(self, operation: str, action: Callable[[], T], arguments: dict[str, Any]) -> T:
        """Do an operation and write down what came of it.

        What is not an outcome of the target's (an interrupt) is not written.
        """
        line = {"op": operation, **arguments}
        try:
            result = action()
        except IdoldbgError as error:
            facts = {k: v for k, v in vars(error).items() if isinstance(v, (int, float, str))}
            message = facts.pop("message", "")
            self._line({**line, "error": type(error).__name__, "message": message, "facts": facts})
            raise
        if isinstance(result, bytes):
            line["data"] = result.hex()
        elif isinstance(result, (list, tuple)):
            line["data"] = [part.hex() for part in result]
        elif isinstance(result, (int, float)):
            line["value"] = result
        self._line(line)
        return result

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def _line(self, line: dict[str, Any]) -> None:
        if not self._file.closed:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
