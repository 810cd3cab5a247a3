"""The lab's page: what it shows, what it never does."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("labgrid")

from idol.records import replace
from idoldbg.farm.coordinator import FarmPlace, Reservation
from idoldbg.farm.dashboard import Board, to_html

PLACE = FarmPlace("bench", {"chip": "stm32f4"}, "host/ann", 940.0)
WAITING = Reservation("TOKEN", "host/bob", "waiting", {"chip": "stm32f4"}, (), 970.0)
BOARD = Board("lab:20408", 1000.0, 10.0, (PLACE,), (WAITING,))


class Text(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def test_page_shows_places_and_queue_and_loads_itself_again() -> None:
    page = to_html(BOARD)
    text = " ".join(Text(page).parts)
    for shown in ("bench", "in use", "chip=stm32f4", "host/ann, for 1 min 00 s", "host/bob"):
        assert shown in text
    assert "waiting, for 30 s" in text
    assert '<meta http-equiv="refresh" content="10">' in page
    assert re.findall(r"https?://", page) == []


def test_lost_coordinator_is_shown_instead_of_old_places() -> None:
    page = to_html(replace(BOARD, problem="no labgrid coordinator answers"))
    assert "no labgrid coordinator answers" in page
    assert "bench" not in page and "host/bob" not in page


def test_names_from_the_network_are_text() -> None:
    evil = "</style><script>alert(1)</script>"
    place = replace(PLACE, name=evil, tags={evil: evil}, acquired_by=evil, comment=evil)
    page = to_html(replace(BOARD, places=(place,), queue=(replace(WAITING, owner=evil),)))
    assert Text(page).tags.count("script") == 1
    assert "alert(1)</script>" not in page


def test_empty_lab_says_so() -> None:
    assert "The coordinator has no places." in to_html(replace(BOARD, places=(), queue=()))
