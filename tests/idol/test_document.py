"""Documentation pages: what they say, and that no text gets out of its place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import idol
from idol.cli import main
from idol.document import FORMATS, describe
from idol.document.prose import Run, read_prose, read_summary
from tests.browser import Browser

ROOT = Path(__file__).resolve().parents[2]

SAMPLE = """\
Interface(
    name: "Light",
    doc: "A strip of lights. Each has an index,\\n starting at `0`.\\n\\nThere is one strip.",
    ops: {
        "set_level": (
            doc: "Sets the level of one light. 0 is off.",
            args: {
                "index": "u8",
                "mode": (type: "light_api::Mode", recv: FromPrimitive("u8"), doc: "How to fade."),
                "fade": (type: "Fade", recv: From("u16", Some("make_fade"))),
                "now": "bool",
                "alarm": (type: "Option<Alarm>", recv: FromPrimitive("u8")),
            },
            reply: Result(ok: "()", err: CLike("light_api::LightError")),
            idempotent: true,
        ),
        "play": (
            leases: {
                "levels": (type: "[u8]", read: true, max_len: Some(256), doc: "One per light."),
                "shown": (type: "[u8]", write: true),
                "times": (type: "[u16; 4]", read: true),
            },
            args: {"a": "Option<u16>", "b": "light_api::Effect"},
            encoding: Hubpack,
            reply: Result(ok: "(u8, Option<u32>)", err: Complex("light_api::PlayError")),
        ),
        "levels": (reply: Simple("[u8; 16]"), idempotent: true),
        "reset": (reply: Result(ok: "bool", err: ServerDeath)),
        "mode": (reply: Simple((type: "Mode", recv: FromPrimitive("u8"))), idempotent: true),
        "key": (args: {"key": "[u8; 32]"}, reply: Simple("()")),
    },
)
"""


def render(form: str, text: str) -> str:
    interface = idol.parse(idol.Source("idl/light.idol", text))
    return FORMATS[form].render_page(describe(interface))


@pytest.mark.parametrize("form", FORMATS)
def test_page(form: str, golden: Callable[[str, str], None]) -> None:
    golden(f"idol/light{FORMATS[form].suffix}", render(form, SAMPLE))


class Outline(HTMLParser):
    """Collects tags and words, and fails where a tag closes another one."""

    EMPTY = frozenset({"meta", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text_ = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text_ += data


def test_html_is_whole_and_self_contained() -> None:
    page = Outline(render("html", SAMPLE))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe"})
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    for word in ("set_level", "light_api::PlayError", "make_fade", "256 elements", "How to fade."):
        assert word in page.text_


@pytest.mark.parametrize("form", FORMATS)
def test_page_has_every_name_and_type(form: str) -> None:
    interface = idol.parse(SAMPLE)
    text = render(form, SAMPLE)
    text_ = Outline(text).text_ if form == "html" else text.replace("\\", "")
    for operation in interface.operations:
        for name in (operation.name, *(item.name for item in operation.arguments)):
            assert name in text_
        for lease in operation.leases:
            assert lease.name in text_
            assert str(lease.type) in text_
        for argument in operation.arguments:
            assert str(argument.type) in text_
        assert str(operation.reply.ok.type) in text_


HOSTILE = (
    "</code></td></table><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a | b || `c | d` \\| *bold* _it_ # h\n# heading\n\n1. one\n- two\n> quote\n***\n===",
    "``` ` `` fence ````",
    "[link](javascript:alert(1)) ![i](http://x) <http://x> http://example.org www.example.org",
    "&lt;b&gt; &amp; & ;",
    "$x$ @user ~~strike~~ {{ }} <!-- c -->",
)


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def make_hostile(text: str) -> str:
    q = quote(text)
    return f"""Interface(name: {q}, doc: {q}, ops: {{{q}: (doc: {q},
        args: {{{q}: (type: "u8", doc: {q}, recv: From("[u8; {{ 1 | 2 }}]", Some({q})))}},
        leases: {{{quote(text + "!")}: (type: "[u8; A || B]", read: true, doc: {q})}},
        reply: Result(ok: "X<'<'>", err: CLike("E")))}})"""


@pytest.mark.parametrize("text", HOSTILE)
def test_html_shows_hostile_text_unchanged(text: str) -> None:
    plain = Outline(render("html", make_hostile("plain")))
    page = Outline(render("html", make_hostile(text)))
    allowed = {tag for tag in plain.tags if tag[0] != "p"} | {("p", ()), ("code", ())}
    assert set(page.tags) <= allowed | set(plain.tags)
    assert "script" not in {tag for tag, _ in page.tags}
    assert " ".join(text.split("\n\n")[0].split()).replace("`", "") in page.text_.replace("`", "")
    assert page.links == plain.links


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_its_shape_around_hostile_text(text: str) -> None:
    plain, lines = read_outside_of_code("plain"), read_outside_of_code(text)
    # No line begins anything that it does not in a page without such texts.
    marks = re.compile(r"(#+|\*\*|```+|[-+*] |\d+[.)] |>|=+|<|\|)")
    expected = [mark[1] for line in plain if (mark := marks.match(line))]
    found = [mark[1] for line in lines if (mark := marks.match(line))]
    assert found == expected
    # Tables have as many bars as before: the others are escaped.
    bars = [
        [count_unescaped(line, r"\|") for line in page if line.startswith("|")]
        for page in (plain, lines)
    ]
    assert bars[0] == bars[1]
    text_ = "\n".join(re.sub(r"(?<!\\)(`+).*?(?<!`)\1(?!`)", "", line) for line in lines)
    ours = text_.count('<a id="op-') + len(re.findall(r"<code>[\w &#;@]*</code>", text_))
    assert count_unescaped(text_, "<") == 2 * ours  # and no tag besides


def count_unescaped(text: str, mark: str) -> int:
    return len(re.findall(rf"(?<!\\)(?:\\\\)*{mark}", text))


def read_outside_of_code(text: str) -> list[str]:
    """Return the lines of a hostile page without those of its code blocks."""
    page = render("markdown", make_hostile(text))
    return re.sub(r"^(```+)rust\n.*?\n\1$", "", page, flags=re.M | re.S).splitlines()


def test_prose() -> None:
    text = "One\n  line with `code`.\n\n \nAnother ``a ` b`` and ` alone."
    assert read_prose(text) == (
        (Run("One line with "), Run("code", is_code=True), Run(".")),
        (Run("Another "), Run("a ` b", is_code=True), Run(" and ` alone.")),
    )
    assert read_prose(None) == read_prose(" \n ") == ()


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("Reads. Then waits.", "Reads."),
        ("Reads e.g. this. And that.", "Reads e.g. this."),
        ("No end", "No end"),
        ("First\n\nSecond.", "First"),
        ("\n\nFirst", "First"),
        ("", ""),
    ],
)
def test_summary(text: str, summary: str) -> None:
    assert "".join(run.text for run in read_summary(text)) == summary


# -- the command -------------------------------------------------------------------------------


@pytest.fixture
def light(tmp_path: Path) -> Path:
    path = tmp_path / "light.idol"
    path.write_text(SAMPLE)
    return path


def test_doc_to_the_standard_output(light: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doc", str(light)]) == 0
    assert capsys.readouterr().out == render("markdown", SAMPLE)
    assert main(["doc", str(light), "--format", "html"]) == 0
    assert capsys.readouterr().out == render("html", SAMPLE)


def test_doc_to_a_file_once(light: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert main(["doc", str(light), "-o", str(out)]) == 0
    assert out.read_text() == render("html", SAMPLE)
    os.utime(out, ns=(1, 1))
    assert main(["doc", str(light), "-o", str(out)]) == 0
    assert out.stat().st_mtime_ns == 1


@pytest.mark.parametrize("form", FORMATS)
def test_doc_of_several_files(form: str, light: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "pages"
    files = [str(light), str(ROOT / "fixtures" / "idl" / "spi.idol")]
    assert main(["doc", *files, "--format", form, "-o", str(folder)]) == 0
    suffix = FORMATS[form].suffix
    assert {path.name for path in folder.iterdir()} == {
        f"{name}{suffix}" for name in ("index", "light", "spi")
    }
    index = (folder / f"index{suffix}").read_text()
    assert f"light{suffix}" in index
    assert "A strip of lights." in index
    # An interface without a sentence is told by what it has.
    assert "exchange" in index and "set_level" not in index
    assert f"index{suffix}" in (folder / f"light{suffix}").read_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_in_a_browser(width: int, tmp_path: Path, browser: Browser) -> None:
    """They fit, load nothing, lead back, and list the operations once, beside or folded."""
    folder = tmp_path / "pages"
    assert main(["doc", str(ROOT / "fixtures/idl"), "--format", "html", "-o", str(folder)]) == 0
    page = browser.open(folder / "index.html", width=width)
    assert page.text_of(".index b") == ["Jefe", "Sensor", "Spi", "UserLeds", "Victim"]
    for name in ("index", "spi", "sensor"):
        page = browser.open(folder / f"{name}.html", width=width)
        # The window's own edge counts as well, below 500 pixels.
        assert page.script("return document.documentElement.scrollWidth <= innerWidth")
        assert page.requests() == [] and page.problems() == []
    is_narrow = width < 800
    assert bool(page.text_of("nav ol a")) is not is_narrow
    assert page.text_of(".contents summary") == (["19 operations"] if is_narrow else [])
    if is_narrow:
        page.click(".contents summary")
        assert "wait_sample" in page.text_of(".contents")[0]
    colors = {
        page.script(f"return getComputedStyle(document.querySelector('{name}')).color")
        for name in (".badge.wire", ".badge.again", ".badge.once", "pre .keyword", "pre .type")
    }
    assert len(colors) == 5
    page.click("nav .back")
    assert page.text_of("h1") == ["Interfaces"]


def test_doc_of_bad_input(light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.idol"
    bad.write_text('Interface(name: "I", ops: {"a": ()})')
    assert main(["doc", str(bad)]) == 1
    assert "[missing-field]" in capsys.readouterr().err
    assert main(["doc", str(light), str(bad), "-o", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()
    assert main(["doc", str(light), str(light)]) == 2
    assert main(["doc", str(light), str(light), "-o", str(tmp_path / "out")]) == 2
    assert main(["doc", str(tmp_path / "none.idol")]) == 4
    assert main(["doc", str(light), "-o", str(tmp_path / "no" / "folder.md")]) == 4
    assert main(["doc", str(light), str(bad), "-o", str(bad)]) in (1, 4)


def test_all_files_of_a_checkout() -> None:
    folder = os.environ.get("IDOLDBG_HUBRIS")
    if not folder:
        pytest.skip("needs a checkout of oxidecomputer/hubris: IDOLDBG_HUBRIS=DIR")
    paths = [p for p in Path(folder).rglob("*.id*") if p.suffix in (".idol", ".idl")]
    assert paths
    for path in paths:
        interface = idol.parse(path.read_text())
        page = Outline(FORMATS["html"].render_page(describe(interface)))
        assert len([i for i in page.ids if i.startswith("op-")]) == len(interface.operations)
        text = FORMATS["markdown"].render_page(describe(interface))
        assert text.count("\n## ") == len(interface.operations)
