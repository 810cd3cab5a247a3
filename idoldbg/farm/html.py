"""The report of a farm run as one HTML file that needs nothing else.

What went wrong with its evidence, the boards, then all tests: boards across, tests down. All text
is escaped: it comes from firmware, from tests and from the network.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from idol.records import dataclass
from idoldbg.farm.records import FarmResult, Outcome, PlaceResult, TestRecord
from idoldbg.render.printable import html_text

__all__ = ["to_html"]

EVIDENCE_LIMIT = 4 << 20
_SYMBOLS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.ERROR: "!",
    Outcome.INFRASTRUCTURE: "⚡",
    Outcome.SKIPPED: "–",
}
_WORDS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error in a fixture",
    Outcome.INFRASTRUCTURE: "lost to the lab",
    Outcome.SKIPPED: "skipped",
}
_BAD = (Outcome.FAILED, Outcome.ERROR, Outcome.INFRASTRUCTURE)
_FACTS = (("chip", "chip"), ("probe", "probe"), ("image_id", "image"))
_IMAGE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class _Spot:
    """One test on one place."""

    place: PlaceResult
    test: TestRecord
    anchor: str


def to_html(result: FarmResult) -> str:
    """Return the whole page; evidence is read from the files that the tests name."""
    spots: dict[str, dict[str, _Spot]] = {}
    for column, place in enumerate(result.places):
        for row, test in enumerate(place.tests):
            spot = _Spot(place, test, f"p{column}t{row}")
            spots.setdefault(test.node_id, {})[place.name] = spot
    folder = resources.files("idoldbg.farm")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html_text(_verdict(result)[1])} · idoldbg farm</title>",
            f"<style>{folder.joinpath('report.css').read_text('utf-8')}</style></head><body>",
            _head(result),
            _failures(spots),
            _places(result.places),
            _matrix(result.places, spots),
            "<footer>made by <code>idoldbg farm run</code></footer>",
            f"<script>{folder.joinpath('report.js').read_text('utf-8')}</script>",
            "</body></html>\n",
        ]
    )


def _verdict(result: FarmResult) -> tuple[str, str]:
    """Return a class and the sentence that matters most."""
    failed = result.count(Outcome.FAILED) + result.count(Outcome.ERROR)
    lost = [p for p in result.places if p.problem or p.count(Outcome.INFRASTRUCTURE)]
    ran = result.count(Outcome.PASSED)
    parts = []
    if failed:
        bad = sum(1 for p in result.places if p.count(Outcome.FAILED) + p.count(Outcome.ERROR))
        parts.append(f"{_count(failed, 'test')} failed on {_count(bad, 'board')}")
    if lost:
        parts.append(f"{_count(len(lost), 'board')} lost to the lab")
    if failed:
        return "failed", ", ".join(parts)
    if lost or not ran:
        return "infrastructure", ", ".join(parts) or "nothing ran"
    return "passed", f"all {ran} passed on {_count(len(result.places), 'board')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _head(result: FarmResult) -> str:
    kind, sentence = _verdict(result)
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(result.started))
    chips = "".join(
        f'<button class="chip {o}" data-filter="{o}" aria-pressed="false">'
        f"<b>{result.count(o)}</b> {_WORDS[o]}</button>"
        for o in Outcome
        if result.count(o)
    )
    problem = f'<p class="problem">{html_text(result.problem)}</p>' if result.problem else ""
    return (
        f'<header class="{kind}"><p class="brand">idoldbg farm</p>'
        f"<h1>{html_text(sentence)}</h1>{problem}"
        f'<p class="meta">{started} · {_seconds(result.duration_s)} · '
        f"<code>{html_text(' '.join(result.command))}</code></p>"
        f'<div class="chips" role="group" aria-label="show only">{chips}</div></header>'
    )


def _seconds(value: float) -> str:
    if value >= 60:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{value:.1f} s" if value >= 0.95 else f"{value * 1000:.0f} ms"


# -- places


def _places(places: list[PlaceResult]) -> str:
    longest = max((p.duration_s for p in places), default=0.0) or 1.0
    cards = "".join(_card(place, longest) for place in places)
    return f'<section><h2>Boards</h2><div class="cards">{cards}</div></section>'


def _card(place: PlaceResult, longest_s: float) -> str:
    facts = {**place.tags, **place.facts}
    rows = []
    for key, label in _FACTS:
        if facts.get(key):
            value = facts[key][:_IMAGE_DIGITS] if key == "image_id" else facts[key]
            title = html_text(facts[key])
            rows.append(f'<dt>{label}</dt><dd title="{title}">{html_text(value)}</dd>')
    total = len(place.tests) or 1
    bar = "".join(
        f'<i class="{o}" style="width:{100 * place.count(o) / total:.2f}%" '
        f'title="{place.count(o)} {_WORDS[o]}"></i>'
        for o in Outcome
        if place.count(o)
    )
    bad = [o for o in _BAD if place.count(o)]
    kind = "infrastructure" if place.problem else (bad[0] if bad else Outcome.PASSED)
    summary = ", ".join(f"{place.count(o)} {_WORDS[o]}" for o in Outcome if place.count(o))
    problem = f'<p class="problem">⚡ {html_text(place.problem)}</p>' if place.problem else ""
    log = _details("end of pytest's output", place.log_tail) if place.log_tail else ""
    share = 100 * place.duration_s / longest_s
    return (
        f'<article class="card {kind}"><h3>{html_text(place.name)}</h3>'
        f'<p class="sub">{html_text(facts.get("board", ""))}</p><dl>{"".join(rows)}</dl>'
        f'<div class="bar" role="img" aria-label="{html_text(summary)}">{bar}</div>'
        f'<p class="sub">{html_text(summary or "nothing ran")}</p>'
        f'<div class="time" title="duration"><i style="width:{share:.1f}%"></i>'
        f"<span>{_seconds(place.duration_s)}</span></div>{problem}{log}</article>"
    )


# -- boards and tests


def _matrix(places: list[PlaceResult], spots: Mapping[str, Mapping[str, _Spot]]) -> str:
    if not spots:
        return ""
    heads = "".join(
        f'<th scope="col"><span>{_breakable(place.name)}</span></th>' for place in places
    )
    body = []
    file = None
    for node_id, row in spots.items():
        path, _, name = node_id.partition("::")
        if path != file:
            file = path
            body.append(
                f'<tr class="file"><th colspan="{len(places) + 1}" scope="rowgroup">'
                f"{html_text(path)}</th></tr>"
            )
        outcomes = sorted({str(s.test.outcome) for s in row.values()})
        cells = "".join(_cell(row.get(place.name)) for place in places)
        body.append(
            f'<tr data-outcomes="{" ".join(outcomes)}"><th scope="row">'
            f"{_breakable(name or path)}</th>{cells}</tr>"
        )
    return (
        '<section><h2>Tests</h2><label class="search">'
        '<input type="search" placeholder="filter by name" aria-label="filter tests by name">'
        '</label><div class="scroll"><table><thead><tr><th scope="col">test</th>'
        f"{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div></section>"
    )


def _breakable(name: str) -> str:
    """Let a long name break where its words end."""
    return re.sub(r"(::|[-_/.]|(?=\[))", r"\1<wbr>", html_text(name))


def _cell(spot: _Spot | None) -> str:
    if spot is None or spot.test.outcome is None:
        return '<td class="none" title="not run here"></td>'
    outcome = spot.test.outcome
    title = f"{spot.place.name}: {_WORDS[outcome]}, {_seconds(spot.test.duration_s)}"
    if spot.test.message:
        title += f"\n{spot.test.message}"
    took = _seconds(spot.test.duration_s) if spot.test.duration_s else ""
    inner = f"<b>{_SYMBOLS[outcome]}</b><small>{took}</small>"
    if outcome in _BAD:
        inner = f'<a href="#{spot.anchor}">{inner}</a>'
    return f'<td class="{outcome}" title="{html_text(title)}">{inner}</td>'


# -- failures


def _failures(spots: Mapping[str, Mapping[str, _Spot]]) -> str:
    blocks = []
    for outcome in (Outcome.FAILED, Outcome.ERROR):
        for node_id, row in spots.items():
            bad = [spot for spot in row.values() if spot.test.outcome is outcome]
            if bad:
                blocks.append(_failure(node_id, outcome, bad, by_place=True))
    lost: dict[str, list[_Spot]] = {}
    for row in spots.values():
        for spot in row.values():
            if spot.test.outcome is Outcome.INFRASTRUCTURE:
                lost.setdefault(spot.place.name, []).append(spot)
    for place, bad in lost.items():
        blocks.append(_failure(place, Outcome.INFRASTRUCTURE, bad, by_place=False))
    if not blocks:
        return ""
    return f'<section class="failures"><h2>What went wrong</h2>{"".join(blocks)}</section>'


def _failure(heading: str, outcome: Outcome, bad: list[_Spot], *, by_place: bool) -> str:
    """Show a test with its places, or a place with its tests; the same words stand there once."""
    groups: dict[str, list[_Spot]] = {}
    for spot in bad:
        groups.setdefault(spot.test.message, []).append(spot)
    inner = []
    for message, group in groups.items():
        inner.append(f'<p class="message">{html_text(message)}</p>')
        is_open = " open" if outcome is not Outcome.INFRASTRUCTURE and len(bad) == 1 else ""
        for spot in group:
            name = spot.place.name if by_place else spot.test.node_id
            time_s = spot.test.duration_s
            took = f" <small>{_seconds(time_s)}</small>" if time_s else ""
            inner.append(
                f'<details id="{spot.anchor}" class="spot"{is_open}>'
                f"<summary>{_breakable(name)}{took}</summary>{_spot(spot)}</details>"
            )
    return (
        f'<article class="failure {outcome}"><h3><span class="mark">{_SYMBOLS[outcome]}</span> '
        f"{_breakable(heading)}</h3>{''.join(inner)}</article>"
    )


def _spot(spot: _Spot) -> str:
    evidence = list(_evidence(spot.test.properties.get("evidence")))
    titles = [title for title, _ in evidence]
    text = _without_sections(spot.test.text, titles)
    parts = [f"<pre>{_marked(text)}</pre>"] if text.strip() else []
    parts += [_details(title, content) for title, content in evidence]
    if spot.test.output:
        parts.append(_details("captured output", spot.test.output))
    return "".join(parts) or "<p>Nothing was recorded.</p>"


def _details(title: str, content: str) -> str:
    return (
        f"<details><summary>{html_text(title)}</summary><pre>{html_text(content)}</pre></details>"
    )


def _marked(text: str) -> str:
    """Escape a traceback; the lines that say what is wrong stand out."""
    lines = []
    for line in text.split("\n"):
        kind = "bad" if line.startswith("E  ") else "here" if line.startswith(">") else ""
        safe = html_text(line)
        lines.append(f'<span class="{kind}">{safe}</span>' if kind else safe)
    return "\n".join(lines)


def _without_sections(text: str, titles: Iterable[str]) -> str:
    """Cut off what the plug-in has added to pytest's text: it is shown apart."""
    names = "|".join(re.escape(title) for title in titles)
    match = re.search(rf"^ *-+ (?:{names}) -+ *$", text, re.MULTILINE) if names else None
    return text if match is None else text[: match.start()]


def _evidence(path: str | None) -> Iterable[tuple[str, str]]:
    """Read the sections of an evidence file; one that is gone or damaged says so."""
    if path is None:
        return
    try:
        data = Path(path).read_bytes()[:EVIDENCE_LIMIT]
        boards: list[dict[str, Any]] = json.loads(data)["boards"]
        for board in boards:
            prefix = f"{board['board']}: " if len(boards) > 1 else ""
            for title, content in board["sections"]:
                yield f"{prefix}{title}", str(content)
            if board["problems"]:
                yield f"{prefix}what could not be read", "\n".join(board["problems"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        yield "evidence", f"{path} cannot be read: {error}"
