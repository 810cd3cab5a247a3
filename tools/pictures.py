"""Draw terminal captures as SVG: the pictures of README.md and of the documentation.

    python -m tools.pictures [NAME…]        write docs/pictures/NAME.svg

Each picture is what its commands printed just now, on the bundled demo image. A test runs the
commands again and compares, numbers aside: times differ from run to run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["PICTURES", "Picture", "capture", "draw", "masked", "text_of"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
LIMIT_S = 120

CHARACTER, LINE = 8.4, 19.0  # of a 14 px monospaced font
MARGIN, BAR = 18.0, 34.0
BACKGROUND, FRAME, TEXT, PROMPT = "#16191f", "#2a2f39", "#d7dae0", "#7fd1a8"
COLOURS = {
    "30": "#5c6370", "31": "#f07178", "32": "#a5d66a", "33": "#ffcb6b", "34": "#82aaff",
    "35": "#d7a0f0", "36": "#7fd7e0", "37": "#d7dae0", "90": "#7d8590",
}  # fmt: skip
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_ESCAPE = re.compile(r"\x1b\[([\d;]*)m")


@dataclass(frozen=True)
class Picture:
    """Commands, shown one after the other in one terminal."""

    title: str
    commands: tuple[str, ...]
    #: Exit status of the last one.
    status: int = 0
    #: Longer outputs are cut, and say so.
    lines: int = 30
    columns: int = 96


PICTURES = {
    "call": Picture(
        "a call, and one that kills its server",
        (
            "idoldbg call Spi.exchange --device-index 0 --source hex:9f000000 --sink 4",
            "idoldbg call Victim.panic --code 7 --task victim",
        ),
        status=3,
    ),
    "tasks": Picture(
        "what every task is doing", ("idoldbg tasks", "idoldbg tasks -s spi"), lines=20
    ),
    "types": Picture("how a type lies in memory", ("idoldbg types ResetReason",), lines=24),
    "audit": Picture("an audit of a build", ("idoldbg audit",)),
    "map": Picture(
        "the memory of the demo image", ("idoldbg map --task spi",), lines=24, columns=110
    ),
    "check": Picture("a mistake in an Idol file", ("idol check broken.idol",), status=1),
    "trace": Picture(
        "a call that kills its server, from inside",
        ("idoldbg trace -- idoldbg call Victim.panic --code 7 --task victim",),
        status=3,
        columns=110,
    ),
    "coverage": Picture(
        "what a command has executed",
        ("idoldbg coverage -- idoldbg call Spi.exchange --device-index 9",),
        status=1,
        columns=110,
    ),
    "profile": Picture("where the time goes", ("idoldbg profile --seconds 0.5",), columns=110),
    "diagnose": Picture("what is wrong with a target", ("idoldbg diagnose",), status=-1, lines=24),
}

#: Files that the commands find in their folder.
FILES = {
    "broken.idol": """\
Interface(
    name: "Sensor",
    ops: {
        "reading": (
            args: { "id": "u32" },
            reply: Result(ok: "f32", err: CLike("SensorEror")),
            leases: { "data": (type: "[u8]", raed: true) },
        ),
    },
)
""",
}


def capture(picture: Picture, folder: Path) -> list[str]:
    """Return the lines of the terminal: prompts, and what the commands print, with colours."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("IDOLDBG_", "HUMILITY_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": str(picture.columns),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "FORCE_COLOR": "1",
    }
    lines: list[str] = []
    for command in picture.commands:
        program, *arguments = command.split()
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        lines.append(f"$ {command}")
        output = list(_wrapped(done.stdout.rstrip("\n").split("\n"), picture.columns))
        if len(output) > picture.lines:
            left = len(output) - picture.lines
            output = [*output[: picture.lines], f"… {left} more lines"]
        lines += output
        lines.append("")
        expected = picture.status if command == picture.commands[-1] else 0
        if expected >= 0 and done.returncode != expected:
            raise SystemExit(f"`{command}` exits with {done.returncode}:\n{done.stdout}")
    return lines[:-1]


def _wrapped(lines: list[str], columns: int) -> Iterator[str]:
    """Break plain lines that are too long as a terminal does; coloured ones are left alone."""
    for line in lines:
        if "\x1b" in line:
            yield line
        else:
            yield line[:columns]
            yield from (line[i : i + columns] for i in range(columns, len(line), columns))


def draw(title: str, lines: list[str]) -> str:
    """Return a terminal window as an SVG that needs no font, script or style from elsewhere."""
    columns = max([len(_ESCAPE.sub("", line)) for line in lines] + [60])
    width = columns * CHARACTER + 2 * MARGIN
    height = len(lines) * LINE + BAR + MARGIN
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8" '
        f'fill="{BACKGROUND}" stroke="{FRAME}"/>',
        *(f'<circle cx="{18 + 16 * i}" cy="17" r="4.5" fill="{FRAME}"/>' for i in range(3)),
        f'<g font-family="{escape(FONTS)}" font-size="14" fill="{TEXT}" xml:space="preserve">',
    ]
    for index, line in enumerate(lines):
        y = BAR + (index + 0.75) * LINE
        rows += list(_draw_line(line, y))
    return "\n".join([*rows, "</g>", "</svg>", ""])


def _draw_line(line: str, y: float) -> Iterator[str]:
    column = 0
    for text, colour, bold in _pieces(line):
        # Words at their columns, each stretched to its width: so whatever font there is, tables
        # stay straight.
        for found in re.finditer(r"\S+(?: \S+)*", text):
            x = MARGIN + (column + found.start()) * CHARACTER
            length = len(found.group()) * CHARACTER
            style = f' fill="{colour}"' if colour else ""
            style += ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}"{style}>'
                f"{escape(found.group())}</text>"
            )
        column += len(text)


def _pieces(line: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the parts of a line with colour ("" for the usual one) and weight."""
    if line.startswith("$ "):
        yield "$ ", PROMPT, True
        yield line[2:], "#ffffff", True
        return
    colour, bold, at = "", False, 0
    for found in _ESCAPE.finditer(line):
        if found.start() > at:
            yield line[at : found.start()], colour, bold
        for code in found[1].split(";"):
            if code in ("", "0"):
                colour, bold = "", False
            elif code == "1":
                bold = True
            elif code in COLOURS:
                colour = COLOURS[code]
        at = found.end()
    if at < len(line):
        yield line[at:], colour, bold


def text_of(svg: str) -> list[str]:
    """Return the words that a picture shows, in order."""
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg)


def masked(svg: str) -> list[str]:
    """Return the words of a picture without what differs from run to run: numbers."""
    return re.sub(r"\d+", "N", " ".join(" ".join(text_of(svg)).split())).split(" ")


def make(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return draw(PICTURES[name].title, capture(PICTURES[name], Path(folder)))


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        raise SystemExit(f"no picture named {', '.join(unknown)}: there are {', '.join(PICTURES)}")
    for name in names or PICTURES:
        (FOLDER / f"{name}.svg").write_text(make(name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
