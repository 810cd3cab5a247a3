"""Pages of the documentation site that are made, not written: a hook of MkDocs.

Each command has a page made from its help, each rule its page from the packages; the Python API
from docstrings; CHANGELOG, CONTRIBUTING and SECURITY are those of the repository. Links out of
`docs/` lead to the page that the site has for a file, else to the file in the repository.
"""

from __future__ import annotations

import argparse
import html
import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # MkDocs runs from anywhere
os.environ["COLUMNS"] = "88"

__all__ = ["argparse_page", "click_page", "generated_pages", "link_commands", "rewrite_links"]

#: Files of the repository that are pages as they are.
COPIES = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
RULES = {"idol-rules": "idol/rules", "audit-rules": "idoldbg/audit/rules"}
#: Modules whose public names are the Python API, with what each is for.
API = {
    "idoldbg.device": "a target as a Python object",
    "idoldbg.session": "opening builds and targets",
    "idoldbg.errors": "the tree of errors",
    "idoldbg.model.types": "types",
    "idoldbg.model.values": "values",
    "idol": "the Idol language",
}
_LINK = re.compile(r"(?<=\]\()(\.\./)?([\w./-]+?)(#[\w-]*)?(?=\))")


# -- hooks of MkDocs


def on_config(config: Any) -> Any:
    """Add what is made, and pages that no section of the navigation names yet, to it."""
    nav = config["nav"]
    named = set(_named(nav))
    (reference,) = [section["Reference"] for section in nav if "Reference" in section]
    pages = generated_pages()
    for title, folder in (("Each command", "commands"), ("Python, by module", "python"),
                          ("Rules of idol check", "idol-rules"),
                          ("Rules of the audit", "audit-rules")):  # fmt: skip
        reference.append({title: sorted(name for name in pages if name.startswith(f"{folder}/"))})
    more = sorted(p.name for p in (ROOT / "docs").glob("*.md") if p.name not in named)
    nav.append({"More": [*more, *COPIES]})
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name, text in generated_pages().items():
        files.append(File.generated(config, name, content=text))
    for name, text in sample_reports().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    name = page.file.src_uri
    # A second word after the language (`python stubs`) is for the tests that run the block.
    text = re.sub(r"^```(\w+) [\w ]+$", r"```\1", rewrite_links(markdown, name), flags=re.MULTILINE)
    return link_commands(text, command_names()) if name == "commands.md" else text


def _named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for value in nav.values():
            yield from _named(value)
    else:
        for value in nav:
            yield from _named(value)


# -- links


def rewrite_links(text: str, page: str) -> str:
    """Lead links to files outside of `docs/` where the site, or the repository, has them."""
    home = repository()
    source = COPIES.get(page)
    up = "../" * page.count("/")

    def lead(match: re.Match[str]) -> str:
        dots, path, anchor = match[1] or "", match[2], match[3] or ""
        if source is None and not dots:
            return match[0]
        if source is not None and path.startswith("docs/"):
            return up + path.removeprefix("docs/") + anchor
        for name, copied in COPIES.items():
            if path == copied:
                return up + name + anchor
        for name, folder in RULES.items():
            if path.startswith(f"{folder}/") and path.endswith(".md"):
                return f"{up}{name}/{Path(path).name}{anchor}"
        return f"{home}/blob/main/{path}{anchor}"

    return _outside_fences(text, lambda part: _LINK.sub(lead, part))


def _outside_fences(text: str, change: Any) -> str:
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def repository() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(.*)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def link_commands(text: str, names: set[str]) -> str:
    """Make links of the commands that begin a row of a table."""

    def link(match: re.Match[str]) -> str:
        program, command = match[2], match[3]
        if f"{program}-{command}" not in names:
            return match[0]
        return f"[{match[1]}](commands/{program}-{command}.md)"

    return re.sub(
        r"^\|[^|\n]*(?:\\\|[^|\n]*)*\|",
        lambda row: re.sub(r"(`(idoldbg|idol) (\w+)[^`]*`)", link, row[0]),
        text,
        flags=re.MULTILINE,
    )


def command_names() -> set[str]:
    return {Path(path).stem for path in command_pages()}


# -- pages


def generated_pages() -> dict[str, str]:
    """Return what is made, by path."""
    pages = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in COPIES.items()}
    for name, folder in RULES.items():
        for path in sorted((ROOT / folder).glob("*.md")):
            pages[f"{name}/{path.name}"] = path.read_text(encoding="utf-8")
    for module, about in API.items():
        pages[f"python/{module}.md"] = f"# {module}: {about}\n\n::: {module}\n"
    return {**pages, **command_pages()}


def command_pages() -> dict[str, str]:
    from idol.cli import make_parsers
    from idoldbg.cli import COMMANDS, idoldbg

    pages = {}
    for name in COMMANDS:
        command = idoldbg.get_command(click.Context(idoldbg, info_name="idoldbg"), name)
        assert command is not None
        pages[f"commands/idoldbg-{name}.md"] = "\n".join(click_page(command, f"idoldbg {name}"))
    for action in make_parsers()[0]._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, parser in action.choices.items():
                pages[f"commands/idol-{name}.md"] = argparse_page(parser, f"idol {name}")
    return pages


def click_page(command: click.Command, name: str, level: int = 1) -> Iterator[str]:
    """Write the page of a command, and its subcommands as sections."""
    context = click.Context(command, info_name=name)
    yield f"{'#' * level} {name}\n"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n"
    yield from _paragraphs(command.help or "")
    rows = [r for p in command.params if (r := _option_row(p, context)) is not None]
    if rows:
        yield "| option | |\n| --- | --- |"
        yield from (f"| {option} | {text} |" for option, text in rows)
        yield ""
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            inner = command.get_command(context, sub)
            if inner is not None and not inner.hidden:
                yield from click_page(inner, f"{name} {sub}", level + 1)


def _paragraphs(text: str) -> Iterator[str]:
    """Turn help into Markdown: prose as it is, what is laid out (after `\\b`) as a block."""
    for paragraph in re.split(r"\n\s*\n", text.split("\f")[0].strip()):
        lines = paragraph.split("\n")
        if lines[0].strip() != "\b":
            yield _prose(" ".join(line.strip() for line in lines)) + "\n"
            continue
        if lines[1].rstrip().endswith(":") and not lines[1].startswith("  "):
            yield _prose(lines[1].strip()) + "\n"
            lines = lines[1:]
        block = "\n".join(line.removeprefix("  ") for line in lines[1:])
        yield f"```text\n{block}\n```\n"


def _prose(text: str) -> str:
    """Escape what Markdown would read, outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([<>*_\[\]|#])", r"\\\1", p) for p in parts)


def _option_row(param: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    record = param.get_help_record(context)
    if record is None or not isinstance(param, click.Option):
        return None
    names, text = record
    return f"<code>{_cell(names)}</code>", _cell(text)


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;")


def argparse_page(parser: argparse.ArgumentParser, name: str) -> str:
    shown = parser.format_help().removeprefix("usage: ").rstrip()
    return f"# {name}\n\n```text\n{shown}\n```\n"


# -- reports, made of the demo image


def sample_reports() -> dict[str, str]:
    """Return the pages that commands write, for people to look at."""
    import subprocess
    import tempfile

    commands = {
        "samples/audit.html": ["idoldbg", "audit", "-o", "audit.html"],
        "samples/map.html": ["idoldbg", "-p", "archive", "map", "--html", "map.html"],
    }
    reports = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (program, *arguments) in commands.items():
            subprocess.run(
                [sys.executable, "-m", program, *arguments], cwd=folder, check=True, timeout=300,
                capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            reports[name] = (Path(folder) / Path(name).name).read_text(encoding="utf-8")
    return reports


importlib.import_module("idoldbg.cli")  # a mistake in it is to be seen here, not as a missing page
