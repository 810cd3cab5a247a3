"""Findings of the audit, their places, and identities that survive a rebuild."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from idol.findings import Level
from idol.findings.region import Region
from idol.records import dataclass
from idoldbg.audit.rules import RULES
from idoldbg.model.archive import KERNEL
from idoldbg.resolver import Candidate

__all__ = ["Finding", "Role", "make_finding"]


class Role(StrEnum):
    """Part of an operation that a finding is about."""

    ARGUMENT = "argument"
    OK = "ok"
    ERROR = "error"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps an operation, or all of them, from being called or understood.

    Empty strings stand for what does not apply: a finding about hiffy has no interface. `name` is
    that of the argument, lease, field or variable, `type` a type as the interface writes it.
    `place` is in the text of the task's interface.
    """

    rule: str
    level: Level
    message: str
    fix: str
    task: str = ""
    interface: str = ""
    operation: str = ""
    role: Role | None = None
    name: str = ""
    type: str = ""
    place: Region | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def subject(self) -> str:
        """Subject of the finding, for headings: `Spi.read (task spi)`."""
        if not self.interface:
            if self.task in ("", KERNEL):
                return self.task or "image"
            return f"task {self.task}"
        what = f"{self.interface}.{self.operation}" if self.operation else self.interface
        return f"{what} (task {self.task})"

    @property
    def fingerprint(self) -> str:
        """An id that survives changes of lines and of wording, 16 hexadecimal digits.

        Findings with the same one say the same of the same thing.
        """
        parts = (
            self.rule,
            self.task,
            self.interface,
            self.operation,
            str(self.role or ""),
            self.name,
            self.type,
        )
        text = "\0".join(parts).encode("utf-8", errors="backslashreplace")
        return hashlib.sha256(text).hexdigest()[:16]


def make_finding(
    rule: str,
    message: str,
    fix: str,
    task: str = "",
    interface: str = "",
    operation: str = "",
    *,
    level: Level | None = None,
    name: str = "",
    place: Region | None = None,
) -> Finding:
    """Return a finding of the rule's own level, or of `level`."""
    level = level or RULES[rule].level
    return Finding(rule, level, message, fix, task, interface, operation, name=name, place=place)
