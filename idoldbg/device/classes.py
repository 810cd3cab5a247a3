"""Python classes for the target's types, and values back and forth.

| on the target | in Python |
| --- | --- |
| integers, floats, bool, char, `()` | `int`, `float`, `bool`, `str`, `None` |
| `[u8; N]` | `bytes` |
| arrays, tuples, tuple structs | `list`, `tuple` |
| newtypes | what they hold |
| structs | frozen dataclasses |
| enums without data | `IntEnum` |
| enums with data | a class, in it a frozen dataclass for each variant: `Mode.Periodic(5)` |
| `Option<T>` | the value or None; `Some(None)` for an Option in an Option |
| `Result<T, E>` | `Ok(value)` or `Err(error)` |
| pointers, unions | `int`, `bytes` |
| what could not be read | `idoldbg.model.values.Unreadable` |

Everything prints as Rust would write it. Going in, whatever `idoldbg.call.arguments.from_python`
takes is good too: names of variants, dicts for structs, `idoldbg.Value`s.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from idol.printable import printable
from idoldbg.call.arguments import from_python
from idoldbg.device.names import (
    field_name,
    member_names,
    python_names,
    variant_attributes,
)
from idoldbg.device.results import Err, Ok, Some
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Member,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    short_name,
)
from idoldbg.model.values import (
    ArrayValue,
    EnumValue,
    Float,
    StructValue,
    Value,
    format_value,
    to_python,
)

__all__ = [
    "Classes",
    "TargetEnum",
    "TargetObject",
    "class_doc",
    "class_name",
    "crate_name",
    "field_name",
    "lower",
]


_F32 = Scalar("f32", 4, ScalarKind.FLOAT)


class TargetObject:
    """A struct, or a variant with its data, of the target's program; prints as Rust writes it."""

    __target_type__: ClassVar[Type | None] = None
    __variant__: ClassVar[str | None] = None

    def __repr__(self) -> str:
        if self.__target_type__ is None:
            return printable(_plain_repr(self))
        try:
            return printable(format_value(from_python(lower(self), self.__target_type__)))
        except IdoldbgError:  # made by hand, of values that do not fit
            return printable(_plain_repr(self))

    __str__ = __repr__


class TargetEnum(enum.IntEnum):
    """An enum without data; prints as Rust writes it."""

    def __repr__(self) -> str:
        return printable(f"{type(self).__name__}::{self}")

    def __str__(self) -> str:
        return printable(_target_name(self.name))


def _plain_repr(obj: Any) -> str:
    """Write an object whose type in the build is not known (yet), such as a stub's."""
    fields = dataclasses.fields(obj)
    name = obj.__variant__ or type(obj).__name__
    if not fields:
        return name
    if all(f.name == f"_{i}" for i, f in enumerate(fields)):
        return f"{name}({', '.join(_inner(getattr(obj, f.name)) for f in fields)})"
    parts = [f"{_target_name(f.name)}: {_inner(getattr(obj, f.name))}" for f in fields]
    return f"{name} {{ {', '.join(parts)} }}"


def _inner(value: Any) -> str:
    if isinstance(value, TargetEnum):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _format_float(value)
    return repr(value)


def _format_float(value: float) -> str:
    """Write a number that an f32 can hold with as few digits as an f32 needs."""
    with suppress(OverflowError):
        if struct.unpack("<f", struct.pack("<f", value))[0] == value:
            return format_value(Float(_F32, value))
    return repr(value)


def class_name(type_: Type) -> str:
    """Return a Python name for a type: the last part of its path, generics after underscores."""
    parts = re.findall(r"[A-Za-z0-9_]+", short_name(type_.name))
    return field_name("_".join(parts) or "Unnamed")


def _target_name(name: str) -> str:
    """Undo `field_name`, as far as that goes without the type."""
    bare = name.removesuffix("_")
    return bare if name == field_name(bare) else name


class Classes:
    """Makes and keeps the classes of one build.

    `known` are classes that stand for types already, by the types' full names: those of stubs.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known = dict(known or {})
        self._made: dict[Type, Any] = {}

    def find(self, type_: Type) -> Any:
        """Return the class for a struct or enum, None for types that Python has its own for."""
        match type_:
            case CEnum():
                return self._class(type_, self._c_enum)
            case Enum() if not type_.is_option and not type_.is_result:
                return self._class(type_, self._enum)
            case Struct() if not type_.is_newtype and not type_.is_tuple_like:
                return self._class(type_, self._struct)
        return None

    def _class(self, type_: Any, make: Any) -> Any:
        if type_ not in self._made:
            known = self._known.get(type_.name)
            fits = known is not None and _fits(known, type_)
            self._made[type_] = _adopt(known, type_) if fits else make(type_)
        return self._made[type_]

    def _c_enum(self, type_: CEnum) -> Any:
        names = python_names(e.name for e in type_.enumerators)
        members = {n: e.value for n, e in zip(names, type_.enumerators, strict=True)}
        make: Any = TargetEnum  # with members: the functional form, which makes a subclass
        made = make(class_name(type_), members, module=crate_name(type_))
        made.__doc__ = class_doc(type_)
        return made

    def _struct(self, type_: Struct) -> Any:
        return _dataclass(class_name(type_), type_.members, type_, None)

    def _enum(self, type_: Enum) -> Any:
        base = type(
            class_name(type_),
            (TargetObject,),
            {"__module__": crate_name(type_), "__doc__": class_doc(type_), "__slots__": ()},
        )
        attributes = variant_attributes(type_)
        classes = [
            _dataclass(attributes[v.name], v.type.members, type_, v.name, base)
            for v in type_.variants
        ]
        # Not before all are made: the default of a field of that name would be a variant's class.
        for made in classes:
            made.__qualname__ = f"{base.__name__}.{made.__name__}"
            setattr(base, made.__name__, made)
        return base

    # -- values out

    def to_python(self, value: Value) -> Any:
        """Return the Python object for a value."""
        match value:
            case StructValue(type=type_, fields=fields):
                if type_.is_newtype:
                    return self.to_python(value.only)
                if type_.is_tuple_like:
                    return tuple(self.to_python(v) for _, v in fields)
                return self._object(self.find(type_), value)
            case EnumValue(type=type_):
                return self._variant(value, type_)
            case ArrayValue(elements=elements):
                return [self.to_python(e) for e in elements]
        return to_python(value)

    def _object(self, made: Any, value: StructValue | None) -> Any:
        fields = () if value is None else value.fields
        names = python_names(n for n, _ in fields)
        return made(**{n: self.to_python(v) for n, (_, v) in zip(names, fields, strict=True)})

    def _variant(self, value: EnumValue, type_: Type) -> Any:
        if type_.is_option:
            if value.payload is None:
                return None
            inner = self.to_python(value.only)
            return Some(None) if inner is None else inner
        if type_.is_result:
            content = None if value.payload is None else self.to_python(value.only)
            return Ok(content) if value.variant == "Ok" else Err(content)
        made = getattr(self.find(type_), variant_attributes(type_)[value.variant])
        return made if isinstance(type_, CEnum) else self._object(made, value.payload)

    # -- annotations

    def annotation(self, type_: Type | None) -> Any:
        """Return what a signature shows for a type."""
        if type_ is None:
            return Any
        if type_.is_unit:
            return None
        made = self.find(type_)
        if made is not None:
            return made
        match type_:
            case Scalar(encoding=encoding):
                return {ScalarKind.FLOAT: float, ScalarKind.BOOL: bool, ScalarKind.CHAR: str}.get(
                    encoding, int
                )
            case Array(element=element):
                return bytes if type_.is_byte_array else list[self.annotation(element)]  # type: ignore[misc]  # built at run time
            case Struct(members=members) if type_.is_newtype:
                return self.annotation(members[0].type)
            case Struct(members=members):
                return tuple[tuple(self.annotation(m.type) for m in members)]  # type: ignore[misc]  # as above
            case Enum(variants=variants) if type_.is_option:
                return self.annotation(variants[1].type.members[0].type) | None
        return Any


def _fits(known: Any, type_: Type) -> bool:
    """Return whether a stub's class is for this type: builds may have several of one name."""
    match type_:
        case CEnum():
            names = python_names(e.name for e in type_.enumerators)
            return tuple(getattr(known, "__members__", ())) == names and issubclass(
                known, TargetEnum
            )
        case Enum():
            attributes = variant_attributes(type_)
            return not issubclass(known, TargetEnum) and all(
                _has_fields(getattr(known, attributes[v.name], None), v.type)
                for v in type_.variants
            )
        case Struct():
            return _has_fields(known, type_)
    return False


def _adopt(known: Any, type_: Type) -> Any:
    """Set the type of a stub's classes, for printing; the first build decides."""
    attributes = variant_attributes(type_) if isinstance(type_, Enum) else {}
    for made in [getattr(known, a) for a in attributes.values()] or [known]:
        if issubclass(made, TargetObject) and made.__target_type__ is None:
            made.__target_type__ = type_
    return known


def _has_fields(known: Any, type_: Struct) -> bool:
    if known is None or not dataclasses.is_dataclass(known):
        return False
    return tuple(f.name for f in dataclasses.fields(known)) == member_names(type_)


def class_doc(type_: Type, variant: str | None = None) -> str:
    """Return the docstring for a type's class, or for that of a variant: its full name."""
    return printable(f"`{type_.name}{'' if variant is None else f'::{variant}'}`")


def crate_name(type_: Type) -> str:
    """Return the crate of a type, so that Python prints its path as Rust writes it."""
    crate = type_.name.partition("<")[0].partition("::")[0]
    return crate if crate.isidentifier() else "idoldbg.model.board"


def _dataclass(
    name: str, members: Sequence[Member], type_: Type, variant: str | None, base: Any = TargetObject
) -> Any:
    return dataclasses.make_dataclass(
        name,
        [(n, Any) for n in python_names(m.name for m in members)],
        bases=(base,),
        frozen=True,
        repr=False,
        namespace={
            "__module__": crate_name(type_),
            "__target_type__": type_,
            "__variant__": variant,
            "__doc__": class_doc(type_, variant),
        },
    )


def lower(obj: Any) -> Any:
    """Turn objects of these classes into what `from_python` takes; leave the rest as it is."""
    match obj:
        case TargetEnum():
            return str(obj)
        case Ok(value=value):
            return {"Ok": lower(value)}
        case Some(value=value):
            return {"Some": lower(value)}
        case Err(error=error):
            return {"Err": lower(error)}
        case TargetObject():
            return _lower_object(obj)
        case bytes() | bytearray() | memoryview() | str():
            return obj
        case type() if issubclass(obj, TargetObject) and obj.__variant__ is not None:
            return obj.__variant__  # `Mode.Off` for `Mode.Off()`
        case tuple():
            return tuple(lower(o) for o in obj)
        case Mapping():
            return {k: lower(v) for k, v in obj.items()}
        case Sequence():
            return [lower(o) for o in obj]
    return obj


def _names_on_target(obj: Any, names: list[str]) -> list[str]:
    """Return the target's names for the fields of an object."""
    type_ = obj.__target_type__
    if isinstance(type_, Enum):
        type_ = next((v.type for v in type_.variants if v.name == obj.__variant__), None)
    if isinstance(type_, Struct) and list(member_names(type_)) == names:
        return [m.name for m in type_.members]
    return [_target_name(name) for name in names]


def _lower_object(obj: Any) -> Any:
    names = [f.name for f in dataclasses.fields(obj)]
    values = [lower(getattr(obj, name)) for name in names]
    if all(name == f"_{i}" for i, name in enumerate(names)) and names:
        content: Any = values[0] if len(values) == 1 else tuple(values)
    else:
        content = dict(zip(_names_on_target(obj, names), values, strict=True))
    if obj.__variant__ is None:
        return content
    return {obj.__variant__: content} if names else obj.__variant__
