"""Fields and variants that derived serde impls skip, from traces in the code.

Attributes are not in debug information, but what `serde_derive` makes of them is (1.0.229,
`src/de/`):

- `enum __Field { __field0, __field2 }`, which `visit_enum` gets by `variant<…, __Field>`, has the
  variants that are left: number 1 has `#[serde(skip)]`.
- In `visit_seq` a variable `__field1` without a `__value` beside its block is not read: field 1 has
  `#[serde(skip)]`.

Both are about `Deserialize`, which reads what we send. `Serialize` leaves no trace; it numbers
variants by their declaration, the skipped ones too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from idol.records import dataclass, replace
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.model.symbols import Block
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Struct,
    Type,
    Variant,
    short_name,
    shown_field,
)
from idoldbg.resolver.operation import ResolvedArgument

__all__ = [
    "NOTHING_LEFT_OUT",
    "Derived",
    "find_derived",
    "find_left_out",
    "iter_names",
    "mark_argument",
    "ok_type",
]

_FIELD = re.compile(r"__field([0-9]{1,4})")
_DEPTH = 32  # of types inside types
_LIMIT = 10_000  # types inside one type


@dataclass(frozen=True, slots=True)
class Derived:
    """Parts that the `Deserialize` impls of one object skip, by full names of types.

    `variants` are those of enums, `fields` those of structs and of variants. Of the enums `unclear`
    one at least leaves variants out, and which one is unknown.
    """

    variants: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, tuple[str, ...]]
    unclear: frozenset[str]


NOTHING_LEFT_OUT = Derived({}, {}, frozenset())


def find_derived(info: DebugInfo) -> Derived:
    """Find what derived impls of an object leave out."""
    variants: dict[str, tuple[str, ...]] = {}
    unclear: set[str] = set()
    gapped = [t for t in info.find_types("__Field") if _has_gap(t)]
    if gapped:  # it takes time to find out whose they are
        pairs = _pair_enums(info)
        paired = {id(fields) for fields, _ in pairs}
        done = {enum.name for _, enum in pairs}
        for fields in gapped:
            if id(fields) not in paired:
                possible = {e.name: e for e in _possible(info, fields) if e.name not in done}
                if len(possible) == 1:
                    pairs += [(fields, enum) for enum in possible.values()]
                else:
                    unclear |= set(possible)
        for fields, enum in pairs:
            left = _numbers(fields)
            skipped = [name for i, name in enumerate(enum.variant_names) if i not in left]
            if skipped:
                variants[enum.name] = tuple(skipped)
    return Derived(variants, _find_fields(info), frozenset(unclear))


# ---- variants ------------------------------------------------------------------------------------


def _numbers(fields: Type) -> list[int]:
    """Return the numbers of a `__Field` enum's variants."""
    matches = (_FIELD.fullmatch(name) for name in fields.variant_names)
    return [int(match[1]) for match in matches if match]


def _has_gap(fields: Type) -> bool:
    numbers = _numbers(fields)
    is_of_struct = "__ignore" in fields.variant_names  # whose fields are found otherwise
    return bool(numbers) and not is_of_struct and numbers != list(range(len(numbers)))


def _pair_enums(info: DebugInfo) -> list[tuple[Type, CEnum | Enum]]:
    """Pair each `__Field` with its enum: `visit_enum` makes the one by a call for the other."""
    pairs: list[tuple[Type, CEnum | Enum]] = []
    for inner_name in ("variant<", "variant_seed<"):
        for outer, inner in info.find_inlined("visit_enum<", inner_name):
            enum, read = ok_type(outer.result), ok_type(inner.result)
            fields = read.members[0].type if isinstance(read, Struct) and read.members else None
            is_field = fields is not None and fields.name.endswith("::__Field")
            if fields is not None and is_field and isinstance(enum, CEnum | Enum):
                pairs.append((fields, enum))
    return pairs


def _possible(info: DebugInfo, fields: Type) -> Iterator[CEnum | Enum]:
    """Find the enums that a `__Field` may be of: read in the same crate, and long enough."""
    path = fields.name.removesuffix("__Field")
    for name in info.find_type_names("visit_enum<"):
        for subprogram in info.find_subprograms(name):
            enum = ok_type(subprogram.result)
            if not subprogram.full_name.startswith(path) or not isinstance(enum, CEnum | Enum):
                continue
            if len(enum.variant_names) > max(_numbers(fields)):
                yield enum


def ok_type(result: Type | None) -> Type | None:
    """Return T of `Result<T, E>`."""
    if result is None or not result.is_result or not isinstance(result, Enum):
        return None
    members = result.variants[0].type.members
    return members[0].type if len(members) == 1 else None


# ---- fields --------------------------------------------------------------------------------------


def _find_fields(info: DebugInfo) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in info.find_type_names("visit_seq<"):
        subprograms, bodies = info.find_subprograms(name), info.find_bodies(name)
        if len(subprograms) != len(bodies):
            continue
        for subprogram, body in zip(subprograms, bodies, strict=True):
            read = ok_type(subprogram.result)
            if "::_::" not in subprogram.full_name or read is None:
                continue  # not derived
            fields = list(_iter_fields(body, 0))
            skipped = [i for i, field in enumerate(fields) if not field.is_read]
            for owner in _owners(read) if skipped else ():
                if [m.type for m in owner.members] == [field.type for field in fields]:
                    names = tuple(shown_field(owner.members[i].name) for i in skipped)
                    found.setdefault(owner.name, names)
    return found


class _Field(NamedTuple):
    type: Type
    is_read: bool


def _iter_fields(block: Block, depth: int) -> Iterator[_Field]:
    """Yield the variables `__field0`, `__field1`, …, and whether each is read from the message.

    The rest of the function is the block of such a variable; beside it are those of how it is read.
    """
    is_read = any(name == "__value" for inner in block.blocks for name, _ in inner.variables)
    for inner in block.blocks:
        types = [type_ for name, type_ in inner.variables if _FIELD.fullmatch(name)]
        if types and depth < _LIMIT:
            yield from (_Field(type_, is_read) for type_ in types)
            yield from _iter_fields(inner, depth + 1)


def _owners(type_: Type) -> Iterator[Struct]:
    """Yield what the fields may be of: a struct, or a variant of an enum."""
    if isinstance(type_, Struct):
        yield type_
    elif isinstance(type_, Enum):
        yield from (variant.type for variant in type_.variants)


# ---- types in a message --------------------------------------------------------------------------


def find_left_out(type_: Type, derived: Derived) -> str:
    """Return which part of a type is skipped, so that it cannot be sent or read; "" for none."""
    for name in iter_names(type_):
        if name in derived.fields:
            fields = ", ".join(f"`{field}`" for field in derived.fields[name])
            return (
                f"`{short_name(name)}` is read without its field {fields}, by a derived impl "
                "(`#[serde(skip)]`)"
            )
        if name in derived.unclear:
            return (
                f"`{short_name(name)}` may be an enum of which a derived impl leaves variants out "
                "(`#[serde(skip)]`): the image does not tell how they are numbered"
            )
    return ""


def iter_names(type_: Type) -> Iterator[str]:
    """Yield the names of a type, of its variants' fields and of all inside, each once."""
    seen: set[int] = set()
    waiting = [type_]
    while waiting and len(seen) < _LIMIT:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one.name
        if isinstance(one, Struct):
            waiting += [m.type for m in one.members]
        elif isinstance(one, Enum):
            waiting += [v.type for v in one.variants]
        elif isinstance(one, Array):
            waiting.append(one.element)


def mark_argument(argument: ResolvedArgument, derived: Derived) -> ResolvedArgument:
    """Return an argument with the `skipped` of its enums filled in; see `Enum`."""
    marker = _Marker(derived.variants)
    type_, wire = argument.type, argument.wire
    if type_ is not None:
        type_ = marker.mark(type_, 0)
    if wire is not None:
        wire = replace(wire, type=marker.mark(wire.type, 0))
    return replace(argument, type=type_, wire=wire)


class _Marker:
    def __init__(self, skipped: Mapping[str, tuple[str, ...]]) -> None:
        self._skipped = skipped
        self._known: dict[int, Type] = {}

    def mark(self, type_: Type, depth: int) -> Type:
        if depth > _DEPTH:
            return type_
        if id(type_) not in self._known:
            made = self._mark(type_, depth)
            self._known[id(type_)] = type_ if made == type_ else made
        return self._known[id(type_)]

    def _mark(self, type_: Type, depth: int) -> Type:
        match type_:
            case CEnum():
                return replace(type_, skipped=self._skipped.get(type_.name, ()))
            case Enum(variants=variants):
                marked = tuple(self._variant(variant, depth) for variant in variants)
                return replace(type_, variants=marked, skipped=self._skipped.get(type_.name, ()))
            case Struct():
                return self._struct(type_, depth)
            case Array(element=element):
                return replace(type_, element=self.mark(element, depth + 1))
        return type_

    def _variant(self, variant: Variant, depth: int) -> Variant:
        return replace(variant, type=self._struct(variant.type, depth))

    def _struct(self, type_: Struct, depth: int) -> Struct:
        members = (replace(m, type=self.mark(m.type, depth + 1)) for m in type_.members)
        return replace(type_, members=tuple(members))
