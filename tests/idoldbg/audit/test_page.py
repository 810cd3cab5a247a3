"""The HTML page in a real browser: it works, it is quiet, it fits, and names stay names."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from idol.findings.region import Region
from idoldbg.audit import Audit, Finding, Level, Role
from idoldbg.audit.verdict import judge
from idoldbg.render.audit import Files
from idoldbg.render.audit.html import to_html
from idoldbg.render.audit.html.drawings import TypeIndex, _types_of
from tests.idoldbg.audit.hostile import hostile_audit
from tests.tools import need

webdriver = pytest.importorskip("selenium.webdriver", reason="pip install -e '.[test]'")

WIDTHS = (400, 1400)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, or a skip that names what is missing."""
    chromium = need("chromium", "chromedriver", of="chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # Root needs --no-sandbox, small /dev/shm the other; the page itself reaches nothing anyway.
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options,
        service=webdriver.ChromeService(executable_path=str(shutil.which("chromedriver"))),
    )
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def broken(demo: Audit) -> Audit:
    """Return the demo's audit with an error and a warning."""
    found = (
        Finding(
            "type-missing", Level.ERROR, "`SpiError` is lost", "keep it", "spi", "Spi", "read",
            Role.ERROR, "", "SpiError", Region(15, 17, 15, 46),
        ),
        Finding("args-missing", Level.WARNING, "lost", "keep it", "sensor", "Sensor", "adjust"),
    )  # fmt: skip
    return replace(demo, findings=(*demo.findings, *found))


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Any:
    """Write an audit's page and open it with a window of some width."""

    def open_(report: Audit, width: int = 1400, anchor: str = "") -> Any:
        verdict = judge(report)
        path = tmp_path / f"audit-{width}.html"
        path.write_text(to_html(verdict, Files(report)), encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get_log("browser")  # forgets what others said
        browser.get(path.as_uri() + anchor)
        return browser

    return open_


def run(browser: Any, script: str) -> Any:
    return browser.execute_script(f"return {script}")


def visible(browser: Any, selector: str) -> list[str]:
    """Return the first lines of what is shown of a selector."""
    script = (
        f"[...document.querySelectorAll({json.dumps(selector)})]"
        ".filter(e => e.offsetParent !== null).map(e => e.textContent)"
    )
    found: list[str] = run(browser, script)
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_and_is_quiet(width: int, demo: Audit, open_page: Any) -> None:
    browser = open_page(broken(demo), width)
    run(browser, "document.querySelector('#open-all').click()")
    assert run(browser, "document.documentElement.scrollWidth") <= width
    # Nothing sticks out of what does not scroll.
    out = run(
        browser,
        "[...document.querySelectorAll('main *')].filter(e => e.offsetParent !== null"
        " && getComputedStyle(e).clipPath === 'none'"
        f" && e.getBoundingClientRect().right > {width} + 1).map(e => e.className)",
    )
    assert out == []
    assert browser.get_log("browser") == []


def test_filter_by_text(demo: Audit, open_page: Any) -> None:
    browser = open_page(broken(demo))
    assert len(visible(browser, ".operation")) == 48
    browser.find_element("id", "search").send_keys("exchange")
    assert visible(browser, ".operation .opener") == ["exchange"]
    assert visible(browser, ".server h3 b") == ["Spi"]
    assert visible(browser, "#shown") == ["1 of 48 operations"]
    browser.find_element("id", "search").send_keys(" nothing-has-this")
    assert visible(browser, "#nothing") == ["Nothing matches."]
    browser.find_element("id", "search").send_keys("\ue00c")  # Escape
    assert len(visible(browser, ".operation")) == 48


def test_filter_by_level(demo: Audit, open_page: Any) -> None:
    report = broken(demo)
    marked = replace(report, servers=tuple(_mark(s) for s in report.servers))
    browser = open_page(marked)
    run(browser, "document.querySelector('[data-show=error]').click()")
    assert visible(browser, ".operation .opener") == ["read"]
    assert len(visible(browser, ".group .card")) == 1
    run(browser, "document.querySelector('[data-show=problem]').click()")
    assert set(visible(browser, ".operation .opener")) == {"read", "get_reset_reason"}
    pressed = run(browser, "document.querySelector('[aria-pressed=true][data-show]').textContent")
    assert pressed == "With findings"


def _mark(server: Any) -> Any:
    """Put the error of `Spi.read` into the matrix, as an audit does."""
    from idoldbg.audit import Aspect, Mark

    def marks(covered: Any) -> Any:
        is_it = (server.task, covered.operation.name) == ("spi", "read")
        return {**covered.marks, Aspect.ERROR: Mark.ERROR} if is_it else covered.marks

    operations = tuple(replace(o, marks=marks(o)) for o in server.operations)
    return replace(server, operations=operations)


def test_no_heading_stands_above_nothing(demo: Audit, open_page: Any) -> None:
    browser = open_page(broken(demo))
    assert visible(browser, "h2")[-3:] == ["Findings", "Operations", "Types"]
    browser.find_element("id", "search").send_keys("jefe.set_state")
    assert visible(browser, ".group .card") == visible(browser, ".type.card") == []
    assert visible(browser, "main h2") == ["Coverage", "Operations"]
    browser.find_element("id", "search").send_keys("\ue00c")  # Escape
    assert visible(browser, "main h2") == ["Coverage", "Findings", "Operations", "Types"]


def test_rulers_have_the_offsets_of_the_pieces(demo: Audit, open_page: Any) -> None:
    """A piece begins where the ruler has its offset; the numbers do not touch."""
    browser = open_page(demo)
    wrong = run(
        browser,
        """[...document.querySelectorAll('.bytes')].flatMap((bytes) => {
          const bar = bytes.querySelector('.layout').getBoundingClientRect();
          const card = bytes.closest('.card');
          const size = Number(card.querySelector('small').textContent.match(/(\\d+) byte/)[1]);
          const wrong = [...bytes.querySelectorAll('.piece')].filter((piece) => {
            const at = Number(piece.querySelector('.offset').textContent);
            const left = piece.getBoundingClientRect().left - bar.left;
            return Math.abs(left - bar.width * at / size) > 1;
          });
          const marks = [...bytes.querySelectorAll('.ruler span')].map((mark) => {
            const box = mark.getBoundingClientRect();
            const range = document.createRange();
            range.selectNodeContents(mark);
            const text = range.getBoundingClientRect();
            const at = mark.className === 'end' ? box.right : box.left;
            const shift = Math.abs(at - bar.left - bar.width * mark.textContent / size);
            if (shift > 3) wrong.push(mark);
            return text;
          });
          for (let n = 1; n < marks.length; n += 1)
            if (marks[n].left < marks[n - 1].right) wrong.push(marks[n]);
          return wrong.map((element) => `${card.id} ${element.className} ${element.textContent}`);
        })""",
    )
    assert wrong == []
    assert run(browser, "document.querySelectorAll('.ruler').length") > 5


def test_a_type_of_several_tasks_is_drawn_once(demo: Audit, open_page: Any) -> None:
    """Each object file has a copy of it."""
    copies = replace(demo, servers=(*demo.servers, *copy.deepcopy(demo.servers)))
    before, after = ([entry[0].name for entry in TypeIndex(a).entries] for a in (demo, copies))
    assert after == before
    types = TypeIndex(copies)
    anchors = {types.anchor(t) for a in (copies,) for t in _structs(a)}
    assert None not in anchors and len(anchors) == len(before)


def _structs(audit: Audit) -> Iterator[Any]:
    for server in audit.servers:
        for covered in server.operations:
            yield from _types_of(covered)


def test_keyboard_alone_is_enough(demo: Audit, open_page: Any) -> None:
    browser = open_page(demo)
    body = browser.find_element("tag name", "body")
    body.send_keys("/")
    assert run(browser, "document.activeElement.id") == "search"
    opener = browser.find_element("css selector", "#op-sensor-configure .opener")
    run(browser, "document.querySelector('#op-sensor-configure .opener').focus()")
    opener.send_keys("\ue007")  # Enter
    assert opener.get_attribute("aria-expanded") == "true"
    assert "Sets the mode" in visible(browser, "#op-sensor-configure-detail")[0]
    opener.send_keys("\ue007")
    assert visible(browser, "#op-sensor-configure-detail") == []


def test_link_to_an_operation_opens_it(demo: Audit, open_page: Any) -> None:
    browser = open_page(demo, anchor="#op-spi-exchange")
    assert "lease, write" in visible(browser, "#op-spi-exchange-detail")[0]


def test_light_and_dark(demo: Audit, open_page: Any) -> None:
    browser = open_page(demo)
    paper = "getComputedStyle(document.body).backgroundColor"
    before = run(browser, paper)
    run(browser, "document.querySelector('#theme').click()")
    assert run(browser, paper) != before


def test_hostile_names_do_nothing(demo: Audit, open_page: Any) -> None:
    browser = open_page(hostile_audit(demo))
    run(browser, "document.querySelector('#open-all').click()")
    browser.find_element("id", "search").send_keys("script")
    assert run(browser, "window.hacked") is None
    assert run(browser, "document.scripts.length") == 1
    assert run(browser, "document.images.length") == 0
    assert "<script>window.hacked" in browser.find_element("tag name", "h1").text
    assert browser.get_log("browser") == []


# ---- without a browser ---------------------------------------------------------------------------


class _Checker(HTMLParser):
    """Collects what a page may not have, and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.wrong: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and value is not None:
                if value.startswith("#"):
                    self.anchors.append(value[1:])
                else:
                    self.wrong.append(f"{tag} href={value}")
            if name == "src" or name.startswith("on"):
                self.wrong.append(f"{tag} {name}={value}")


@pytest.mark.parametrize("is_hostile", [False, True])
def test_page_needs_nothing_and_its_links_lead_somewhere(is_hostile: bool, demo: Audit) -> None:
    report = hostile_audit(demo) if is_hostile else broken(demo)
    page = to_html(judge(report), Files(report))
    checker = _Checker()
    checker.feed(page)
    assert checker.wrong == []
    assert checker.scripts == 1
    assert "default-src 'none'; script-src 'sha256-" in unescape(page)
    if not is_hostile:  # hostile audits have an operation's name many times
        assert len(set(checker.ids)) == len(checker.ids)
        assert set(checker.anchors) <= set(checker.ids)


def test_signs_do_not_rely_on_colour(demo: Audit) -> None:
    page = to_html(judge(broken(demo)), Files(demo))
    signs = set(re.findall(r'<span class="sign (\w+)" aria-hidden="true">(.)</span>', page))
    assert len({sign for _, sign in signs}) == len({kind for kind, _ in signs})
