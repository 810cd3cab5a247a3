"""Pages of the documentation site: made from help, links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from idol.cli import COMMANDS as IDOL_COMMANDS
from idoldbg.cli import COMMANDS
from tools import check_site, pictures, site_pages

ROOT = Path(__file__).resolve().parent.parent
HOME = "https://github.com/idoldbg/idoldbg/blob/main"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return site_pages.generated_pages()


@pytest.mark.parametrize(
    "name", [f"idoldbg-{n}" for n in COMMANDS] + [f"idol-{n}" for n in IDOL_COMMANDS]
)
def test_each_command_has_a_page_with_its_options(name: str, pages: dict[str, str]) -> None:
    page = pages[f"commands/{name}.md"]
    program, command = name.split("-", 1)
    assert page.startswith(f"# {program} {command}\n")
    if program == "idoldbg":
        found = site_pages.importlib.import_module("idoldbg.cli").idoldbg.get_command(
            click.Context(click.Group("idoldbg")), command
        )
        for param in found.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.opts[0] in page


def test_each_rule_has_a_page(pages: dict[str, str]) -> None:
    from idol.rules import RULES as IDOL
    from idoldbg.audit.rules import RULES as AUDIT

    assert {f"idol-rules/{name}.md" for name in IDOL} <= pages.keys()
    assert {f"audit-rules/{name}.md" for name in AUDIT} <= pages.keys()


@pytest.mark.parametrize(
    ("page", "text", "result"),
    [
        ("idol.md", "[x](../idol/rules/bad-name.md)", "[x](idol-rules/bad-name.md)"),
        ("audit.md", "[x](types.md#a)", "[x](types.md#a)"),
        ("api.md", "[x](../CHANGELOG.md)", "[x](changelog.md)"),
        ("ci.md", "[x](../examples/ci/gitlab.yml)", f"[x]({HOME}/examples/ci/gitlab.yml)"),
        ("changelog.md", "[x](docs/ci.md#a)", "[x](ci.md#a)"),
        ("contributing.md", "[x](fixtures/README.md)", f"[x]({HOME}/fixtures/README.md)"),
        ("ci.md", "[x](https://a.b/c)", "[x](https://a.b/c)"),
        ("ci.md", "```\n[x](../a.md)\n```", "```\n[x](../a.md)\n```"),
    ],
)
def test_links_lead_to_the_page_or_to_the_repository(page: str, text: str, result: str) -> None:
    assert site_pages.rewrite_links(text, page) == result


def test_rows_of_commands_become_links() -> None:
    text = "| `idol client F…`, `idol server F…` | see `idol fmt` |\n| `idoldbg gone` | |"
    assert site_pages.link_commands(text, {"idol-client", "idol-server", "idol-fmt"}) == (
        "| [`idol client F…`](commands/idol-client.md), [`idol server F…`](commands/idol-server.md)"
        " | see `idol fmt` |\n| `idoldbg gone` | |"
    )


def test_every_page_that_the_navigation_names_exists() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = list(site_pages._named(nav))
    assert len(named) == len(set(named)) > 20
    assert [name for name in named if not (ROOT / "docs" / name).is_file()] == []


def test_a_broken_link_and_a_missing_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="b.html#here">x</a><a href="c.html">x</a><img src="p.svg"><a href="#no">x</a>'
        '<a href="https://elsewhere.example/">x</a><a href="b.html#gone">x</a>'
    )
    (tmp_path / "b.html").write_text('<p id="here">y</p>')
    assert list(check_site.check_links(tmp_path)) == [
        "index.html: c.html leads nowhere",
        "index.html: p.svg leads nowhere",
        "index.html: #no: there is no such place on that page",
        "index.html: b.html#gone: there is no such place on that page",
    ]


# -- pictures


@pytest.mark.parametrize("name", ["call", "types", "check"])
def test_picture_shows_what_the_commands_print(name: str) -> None:
    """Make it again with `python -m tools.pictures NAME`; numbers aside, they agree."""
    kept = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert pictures.masked(pictures.make(name)) == pictures.masked(kept)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_picture_needs_nothing_from_elsewhere(name: str) -> None:
    svg = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in svg and "@import" not in svg


def test_colours_and_markup_of_a_capture_are_kept_apart() -> None:
    svg = pictures.draw("a <b>", ["$ echo", "\x1b[1;31m<error>\x1b[0m & more"])
    assert "&lt;error&gt;" in svg and "&amp; more" in svg and "\x1b" not in svg
    assert pictures.COLOURS["31"] in svg
    assert pictures.text_of(svg) == ["$", "echo", "&lt;error&gt;", "&amp; more"]
