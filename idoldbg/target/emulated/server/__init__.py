"""Boards that stay up: each in a process of its own, for any number of users.

Emulated ones, and real ones whose probe that process keeps.

    with running_board("desk", "build.zip") as board:    # ends with the block, and with us
        open_session(TargetOptions(probe=board.spec))

`start_board` leaves the board running until `stop_board`. Any client of this user on this host
reaches it as `--probe emu:NAME`; `pyocd_port` makes it a pyOCD probe server besides. What is said
over its socket is in docs/board-protocol.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

from idol.near import near_misses
from idoldbg import errors
from idoldbg.errors import IdoldbgError, LinkError, LinkTimeout, NotFound
from idoldbg.target.emulated.entries import (
    BoardEntry,
    check_name,
    find_board_entry,
    lock_path,
    read_board_entries,
)
from idoldbg.target.emulated.server.process import BoardRequest, serve_board
from idoldbg.target.emulated.socket import connect_board
from idoldbg.target.host_lock import find_holder
from idoldbg.target.peer import need_kept_boards

__all__ = [
    "BoardEntry",
    "BoardRequest",
    "board_status",
    "get_board",
    "list_boards",
    "running_board",
    "serve_board",
    "start_board",
    "stop_board",
]

START_LIMIT_S = 60.0
STATUS_LIMIT_S = 15.0
TERM_LIMIT_S = 5.0
KILL_LIMIT_S = 5.0
ANSWER_LIMIT = 1 << 16


def start_board(
    name: str,
    archive: str | os.PathLike[str] | None = None,
    *,
    board: str | None = None,
    uart: str | os.PathLike[str] | None = None,
    pyocd_port: int | None = None,
    lifeline: int | None = None,
    probe: str | None = None,
    idle_s: float | None = None,
    speed_hz: int | None = None,
    connect: str | None = None,
    limit_s: float = START_LIMIT_S,
) -> BoardEntry:
    """Start a board in the background, and return when it can be used.

    `archive` is a build (default: the bundled image of `board`), `board` the name or path of a
    board file (default: what the build says), `uart` a file for what its serial ports send.
    `pyocd_port` also makes it a pyOCD probe server on that port of this host, 0 for any free one.
    With `lifeline`, the read end of a pipe, it ends when the write end is closed. `probe` is the
    SPEC of a real board to keep attached instead. With `idle_s`, it ends when it had no client for
    so long. `speed_hz` and `connect` are how that is attached, see `TargetOptions`.

    Raises `LinkError` where a board of that name runs, `LinkTimeout` when it does not start in
    time, and what opening build or board file raises.
    """
    need_kept_boards(f"board `{name}`")
    request = BoardRequest(
        name=check_name(name),
        archive=None if archive is None else os.fspath(archive),
        board=board,
        uart=None if uart is None else os.fspath(uart),
        pyocd_port=pyocd_port,
        lifeline=lifeline,
        probe=probe,
        idle_s=idle_s,
        speed_hz=speed_hz,
        connect=connect,
    )
    answer_read, answer_write = os.pipe()
    with open(answer_read, "rb") as answers, tempfile.TemporaryFile() as output:  # noqa: PTH123  a descriptor, not a path
        try:
            starter = subprocess.Popen(
                [
                    # -P: a `json.py` of the current directory is not what shall run.
                    *(sys.executable, "-P", "-m", __name__),
                    *(json.dumps(asdict(request)), str(answer_write)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[answer_write] if lifeline is None else [answer_write, lifeline],
                start_new_session=True,
            )
        finally:
            os.close(answer_write)
        starter.wait()  # it forks at once
        facts = _read_answer(answers, name, limit_s, output)
    if "error" in facts:
        raise _error(facts["error"], name)
    return BoardEntry(**facts["entry"])


def _read_answer(
    answers: IO[bytes], name: str, limit_s: float, output: IO[bytes]
) -> dict[str, Any]:
    """Read the line that the new process writes; it closes the pipe by ending, if nothing else."""
    end = time.monotonic() + limit_s
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([answers], [], [], max(0.0, end - time.monotonic()))[0]:
            with contextlib.suppress(IdoldbgError):
                stop_board(name)
            raise LinkTimeout(
                f"board `{name}` did not start within {limit_s:g} s",
                timeout_s=limit_s,
                link=f"board:{name}",
            )
        data = os.read(answers.fileno(), ANSWER_LIMIT)
        if not data:
            output.seek(0)
            last = output.read(ANSWER_LIMIT).decode(errors="replace").strip().splitlines()[-1:]
            raise LinkError(
                f"the process of board `{name}` ended before it was ready: "
                f"{''.join(last) or 'it said nothing'}",
                link=f"board:{name}",
            )
        line += data
    facts: dict[str, Any] = json.loads(line)
    return facts


def _error(facts: dict[str, str], name: str) -> IdoldbgError:
    """Return the error of the new process, as far as its kind is known."""
    message = facts["message"]
    match facts["kind"]:
        case "ArchiveError":
            return errors.ArchiveError(message)
        case "TargetFileError":
            return errors.TargetFileError(message)
        case "ArgumentError" | "NotFound":
            return errors.ArgumentError(message)
        case "ProbeNotFound":
            return errors.ProbeNotFound(message, link=f"board:{name}")
    return LinkError(message, link=f"board:{name}")


@contextlib.contextmanager
def running_board(
    name: str,
    archive: str | os.PathLike[str] | None = None,
    *,
    board: str | None = None,
    uart: str | os.PathLike[str] | None = None,
    pyocd_port: int | None = None,
    probe: str | None = None,
) -> Iterator[BoardEntry]:
    """Keep a board running while the block runs; it also ends if this process is killed."""
    read_end, write_end = os.pipe()
    try:
        entry = start_board(
            name,
            archive,
            board=board,
            uart=uart,
            pyocd_port=pyocd_port,
            lifeline=read_end,
            probe=probe,
        )
        try:
            yield entry
        finally:
            with contextlib.suppress(NotFound):  # stopped by somebody else
                stop_board(name)
    finally:
        os.close(read_end)
        os.close(write_end)


def list_boards() -> tuple[BoardEntry, ...]:
    """Return this user's boards that run on this host, by name."""
    return read_board_entries()


def get_board(name: str) -> BoardEntry:
    """Return a board that runs; raise `NotFound`."""
    entry = find_board_entry(name)
    if entry is None:
        names = [e.name for e in read_board_entries()]
        near = near_misses(name, names)
        running = f"running: {', '.join(names)}" if names else "none is running"
        raise NotFound("running board", name, near=near, hint="" if near else running)
    return entry


def board_status(name: str) -> dict[str, Any]:
    """Return what a board's process says: its entry, time, clients, lights, what it is stuck in.

    Raises `ProbeNotFound` where none of that name runs, `LinkTimeout` where it does not answer.
    """
    with connect_board(name, limit_s=STATUS_LIMIT_S, scheme="board") as board:
        return board.status()


def stop_board(name: str, *, term_limit_s: float = TERM_LIMIT_S) -> BoardEntry:
    """End a board's process and return what it was; raise `NotFound`.

    SIGTERM first; SIGKILL if it has not ended within `term_limit_s`.
    """
    entry = get_board(name)
    try:
        process = os.pidfd_open(entry.pid)
    except ProcessLookupError:
        return entry  # it ended just now
    try:
        # Now that the descriptor holds on to the process, see that it is still the board's.
        holder = find_holder(lock_path(name))
        if holder is None or holder.pid != entry.pid:
            return entry
        for number, limit_s in ((signal.SIGTERM, term_limit_s), (signal.SIGKILL, KILL_LIMIT_S)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
            if select.select([process], [], [], limit_s)[0]:
                return entry
    finally:
        os.close(process)
    raise LinkError(
        f"board `{name}`: process {entry.pid} does not end, not even by SIGKILL",
        link=f"board:{name}",
    )
