"""Parsing of the command line: argparse, which says what may have been meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence

from idol.near import suggest

__all__ = ["parse"]

# An option as it stands in help.
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


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
