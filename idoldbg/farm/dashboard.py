"""The state of a lab as one HTML page that loads itself again, and says how old it is.

All text is escaped: it comes from the network. A page that nobody writes any more turns red by
itself, so that an old state is not taken for the state of now.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from idol.records import dataclass
from idoldbg.farm.coordinator import FarmPlace, Reservation
from idoldbg.render.printable import html_text

__all__ = ["Board", "to_html"]

STALE_AFTER = 3  # intervals without a new page

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
#age { opacity: .75; } .old, .lost { background: #b3261e; color: #fff; padding: .4rem .7rem; }
.places { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
.place { border: 1px solid #8886; border-left: .5rem solid #888; padding: .5rem .8rem; }
.place h3 { font-size: 1rem; margin: 0; } .place p { margin: .2rem 0; overflow-wrap: anywhere; }
.free { border-left-color: #2e9e5b; } .in-use, .reserved { border-left-color: #3b78d8; }
.away, .stale { border-left-color: #d89b1a; } .broken { border-left-color: #c5372c; }
.state { float: right; font-weight: 600; } .tags { opacity: .75; font-size: .9em; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
"""
_SCRIPT = """
const made = %d, limit = %d, age = document.getElementById("age");
function show() {
  const s = Math.max(0, Math.round(Date.now() / 1000 - made));
  age.textContent = s < limit ? s + " s old"
    : "This page is " + s + " s old: nobody writes it any more";
  age.className = s < limit ? "" : "old";
}
show(); setInterval(show, 1000);
"""


@dataclass(frozen=True, slots=True)
class Board:
    """Contents of the page; `problem` is why the coordinator could not be asked."""

    coordinator: str
    made: float
    interval_s: float
    places: Sequence[FarmPlace] = ()
    queue: Sequence[Reservation] = ()
    problem: str = ""


def to_html(board: Board) -> str:
    """Return the page."""
    states = [place.state for place in board.places]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    title = board.problem or counts or "no places"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(board.made))
    body = (
        [f'<p class="lost">{html_text(board.problem)}</p>']
        if board.problem
        else [f"<p>{html_text(counts or 'The coordinator has no places.')}</p>", *_body(board)]
    )
    limit = max(STALE_AFTER * board.interval_s, 10)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="refresh" content="{max(1, round(board.interval_s))}">',
            f"<title>{html_text(title)} · idoldbg farm</title><style>{_STYLE}</style></head><body>",
            f"<h1>Lab at {html_text(board.coordinator)}</h1>",
            f'<p>{when} <span id="age"></span></p>',
            *body,
            f"<script>{_SCRIPT % (int(board.made), int(limit))}</script></body></html>",
            "",
        ]
    )


def _body(board: Board) -> list[str]:
    lines = ['<div class="places">', *(_place(place, board.made) for place in board.places)]
    lines.append("</div>")
    if board.queue:
        lines.append("<h2>Queue</h2><table><tr><th>who</th><th>wants</th><th>state</th></tr>")
        for one in board.queue:
            wanted = " ".join(f"{k}={v}" for k, v in sorted(one.tags.items())) or "any place"
            state = " ".join([one.state, *one.places])
            cells = (one.owner, wanted, f"{state}, for {_span(board.made - one.created)}")
            lines.append("<tr>" + "".join(f"<td>{html_text(c)}</td>" for c in cells) + "</tr>")
        lines.append("</table>")
    return lines


def _place(place: FarmPlace, now: float) -> str:
    tags = " ".join(f"{k}={v}" for k, v in sorted(place.tags.items()))
    facts = [place.comment, *place.broken]
    if place.acquired_by:
        facts.append(f"{place.acquired_by}, for {_span(now - place.changed)}")
    if place.missing:
        facts.append(f"no exporter offers {', '.join(place.missing)}")
    return (
        f'<div class="place {place.state.replace(" ", "-")}">'
        f'<span class="state">{html_text(place.state)}</span><h3>{html_text(place.name)}</h3>'
        f'<p class="tags">{html_text(tags)}</p>'
        + "".join(f"<p>{html_text(fact)}</p>" for fact in facts if fact)
        + "</div>"
    )


def _span(seconds: float) -> str:
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {m:02} min" if hours else f"{m} min {s:02} s" if m else f"{s} s"
