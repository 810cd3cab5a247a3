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
from urllib.parse import quote

from idoldbg.farm.records import FarmResult, Outcome, PlaceResult
from idoldbg.farm.timeline import WORDS, Spot, format_seconds, timeline
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
_BAD = (Outcome.FAILED, Outcome.ERROR, Outcome.INFRASTRUCTURE)
_FACTS = (("chip", "chip"), ("probe", "probe"), ("image_id", "image"))
_IMAGE_DIGITS = 16


def to_html(result: FarmResult, folder: Path | None = None) -> str:
    """Return the whole page; evidence is read from the files that the tests name.

    `folder` is where the page goes: files in it are linked by relative paths, so that the folder
    can be moved, or uploaded, as a whole.
    """
    spots: dict[str, dict[str, Spot]] = {}
    for column, place in enumerate(result.places):
        for row, test in enumerate(place.tests):
            spot = Spot(place, test, f"p{column}t{row}")
            spots.setdefault(test.node_id, {})[place.name] = spot
    files = resources.files("idoldbg.farm")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html_text(_verdict(result)[1])} · idoldbg farm</title>",
            f"<style>{files.joinpath('report.css').read_text('utf-8')}</style></head><body>",
            _head(result),
            _failures(spots, folder),
            _places(result.places, folder),
            timeline(result, spots),
            _matrix(result, spots),
            "<footer>made by <code>idoldbg farm run</code></footer>",
            f"<script>{files.joinpath('report.js').read_text('utf-8')}</script>",
            "</body></html>\n",
        ]
    )


def _verdict(result: FarmResult) -> tuple[str, str]:
    """Return a class and the sentence that matters most; each test counts once."""
    failed = result.count_tests(Outcome.FAILED) + result.count_tests(Outcome.ERROR)
    lost = [p for p in result.places if p.problem or p.count(Outcome.INFRASTRUCTURE)]
    passed = result.count_tests(Outcome.PASSED)
    skipped = result.count_tests(Outcome.SKIPPED)
    parts = []
    if failed:
        bad = sum(1 for p in result.places if p.count(Outcome.FAILED) + p.count(Outcome.ERROR))
        parts.append(f"{_count(failed, 'test')} failed on {_count(bad, 'board')}")
    if lost:
        parts.append(f"{_count(len(lost), 'board')} lost to the lab")
    if failed:
        return "failed", ", ".join(parts)
    if lost or not passed:
        return "infrastructure", ", ".join(parts) or "nothing ran"
    apart = f", {skipped} skipped" if skipped else ""
    boards = _count(len(result.places), "board")
    return "passed", f"all {_count(passed, 'test')} passed on {boards}{apart}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _head(result: FarmResult) -> str:
    kind, sentence = _verdict(result)
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(result.started))
    chips = "".join(
        f'<button class="chip {o}" data-filter="{o}" aria-pressed="false" '
        f'title="show only the tests that come to this on all boards together">'
        f"<b>{result.count_tests(o)}</b> {WORDS[o]}</button>"
        for o in Outcome
        if result.count_tests(o)
    )
    runs = sum(result.count(o) for o in Outcome)
    counts = f"{_count(len(result.tests), 'test')} on {_count(len(result.places), 'board')}"
    problem = f'<p class="problem">{html_text(result.problem)}</p>' if result.problem else ""
    return (
        f'<header class="{kind}"><p class="brand">idoldbg farm</p>'
        f"<h1>{html_text(sentence)}</h1>{problem}"
        f'<p class="meta">{counts}, {_count(runs, "run")} · {started} · '
        f"{format_seconds(result.duration_s)} · "
        f"<code>{html_text(' '.join(result.command))}</code></p>"
        f'<div class="chips" role="group" aria-label="show only">{chips}</div></header>'
    )


# -- places


def _places(places: list[PlaceResult], folder: Path | None) -> str:
    longest = max((p.duration_s for p in places), default=0.0) or 1.0
    cards = "".join(_card(place, longest, folder) for place in places)
    return f'<section><h2>Boards</h2><div class="cards">{cards}</div></section>'


def _card(place: PlaceResult, longest_s: float, folder: Path | None) -> str:
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
        f'title="{place.count(o)} {WORDS[o]}"></i>'
        for o in Outcome
        if place.count(o)
    )
    bad = [o for o in _BAD if place.count(o)]
    kind = "infrastructure" if place.problem else (bad[0] if bad else Outcome.PASSED)
    summary = ", ".join(f"{place.count(o)} {WORDS[o]}" for o in Outcome if place.count(o))
    problem = f'<p class="problem">⚡ {html_text(place.problem)}</p>' if place.problem else ""
    log = _details("end of pytest's output", place.log_tail) if place.log_tail else ""
    share = 100 * place.duration_s / longest_s
    return (
        f'<article class="card {kind}"><h3>{html_text(place.name)}</h3>'
        f'<p class="sub">{html_text(facts.get("board", ""))}</p><dl>{"".join(rows)}</dl>'
        f'<div class="bar" role="img" aria-label="{html_text(summary)}">{bar}</div>'
        f'<p class="sub">{html_text(summary or "nothing ran")}</p>'
        f'<div class="time" title="duration"><i style="width:{share:.1f}%"></i>'
        f"<span>{format_seconds(place.duration_s)}</span></div>{problem}{log}"
        f"{_files([_log_link(place, folder)])}</article>"
    )


# -- boards and tests


def _matrix(result: FarmResult, spots: Mapping[str, Mapping[str, Spot]]) -> str:
    places = result.places
    if not spots:
        return ""
    heads = "".join(
        f'<th scope="col"><span>{_breakable(place.name)}</span></th>' for place in places
    )
    body = []
    tests = result.tests
    file = None
    for node_id, row in spots.items():
        path, _, name = node_id.partition("::")
        if path != file:
            file = path
            body.append(
                f'<tr class="file"><th colspan="{len(places) + 1}" scope="rowgroup">'
                f"{html_text(path)}</th></tr>"
            )
        cells = "".join(_cell(row.get(place.name)) for place in places)
        body.append(
            f'<tr data-outcome="{tests.get(node_id, "")}"><th scope="row">'
            f"{_breakable(name or path)}</th>{cells}</tr>"
        )
    return (
        '<section><h2>Tests</h2><label class="search">'
        '<input type="search" placeholder="filter by name" aria-label="filter tests by name">'
        '</label><div class="scroll"><table><thead><tr><th scope="col">test</th>'
        f"{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{_legend()}</section>"
    )


def _legend() -> str:
    """Explain the signs of the cells."""
    signs = "".join(
        f'<li class="{o}"><b aria-hidden="true">{_SYMBOLS[o]}</b> {WORDS[o]}</li>' for o in Outcome
    )
    return (
        f'<ul class="legend" aria-label="signs">{signs}<li>empty: not run on this board</li></ul>'
    )


def _breakable(name: str) -> str:
    """Let a long name break where its words end."""
    return re.sub(r"(::|[-_/.]|(?=\[))", r"\1<wbr>", html_text(name))


def _cell(spot: Spot | None) -> str:
    if spot is None or spot.test.outcome is None:
        return '<td class="none" title="not run here"></td>'
    outcome = spot.test.outcome
    title = f"{spot.place.name}: {WORDS[outcome]}, {format_seconds(spot.test.duration_s)}"
    if spot.test.message:
        title += f"\n{spot.test.message}"
    took = format_seconds(spot.test.duration_s) if spot.test.duration_s else ""
    inner = f"<b>{_SYMBOLS[outcome]}</b><small>{took}</small>"
    if outcome in _BAD:
        inner = f'<a href="#{spot.anchor}">{inner}</a>'
    return f'<td class="{outcome}" title="{html_text(title)}">{inner}</td>'


# -- failures


def _failures(spots: Mapping[str, Mapping[str, Spot]], folder: Path | None) -> str:
    blocks = []
    for outcome in (Outcome.FAILED, Outcome.ERROR):
        for node_id, row in spots.items():
            bad = [spot for spot in row.values() if spot.test.outcome is outcome]
            if bad:
                blocks.append(_failure(node_id, outcome, bad, folder, by_place=True))
    lost: dict[str, list[Spot]] = {}
    for row in spots.values():
        for spot in row.values():
            if spot.test.outcome is Outcome.INFRASTRUCTURE:
                lost.setdefault(spot.place.name, []).append(spot)
    for place, bad in lost.items():
        blocks.append(_failure(place, Outcome.INFRASTRUCTURE, bad, folder, by_place=False))
    if not blocks:
        return ""
    return f'<section class="failures"><h2>What went wrong</h2>{"".join(blocks)}</section>'


def _failure(
    heading: str, outcome: Outcome, bad: list[Spot], folder: Path | None, *, by_place: bool
) -> str:
    """Show a test with its places, or a place with its tests; the same words stand there once."""
    groups: dict[str, list[Spot]] = {}
    for spot in bad:
        groups.setdefault(spot.test.message, []).append(spot)
    inner = []
    for message, group in groups.items():
        inner.append(f'<p class="message">{html_text(message)}</p>')
        is_open = " open" if outcome is not Outcome.INFRASTRUCTURE and len(bad) == 1 else ""
        for spot in group:
            name = spot.place.name if by_place else spot.test.node_id
            time_s = spot.test.duration_s
            took = f" <small>{format_seconds(time_s)}</small>" if time_s else ""
            inner.append(
                f'<details id="{spot.anchor}" class="spot"{is_open}>'
                f"<summary>{_breakable(name)}{took}</summary>{_spot(spot, folder)}</details>"
            )
    return (
        f'<article class="failure {outcome}"><h3><span class="mark">{_SYMBOLS[outcome]}</span> '
        f"{_breakable(heading)}</h3>{''.join(inner)}</article>"
    )


def _spot(spot: Spot, folder: Path | None) -> str:
    path = spot.test.properties.get("evidence")
    evidence = list(_evidence(path))
    titles = [title for title, _ in evidence]
    text = _without_sections(spot.test.text, titles)
    parts = [f"<pre>{_marked(text)}</pre>"] if text.strip() else []
    parts += [_details(title, content) for title, content in evidence]
    if spot.test.output:
        parts.append(_details("captured output", spot.test.output))
    links = [_link(path, "evidence as JSON", folder)] if path else []
    shown = "".join(parts) or "<p>Nothing was recorded.</p>"
    return shown + _files([*links, _log_link(spot.place, folder)])


def _files(links: Iterable[str]) -> str:
    found = [link for link in links if link]
    return f'<p class="files">{" · ".join(found)}</p>' if found else ""


def _log_link(place: PlaceResult, folder: Path | None) -> str:
    if folder is None or not place.folder:
        return ""
    log = folder / place.folder / "pytest.log"
    return _link(str(log), "pytest's output", folder) if log.is_file() else ""


def _link(path: str, name: str, folder: Path | None) -> str:
    """Link a file of the report's folder, by its path in it; anything else is not linked."""
    if folder is None:
        return ""
    try:
        inside = Path(path).resolve().relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # elsewhere, or no path at all
        return ""
    address = quote(inside.as_posix(), errors="surrogateescape")
    return f'<a href="{html_text(address)}">{name}</a>'


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
