"""Which types of a server are serialized by code that somebody wrote by hand.

idoldbg encodes what `#[derive(Serialize, Deserialize)]` would. A derived impl stands inside a
`const _: () = { … }` (crate `serde_derive`), so debug information knows its methods by paths such
as `drv_api::_::{impl#0}::serialize<…>`; one written by hand, or by another macro, has no `_` in
its path: `drv_api::{impl#3}::serialize<…>`. Whose impl it is, the method's signature tells. A type
of which no such method is left in the image is taken for derived: there is no evidence against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.subject import Subject
from idoldbg.audit.walk import walk_types
from idoldbg.resolver import ErrorKind
from idoldbg.symbols import Subprogram
from idoldbg.types import Enum, Pointer, is_result

if TYPE_CHECKING:
    from idoldbg.debuginfo import DebugInfo

__all__ = ["SerdeEvidence", "check_serialization"]

# These crates know their own formats, and so does idoldbg.
_KNOWN_CRATES = frozenset({"serde", "serde_core", "core", "hubpack", "ssmarshal"})


class SerdeEvidence:
    """Remembers, for each object, the types that are serialized by hand."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str]] = {}

    def by_hand(self, info: DebugInfo) -> dict[str, str]:
        """Return full names of types, each with the method that shows a hand-written impl."""
        if info.name not in self._found:
            self._found[info.name] = _find_by_hand(info)
        return self._found[info.name]


def check_serialization(subject: Subject, evidence: SerdeEvidence) -> Iterator[Finding]:
    """Report types in a serialized message whose impls were not derived."""
    for part in subject.parts:
        if part.resolution.type is None or part.role is Role.LEASE:
            continue
        is_complex = subject.resolved.error_kind is ErrorKind.COMPLEX
        if not (is_complex if part.role is Role.ERROR else subject.is_serialized):
            continue
        by_hand = evidence.by_hand(subject.info)
        found = [t.name for _, t in walk_types(part.resolution.type) if t.name in by_hand]
        if found:
            yield subject.finding(
                "custom-serialization",
                f"{part.words}: `{found[0]}` is serialized by hand ({by_hand[found[0]]}). idoldbg "
                "encodes and decodes it as a derived impl would, which may not be what travels.",
                "Derive Serialize and Deserialize; or where the impl writes what a derived one "
                "would, suppress this finding and say so.",
                part=part,
            )


def _find_by_hand(info: DebugInfo) -> dict[str, str]:
    found: dict[str, str] = {}
    for method in ("serialize", "deserialize"):
        for name in info.find_type_names(f"{method}<"):
            if not name.endswith("erializer>"):
                continue  # not generic over a serializer: `hubpack::serialize<T>` and its like
            for subprogram in info.find_subprograms(name):
                path = subprogram.full_name
                segments = path[: path.find("<")].split("::") if "<" in path else path.split("::")
                if segments[0] in _KNOWN_CRATES or "_" in segments or len(segments) < 3:
                    continue
                whose = _serialized_type(subprogram, method)
                if segments[-2].startswith("{impl#") and whose is not None:
                    found.setdefault(whose, "::".join(segments))
    return found


def _serialized_type(subprogram: Subprogram, method: str) -> str | None:
    """Read from `fn serialize(&self, …)` or `fn deserialize(…) -> Result<Self, …>` what Self is."""
    if method == "serialize":
        if len(subprogram.parameters) != 2:  # self and the serializer
            return None
        self_type = subprogram.parameters[0][1]
        return self_type.target_name if isinstance(self_type, Pointer) else None
    result = subprogram.result
    if result is None or not is_result(result) or len(subprogram.parameters) != 1:
        return None
    members = result.variants[0].type.members if isinstance(result, Enum) else ()
    return members[0].type.name if len(members) == 1 else None
