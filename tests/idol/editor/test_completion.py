"""Completion at a cursor, in whole and in half-typed texts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from idol.editor.completion import PLAIN_TYPES, complete
from idol.editor.document import MAX_LENGTH, Document
from idol.editor.edits import Edit, apply_edits
from idol.editor.tokens import find_context
from tests.idol.editor.cursor import at_cursor
from tests.idol.mutate import damage

TYPES = [("drv_light_api::Color", "light.idol"), ("drv_light_api::Mode", "light.idol")]
BEGIN = 'Interface(name: "Light", ops: {'
OPERATION = ["doc", "args", "leases", "reply", "idempotent", "encoding", "description"]


def offer(text: str) -> list[str]:
    document, offset = at_cursor(text)
    return [item.label for item in complete(document, offset, TYPES).items]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("‸", ["Interface"]),
        ("Inter‸", ["Interface"]),
        ("Interface(‸", ["name", "ops", "doc", "description"]),
        ('Interface(name: "Light", ‸)', ["ops", "doc", "description"]),
        (BEGIN + '"on": (‸', OPERATION),
        (BEGIN + '"on": (‸)})', OPERATION),
        (BEGIN + '"on": (doc: "a (b", re‸)})', [n for n in OPERATION if n != "doc"]),
        (BEGIN + '"on": (encoding: ‸', ["Zerocopy", "Ssmarshal", "Hubpack"]),
        (BEGIN + '"on": (encoding: Hub‸,', ["Zerocopy", "Ssmarshal", "Hubpack"]),
        (BEGIN + '"on": (idempotent: ‸', ["true", "false"]),
        (BEGIN + '"on": (reply: ‸', ["Simple", "Result"]),
        (BEGIN + '"on": (reply: Result(‸', ["ok", "err"]),
        (BEGIN + '"on": (reply: Result(ok: "u8", err: ‸', ["CLike", "Complex", "ServerDeath"]),
        (BEGIN + '"on": (args: {"a": (‸', ["type", "recv", "doc", "description"]),
        (
            BEGIN + '"on": (args: {"a": (type: "T", recv: ‸',
            ["FromBytes", "FromPrimitive", "From"],
        ),
        (
            BEGIN + '"on": (leases: {"a": (‸',
            ["type", "read", "write", "max_len", "doc", "description"],
        ),
        (BEGIN + '"on": (leases: {"a": (max_len: ‸', ["Some", "None"]),
        (BEGIN + '"on": (args: {"a": ‸', [f'"{name}"' for name in PLAIN_TYPES]),
        # in strings that are types
        (BEGIN + '"on": (args: {"a": "Co‸', ["drv_light_api::Color"]),
        (BEGIN + '"on": (args: {"a": "Co‸lor"}', ["drv_light_api::Color"]),
        (BEGIN + '"on": (reply: Simple("Option<light‸>"', [name for name, _ in TYPES]),
        (BEGIN + '"on": (reply: Result(ok: "bo‸', ["bool"]),
        (BEGIN + '"on": (reply: Result(ok: "u8", err: CLike("Mo‸"', ["drv_light_api::Mode"]),
        (BEGIN + '"on": (leases: {"a": (type: "[u8; ‸', list(PLAIN_TYPES) + [n for n, _ in TYPES]),
        # nothing to offer
        (BEGIN + '"‸', []),
        (BEGIN + "‸", []),
        (BEGIN + '"on": (doc: "‸', []),
        (BEGIN + '"on": (args: {"‸', []),
        ('Interface(name: "L‸', []),
        ("Interface( // na‸", []),
        ("Interface( /* na‸ */", []),
        (BEGIN + '"on": (unknown: (‸', []),
        ("[‸", []),
        ("Other(‸", []),
    ],
)
def test_offers_what_the_grammar_has_here(text: str, labels: list[str]) -> None:
    assert offer(text) == labels


def test_an_unclosed_operation_above_does_not_mislead() -> None:
    text = BEGIN + '"on": (reply: Simple("u8"), "off": (idempotent: true, ‸'
    assert offer(text) == [name for name in OPERATION if name != "idempotent"]


@pytest.mark.parametrize(
    ("text", "label", "result"),
    [
        ("Interface(na‸)", "name", 'Interface(name: "$0")'),
        ("Interface(na‸: 1)", "name", "Interface(name: 1)"),
        (BEGIN + '"on": (reply: Sim‸("u8")', "Simple", BEGIN + '"on": (reply: Simple("u8")'),
        (
            BEGIN + '"on": (args: {"a": "Option<drv_l‸ight>"}',
            "drv_light_api::Mode",
            BEGIN + '"on": (args: {"a": "Option<drv_light_api::Mode>"}',
        ),
        (
            BEGIN + '"on": (args: {"a": "Mo‸}, reply: Simple("u8")',
            "drv_light_api::Mode",
            BEGIN + '"on": (args: {"a": "drv_light_api::Mode}, reply: Simple("u8")',
        ),
    ],
)
def test_proposals_replace_the_typed_part(text: str, label: str, result: str) -> None:
    document, offset = at_cursor(text)
    [item] = [i for i in complete(document, offset, TYPES).items if i.label == label]
    assert apply_edits(document.text, [Edit(item.span, item.snippet)]) == result


def test_says_that_there_are_more_types() -> None:
    document, offset = at_cursor(BEGIN + '"on": (args: {"a": "‸"')
    many = [(f"my_api::T{n}", "") for n in range(5000)]
    proposals = complete(document, offset, many)
    assert proposals.has_more and len(proposals.items) == 200


def test_a_long_text_is_not_looked_at() -> None:
    assert complete(Document("x", "Interface(" + " " * MAX_LENGTH), 10, []).items == ()


def test_survives_damaged_input() -> None:
    """Whatever is in the file and wherever the cursor stands."""
    generator = random.Random(14)
    everything = Path("tests/idol/everything.idol").read_text(encoding="utf-8")
    for _ in range(150):
        text = damage(generator, [everything])
        document = Document("x", text)
        for _ in range(4):
            offset = generator.randrange(len(text) + 1)
            for item in complete(document, offset, TYPES).items:
                assert 0 <= item.span.start <= offset <= item.span.end <= len(text)


def test_deep_brackets_end_the_search() -> None:
    assert find_context("(" * 100_000, 99_999).frames == ()
