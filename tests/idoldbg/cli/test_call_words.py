"""Words after an operation's name: its own arguments win over the command's options."""

from __future__ import annotations

import click
import pytest

from idoldbg.cli.call import command
from idoldbg.cli.call_words import Word, split_words

OWN = ["help", "verbose", "hex", "timeout", "archive", "format", "output", "task", "type", "board"]


@pytest.mark.parametrize("name", OWN)
def test_an_argument_with_the_name_of_an_option_takes_a_value(name: str) -> None:
    for words in ([f"--{name}", "3"], [f"--{name}=3"]):
        assert split_words(words, command, frozenset({name})) == (Word(name, "3"),)
    both = split_words(["--other", "1", f"--{name}", "-3"], command, frozenset({name}))
    assert both == (Word("other", "1"), Word(name, "-3"))


def test_flags_of_the_command_take_none() -> None:
    assert split_words(["--hex", "--id", "3"], command) == (Word("hex", None), Word("id", "3"))
    with pytest.raises(click.UsageError, match="unexpected `3`"):
        split_words(["--hex", "3"], command)


def test_before_the_operation_is_known_what_stands_alone_is_passed_over() -> None:
    assert split_words(["--hex", "3", "--archive", "x.zip"], command, None) == (
        Word("hex", None),
        Word("archive", "x.zip"),
    )
