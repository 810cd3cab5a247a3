"""Evidence about a board whose test failed, collected while it is still there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from idol.records import dataclass, field, replace
from idol.whole_file import write_whole
from idoldbg.build.load import read_archive_file
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.build.program import Program
from idoldbg.dumping import read_snapshot
from idoldbg.errors import IdoldbgError
from idoldbg.model.board import Board
from idoldbg.render import diagnosis, ring_buffers, stacks, text
from idoldbg.render.printable import join_lines, one_line
from idoldbg.target.link import Link
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.core_registers import read_core_registers
from idoldbg.views.counters import CounterSet, count_changes, read_counters
from idoldbg.views.diagnosis import Code, diagnose, observe
from idoldbg.views.ring_buffers import read_ring_buffers, select_ring_buffers
from idoldbg.views.tasks import TaskTable, read_tasks

__all__ = ["Evidence", "collect", "file_stem", "write_dump", "write_evidence"]

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
    write_history: Callable[[Path], None] | None = None,
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
    add("findings", lambda: _findings(program))
    add("tasks", lambda: text.tasks(_without_holds(read_tasks(program))))
    add("stacks", lambda: _stacks(program, link))
    add("counters that moved", lambda: _moved(program, counters, counted_before or {}))
    add("ring buffers", lambda: _rings(program))
    dump: list[str] = []
    if dump_path is not None:
        add("core dump", lambda: _dump(dump_path, program, link, target, dump))
        if write_history is not None:
            add("history", lambda: _history(dump_path.with_suffix(".history"), write_history))
    return Evidence(board, dict(facts), tuple(sections), dump[0] if dump else None, tuple(problems))


def _without_holds(found: TaskTable) -> TaskTable:
    """Leave out which tasks are held: `guard` holds them all, for the length of a test."""
    return replace(found, rows=tuple(replace(row, is_held=None) for row in found.rows))


def _findings(program: Program) -> str:
    """Return what the checks of `idoldbg diagnose` find in one look; stacks have a section."""
    found = [f for f in diagnose(observe(program)).findings if f.code is not Code.TASK_HELD]
    rows = [[f.severity.value, f.task or "", diagnosis.describe(f)] for f in found]
    return text.table(rows) if rows else ""


def _stacks(program: Program, link: Link) -> str:
    current = next((r.index for r in read_tasks(program).rows if r.is_current), None)

    def read() -> list[str]:
        lines = []
        live = read_core_registers(link)
        for task in program.archive.tasks:
            trace = read_backtrace(program, task.index, live if task.index == current else None)
            lines += _trace_lines(task.index, trace)
        return lines

    return join_lines(link.halted(read))


def _trace_lines(index: int, trace: Backtrace) -> list[str]:
    """Write where a task is, then its callers below."""
    return [f"{index:2}  {trace.task}", *(f"      {x}" for x in stacks.lines(trace, sources=True))]


def _moved(program: Program, counters: tuple[CounterSet, ...], before: Mapping[str, int]) -> str:
    changes = count_changes(before, read_counters(program, counters))
    return text.table([[name, f"+{by}"] for name, by in sorted(changes.items())])


def _rings(program: Program) -> str:
    rings = select_ring_buffers(read_ring_buffers(program), last=RING_ENTRIES)
    shown = [ring for ring in rings if ring.entries or ring.problem]
    return ring_buffers.text(shown) if shown else ""


def _history(path: Path, write: Callable[[Path], None]) -> str:
    write(path)
    return join_lines([str(path), f"go back in time with: idoldbg replay {path}"])


def _dump(
    path: Path, program: Program, link: Link, target: Board | None, written: list[str]
) -> str:
    write_dump(path, program, link, target)
    written.append(str(path))
    return join_lines([str(path), f"open it with: idoldbg -p dump:{path} tasks"])


def write_dump(path: Path, program: Program, link: Link, target: Board | None = None) -> None:
    """Write a core dump of the whole target: flash from the build, RAM and registers as they are.

    `target` says where RAM is for builds that do not. Raises `ArchiveError` or `OSError` where the
    archive is not there any more, `FaultError` where no RAM can be read.
    """
    archive = program.archive
    build = read_archive_file(archive)
    flash = archive.flash_segments()
    snapshot = read_snapshot(program, link, board=target, known=flash)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode_dump(build, snapshot.segments, snapshot.registers))


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
