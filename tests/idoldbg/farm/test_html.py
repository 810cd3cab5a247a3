"""The report of a farm run: in a real browser, and with texts that want to break it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from idoldbg.cli.farm import _write
from idoldbg.farm.html import to_html
from idoldbg.farm.junit_xml import to_junit
from idoldbg.farm.lines import LineFollower
from idoldbg.farm.records import FarmResult, Outcome, PlaceResult, ResultReader
from idoldbg.farm.runner import _folder_name
from tests.browser import Browser

STARTED = 1_750_000_000.0
EVIL = "<script>document.title='broken'</script>&\"'\0\x1b]0;x\udcff"
TRACEBACK = """\
    def test_exchange(idol):
>       assert idol.Spi.exchange(device_index=0).value == 3
E       AssertionError: assert None == 3

test_spi.py:7: AssertionError
------------------------------------ tasks -------------------------------------
ID  TASK       GEN  PRI  STATE
"""


def lines(folder: Path, place: str, chip: str, bad: dict[str, str]) -> list[str]:
    """Make the lines of one place's run; `bad` maps tests to how they end."""
    names = [f"tests/test_spi.py::test_exchange[{size}]" for size in (1, 16, 256)]
    names += ["tests/test_spi.py::test_flash_id", "tests/test_sensor.py::TestSensor::test_get"]
    names += ["tests/test_sensor.py::test_evil", "tests/test_leds.py::test_blink"]
    evidence = folder / f"{place}.json"
    board = {
        "board": place,
        "sections": [["tasks", "ID  TASK       GEN\n 0  jefe         0"], ["stacks", EVIL[:40]]],
        "problems": [],
    }
    evidence.write_text(json.dumps({"boards": [board]}))
    out = [json.dumps({"event": "collected", "tests": names})]
    start = STARTED + 4.0
    properties = [["board", f"{chip}-board"], ["chip", chip], ["probe", "remote:10.0.0.7:4711"]]
    properties += [["image_id", "0123456789abcdef0123456789abcdef"]]
    for number, name in enumerate(names):
        how = bad.get(name.rpartition("::")[2], "passed")
        if how == "cut":
            out.append(json.dumps({"event": "started", "test": name}))
            break
        event = {
            "event": "phase", "test": name, "when": "call", "duration_s": 0.02 * 3**number,
            "start": start,
            "outcome": "failed" if how in ("failed", "lost") else how,
            "infrastructure": "the probe was unplugged" if how == "lost" else None,
            "text": TRACEBACK if how == "failed" else EVIL if "evil" in name else "",
            "output": EVIL if how == "failed" else "",
            "properties": properties + ([["evidence", str(evidence)]] if how == "failed" else []),
        }  # fmt: skip
        start += 0.02 * 3**number
        out += [json.dumps({"event": "started", "test": name}), json.dumps(event)]
    return out


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> FarmResult:
    folder = tmp_path_factory.mktemp("evidence")
    wanted: list[tuple[str, str, dict[str, str], str]] = [
        ("rack1-f4-a", "stm32f4", {}, ""),
        ("rack1-f4-b", "stm32f4", {"test_exchange[16]": "failed"}, ""),
        ("rack2-rot-a", "lpc55", {"test_blink": "skipped", "test_evil": "failed"}, ""),
        ("rack2-rot-b", "lpc55", {"test_get": "lost"}, ""),
        ("rack3-g0", "stm32g0", {"test_flash_id": "cut"}, "pytest ended with signal SIGKILL"),
    ]
    places = []
    for index, (name, chip, bad, problem) in enumerate(wanted):
        reader = ResultReader()
        reader.feed(lines(folder, name, chip, bad))
        place = PlaceResult(name, {"chip": chip, "rack": name.split("-")[0]})
        place.tests = reader.finish(problem)
        place.problem, place.duration_s = problem, 12.5 * (index + 1)
        place.log_tail = EVIL if problem else ""
        place.started = STARTED + 0.4 * index
        places.append(place)
    return FarmResult(places, STARTED, 75.4, ["pytest", "tests", "-k", EVIL[:20]])


def test_outcomes_of_a_run_that_was_cut(result: FarmResult) -> None:
    last = result.places[-1]
    assert [test.outcome for test in last.tests] == [Outcome.PASSED] * 3 + [
        Outcome.INFRASTRUCTURE
    ] * 4
    assert last.tests[3].message == "pytest ended with signal SIGKILL (while this test ran)"
    assert last.tests[4].message == "pytest ended with signal SIGKILL (before this test)"


def test_page_in_a_browser(result: FarmResult, tmp_path: Path, browser: Browser) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(result), errors="replace")
    page = browser.open(path)
    assert page.text_of("h1") == ["2 tests failed on 2 boards, 2 boards lost to the lab"]
    assert page.script("return document.title").startswith("2 tests failed")
    assert page.text_of(".card h3") == [place.name for place in result.places]
    assert page.text_of("thead th")[1:] == [place.name for place in result.places]
    assert len(page.text_of("tbody tr:not(.file)")) == 7
    assert page.text_of("td.failed b") == ["✗", "✗"]
    assert len(page.text_of("td.infrastructure")) == 5

    page.click("td.failed a")
    assert page.script("return document.querySelector(location.hash).open") is True
    (text,) = page.text_of(f"{page.script('return location.hash')} > pre")
    assert "E       AssertionError: assert None == 3" in text
    assert "STATE" not in text, "evidence is shown apart"

    page.click(".chip.infrastructure")
    assert not page.text_of(".failure.failed")
    assert len(page.text_of("tbody tr:not(.file)")) == 3
    page.click(".chip.infrastructure")
    page.type("input[type=search]", "flash")
    assert [row.split()[0] for row in page.text_of("tbody tr:not(.file)")] == ["test_flash_id"]
    assert page.text_of("tr.file") == ["tests/test_spi.py"]

    assert page.requests() == []
    assert page.problems() == []


def test_numbers_count_tests_and_not_their_runs(result: FarmResult) -> None:
    """Seven tests on five boards: the numbers of the page add up to seven."""
    assert len(result.tests) == 7
    assert sum(result.count_tests(outcome) for outcome in Outcome) == 7
    assert result.count_tests(Outcome.FAILED) == 2 and result.count_tests(Outcome.PASSED) == 2
    assert result.count_tests(Outcome.INFRASTRUCTURE) == 3
    # What a test says of the firmware comes before what the lab did.
    name = next(node_id for node_id in result.tests if "evil" in node_id)
    assert result.tests[name] is Outcome.FAILED
    page = to_html(result)
    assert "7 tests on 5 boards, 35 runs" in page
    numbers = re.findall(r"<b>(\d+)</b> (?:passed|failed|skipped|lost|error)", page)
    assert sum(map(int, numbers)) == 7


def test_times_of_the_boards_are_drawn_to_one_scale(
    result: FarmResult, tmp_path: Path, browser: Browser
) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(result), errors="replace")
    page = browser.open(path)
    assert page.text_of(".timeline .place") == [place.name for place in result.places]
    shares = page.script(
        """return [...document.querySelectorAll('.track')].map((track) => {
          const whole = track.getBoundingClientRect();
          const held = track.querySelector('.held').getBoundingClientRect();
          return [(held.left - whole.left) / whole.width, held.width / whole.width];
        })"""
    )
    for place, (left, width) in zip(result.places, shares, strict=True):
        assert place.started is not None
        assert left == pytest.approx((place.started - STARTED) / 75.4, abs=0.005)
        assert width == pytest.approx(place.duration_s / 75.4, abs=0.005)
    # The longest test of the first board: 14.58 s, and 7.3 s of short ones before it.
    piece = page.script(
        """const track = document.querySelector('.track').getBoundingClientRect();
        const box = [...document.querySelectorAll('.track')][0].lastChild.getBoundingClientRect();
        return [(box.left - track.left) / track.width, box.width / track.width];"""
    )
    before_s = 4 + sum(0.02 * 3**number for number in range(6))
    assert piece == pytest.approx([before_s / 75.4, 0.02 * 3**6 / 75.4], abs=0.005)
    page.script("document.querySelector('.track a.failed').click()")
    assert page.script("return document.querySelector(location.hash).open") is True
    ticks = page.text_of(".axis span")
    assert ticks[:3] == ["0", "10.0 s", "20.0 s"] and len(ticks) == 8


def test_times_that_tests_make_up_draw_nothing_outside(tmp_path: Path) -> None:
    place = PlaceResult("p", duration_s=10.0, started=STARTED)
    reader = ResultReader()
    for number, start in enumerate((0, -1, "x", True, 1e300, STARTED - 9, STARTED + 99, None)):
        event = {"event": "phase", "test": f"t{number}", "when": "call", "outcome": "passed"}
        reader.feed([json.dumps({**event, "start": start, "duration_s": 5})])
    reader.feed([json.dumps({**event, "test": "real", "start": STARTED + 9, "duration_s": 5})])
    place.tests = reader.finish("")
    page = to_html(FarmResult([place], STARTED, 10.0, []))
    pieces = re.findall(r'<i class="passed" style="left:([\d.]+)%;width:([\d.]+)%"', page)
    assert pieces == [("90.000", "10.000")]
    assert "<h2>Time</h2>" not in to_html(FarmResult([PlaceResult("p")], 0.0, 1.0, []))


def test_evidence_is_linked_by_its_path_in_the_report(tmp_path: Path, browser: Browser) -> None:
    """The folder can be moved: to an archive of CI, to another machine."""
    out = tmp_path / "first place"
    folder = out / "places" / "desk #1"
    (folder / "evidence").mkdir(parents=True)
    (folder / "pytest.log").write_text("all of it")
    reader = ResultReader()
    reader.feed(lines(folder / "evidence", "desk", "stm32f4", {"test_get": "failed"}))
    elsewhere = lines(tmp_path, "other", "stm32f4", {"test_get": "failed"})
    other = ResultReader()
    other.feed(elsewhere)
    places = [
        PlaceResult("desk", tests=reader.finish(""), folder="places/desk #1"),
        PlaceResult("other", tests=other.finish("")),
    ]
    _write(out, FarmResult(places, 0.0, 1.0, []))
    moved = out.rename(tmp_path / "moved")
    page = browser.open(moved / "report.html")
    links = page.script(
        "return [...document.querySelectorAll('.files a')].map(a => a.getAttribute('href'))"
    )
    log = "places/desk%20%231/pytest.log"
    assert sorted(links) == [f"{log[:-10]}evidence/desk.json", log, log]
    page.script("document.querySelector('.failure .files a').click()")
    assert "jefe" in page.script("return document.body.innerText")
    assert str(tmp_path) not in (moved / "report.html").read_text().replace(
        str(tmp_path / "other"), ""
    )


def test_signs_are_explained(result: FarmResult) -> None:
    page = to_html(result)
    legend = page[page.index('<ul class="legend"') :]
    cells = set(re.findall(r"<td[^>]*>(?:<a[^>]*>)?<b>(.)</b>", page))
    assert cells == {"✓", "✗", "⚡", "–"}
    for sign in cells:
        assert f'<b aria-hidden="true">{sign}</b>' in legend


@pytest.mark.parametrize("width", [1280, 420])
def test_page_fits_its_window(
    result: FarmResult,
    tmp_path: Path,
    browser: Browser,
    width: int,
) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(result), errors="replace")
    page = browser.open(path, width=width)
    assert page.script("return document.documentElement.scrollWidth <= innerWidth") is True
    page.screenshot(tmp_path / f"report-{width}.png")


def test_surrogates_and_odd_places_do_not_lose_the_report(tmp_path: Path) -> None:
    """JSON lines can hold characters that a file cannot."""
    place = PlaceResult("../rack 1/ü")
    reader = ResultReader()
    reader.feed(lines(tmp_path, "desk", "stm32f4", {"test_evil": "failed"}))
    place.tests = reader.finish("")
    _write(tmp_path / "out", FarmResult([place], 0.0, 1.0, ["pytest"]))
    assert ET.parse(tmp_path / "out" / "junit.xml").getroot().get("failures") == "1"
    assert "<h1>1 test failed on 1 board</h1>" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["summary"]["failed"] == 1


def test_folders_of_places_stay_inside_the_report() -> None:
    names = ["rack1-f4", "..", "a/b", "a-b", "../../etc", ".hidden", "ü", "x" * 300, "x" * 299]
    folders = [_folder_name(name) for name in names]
    assert folders[0] == "rack1-f4"
    assert len(set(folders)) == len(names)
    assert all(re.fullmatch(r"[\w-][\w.-]{0,99}", folder, re.ASCII) for folder in folders)


def test_the_page_shows_success_and_empty_runs(tmp_path: Path) -> None:
    good = PlaceResult("desk")
    reader = ResultReader()
    reader.feed(lines(tmp_path, "desk", "stm32f4", {}))
    good.tests = reader.finish("")
    assert "<h1>all 7 tests passed on 1 board</h1>" in to_html(
        FarmResult([good], 0.0, 1.0, ["pytest"])
    )
    lost = PlaceResult("desk", problem="the place is already acquired")
    page = to_html(FarmResult([lost], 0.0, 1.0, ["pytest"]))
    assert "<h1>1 board lost to the lab</h1>" in page
    assert "the place is already acquired" in page


def test_junit_file_has_a_suite_for_each_place(result: FarmResult) -> None:
    root = ET.fromstring(to_junit(result).encode("utf-8", errors="replace"))
    assert root.attrib.items() >= {"tests": "35", "failures": "2", "errors": "5"}.items()
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [place.name for place in result.places]
    (error,) = suites["rack2-rot-b"].iter("error")
    assert error.attrib == {"type": "infrastructure", "message": "the probe was unplugged"}
    case = next(c for c in suites["rack1-f4-a"].iter("testcase") if c.get("name") == "test_get")
    assert case.get("classname") == "rack1-f4-a.tests.test_sensor.TestSensor"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"event": "phase"}', "null", '{"event": 3}'])
def test_lines_that_are_none_are_passed_over(damage: str) -> None:
    reader = ResultReader()
    reader.feed([json.dumps({"event": "collected", "tests": ["a::b"]}), damage])
    assert reader.tests["a::b"].outcome is None


@pytest.mark.parametrize(
    "event",
    [
        {"event": "collected"},
        {"event": "collected", "tests": 7},
        {"event": "collected", "tests": [None, {}]},
        {"event": "phase", "test": "a", "duration_s": 10**400},
        {"event": "phase", "test": "a", "duration_s": 1e400, "when": "call"},
        {"event": "phase", "test": "a", "duration_s": -1, "when": "call"},
        {"event": "phase", "test": "a", "duration_s": {}, "properties": 3},
        {"event": "phase", "test": "a", "properties": [[1, 2], ["a"]], "text": None},
        {"event": "phase", "test": "a", "properties": {"a\n\0": ["\ud800"]}, "when": "call"},
        {"event": "finished", "exit_status": "x"},
        {"event": "finished", "exit_status": 1e400},
    ],
)
def test_results_that_tests_have_written_over_make_a_report(
    event: dict[str, object], tmp_path: Path
) -> None:
    reader = ResultReader()
    reader.feed([json.dumps(event), "[" * 100_000, "\ud800", json.dumps({"event": "finished"})])
    place = PlaceResult("p", tests=reader.finish("cut"))
    assert all(0 <= test.duration_s < 1e9 for test in place.tests)
    _write(tmp_path, FarmResult([place], 0.0, 0.0, []))
    ET.parse(tmp_path / "junit.xml")
    json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)


def test_lines_are_followed_as_they_grow_and_none_is_endless(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with path.open("wb") as writer, path.open("rb") as file:
        lines = LineFollower(file, line_limit=100, chunk_size=7)

        def read(data: bytes, *, is_last: bool = False) -> list[str]:
            writer.write(data)
            writer.flush()
            return list(lines.read(is_last=is_last))

        assert read(b"one\ntw") == ["one"]
        assert read(b"o\n\nthree") == ["two"]
        assert read(b"\n" + b"x" * 99) == ["three"]
        assert read(b"x\n") == ["x" * 100]
        assert read(b"y" * 500) == []
        assert read(b"y" * 500 + b"\nfour\nfi") == ["four"]
        assert read(b"ve\xff", is_last=True) == ["five\ufffd"]
