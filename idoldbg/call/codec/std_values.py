"""Values of the standard library's types as `std_types` says that they travel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from idoldbg.call.codec.format import Format
from idoldbg.call.codec.std_types import (
    MAX_NANOSECONDS,
    MAX_TUPLE,
    StdForm,
    StdKind,
    find_form,
)
from idoldbg.errors import DecodeError, EncodeError
from idoldbg.model.types import (
    CEnum,
    Enum,
    Member,
    Opaque,
    Scalar,
    ScalarKind,
    Struct,
    Type,
)
from idoldbg.model.values import Bool, EnumValue, Int, StructValue, Value

__all__ = [
    "WHOLE",
    "carry",
    "check_fields",
    "check_form",
    "complete",
    "fields_to_send",
    "innermost",
    "is_part",
    "members_to_send",
    "read_index",
    "sent_members",
    "unsent_fields",
    "variant_struct",
    "with_innermost",
    "written_variants",
    "is_tuple",
]

#: The form of what is private to the library: all of its fields.
WHOLE = StdForm(StdKind.WALK)
_DEPTH = 8  # of the library's own types inside each other


def check_form(form: Format, type_: Type) -> StdForm | None:
    """Return how a type of the standard library travels, None for other types.

    Raise `EncodeError`, with the reason, for a type that this encoding or serde has no form for.
    """
    if isinstance(type_, Opaque):
        return None  # of which there is more to say
    std = find_form(type_.name)
    if std is not None and std.kind in (StdKind.REFUSED, StdKind.PART):
        reason = std.reason or "it is a part of other types, and serde has no impl for it alone"
        raise _refuse(form, type_, reason)
    if std is not None and std.is_text and form.is_human_readable:
        raise _refuse(
            form, type_, f"serde hands it to {form.name} as text, which the server refuses to send"
        )
    if std is not None and std.kind is not StdKind.VARIANTS and not isinstance(type_, Struct):
        raise _refuse(form, type_, "it is not as in any known version of Rust")
    if isinstance(type_, CEnum | Enum):
        _check_variants(form, type_, std)
    elif isinstance(type_, Struct) and len(type_.members) > MAX_TUPLE and is_tuple(type_):
        raise _refuse(form, type_, f"serde has no impl for tuples of more than {MAX_TUPLE}")
    return std


def is_tuple(type_: Struct) -> bool:
    """Return whether a type is a tuple, not a tuple struct."""
    return type_.name.startswith("(") and type_.is_tuple_like


def _check_variants(form: Format, type_: CEnum | Enum, std: StdForm | None) -> None:
    names = type_.variant_names
    if std is not None and (std.kind is not StdKind.VARIANTS or set(names) != set(std.names)):
        raise _refuse(form, type_, "it is not as in any known version of Rust")
    if form.max_variants is not None and len(names) > form.max_variants:
        raise _refuse(
            form, type_, f"it has {len(names)} variants, and {form.name} knows {form.max_variants}"
        )


def _refuse(form: Format, type_: Type, reason: str) -> EncodeError:
    return EncodeError(f"`{type_.name}` has no {form.name} encoding: {reason}", type=type_.name)


# ---- variants ------------------------------------------------------------------------------------


def written_variants(type_: CEnum | Enum) -> Sequence[str]:
    """Return the variants as `Serialize` numbers them."""
    std = find_form(type_.name)
    return type_.variant_names if std is None else std.names


def read_index(type_: CEnum | Enum, name: str) -> int:
    """Return the number by which `Deserialize` knows a variant; raise `EncodeError`."""
    names = written_variants(type_)
    if name not in names:
        raise EncodeError(f"`{type_.name}` has no variant `{name}`", type=type_.name)
    if name in type_.skipped:
        raise EncodeError(
            f"`{name}` of `{type_.name}` cannot be sent: its derived Deserialize leaves it out "
            "(`#[serde(skip)]`)",
            type=type_.name,
        )
    return [n for n in names if n not in type_.skipped].index(name)


def variant_struct(type_: CEnum | Enum, name: str) -> Struct | None:
    """Return the fields of a variant, None for enums without data."""
    if isinstance(type_, CEnum):
        return None
    return next(v.type for v in type_.variants if v.name == name)


# ---- fields --------------------------------------------------------------------------------------


def is_part(type_: Type) -> bool:
    """Return whether a type is private to the standard library's types."""
    std = find_form(type_.name)
    return std is not None and std.kind is StdKind.PART


def check_fields(value: StructValue, type_: Struct) -> None:
    """Raise `EncodeError` for a value whose fields are not those of its type."""
    if [n for n, _ in value.fields] != [m.name for m in type_.members]:
        raise EncodeError(f"the fields are not those of `{type_.name}`", type=type_.name)


def members_to_send(type_: Struct, std: StdForm) -> tuple[Member, ...]:
    """Return the members that travel, in their order; raise `EncodeError`."""
    if std.kind not in (StdKind.FIELDS, StdKind.DURATION):
        return type_.members
    by_name = {m.name: m for m in type_.members}
    missing = [name for name in std.names if name not in by_name]
    if missing:
        raise EncodeError(
            f"`{type_.name}` has no field `{missing[0]}`, as in other versions of Rust: how it "
            "travels is not known",
            type=type_.name,
        )
    return tuple(by_name[name] for name in std.names)


def sent_members(type_: Struct) -> tuple[Member, ...]:
    """Return the members that travel; all of them where that is not known."""
    std = find_form(type_.name)
    try:
        return type_.members if std is None else members_to_send(type_, std)
    except EncodeError:
        return type_.members


def fields_to_send(value: StructValue, type_: Struct, std: StdForm) -> Iterator[Value]:
    """Yield the fields that travel; raise `EncodeError` for what would not arrive as it is."""
    names = [m.name for m in members_to_send(type_, std)]
    for name, field in value.fields:
        if name not in names and field != _zero(field.type, 0):
            raise EncodeError(
                f"serde does not send `{name}` of `{type_.name}`: it is zero (or false) when it "
                "arrives",
                type=type_.name,
            )
    if type_.is_nonzero and innermost(value) == 0:
        raise EncodeError(f"0 is not a `{type_.name}`", type=type_.name)
    if std.kind is StdKind.DURATION and (innermost(value["nanos"]) or 0) > MAX_NANOSECONDS:
        raise EncodeError(
            f"the nanoseconds of a `{type_.name}` are at most {MAX_NANOSECONDS}", type=type_.name
        )
    yield from (value[name] for name in names)


def unsent_fields(type_: Struct) -> dict[str, Value]:
    """Return the fields that serde leaves behind, with the values that they have on arrival."""
    std = find_form(type_.name)
    if std is None or std.kind is not StdKind.FIELDS:
        return {}
    unsent = (m for m in type_.members if m.name not in std.names)
    return {m.name: zero for m in unsent if (zero := _zero(m.type, 0)) is not None}


def complete(type_: Struct, sent: Mapping[str, Value]) -> StructValue:
    """Return the value that arrives: what was not sent is zero; raise `EncodeError`."""
    fields = []
    for member in type_.members:
        value = sent.get(member.name) or _zero(member.type, 0)
        if value is None:
            raise EncodeError(
                f"what `{type_.name}` has in `{member.name}` is not sent, and not known",
                type=type_.name,
            )
        fields.append((member.name, value))
    return StructValue(type_, tuple(fields))


def _zero(type_: Type, depth: int) -> Value | None:
    """Return the value of a field that is made anew where it arrives."""
    match type_:
        case Scalar(encoding=ScalarKind.BOOL):
            return Bool(type_, False)
        case Scalar(encoding=ScalarKind.SIGNED | ScalarKind.UNSIGNED) if type_.size:
            return Int(type_, 0)
        case Struct(members=members) if depth < _DEPTH:
            fields = [(m.name, _zero(m.type, depth + 1)) for m in members]
            whole = tuple((name, value) for name, value in fields if value is not None)
            return StructValue(type_, whole) if len(whole) == len(fields) else None
        case CEnum(enumerators=names):
            zero = next((e for e in names if e.value == 0), None)
            return None if zero is None else EnumValue(type_, zero.name, 0)
    return None


# ---- numbers inside of the library's types -------------------------------------------------------


def innermost(value: Value) -> int | None:
    """Return the integer that newtypes of the library hold."""
    for _ in range(_DEPTH):
        if not isinstance(value, StructValue) or len(value.fields) != 1:
            break
        value = value.only
    return value.value if isinstance(value, Int | Bool) else None


def with_innermost(type_: Type, number: int, depth: int = 0) -> StructValue:
    """Return newtypes of the library around an integer or bool; raise `EncodeError`."""
    if isinstance(type_, Struct) and len(type_.members) == 1 and depth < _DEPTH:
        member = type_.members[0]
        held: Value
        match member.type:
            case Scalar(encoding=ScalarKind.BOOL):
                held = Bool(member.type, bool(number))
            case Scalar(encoding=ScalarKind.SIGNED | ScalarKind.UNSIGNED):
                held = Int(member.type, number)
            case _:
                held = with_innermost(member.type, number, depth + 1)
        return StructValue(type_, ((member.name, held),))
    raise EncodeError(f"`{type_.name}` is not as in any known version of Rust", type=type_.name)


def carry(value: StructValue, type_: Struct) -> StructValue:
    """Return a Duration of less than a second of nanoseconds, as `Duration::new` makes it."""
    nanos, secs = innermost(value["nanos"]), value["secs"]
    if nanos is None or not isinstance(secs, Int) or nanos <= MAX_NANOSECONDS:
        return value
    more, rest = divmod(nanos, MAX_NANOSECONDS + 1)
    if secs.value + more >= 1 << 64:
        raise DecodeError(f"a `{type_.name}` of more than 2^64 seconds", type=type_.name)
    held = value["nanos"]
    inner = Int(held.type, rest) if isinstance(held, Int) else with_innermost(held.type, rest)
    carried = {"secs": Int(secs.type, secs.value + more), "nanos": inner}
    return StructValue(type_, tuple((n, carried.get(n, v)) for n, v in value.fields))
