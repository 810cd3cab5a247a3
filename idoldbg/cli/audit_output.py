"""Output of an audit's reports: several formats at once, to files and standard output."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idol.near import near_misses
from idol.records import dataclass
from idol.whole_file import write_whole
from idoldbg.audit.verdict import Verdict
from idoldbg.cli.options import Settings
from idoldbg.cli.output import print_text, say
from idoldbg.errors import ArgumentError
from idoldbg.render import json
from idoldbg.render.audit import FORMATS, SUFFIXES, Files
from idoldbg.render.audit.files import normalize

if TYPE_CHECKING:
    from idoldbg.audit.compare import BuildComparison

__all__ = [
    "Output",
    "parse_outputs",
    "read_interface_files",
    "refuse_for_changes",
    "write_comparison",
    "write_file",
    "write_outputs",
]

_MOST_ENTRIES = 200_000  # that are looked at for `.idol` files; a checkout of Hubris has 2000
_CACHE_TAG = "CACHEDIR.TAG"  # bford.info/cachedir
_LARGEST_FILE = 1 << 20
_NARROWEST = 40  # characters a line: narrower terminals break lines themselves
_STYLES = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "dim": {"dim": True},
    "strong": {"bold": True},
}


@dataclass(frozen=True, slots=True)
class Output:
    """A format, and the file for it; None: standard output."""

    format: str
    file: str | None = None


def parse_outputs(
    formats: Sequence[str], file: str | None, settings: Settings
) -> tuple[Output, ...]:
    """Read `--format FORMAT[=FILE]…` and `--output FILE`; raise `click.UsageError`."""
    found = [_parse(part) for text in formats for part in text.split(",")]
    if not found:
        guessed = None if file is None else SUFFIXES.get(Path(file).suffix.lower())
        found = [Output(guessed or settings.format or "text")]
    bare = [output for output in found if output.file is None]
    if len(bare) > 1:
        names = " and ".join(output.format for output in bare)
        raise click.UsageError(f"{names} on one output: give files, as in --format junit=FILE")
    if file is not None:
        if not bare:
            raise click.UsageError(f"--output {file}: every --format has its file already")
        found = [Output(o.format, file) if o.file is None else o for o in found]
    files = [output.file for output in found if output.file is not None]
    if len(set(files)) < len(files):
        raise click.UsageError("two formats cannot go to one file")
    return tuple(found)


def _parse(text: str) -> Output:
    name, equals, file = text.strip().partition("=")
    if name not in FORMATS:
        near = near_misses(name, FORMATS)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMATS)}"
        raise ArgumentError(f"unknown format `{name}`: {advice}", name="--format")
    if equals and not file:
        raise ArgumentError(f"`{text}` names no file", name="--format")
    return Output(name, file or None)


def read_interface_files(
    folders: Sequence[str], *, most_entries: int = _MOST_ENTRIES
) -> dict[str, str]:
    """Return the paths of all `.idol` files below some folders by their content."""
    found: dict[str, str] = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise ArgumentError(f"`{folder}` is not a directory", name="--idl")
        for path in _find_interface_files(folder, most_entries):
            if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
                text = path.read_text(encoding="utf-8", errors="replace")
                found.setdefault(normalize(text), path.as_posix())
    return found


def _find_interface_files(folder: str, most_entries: int) -> Iterator[Path]:
    """Yield the `.idol` files of a source tree, without what is hidden or can be made anew."""
    seen = 0
    for place, folders, files in os.walk(folder):
        seen += len(folders) + len(files)
        if seen > most_entries:
            raise ArgumentError(
                f"`{folder}` holds more than {most_entries} files: give the folder of the "
                "interfaces",
                name="--idl",
            )
        if _CACHE_TAG in files:  # such as Cargo's `target`
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".idol"))


def write_outputs(
    verdict: Verdict, files: Files, outputs: Sequence[Output], *, detailed: bool
) -> None:
    """Write each report; where none is on standard output for people, say the verdict."""
    from idoldbg.render.audit import text

    for output in outputs:
        shown = _render(verdict, files, output, detailed)
        if output.file is not None:
            write_file(output.file, shown)
        else:
            click.echo(shown, nl=False)
        if output.format == "github":
            _append_summary(verdict, files)
    if not any(output.format == "text" and output.file is None for output in outputs):
        print_text(text.verdict_line(verdict), err=True)


def refuse_for_changes(outputs: Sequence[Output]) -> None:
    """Raise `ArgumentError` for formats that changes between builds are not written in."""
    for output in outputs:
        if output.format not in ("text", "json"):
            raise ArgumentError(
                f"changes between builds are text or json, not {output.format}", name="--format"
            )


def write_comparison(comparison: BuildComparison, fail_on: str, outputs: Sequence[Output]) -> None:
    """Write what changed between two builds, as text or as JSON."""
    from idoldbg.render.audit import changes

    for output in outputs:
        if output.format == "json":
            shown = json.dumps(changes.to_json(comparison, fail_on)) + "\n"
        else:
            paint = _paint if output.file is None and _has_colours() else None
            shown = changes.to_text(comparison, fail_on, paint) + "\n"
        if output.file is not None:
            write_file(output.file, shown)
        else:
            click.echo(shown, nl=False)


def _render(verdict: Verdict, files: Files, output: Output, detailed: bool) -> str:
    """Make a report; only what is asked for is imported."""
    match output.format:
        case "json":
            from idoldbg.render.audit.json import to_json

            return json.dumps(to_json(verdict, files)) + "\n"
        case "junit":
            from idoldbg.render.audit.junit import to_junit

            return to_junit(verdict, files)
        case "sarif":
            from idoldbg.render.audit.sarif import to_sarif

            return json.dumps(to_sarif(verdict, files)) + "\n"
        case "github":
            from idoldbg.render.audit.github import to_github

            return to_github(verdict, files)
        case "markdown":
            from idoldbg.render.audit.markdown import to_markdown

            return to_markdown(verdict, files)
        case "html":
            from idoldbg.render.audit.html import to_html

            return to_html(verdict, files)
        case _:
            from idoldbg.render.audit.text import WIDTH, plain, to_text

            paint = _paint if output.file is None and _has_colours() else plain
            width = WIDTH if output.file is not None else _line_width(WIDTH)
            return to_text(verdict, files, paint, detailed=detailed, width=width) + "\n"


def write_file(path: str, text: str) -> None:
    """Write a report as a whole or not at all; an `OSError` names the file."""
    write_whole(path, text.encode(errors="backslashreplace"))


def _append_summary(verdict: Verdict, files: Files) -> None:
    """Add to the summary page of a GitHub Actions step, whose file the runner names.

    It is an extra: where it cannot be written, the audit still says what it found. Others write to
    the file too, so it is not replaced; what was there stays, and of ours there is all or nothing.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from idoldbg.render.audit.markdown import to_markdown

    data = to_markdown(verdict, files).encode(errors="backslashreplace")
    try:
        _append(path, data)
    except OSError as error:
        say(f"the step's summary is left out: {path}: {error.strerror}")


def _append(path: str, data: bytes) -> None:
    # Not to wait for the reader of a pipe.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | flags, 0o666)
    try:
        size = os.fstat(file).st_size
        if size:
            os.lseek(file, size - 1, os.SEEK_SET)
            if os.read(file, 1) != b"\n":
                data = b"\n" + data
        if os.write(file, data) < len(data):
            os.ftruncate(file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(file)


def _line_width(most: int) -> int:
    """Return how long lines may be: as wide as the terminal is, elsewhere `most`."""
    if sys.stdout is None or not sys.stdout.isatty():
        return most
    return max(_NARROWEST, min(most, shutil.get_terminal_size().columns))


def _has_colours() -> bool:
    """Return whether to colour (no-color.org)."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def _paint(style: str, text: str) -> str:
    return click.style(text, **_STYLES[style])  # type: ignore[arg-type]  # a table of keywords
