"""Memory layout of a type: offsets, sizes, padding, discriminants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from idol.records import dataclass
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
    Subroutine,
    Type,
    Union,
    Variant,
    shown_field,
)

__all__ = [
    "Part",
    "PartKind",
    "Tag",
    "TypeKind",
    "alignment_of",
    "find_padding",
    "kind_of",
    "lay_out",
]

DEPTH_LIMIT = 16
PARTS_LIMIT = 4000  # in all; an enum of registers has hundreds, what is made up may have millions
_WIDEST = 8  # bytes: the strictest alignment of the Arm procedure call standard (AAPCS32, 5.1)


class PartKind(StrEnum):
    """Kind of a part of a layout."""

    FIELD = "field"
    ELEMENT = "element"  # of an array: the first stands for all
    VARIANT = "variant"
    PADDING = "padding"


class TypeKind(StrEnum):
    """Kind of a type; the values are those of JSON."""

    STRUCT = "struct"
    TUPLE = "tuple"
    TUPLE_STRUCT = "tuple struct"
    ENUM = "enum"
    UNION = "union"
    ARRAY = "array"
    POINTER = "pointer"
    FUNCTION = "function"
    UNSIGNED = "unsigned integer"
    SIGNED = "signed integer"
    FLOAT = "float"
    BOOL = "bool"
    CHAR = "char"
    UNIT = "unit type"
    NEVER = "type without values"
    UNKNOWN = "unknown"  # only declared


_SCALARS = {
    ScalarKind.UNSIGNED: TypeKind.UNSIGNED,
    ScalarKind.SIGNED: TypeKind.SIGNED,
    ScalarKind.FLOAT: TypeKind.FLOAT,
    ScalarKind.BOOL: TypeKind.BOOL,
    ScalarKind.CHAR: TypeKind.CHAR,
}


@dataclass(frozen=True, slots=True)
class Tag:
    """The bytes that tell the variants of an enum apart.

    `niche` is the path of the field whose impossible values they are, None where nothing else is in
    these bytes.
    """

    offset: int
    size: int
    type: str
    niche: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a type; `offset` counts from the start of the outermost one, in bytes.

    `value` is a variant's tag; `is_default` marks the variant that all other tags mean. `tag` is
    that of a part which is an enum with data. `count` is that of an array's elements. `hidden`
    counts the parts that were too deep to be given.
    """

    kind: PartKind
    name: str
    offset: int
    size: int
    type: Type | None
    parts: tuple[Part, ...] = ()
    value: int | None = None
    is_default: bool = False
    tag: Tag | None = None
    count: int | None = None
    hidden: int = 0


def kind_of(type_: Type) -> TypeKind:
    """Return the kind of a type, as Rust has them."""
    match type_:
        case Struct():
            if type_.name.startswith("("):
                return TypeKind.TUPLE
            return TypeKind.TUPLE_STRUCT if type_.is_tuple_like else TypeKind.STRUCT
        case CEnum() | Enum():
            return TypeKind.ENUM
        case Scalar(encoding=ScalarKind.UNSIGNED, size=0):
            return TypeKind.NEVER if type_.name == "!" else TypeKind.UNIT
        case Scalar(encoding=encoding):
            return _SCALARS[encoding]
        case Subroutine():
            return TypeKind.FUNCTION
        case Opaque():
            return TypeKind.UNKNOWN
        case Array():
            return TypeKind.ARRAY
        case Pointer():
            return TypeKind.POINTER
        case Union():
            return TypeKind.UNION


def lay_out(type_: Type, depth: int = 1) -> Part:
    """Return a type with its parts; `depth` says how many levels of types to open."""
    return _Drawer().part(PartKind.FIELD, "", 0, type_, min(depth, DEPTH_LIMIT))


class _Drawer:
    def __init__(self) -> None:
        self._left = PARTS_LIMIT

    def part(self, kind: PartKind, name: str, offset: int, type_: Type, depth: int) -> Part:
        """Make one part; its own parts only down to `depth`."""
        self._left -= 1
        inner = _count_parts(type_)
        count = type_.count if isinstance(type_, Array) else None
        tag = _find_tag(type_, offset) if isinstance(type_, Enum) else None
        if depth <= 0 or inner > self._left:
            return Part(kind, name, offset, type_.size, type_, tag=tag, count=count, hidden=inner)
        parts = tuple(self._parts(type_, offset, depth - 1))
        return Part(kind, name, offset, type_.size, type_, parts, tag=tag, count=count)

    def _parts(self, type_: Type, base: int, depth: int) -> Iterator[Part]:
        match type_:
            case Struct(members=members, size=size):
                yield from self._fields(members, base, (0, size), depth)
            case Union(members=members):
                for member in members:
                    yield self._field(member, base, depth)
            case CEnum(enumerators=enumerators):
                for e in enumerators:
                    yield Part(PartKind.VARIANT, e.name, base, 0, None, value=e.value)
            case Enum():
                for variant in type_.variants:
                    yield self._variant(type_, variant, base, depth)
            case Array(element=element, count=count) if count and _count_parts(element):
                yield self.part(PartKind.ELEMENT, "[0]", base, element, depth)

    def _field(self, member: Member, base: int, depth: int) -> Part:
        return self.part(PartKind.FIELD, member.name, base + member.offset, member.type, depth)

    def _fields(
        self, members: Sequence[Member], base: int, extent: tuple[int, int], depth: int
    ) -> Iterator[Part]:
        """Yield fields in the order of their offsets, with the padding between them."""
        start, end = extent
        at = start
        for member in sorted(members, key=lambda m: (m.offset, m.type.size)):
            if member.offset > at:
                yield _padding(base + at, member.offset - at)
            yield self._field(member, base, depth)
            at = max(at, member.offset + member.type.size)
        if end > at:
            yield _padding(base + at, end - at)

    def _variant(self, enum: Enum, variant: Variant, base: int, depth: int) -> Part:
        """Lay a variant out: what is neither its fields nor the tag is padding."""
        parts: list[Part] = []
        members = [Member(m.name, variant.offset + m.offset, m.type) for m in variant.type.members]
        if members:
            for part in self._fields(members, base, (0, enum.size), depth):
                parts += _without_tag(part, enum, base) if part.type is None else (part,)
        return Part(
            PartKind.VARIANT,
            variant.name,
            base,
            enum.size,
            None,
            tuple(parts),
            value=variant.discriminant,
            is_default=enum.tag is not None and variant.discriminant is None,
        )


def _padding(offset: int, size: int) -> Part:
    return Part(PartKind.PADDING, "", offset, size, None)


def _without_tag(padding: Part, enum: Enum, base: int) -> Iterator[Part]:
    """Cut the bytes of an enum's tag out of what its variant leaves unused."""
    start, end = padding.offset, padding.offset + padding.size
    if enum.tag is not None:
        tag_start = base + enum.tag.offset
        tag_end = tag_start + enum.tag.type.size
        if start < tag_end and tag_start < end:
            if start < tag_start:
                yield _padding(start, tag_start - start)
            start = tag_end
    if start < end:
        yield _padding(start, end - start)


def _count_parts(type_: Type) -> int:
    match type_:
        case Struct(members=members) | Union(members=members):
            return len(members)
        case CEnum(enumerators=enumerators):
            return len(enumerators)
        case Enum(variants=variants):
            return len(variants) + sum(len(v.type.members) for v in variants)
        case Array(element=element):
            return _count_parts(element)
    return 0


# ---- tags and niches -----------------------------------------------------------------------------


def _find_tag(enum: Enum, base: int) -> Tag | None:
    tag = enum.tag
    if tag is None:
        return None
    niche = None
    for variant in enum.variants:
        # The niche is in a field of the variant that the other tags are left to.
        if variant.discriminant is None:
            path = _find_path(variant.type, tag.offset - variant.offset, tag.type.size, 0)
            niche = None if path is None else f"{variant.name}{path}"
    return Tag(base + tag.offset, tag.type.size, tag.type.name, niche)


def _find_path(type_: Type, offset: int, size: int, depth: int) -> str | None:
    """Return the path of the innermost field that holds these bytes, None where there is none."""
    if depth > DEPTH_LIMIT:
        return ""
    match type_:
        case Struct(members=members) | Union(members=members):
            for member in members:
                if member.offset <= offset and offset + size <= member.offset + member.type.size:
                    inner = _find_path(member.type, offset - member.offset, size, depth + 1)
                    if inner is not None:
                        return f".{shown_field(member.name)}{inner}"
            return None
        case Enum(tag=tag, variants=variants):
            if tag is not None and tag.offset == offset:
                return ""  # values that the inner enum's own tag never has
            for variant in variants:
                inner = _find_path(variant.type, offset - variant.offset, size, depth + 1)
                if inner is not None:
                    return f".{variant.name}{inner}"
            return ""
        case Array(element=element, count=count) if element.size and count:
            index, rest = divmod(offset, element.size)
            inner = _find_path(element, rest, size, depth + 1)
            return None if inner is None else f"[{index}]{inner}"
        case _:
            return ""


# ---- alignment and padding -----------------------------------------------------------------------


def alignment_of(type_: Type) -> int:
    """Return the least alignment that explains a type's layout.

    It is what rustc says (DW_AT_alignment) except where a type asks for more, with
    `#[repr(align)]`.
    """
    return _alignment(type_, {}, 0)


def _alignment(type_: Type, memo: dict[int, int], depth: int) -> int:
    known = memo.get(id(type_))
    if known is not None or depth > 4 * DEPTH_LIMIT:
        return known or 1
    match type_:
        case Scalar(size=size) | Pointer(size=size) | CEnum(size=size):
            found = min(max(size, 1), _WIDEST)
        case Array(element=element):
            found = _alignment(element, memo, depth + 1)
        case Struct(size=size, members=members) | Union(size=size, members=members):
            found = _least(size, [(m.offset, m.type) for m in members], memo, depth)
        case Enum(size=size, variants=variants, tag=tag):
            fields = [(v.offset + m.offset, m.type) for v in variants for m in v.type.members]
            fields += [] if tag is None else [(tag.offset, tag.type)]
            found = _least(size, fields, memo, depth)
        case Subroutine() | Opaque():
            found = 1
    memo[id(type_)] = found
    return found


def _least(size: int, fields: Sequence[tuple[int, Type]], memo: dict[int, int], depth: int) -> int:
    """Return the alignment of what holds these fields; packed types have less than their fields."""
    wanted = [(offset, _alignment(type_, memo, depth + 1)) for offset, type_ in fields]
    found = max((alignment for _, alignment in wanted), default=1)
    while found > 1 and (
        size % found or any(offset % min(found, alignment) for offset, alignment in wanted)
    ):
        found //= 2
    return found


def find_padding(type_: Type) -> int:
    """Count the bytes of a type that hold nothing, whatever its value; of enums none are sure."""
    return _padding_of(type_, {}, 0)


def _padding_of(type_: Type, memo: dict[int, int], depth: int) -> int:
    known = memo.get(id(type_))
    if known is not None or depth > 4 * DEPTH_LIMIT:
        return known or 0
    found = 0
    match type_:
        case Struct(size=size, members=members):
            covered = sum(m.type.size for m in members)
            inner = sum(_padding_of(m.type, memo, depth + 1) for m in members)
            found = max(size - covered, 0) + inner
        case Array(element=element, count=count):
            found = _padding_of(element, memo, depth + 1) * count
    memo[id(type_)] = found
    return found
