"""Fits what was written to the type that is wanted.

Messages name the place inside the value (`config.limits[2]`), what stands there, and what would do.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from idol.near import near_misses
from idoldbg.call.arguments.nodes import bytes_of, node_of, split_suffix
from idoldbg.call.arguments.syntax import (
    Bytes,
    Call,
    CharNode,
    ListNode,
    Name,
    Node,
    Null,
    Number,
    Record,
    Repeat,
    SyntaxFault,
    TextNode,
    TupleNode,
    describe,
    parse,
)
from idoldbg.call.codec.image import initialized_type
from idoldbg.call.codec.serde import DEPTH_LIMIT, NODE_LIMIT, kind_of
from idoldbg.call.codec.std_values import unsent_fields
from idoldbg.errors import ArgumentError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Union,
    Variant,
    short_name,
)
from idoldbg.model.values import (
    ArrayValue,
    Bool,
    Char,
    Float,
    Int,
    PointerValue,
    Raw,
    StructValue,
    Unit,
    Value,
    make_enum,
)

__all__ = ["ReadData", "from_python", "parse_node", "parse_value", "read_source"]

ReadData = Callable[[str], bytes]
"""Returns the content of a file by its path, and of standard input for `-`."""


def parse_value(
    text: str, type_: Type, *, name: str = "", read_data: ReadData | None = None
) -> Value:
    """Read a value of `type_` from Rust-like text or JSON; raise `ArgumentError`.

    Numbers in any base, `inf`, `NaN`; variants by name, those of C-like enums also by number;
    structs, tuples, arrays, `[0; 32]`. A newtype, and an Option that is not None, may be written as
    its content. Arrays of bytes also as `hex:…`, `"text"`, `str:text`, and, where `read_data` is
    given, `@FILE` and `-`. `name` is that of the argument, for messages.
    """
    if type_.is_byte_array and (data := read_source(text, read_data)) is not None:
        return _Converter(name).convert(Bytes(data), type_, "", 0)
    if isinstance(type_, Scalar) and type_.encoding is ScalarKind.CHAR and len(text) == 1:
        return Char(type_, text)
    return _Converter(name).convert(parse_node(text, name=name), type_, "", 0)


def parse_node(text: str, *, name: str) -> Node:
    """Read one value's text without knowing its type; raise `ArgumentError`."""
    try:
        return parse(text)
    except SyntaxFault as fault:
        raise ArgumentError(_syntax_message(text, fault), name=name) from None


def read_source(text: str, read_data: ReadData | None) -> bytes | None:
    """Return the bytes of `str:…` and, with `read_data`, `@FILE` and `-`; None otherwise."""
    if text.startswith("str:"):
        return text.removeprefix("str:").encode("utf-8", "surrogateescape")
    if read_data is not None and (text == "-" or text.startswith("@")):
        return read_data(text.removeprefix("@"))
    return None


def _syntax_message(text: str, fault: SyntaxFault) -> str:
    shown = text if len(text) <= 60 else text[:57] + "…"
    return f"{fault.message}, at character {fault.offset + 1} of `{shown}`"


def from_python(obj: Any, type_: Type, *, name: str = "") -> Value:
    """Make a value of `type_` from plain Python data; raise `ArgumentError`.

    Takes what `values.to_python` and `values.to_json` give, and values of that type as they are.
    """
    return _Converter(name).convert(obj, type_, "", 0)


class _Converter:
    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes = 0

    def fail(self, place: str, message: str) -> NoReturn:
        raise ArgumentError(message, name=f"{self.name}{place}".lstrip("."))

    def mismatch(self, node: Node, type_: Type, place: str, example: str) -> NoReturn:
        self.fail(place, f"{describe(node)} is not {_with_article(type_)}; write {example}")

    def convert(self, obj: Any, type_: Type, place: str, depth: int) -> Value:
        self.nodes += 1
        if depth > DEPTH_LIMIT or self.nodes > NODE_LIMIT:
            self.fail(place, f"`{short_name(type_.name)}` is too deep or too large")
        inner = initialized_type(type_) if isinstance(type_, Union) else None
        if isinstance(obj, Value):
            if obj.type not in (type_, inner):
                self.fail(place, f"a value of `{obj.type.name}`, `{type_.name}` is wanted")
            return obj
        node = node_of(obj)
        if node is None:
            self.fail(place, f"{type(obj).__name__} objects have no meaning on the target")
        match type_:
            case Scalar():
                return self.scalar(node, type_, place)
            case CEnum():
                return self.clike(node, type_, place)
            case Enum():
                return self.enum(node, type_, place, depth)
            case Struct():
                return self.struct(node, type_, place, depth)
            case Array():
                return self.array(node, type_, place, depth)
            case Pointer(size=size):
                number = self.integer(node, type_, place)
                if not 0 <= number < 1 << size * 8:
                    self.fail(place, f"{_shown(number)} is not an address")
                return PointerValue(type_, number)
            case Union():
                if inner is not None:
                    return self.initialized(node, type_, inner, place, depth)
                return Raw(type_, self.exact_bytes(node, type_, type_.size, place))
            case _:
                return self.fail(
                    place, f"`{type_.name}` is {kind_of(type_)}: it cannot be an argument"
                )

    def scalar(self, node: Node, type_: Scalar, place: str) -> Value:
        if type_.is_unit:
            if node not in (TupleNode(()), Null()):
                self.mismatch(node, type_, place, "()")
            return Unit(type_)
        if type_.size == 0:
            self.fail(place, f"`{type_.name}` has no values")
        match type_.encoding:
            case ScalarKind.BOOL:
                if node not in (Name(("true",)), Name(("false",))):
                    self.mismatch(node, type_, place, "true or false")
                return Bool(type_, node == Name(("true",)))
            case ScalarKind.CHAR:
                if not isinstance(node, CharNode | TextNode) or len(node.text) != 1:
                    self.mismatch(node, type_, place, "'a'")
                if 0xD800 <= ord(node.text) < 0xE000:
                    self.fail(place, "a lone surrogate is not a char")
                return Char(type_, node.text)
            case ScalarKind.FLOAT:
                return self.real(node, type_, place)
            case _:
                number = self.integer(node, type_, place)
                signed = type_.encoding is ScalarKind.SIGNED
                bits = type_.size * 8 - signed
                low, high = (-(1 << bits) if signed else 0), (1 << bits) - 1
                if not low <= number <= high:
                    self.fail(place, f"{_shown(number)} is not in {low}..={high} ({type_.name})")
                return Int(type_, number)

    def integer(self, node: Node, type_: Type, place: str) -> int:
        if not isinstance(node, Number):
            self.mismatch(node, type_, place, "a number such as 10, 0x0a, 0b1010 or 1_000")
        digits, suffix = split_suffix(node.text)
        if suffix and suffix != type_.name:
            self.fail(place, f"{node.text} is a {suffix}, {type_.name} is wanted")
        sign = -1 if digits.startswith("-") else 1
        digits = digits.lstrip("+-").replace("_", "").lower()
        base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 10)
        try:
            return sign * int(digits if base == 10 else digits[2:], base)
        except ValueError:
            self.fail(place, f"{node.text} is not an integer ({type_.name} is wanted)")

    def real(self, node: Node, type_: Scalar, place: str) -> Value:
        if type_.size not in (4, 8):
            self.fail(place, f"{type_.name}: only f32 and f64 are known")
        # JSON has no NaN: `values.to_json` writes it, and the infinities, as strings.
        text = node.text if isinstance(node, Number | TextNode) else ""
        if isinstance(node, Name) and node.path[0].lower() in ("inf", "infinity", "nan"):
            text = node.path[0]
        digits, suffix = split_suffix(text)
        if suffix and suffix != type_.name:
            self.fail(place, f"{text} is a {suffix}, {type_.name} is wanted")
        try:
            number = float(int(digits, 16)) if digits.startswith("0x") else float(digits)
        except (ValueError, OverflowError):
            self.mismatch(node, type_, place, "a number such as 21.5, -1e3, inf or NaN")
        overflow = math.isinf(number) and "inf" not in digits.lower()
        if type_.size == 4 and math.isfinite(number):
            try:
                (number,) = struct.unpack("<f", struct.pack("<f", number))
            except OverflowError:
                overflow = True
        if overflow:
            self.fail(place, f"{text} is too large for {type_.name}")
        return Float(type_, number)

    def clike(self, node: Node, type_: CEnum, place: str) -> Value:
        names = type_.variant_names
        if isinstance(node, Number):
            number = self.integer(node, type_, place)
            for enumerator in type_.enumerators:
                if enumerator.value == number:
                    return make_enum(type_, enumerator.name)
            known = ", ".join(f"{e.value} = {e.name}" for e in type_.enumerators[:12])
            self.fail(place, f"{_shown(number)} is not {_with_article(type_)} ({known})")
        name = self.variant_name(node, type_, place)
        if name not in names or not isinstance(node, Name | TextNode):
            self.unknown_variant(name or describe(node), names, type_, place)
        return make_enum(type_, name)

    def variant_name(self, node: Node, type_: CEnum | Enum, place: str) -> str:
        """Return the last part of a path, after checking that the part before names the enum."""
        if isinstance(node, TextNode):
            return node.text
        if not isinstance(node, Name | Call | Record) or not node.path:
            return ""
        if len(node.path) > 1 and node.path[-2] != _base_name(type_):
            self.fail(place, f"{describe(node)} is not a variant of {_base_name(type_)}")
        return node.path[-1]

    def unknown_variant(self, name: str, names: Sequence[str], type_: Type, place: str) -> NoReturn:
        near = near_misses(name, names)
        if near:
            hint = "did you mean " + " or ".join(f"`{n}`" for n in near) + "?"
        else:
            hint = "it has " + ", ".join(names[:24]) + (", …" if len(names) > 24 else "")
        self.fail(place, f"{short_name(type_.name)} has no variant `{name.strip('`')}`; {hint}")

    def enum(self, node: Node, type_: Enum, place: str, depth: int) -> Value:
        variants = {v.name: v for v in type_.variants}
        name = self.variant_name(node, type_, place) if self.names_enum(node, type_) else ""
        if name in variants:
            return self.variant(node, type_, variants[name], place, depth)
        if isinstance(node, Record) and not node.path and len(node.fields) == 1:
            key, inner = node.fields[0]
            if key in variants:
                return self.payload(inner, type_, variants[key], place, depth)
        if type_.is_option:
            if isinstance(node, Null):
                return make_enum(type_, "None")
            return self.payload(node, type_, variants["Some"], place, depth)
        return self.unknown_variant(name or describe(node), list(variants), type_, place)

    def names_enum(self, node: Node, type_: Enum) -> bool:
        """Return whether a path may name a variant; an Option's content has paths too."""
        path = node.path if isinstance(node, Name | Call | Record) else ()
        return not (type_.is_option and len(path) > 1 and path[-2] != _base_name(type_))

    def variant(self, node: Node, type_: Enum, variant: Variant, place: str, depth: int) -> Value:
        """Convert a node that names the variant itself: `V`, `V(…)`, `V {…}`."""
        members = variant.type.members
        place = f"{place}.{variant.name}"
        if isinstance(node, Call):
            if not variant.type.is_tuple_like and members:
                self.fail(place, f"its data has names: write {_example(variant)}")
            return make_enum(
                type_, variant.name, self.elements(node.values, variant.type, place, depth)
            )
        if isinstance(node, Record):
            return make_enum(
                type_, variant.name, self.named_fields(node, variant.type, place, depth)
            )
        if members:
            self.fail(place, f"it carries data: write {_example(variant)}")
        return make_enum(type_, variant.name)

    def payload(self, obj: Any, type_: Enum, variant: Variant, place: str, depth: int) -> Value:
        """Convert the data of a variant that stands apart from its name, as in JSON."""
        members = variant.type.members
        place = f"{place}.{variant.name}"
        if len(members) == 1 and variant.type.is_newtype:
            inner = self.convert(obj, members[0].type, place, depth + 1)
            return make_enum(
                type_, variant.name, StructValue(variant.type, ((members[0].name, inner),))
            )
        node = node_of(obj)
        if not members:
            if node not in (Null(), TupleNode(()), ListNode(()), Record((), ())):
                self.fail(place, "it carries no data")
            return make_enum(type_, variant.name)
        if isinstance(node, TupleNode | ListNode) and variant.type.is_tuple_like:
            fields = self.elements(node.values, variant.type, place, depth)
        elif isinstance(node, Record) and not node.path:
            fields = self.named_fields(node, variant.type, place, depth)
        else:
            self.fail(place, f"write {_example(variant)}")
        return make_enum(type_, variant.name, fields)

    def elements(
        self, values: Sequence[Any], type_: Struct, place: str, depth: int
    ) -> StructValue | None:
        members = type_.members
        if len(values) != len(members):
            self.fail(place, f"it takes {len(members)} value(s), not {len(values)}")
        if not members:
            return None
        fields = [
            (m.name, self.convert(v, m.type, f"{place}.{i}", depth + 1))
            for i, (m, v) in enumerate(zip(members, values, strict=True))
        ]
        return StructValue(type_, tuple(fields))

    def named_fields(
        self, node: Record, type_: Struct, place: str, depth: int
    ) -> StructValue | None:
        given = dict(node.fields)
        names = [m.name for m in type_.members]
        for name in given:
            if name not in names:
                near = near_misses(name, names)
                hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(names) or '-'}"
                self.fail(place, f"{short_name(type_.name)} has no field `{name}`; {hint}")
        unsent = unsent_fields(type_)  # such as `exhausted` of `RangeInclusive`: nobody writes it
        missing = [n for n in names if n not in given and n not in unsent]
        if missing:
            self.fail(place, f"{short_name(type_.name)} also needs {', '.join(missing)}")
        if not names:
            return None
        fields = [
            (m.name, self.convert(given[m.name], m.type, f"{place}.{m.name}", depth + 1))
            if m.name in given
            else (m.name, unsent[m.name])
            for m in type_.members
        ]
        return StructValue(type_, tuple(fields))

    def struct(self, node: Node, type_: Struct, place: str, depth: int) -> Value:
        is_named = isinstance(node, Name | Call | Record) and node.path[-1:] == (_base_name(type_),)
        empty = StructValue(type_, ())
        if isinstance(node, Call) and is_named and (type_.is_tuple_like or not type_.members):
            return self.checked(self.elements(node.values, type_, place, depth) or empty, place)
        if type_.is_newtype:
            member = type_.members[0]
            if isinstance(node, TupleNode) and len(node.values) == 1:
                inner = self.convert(node.values[0], member.type, place, depth + 1)
            else:
                inner = self.convert(node, member.type, place, depth + 1)
            return self.checked(StructValue(type_, ((member.name, inner),)), place)
        if isinstance(node, Name) and is_named and not type_.members:
            return empty
        if isinstance(node, TupleNode | ListNode) and type_.is_tuple_like:
            return self.elements(node.values, type_, place, depth) or empty
        if isinstance(node, Record) and (is_named or not node.path) and not type_.is_tuple_like:
            return self.named_fields(node, type_, place, depth) or empty
        return self.mismatch(node, type_, place, _struct_example(type_))

    def checked(self, value: StructValue, place: str) -> StructValue:
        if isinstance(value.type, Struct) and value.type.is_nonzero:
            inner = value.opened
            while isinstance(inner, StructValue) and len(inner.fields) == 1:
                inner = inner.only
            if isinstance(inner, Int) and inner.value == 0:
                self.fail(place, f"0 is not {_with_article(value.type)}")
        return value

    def array(self, node: Node, type_: Array, place: str, depth: int) -> Value:
        if type_.count > NODE_LIMIT:
            self.fail(place, f"`{short_name(type_.name)}` is too large")
        if type_.is_byte_array:
            return Raw(type_, self.exact_bytes(node, type_, type_.count, place))
        if isinstance(node, Repeat):
            values: Sequence[Any] = [node.value] * min(node.count, type_.count + 1)
        elif isinstance(node, ListNode | TupleNode):
            values = node.values
        else:
            self.mismatch(node, type_, place, "[1, 2, …] or [0; N]")
        if len(values) != type_.count:
            count = node.count if isinstance(node, Repeat) else len(values)
            self.fail(place, f"{type_.count} elements are wanted, not {count}")
        elements = [
            self.convert(v, type_.element, f"{place}[{i}]", depth + 1) for i, v in enumerate(values)
        ]
        return ArrayValue(type_, tuple(elements))

    def initialized(self, node: Node, type_: Union, inner: Type, place: str, depth: int) -> Value:
        """Read what a `MaybeUninit` holds: a value of `inner`, or bytes as where it holds none."""
        data = bytes_of(node)
        if data is None or len(data) != type_.size:
            return self.convert(node, inner, place, depth + 1)
        try:
            return self.convert(node, inner, place, depth + 1)
        except ArgumentError:
            return Raw(type_, data)

    def exact_bytes(self, node: Node, type_: Type, size: int, place: str) -> bytes:
        if isinstance(node, Repeat) and node.count != size:
            self.fail(place, f"{size} bytes are wanted, not {node.count}")
        data = bytes_of(node)
        if data is None:
            if isinstance(node, ListNode | TupleNode):
                self.fail(place, "bytes are numbers in 0..=255")
            self.mismatch(node, type_, place, "hex:0102ff, [1, 2, 255] or [0; N]")
        if len(data) != size:
            self.fail(place, f"{size} bytes are wanted, not {len(data)}")
        return data


def _shown(number: int) -> str:
    """Write a number, in hexadecimal beyond 256 bits: Python limits the digits of decimals."""
    return str(number) if number.bit_length() <= 256 else f"{number:#x}"[:40] + "…"


def _base_name(type_: Type) -> str:
    return short_name(type_.name).partition("<")[0]


def _example(variant: Variant) -> str:
    if variant.type.is_tuple_like:
        return f"{variant.name}({', '.join('…' for _ in variant.type.members)})"
    return f"{variant.name} {{ {', '.join(f'{m.name}: …' for m in variant.type.members)} }}"


def _struct_example(type_: Struct) -> str:
    if type_.is_tuple_like:
        return f"({', '.join('…' for _ in type_.members)})"
    return "{ " + ", ".join(f"{m.name}: …" for m in type_.members) + " }"


def _with_article(type_: Type) -> str:
    """Return `a u8`, `an i8`: a type's short name as it stands in a sentence."""
    name = short_name(type_.name)
    return f"{'an' if name[:1] in tuple('aeioAEIO') else 'a'} {name}"
