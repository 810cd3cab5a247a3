"""Wire form of a type: two types of one form are sent and read as the same bytes.

Names of fields do not travel; their order, sizes and kinds do. Zerocopy sends memory as it is, so
there offsets count; the encodings of serde write one field after another, and number variants by
their order.
"""

from __future__ import annotations

from collections.abc import Iterator

import idol
from idol.records import dataclass
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Member,
    Scalar,
    Struct,
    Type,
    Union,
    short_name,
    shown_field,
)

__all__ = ["WireChange", "compare_codes", "compare_types"]

_DEPTH = 32
_MOST = 4


@dataclass(frozen=True, slots=True)
class WireChange:
    """A difference that shows on the wire, at `path` inside the type, "" for the type itself.

    `is_growth`: what was known is as before, there is only more, such as a variant at the end.
    """

    path: str
    message: str
    is_growth: bool = False

    def __str__(self) -> str:
        return f"`{self.path.lstrip('.')}`: {self.message}" if self.path else self.message


def compare_types(old: Type, new: Type, encoding: idol.Encoding) -> tuple[WireChange, ...]:
    """Return how the bytes of two types differ, the first few differences; none: they do not."""
    comparer = _Comparer(encoding is not idol.Encoding.ZEROCOPY)
    found: list[WireChange] = []
    for change in comparer.compare(old, new, "", 0):
        found.append(change)
        if len(found) == _MOST:
            break
    return tuple(found)


def compare_codes(old: CEnum, new: CEnum) -> Iterator[WireChange]:
    """Compare errors that travel as response codes: what each number means."""
    was = {e.value: e.name for e in old.enumerators}
    now = {e.value: e.name for e in new.enumerators}
    for value, name in was.items():
        if value not in now:
            yield WireChange("", f"{name} ({value}) is gone")
        elif now[value] != name:
            yield WireChange("", f"{value} was {name} and is {now[value]}")
    for value, name in now.items():
        if value not in was:
            yield WireChange("", f"{name} ({value}) is new", is_growth=True)


class _Comparer:
    def __init__(self, is_serialized: bool) -> None:
        self._is_serialized = is_serialized
        self._seen: set[tuple[int, int]] = set()

    def compare(self, old: Type, new: Type, path: str, depth: int) -> Iterator[WireChange]:
        if self._is_serialized:
            old, new = _unwrap(old), _unwrap(new)
        pair = (id(old), id(new))
        if old is new or pair in self._seen or depth > _DEPTH:
            return
        self._seen.add(pair)
        if not self._is_serialized and old.size != new.size:
            yield WireChange(path, f"{old.size} bytes became {new.size}")
        match old, new:
            case Scalar(), Scalar():
                yield from self._scalars(old, new, path)
            case Struct(), Struct():
                yield from self._structs(old.members, new.members, path, depth)
            case Union(), Union():
                yield from self._structs(old.members, new.members, path, depth)
            case CEnum(), CEnum():
                yield from self._c_enums(old, new, path)
            case Enum(), Enum():
                yield from self._enums(old, new, path, depth)
            case Array(), Array():
                if old.count != new.count:
                    yield WireChange(path, f"{old.count} elements became {new.count}")
                yield from self.compare(old.element, new.element, f"{path}[…]", depth + 1)
            case (CEnum(), Enum()) | (Enum(), CEnum()) if self._is_serialized:
                yield from self._names(old.variant_names, new.variant_names, path)
            case _ if type(old) is not type(new):
                was, now = short_name(old.name), short_name(new.name)
                yield WireChange(path, f"{was} became {now}")

    def _scalars(self, old: Scalar, new: Scalar, path: str) -> Iterator[WireChange]:
        if (old.size, old.encoding) != (new.size, new.encoding):
            yield WireChange(path, f"{old.name} became {new.name}")

    def _structs(
        self, old: tuple[Member, ...], new: tuple[Member, ...], path: str, depth: int
    ) -> Iterator[WireChange]:
        was, now = [m.name for m in old], [m.name for m in new]
        if was != now and sorted(was) == sorted(now):
            yield WireChange(path, f"fields {', '.join(was)} became {', '.join(now)}")
            return
        if len(old) != len(new):
            gone = [name for name in was if name not in now]
            added = [name for name in now if name not in was]
            parts = [f"without {', '.join(gone)}"] * bool(gone)
            parts += [f"with {', '.join(added)}"] * bool(added)
            yield WireChange(path, " and ".join(parts) or f"{len(old)} fields became {len(new)}")
            return
        for before, after in zip(old, new, strict=True):
            inner = f"{path}.{shown_field(after.name)}"
            if not self._is_serialized and before.offset != after.offset:
                yield WireChange(inner, f"moved from byte {before.offset} to {after.offset}")
            yield from self.compare(before.type, after.type, inner, depth + 1)

    def _c_enums(self, old: CEnum, new: CEnum, path: str) -> Iterator[WireChange]:
        if self._is_serialized:
            yield from self._names(old.variant_names, new.variant_names, path)
            return
        for change in compare_codes(old, new):
            yield WireChange(path, change.message, change.is_growth)

    def _enums(self, old: Enum, new: Enum, path: str, depth: int) -> Iterator[WireChange]:
        yield from self._names(old.variant_names, new.variant_names, path)
        by_name = {variant.name: variant for variant in old.variants}
        for after in new.variants:
            before = by_name.get(after.name)
            if before is None:
                continue
            if not self._is_serialized and before.discriminant != after.discriminant:
                message = f"{after.name} was {before.discriminant} and is {after.discriminant}"
                yield WireChange(path, message)
            inner = f"{path}::{after.name}"
            yield from self._structs(before.type.members, after.type.members, inner, depth + 1)

    def _names(self, old: tuple[str, ...], new: tuple[str, ...], path: str) -> Iterator[WireChange]:
        """Compare variants that are known by their positions."""
        if old == new:
            return
        if new[: len(old)] == old:
            message = f"variants {', '.join(new[len(old) :])} are new at the end"
            yield WireChange(path, message, is_growth=True)
            return
        at = next(i for i, name in enumerate([*old, None]) if i >= len(new) or new[i] != name)
        was = old[at] if at < len(old) else "nothing"
        now = new[at] if at < len(new) else "nothing"
        yield WireChange(path, f"variant {at} was {was} and is {now}")


def _unwrap(type_: Type) -> Type:
    """Open newtypes: serde writes them as what they hold."""
    for _ in range(_DEPTH):
        if not (isinstance(type_, Struct) and type_.is_newtype):
            break
        type_ = type_.members[0].type
    return type_
