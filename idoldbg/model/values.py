"""Values of the target's program: one tree for text, JSON, tests and the Python API.

Every node carries its `type` and, when it was read from the target, the `address` it had there
(which does not count in comparisons). Nothing here does I/O: `idoldbg.call.codec` makes values out
of bytes, `to_python`, `to_json` and `format_value` turn them into something else.

What could not be read is a value too (`Unreadable`): one bad page does not hide the rest.
"""

from __future__ import annotations

import math
import struct
from typing import Any, TypeAlias

from idol.records import dataclass, field
from idoldbg.model.types import CEnum, Enum, Type, short_name

__all__ = [
    "ArrayValue",
    "Bool",
    "Char",
    "EnumValue",
    "Float",
    "Int",
    "PointerValue",
    "Raw",
    "StructValue",
    "Text",
    "Unit",
    "Unreadable",
    "Value",
    "format_value",
    "make_enum",
    "to_json",
    "to_python",
]


@dataclass(frozen=True, slots=True)
class Unit:
    """`()`."""

    type: Type
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Int:
    """An integer of any width and sign."""

    type: Type
    value: int
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    type: Type
    value: bool
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Float:
    """An f32 (widened exactly) or an f64."""

    type: Type
    value: float
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Char:
    """A Unicode scalar value, as a string of length one."""

    type: Type
    value: str
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A `&str` whose bytes were read as well."""

    type: Type
    value: str
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are: `[u8; N]`, a `&[u8]` that was followed, or a union."""

    type: Type
    data: bytes
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PointerValue:
    """A pointer that was not followed."""

    type: Type
    value: int
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StructValue:
    """Fields in declaration order; a tuple's are called `__0`, `__1`, …"""

    type: Type
    fields: tuple[tuple[str, Value], ...]
    address: int | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, name: str) -> Value:
        for field_name, value in self.fields:
            if field_name == name:
                return value
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A variant, with or without data.

    `code` is the discriminant in memory where one is stored there, else None; `payload` is None for
    variants without fields.
    """

    type: Type
    variant: str
    code: int | None
    payload: StructValue | None = None
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ArrayValue:
    """The elements of an array whose element type is not `u8`."""

    type: Type
    elements: tuple[Value, ...]
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value whose bytes could not be had or make no sense as `type`."""

    type: Type
    reason: str
    address: int | None = field(default=None, compare=False, repr=False)


Value: TypeAlias = (
    Unit
    | Int
    | Bool
    | Float
    | Char
    | Text
    | Raw
    | PointerValue
    | StructValue
    | EnumValue
    | ArrayValue
    | Unreadable
)


def make_enum(
    type_: CEnum | Enum,
    variant: str,
    payload: StructValue | None = None,
    address: int | None = None,
) -> EnumValue:
    """Return the value that every codec makes for this variant, with its `code` filled in.

    Raise KeyError when the enum has no variant of that name.
    """
    codes: dict[str, int | None] = (
        {e.name: e.value for e in type_.enumerators}
        if isinstance(type_, CEnum)
        else {v.name: v.discriminant for v in type_.variants}
    )
    return EnumValue(type_, variant, codes[variant], payload, address)


def to_python(value: Value) -> Any:
    """Return plain Python data, convenient for assertions.

    Newtypes become their field, tuples become tuples, structs dicts, `()` None, bytes `bytes`. An
    Option becomes None or its content; other enums their variant's name, or `{name: content}` when
    they carry data. `Unreadable` stays as it is.
    """
    match value:
        case Unit():
            return None
        case Int() | Bool() | Float() | Char() | Text() | PointerValue():
            return value.value
        case Raw():
            return value.data
        case ArrayValue():
            return [to_python(e) for e in value.elements]
        case StructValue():
            return _fields(value, to_python, tuple)
        case EnumValue():
            return _variant(value, to_python, tuple)
        case Unreadable():
            return value


def to_json(value: Value) -> Any:
    """Return what `json.dumps` takes, in the project's contract.

    As `to_python`, with byte strings as `{"hex": …}`, tuples as lists, floats that JSON lacks as
    "NaN", "Infinity", "-Infinity", and what could not be read as `{"unreadable": reason}`.
    """
    match value:
        case Unit():
            return None
        case Float():
            return _json_float(value.value)
        case Int() | Bool() | Char() | Text() | PointerValue():
            return value.value
        case Raw():
            return {"hex": value.data.hex()}
        case ArrayValue():
            return [to_json(e) for e in value.elements]
        case StructValue():
            return _fields(value, to_json, list)
        case EnumValue():
            return _variant(value, to_json, list)
        case Unreadable():
            return {"unreadable": value.reason}


def _json_float(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _fields(value: StructValue, convert: Any, sequence: Any) -> Any:
    if value.type.is_newtype:
        return convert(value.fields[0][1])
    if value.type.is_tuple_like:
        return sequence(convert(v) for _, v in value.fields)
    return {name: convert(v) for name, v in value.fields}


def _variant(value: EnumValue, convert: Any, sequence: Any) -> Any:
    payload = None if value.payload is None else _fields(value.payload, convert, sequence)
    if value.type.is_option and (value.payload is None or not _holds_option(value.payload)):
        return payload
    if value.payload is None:
        return value.variant
    return {value.variant: payload}


def _holds_option(payload: StructValue) -> bool:
    """Tell `Some(None)` apart from `None`: an Option or a unit inside keeps the `Some` visible."""
    inner = payload.fields[0][1]
    while isinstance(inner, StructValue) and inner.type.is_newtype:
        inner = inner.fields[0][1]
    return isinstance(inner, Unit) or (isinstance(inner, EnumValue) and inner.type.is_option)


def format_value(value: Value, *, hexadecimal: bool = False) -> str:
    """Write the value as Rust would: `Some(Reading { celsius: 21.5, id: SensorId(3) })`.

    `idoldbg.call.arguments.parse_value` reads it back. With `hexadecimal`, integers are written as
    0x…. Pointers always are, and byte arrays of more than 16 bytes are written as `hex:…`.
    """
    match value:
        case Unit():
            return "()"
        case Int():
            if not hexadecimal:
                return str(value.value)
            return f"-0x{-value.value:x}" if value.value < 0 else f"0x{value.value:x}"
        case Bool():
            return "true" if value.value else "false"
        case Float():
            return _format_float(value)
        case Char():
            return "'" + _escape(value.value, "'") + "'"
        case Text():
            return '"' + _escape(value.value, '"') + '"'
        case PointerValue():
            return f"0x{value.value:08x}"
        case Raw():
            return _format_bytes(value.data, hexadecimal)
        case ArrayValue():
            return "[" + ", ".join(_each(value.elements, hexadecimal)) + "]"
        case StructValue():
            name = (
                "" if short_name(value.type.name).startswith("(") else short_name(value.type.name)
            )
            return _format_struct(name, value, hexadecimal)
        case EnumValue():
            if value.payload is None:
                return value.variant
            return _format_struct(value.variant, value.payload, hexadecimal)
        case Unreadable():
            return f"<unreadable: {value.reason}>"


def _each(values: tuple[Value, ...], hexadecimal: bool) -> list[str]:
    return [format_value(v, hexadecimal=hexadecimal) for v in values]


def _format_struct(name: str, value: StructValue, hexadecimal: bool) -> str:
    texts = _each(tuple(v for _, v in value.fields), hexadecimal)
    if value.type.is_tuple_like:
        comma = "," if len(texts) == 1 and not name else ""
        return f"{name}(" + ", ".join(texts) + f"{comma})"
    if not texts:
        return name
    pairs = ", ".join(f"{n}: {t}" for (n, _), t in zip(value.fields, texts, strict=True))
    return f"{name} {{ {pairs} }}".lstrip()


def _format_bytes(data: bytes, hexadecimal: bool) -> str:
    if len(data) > 16:
        return f"hex:{data.hex()}"
    return "[" + ", ".join(f"0x{b:02x}" if hexadecimal else str(b) for b in data) + "]"


def _format_float(value: Float) -> str:
    """Write the shortest decimal that gives the same f32 or f64 again."""
    number = value.value
    if math.isnan(number) or math.isinf(number):
        return "NaN" if math.isnan(number) else ("inf" if number > 0 else "-inf")
    if value.type.size != 4:
        return repr(number)
    for digits in range(1, 10):
        shorter = float(f"{number:.{digits}g}")
        try:
            if struct.pack("<f", shorter) == struct.pack("<f", number):
                return repr(shorter)
        except OverflowError:
            pass  # rounded up beyond the largest f32
    return repr(number)


def _escape(text: str, quote: str) -> str:
    special = {
        "\\": "\\\\",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\0": "\\0",
        quote: "\\" + quote,
    }
    return "".join(special.get(c, c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)
