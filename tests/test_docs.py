"""Commands, their help and the documentation agree."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from idoldbg import errors
from idoldbg.cli import COMMANDS, EXIT_CODES, idoldbg
from idoldbg.resolver import How

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help(name: str) -> None:
    result = CliRunner().invoke(idoldbg, [name, "--help"])
    assert result.exit_code == 0
    assert COMMANDS[name][1] in result.output.replace("\n  ", "\n")


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"demo"}))
def test_help_has_an_example(name: str) -> None:
    _, _, page = CliRunner().invoke(idoldbg, [name, "--help"]).output.partition("\n")
    assert re.search(rf"^  .*\bidoldbg (\S+ )*?{name}\b", page, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"^\| `idoldbg {name}\b", README, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    command = idoldbg.get_command(click.Context(idoldbg), name)
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts} has no help"


def test_readme_names_no_command_that_is_gone() -> None:
    named = set(re.findall(r"^\| `idoldbg (\w+)", README, re.MULTILINE))
    assert named == set(COMMANDS)


def test_global_options_are_in_the_readme() -> None:
    for param in idoldbg.params:
        if isinstance(param, click.Option) and param.envvar:
            assert f"`{max(param.opts, key=len)}" in README or f", `{param.opts[-1]}" in README


def test_every_error_class_has_an_exit_code() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if kind is not errors.IdoldbgError and not any(issubclass(kind, k) for k, _ in EXIT_CODES):
            # CallError's and LinkError's children inherit; anything else must be named.
            pytest.fail(f"{name} has no exit code")


def test_exit_codes_are_in_the_readme() -> None:
    for code in {code for _, code in EXIT_CODES}:
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_readme_links_exist(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_way_to_find_a_type_is_documented() -> None:
    page = " ".join((ROOT / "docs" / "types.md").read_text().split())
    assert [how for how in How if how.value not in page] == []


def test_every_rule_of_the_audit_is_documented() -> None:
    from idoldbg.audit.rules import RULES

    rows = {f"| `{rule.id}` | {rule.level.value} | {rule.title} |" for rule in RULES.values()}
    lines = (ROOT / "docs" / "audit.md").read_text().splitlines()
    named = {line for line in lines if line.startswith("| `") and line.count(" | ") == 2}
    assert rows <= named
    assert {line for line in named if line.split("`")[1] in RULES} == rows
