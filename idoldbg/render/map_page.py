"""A memory map as one HTML page with drawings, which needs nothing else.

Above each memory in address order, below what each program has of flash and of RAM, with how far
its stack has been used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

from idoldbg.model.archive import KERNEL
from idoldbg.model.regions import RegionKind, StackArea
from idoldbg.render.element import Html, el, join
from idoldbg.render.memory_map import describe_memory, describe_region, size_text
from idoldbg.views.memory_map import MapRow, Memory, MemoryMap
from idoldbg.views.source import Source
from idoldbg.views.stack_use import StackUse

__all__ = ["to_html"]

WIDTH = 1000  # of a drawing, in its own units: it is stretched to the page
LAID_OUT = (RegionKind.FLASH, RegionKind.RAM, RegionKind.STACK)
HUE_STEP = 137.5  # degrees, the golden angle: neighbours differ, however many there are


def to_html(found: MemoryMap, uses: Sequence[StackUse], source: Source, name: str) -> str:
    """Write the page; `uses` may lack depths, or be empty."""
    owners = dict.fromkeys(o for row in found.rows for o in row.region.owners)
    hues = {owner: round(i * HUE_STEP % 360) for i, owner in enumerate(sorted(owners))}
    title = f"Memory map of {name}"
    style = resources.files("idoldbg.render").joinpath("map.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("title", title),
        Html(f"<style>\n{style}</style>"),
    )
    body = el(
        "body",
        el("header", el("h1", title), el("p", _origin(source), class_="soft")),
        el(
            "main",
            *(_strip(memory, found.rows, hues) for memory in found.memories or _guess(found.rows)),
            _programs(found, list(owners), {use.task: use for use in uses}, hues),
            _table(found.rows, hues),
        ),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _origin(source: Source) -> str:
    facts = [source.archive]
    if source.image_id:
        facts.append(f"image {source.image_id}")
    if source.link != "archive":
        facts.append(f"read from: {source.link}")
    if source.ticks is not None:
        facts.append(f"up {source.ticks / 1000:.3f} s")
    return " · ".join(facts)


def _guess(rows: Sequence[MapRow]) -> Iterable[Memory]:
    """Make memories of what regions cover, for builds that do not describe theirs."""
    for kinds, name in (((RegionKind.FLASH,), "flash"), (LAID_OUT[1:], "ram")):
        inside = [row for row in rows if row.region.kind in kinds]
        if inside:
            low = min(row.region.low for row in inside)
            size = max(row.region.end for row in inside) - low
            allocated = sum(row.region.size for row in inside)
            used = sum(row.region.size - (row.waste or 0) for row in inside)
            yield Memory(name, low, size, allocated, used)


# ---- drawings ------------------------------------------------------------------------------------


def _rect(low: float, size: float, kind: str, label: str, hue: int | None = None) -> Html:
    return el(
        "rect",
        el("title", label),
        x=f"{low:.2f}",
        y=0,
        width=f"{max(size, 0.6):.2f}",
        height=24,
        class_=kind,
        style=None if hue is None else f"--hue:{hue}",
    )


def _drawing(label: str, parts: Iterable[Html], kind: str = "bar") -> Html:
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} 24",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_=kind,
    )


def _strip(memory: Memory, rows: Sequence[MapRow], hues: Mapping[str, int]) -> Html:
    """Draw a memory in address order, up to the last region in it."""
    end = memory.low + memory.size
    inside = [r for r in rows if memory.low <= r.region.low < end and r.region.kind in LAID_OUT]
    top = max((r.region.end for r in inside), default=end)
    scale = WIDTH / max(1, top - memory.low)
    parts = [el("rect", x=0, y=0, width=WIDTH, height=24, class_="free")]
    for row in inside:
        region, hue = row.region, hues[row.region.owners[0]]
        used = region.size if row.used is None else row.used
        owners = ", ".join(region.owners)
        label = f"{owners}: 0x{region.low:08x}, {used} of {region.size} bytes used"
        at = (region.low - memory.low) * scale
        parts.append(_rect(at, region.size * scale, "lost", label, hue))
        if used:
            parts.append(_rect(at, used * scale, "used", label, hue))
    ends = el(
        "p",
        el("span", f"0x{memory.low:08x}"),
        el("span", f"0x{top - 1:08x}" + (f", free to 0x{end - 1:08x}" if top < end else "")),
        class_="ends",
    )
    return el(
        "section",
        el("h2", memory.name),
        el("p", describe_memory(memory)),
        _drawing(f"{memory.name} by address", parts, "strip"),
        ends,
    )


def _programs(
    found: MemoryMap, owners: list[str], uses: Mapping[str, StackUse], hues: Mapping[str, int]
) -> Html:
    """Draw what each program has of flash and RAM, all to one scale."""
    order = [KERNEL, *(o for o in uses if o in owners), *owners]
    flash = {o: _rows_of(found.rows, o, (RegionKind.FLASH,)) for o in order}
    ram = {o: _rows_of(found.rows, o, LAID_OUT[1:]) for o in order}
    most = [max((_size(rows) for rows in kind.values()), default=1) or 1 for kind in (flash, ram)]
    stacks = {stack.owner: stack for stack in found.stacks}
    cards = []
    for owner in dict.fromkeys(order):
        if owner not in owners:
            continue
        cards.append(
            el(
                "article",
                el("h3", el("span", class_="dot", style=f"--hue:{hues[owner]}"), owner),
                _flash_bar(flash[owner], most[0], hues[owner]),
                _ram_bar(ram[owner], most[1], hues[owner], stacks.get(owner), uses.get(owner)),
            )
        )
    keys = (("used", "used"), ("deep", "stack, touched"), ("margin", "stack, never touched"),
            ("lost", "lost to rounding"), ("mark", "stack now"))  # fmt: skip
    legend = [
        el("span", el("span", class_=f"key {kind}", style="--hue:220"), label)
        for kind, label in keys
    ]
    return el("section", el("h2", "Programs"), el("p", *legend, class_="legend"), *cards)


def _rows_of(rows: Iterable[MapRow], owner: str, kinds: tuple[RegionKind, ...]) -> list[MapRow]:
    return [r for r in rows if owner in r.region.owners and r.region.kind in kinds]


def _size(rows: Iterable[MapRow]) -> int:
    return sum(row.region.size for row in rows)


def _flash_bar(rows: list[MapRow], most: int, hue: int) -> Html:
    size, lost = _size(rows), sum(row.waste or 0 for row in rows)
    if not size:
        return Html("")
    scale = WIDTH / most
    label = f"flash: {size - lost} of {size_text(size)} used"
    parts = [_rect(0, size * scale, "lost", label, hue)]
    parts.append(_rect(0, (size - lost) * scale, "used", label, hue))
    return join([el("p", label, class_="what"), _drawing(label, parts)])


def _ram_bar(
    rows: list[MapRow], most: int, hue: int, stack: StackArea | None, use: StackUse | None
) -> Html:
    """Draw the RAM of a program: regions side by side, the stack in them by its depth."""
    size, lost = _size(rows), sum(row.waste or 0 for row in rows)
    if not size:
        return Html("")
    scale, at = WIDTH / most, 0.0
    label = f"RAM: {size - lost} of {size_text(size)} used"
    parts = []
    for row in rows:
        region = row.region
        used = region.size if row.used is None else row.used
        parts.append(_rect(at, region.size * scale, "lost", label, hue))
        parts.append(_rect(at, used * scale, "used", label, hue))
        if stack is not None and stack.low < region.end and region.low < stack.high:
            parts += _stack_parts(at - region.low * scale, scale, hue, stack, use, region.low,
                                  region.end)  # fmt: skip
        at += region.size * scale
    if stack is not None:
        label += f"; {_describe_stack(stack, use)}"
    return join([el("p", label, class_="what"), _drawing(label, parts)])


def _stack_parts(
    origin: float,
    scale: float,
    hue: int,
    stack: StackArea,
    use: StackUse | None,
    low: int,
    end: int,
) -> list[Html]:
    """Draw the part of a stack that lies between two addresses."""
    label = _describe_stack(stack, use)
    depth = stack.size if use is None or use.touched is None else use.touched
    is_known = use is not None and use.touched is not None
    spans = (
        (stack.low, stack.high - depth, "margin"),
        (stack.high - depth, stack.high, "deep" if is_known else "stack"),
    )
    parts = []
    for first, last, kind in spans:
        first, last = max(first, low), min(last, end)
        if first < last:
            parts.append(_rect(origin + first * scale, (last - first) * scale, kind, label, hue))
    if use is not None and use.current is not None:
        now = stack.high - use.current
        if low <= now < end:
            parts.append(_rect(origin + now * scale - 1, 2, "mark", f"now: {use.current} bytes"))
    return parts


def _describe_stack(stack: StackArea, use: StackUse | None) -> str:
    if use is None or use.margin is None:
        return f"stack {stack.size} bytes"
    return f"stack {use.touched} of {stack.size} bytes touched, {use.margin} left"


def _table(rows: Sequence[MapRow], hues: Mapping[str, int]) -> Html:
    head = el("tr", *(el("th", c) for c in ("from", "to", "size", "rights", "owners", "memory")))
    lines = []
    for row in rows:
        region = row.region
        rights = "".join(
            c if f else "-"
            for c, f in zip("rwx", (region.read, region.write, region.execute), strict=True)
        )
        dots = [el("span", class_="dot", style=f"--hue:{hues[o]}") for o in region.owners]
        cells = (
            el("td", el("code", f"0x{region.low:08x}")),
            el("td", el("code", f"0x{region.end - 1:08x}")),
            el("td", size_text(region.size), class_="number"),
            el("td", el("code", rights)),
            el("td", join(dots), " ", ", ".join(region.owners)),
            el("td", describe_region(region)),
        )
        lines.append(el("tr", *cells))
    table = el("table", el("thead", head), el("tbody", *lines))
    return el("section", el("h2", "Regions"), el("div", table, class_="scroll"))
