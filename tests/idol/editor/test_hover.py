"""Hover: the text about the place under a cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from idol.editor.hover import hover
from idol.editor.index import RustIndex
from tests.idol.editor.cursor import at_cursor

LIGHT = """\
Interface(
    name: "Light",
    ops: {
        "set": (
            doc: "Sets a `level`.",
            args: {
                "index": "u16",
                "color": (type: "drv_light_api::Color", recv: FromPrimitive("u8"), doc: "Of it."),
                "level": "[u8; 3]",
            },
            leases: {"map": (type: "[u16]", read: true, max_len: Some(8))},
            reply: Result(ok: "u32", err: CLike("drv_light_api::LightError")),
        ),
    },
)
"""
RUST = """\
/// The colors that `set` knows.
#[derive(Copy, Clone)]
pub enum Color {
    Red = 1,
    Green = 2,
}
"""


@pytest.fixture
def index(tmp_path: Path) -> RustIndex:
    crate = tmp_path / "drv" / "light-api"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "drv-light-api"\n')
    (crate / "src" / "lib.rs").write_text(RUST)
    found = RustIndex()
    found.scan([str(tmp_path)])
    return found


def explain(text: str, index: RustIndex) -> tuple[str, str]:
    """Return what is said about a text with a cursor, and what it is said about."""
    document, offset = at_cursor(text)
    found = hover(document, offset, index)
    assert found is not None
    return found.markdown, document.text[found.span.start : found.span.end]


@pytest.mark.parametrize(
    ("place", "about", "expected"),
    [
        ('"s‸et"', '"set"', ["Code 1", "fn set(", "Sets a `level`.", "The message has 6 bytes"]),
        ('"ind‸ex"', '"index"', ["Argument `index: u16`", "2 bytes, at byte 0", "Zerocopy"]),
        ('"lev‸el"', '"level"', ["3 bytes, at byte 3 of the message"]),
        ('"co‸lor"', '"color"', ["1 byte, at byte 2", "Travels as `u8`", "Of it."]),
        ('"m‸ap"', '"map"', ["The server reads this memory", "At most 8 elements"]),
        (
            "drv_light_api::Co‸lor",
            "drv_light_api::Color",
            ["pub enum Color {\n    Red = 1,", "drv_light_api::Color` in `lib.rs", "`set` knows"],
        ),
        ("CL‸ike", "CLike", ["response code"]),
        ("max‸_len", "max_len", ["Most elements"]),
        ("From‸Primitive", "FromPrimitive", ["FromPrimitive"]),
        ('"Li‸ght"', '"Light"', ["1 operation"]),
        ('"u3‸2"', '"u32"', ["Reply of `set`: 4 bytes"]),
    ],
)
def test_explains_what_it_is_on(
    index: RustIndex, place: str, about: str, expected: list[str]
) -> None:
    plain = place.replace("‸", "")
    markdown, shown = explain(LIGHT.replace(plain, place, 1), index)
    assert shown == about
    for word in expected:
        assert word in markdown


@pytest.mark.parametrize(
    "place", ["‸Interface", "(\n‸    name", "leve‸l`.", "drv_light_api::LightErr‸or"]
)
def test_says_something_or_nothing_but_no_guess(index: RustIndex, place: str) -> None:
    plain = place.replace("‸", "")
    document, offset = at_cursor(LIGHT.replace(plain, place, 1))
    found = hover(document, offset, index)
    assert found is None or "LightError" not in found.markdown
    if place.startswith(("(", "leve")):
        assert found is None


def test_names_other_types_of_the_same_name(index: RustIndex, tmp_path: Path) -> None:
    other = tmp_path / "other.rs"
    other.write_text("pub struct Color;\n")
    index.update(str(other))
    text = LIGHT.replace("drv_light_api::Color", "Co‸lor")
    assert "Other types of this name" in explain(text, index)[0]
    text = LIGHT.replace("drv_light_api::Color", "drv_light_api::Co‸lor")
    assert "Other types" not in explain(text, index)[0]


def test_a_definition_that_moved_is_not_shown_wrongly(index: RustIndex, tmp_path: Path) -> None:
    (tmp_path / "drv/light-api/src/lib.rs").write_text("// all new\n" + RUST)
    markdown, _ = explain(LIGHT.replace("_api::Color", "_api::Co‸lor"), index)
    assert "all new" not in markdown and "```" not in markdown


def test_a_text_with_errors_explains_its_fields(index: RustIndex) -> None:
    assert "Doing it twice" in explain('Interface(ops: {"a": (idem‸potent: tru', index)[0]


def test_hostile_names_stay_inside_their_quotes(index: RustIndex) -> None:
    text = 'Interface(name: "L", ops: {"a": (args: {"x‸`[y](http://z)\u202e": "u8"}, '
    text += 'reply: Simple("u8"))})'
    markdown, _ = explain(text, index)
    assert "`x'[y](http://z)\\u{202e}: u8`" in markdown
