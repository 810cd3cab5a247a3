"""The findings, those of a rule together, each with the line of the interface and its fix."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from idol.findings.region import Region
from idoldbg.audit import RULES, Finding, Level
from idoldbg.audit.verdict import Standing, Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.audit.html.drawings import TypeIndex, drawing
from idoldbg.render.audit.html.signs import SIGNS, prose
from idoldbg.render.element import Html, el, join

__all__ = ["findings_section"]

_CONTEXT = 120  # characters of a line that are shown before and after the place


def findings_section(verdict: Verdict, files: Files, types: TypeIndex) -> Html:
    """Make the section; it says so where there is nothing to tell."""
    groups = [
        _group(level, rule, list(found), files)
        for (level, rule), found in groupby(verdict.open, key=lambda f: (f.level, f.rule))
    ]
    if not groups:
        groups = [el("p", "Nothing to report.", class_="empty")]
    return el("section", el("h2", "Findings"), *groups, *_accepted(verdict), id="findings")


def _group(level: Level, rule: str, found: list[Finding], files: Files) -> Html:
    times = el("span", f"{len(found)}", class_="count") if len(found) > 1 else ""
    heading = el(
        "h3",
        el("span", SIGNS[level], class_=f"sign {level}", aria_hidden="true"),
        el("span", f"{level}: ", class_="hidden"),
        el("code", rule),
        f" {RULES[rule].title} ",
        times,
    )
    return el(
        "div",
        heading,
        *(_card(finding, files) for finding in found),
        class_=f"group {level}",
        data_group=True,
    )


def _card(finding: Finding, files: Files) -> Html:
    target, subject = _target(finding, files), finding.subject
    parts = [
        el("p", el("a", subject, href=target) if target else subject, class_="subject"),
        el("p", prose(finding.message)),
        *_excerpt(finding, files),
        *_candidates(finding),
        el("p", el("b", "Fix "), prose(finding.fix), class_="fix"),
    ]
    text = " ".join((finding.rule, subject, finding.message, finding.type, finding.name))
    return el(
        "article", *parts, class_="card", data_text=text.lower(), data_level=str(finding.level)
    )


def _target(finding: Finding, files: Files) -> str | None:
    """Return where on the page the operation or the server is; damaged operations have no row."""
    server = files.server(finding)
    if server is None:
        return None
    if any(covered.operation.name == finding.operation for covered in server.operations):
        return f"#op-{finding.task}-{finding.operation}"
    return f"#server-{finding.task}"


def _excerpt(finding: Finding, files: Files) -> Iterator[Html]:
    """Show the line of the interface with the place marked."""
    server, place = files.server(finding), finding.place
    if server is None or server.source is None or place is None:
        return
    line = server.source.get_line(place.line)
    start = place.column - 1
    end = place.end_column - 1 if place.end_line == place.line else len(line)
    end = max(start + 1, min(end, len(line)))
    first, last = max(0, start - _CONTEXT), min(len(line), end + _CONTEXT)
    code = el("code", line[first:start].lstrip(), el("mark", line[start:end]), line[end:last])
    yield el("div", el("span", _place(place, files.name(server))), code, class_="excerpt")


def _place(place: Region, name: str) -> str:
    return f"{name}:{place.line}:{place.column}"


def _candidates(finding: Finding) -> Iterator[Html]:
    if not finding.candidates:
        return
    items = []
    largest = max(candidate.size for candidate in finding.candidates) or 1
    for candidate in finding.candidates:
        # To one scale, but no smaller than a name needs.
        width = f"width:{100 * candidate.size / largest:.0f}%;min-width:min(8rem,100%)"
        objects = f" in {', '.join(candidate.objects)}" if candidate.objects else ""
        size = f"{candidate.size} byte{'' if candidate.size == 1 else 's'}"
        said = f", {'; '.join(candidate.differences)}" if candidate.differences else ""
        items.append(
            el(
                "li",
                el("code", candidate.name),
                prose(f" {size}{objects}{said}"),
                el("div", drawing(candidate.type), style=width),
            )
        )
    yield el("ul", *items, class_="candidates")


def _accepted(verdict: Verdict) -> Iterator[Html]:
    """List what was suppressed or is known, folded away."""
    accepted = [j for j in verdict.judged if j.standing is not Standing.OPEN]
    if not accepted:
        return
    items = [
        el(
            "li",
            el("code", j.finding.rule),
            f" {j.finding.subject}: ",
            el("i", j.reason or "in the baseline"),
        )
        for j in accepted
    ]
    count = len(accepted)
    title = f"{count} accepted finding{'' if count == 1 else 's'}"
    yield el("details", el("summary", title), join([el("ul", *items)]), class_="accepted")
