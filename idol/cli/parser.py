"""Parsing of the command line: argparse, with near misses and the errors of `idoldbg`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from idol.hints import Any, NoReturn
from idol.near import suggest
from idol.patterns import compile_late
from idol.printable import one_line

__all__ = ["Parser", "Version", "parse_arguments"]

# An option as it stands in help.
_OPTION = compile_late(r"(?<![\w-])--[a-z][\w-]*")


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's own; that one takes the width from `shutil`, which brings three compressors.

    argparse makes one for every option that it is told of, long before anybody asks for help.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_terminal_width() - 2)


class Parser(argparse.ArgumentParser):
    """A parser with help by `_HelpFormatter` and errors in the form of `idoldbg`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, **settings})

    def error(self, message: str) -> NoReturn:
        """Print an error of usage and exit with 2."""
        message = one_line(f"error: {_reworded(message)}")
        self.exit(2, f"{message}\nTry `{self.prog} --help`.\n")


class Version(argparse.Action):
    """The option `--version`: print the version and exit; it is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("idoldbg")
        except PackageNotFoundError:  # run from a checkout, with bare Python
            found = "(of a checkout: the package idoldbg is not installed)"
        print(f"{parser.prog} {found}")
        parser.exit()


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


def parse_arguments(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, argparse.ArgumentParser],
    names: Iterable[str],
    argv: Sequence[str],
) -> argparse.Namespace:
    """Parse `argv`; exit with 2 and a near miss for a command or an option that is not known.

    `names` are those of all commands, `commands` the parsers that are loaded.
    """
    if not argv:
        parser.print_help(sys.stderr)
        parser.exit(2)
    known = tuple(names)
    name = argv[0]
    if name and not name.startswith("-") and name not in known:
        advice = suggest(name, known, otherwise=f"there are {', '.join(known)}")
        parser.error(f"no command `{name}`; {advice}")
    if name.startswith("-") and name not in ("-h", *_OPTION.findall(parser.format_help())):
        parser.error(_unknown(name, parser.format_help()))
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        used = commands.get(name, parser)
        used.error("; ".join(_unknown(word, used.format_help()) for word in rest))
    return arguments


def _reworded(message: str) -> str:
    """Return argparse's message as `idoldbg` has it: the option, a colon, what is wrong."""
    missing = message.removeprefix("the following arguments are required: ")
    if missing != message:
        return f"missing argument `{missing}`"
    option, colon, reason = message.removeprefix("argument ").partition(": ")
    if option == message or not colon:
        return message
    option = option.rpartition("/")[2]
    if reason == "expected one argument":
        return f"{option} needs a value"
    if reason.startswith("ignored explicit argument"):
        return f"{option} takes no value"
    reason, found, choices = reason.removeprefix("invalid choice: ").partition(" (choose from ")
    if found:  # from Python 3.12 on without quotes
        known = ", ".join(f"`{name.strip(chr(39))}`" for name in choices[:-1].split(", "))
        reason = f"`{reason.strip(chr(39))}` is not one of {known}"
    return f"{option}: {reason}"


def _unknown(word: str, page: str) -> str:
    name = word.partition("=")[0]
    if not name.startswith("-"):
        return f"unexpected `{word}`"
    advice = suggest(name, _OPTION.findall(page))
    return f"no option `{name}`{f'; {advice}' if advice else ''}"
