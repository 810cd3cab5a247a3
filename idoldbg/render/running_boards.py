"""Output of `idoldbg board`: the boards that are kept running.

What is shown are the fields of `idoldbg.target.emulated.entries.BoardEntry`, and a board's status.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from idoldbg.render.printable import join_lines
from idoldbg.render.text import table

__all__ = [
    "boards_object",
    "boards_text",
    "started_text",
    "status_object",
    "status_text",
    "stopped_text",
]

SCHEMA = "idoldbg.board/1"
UNKNOWN = "(not known: flashed by another program)"
NOT_GIVEN = "(not known: started without a build)"
Facts = Mapping[str, Any]


def boards_object(boards: Sequence[Facts]) -> dict[str, Any]:
    """Return the object of `board list`, `start` and `stop`."""
    return {"schema": SCHEMA, "boards": [dict(board) for board in boards]}


def boards_text(boards: Sequence[Facts], detailed: bool) -> str:
    """Write the boards, one a line; `detailed` adds where they listen and log."""
    if not boards:
        return "no board is running; start one with `idoldbg board start NAME [ARCHIVE]`"
    rows = [["NAME", "BOARD", "PROBE", "PROCESS", "SINCE", "PYOCD PORT", "ARCHIVE"]]
    for board in boards:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(board["since"]))
        port = "" if board["pyocd_port"] is None else str(board["pyocd_port"])
        archive = _archive(board)
        kind = [board["board"] or "?", board["probe"] or "(emulated)"]
        row = [board["name"], *kind, str(board["pid"]), since, port, archive]
        if detailed:
            row += [board["socket"], board["log"]]
        rows.append(row)
    if detailed:
        rows[0] += ["SOCKET", "LOG"]
    return table(rows)


def started_text(board: Facts) -> str:
    """Describe what was started and how to use it."""
    name, probe = board["name"], board["probe"]
    if probe is None:
        lines = [f"{name}: {board['board']} runs {board['archive']}; use `--probe emu:{name}`"]
    else:
        what = f"a {board['board']} " if board["board"] else ""
        lines = [f"{name}: {what}behind {probe} is kept attached; use `--probe board:{name}`"]
    if board["pyocd_port"] is not None:
        lines.append(f"pyOCD probe server: remote:localhost:{board['pyocd_port']}")
    return join_lines(lines)


def stopped_text(boards: Sequence[Facts]) -> str:
    """Describe what was stopped."""
    if not boards:
        return "no board is running"
    return join_lines(f"{board['name']}: stopped" for board in boards)


def status_object(status: Facts) -> dict[str, Any]:
    """Return the object of `board status`."""
    return {"schema": SCHEMA, **status}


def status_text(status: Facts) -> str:
    """Write what a board's process says, a fact a line."""
    lights = [name for name, is_on in sorted(status["leds"].items()) if is_on]
    chip = f" ({status['chip']})" if status["chip"] else ""
    rows = [
        ["board", f"{status['board'] or '?'}{chip}"],
        *([["probe", _probe(status)]] if status.get("probe") else []),
        ["image", f"{_archive(status)} {status['image_id']}".strip()],
        ["process", f"{status['pid']}, log {status['log']}"],
        ["socket", status["socket"]],
        ["clock", f"{status['time_s']:.3f} s"],
        ["core", _core(status)],
        *([] if status.get("probe") else [["lights on", ", ".join(lights) or "none"]]),
        ["clients", str(status["clients"])],
    ]
    if status["pyocd_port"] is not None:
        rows.append(["pyOCD server", f"remote:localhost:{status['pyocd_port']}"])
    rows += [["note", str(notice)] for notice in status["notices"]]
    return table(rows)


def _core(status: Facts) -> str:
    if status.get("problem"):
        return "not known"
    if status["lockup"] is not None:
        return f"locked up: {status['lockup']}"
    if status["held_by"]:
        return f"held still by {status['held_by']} client(s)"
    return "halted" if status["halted"] else "running"


def _archive(board: Facts) -> str:
    """Name what a board runs, or why that is not known."""
    return str(board["archive"]) or (NOT_GIVEN if board.get("probe") else UNKNOWN)


def _probe(status: Facts) -> str:
    problem = status.get("problem")
    return f"{status['probe']}, {'lost: ' + str(problem) if problem else 'attached'}"
