"""The top of the page: which build, how it ended, and how much of each task can be used."""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.audit import Audit, Level, ServerCoverage
from idoldbg.audit.verdict import Standing, Verdict
from idoldbg.render.element import Html, el

__all__ = ["overview_section", "page_head"]

_CIRCLE = 100.0  # `pathLength` of the ring: dashes are percents


def page_head(verdict: Verdict) -> Html:
    """Make the heading with the verdict."""
    audit = verdict.audit
    passed = not verdict.has_failed
    badge = el(
        "p",
        el("span", "✓" if passed else "✗", aria_hidden="true"),
        " PASS" if passed else " FAIL",
        class_=f"verdict {'pass' if passed else 'fail'}",
        title=f"fails on: {verdict.fail_on}",
    )
    theme = el("button", "◐", type="button", id="theme", title="Light or dark", aria_label="Theme")
    return el(
        "header",
        el(
            "div",
            el("p", "Idol audit", class_="kicker"),
            el("h1", audit.name or audit.archive),
            el("p", *_facts(audit), class_="facts"),
        ),
        el("div", badge, theme, class_="corner"),
    )


def _facts(audit: Audit) -> Iterator[Html]:
    facts = [
        ("board", audit.board),
        ("image", audit.image_name),
        ("id", audit.image_id),
        ("git", audit.git_rev[:12]),
    ]
    if audit.hiffy is not None and audit.hiffy.version is not None:
        facts.append(("HIF", ".".join(map(str, audit.hiffy.version))))
    for name, value in facts:
        if value:
            yield el("span", f"{name} ", el("b", value))


def overview_section(verdict: Verdict) -> Html:
    """Make the ring, the numbers, and a bar for each server."""
    summary = verdict.audit.summary
    tiles = [
        _tile(summary.operations, "operations", ""),
        *(_tile(verdict.count(level), f"{level}s", str(level)) for level in Level),
    ]
    accepted = verdict.count_standing(Standing.SUPPRESSED)
    known = verdict.count_standing(Standing.BASELINE)
    if accepted:
        tiles.append(_tile(accepted, "suppressed", ""))
    if known:
        tiles.append(_tile(known, "in the baseline", ""))
    return el(
        "section",
        el("h2", "Coverage", class_="hidden"),
        el("div", _ring(summary.callable, summary.operations), el("ul", *tiles, class_="tiles")),
        el("ul", *(_bar(server) for server in verdict.audit.servers), class_="bars"),
        el(
            "p",
            el("span", class_="swatch callable"),
            " callable ",
            el("span", class_="swatch complete"),
            " complete, but not callable from hiffy ",
            el("span", class_="swatch broken"),
            " incomplete",
            class_="soft key",
        ),
        class_="overview",
        id="coverage",
    )


def _tile(number: int, label: str, kind: str) -> Html:
    classes = f"tile {kind if number else ''}".strip()
    said = label.removesuffix("s") if number == 1 else label
    return el("li", el("b", str(number)), f" {said}", class_=classes)


def _ring(part: int, whole: int) -> Html:
    percent = _CIRCLE * part / whole if whole else 0.0
    common = {"cx": "60", "cy": "60", "r": "50", "pathLength": "100", "fill": "none"}
    text = f"{part} of {whole} operations can be called"
    return el(
        "figure",
        el(
            "svg",
            el("circle", class_="rest", **common),
            el(
                "circle",
                class_="part",
                stroke_dasharray=f"{percent:.2f} {_CIRCLE:g}",
                transform="rotate(-90 60 60)",
                **common,
            )
            if part
            else "",
            viewBox="0 0 120 120",
            aria_hidden="true",
        ),
        el(
            "figcaption",
            el("b", str(part)),
            el("span", f"of {whole} operations can be called"),
            title=text,
        ),
        class_="ring",
    )


def _bar(server: ServerCoverage) -> Html:
    total = server.operation_count
    can = sum(o.is_callable for o in server.operations)
    complete = sum(o.is_complete and not o.is_callable for o in server.operations)
    broken = total - can - complete
    label, numbers = f"{can} of {total} callable", f"{can}/{total}"
    if server.interface is None:
        broken = 1  # there is something, nobody knows what
        label, numbers = "unreadable", "?"
    pieces = [
        el("span", class_=kind, style=f"flex:{count} 0 0")
        for kind, count in (("callable", can), ("complete", complete), ("broken", broken))
        if count
    ]
    return el(
        "li",
        el("a", el("b", server.task), f" {server.name}", href=f"#server-{server.task}"),
        el("span", *pieces, class_="bar", role="img", aria_label=label),
        el("span", numbers, class_="number"),
    )
