"""Ring buffers as text and JSON: a whole answer of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idoldbg.model.types import CEnum, Enumerator
from idoldbg.model.values import make_enum
from idoldbg.render import json, ring_buffers
from idoldbg.views.counters import CounterLeaf
from idoldbg.views.ring_buffers import NewEntries, RingBuffer, RingEntry
from idoldbg.views.source import Source

Golden = Callable[[str, str], None]
TRACE = CEnum("thermal::Trace", 1, False, (Enumerator("Start", 0), Enumerator("Fail", 1)))
ENTRIES = (
    RingEntry(1, 2, 264, 20, make_enum(TRACE, "Fail")),
    RingEntry(0, 3, 301, 1, make_enum(TRACE, "Start")),
)
TOTALS = (
    CounterLeaf(("Start",), 1),
    CounterLeaf(("Fail", "Err", "NoDevice"), 412),
    CounterLeaf(("Fail", "Ok"), 0),
)
RINGS = (
    RingBuffer(
        "thermal", "__RINGBUF", "task_thermal::__RINGBUF", "", "/hubris/task/thermal/src/main.rs",
        0x20000000, 2, 0, ENTRIES, TOTALS,
    ),
    RingBuffer("net", "TRACES", "net::TRACES", "[1].a", None, 0x20000100, 4, None, ()),
    RingBuffer("spi", "R", "spi::R", "", None, 0x20000200, 4, 9, (), None, "damaged: …"),
    RingBuffer("spi", "C", "spi::C", "", None, 0x20000300, 0, None, (), TOTALS[:1]),
)  # fmt: skip
SHOWN: list[tuple[str, Callable[[], str]]] = [
    ("ringbuf.txt", lambda: ring_buffers.text(RINGS)),
    ("ringbuf-all.txt", lambda: ring_buffers.text(RINGS[:1], totals="all", expand=True)),
    ("ringbuf-list.txt", lambda: ring_buffers.listing(RINGS)),
    (
        "ringbuf.json",
        lambda: json.dumps(ring_buffers.json(Source("dump", "a.zip", "00", 7, True), RINGS[:2])),
    ),
    (
        "ringbuf-follow.txt",
        lambda: "\n".join(ring_buffers.news(RINGS[0], NewEntries(ENTRIES, 14, 3, True))),
    ),
    (
        "ringbuf-follow.json",
        lambda: "\n".join(
            json.line(each)
            for each in ring_buffers.news_objects(RINGS[0], NewEntries(ENTRIES[:1], 14))
        ),
    ),
]


@pytest.mark.parametrize(("name", "show"), SHOWN)
def test_output_is_as_agreed(name: str, show: Callable[[], str], golden: Golden) -> None:
    golden(f"cli/{name}", show() + "\n")


def test_expanded_entries_stop_somewhere() -> None:
    endless = RingBuffer(
        "t", "R", "R", "", None, 0, 1, 0, (RingEntry(0, 1, 1, 1 << 31, make_enum(TRACE, "Fail")),)
    )
    assert ring_buffers.text([endless], expand=True).count("\n") < 10_000
