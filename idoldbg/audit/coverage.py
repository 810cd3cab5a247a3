"""Matrix of the audit: the result for each part of each operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import idol
from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.limits import Fit
from idoldbg.resolver import ResolvedOperation

__all__ = ["Aspect", "Mark", "OperationCoverage", "ServerCoverage", "Summary", "mark_aspects"]


class Aspect(StrEnum):
    """A part of an operation that can be wrong by itself."""

    ARGUMENTS = "arguments"
    REPLY = "reply"
    ERROR = "error"
    LEASES = "leases"
    LIMITS = "limits"
    ACCESS = "access"


class Mark(StrEnum):
    """Value of a cell of the matrix."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
    #: The operation has no such part.
    NONE = "none"
    #: Not known, such as limits without a hiffy.
    UNKNOWN = "unknown"


_ROLES: Mapping[Role, Aspect] = {
    Role.ARGUMENT: Aspect.ARGUMENTS,
    Role.OK: Aspect.REPLY,
    Role.ERROR: Aspect.ERROR,
    Role.LEASE: Aspect.LEASES,
}
_RULES: Mapping[str, Aspect] = {
    "args-missing": Aspect.ARGUMENTS,
    "args-disagree": Aspect.ARGUMENTS,
    "size-disagrees": Aspect.LIMITS,
    "hiffy-send-missing": Aspect.LIMITS,
    "arguments-too-large": Aspect.LIMITS,
    "reply-too-large": Aspect.LIMITS,
    "lease-too-large": Aspect.LIMITS,
    "lease-shape": Aspect.LEASES,
    "caller-restricted": Aspect.ACCESS,
    "task-not-started": Aspect.ACCESS,
}


@dataclass(frozen=True, slots=True)
class OperationCoverage:
    """One operation: its marks, and whether a debugger can call it.

    `is_complete`: nothing of its own keeps it from being called and understood. `is_callable`: it
    is complete, hiffy can be used, and may call it.
    """

    operation: idol.Operation
    resolved: ResolvedOperation
    fit: Fit
    marks: Mapping[Aspect, Mark]
    is_restricted: bool
    is_complete: bool
    is_callable: bool


@dataclass(frozen=True, slots=True)
class ServerCoverage:
    """One interface as one task serves it; `source` is its text in the image.

    Without an `interface` the text could not be read.
    """

    task: str
    is_started: bool
    source: idol.Source | None
    interface: idol.Interface | None
    operations: tuple[OperationCoverage, ...]

    @property
    def operation_count(self) -> int:
        """Number of operations; damaged ones are missing from `operations`."""
        return len(self.interface.operations) if self.interface is not None else 0

    @property
    def name(self) -> str:
        """The interface's name, or what to call it where it has none."""
        return self.interface.name if self.interface is not None else "?"


@dataclass(frozen=True, slots=True)
class Summary:
    """Number of operations, and how many of them a debugger can use."""

    servers: int
    operations: int
    complete: int
    callable: int
    restricted: int

    @classmethod
    def of(cls, servers: Iterable[ServerCoverage]) -> Summary:
        """Count."""
        servers = tuple(servers)
        every = [o for server in servers for o in server.operations]
        return cls(
            len(servers),
            sum(server.operation_count for server in servers),
            sum(o.is_complete for o in every),
            sum(o.is_callable for o in every),
            sum(o.is_restricted for o in every),
        )


def mark_aspects(
    operation: idol.Operation, findings: Iterable[Finding], fit: Fit
) -> dict[Aspect, Mark]:
    """Return the worst of the findings about each part of an operation."""
    has_error = operation.reply.error is not None and operation.reply.error.type is not None
    marks = {
        Aspect.ARGUMENTS: Mark.OK if operation.arguments else Mark.NONE,
        Aspect.REPLY: Mark.OK,
        Aspect.ERROR: Mark.OK if has_error else Mark.NONE,
        Aspect.LEASES: Mark.OK if operation.leases else Mark.NONE,
        Aspect.LIMITS: Mark.OK if fit.reply_room is not None else Mark.UNKNOWN,
        Aspect.ACCESS: Mark.OK,
    }
    for finding in sorted(findings, key=lambda f: f.level.rank, reverse=True):
        aspect = _RULES.get(finding.rule)
        if aspect is None and finding.role is not None:
            aspect = _ROLES[finding.role]
        if aspect is not None:
            marks[aspect] = Mark(Level(finding.level).value)
    return marks
