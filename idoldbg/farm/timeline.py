"""When each board did what: the part of a farm's report with a row of time for each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from idol.records import dataclass
from idoldbg.farm.records import FarmResult, Outcome, PlaceResult, TestRecord
from idoldbg.render.printable import html_text

__all__ = ["WORDS", "Spot", "format_seconds", "timeline"]

WORDS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error in a fixture",
    Outcome.INFRASTRUCTURE: "lost to the lab",
    Outcome.SKIPPED: "skipped",
}

#: Shortest piece of time that is drawn by itself, as a part of the whole.
_LEAST = 0.002
#: Steps of the axis, in seconds.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True)
class Spot:
    """One test on one place."""

    place: PlaceResult
    test: TestRecord
    anchor: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of time in which tests ended the same way, from the run's beginning."""

    start_s: float
    end_s: float
    outcome: Outcome
    spots: tuple[Spot, ...]


def format_seconds(value: float) -> str:
    """Write a time for people: `2 min 5 s`, `4.2 s`, `20 ms`."""
    if value >= 60:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{value:.1f} s" if value >= 0.95 else f"{value * 1000:.0f} ms"


def timeline(result: FarmResult, spots: Mapping[str, Mapping[str, Spot]]) -> str:
    """Return the section; nothing where no place says when it began."""
    whole_s = max([result.duration_s, *(_end_s(result, p) for p in result.places)], default=0.0)
    if whole_s <= 0 or all(place.started is None for place in result.places):
        return ""
    rows = "".join(_row(result, place, spots, whole_s) for place in result.places)
    key = (
        '<p class="key"><i class="held"></i> the board is taken, no test runs: '
        "attaching, flashing, collecting, giving back</p>"
    )
    return (
        f'<section><h2>Time</h2><div class="timeline">{rows}{_axis(whole_s)}</div>{key}</section>'
    )


def _end_s(result: FarmResult, place: PlaceResult) -> float:
    if place.started is None:
        return 0.0
    return max(place.started - result.started, 0.0) + place.duration_s


def _row(
    result: FarmResult,
    place: PlaceResult,
    spots: Mapping[str, Mapping[str, Spot]],
    whole_s: float,
) -> str:
    pieces = [_draw(piece, whole_s) for piece in _pieces(result, place, spots, whole_s)]
    if place.started is not None:
        start_s, end_s = max(place.started - result.started, 0.0), _end_s(result, place)
        held = f"taken for {format_seconds(place.duration_s)}"
        pieces.insert(0, f'<i class="held" {_style(start_s, end_s, whole_s)} title="{held}"></i>')
    return (
        f'<span class="place">{html_text(place.name)}</span>'
        f'<div class="track">{"".join(pieces)}</div>'
    )


def _pieces(
    result: FarmResult,
    place: PlaceResult,
    spots: Mapping[str, Mapping[str, Spot]],
    whole_s: float,
) -> Iterator[_Piece]:
    """Yield tests in the order of time; short ones of one outcome together."""
    timed = []
    for test in place.tests:
        if test.start is None or test.outcome is None:
            continue
        start_s = test.start - result.started
        if 0 <= start_s <= whole_s:  # the tests' own process says when: it may say anything
            timed.append((start_s, test))
    timed.sort(key=lambda pair: pair[0])
    last: _Piece | None = None
    for start_s, test in timed:
        assert test.outcome is not None  # see above
        end_s = min(start_s + test.duration_s, whole_s)
        spot = spots[test.node_id][place.name]
        is_near = last is not None and start_s - last.end_s < _LEAST * whole_s
        is_short = end_s - start_s < _LEAST * whole_s * 4
        if last is not None and last.outcome is test.outcome and is_near and is_short:
            last = _Piece(last.start_s, max(end_s, last.end_s), last.outcome, (*last.spots, spot))
            continue
        if last is not None:
            yield last
        last = _Piece(start_s, end_s, test.outcome, (spot,))
    if last is not None:
        yield last


def _draw(piece: _Piece, whole_s: float) -> str:
    first = piece.spots[0]
    names = first.test.node_id
    if len(piece.spots) > 1:
        names = f"{len(piece.spots)} tests, from {names}"
    took = format_seconds(piece.end_s - piece.start_s)
    title = html_text(f"{names}: {WORDS[piece.outcome]}, {took}")
    style = _style(piece.start_s, piece.end_s, whole_s)
    if piece.outcome in (Outcome.PASSED, Outcome.SKIPPED):
        return f'<i class="{piece.outcome}" {style} title="{title}"></i>'
    label = html_text(f"{first.place.name}: {names}: {WORDS[piece.outcome]}")
    return (
        f'<a class="{piece.outcome}" href="#{first.anchor}" {style} title="{title}" '
        f'aria-label="{label}"></a>'
    )


def _style(start_s: float, end_s: float, whole_s: float) -> str:
    left = min(100.0, 100 * start_s / whole_s)
    width = max(0.0, min(100.0 - left, 100 * (end_s - start_s) / whole_s))
    return f'style="left:{left:.3f}%;width:{width:.3f}%"'


def _axis(whole_s: float) -> str:
    step = next((s for s in _STEPS if whole_s / s <= _MOST_TICKS), whole_s / _MOST_TICKS)
    ticks = []
    count = int(whole_s / step) + 1
    for number in range(min(count, _MOST_TICKS + 1)):
        at_s = number * step
        shown = format_seconds(at_s) if at_s else "0"
        ticks.append(f'<span style="left:{100 * at_s / whole_s:.3f}%">{shown}</span>')
    return f'<span></span><div class="axis" aria-hidden="true">{"".join(ticks)}</div>'
