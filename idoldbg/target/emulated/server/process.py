"""The process behind a board that is kept running: from its arguments to its end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from idol.records import dataclass
from idoldbg.errors import IdoldbgError, LinkError
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board
from idoldbg.opening import find_build
from idoldbg.render.printable import printable
from idoldbg.target.chosen_board import find_board
from idoldbg.target.emulated.client import short_address
from idoldbg.target.emulated.entries import (
    BoardEntry,
    boards_dir,
    check_name,
    lock_path,
    remove_board_entry,
    socket_path,
    write_board_entry,
)
from idoldbg.target.emulated.making import emulate
from idoldbg.target.emulated.server.loop import BoardLoop
from idoldbg.target.emulated.server.operations import NO_IMAGE, NamedImage, SharedBoard
from idoldbg.target.emulated.server.probed import ProbedBoard, ProbedLoop, SharedProbe
from idoldbg.target.host_lock import HostLock, LockHeld
from idoldbg.target.open import Site, TargetOptions, Wanted, find_scheme, open_target

__all__ = ["BoardRequest", "detach", "serve_board"]

LOG_LIMIT = 256 << 10
LINE_LIMIT = 4096

log = logging.getLogger(__name__)

_Served = tuple[SharedBoard, type[BoardLoop], Callable[[], None]]
"""What is served, how, and how it is let go of."""


@dataclass(frozen=True, slots=True)
class BoardRequest:
    """Board to keep running; paths may be relative to the current directory.

    `pyocd_port` also serves it as a pyOCD probe on that port of this host, 0 for any free one.
    `lifeline` is a descriptor of a pipe (or of standard input): the board ends when its other end
    is closed. `probe` is the SPEC of a real board to keep, None for an emulated one; without
    `archive` it is not known what that runs. `idle_s` ends it when it had no client for so long.
    `speed_hz` and `connect` are those of `TargetOptions`.
    """

    name: str
    archive: str | None = None
    board: str | None = None
    uart: str | None = None
    pyocd_port: int | None = None
    lifeline: int | None = None
    probe: str | None = None
    idle_s: float | None = None
    speed_hz: int | None = None
    connect: str | None = None

    @property
    def spec(self) -> str:
        """Value of `--probe` that reaches it."""
        return f"{'emu' if self.probe is None else 'board'}:{self.name}"


def serve_board(request: BoardRequest, ready: Callable[[BoardEntry], None]) -> None:
    """Run a board in this process until SIGTERM, SIGINT or the end of its lifeline.

    `ready` is called once it can be reached. Raises `LinkError` where a board of that name runs,
    and what opening the build raises.
    """
    check_name(request.name)
    boards_dir()
    try:
        lock = HostLock.acquire(
            lock_path(request.name), command=f"idoldbg board start {request.name}"
        )
    except LockHeld as error:
        raise LinkError(
            f"board `{request.name}` is running already: {error.holder}; use it with `--probe "
            f"board:{request.name}`, or stop it first (`idoldbg board stop {request.name}`)",
            link=request.spec,
        ) from None
    with lock:
        remove_board_entry(request.name)  # what a process that was killed has left behind
        log_file = boards_dir() / f"{request.name}.log"
        with _logging(log_file):
            try:
                _serve_locked(request, log_file, ready)
            finally:
                remove_board_entry(request.name)


def _serve_locked(
    request: BoardRequest, log_file: Path, ready: Callable[[BoardEntry], None]
) -> None:
    make = _emulated if request.probe is None else _probed
    kept = _Kept(
        BoardEntry(
            name=request.name,
            pid=os.getpid(),
            socket=str(socket_path(request.name)),
            board="",
            chip="",
            archive="",
            image_id="",
            since=time.time(),
            log=str(log_file),
            probe=request.probe,
        )
    )
    shared, loop_type, close = make(request, kept)
    with contextlib.ExitStack() as at_end, _listening(socket_path(request.name)) as listener:
        at_end.callback(close)
        loop = loop_type(shared, listener)
        kept.client_count = lambda: loop.client_count
        if request.lifeline is not None:
            loop.end_when_closed(request.lifeline)
        if request.idle_s is not None:
            loop.end_when_idle(request.idle_s)
        with _ended_by_signals(loop), _pyocd_server(request, kept.entry.board) as port:
            kept.entry = replace(kept.entry, pyocd_port=port)
            write_board_entry(kept.entry)
            log.info("%s is ready as process %d", request.name, os.getpid())
            ready(kept.entry)
            loop.run()
    log.info("%s ends", request.name)


def _emulated(request: BoardRequest, kept: _Kept) -> _Served:
    """Make an emulated board."""
    options = TargetOptions(archive=request.archive, board=request.board, uart=request.uart)
    archive = find_build(options).archive
    board = emulate(options, archive)
    image = _image(archive)
    kept.describe(board.board, image)
    shared = SharedBoard(board, kept.facts, image, kept.image_changed)
    return shared, BoardLoop, board.close


def _probed(request: BoardRequest, kept: _Kept) -> _Served:
    """Attach to a real board."""
    options = TargetOptions(
        archive=request.archive,
        board=request.board,
        probe=request.probe,
        speed_hz=request.speed_hz,
        connect=request.connect,
    )
    spec = options.spec
    assert spec is not None  # the caller looked
    archive = find_build(replace(options, probe=None)).archive
    image = _image(archive)
    if request.archive is None and find_scheme(spec).site(spec) is not Site.HERE:
        archive, image = replace(archive, path="", board="", chip=""), NO_IMAGE
    kept.describe(find_board(options, archive), image)
    wanted = Wanted(options, archive, lambda notice: log.info("%s", notice))
    board = ProbedBoard(lambda: open_target(spec, wanted))
    return SharedProbe(board, kept.facts, image), ProbedLoop, board.close


def _image(archive: Archive) -> NamedImage:
    return NamedImage(
        archive=str(Path(archive.path).absolute()),
        image_id=(archive.image_id or b"").hex(),
        segments=tuple((s.address, s.data) for s in archive.flash_segments()),
    )


class _Kept:
    """Public state of the board; its image changes when it is flashed."""

    def __init__(self, entry: BoardEntry) -> None:
        self.entry = entry
        self.client_count: Callable[[], int] = lambda: 0

    def describe(self, board: Board | None, image: NamedImage) -> None:
        """Name board and image, as far as they are known."""
        self.entry = replace(
            self.entry,
            board="" if board is None else board.name,
            chip="" if board is None else board.chip.name,
            archive=image.archive,
            image_id=image.image_id,
        )

    def facts(self) -> dict[str, Any]:
        return {**asdict(self.entry), "clients": self.client_count()}

    def image_changed(self, image: NamedImage) -> None:
        self.entry = replace(self.entry, archive=image.archive, image_id=image.image_id)
        try:
            write_board_entry(self.entry)
        except OSError as error:  # the disk is full, say: `board list` is out of date, no more
            log.warning("the entry cannot be written: %s", error)
        log.info("it now runs %s", image.archive or "an image that nobody has named")


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with short_address(path) as address:
            listener.bind(address)
        path.chmod(0o600)
        listener.listen(64)
        yield listener


@contextlib.contextmanager
def _ended_by_signals(loop: BoardLoop) -> Iterator[None]:
    """Let the signals that ask a process to end stop the loop, as long as the block runs."""
    before = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        before[number] = signal.signal(number, lambda *_: loop.stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _pyocd_server(request: BoardRequest, board_name: str) -> Iterator[int | None]:
    """Serve the board as a probe while the block runs; give the port."""
    if request.pyocd_port is None:
        yield None
        return
    from idoldbg.target.emulated.pyocd_probe.server import (
        serving_board,  # loads pyOCD: only where asked for
    )

    with serving_board(request.name, board_name, request.pyocd_port) as port:
        yield port


class _BoundedLog(logging.FileHandler):
    """A log that loses its older half when it is full.

    It stays the same file: the process's own output goes there, too.
    """

    def __init__(self, path: Path, limit: int) -> None:
        path.unlink(missing_ok=True)
        self._limit = limit
        super().__init__(path, mode="a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        with contextlib.suppress(OSError):
            path = Path(self.baseFilename)
            size = path.stat().st_size
            if size > self._limit:
                with path.open("r+b") as file:
                    file.seek(size - self._limit // 2)
                    kept = file.read(self._limit).partition(b"\n")[2]
                    file.truncate(0)
                    file.seek(0)
                    file.write(kept)


class _OneLine(logging.Formatter):
    """Keeps what clients send from beginning lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        record.message = printable(record.message)[:LINE_LIMIT]
        return super().formatMessage(record)


@contextlib.contextmanager
def _logging(path: Path, limit: int = LOG_LIMIT) -> Iterator[None]:
    """Log into a file of at most `limit` bytes, give or take a few lines."""
    handler = _BoundedLog(path, limit)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


def detach(request: BoardRequest, answer: int) -> None:
    """Serve a board in a process that nobody waits for; `answer` is a descriptor to write to.

    Call it early in a process that was made for this, as the leader of a new session: it forks, and
    the first process ends at once. What comes of it is written as one line of JSON: the entry, or
    an error as in `idoldbg.target.emulated.protocol`.
    """
    if os.fork() > 0:
        os._exit(0)

    # What others read of the holder of its locks.
    sys.argv = ["idoldbg", "board", "start", request.name]

    def ready(entry: BoardEntry) -> None:
        say({"entry": asdict(entry)})
        # From here on nobody listens, and no folder is to be kept busy.
        os.chdir("/")
        _point_output_to(entry.log)

    def say(facts: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # whoever asked has gone
            os.write(answer, json.dumps(facts).encode() + b"\n")
        os.close(answer)

    try:
        serve_board(request, ready)
    except IdoldbgError as error:
        say({"error": {"kind": type(error).__name__, "message": error.message}})


def _point_output_to(log_path: str) -> None:
    """Send what libraries print, and a crash of the interpreter, to the log."""
    descriptor = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
