"""One build against another: what can no longer be called, and what callers of then get wrong.

The interfaces' texts are compared by `idol.diff`. Where texts name types that a text does not
describe, the types of both images decide: the same text can stand for other bytes, and other texts
for the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import idol.diff
from idol.findings import Level
from idol.records import dataclass, replace
from idoldbg.audit.coverage import OperationCoverage, ServerCoverage
from idoldbg.audit.hiffy import HIFFY
from idoldbg.audit.run import Audit
from idoldbg.audit.verdict import reaches
from idoldbg.audit.wire import WireChange, compare_codes, compare_types
from idoldbg.model.archive import KERNEL
from idoldbg.model.types import CEnum, Type
from idoldbg.resolver import ErrorKind, Resolution, ResolvedArgument

__all__ = ["BuildChange", "BuildComparison", "compare_builds"]

_LEVELS = {
    idol.diff.Level.BREAKING: Level.ERROR,
    idol.diff.Level.UNSURE: Level.WARNING,
    idol.diff.Level.SOURCE: Level.NOTE,
    idol.diff.Level.COMPATIBLE: Level.NOTE,
}
# What the types of the images say more exactly than the texts.
_ABOUT_TYPES = frozenset({"type-changed", "error-type-changed", "lease-type-changed"})
_UNCALLABLE = "it could be called, and cannot"


@dataclass(frozen=True, slots=True)
class BuildChange:
    """One difference; `kind` is stable. `operation` is "" for what is about the whole server.

    Errors break callers of then, or what a debugger could do then; warnings may; notes do not.
    What is about hiffy or the kernel has that name for an `interface`.
    """

    level: Level
    kind: str
    task: str
    interface: str
    operation: str
    message: str

    @property
    def subject(self) -> str:
        """Subject of the change: `Spi.read (task spi)`."""
        name = f"{self.interface}.{self.operation}" if self.operation else self.interface
        return name if name == self.task else f"{name} (task {self.task})"


@dataclass(frozen=True)
class BuildComparison:
    """All differences between two builds, worst first."""

    old: Audit
    new: Audit
    changes: tuple[BuildChange, ...]

    def count(self, level: Level) -> int:
        """Count the changes of a level."""
        return sum(change.level is level for change in self.changes)

    def has_failed(self, fail_on: str) -> bool:
        """Return whether a change is as bad as `fail_on`."""
        return any(reaches(change.level, fail_on) for change in self.changes)


def compare_builds(old: Audit, new: Audit) -> BuildComparison:
    """Compare two audited builds, server by server."""
    found = [change for pair in _pair(old, new) for change in _compare_servers(*pair)]
    if old.is_usable is not new.is_usable:
        found.append(_usability_changed(new))
    found.sort(key=lambda change: (change.level.rank, change.subject))
    return BuildComparison(old, new, tuple(found))


def _usability_changed(new: Audit) -> BuildChange:
    """Report once what holds for every operation."""
    if new.is_usable:
        return BuildChange(Level.NOTE, "hiffy-gained", "hiffy", "hiffy", "", "it can be used now")
    guilty = KERNEL if new.hiffy is not None and not _is_to_blame(HIFFY, new) else HIFFY
    message = "it can no longer be used: no operation can be called"
    return BuildChange(Level.ERROR, f"{guilty}-lost", guilty, guilty, "", message)


def _is_to_blame(task: str, audit: Audit) -> bool:
    return any(f.task == task and f.level is Level.ERROR for f in audit.findings)


def _pair(old: Audit, new: Audit) -> Iterator[tuple[ServerCoverage | None, ServerCoverage | None]]:
    """Pair servers by task and interface, or by task where one cannot be read.

    What is left is paired by interface, if its task was renamed.
    """
    left = {s.task: s for s in new.servers}
    alone = []
    for server in old.servers:
        twin = left.get(server.task)
        if twin is not None and (server.name == twin.name or not _are_readable(server, twin)):
            yield server, left.pop(server.task)
        else:
            alone.append(server)
    for server in alone:
        same = [s.task for s in left.values() if s.name == server.name]
        yield server, left.pop(same[0]) if len(same) == 1 else None
    for server in left.values():
        yield None, server


def _are_readable(*servers: ServerCoverage) -> bool:
    return all(server.interface is not None for server in servers)


def _compare_servers(
    old: ServerCoverage | None, new: ServerCoverage | None
) -> Iterator[BuildChange]:
    if old is None or new is None:
        if old is not None:
            message = f"task `{old.task}` no longer serves it"
            yield BuildChange(Level.ERROR, "server-removed", old.task, old.name, "", message)
        elif new is not None:
            message = "it is new"
            yield BuildChange(Level.NOTE, "server-added", new.task, new.name, "", message)
        return
    if old.task != new.task:
        message = f"task `{old.task}` is called `{new.task}` now"
        yield BuildChange(Level.NOTE, "task-renamed", new.task, new.name, "", message)
    if old.interface is None or new.interface is None:
        if old.interface is not None:
            message = "it can no longer be read what the task serves"
            yield BuildChange(Level.ERROR, "became-unreadable", new.task, old.name, "", message)
        elif new.interface is not None:
            message = "it could not be read before, and can"
            yield BuildChange(Level.NOTE, "became-readable", new.task, new.name, "", message)
        return
    yield from _compare_interfaces(old, new, old.interface, new.interface)


def _compare_interfaces(
    old: ServerCoverage,
    new: ServerCoverage,
    old_interface: idol.Interface,
    new_interface: idol.Interface,
) -> Iterator[BuildChange]:
    was = {o.operation.name: o for o in old.operations}
    now = {o.operation.name: o for o in new.operations}
    renamed: dict[str, str] = {}
    for change in idol.diff.compare(old_interface, new_interface).changes:
        name = change.operation or ""
        if change.kind == "operation-renamed" and change.old and change.new:
            renamed[change.new] = change.old
        if change.kind in _ABOUT_TYPES and name in now and renamed.get(name, name) in was:
            continue  # below, by the types themselves
        message = change.message
        if change.old and change.new and change.old not in message and change.new not in message:
            message = f"{message}: {change.old} -> {change.new}"
        level = _LEVELS[change.level]
        yield BuildChange(level, change.kind, new.task, new.name, name, message)
    for operation in new_interface.operations:
        name = operation.name
        before, covered = was.get(renamed.get(name, name)), now.get(name)
        if before is not None and covered is not None:
            yield from _compare_operations(new, before, covered)
        elif before is not None and _is_usable(before):  # its debug information is lost or damaged
            message = f"{_UNCALLABLE}: the audit says why"
            yield BuildChange(Level.ERROR, "became-uncallable", new.task, new.name, name, message)


# ---- operations ----------------------------------------------------------------------------------


def _compare_operations(
    server: ServerCoverage, old: OperationCoverage, new: OperationCoverage
) -> Iterator[BuildChange]:
    def change(level: Level, kind: str, message: str) -> BuildChange:
        return BuildChange(level, kind, server.task, server.name, new.operation.name, message)

    if _is_usable(old) and not _is_usable(new):
        why = "it is closed to hiffy now" if new.is_restricted else "the audit says why"
        yield change(Level.ERROR, "became-uncallable", f"{_UNCALLABLE}: {why}")
    elif _is_usable(new) and not _is_usable(old):
        yield change(Level.NOTE, "became-callable", "it could not be called, and can")
    for part in _parts(old, new):
        for difference in compare_types(*part.types, part.encoding) if part.types else ():
            level = part.growth if difference.is_growth else Level.ERROR
            yield change(level, "type-changed", f"{part.description}: {difference}")
        if part.old.type is not None and part.new.type is None:
            message = f"{part.description}: its type, {part.new.text}, is lost"
            yield change(Level.WARNING, "type-lost", message)
        if part.types is None and part.old.text != part.new.text:
            message = f"{part.old.text} -> {part.new.text}, whose bytes cannot be compared"
            yield change(Level.WARNING, "type-changed", f"{part.description}: {message}")
    for difference in _errors(old, new):
        level = Level.WARNING if difference.is_growth else Level.ERROR
        yield change(level, "error-changed", f"the error: {difference}")


def _is_usable(covered: OperationCoverage) -> bool:
    """Return whether a call could fail only because of hiffy."""
    return covered.is_complete and not covered.is_restricted


@dataclass(frozen=True, slots=True)
class _Part:
    """Types sent at one place, before and after.

    `growth` is how bad it is that there are more values than before: who sends them is built anew,
    who only reads them may not be.
    """

    description: str
    old: Resolution
    new: Resolution
    encoding: idol.Encoding
    growth: Level

    @property
    def types(self) -> tuple[Type, Type] | None:
        """The types of what travels, None where one is not known."""
        old, new = _travels(self.old), _travels(self.new)
        return None if old is None or new is None else (old, new)


def _parts(old: OperationCoverage, new: OperationCoverage) -> Iterator[_Part]:
    """Pair what travels by position, as the bytes do."""
    before, after, encoding = old.resolved, new.resolved, new.operation.encoding
    if len(before.arguments) == len(after.arguments):
        for one, other in zip(before.arguments, after.arguments, strict=True):
            yield _Part(f"argument `{other.name}`", one, other, encoding, Level.NOTE)
    yield _Part("the reply", before.ok, after.ok, encoding, Level.WARNING)
    if len(before.leases) == len(after.leases):
        for lent, lending in zip(before.leases, after.leases, strict=True):
            description = f"lease `{lending.name}`"  # memory, whatever encoding the message has
            yield _Part(description, lent, lending, idol.Encoding.ZEROCOPY, Level.WARNING)


def _travels(resolution: Resolution) -> Type | None:
    """Return the type of what travels: an enum is as wide as the integer that it travels as."""
    type_ = resolution.type
    if type_ is None or not isinstance(resolution, ResolvedArgument) or resolution.wire is None:
        return type_
    travels = resolution.wire.type
    if isinstance(type_, CEnum):
        return replace(type_, size=travels.size)
    return travels


def _errors(old: OperationCoverage, new: OperationCoverage) -> Iterator[WireChange]:
    before, after = old.resolved, new.resolved
    kinds = (before.error_kind, after.error_kind)
    if before.error is None or after.error is None or kinds[0] is not kinds[1]:
        return  # `idol.diff` has said so
    was, now = before.error.type, after.error.type
    if was is None or now is None:
        return
    if kinds[1] is ErrorKind.COMPLEX:
        yield from compare_types(was, now, idol.Encoding.HUBPACK)
    elif isinstance(was, CEnum) and isinstance(now, CEnum):
        yield from compare_codes(was, now)
