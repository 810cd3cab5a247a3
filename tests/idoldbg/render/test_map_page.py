"""The page of `map --html` in a browser: whole, quiet, on a phone too, and safe with any name."""

from __future__ import annotations

from pathlib import Path

import pytest

from idol.records import replace
from idoldbg.cli import run
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render.map_page import to_html
from idoldbg.views.memory_map import MapRow, MemoryMap, read_memory_map
from idoldbg.views.source import Source
from tests.browser import Browser

HOSTILE = '</style><script>document.title = "run"</script>\u202e"onload="x'


@pytest.fixture(scope="module")
def found() -> MemoryMap:
    return read_memory_map(open_program(TargetOptions(board="stm32f4-discovery")))


def test_page_of_a_running_board(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.html"
    assert run(["map", "--html", str(path)]) == 0
    assert capsys.readouterr().out.strip().endswith("map.html: written")
    page = browser.open(path)
    assert page.text_of("h1") == ["Memory map of stm32f4-discovery default"]
    assert page.text_of("h3") == [
        "kernel", "jefe", "hiffy", "spi", "sensor", "user_leds", "victim", "sleeper", "idle",
    ]  # fmt: skip
    victim = page.text_of("article:nth-of-type(7) p")
    assert victim == [
        "flash: 4624 of 8 KiB used",
        "RAM: 1156 of 2 KiB used; stack 200 of 1024 bytes touched, 824 left",
    ]
    bar = "document.querySelectorAll('article:nth-of-type(7) svg')[1]"
    widths = page.script(
        f"return Object.fromEntries([...{bar}.querySelectorAll('rect')]"
        ".map(r => [r.getAttribute('class'), r.getBoundingClientRect().width]))"
    )
    assert widths["lost"] / widths["used"] == pytest.approx(2048 / 1156, rel=0.02)
    assert widths["margin"] / widths["deep"] == pytest.approx(824 / 200, rel=0.05)
    assert widths["mark"] > 0
    assert page.requests() == []
    assert page.problems() == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_stands_out_of_the_page(
    browser: Browser, tmp_path: Path, found: MemoryMap, width: int
) -> None:
    path = tmp_path / "map.html"
    path.write_text(to_html(found, (), Source("archive", "/a/very/long/path" * 9, "00" * 8), "x"))
    page = browser.open(path, width=width)
    overflow = "return document.documentElement.scrollWidth - innerWidth"
    assert page.script(overflow) <= 0
    assert "stack 1024 bytes" in page.text_of("article:nth-of-type(2) p")[1]


def test_names_are_text(browser: Browser, tmp_path: Path, found: MemoryMap) -> None:
    rows = tuple(
        MapRow(replace(r.region, owners=(HOSTILE,), name=HOSTILE), r.used) for r in found.rows
    )
    memories = tuple(replace(memory, name=HOSTILE) for memory in found.memories)
    hostile = MemoryMap(rows, (), memories, ())
    path = tmp_path / "map.html"
    path.write_text(to_html(hostile, (), Source("archive", HOSTILE, ""), HOSTILE))
    page = browser.open(path)
    assert page.script("return document.scripts.length") == 0
    assert page.script("return document.title").startswith("Memory map of </style>")
    assert page.problems() == []


def test_memories_without_a_description_are_drawn(found: MemoryMap) -> None:
    """Builds of 2022 and 2023 do not say which memories their chips have."""
    page = to_html(MemoryMap(found.rows, (), (), found.stacks), (), Source("dump", "x", ""), "x")
    assert "<h2>flash</h2>" in page
    assert "<h2>ram</h2>" in page
