"""Types that one name may stand for: which are the same, how the others differ, which is nearer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from idol.records import replace
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Union,
    short_name,
    shown_field,
)
from idoldbg.resolver.operation import Candidate

__all__ = [
    "find_differences",
    "find_nearest",
    "has_same_layout",
    "make_candidates",
]

_DEPTH = 32
_LIMIT = 1000  # candidates: no build has as many, what is made up may
_SHOWN = 3  # differences in words; there may be hundreds between two enums
# Words in the names of crates that say nothing about what they are for.
_GENERIC = frozenset({"drv", "task", "api", "server", "types", "common", "lib"})


def make_candidates(found: Iterable[tuple[str, Type]]) -> tuple[Candidate, ...]:
    """Sort (object, type) pairs into candidates by full name, one for each layout of a name."""
    objects: dict[tuple[int, ...], tuple[Type, dict[str, None]]] = {}
    for where, type_ in found:
        objects.setdefault(_identify(type_), (type_, {}))[1][where] = None
        if len(objects) == _LIMIT:
            break
    merged = sorted(
        (Candidate(t.name, t.size, tuple(wheres), (), t) for t, wheres in objects.values()),
        key=lambda c: c.name,
    )
    return tuple(
        replace(c, differences=find_differences(merged[0].type, c.type)) if index else c
        for index, c in enumerate(merged)
    )


def _identify(type_: Type) -> tuple[int, ...]:
    """Return what is equal for the same layouts under the same name.

    A build's types are interned, so these are one object; save arrays that were built.
    """
    counts = []
    while isinstance(type_, Array):
        counts.append(type_.count)
        type_ = type_.element
    return id(type_), *counts


def has_same_layout(one: Type, other: Type) -> bool:
    """Return whether two types differ in nothing but the paths of their names.

    Types that are exported under two paths, or compiled twice, are such.
    """
    return one is other or next(_Comparison().walk(one, other, "", 0), None) is None


def find_differences(one: Type, other: Type) -> tuple[str, ...]:
    """Describe how the layout of `other` differs from that of `one`, in a few phrases."""
    found: list[str] = []
    for difference in _Comparison().walk(one, other, "", 0):
        if len(found) == _SHOWN:
            found.append("and more")
            break
        found.append(difference)
    return tuple(found)


class _Comparison:
    """Yields the differences between two types, outermost first."""

    def __init__(self) -> None:
        # Pairs that were compared: parts repeat, and pairs of pairs of pairs would take for ever.
        self._seen: set[tuple[int, int]] = set()

    def walk(self, one: Type, other: Type, at: str, depth: int) -> Iterator[str]:
        """Compare two types that stand at the path `at`."""
        pair = (id(one), id(other))
        if one is other or pair in self._seen or depth > _DEPTH:
            return
        self._seen.add(pair)
        where = f"{at}: " if at else ""
        if type(one) is not type(other):
            yield f"{where}{_kind(other)} instead of {_kind(one)}"
            return
        if one.size != other.size:
            yield f"{where}{_bytes(other.size)} instead of {_bytes(one.size)}"
        if at and short_name(one.name) != short_name(other.name):
            yield f"{where}{short_name(other.name)} instead of {short_name(one.name)}"
            return
        match one, other:
            case (Struct(), Struct()):
                yield from self._members(one.members, other.members, at, depth)
            case (Union(), Union()):
                yield from self._members(one.members, other.members, at, depth)
            case CEnum(), CEnum():
                yield from _numbers(
                    {e.name: e.value for e in one.enumerators},
                    {e.name: e.value for e in other.enumerators},
                    where,
                )
                if one.signed != other.signed:
                    yield f"{where}{'signed' if other.signed else 'unsigned'}"
            case Enum(), Enum():
                yield from self._enums(one, other, at, depth)
            case Array(), Array():
                if one.count != other.count:
                    yield f"{where}{other.count} elements instead of {one.count}"
                yield from self.walk(one.element, other.element, f"{at}[]", depth + 1)
            case Scalar(), Scalar():
                if one.encoding is not other.encoding:
                    yield f"{where}{other.encoding} instead of {one.encoding}"
            case Pointer(), Pointer():
                if short_name(one.target_name) != short_name(other.target_name):
                    yield f"{where}points to {other.target_name} instead of {one.target_name}"

    def _members(
        self, one: Sequence[Member], other: Sequence[Member], at: str, depth: int
    ) -> Iterator[str]:
        ours, theirs = {m.name: m for m in one}, {m.name: m for m in other}
        yield from (f"no field `{_dotted(at, n)}`" for n in ours if n not in theirs)
        yield from (f"has a field `{_dotted(at, n)}`" for n in theirs if n not in ours)
        for name in (n for n in ours if n in theirs):
            member, path = ours[name], _dotted(at, name)
            if member.offset != theirs[name].offset:
                yield f"`{path}` at offset {theirs[name].offset} instead of {member.offset}"
            yield from self.walk(member.type, theirs[name].type, path, depth + 1)
        # Encodings write fields in this order.
        if ours.keys() == theirs.keys() and list(ours) != list(theirs):
            yield f"{at or 'fields'}: in another order"

    def _enums(self, one: Enum, other: Enum, at: str, depth: int) -> Iterator[str]:
        where = f"{at}: " if at else ""
        tags = [None if e.tag is None else (e.tag.offset, e.tag.type.size) for e in (one, other)]
        if tags[0] != tags[1]:
            yield f"{where}told apart by other bytes"
        ours, theirs = {v.name: v for v in one.variants}, {v.name: v for v in other.variants}
        yield from _numbers(
            {n: v.discriminant for n, v in ours.items()},
            {n: v.discriminant for n, v in theirs.items()},
            where,
        )
        for name in (n for n in ours if n in theirs):
            variant, path = ours[name], _dotted(at, name)
            if variant.offset != theirs[name].offset:
                yield f"`{path}` at offset {theirs[name].offset} instead of {variant.offset}"
            members = theirs[name].type.members
            yield from self._members(variant.type.members, members, path, depth + 1)


def _numbers(
    one: Mapping[str, int | None], other: Mapping[str, int | None], where: str
) -> Iterator[str]:
    """Compare the variants of two enums by name, number and order."""
    yield from (f"{where}no variant `{n}`" for n in one if n not in other)
    yield from (f"{where}has a variant `{n}`" for n in other if n not in one)
    for name, value in one.items():
        if name in other and other[name] != value:
            yield f"{where}`{name}` is {other[name]} instead of {value}"
    if one.keys() == other.keys() and list(one) != list(other):
        yield f"{where}variants in another order"


def _dotted(at: str, name: str) -> str:
    name = shown_field(name)
    return f"{at}.{name}" if at else name


def _bytes(size: int) -> str:
    return f"{size} byte" if size == 1 else f"{size} bytes"


def _kind(type_: Type) -> str:
    match type_:
        case Scalar(encoding=ScalarKind.BOOL | ScalarKind.CHAR, name=name):
            return f"a {name}"
        case Scalar():
            return "a number" if type_.size else f"`{type_.name}`"
        case CEnum() | Enum():
            return "an enum with data" if isinstance(type_, Enum) else "an enum without data"
        case Opaque(reason=reason):
            return f"unknown ({reason})"
        case Array():
            return "an array"
    return f"a {type(type_).__name__.lower()}"


def find_nearest(types: Sequence[Type], namespace: str) -> Type | None:
    """Return the type whose path is nearest to a namespace, None if none is nearer than all."""
    if not namespace:
        return None
    scores = [_nearness(t.name, namespace) for t in types]
    best = max(scores, default=(0, 0))
    chosen = [t for t, score in zip(types, scores, strict=True) if score == best]
    if best == (0, 0) or not all(has_same_layout(chosen[0], t) for t in chosen):
        return None
    return chosen[0]


def _nearness(name: str, namespace: str) -> tuple[int, int]:
    """Return the similarity of a full name: common path components, then crate name parts.

    A server `drv_stm32h7_spi_server` is nearer to `drv_spi_api` than to `drv_i2c_api`.
    """
    parts, home = name.split("::"), namespace.split("::")
    common = 0
    while common < min(len(parts), len(home)) and parts[common] == home[common]:
        common += 1
    own = set(parts[0].split("_")) - _GENERIC
    return common, len(own & (set(home[0].split("_")) - _GENERIC))
