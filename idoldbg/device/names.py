"""Python names for the target's: any string in, an identifier out, none twice among siblings.

What a build says of its names is not trusted. Most are identifiers in both languages; keywords,
raw names and what Python gives a meaning of its own (`__init__`, `_missing_`, `mro`) get a name
nearby, and so does what is not an identifier at all.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from idoldbg.model.types import Enum, Struct, Type

__all__ = [
    "IN_A_CLASS",
    "field_name",
    "member_names",
    "python_names",
    "variant_attributes",
]

IN_A_CLASS = frozenset({"TargetObject", "dataclass"})
"""Names that the class of an enum with data looks up, and no variant in it may hide."""

#: Besides keywords: what parameters of a method, and members of an enum, may not be called.
_TAKEN = frozenset({"self", "mro"})
_CACHED = 512  # types and operations of a build whose names are asked again and again


def field_name(name: str) -> str:
    """Return the attribute for a name: `_0` for the `__0` of tuples, `from_` for `from`."""
    if re.fullmatch(r"__[0-9]+", name):
        return name[1:]
    name = name.removeprefix("r#")
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)  # as Python reads names in a source
    if not name.isidentifier():
        name = "".join(c if f"a{c}".isidentifier() else "_" for c in name)
        name = name if name.isidentifier() else f"_{name}"
    if name.startswith("__") or (name.startswith("_") and name.endswith("_")):
        # Special to classes, to enums, or changed in the body of a class.
        name = f"{name.strip('_') or 'unnamed'}_"
        name = name if name.isidentifier() else f"_{name}x"
    return f"{name}_" if keyword.iskeyword(name) or name in _TAKEN else name


def python_names(names: Iterable[str], reserved: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the attributes for siblings, in order: each once, and none that is reserved."""
    return _python_names(tuple(names), reserved)


@lru_cache(maxsize=_CACHED)
def _python_names(names: tuple[str, ...], reserved: frozenset[str]) -> tuple[str, ...]:
    taken = set(reserved)
    repeats: dict[str, int] = {}
    found = []
    for name in map(field_name, names):
        unique = f"{name}_" if name in reserved else name
        while unique in taken:
            repeats[name] = repeats.get(name, 1) + 1
            unique = f"{name}_{repeats[name]}"
        taken.add(unique)
        found.append(unique)
    return tuple(found)


def member_names(type_: Struct) -> tuple[str, ...]:
    """Return the attributes for the members of a struct, or of a variant's data."""
    return python_names(m.name for m in type_.members)


def variant_attributes(
    type_: Type | None, reserved: frozenset[str] | None = None
) -> dict[str, str]:
    """Return the attribute for each variant of an enum, by the variant's name.

    `reserved` defaults to what the class of the enum needs itself.
    """
    variants = () if type_ is None else type_.variant_names
    if reserved is None:
        reserved = IN_A_CLASS if isinstance(type_, Enum) else frozenset()
    return dict(zip(variants, python_names(variants, reserved), strict=True))
