"""An audit as Markdown in GitHub's flavour: for step summaries and comments on changes.

Ref: GitHub Flavored Markdown, sections 4.10 (tables) and 2.4 (backslash escapes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

from idoldbg.audit import RULES, Aspect, Finding, Level, Mark, ServerCoverage
from idoldbg.audit.verdict import Standing, Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.audit.text import verdict_line
from idoldbg.render.printable import LAYOUT, printable

__all__ = ["to_markdown"]

# Addresses become links by themselves (GitHub Flavored Markdown, section 6.9).
_LINKS = re.compile(r":(?=//)|(?<=www)\.")
# `@name` mentions a user, escaped or not: that is decided after Markdown, and only code is exempt.
_MENTION = re.compile(r"@(?=[A-Za-z0-9])")
_LARGEST = 900_000  # GitHub refuses step summaries of more than 1 MiB
_SIGNS = {
    Mark.OK: "✓",
    Mark.NOTE: "ⓘ",
    Mark.WARNING: "⚠",
    Mark.ERROR: "✗",
    Mark.NONE: "·",
    Mark.UNKNOWN: "?",
}
_ICONS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTE: "ℹ️"}


def to_markdown(verdict: Verdict, files: Files) -> str:
    """Write an audit: the verdict, the findings, and the matrix folded away."""
    audit = verdict.audit
    icon = "❌" if verdict.has_failed else "✅"
    what = " ".join(part for part in (audit.name, audit.image_name) if part) or audit.archive
    lines = [f"## {icon} Idol audit: {_escape(what)}", "", _escape(verdict_line(verdict)), ""]
    lines += _findings(verdict, files)
    for server in audit.servers:
        if server.operations:
            lines += _matrix(server)
    if verdict.remarks:
        lines += [f"- {_escape(remark)}" for remark in verdict.remarks] + [""]
    text = "\n".join(lines)
    if len(text.encode()) > _LARGEST:
        text = text.encode()[:_LARGEST].decode(errors="ignore").rsplit("\n", 1)[0]
        text += "\n\nThere is more; this summary is cut short.\n"
    return text


def _findings(verdict: Verdict, files: Files) -> Iterator[str]:
    for rule, group in groupby(verdict.open, key=lambda f: f.rule):
        found = list(group)
        icon = _ICONS[found[0].level]
        yield f"### {icon} {rule}: {_escape(RULES[rule].title)}"
        yield ""
        yield from (_item(finding, files) for finding in found)
        yield ""
    set_aside = [j for j in verdict.judged if j.standing is not Standing.OPEN]
    if set_aside:
        yield f"<details><summary>{len(set_aside)} accepted</summary>\n"
        for judged in set_aside:
            said = judged.reason or "in the baseline"
            finding = judged.finding
            yield f"- {_escape(finding.subject)}: {finding.rule} ({_escape(said)})"
        yield "\n</details>\n"


def _item(finding: Finding, files: Files) -> str:
    place = files.place(finding)
    where = f" ({_escape(place)})" if place else ""
    return (
        f"- **{_escape(finding.subject)}**{where}: {_escape(finding.message)}"
        f"<br>*{_escape(finding.fix)}*"
    )


def _matrix(server: ServerCoverage) -> Iterator[str]:
    count = sum(o.is_callable for o in server.operations)
    title = f"{server.task}: {server.name}, {count} of {len(server.operations)} callable"
    yield f"<details><summary>{_summary(title)}</summary>"
    yield ""
    yield "| operation | " + " | ".join(Aspect) + " |"
    yield "| --- " * (1 + len(Aspect)) + "|"
    for covered in server.operations:
        cells = [_SIGNS[covered.marks[aspect]] for aspect in Aspect]
        yield f"| {_escape(covered.operation.name)} | {' | '.join(cells)} |"
    yield ""
    yield "</details>\n"


def _escape(text: str) -> str:
    """Keep names from being taken for markup; what stands between two backticks becomes code.

    Names may hold backticks as well. So nothing relies on them: code is an element whose text is
    escaped like all other, and which of the parts are code is only a matter of looks.
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one too many: none is meant
        return _plain(text)
    return "".join(
        (f"<code>{_plain(part)}</code>" if part else "") if index % 2 else _plain(part)
        for index, part in enumerate(parts)
    )


def _plain(text: str) -> str:
    """Escape what GitHub's Markdown has a meaning for, also at the beginning of a line."""
    text = printable(text, LAYOUT).replace("\n", " ").replace("\t", " ")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]~#$!^])", r"\\\1", text).replace("|", "&#124;")
    text = _LINKS.sub(lambda m: f"&#{ord(m[0])};", text)
    text = _MENTION.sub("<code>@</code>", text)
    return re.sub(r"^ *([-+=]|\d+(?=[.)]))", lambda m: f"&#{ord(m[1][0])};{m[1][1:]}", text)


def _summary(text: str) -> str:
    """Escape what stands in an HTML element of its own: as entities, which mean the same there."""
    text = re.sub(r"[\\`*_\[\]~#$!^|]", lambda m: f"&#{ord(m[0])};", escape(printable(text)))
    return _MENTION.sub("<code>@</code>", text)
