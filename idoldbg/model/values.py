"""Values of the target's program: one tree for text, JSON, tests and the Python API.

Every node carries its `type` and, when it was read from the target, the `address` it had there
(which does not count in comparisons). Nothing here does I/O: `idoldbg.call.codec` makes values out
of bytes, `to_python`, `to_json` and `format_value` turn them into something else.

What could not be read is a value too (`Unreadable`): one bad page does not hide the rest.

Every value navigates: `task["state"]["fault"]`, `pair[0]`, `healthy.only`, `int(task_id)`,
`state.as_variant("Faulted")`. Of an enum these mean the fields of its variant. A name that is not
there is `NotFound` with the names that resemble it; what could not be read is `DecodeError`.
"""

from __future__ import annotations

import math
import struct
from typing import Any, TypeAlias

from idol.records import dataclass, field
from idoldbg.errors import DecodeError, NotFound
from idoldbg.model.types import CEnum, Enum, Type, short_name, shown_field

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
    "find_number",
    "format_value",
    "c_like_variant",
    "make_enum",
    "to_json",
    "to_python",
]


class _AnyValue:
    """Methods of every value; here as for values without parts."""

    __slots__ = ()
    type: Type
    address: int | None

    @property
    def part_names(self) -> tuple[str, ...]:
        """The fields that `value[name]` knows, as DWARF writes them."""
        return ()

    def get(self, part: str | int) -> Value | None:
        """Return a field by name or position, an array's element by index; None if there is none.

        Raise `DecodeError` where this value could not be read.
        """
        return None

    def __getitem__(self, part: str | int) -> Value:
        """Return a part as `get` does; raise `NotFound` if there is none."""
        found = self.get(part)
        if found is not None:
            return found
        from idol.near import near_misses  # for what went wrong

        names = [shown_field(name) for name in self.part_names]
        near = near_misses(str(part), names)
        hint = f"it has {', '.join(names)}" if names and not near else ""
        raise NotFound("field", str(part), near=near, where=f"`{self._where}`", hint=hint)

    @property
    def only(self) -> Value:
        """The one field of a newtype, struct or variant; raise `DecodeError` if not just one."""
        names = self.part_names
        if len(names) == 1:
            return self[names[0]]
        raise self._misfit(f"has {len(names) or 'no'} fields, where one was expected")

    @property
    def opened(self) -> Value:
        """The innermost value of nested newtypes; other values as they are."""
        value: Any = self
        while value.type.is_newtype and isinstance(value, StructValue):
            value = value.fields[0][1]
        opened: Value = value
        return opened

    def as_variant(self, name: str) -> EnumValue | None:
        """Return this value if it is an enum's variant of this name, else None.

        Raise `DecodeError` where this value could not be read.
        """
        return None

    def __int__(self) -> int:
        """Return an integer, bool or pointer, also one in newtypes; raise `DecodeError` if none."""
        match self.opened:
            case Int(value=number) | Bool(value=number) | PointerValue(value=number):
                return number + 0  # `True` is not what `int` may be given
            case Unreadable() as unreadable:
                raise unreadable.error()
        raise self._misfit("is not a number")

    @property
    def _where(self) -> str:
        return short_name(self.type.name)

    def _misfit(self, problem: str) -> DecodeError:
        return DecodeError(f"`{self._where}` {problem}", type=self.type.name)


@dataclass(frozen=True, slots=True)
class Unit(_AnyValue):
    """`()`."""

    type: Type
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Int(_AnyValue):
    """An integer of any width and sign."""

    type: Type
    value: int
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bool(_AnyValue):
    """`true` or `false`."""

    type: Type
    value: bool
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Float(_AnyValue):
    """An f32 (widened exactly) or an f64."""

    type: Type
    value: float
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Char(_AnyValue):
    """A Unicode scalar value, as a string of length one."""

    type: Type
    value: str
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text(_AnyValue):
    """A `&str` whose bytes were read as well."""

    type: Type
    value: str
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Raw(_AnyValue):
    """Bytes as they are: `[u8; N]`, a `&[u8]` that was followed, or a union."""

    type: Type
    data: bytes
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PointerValue(_AnyValue):
    """A pointer that was not followed."""

    type: Type
    value: int
    address: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StructValue(_AnyValue):
    """Fields in declaration order; a tuple's are called `__0`, `__1`, …"""

    type: Type
    fields: tuple[tuple[str, Value], ...]
    address: int | None = field(default=None, compare=False, repr=False)

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.fields)

    def get(self, part: str | int) -> Value | None:
        wanted = f"__{part}" if isinstance(part, int) else part
        return next((value for name, value in self.fields if name == wanted), None)


@dataclass(frozen=True, slots=True)
class EnumValue(_AnyValue):
    """A variant, with or without data.

    `code` is the discriminant in memory where one is stored there, else None; `payload` is None for
    variants without fields.
    """

    type: Type
    variant: str
    code: int | None
    payload: StructValue | None = None
    address: int | None = field(default=None, compare=False, repr=False)

    @property
    def part_names(self) -> tuple[str, ...]:
        return () if self.payload is None else self.payload.part_names

    def get(self, part: str | int) -> Value | None:
        return None if self.payload is None else self.payload.get(part)

    def as_variant(self, name: str) -> EnumValue | None:
        return self if self.variant == name else None

    @property
    def _where(self) -> str:
        return f"{short_name(self.type.name)}::{self.variant}"


@dataclass(frozen=True, slots=True)
class ArrayValue(_AnyValue):
    """The elements of an array whose element type is not `u8`."""

    type: Type
    elements: tuple[Value, ...]
    address: int | None = field(default=None, compare=False, repr=False)

    def get(self, part: str | int) -> Value | None:
        if isinstance(part, str) or not 0 <= part < len(self.elements):
            return None
        return self.elements[part]

    def __getitem__(self, part: str | int) -> Value:
        found = self.get(part)
        if found is None:
            has = f"`{self._where}`, which has {len(self.elements)}"
            raise NotFound("element", str(part), where=has)
        return found


@dataclass(frozen=True, slots=True)
class Unreadable(_AnyValue):
    """Stands for a value whose bytes could not be had or make no sense as `type`."""

    type: Type
    reason: str
    address: int | None = field(default=None, compare=False, repr=False)

    def error(self) -> DecodeError:
        """Build the error that says what could not be read, where and why."""
        at = "" if self.address is None else f" at 0x{self.address:08x}"
        return self._misfit(f"cannot be read{at}: {self.reason}")

    def get(self, part: str | int) -> Value | None:
        raise self.error()

    @property
    def only(self) -> Value:
        raise self.error()

    def as_variant(self, name: str) -> EnumValue | None:
        raise self.error()


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


def find_number(value: Value | None) -> int | None:
    """Return a number as `int` does, also one in an Option.

    None where there is no value, no number in it, or none that could be read: for what firmware of
    other ages may have otherwise.
    """
    try:
        some = None if value is None else value.as_variant("Some")
        held = value if some is None else some.only
        return None if held is None else int(held)
    except DecodeError:
        return None


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


def c_like_variant(type_: Type, code: int) -> str | None:
    """Return the variant without data that has this discriminant, None where there is none.

    An enum of a single variant takes no bytes, and then DWARF says no discriminant either.
    """
    if isinstance(type_, CEnum):
        return next((e.name for e in type_.enumerators if e.value == code), None)
    if (
        isinstance(type_, Enum)
        and len(type_.variants) == 1
        and type_.variants[0].discriminant is None
    ):
        return type_.variants[0].name
    return None


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
        return convert(value.only)
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
    """Return whether an Option holds an Option or a unit, so that `Some` must be shown."""
    inner = payload.only.opened
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
    parts = _each(tuple(v for _, v in value.fields), hexadecimal)
    if value.type.is_tuple_like:
        comma = "," if len(parts) == 1 and not name else ""
        return f"{name}(" + ", ".join(parts) + f"{comma})"
    if not parts:
        return name
    pairs = ", ".join(f"{n}: {part}" for (n, _), part in zip(value.fields, parts, strict=True))
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
