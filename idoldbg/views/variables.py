"""Statics of a build: which there are, where each lies, and what became of the others.

A variable of debug information counts as a static when it has a name of its own; where its address
is missing, the symbol of its linkage name has it (several toolchains keep `#[used]` statics so).
"""

from __future__ import annotations

from collections.abc import Iterator

from idol.near import near_misses
from idol.records import dataclass, replace
from idoldbg.build.kept import STATICS
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError, IdoldbgError, NotFound
from idoldbg.model.symbols import Variable
from idoldbg.model.types import Opaque, short_name

__all__ = [
    "FLASH",
    "OPTIMISED",
    "RAM",
    "SPLIT",
    "Static",
    "VariableList",
    "checked_task",
    "iter_statics",
    "list_variables",
    "match_statics",
    "read_statics",
]

FLASH, RAM, OPTIMISED, SPLIT = "flash", "ram", "optimised", "split"
NAMELESS = ("vtable", "declaration")  # what rustc and bindgen call entries that are not statics
WRITABLE, ALLOCATED = 1, 2  # SHF_WRITE, SHF_ALLOC


@dataclass(frozen=True, slots=True)
class Static:
    """One static of `task` (`kernel` too).

    `memory` is "flash" or "ram"; "optimised" where the compiler left it out, "split" where it kept
    parts of it at different places (`variable.pieces`). `aliases` are the full names of other
    statics that the linker put at the same address because their contents are equal.
    """

    task: str
    variable: Variable
    memory: str
    file: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The static as expressions name it: `net/task_net::STATE`."""
        return f"{self.task}/{self.variable.full_name}"


@dataclass(frozen=True, slots=True)
class VariableList:
    """Statics that were asked for; `unreadable` are (task, reason) of damaged objects."""

    statics: tuple[Static, ...]
    unreadable: tuple[tuple[str, str], ...] = ()


def read_statics(program: Program, task: str) -> tuple[Static, ...]:
    """Return the statics of one object by name and address; raise `DebugInfoError`."""
    return tuple(
        Static(task, variable, memory, file, aliases)
        for variable, (memory, file, aliases) in program.recall(
            STATICS, task, lambda: tuple(_find(program, task))
        )
    )


def iter_statics(program: Program) -> Iterator[Static]:
    """Yield the statics of all objects that can be read, in the order of the tasks."""
    program.prefetch_for(STATICS)
    for name in program.archive.object_names:
        try:
            yield from read_statics(program, name)
        except IdoldbgError:
            continue  # a damaged task hides no other


def _find(
    program: Program, task: str
) -> Iterator[tuple[Variable, tuple[str, str | None, tuple[str, ...]]]]:
    info = program.object(task)
    sections = [s for s in info.elf.sections if s.size]
    unallocated = {s.name for s in sections if not s.flags & ALLOCATED}  # as `.idolatry`
    placed: dict[int, list[Variable]] = {}
    others: dict[str, Variable] = {}
    for variable in info.iter_variables():
        if not variable.name or variable.name.endswith("}") or variable.name in NAMELESS:
            continue
        address = variable.address
        symbol = info.symbols.find(variable.linkage_name) if variable.linkage_name else None
        if symbol is not None and symbol.section in unallocated:
            continue
        if address is None and symbol is not None and symbol.section:
            address = symbol.address
        if address is None:
            others.setdefault(variable.full_name, variable)
        elif variable.size:
            placed.setdefault(address, []).append(_at(variable, address))
    rows: list[tuple[Variable, tuple[str, str | None, tuple[str, ...]]]] = []
    known: set[str] = set()
    for address, found in placed.items():
        found.sort(key=lambda v: (not v.linkage_name, v.full_name))
        first = found[0]
        aliases = sorted({v.full_name for v in found} - {first.full_name})
        known.update(v.full_name for v in found)
        is_ram = any(
            s.address <= address < s.address + s.size
            and s.flags & (WRITABLE | ALLOCATED) == WRITABLE | ALLOCATED
            for s in sections
        )
        file = info.find_declaring_file(first)
        rows.append((first, (RAM if is_ram else FLASH, file, tuple(aliases))))
    for name, variable in others.items():
        if name not in known:
            is_split = sum(size for _, size in variable.pieces) == variable.size > 0
            kept = variable if is_split else _without_type(variable)
            rows.append((kept, (SPLIT if is_split else OPTIMISED, None, ())))
    rows.sort(key=lambda row: (row[0].full_name, row[0].address or 0))
    yield from rows


def _at(variable: Variable, address: int) -> Variable:
    return variable if variable.address == address else replace(variable, address=address)


def _without_type(variable: Variable) -> Variable:
    """Keep the name of a type that nothing will be decoded with."""
    return replace(variable, type=Opaque(variable.type.name, "it was optimised away"))


# ---- looking for statics ------------------------------------------------------------------------


def list_variables(
    program: Program,
    pattern: str | None = None,
    *,
    task: str | None = None,
    type_name: str | None = None,
    memory: str | None = None,
) -> VariableList:
    """Return the statics whose names contain `pattern` or whose task it is, of one `task`, of types
    that contain `type_name`, in one `memory`; None: whatever.

    Raises `NotFound` for an unknown task.
    """
    names = program.archive.object_names if task is None else (checked_task(program, task),)
    if task is None:
        program.prefetch_for(STATICS)
    found: list[Static] = []
    unreadable: list[tuple[str, str]] = []
    for name in names:
        try:
            statics = read_statics(program, name)
        except DebugInfoError as error:
            unreadable.append((name, str(error)))
            continue
        for static in statics:
            wanted = [static.variable.full_name, *static.aliases]
            wanted += [static.path] if pattern and ("/" in pattern or pattern == name) else []
            if (
                (pattern is None or any(pattern.lower() in each.lower() for each in wanted))
                and (type_name is None or type_name in static.variable.type.name)
                and memory in (None, static.memory)
            ):
                found.append(static)
    return VariableList(tuple(found), tuple(unreadable))


def checked_task(program: Program, task: str) -> str:
    """Return the name of an object; raise `NotFound` with near misses."""
    if task not in program.archive.object_names:
        near = near_misses(task, program.archive.object_names)
        raise NotFound("task", task, near=near, where=program.archive.path)
    return task


def match_statics(program: Program, path: str, task: str | None = None) -> tuple[Static, ...]:
    """Return the statics that `path` names: a full path, or the end of one after a `::`.

    Full paths win over ends. Raises `NotFound` with near misses; a static that the compiler left
    out is among the results, for whoever wants to say so.
    """
    names = program.archive.object_names if task is None else (checked_task(program, task),)
    if task is None:
        program.prefetch_for(STATICS)
    exact: list[Static] = []
    ends: list[Static] = []
    known: set[str] = set()
    for name in names:
        try:
            statics = read_statics(program, name)
        except DebugInfoError:
            if task is not None:
                raise
            continue
        for static in statics:
            for full in (static.variable.full_name, *static.aliases):
                known.add(full)
                if full == path:
                    exact.append(static)
                elif full.endswith("::" + path):
                    ends.append(static)
                else:
                    continue
                break
    found = exact or ends
    if found:
        there = tuple(s for s in found if s.memory != OPTIMISED)
        return there or tuple(found)
    short = {full.rsplit("::", 1)[-1] for full in known}
    near = near_misses(path, sorted(known if "::" in path else short))
    where = f"`{task}`" if task is not None else "this build"
    hint = "" if near else "`idoldbg vars` lists them"
    if not near and path in program.archive.object_names:
        hint = f"that is a task, and `idoldbg vars {path}` lists its statics"
    raise NotFound("static", short_name(path) if len(path) > 200 else path, near=near, where=where,
                   hint=hint)  # fmt: skip
