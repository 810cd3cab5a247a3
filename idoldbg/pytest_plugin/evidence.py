"""Evidence about a board whose test failed, collected while it is still there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from idol.records import dataclass, field
from idol.whole_file import write_whole
from idoldbg.build.load.archive_zip import read_archive
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.build.program import Program
from idoldbg.errors import ArchiveError, FaultError, IdoldbgError
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board, MemoryKind
from idoldbg.model.memory import Segment
from idoldbg.render import ring_buffers, stacks, text
from idoldbg.render.printable import join_lines, one_line
from idoldbg.target.link import Link
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.counters import CounterSet, count_changes, read_counters
from idoldbg.views.ring_buffers import read_ring_buffers, select_ring_buffers
from idoldbg.views.tasks import read_tasks

__all__ = ["Evidence", "collect", "file_stem", "write_dump", "write_evidence"]

REGISTERS = (
    *(f"r{i}" for i in range(13)),
    *("sp", "lr", "pc", "xpsr", "msp", "psp"),
    *("primask", "basepri", "faultmask", "control"),
)
DUMP_PIECE = 4096  # what one hole in the memory costs, at most
DUMP_LIMIT = 16 << 20
STEM_LIMIT = 120
_PLAIN_NODE_ID = re.compile(r"(?=.{1,120}$)[\w/.]+(::\w+)*(\[[\w.]+\])?", re.ASCII)
RING_ENTRIES = 40  # of each ring buffer, the newest


@dataclass(frozen=True, slots=True)
class Evidence:
    """Texts about one board under their titles; `dump` is the path of a core dump."""

    board: str
    facts: Mapping[str, str]
    sections: tuple[tuple[str, str], ...] = ()
    dump: str | None = None
    problems: tuple[str, ...] = field(default=())


def collect(
    board: str,
    program: Program,
    link: Link,
    *,
    facts: Mapping[str, str],
    deaths: tuple[str, ...] = (),
    counters: tuple[CounterSet, ...] = (),
    counted_before: Mapping[str, int] | None = None,
    dump_path: Path | None = None,
    target: Board | None = None,
) -> Evidence:
    """Look at everything; what cannot be read is said and hides nothing else. Never raises."""
    sections: list[tuple[str, str]] = []
    problems: list[str] = []

    def add(title: str, make: Callable[[], str]) -> None:
        try:
            content = make()
        except (IdoldbgError, OSError) as error:
            problems.append(one_line(f"{title}: {error}"))
            return
        if content:
            sections.append((title, content))

    if deaths:
        sections.append(("tasks that died", join_lines(deaths)))
    add("tasks", lambda: text.tasks(read_tasks(program)))
    add("stacks", lambda: _stacks(program, link))
    add("counters that moved", lambda: _moved(program, counters, counted_before or {}))
    add("ring buffers", lambda: _rings(program))
    dump: list[str] = []
    if dump_path is not None:
        add("core dump", lambda: _dump(dump_path, program.archive, link, target, dump))
    return Evidence(board, dict(facts), tuple(sections), dump[0] if dump else None, tuple(problems))


def _stacks(program: Program, link: Link) -> str:
    current = next((r.index for r in read_tasks(program).rows if r.is_current), None)
    lines = []
    with link.halted():
        live = _registers(link)
        for task in program.archive.tasks:
            trace = read_backtrace(program, task.index, live if task.index == current else None)
            lines += _trace_lines(task.index, trace)
    return join_lines(lines)


def _trace_lines(index: int, trace: Backtrace) -> list[str]:
    """Write where a task is, then its callers below."""
    return [f"{index:2}  {trace.task}", *(f"      {x}" for x in stacks.lines(trace, sources=True))]


def _registers(link: Link) -> dict[str, int]:
    found = {}
    for name in REGISTERS:
        try:
            found[name] = link.read_register(name)
        except IdoldbgError:
            continue  # not on this core
    return found


def _moved(program: Program, counters: tuple[CounterSet, ...], before: Mapping[str, int]) -> str:
    changes = count_changes(before, read_counters(program, counters))
    return text.table([[name, f"+{by}"] for name, by in sorted(changes.items())])


def _rings(program: Program) -> str:
    rings = select_ring_buffers(read_ring_buffers(program), last=RING_ENTRIES)
    shown = [ring for ring in rings if ring.entries or ring.problem]
    return ring_buffers.text(shown) if shown else ""


def _dump(
    path: Path, archive: Archive, link: Link, target: Board | None, written: list[str]
) -> str:
    write_dump(path, archive, link, target)
    written.append(str(path))
    return join_lines([str(path), f"open it with: idoldbg -p dump:{path} tasks"])


def write_dump(path: Path, archive: Archive, link: Link, target: Board | None = None) -> None:
    """Write a core dump of the whole target: flash from the build, RAM and registers as they are.

    `target` says where RAM is for builds that do not. Raises `ArchiveError` or `OSError` where the
    archive is not there any more, `FaultError` where no RAM can be read.
    """
    zipped = Path(archive.path).read_bytes() if Path(archive.path).is_file() else b""
    # Only an archive can be put in, and only the one whose symbols are the target's.
    if read_archive(archive.path, zipped).image_id != archive.image_id:
        raise ArchiveError(f"{archive.path} has changed since it was opened", path=archive.path)
    with link.halted():
        registers = _registers(link)
        ram = [piece for start, size in _ram(archive, target) for piece in _read(link, start, size)]
    if not ram:
        raise FaultError("no RAM could be read", address=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode_dump(zipped, [*archive.flash_segments(), *ram], registers))


def _ram(archive: Archive, target: Board | None) -> list[tuple[int, int]]:
    """Return (address, size) of RAM: as the build says, else as the chip's file does."""
    found = []
    for regions in archive.memory_description.values():
        for region in regions if isinstance(regions, list) else []:
            if isinstance(region, dict) and region.get("write") is True:
                address, size = region.get("address"), region.get("size")
                if isinstance(address, int) and isinstance(size, int):
                    found.append((address, size))
    if not found and target is not None:
        memory = target.chip.memory
        found = [(m.address, m.size) for m in memory if m.kind is MemoryKind.RAM]
    return sorted(set(found))


def _read(link: Link, start: int, size: int) -> list[Segment]:
    """Read a region; what cannot be read (clocked off, locked) is left out, page by page."""
    size = min(size, DUMP_LIMIT)
    try:
        return [Segment(start, link.read(start, size))]
    except FaultError:
        pass
    pieces = []
    for at in range(start, start + size, DUMP_PIECE):
        try:
            pieces.append(Segment(at, link.read(at, min(DUMP_PIECE, start + size - at))))
        except FaultError:
            continue
    return pieces


def write_evidence(path: Path, found: list[Evidence]) -> None:
    """Write what was found as JSON, for reports that are made later."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"schema": "idoldbg.evidence/1", "boards": [asdict(e) for e in found]}
    write_whole(path, json.dumps(record, sort_keys=True, indent=1).encode())


def file_stem(node_id: str, worker: str) -> str:
    """Return a name for files about a test: readable, its own, never too long."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", node_id).strip("-")[-STEM_LIMIT:]
    if not _PLAIN_NODE_ID.fullmatch(node_id):  # others may come to the same name
        name += f"-{hashlib.sha256(node_id.encode(errors='replace')).hexdigest()[:8]}"
    return f"{name}.{worker}" if worker else name
