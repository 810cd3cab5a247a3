"""Drawings of how types lie in memory, in text.

A table has one line a part, nested parts under a tree; below it a map with one character a byte,
for types that are small enough.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from idoldbg.model.types import CEnum, Enum, Pointer, short_name, shown_field
from idoldbg.render.printable import join_lines, printable
from idoldbg.render.text import WIDEST, table_lines
from idoldbg.views.layout import Part, PartKind, Tag, kind_of
from idoldbg.views.types import TypeLayout, TypeReport

__all__ = ["types"]

MAP_LIMIT = 64  # bytes of a type that is drawn as a map
MAP_WIDTH = 16  # bytes a line
MANY = 6  # types: more are listed, not drawn
FEW = 4  # variants: of more, only those with data are in the map
KEYS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
EMPTY, TAG = "·", "#"


def types(report: TypeReport, *, show_all: bool = False) -> str:
    """Write what was found; of many types, only a list unless `show_all`."""
    blocks = []
    if len(report.types) > MANY and not show_all:
        blocks.append(_list(report))
    else:
        blocks += [_one(layout, report.types[0]) for layout in report.types]
    for candidate in report.declared:
        if not report.types:
            where = ", ".join(candidate.objects)
            said = f"  only declared (in {where}), defined nowhere"
            blocks.append(join_lines([candidate.name, said]))
    return "\n\n".join(blocks)


def _list(report: TypeReport) -> str:
    rows = [["SIZE", "KIND", "IN", "TYPE"]]
    for found in report.types:
        type_, objects = found.candidate.type, found.candidate.objects
        more = f" and {len(objects) - 2} more" if len(objects) > 2 else ""
        rows.append([str(type_.size), kind_of(type_), ", ".join(objects[:2]) + more, type_.name])
    how = f"{len(report.types)} types fit: give more of the name, or --all to draw them all"
    return join_lines([*table_lines(rows, right=(0,)), "", how])


def _one(found: TypeLayout, first: TypeLayout) -> str:
    candidate, layout = found.candidate, found.layout
    type_ = candidate.type
    size = _count(type_.size, "byte")
    facts = f"{kind_of(type_)}, {size}, aligned to {found.alignment}"
    lines = [type_.name, f"  {facts}; in {', '.join(candidate.objects)}"]
    if candidate.differences:
        differences = "; ".join(candidate.differences)
        lines += _wrap(f"not the same layout as {first.candidate.name}: {differences}")
    elif found is not first:
        lines += _wrap(f"the same layout as {first.candidate.name}")
    if found.padding:
        lines.append(f"  {_count(found.padding, 'byte')} of padding")
    if layout.tag is not None:
        lines += _wrap(_describe_tag(layout.tag))
    if isinstance(type_, CEnum):
        free = (1 << 8 * type_.size) - len(type_.enumerators)
        lines.append(f"  {_count(free, 'value')} without a name, free for niches")
    if isinstance(type_, Pointer):
        lines.append(f"  points to {type_.target_name}")
    if layout.parts:
        lines += ["", *(f"  {line}" for line in _table(layout))]
    drawn = list(_map(layout))
    if drawn:
        lines += ["", *(f"  {line}" for line in drawn)]
    lines += ["", *_wire(found)]
    return join_lines(lines)


def _describe_tag(tag: Tag) -> str:
    end = tag.offset + tag.size
    where = f"byte {tag.offset}" if tag.size == 1 else f"bytes {tag.offset} to {end - 1}"
    if tag.niche is None:
        return f"variants told apart by {where} ({short_name(tag.type)})"
    return f"variants told apart by the niche in `{tag.niche}`, {where} ({short_name(tag.type)})"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent="  ", subsequent_indent="    ")


def _wire(found: TypeLayout) -> list[str]:
    rows = []
    for wire in found.wire:
        size = "-" if wire.size is None else _count(wire.size, "byte")
        rows.append([f"  {wire.encoding}", size, wire.reason])
    return ["  on the wire, at most:", *(f"  {line}" for line in table_lines(rows))]


# ---- the table -----------------------------------------------------------------------------------


def _table(layout: Part) -> list[str]:
    keys = _keys(layout)
    rows = [["OFFSET", "SIZE", "", "FIELD", "TYPE"]]
    for part in layout.parts:
        rows.append(_row(part, "", keys))
        rows += _rows(part.parts, " ", keys)
    return table_lines(rows, right=(0, 1))


def _rows(parts: Sequence[Part], stem: str, keys: dict[int, str]) -> Iterator[list[str]]:
    for part in parts:
        is_last = part is parts[-1]
        yield _row(part, stem + ("└─ " if is_last else "├─ "), keys)
        yield from _rows(part.parts, stem + ("   " if is_last else "│  "), keys)


def _row(part: Part, branch: str, keys: dict[int, str]) -> list[str]:
    name = shown_field(part.name)
    match part.kind:
        case PartKind.PADDING:
            return [str(part.offset), str(part.size), EMPTY, f"{branch}(padding)", ""]
        case PartKind.VARIANT:
            return ["", "", "", f"{branch}{name}", _describe_value(part)]
        case PartKind.ELEMENT:
            name = "each element"
    text = "" if part.type is None else short_name(part.type.name)
    if part.tag is not None:
        text += f", {_where(part.tag)}"
    if part.hidden:
        text += " …"
    return [str(part.offset), str(part.size), keys.get(id(part), ""), f"{branch}{name}", text]


def _where(tag: Tag) -> str:
    last = tag.offset + tag.size - 1
    where = str(tag.offset) if tag.size == 1 else f"{tag.offset}-{last}"
    return f"tag at {where}" if tag.niche is None else f"niche at {where} in {tag.niche}"


def _describe_value(variant: Part) -> str:
    if variant.value is not None:
        return f"= {variant.value}"
    return "= any other" if variant.is_default else ""


# ---- the map -------------------------------------------------------------------------------------


def _keys(layout: Part) -> dict[int, str]:
    """Give each field that is drawn in the map its letter, by the identity of the part."""
    fields = [p for p in layout.parts if p.kind is PartKind.FIELD]
    for variant in layout.parts:
        if variant.kind is PartKind.VARIANT:
            fields += [p for p in variant.parts if p.kind is PartKind.FIELD]
    fields = [p for p in fields if p.size]
    if layout.size > MAP_LIMIT or len(fields) > len(KEYS):
        return {}
    return {id(p): key for p, key in zip(fields, KEYS, strict=False)}


def _map(layout: Part) -> Iterator[str]:
    """Draw a byte a character: a struct in lines of 16 bytes, of an enum each variant."""
    keys = _keys(layout)
    if not keys or layout.size < 2:
        return
    width = min(layout.size, MAP_WIDTH)
    if isinstance(layout.type, Enum):
        variants = [p for p in layout.parts if p.kind is PartKind.VARIANT]
        if len(variants) > FEW:  # those without data look all the same
            variants = [v for v in variants if v.parts]
        names = {id(v): printable(v.name)[:WIDEST] for v in variants}
        pad = max(map(len, names.values()))
        yield " " * pad + _ruler(layout.size)
        for variant in variants:
            cells = _cells(variant.parts, layout, keys)
            yield f"{names[id(variant)].ljust(pad)}{_spaced(cells)}"
    else:
        yield "    " + _ruler(width)
        cells = _cells(layout.parts, layout, keys)
        for start in range(0, layout.size, width):
            yield f"{start:4}{_spaced(cells[start : start + width])}"


def _cells(parts: Sequence[Part], layout: Part, keys: dict[int, str]) -> list[str]:
    cells = [EMPTY] * layout.size
    if layout.tag is not None:
        for at in _inside(layout.tag.offset, layout.tag.size, layout.size):
            cells[at] = TAG
    for part in parts:
        if id(part) in keys:
            for at in _inside(part.offset, part.size, layout.size):
                cells[at] = keys[id(part)]
    return cells


def _inside(offset: int, size: int, whole: int) -> range:
    """Return the places of a part that are inside of the whole."""
    return range(max(offset, 0), min(offset + size, whole))


def _spaced(cells: Sequence[str]) -> str:
    """Write cells with a gap before each four."""
    return "".join(f"{'  ' if at % 4 == 0 else ' '}{cell}" for at, cell in enumerate(cells))


def _ruler(width: int) -> str:
    return _spaced([f"{at % 16:x}" if at % 4 == 0 else " " for at in range(width)]).rstrip()


# ---- words and columns ---------------------------------------------------------------------------


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
