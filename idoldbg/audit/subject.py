"""Input of a check: one operation of one server, with everything known about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import idol
from idol.findings import Level
from idol.findings.region import Region
from idol.records import dataclass, field
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.image import Image
from idoldbg.audit.rules import RULES
from idoldbg.build.program import Program, ServedInterface
from idoldbg.resolver import Candidate, Resolution, ResolvedOperation

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import DebugInfo

__all__ = ["Part", "Subject"]


@dataclass(frozen=True, slots=True)
class Part:
    """A type of an operation in its role; `span` is where the interface names it."""

    role: Role
    name: str
    resolution: Resolution
    span: idol.Span

    @property
    def label(self) -> str:
        """Name of the part in a sentence: "argument `id`", "the reply"."""
        match self.role:
            case Role.OK:
                return "the reply"
            case Role.ERROR:
                return "the error"
            case _:
                return f"{self.role} `{self.name}`"


@dataclass(frozen=True)
class Subject:
    """An operation, its server, and its resolved types."""

    image: Image
    server: ServedInterface
    operation: idol.Operation
    resolved: ResolvedOperation
    parts: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(_parts(self.operation, self.resolved)))

    @property
    def program(self) -> Program:
        """The build."""
        return self.image.program

    @property
    def info(self) -> DebugInfo:
        """The server's debug information."""
        return self.program.object(self.server.task.name)

    @property
    def is_serialized(self) -> bool:
        """Return whether arguments and reply go through serde."""
        return self.operation.encoding is not idol.Encoding.ZEROCOPY

    def finding(
        self,
        rule: str,
        message: str,
        fix: str,
        *,
        part: Part | None = None,
        level: Level | None = None,
        name: str = "",
        candidates: tuple[Candidate, ...] = (),
    ) -> Finding:
        """Make a finding about the operation, or about a part of it."""
        span = self.operation.span if part is None else part.span
        return Finding(
            rule,
            level or RULES[rule].level,
            message,
            fix,
            self.server.task.name,
            self.server.interface.name,
            self.operation.name,
            None if part is None else part.role,
            name or ("" if part is None else part.name),
            "" if part is None else part.resolution.text,
            Region.of(self.server.interface.source, span),
            candidates,
        )


def _parts(operation: idol.Operation, resolved: ResolvedOperation) -> Iterator[Part]:
    for argument, one in zip(operation.arguments, resolved.arguments, strict=True):
        yield Part(Role.ARGUMENT, argument.name, one, argument.type.span)
    yield Part(Role.OK, "", resolved.ok, operation.reply.ok.type.span)
    error = operation.reply.error
    if resolved.error is not None and error is not None and error.type is not None:
        yield Part(Role.ERROR, "", resolved.error, error.type.span)
    for lease, lent in zip(operation.leases, resolved.leases, strict=True):
        yield Part(Role.LEASE, lease.name, lent, lease.type.span)
