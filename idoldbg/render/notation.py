"""Values of a type as they can be written: their forms, and an example.

The notation is that of `idoldbg.call.arguments.syntax`.
"""

from __future__ import annotations

from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Union,
    short_name,
)

__all__ = ["example", "forms"]

DEEPEST = 4  # levels of a form; below, types are named
MOST_VARIANTS = 40
LONGEST = 200  # characters of one form
LONGEST_EXAMPLE = 400


def forms(type_: Type) -> list[str]:
    """Return the forms of a type's values, one a line: several for an enum's variants."""
    names = type_.variant_names
    if not names or type_.is_option:
        return [_short(_form(type_, DEEPEST))]
    skipped = type_.skipped if isinstance(type_, CEnum | Enum) else ()
    lines = [_short(line) for name, line in _variants(type_, DEEPEST) if name not in skipped]
    if len(lines) > MOST_VARIANTS:
        lines[MOST_VARIANTS:] = [f"… and {len(lines) - MOST_VARIANTS} more"]
    return lines


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


def _variants(type_: Type, depth: int) -> list[tuple[str, str]]:
    match type_:
        case CEnum():
            return [(e.name, e.name) for e in type_.enumerators]
        case Enum():
            return [(v.name, f"{v.name}{_fields(v.type, depth)}") for v in type_.variants]
    return []


def _fields(struct: Struct, depth: int) -> str:
    """Return what stands behind the name of a struct or variant."""
    if not struct.members:
        return ""
    if struct.is_tuple_like:
        return f"({', '.join(_form(m.type, depth - 1) for m in struct.members)})"
    fields = ", ".join(f"{m.name}: {_form(m.type, depth - 1)}" for m in struct.members)
    return f" {{ {fields} }}"


def _form(type_: Type, depth: int) -> str:
    if depth < 0:
        return short_name(type_.name)
    match type_:
        case Scalar():
            return _scalar(type_)
        case CEnum() | Enum():
            if type_.is_option:
                return "None | " + _variants(type_, depth)[1][1]
            names = [line for _, line in _variants(type_, depth)[:8]]
            rest = " | …" if len(type_.variant_names) > len(names) else ""
            return f"{' | '.join(names)}{rest}"
        case Array():
            if type_.is_byte_array:
                return f"hex:… or [0..255; {type_.count}]"
            return f"[{_form(type_.element, depth - 1)}; {type_.count}]"
        case Struct() if type_.is_nonzero:
            return f"{_form(type_.members[0].type, depth - 1)}, not 0"
        case Struct() if type_.members:
            name = short_name(type_.name)
            is_tuple = name.startswith("(")
            return f"{'' if is_tuple else name}{_fields(type_, depth)}"
    return short_name(type_.name)


def _scalar(type_: Scalar) -> str:
    bits = 8 * type_.size
    match type_.encoding:
        case ScalarKind.BOOL:
            return "true | false"
        case ScalarKind.CHAR:
            return "'c'"
        case ScalarKind.UNSIGNED if bits:
            return f"0..{(1 << bits) - 1}"
        case ScalarKind.SIGNED if bits:
            return f"{-(1 << bits - 1)}..{(1 << bits - 1) - 1}"
        case ScalarKind.FLOAT:
            return "1.5"
    return type_.name


def example(type_: Type) -> str | None:
    """Return a value that can be written for a type, None where there is no short one."""
    text = _example(type_, 16)
    return text if text is not None and len(text) <= LONGEST_EXAMPLE else None


def _example(type_: Type, depth: int) -> str | None:
    if depth < 0:
        return None
    match type_:
        case Scalar():
            return _example_scalar(type_)
        case CEnum():
            names = [e.name for e in type_.enumerators if e.name not in type_.skipped]
            return names[0] if names else None
        case Enum():
            for variant in type_.variants:
                fields = _example_fields(variant.type, depth)
                if variant.name not in type_.skipped and fields is not None:
                    return f"{variant.name}{fields}"
            return None
        case Array():
            element = _example(type_.element, depth - 1)
            return None if element is None else f"[{element}; {type_.count}]"
        case Struct() if type_.is_nonzero:
            return "1"
        case Struct():
            fields = _example_fields(type_, depth)
            name = short_name(type_.name)
            if fields is None or not fields:
                return None
            return f"{'' if not name.isidentifier() else name}{fields}".strip()
        case Union():
            return None
    return None


def _example_fields(struct: Struct, depth: int) -> str | None:
    found = [(m.name, _example(m.type, depth - 1)) for m in struct.members]
    values = [value for _, value in found if value is not None]
    if len(values) < len(found):
        return None
    if not found:
        return ""
    if struct.is_tuple_like:
        return f"({', '.join(values)}{',' if len(values) == 1 and struct.name[:1] == '(' else ''})"
    return " { " + ", ".join(f"{name}: {value}" for name, value in found) + " }"


def _example_scalar(type_: Scalar) -> str | None:
    match type_.encoding:
        case ScalarKind.BOOL:
            return "true"
        case ScalarKind.CHAR:
            return "'a'"
        case ScalarKind.FLOAT:
            return "1.5"
    return "()" if type_.is_unit else "0" if type_.size else None
