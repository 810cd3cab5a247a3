"""Checks of what serde sends: impls that were not derived, and what derived ones leave out.

What derived impls leave out (`#[serde(skip)]`) is found by `idoldbg.resolver.derived`.
"""

from __future__ import annotations

from collections.abc import Iterator

from idol.findings import Level
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.subject import Subject
from idoldbg.audit.walk import walk_types
from idoldbg.model.types import CEnum, Enum
from idoldbg.resolver import ErrorKind

__all__ = ["check_serialization"]


def check_serialization(subject: Subject) -> Iterator[Finding]:
    """Report types in a serialized message whose impls were not derived."""
    yield from _skipped(subject)
    for part in subject.parts:
        if part.resolution.type is None or part.role is Role.LEASE:
            continue
        is_complex = subject.resolved.error_kind is ErrorKind.COMPLEX
        if not (is_complex if part.role is Role.ERROR else subject.is_serialized):
            continue
        by_hand = subject.program.by_hand(subject.resolved.task)
        found = [t.name for _, t in walk_types(part.resolution.type) if t.name in by_hand]
        if found:
            yield subject.finding(
                "custom-serialization",
                f"{part.label}: `{found[0]}` is serialized by hand ({by_hand[found[0]]}). idoldbg "
                "encodes and decodes it as a derived impl would, which may not be what travels.",
                "Derive Serialize and Deserialize; or where the impl writes what a derived one "
                "would, suppress this finding and say so.",
                part=part,
            )


_SKIP_FIX = "Send a type of which everything travels, or put variants that are skipped at its end."


def _skipped(subject: Subject) -> Iterator[Finding]:
    """Report what derived impls leave out of the values of an operation."""
    left_out = subject.program.left_out(subject.resolved)
    if left_out:
        message = f"{left_out}. What travels is not what the types say."
        yield subject.finding("serialization-skips", message, _SKIP_FIX)
    for part in subject.parts:
        if part.resolution.type is None:
            continue
        for _, inner in walk_types(part.resolution.type):
            if isinstance(inner, CEnum | Enum) and inner.skipped:
                names = ", ".join(inner.skipped)
                yield subject.finding(
                    "serialization-skips",
                    f"{part.label}: `{inner.name}` is read without {names} by its derived impl "
                    "(`#[serde(skip)]`), which numbers the other variants without them. They "
                    "cannot be sent; the others are sent by the numbers that the server reads.",
                    _SKIP_FIX,
                    part=part,
                    level=Level.NOTE,
                    name=inner.name,
                )
