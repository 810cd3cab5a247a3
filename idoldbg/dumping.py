"""Takes core dumps of targets, and writes them to files of their own: nothing is ever overwritten.

Memory is read while the core is halted. A recording is copied as it is.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from idol.whole_file import write_new
from idoldbg.build.load import read_archive_file
from idoldbg.build.load.dump_file import DCRSR_NUMBERS, PACKED_NAMES, DumpFile
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.build.program import Program
from idoldbg.call.calls import prepare_call
from idoldbg.errors import DecodeError, FaultError, Unsupported
from idoldbg.model.archive import Archive, TaskImage
from idoldbg.model.board import Board
from idoldbg.model.memory import Clock, Segment
from idoldbg.model.snapshot import Range, Snapshot, Written
from idoldbg.session import Session
from idoldbg.target.capability import Recorded
from idoldbg.target.link import Link
from idoldbg.views.core_registers import read_core_registers
from idoldbg.views.dump_areas import read_areas, read_dump
from idoldbg.views.dump_ranges import find_ranges
from idoldbg.views.tasks import table_address, task_type

__all__ = [
    "ask_agent",
    "check_path",
    "read_snapshot",
    "snapshot_of",
    "take_by_agent",
    "take_snapshot",
    "write_snapshot",
]

STEM = "hubris.core"
MOST_FILES = 100_000  # of one name in a folder
LIMIT = 64 << 20  # bytes of memory
CHUNK = 16 << 10  # bytes between two reports of progress
PIECE = 1 << 10  # bytes that a hole in memory costs, at most
MOST_TRIES, TRY_S = 20, 0.005  # to find a task not running
# Humility's (humility-arch-arm/src/lib.rs); it refuses a dump that lacks one.
REGISTERS = (*(name for name, number in DCRSR_NUMBERS.items() if number < 20), *PACKED_NAMES)

Progress = Callable[[float, float, str], None]
_Found = tuple["_Reading", list[Segment], dict[str, int], int | None, bool]


def _ignore(_done: float, _total: float, _item: str) -> None:
    """Ignore the progress."""


def take_snapshot(
    session: Session,
    task: str | None = None,
    *,
    board: Board | None = None,
    progress: Progress = _ignore,
) -> Snapshot:
    """Take a dump of the session's target, or of one task on it; a recording is copied.

    Raises `NotFound` for an unknown task, `FaultError` where no RAM can be read.
    """
    target = session.target
    image = None if task is None else session.program.task(task)
    if target.can(Recorded):
        dump = target.need(Recorded).dump
        if image is None or dump.task == image.index:
            return Snapshot(dump.segments, dict(dump.registers), dump.task, dump.ticks)
        if dump.task is not None:
            raise Unsupported(
                f"{target.spec} is a dump of one task, and not of `{image.name}`",
                capability="memory",
                link=str(target.spec),
            )
    tries = MOST_TRIES if target.can(Clock) else 1
    return read_snapshot(
        session.program, session.link, image, board=board, tries=tries, progress=progress
    )


def take_by_agent(session: Session, task: str, first: int) -> tuple[Snapshot, str]:
    """Let the firmware take the dump of a task, and fetch it from its area, which stays in use.

    `first` is the address of the first area. Returns the dump, and why it is not whole, if so.
    Raises what the call of `DumpAgent.dump_task` raises.
    """
    program = session.program
    number = ask_agent(session, program.task(task).index)
    dump = next((d for d in read_areas(program, first).dumps if d.index == number), None)
    if dump is None:
        raise DecodeError(f"the dump should be in area {number}, and none begins there")
    found, problem = read_dump(program, dump)
    return snapshot_of(found, program.archive.flash_segments()), problem


def ask_agent(session: Session, index: int) -> int:
    """Let the firmware dump a task into its areas; return the number of the first."""
    operation = session.program.operation("DumpAgent.dump_task")
    reply = session.caller.call(prepare_call(operation, {"task_index": str(index)}))
    return int(reply.value)


def read_snapshot(
    program: Program,
    link: Link,
    task: TaskImage | None = None,
    *,
    board: Board | None = None,
    known: Iterable[Segment] = (),
    tries: int = 1,
    progress: Progress = _ignore,
) -> Snapshot:
    """Read a dump by `link`, while the core is halted.

    `known` is memory that need not be read, such as the build's flash; `tries` is how often to look
    for a moment at which `task` does not run. Raises as `take_snapshot`.
    """
    wanted, known = find_ranges(program, task, board=board), tuple(known)
    if known:
        wanted = tuple(r for r in wanted if not any(_overlap(s, *r) for s in known))
    total = sum(size for _, size in wanted)
    if total > LIMIT:
        raise FaultError(
            f"the regions of this build are {total} bytes, more than any board has",
            address=wanted[0][0],
            size=total,
        )

    def look(is_last: bool) -> _Found | None:
        is_running = task is not None and _is_current(program, task)
        if is_running and not is_last:
            return None
        read = _Reading(link, progress, total)
        segments = [segment for each in wanted for segment in read.range(*each)]
        registers = read_core_registers(link, REGISTERS) if task is None else {}
        ticks = None if task is None else program.ticks() or 0
        return read, segments, registers, ticks, is_running

    for left in reversed(range(tries)):
        found = link.halted(partial(look, not left))
        if found is not None:
            break
        link.wait(TRY_S)
    assert found is not None, "the last look takes what there is"
    read, segments, registers, ticks, is_running = found
    if read.error is not None and not any(_is_ram(program, s) for s in segments):
        raise FaultError(f"no RAM could be read: {read.error.message}", address=read.error.address)
    cautions = [_running(task)] if task is not None and is_running else []
    if known:
        segments = sorted([*known, *segments], key=lambda s: s.address)
    return Snapshot(
        tuple(segments), registers, None if task is None else task.index, ticks,
        tuple(read.gaps), tuple(cautions),
    )  # fmt: skip


def _running(task: TaskImage) -> str:
    return (
        f"`{task.name}` was running: its registers in the dump are those of when it last was not; "
        "take a dump of the whole system to have them"
    )


def _is_current(program: Program, task: TaskImage) -> bool:
    entry = table_address(program) + task.index * task_type(program).size
    return program.find_word("CURRENT_TASK_PTR") == entry


def _overlap(segment: Segment, address: int, size: int) -> bool:
    return segment.address < address + size and address < segment.end


def _is_ram(program: Program, segment: Segment) -> bool:
    return not any(s.address <= segment.address < s.end for s in program.archive.flash_segments())


class _Reading:
    """Reads memory range by range, and notes what cannot be read (clocked off, locked)."""

    def __init__(self, link: Link, progress: Progress, total: int) -> None:
        self.link = link
        self.progress = progress
        self.total = total
        self.done = 0
        self.gaps: list[Range] = []
        self.error: FaultError | None = None

    def range(self, start: int, size: int) -> list[Segment]:
        """Return what is there of a range; it is whole in one segment, if it is."""
        found: list[tuple[int, list[bytes]]] = []
        end = -1
        for address, data in self.pieces(start, size):
            if address == end:
                found[-1][1].append(data)
            else:
                found.append((address, [data]))
            end = address + len(data)
        return [Segment(address, b"".join(parts)) for address, parts in found]

    def pieces(self, start: int, size: int) -> Iterable[tuple[int, bytes]]:
        for at in range(start, start + size, CHUNK):
            count = min(CHUNK, start + size - at)
            try:
                yield at, self.link.read(at, count)
            except FaultError as error:
                self.error = self.error or error
                yield from self.small_pieces(at, count)
            self.done += count
            self.progress(self.done >> 10, self.total >> 10, "KiB")

    def small_pieces(self, start: int, size: int) -> Iterable[tuple[int, bytes]]:
        for at in range(start, start + size, PIECE):
            count = min(PIECE, start + size - at)
            try:
                yield at, self.link.read(at, count)
            except FaultError:
                self.add_gap(at, count)

    def add_gap(self, address: int, size: int) -> None:
        if self.gaps and sum(self.gaps[-1]) == address:
            address, size = self.gaps[-1][0], self.gaps.pop()[1] + size
        self.gaps.append((address, size))


# ---- files -------------------------------------------------------------------------------------


def snapshot_of(dump: DumpFile, flash: Iterable[Segment] = ()) -> Snapshot:
    """Return the content of a dump from elsewhere, with `flash` where it has none."""
    there = dump.segments
    more = [s for s in flash if not any(_overlap(s, d.address, len(d.data)) for d in there)]
    return Snapshot((*more, *there), dict(dump.registers), dump.task, dump.ticks)


def check_path(path: str | os.PathLike[str] | None) -> None:
    """Raise `OSError` where no dump can be written to `path`, before one is taken."""
    if path is not None and os.path.lexists(path):
        raise _exists(os.fspath(path))
    folder = Path("." if path is None else path).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory", str(folder))


def _exists(path: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "exists already, and dumps overwrite nothing", path)


def write_snapshot(
    snapshot: Snapshot,
    archive: Archive,
    path: str | os.PathLike[str] | None = None,
    *,
    part: str = "",
) -> Written:
    """Write a dump to `path`, by default to the first free one of `hubris.core.N`.

    That of a task is `hubris.core.TASK.N`, with `part` behind the task's name. Raises
    `ArchiveError` where the build's file has changed since it was opened, `FileExistsError` where
    there is something at `path`.
    """
    build = read_archive_file(archive)
    task = None if snapshot.task is None else (snapshot.task, snapshot.ticks or 0)
    data = encode_dump(build, snapshot.segments, snapshot.registers, task)
    name = None
    if snapshot.task is not None:
        tasks = archive.tasks
        number = snapshot.task
        name = tasks[number].name if number < len(tasks) else str(number)
    stem = STEM if name is None else f"{STEM}.{_plain(name)}{part}"
    shown = _write_free(stem, data, path)
    return Written(shown, len(data), snapshot, name, build is not None)


def _write_free(stem: str, data: bytes, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        try:
            write_new(path, data)
        except FileExistsError:
            raise _exists(os.fspath(path)) from None
        return os.fspath(path)
    for number in range(MOST_FILES):
        shown = f"{stem}.{number}"
        if not os.path.lexists(shown):
            try:
                write_new(shown, data)
            except FileExistsError:  # somebody else was quicker
                continue
            return shown
    raise _exists(shown)


def _plain(name: str) -> str:
    """Return a task's name as part of a file's: builds come from anywhere."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100]
