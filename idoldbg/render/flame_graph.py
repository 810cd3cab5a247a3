"""A profile as a flame graph: one SVG file that any browser shows, with no script in it.

A box is a function in one stack, as wide as its share of the time; above it lie the functions that
it called. Its whole text is shown where the pointer rests. Sleep is left out: its share is in the
title.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from zlib import crc32

from idol.printable import one_line
from idoldbg.render.profile import context_title
from idoldbg.views.profile import ContextKind, Profile

__all__ = ["flame_graph"]

WIDTH, ROW, MARGIN, HEAD = 1200.0, 17.0, 10.0, 46.0
CHARACTER = 6.6  # of an 11 px monospaced font
NARROWEST = 0.3  # pixels; what is narrower is left out, and so is all above it
DEEPEST = 200  # boxes of one stack
FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@dataclass(slots=True)
class _Box:
    """A function in one place of the stacks; `count` includes what it called."""

    name: str
    count: int = 0
    called: dict[str, _Box] = field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((each.depth() for each in self.called.values()), default=0)


def flame_graph(profile: Profile, title: str) -> str:
    """Return the file. Boxes lie in the order of their names, so that two graphs compare."""
    root = _Box(one_line(title))
    for stack, count in profile.samples:
        if stack.context.kind is ContextKind.ASLEEP:
            continue
        box = root
        box.count += count
        names = [context_title(stack.context), *(frame.name for frame in stack.frames)]
        for name in names[:DEEPEST]:
            box = box.called.setdefault(name, _Box(one_line(name)))
            box.count += count
    height = HEAD + ROW * root.depth() + MARGIN
    total = profile.count
    share = f"{100 * root.count / total:.2f} %" if total else "nothing"
    heading = (
        f"{root.name}: {share} of {total * profile.interval_ns / 1e9:.3f} s, the rest is sleep"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'font-family="{FONT}" font-size="11">',
        f"<title>{escape(heading)}</title>",
        f'<rect width="{WIDTH:g}" height="{height:g}" fill="#fffdf8"/>',
        f'<text x="{MARGIN:g}" y="22" font-size="14">{escape(heading)}</text>',
    ]
    if root.count:
        scale = (WIDTH - 2 * MARGIN) / root.count
        _draw(root, MARGIN, height - MARGIN - ROW, scale, max(total, 1), lines)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw(box: _Box, x: float, y: float, scale: float, total: int, lines: list[str]) -> None:
    width = box.count * scale
    if width < NARROWEST:
        return
    room = int((width - 4) / CHARACTER)
    shown = box.name if len(box.name) <= room else f"{box.name[: room - 1]}…" if room > 3 else ""
    hint = f"{box.name}: {box.count} samples, {100 * box.count / total:.2f} %"
    label = f'<text x="{x + 3:.2f}" y="{y + 12:.2f}">{escape(shown)}</text>' if shown else ""
    lines.append(
        f"<g><title>{escape(hint)}</title>"
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width - 0.5, 0.2):.2f}" '
        f'height="{ROW - 1:g}" rx="2" fill="{_colour(box.name)}"/>{label}</g>'
    )
    for name in sorted(box.called):
        called = box.called[name]
        _draw(called, x, y - ROW, scale, total, lines)
        x += called.count * scale


def _colour(name: str) -> str:
    """Return a warm colour, always the same for one name."""
    number = crc32(name.encode())
    return f"hsl({number % 50} {60 + number // 50 % 30}% {70 + number // 1500 % 12}%)"
