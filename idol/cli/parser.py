"""Parsing of the command line: argparse, which says what may have been meant."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from idol.hints import Any
from idol.near import suggest
from idol.patterns import compile_late

__all__ = ["Parser", "parse"]

# An option as it stands in help.
_OPTION = compile_late(r"(?<![\w-])--[a-z][\w-]*")


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's own; that one takes the width from `shutil`, which brings three compressors.

    argparse makes one for every option that it is told of, long before anybody asks for help.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_terminal_width() - 2)


class Parser(argparse.ArgumentParser):
    """A parser, also of a command, that shows help by `_HelpFormatter`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, **settings})


def _terminal_width() -> int:
    """Return what `shutil.get_terminal_size` does: COLUMNS, the terminal's width, or 80."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0 and sys.__stdout__ is not None:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns
        except (ValueError, OSError):  # closed, or no terminal
            columns = 0
    return columns if columns > 0 else 80


def parse(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, argparse.ArgumentParser],
    names: Iterable[str],
    words: Sequence[str],
) -> argparse.Namespace:
    """Parse the words; exit with 2 and a near miss for a command or an option that is not known.

    `names` are those of all commands, `commands` the parsers that are loaded.
    """
    known = tuple(names)
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in known:
        advice = suggest(name, known, otherwise=f"there are {', '.join(known)}")
        parser.error(f"no command `{name}`; {advice}")
    arguments, rest = parser.parse_known_args(words)
    if rest:
        used = commands.get(name, parser)
        used.error("; ".join(_unknown(word, used.format_help()) for word in rest))
    return arguments


def _unknown(word: str, page: str) -> str:
    name = word.partition("=")[0]
    if not name.startswith("-"):
        return f"unexpected `{word}`"
    advice = suggest(name, _OPTION.findall(page))
    return f"no option `{name}`{f'; {advice}' if advice else ''}"
