"""Drawings of types: bars of bytes with fields, padding, tags and niches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from idoldbg.audit import Audit, OperationCoverage
from idoldbg.audit.walk import walk_types
from idoldbg.model.types import CEnum, Enum, Struct, Type, Union, short_name
from idoldbg.render.element import Html, el, join
from idoldbg.views.layout import Part, PartKind, Tag, kind_of, lay_out

__all__ = ["TypeIndex", "drawing", "types_section"]

_MOST_TYPES = 500
_MOST_VARIANTS = 64
_COLOURS = 6
_MOST_NUMBERS = 8  # of a ruler
_LAST_GAP = 0.5  # steps between the last number and that of the end, so that they do not touch
_MOST_LINES = 64  # bytes that have a mark each
_USES = 8  # operations that a type's card names


class TypeIndex:
    """The types that the operations of a build are made of, in the order of their names.

    Each object file has its own copy of a type: copies that look the same are one entry.
    """

    def __init__(self, audit: Audit) -> None:
        found: dict[tuple[str, int, str], tuple[Type, list[str]]] = {}
        keys: dict[int, tuple[str, int, str]] = {}
        for server in audit.servers:
            for covered in server.operations:
                for type_ in _types_of(covered):
                    key = keys.get(id(type_))
                    if key is None:
                        key = keys[id(type_)] = (type_.name, type_.size, drawing(type_))
                    users = found.setdefault(key, (type_, []))[1]
                    if covered.resolved.name not in users:
                        users.append(covered.resolved.name)
        ordered = sorted(found.items(), key=lambda item: item[0])
        self.hidden = max(0, len(ordered) - _MOST_TYPES)
        self.entries = tuple(entry for _, entry in ordered[:_MOST_TYPES])
        anchors = {key: f"type-{n}" for n, (key, _) in enumerate(ordered[:_MOST_TYPES])}
        self._anchors = {at: anchors[key] for at, key in keys.items() if key in anchors}

    def anchor(self, type_: Type) -> str | None:
        """Return the anchor of a type's card, None where it has none."""
        return self._anchors.get(id(type_))

    def link(self, type_: Type, name: str | None) -> Html:
        """Name a type; a type with a card is a link to it."""
        anchor = self.anchor(type_)
        if anchor is None:  # an array: its elements may have a card
            anchor = next((a for _, t in walk_types(type_) if (a := self.anchor(t))), None)
        code = el("code", name or type_.name)
        return code if anchor is None else el("a", code, href=f"#{anchor}", class_="type")


def _types_of(covered: OperationCoverage) -> Iterator[Type]:
    resolved = covered.resolved
    parts = [*resolved.arguments, resolved.ok, resolved.error, *resolved.leases]
    for part in parts:
        if part is not None and part.type is not None:
            for _, type_ in walk_types(part.type):
                if isinstance(type_, Struct | Enum | CEnum | Union):
                    yield type_


def types_section(types: TypeIndex) -> Html:
    """Make the section with a card for each type."""
    if not types.entries:
        return el("section", id="types", hidden=True)
    more = (
        [el("p", f"and {types.hidden} more that are not drawn", class_="soft")]
        if types.hidden
        else []
    )
    return el(
        "section",
        el("h2", "Types"),
        el("p", _key(), class_="soft key"),
        el("div", *(_card(types, *entry) for entry in types.entries), class_="types"),
        *more,
        id="types",
    )


def _key() -> Html:
    return join(
        [
            el("span", class_="swatch c0"),
            " field ",
            el("span", class_="swatch tag"),
            " tag ",
            el("span", class_="swatch niche"),
            " niche in a field ",
            el("span", class_="swatch padding"),
            " padding",
        ]
    )


def _card(types: TypeIndex, type_: Type, users: Sequence[str]) -> Html:
    generic = type_.name.find("<")
    at = type_.name.rfind("::", 0, generic if generic >= 0 else None) + 2
    path = type_.name[:at] if at >= 2 and type_.name[0] != "(" else ""
    size = f"{type_.size} byte{'' if type_.size == 1 else 's'}"
    used = ", ".join(users[:_USES]) + (f" and {len(users) - _USES} more" if users[_USES:] else "")
    return el(
        "article",
        el(
            "h3",
            el("span", path, class_="path") if path else "",
            type_.name.removeprefix(path),
            el("small", f" {kind_of(type_)}, {size}"),
        ),
        drawing(type_),
        el("p", "in ", used, class_="soft"),
        class_="type card",
        id=types.anchor(type_),
        data_text=f"{type_.name} {' '.join(users)}".lower(),
    )


def drawing(type_: Type) -> Html:
    """Draw a type: a bar for a struct, one a variant for an enum with data, chips for others."""
    part = lay_out(type_)
    if isinstance(type_, CEnum):
        chips = [
            el("li", variant.name, el("span", f" = {variant.value}"))
            for variant in part.parts[:_MOST_VARIANTS]
        ]
        if len(part.parts) > _MOST_VARIANTS:
            chips.append(el("li", f"and {len(part.parts) - _MOST_VARIANTS} more"))
        return el("ul", *chips, class_="chips")
    if isinstance(type_, Enum):
        drawn = part.parts[:_MOST_VARIANTS]
        rows = [_variant(v, part, has_ruler=v is drawn[-1]) for v in drawn]
        if len(part.parts) > _MOST_VARIANTS:
            rows.append(el("li", f"and {len(part.parts) - _MOST_VARIANTS} more"))
        return el("ul", *rows, class_="variants")
    if not part.parts:
        said = "not drawn: it has too many parts" if part.hidden else "no bytes"
        return el("p", said, class_="soft")
    return _bar(part.parts, part.size)


def _variant(variant: Part, enum: Part, *, has_ruler: bool) -> Html:
    pieces = list(variant.parts)
    if not pieces and enum.size:
        pieces = _beside(enum.tag, enum.size)
    value = f" = {variant.value}" if variant.value is not None else ""
    value = " otherwise" if variant.is_default else value
    return el(
        "li",
        el("span", variant.name, el("span", value, class_="soft"), class_="name"),
        _bar(pieces, enum.size, enum.tag, has_ruler=has_ruler),
    )


def _beside(tag: Tag | None, size: int) -> list[Part]:
    """Return what a variant without fields leaves: everything but the tag."""
    start, end = (tag.offset, tag.offset + tag.size) if tag is not None else (0, 0)
    spans = [(0, start), (end, size)]
    return [Part(PartKind.PADDING, "", a, b - a, None) for a, b in spans if b > a]


def _bar(
    parts: Sequence[Part], size: int, tag: Tag | None = None, *, has_ruler: bool = True
) -> Html:
    """Draw pieces side by side, as wide as they are long, over a ruler of offsets.

    The variants of an enum share the ruler below the last one.
    """
    pieces = [*parts]
    covered = any(p.kind is not PartKind.PADDING and _overlaps(p, tag) for p in pieces)
    if tag is not None and not covered and tag.size:
        pieces.append(Part(PartKind.VARIANT, "tag", tag.offset, tag.size, None))
    pieces.sort(key=lambda p: (p.offset, p.size))
    if not any(p.size for p in pieces):
        return el("p", "no bytes", class_="soft")
    colours = iter(range(len(pieces)))
    drawn = [_piece(p, next(colours) if p.kind is PartKind.FIELD else 0, tag, size) for p in pieces]
    description = ", ".join(_describe(p) for p in pieces)
    bar = el("div", *drawn, class_="layout", role="img", aria_label=f"{size} bytes: {description}")
    return el("div", bar, _ruler(size) if has_ruler else "", class_="bytes")


def _ruler(size: int) -> Html:
    """Draw offsets below a bar: a mark for each byte where there is room, a number for some."""
    step = 1
    while size > _MOST_NUMBERS * step:
        step *= 2
    numbers = [n for n in range(0, size, step) if size - n >= step * _LAST_GAP or n == 0]
    marks = [
        el("span", str(n), style=f"left:{_percent(n, size)}", class_="end" if n == size else None)
        for n in [*numbers, size]
    ]
    lines = f"--bytes:{size}" if size <= _MOST_LINES else f"--bytes:{size / step:g}"
    return el("div", *marks, class_="ruler", style=lines, aria_hidden="true")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.4g}%" if whole else "0%"


def _piece(part: Part, colour: int, tag: Tag | None, size: int) -> Html:
    match part.kind:
        case PartKind.PADDING:
            kind, label = "padding", ""
        case PartKind.VARIANT:
            kind, label = "tag", "tag"
        case _:
            kind, label = f"c{colour % _COLOURS}", _name(part)
            if tag is not None and _overlaps(part, tag):
                kind += " niche"
    return el(
        "span",
        el("span", str(part.offset), class_="offset"),
        el("span", label, class_="label"),
        class_=f"piece {kind}",
        style=f"left:{_percent(part.offset, size)};width:{_percent(part.size, size)}",
        title=_describe(part),
    )


def _overlaps(part: Part, tag: Tag | None) -> bool:
    if tag is None:
        return False
    return part.offset < tag.offset + tag.size and tag.offset < part.offset + part.size


def _name(part: Part) -> str:
    """Name a field; one that has a number only, by its type."""
    if re.fullmatch(r"__\d+", part.name) and part.type is not None:
        return short_name(part.type.name)
    return part.name


def _describe(part: Part) -> str:
    end = part.offset + part.size
    where = f"bytes {part.offset} to {end - 1}" if part.size > 1 else f"byte {part.offset}"
    if part.kind is PartKind.PADDING:
        return f"padding, {where}"
    if part.type is None:
        return f"{part.name}, {where}"
    return f"{_name(part)}: {part.type.name}, {where if part.size else 'no bytes'}"
