"""Options after `idoldbg call IFACE.OP`: the operation's own options, mixed with the command's.

Only the opened build knows what the operation takes, so click cannot parse these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import click

from idol.records import dataclass

__all__ = ["GivenOption", "own_names", "own_values", "split_options"]


@dataclass(frozen=True, slots=True)
class GivenOption:
    """One option as written, its hyphens as underscores.

    `value` is None for flags of the command, and where none was given. `is_short` (`-h`): it is
    the command's whatever the operation takes, for arguments have no short form.
    """

    name: str
    value: str | None
    is_short: bool = False

    def is_own(self, names: Collection[str]) -> bool:
        """Return whether it is an option of the command; `names` are those that it has here."""
        return self.is_short or self.name in names


def split_options(
    arguments: Sequence[str], command: click.Command, taken: frozenset[str] | None = frozenset()
) -> tuple[GivenOption, ...]:
    """Split `--name value`, `--name=value` and the command's short options and flags.

    A value may begin with one hyphen (`--offset -3`), and with two after an equals sign. Names of
    `taken` are the operation's, and take a value whatever the command means by them; None where
    the operation is not known yet: what stands alone is passed over then. Short options are the
    command's in any case.
    """
    long_forms = {"-h": "--help"}
    flags = {"help"}
    for option in _options(command):
        long_forms.update({s: option.opts[-1] for s in option.opts if not s.startswith("--")})
        if option.is_flag:
            flags.add(_name(option))
    long_flags = flags - (taken or frozenset())
    result: list[GivenOption] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        spelled = long_forms.get(argument, argument)
        if not spelled.startswith("--") or spelled == "--":
            if taken is None:
                continue
            raise click.UsageError(f"unexpected `{argument}`: arguments are written --NAME VALUE")
        written, equals, value = spelled[2:].partition("=")
        name = written.replace("-", "_")
        is_short = argument in long_forms
        if equals:
            result.append(GivenOption(name, value))
        elif name in (flags if is_short else long_flags) or not rest or _looks_like_option(rest[0]):
            result.append(GivenOption(name, None, is_short))
        else:
            result.append(GivenOption(name, rest.pop(0), is_short))
    return tuple(result)


def own_names(command: click.Command) -> frozenset[str]:
    """Return the names of the command's own options, as `GivenOption` writes them."""
    return frozenset({"help", *(_name(option) for option in _options(command))})


def own_values(given: Iterable[GivenOption], command: click.Command) -> dict[str, Any]:
    """Return the values of the command's own options, by parameter name, as click converts them."""
    options = {_name(option): option for option in _options(command)}
    context = click.get_current_context()
    values: dict[str, Any] = {}
    for each in given:
        option = options.get(each.name)
        if option is None or option.name is None:
            values[each.name] = True  # --help
        elif option.is_flag:
            values[option.name] = True
        elif each.value is None:
            raise click.UsageError(f"--{each.name.replace('_', '-')} needs a value")
        elif option.multiple:
            values[option.name] = (*values.get(option.name, ()), each.value)
        else:
            value = option.type_cast_value(context, each.value)
            if option.callback is not None:
                value = option.callback(context, option, value)
            values[option.name] = value
    for option in options.values():
        if option.multiple and option.callback is not None and option.name in values:
            values[option.name] = option.callback(context, option, values[option.name])
    return values


def _options(command: click.Command) -> list[click.Option]:
    return [p for p in command.params if isinstance(p, click.Option)]


def _name(option: click.Option) -> str:
    return option.opts[-1].lstrip("-").replace("-", "_")


def _looks_like_option(argument: str) -> bool:
    return argument.startswith("--") and len(argument) > 2 and argument[2].isalpha()
