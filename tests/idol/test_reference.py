"""`docs/idol.md` and `docs/commands.md` against the language and the commands."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import idol
import idol.cli
from idol.cli import main, make_parsers
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.ron_reader import EXTENSIONS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "idol.md").read_text()
PAGE = (ROOT / "docs" / "commands.md").read_text()


def get_commands() -> dict[str, argparse.ArgumentParser]:
    for action in make_parsers()[0]._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


COMMANDS = get_commands()


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "exit codes: 0 done" in " ".join(capsys.readouterr().out.split())
    for action in COMMANDS[command]._actions:
        assert action.help, f"{command} {action.dest} has no help"


def test_commands_are_those_that_modules_add() -> None:
    assert list(COMMANDS) == list(idol.cli.COMMANDS)
    for command, parser in COMMANDS.items():
        # With the command's own module alone, its help is the same.
        [alone] = [a for a in make_parsers([command])[0]._actions if a.choices]
        assert alone.choices[command].format_help() == parser.format_help()  # type: ignore[index,call-overload]  # a mapping


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_on_the_page_and_in_the_reference(command: str) -> None:
    assert re.search(rf"^\| .*`idol {command}\b", PAGE, re.MULTILINE)
    assert f"`idol {command} " in REFERENCE


def test_documents_name_no_command_that_is_gone() -> None:
    for text in (PAGE, REFERENCE):
        named = set(re.findall(r"`idol ([a-z]+)\b", text))
        assert named <= set(COMMANDS)


@pytest.mark.parametrize("example", re.findall(r"^```idol\n(.*?)^```", REFERENCE, re.M | re.S))
def test_examples_are_flawless(example: str) -> None:
    assert idol.check(idol.parse(example), strict=True) == ()
    assert idol.format_text(example) == example


def test_every_rule_is_listed() -> None:
    listed = re.findall(r"^\[([a-z-]+)\]\(\.\./idol/rules/\1\.md\)[,.]$", REFERENCE, re.M)
    assert sorted(listed) == sorted(idol.RULES)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", REFERENCE))
def test_links_exist(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize(
    "word",
    [
        *(kind.value for enum in (Encoding, ErrorKind, RecvKind) for kind in enum),
        *sorted(EXTENSIONS),
        *("name", "ops", "args", "leases", "reply", "encoding", "idempotent", "doc"),
        *("description", "type", "recv", "read", "write", "max_len"),
    ],
)
def test_every_word_of_the_language_is_explained(word: str) -> None:
    assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", REFERENCE)
