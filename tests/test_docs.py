"""Commands, their help and the documentation agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from idoldbg import errors
from idoldbg.cli import COMMANDS, EXIT_CODES, idoldbg
from idoldbg.resolver import How

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs" / "commands.md").read_text()
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]


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
def test_command_is_on_the_page(name: str) -> None:
    assert re.search(rf"^\| `idoldbg {name}\b", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    command = idoldbg.get_command(click.Context(idoldbg), name)
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts} has no help"


def test_page_names_no_command_that_is_gone() -> None:
    named = set(re.findall(r"^\| `idoldbg (\w+)", PAGE, re.MULTILINE))
    assert named == set(COMMANDS)


def test_global_options_are_on_the_page() -> None:
    for param in idoldbg.params:
        if isinstance(param, click.Option) and param.envvar:
            assert f"`{max(param.opts, key=len)}" in PAGE or f", `{param.opts[-1]}" in PAGE


def test_every_error_class_has_an_exit_code() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if kind is not errors.IdoldbgError and not any(issubclass(kind, k) for k, _ in EXIT_CODES):
            # CallError's and LinkError's children inherit; anything else must be named.
            pytest.fail(f"{name} has no exit code")


def test_exit_codes_are_on_the_page() -> None:
    for code in {code for _, code in EXIT_CODES}:
        assert re.search(rf"^\| {code} \|", PAGE, re.MULTILINE)


def test_readme_names_no_command_that_is_gone() -> None:
    assert set(re.findall(r"(?:^|`|\$ )idoldbg ([a-z]\w+)", README, re.MULTILINE)) <= set(COMMANDS)


def test_readme_begins_with_the_install_and_a_call() -> None:
    """A stranger's first screen: what to install, what to type, one picture."""
    lines = README.splitlines()
    assert len(lines) <= 150
    assert README.count("![") == 1
    first = "\n".join(lines[:20])
    assert "pip install 'idoldbg[emu]'" in first
    assert re.search(r"^idoldbg call ", first, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_readme_links_work_outside_the_repository(link: str) -> None:
    """All are absolute; those to files of ours name files that exist."""
    home = URLS["Repository"]
    raw = home.replace("github.com", "raw.githubusercontent.com")
    assert link.startswith("https://")
    for prefix in (f"{home}/blob/main/", f"{raw}/main/"):
        if link.startswith(prefix):
            assert (ROOT / link.removeprefix(prefix)).is_file()
            return
    assert "idoldbg" not in link


def _pages() -> list[Path]:
    return [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    ]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.name)
def test_links_between_pages_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", text):
        if not link.startswith("samples/"):  # made with the site (tools/site_pages.py)
            assert (page.parent / link).exists(), link


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
