"""Words after an operation's name: its own arguments win over the command's options."""

from __future__ import annotations

import click
import pytest

from idoldbg.cli.call import command
from idoldbg.cli.call_options import GivenOption, split_options

OWN = ["help", "verbose", "hex", "timeout", "archive", "format", "output", "task", "type", "board"]


@pytest.mark.parametrize("name", OWN)
def test_an_argument_with_the_name_of_an_option_takes_a_value(name: str) -> None:
    for arguments in ([f"--{name}", "3"], [f"--{name}=3"]):
        assert split_options(arguments, command, frozenset({name})) == (GivenOption(name, "3"),)
    both = split_options(["--other", "1", f"--{name}", "-3"], command, frozenset({name}))
    assert both == (GivenOption("other", "1"), GivenOption(name, "-3"))


def test_flags_of_the_command_take_none() -> None:
    assert split_options(["--hex", "--id", "3"], command) == (
        GivenOption("hex", None),
        GivenOption("id", "3"),
    )
    with pytest.raises(click.UsageError, match="unexpected `3`"):
        split_options(["--hex", "3"], command)


def test_values_without_an_option_are_skipped_before_the_operation_is_known() -> None:
    assert split_options(["--hex", "3", "--archive", "x.zip"], command, None) == (
        GivenOption("hex", None),
        GivenOption("archive", "x.zip"),
    )
