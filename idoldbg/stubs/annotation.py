"""Types as Python annotations, in text."""

from __future__ import annotations

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
)
from idoldbg.stubs.plan import Plan

__all__ = ["Annotations"]

#: Deepest annotation: Python's parser takes no more than some 90 nested brackets.
MAX_DEPTH = 32

_SCALARS = {ScalarKind.FLOAT: "float", ScalarKind.BOOL: "bool", ScalarKind.CHAR: "str"}


class Annotations:
    """Writes annotations for one plan; `prefix` is what stands before the names of classes."""

    def __init__(self, plan: Plan, prefix: str = "", builtins: str = "") -> None:
        self._plan = plan
        self._prefix = prefix
        self._builtins = builtins
        self._depth = 0

    def out(self, type_: Type | None) -> str:
        """Write what comes out of a call."""
        return self._write(type_, is_input=False)

    def into(self, type_: Type | None) -> str:
        """Write what a call takes: also sequences for lists, and all kinds of bytes."""
        return self._write(type_, is_input=True)

    def _write(self, type_: Type | None, *, is_input: bool) -> str:
        if type_ is None or self._depth >= MAX_DEPTH:
            return "Any"
        self._depth += 1
        try:
            return self._write_inner(type_, is_input=is_input)
        finally:
            self._depth -= 1

    def _write_inner(self, type_: Type, *, is_input: bool) -> str:
        if type_.is_unit:
            return "None"
        match type_:
            case Scalar(encoding=encoding):
                return self._builtins + _SCALARS.get(encoding, "int")
            case Pointer():
                return f"{self._builtins}int"
            case Union():
                return f"{self._builtins}bytes"
            case Array(element=element):
                if type_.is_byte_array:
                    return "Data" if is_input else f"{self._builtins}bytes"
                inner = self._write(element, is_input=is_input)
                return f"Sequence[{inner}]" if is_input else f"{self._builtins}list[{inner}]"
            case CEnum():
                return self._class(type_)
            case Struct() if type_.is_newtype:
                return self._write(type_.members[0].type, is_input=is_input)
            case Struct() if type_.is_tuple_like:
                parts = [self._write(m.type, is_input=is_input) for m in type_.members]
                return f"{self._builtins}tuple[{', '.join(parts)}]"
            case Struct():
                return self._class(type_)
            case Enum():
                return self._enum(type_, is_input=is_input)
        return "Any"

    def _class(self, type_: Type) -> str:
        if not self._plan.has_class(type_):
            return "Any"
        return self._prefix + self._plan.names[type_.name]

    def _enum(self, type_: Enum, *, is_input: bool) -> str:
        if type_.is_option:
            inner_type = type_.variants[1].type.members[0].type
            inner = self._write(inner_type, is_input=is_input)
            parts = inner.split(" | ") if "[" not in inner else [inner]
            if "None" in parts:
                return f"{inner} | Some[None]"
            return f"{inner} | None"
        if type_.is_result:
            ok, error = (
                self._write(v.type.members[0].type if v.type.members else None, is_input=is_input)
                for v in type_.variants
            )
            return f"Ok[{ok}] | Err[{error}]"
        if not self._plan.has_class(type_):
            return "Any"
        return f"{self._prefix}{self._plan.unions[type_.name]}"
