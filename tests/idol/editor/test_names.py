"""Renaming, and where a type is used."""

from __future__ import annotations

import pytest

from idol.editor.document import Document
from idol.editor.edits import apply_edits
from idol.editor.names import RenameError, find_name, find_uses, outline, rename
from tests.idol.editor.cursor import at_cursor

LIGHT = """\
Interface(name: "Light", ops: {
    "set": (args: {"a": "api::Color", "b": "Option<api::Color>"}, leases: {"m": (type: "[u8]", \
read: true)}, reply: Result(ok: "()", err: CLike("api::LightError"))),
    "get": (reply: Simple("u8"), idempotent: true),
})
"""
OTHER = 'Interface(name: "Lamp", ops: {"x": (args: {"c": "[api::Color; 2]", "d": "Color"}, \
reply: Result(ok: "()", err: ServerDeath))})'


def rename_at(place: str, new: str, others: tuple[Document, ...] = ()) -> dict[str, str]:
    """Return the changed documents after renaming at a cursor."""
    document, offset = at_cursor(LIGHT.replace(place.replace("‸", ""), place, 1))
    changed = rename(document, find_name(document, offset), new, others)
    before = {document.name: document.text, **{o.name: o.text for o in others}}
    return {name: apply_edits(before[name], edits) for name, edits in changed.items()}


@pytest.mark.parametrize(
    ("place", "new", "result"),
    [
        ('"Li‸ght"', "Lamp", '"Lamp"'),
        ('"s‸et"', "put", '"put"'),
        ('"a‸"', "index", '"index"'),
        ('"a‸"', "type", '"r#type"'),
        ('"m‸"', "memory", '"memory"'),
    ],
)
def test_a_name_changes_where_it_stands(place: str, new: str, result: str) -> None:
    changed = rename_at(place, new)
    assert changed == {"light.idol": LIGHT.replace(place.replace("‸", ""), result, 1)}


def test_a_type_changes_everywhere_it_is_named_the_same() -> None:
    other = Document("lamp.idol", OTHER)
    changed = rename_at("api::Col‸or", "Hue", (other,))
    assert changed == {
        "light.idol": LIGHT.replace("api::Color", "api::Hue"),
        "lamp.idol": OTHER.replace("api::Color", "api::Hue"),  # `Color` may be another
    }


@pytest.mark.parametrize(
    ("place", "new", "reason"),
    [
        ('"s‸et"', "get", "declared twice"),
        ('"s‸et"', "two words", "not a Rust identifier"),
        ('"s‸et"', "fn", "not a Rust identifier"),
        ('"s‸et"', "recv_source", "already"),
        ('"a‸"', "m", "both an argument and a lease"),
        ('"a‸"', "", "not a Rust identifier"),
        ('"Li‸ght"', "3d", "not a Rust identifier"),
        ("api::Col‸or", "r#self", "not a Rust identifier"),
    ],
)
def test_a_name_that_cannot_be_is_refused(place: str, new: str, reason: str) -> None:
    with pytest.raises(RenameError, match=reason):
        rename_at(place, new)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Inter‸face()", "no name here"),
        ('Interface(name: "‸L"', "not RON"),
        (
            'Interface(name: "L", ops: {"\\u{61}‸b": (reply: Simple("u8"), idempotent: true)})',
            "escapes",
        ),
        ('Interface(name: "L", ops: {"a": (doc: "wo‸rd", reply: Simple("u8"))})', "no name here"),
        ('Interface(name: "L", ops: {"a": (reply: Simple("u‸8"))})', "no name here"),
    ],
)
def test_says_why_there_is_nothing_to_rename(text: str, reason: str) -> None:
    document, offset = at_cursor(text)
    with pytest.raises(RenameError, match=reason):
        find_name(document, offset)


def test_uses_of_a_type_count_imported_names() -> None:
    documents = [Document("light", LIGHT), Document("lamp", OTHER), Document("bad", "Interface(")]
    uses = find_uses(("api", "Color"), documents)
    assert [name for name, _ in uses] == ["light", "light", "lamp", "lamp"]
    assert find_uses(("other", "Color"), documents) == [uses[3]]
    name, span = uses[2]
    assert OTHER[span.start : span.end] == "api::Color" and name == "lamp"


def test_the_outline_lists_operations_with_their_codes() -> None:
    found = outline(Document("light", LIGHT))
    assert [(name, detail) for name, detail, _, _ in found] == [
        ("set", "code 1"),
        ("get", "code 2"),
    ]
    _, _, whole, place = found[1]
    assert LIGHT[place.start : place.end] == '"get"'
    assert LIGHT[whole.start : whole.end].endswith("idempotent: true)")
    assert outline(Document("bad", "Interface(")) == []
