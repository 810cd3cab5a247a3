"""Which types of a server are serialized by code that somebody wrote by hand.

idoldbg encodes what `#[derive(Serialize, Deserialize)]` would. A derived impl stands inside a
`const _: () = { … }` (crate `serde_derive`), so debug information knows its methods by paths such
as `drv_api::_::{impl#0}::serialize<…>`; one written by hand, or by another macro, has no `_` in
its path: `drv_api::{impl#3}::serialize<…>`. Whose impl it is, the method's signature tells. A type
of which no such method is left in the image is taken for derived: there is no evidence against it.
What derived impls leave out (`#[serde(skip)]`) is found by `idoldbg.resolver.derived`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from idol.findings import Level
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.subject import Subject
from idoldbg.audit.walk import walk_types
from idoldbg.model.symbols import Subprogram
from idoldbg.model.types import CEnum, Enum, Pointer, Struct, Type
from idoldbg.resolver import ErrorKind
from idoldbg.resolver.derived import ok_type

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import DebugInfo

__all__ = ["SerdeEvidence", "check_serialization"]

# These crates know their own formats, and so does idoldbg.
_KNOWN_CRATES = frozenset({"serde", "serde_core", "core", "hubpack", "ssmarshal"})


_MARKER = "core::marker::PhantomData<"


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
    yield from _skipped(subject)
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
                    f"{part.words}: `{inner.name}` is read without {names} by its derived impl "
                    "(`#[serde(skip)]`), which numbers the other variants without them. They "
                    "cannot be sent; the others are sent by the numbers that the server reads.",
                    _SKIP_FIX,
                    part=part,
                    level=Level.NOTE,
                    name=inner.name,
                )


def _find_by_hand(info: DebugInfo) -> dict[str, str]:
    found = dict([*_iter_with(info), *_iter_converted(info)])
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


def _iter_with(info: DebugInfo) -> Iterator[tuple[str, str]]:
    """Find types of which a field has `#[serde(with)]`, by the structs that `serde_derive` makes.

    `__SerializeWith` and `__DeserializeWith` hold the field, and a marker of whose it is. Of an
    array, crates such as `serde-big-array` write what a derived impl would if serde had one.
    """
    for name in ("__SerializeWith", "__DeserializeWith"):
        for made in info.find_types(name):
            members = {m.name: m.type for m in made.members} if isinstance(made, Struct) else {}
            owner = members["phantom"].name if "phantom" in members else ""
            held = members.get("value") or members.get("values")
            if isinstance(held, Struct) and len(held.members) == 1:  # `values: (&'a Field,)`
                held = held.members[0].type
            field = held.target_name if isinstance(held, Pointer) else held.name if held else "["
            if not field.startswith("[") and owner.startswith(_MARKER):
                yield owner.removeprefix(_MARKER).removesuffix(">"), made.name


def _iter_converted(info: DebugInfo) -> Iterator[tuple[str, str]]:
    """Find types whose derived impl reads another type or tries several: `from`, `untagged`.

    Any other has a visitor, of which the functions return the type. So has no newtype that is
    `transparent`, which is read as what it holds: nothing is said of types of one field.
    """
    derived: dict[str, tuple[Type, str]] = {}
    for name in info.find_type_names("deserialize<"):
        for subprogram in info.find_subprograms(name):
            path = subprogram.full_name.partition("<")[0]
            read = ok_type(subprogram.result)
            if read is not None and path.split("::")[-3:-2] == ["_"]:
                derived[read.name] = read, path
    if not any(_has_parts(type_) for type_, _ in derived.values()):
        return
    visited = {
        read.name
        for prefix in ("visit_", "deserialize_")
        for name in info.find_type_names(prefix)
        for subprogram in info.find_subprograms(name)
        if (read := ok_type(subprogram.result)) is not None
    }
    for type_, path in derived.values():
        if _has_parts(type_) and type_.name not in visited:
            yield type_.name, path


def _has_parts(type_: Type) -> bool:
    if isinstance(type_, Struct):
        return sum(bool(m.type.size) for m in type_.members) > 1
    return isinstance(type_, CEnum | Enum)


def _serialized_type(subprogram: Subprogram, method: str) -> str | None:
    """Read from `fn serialize(&self, …)` or `fn deserialize(…) -> Result<Self, …>` what Self is."""
    if method == "serialize":
        if len(subprogram.parameters) != 2:  # self and the serializer
            return None
        self_type = subprogram.parameters[0][1]
        return self_type.target_name if isinstance(self_type, Pointer) else None
    read = ok_type(subprogram.result)
    return read.name if read is not None and len(subprogram.parameters) == 1 else None
