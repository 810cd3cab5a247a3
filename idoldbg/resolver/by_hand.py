"""Detection of types whose serde impls are written by hand.

idoldbg encodes what `#[derive(Serialize, Deserialize)]` would. A derived impl stands inside a
`const _: () = { … }` (crate `serde_derive`), so debug information knows its methods by paths such
as `drv_api::_::{impl#0}::serialize<…>`; one written by hand, or by another macro, has no `_` in
its path: `drv_api::{impl#3}::serialize<…>`. Whose impl it is, the method's signature tells. A type
of which no such method is left in the image is taken for derived: there is no evidence against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from idoldbg.model.symbols import Subprogram
from idoldbg.model.types import CEnum, Enum, Pointer, Struct, Type, short_name
from idoldbg.resolver.derived import iter_names, ok_type

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import DebugInfo

__all__ = ["find_by_hand", "find_doubt"]

# These crates know their own formats, and so does idoldbg.
_KNOWN_CRATES = frozenset({"serde", "serde_core", "core", "hubpack", "ssmarshal"})
_MARKER = "core::marker::PhantomData<"


_ENCODINGS = ("hubpack::", "ssmarshal::")  # whose errors say that a message is read
_OWN_CLOSURE = re.compile(r"::_::\{impl#[0-9]+\}::deserialize::\{closure_env#[0-9]+\}")


def find_doubt(types: Iterable[Type], by_hand: Mapping[str, str]) -> str:
    """Return which of the types, or of those inside, is serialized by hand; "" for none."""
    for type_ in types if by_hand else ():
        for name in iter_names(type_):
            if name in by_hand:
                return (
                    f"`{short_name(name)}` is serialized by hand ({by_hand[name]}): it is sent and "
                    "read as a derived impl would, which may not be what travels"
                )
    return ""


def find_by_hand(info: DebugInfo) -> dict[str, str]:
    """Return full names of types, each with the method that shows a hand-written impl."""
    found = dict([*_iter_with(info), *_iter_converted(info), *_iter_converted_newtypes(info)])
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
    `transparent`, which is read as what it holds: types of one field are told otherwise.
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


def _iter_converted_newtypes(info: DebugInfo) -> Iterator[tuple[str, str]]:
    """Find types of one field that are made of what is read: `from`, `try_from`.

    `serde_derive` has `Result::map(…, From::from)`, a function, and `Result::and_then(…, |v| …)`,
    a closure of the impl; and for `transparent` a closure as well, in `map`, from the field's type.
    """
    for prefix in ("map<", "and_then<"):
        for name in info.find_type_names(prefix):
            for subprogram in info.find_subprograms(name):
                given = subprogram.parameters[0][1] if subprogram.parameters else None
                read, made = ok_type(given), ok_type(subprogram.result)
                if not isinstance(made, Struct) or read is None or _has_parts(made):
                    continue
                if not subprogram.full_name.startswith("core::result::Result<"):
                    continue
                error = _error_name(given)
                is_own = _OWN_CLOSURE.search(name) is not None
                is_function = f"fn({read.name}) -> {made.name}>" in name
                if not error.startswith(_ENCODINGS) or not (is_own or is_function):
                    continue
                is_converted = prefix == "and_then<" or is_function
                if is_converted or read not in [m.type for m in made.members]:
                    yield made.name, f"it is made of {short_name(read.name)} when it is read"


def _has_parts(type_: Type) -> bool:
    if isinstance(type_, Struct):
        return sum(bool(m.type.size) for m in type_.members) > 1
    return isinstance(type_, CEnum | Enum)


def _error_name(result: Type | None) -> str:
    """Return the full name of E of `Result<T, E>`."""
    members = result.variants[1].type.members if isinstance(result, Enum) else ()
    return members[0].type.name if members else ""


def _serialized_type(subprogram: Subprogram, method: str) -> str | None:
    """Read from `fn serialize(&self, …)` or `fn deserialize(…) -> Result<Self, …>` what Self is."""
    if method == "serialize":
        if len(subprogram.parameters) != 2:  # self and the serializer
            return None
        self_type = subprogram.parameters[0][1]
        return self_type.target_name if isinstance(self_type, Pointer) else None
    read = ok_type(subprogram.result)
    return read.name if read is not None and len(subprogram.parameters) == 1 else None
