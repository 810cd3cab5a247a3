"""Fixes: each rule's own example is put right, and no text is made worse."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from idol.editor import fixes
from idol.editor.document import Document, has_errors
from idol.editor.edits import Edit, apply_edits
from idol.editor.fixes import MAKERS, NO_FIX, FixFinder
from idol.rules import RULES
from idol.source import Span
from tests.idol.mutate import damage, scramble

EXAMPLES = re.compile(r"```idol\n(.*?)```", re.DOTALL)

#: What is offered for the example of each page, the best first.
TITLES = {
    "ron-syntax": ["Insert `,`"],
    "wrong-kind": ["Write it in quotes"],
    "unknown-field": ["Replace by `idempotent`", "Leave `idempotant` out"],
    "duplicate-field": ["Leave this one out", "Leave the first one out"],
    "missing-field": ['Add `reply: Simple("()")`'],
    "unknown-variant": [f"Replace by `{n}`" for n in ("Hubpack", "Zerocopy", "Ssmarshal")],
    "duplicate-name": ["Rename to `level_2`"],
    "bad-type": ["Write `[u8; 4]`"],
    "max-len-range": ["Leave `max_len` out"],
    "no-operations": ["Add an operation"],
    "bad-name": ["Rename to `r#type`", "Rename to `type_value`"],
    "reserved-name": ["Rename to `get_recv_source`"],
    "colliding-names": ["Rename to `raw_on_2`"],
    "unsized-value": ["Pass `levels` in a lease", "Use an array, `[u8; 16]`"],
    "no-access": ["Add `read: true`", "Add `write: true`"],
    "max-len-on-sized": ["Leave `max_len` out"],
    "complex-needs-hubpack": ["Add `encoding: Hubpack`", "Use `CLike`"],
    "recv-needs-zerocopy": ["Leave `recv` out"],
    "recv-primitive": ["Receive a `u8`"],
    "zerocopy-option": ["Add `encoding: Hubpack`", 'Receive it with `FromPrimitive("u8")`'],
    "idempotent-read-write-lease": ["Leave `idempotent` out, and reply with `ServerDeath`"],
    "idempotent-server-death": ["Reply with `Simple(…)`", "Leave `idempotent` out"],
    "cannot-tell-server-death": [
        "Reply with `Result(…, err: ServerDeath)`",
        "Add `idempotent: true`",
    ],
    "idempotent-toggle": ["Leave `idempotent` out, and reply with `ServerDeath`"],
    "idempotent-write": ["Leave `idempotent` out, and reply with `ServerDeath`"],
    "hiffy-arguments": ["Pass `key` in a lease"],
    "hiffy-leases": [],
    "hiffy-read-write-lease": ["Lend `levels_out` to be written"],
    "cannot-be-sent": ["Add `encoding: Hubpack`"],
    "redundant-recv": ["Leave `recv` out"],
    "name-style": ["Rename to `set_level`"],
    "undocumented": ["Add `doc`"],
}


def example(rule: str) -> tuple[str, str]:
    """Return the wrong and the right example of a rule's page."""
    wrong, right = EXAMPLES.findall(RULES[rule].page)
    return wrong, right


def fixes_of(text: str, rule: str) -> dict[str, str]:
    """Return titles and results for the first finding of a rule."""
    finder = FixFinder(Document("light.idol", text), strict=True)
    finding = next(f for f in finder.findings if f.rule == rule)
    return {fix.title: apply_edits(text, fix.edits) for fix in finder.find(finding)}


def test_every_rule_has_fixes_or_a_reason() -> None:
    assert set(MAKERS) | set(NO_FIX) == set(RULES) == set(TITLES)
    assert not set(MAKERS) & set(NO_FIX)


@pytest.mark.parametrize("rule", RULES)
def test_the_wrong_example_of_a_page_is_put_right(rule: str) -> None:
    wrong, _ = example(rule)
    fixed = fixes_of(wrong, rule)
    assert list(fixed) == TITLES[rule]
    for number, text in enumerate(fixed.values()):
        found = Document("light.idol", text).find(strict=True)
        assert rule not in {f.rule for f in found}
        assert number or not has_errors(found)


@pytest.mark.parametrize(
    "rule",
    [
        *("ron-syntax", "wrong-kind", "bad-type", "name-style", "recv-needs-zerocopy"),
        *("recv-primitive", "cannot-tell-server-death", "complex-needs-hubpack", "redundant-recv"),
    ],
)
def test_a_fix_can_be_the_right_example(rule: str) -> None:
    """On those pages that change no more than is wrong."""
    wrong, right = example(rule)
    assert right in fixes_of(wrong, rule).values()


HEAD = 'Interface(\n    name: "Light",\n    ops: {\n        "on": ('
TAIL = "),\n    },\n)\n"


@pytest.mark.parametrize(
    ("rule", "before", "title", "after"),
    [
        (
            "wrong-kind",
            'leases: {"a": (type: "[u8]", read: true, max_len: 4)}, reply: Result(ok: "()", '
            "err: ServerDeath)",
            "Write `Some(…)`",
            'leases: {"a": (type: "[u8]", read: true, max_len: Some(4))}, reply: Result(ok: "()", '
            "err: ServerDeath)",
        ),
        (
            "wrong-kind",
            'reply: Simple("u8"), idempotent: "true"',
            "Leave out the quotes",
            'reply: Simple("u8"), idempotent: true',
        ),
        (
            "missing-field",
            'reply: Result(ok: "u8")',
            "Add `err: ServerDeath`",
            'reply: Result(ok: "u8", err: ServerDeath)',
        ),
        (
            "missing-field",
            'leases: {"a": (read: true)}, reply: Result(ok: "()", err: ServerDeath)',
            'Add `type: "u8"`',
            'leases: {"a": (read: true, type: "u8")}, reply: Result(ok: "()", err: ServerDeath)',
        ),
        (
            "missing-field",
            'doc: "It has none."',
            'Add `reply: Result(ok: "()", err: ServerDeath)`',
            'doc: "It has none.", reply: Result(ok: "()", err: ServerDeath)',
        ),
        # comments and the layout of lines stay
        (
            "no-access",
            '\n            leases: {\n                "a": (\n'
            '                    type: "[u8]", // bytes\n                ),\n            },\n'
            '            reply: Result(ok: "()", err: ServerDeath),\n        ',
            "Add `read: true`",
            '\n            leases: {\n                "a": (\n'
            '                    type: "[u8]",\n                    read: true, // bytes\n'
            "                ),\n            },\n"
            '            reply: Result(ok: "()", err: ServerDeath),\n        ',
        ),
        (
            "unknown-field",
            'reply: Simple("u8"), // the level\n            wat: 1,\n            idempotent: true',
            "Leave `wat` out",
            'reply: Simple("u8"), // the level\n            idempotent: true',
        ),
        (
            "cannot-be-sent",
            'doc: "x", reply: Simple("(usize, u8)"), idempotent: true, encoding: Hubpack',
            "Use `(u32, u8)`",
            'doc: "x", reply: Simple("(u32, u8)"), idempotent: true, encoding: Hubpack',
        ),
        (
            "undocumented",
            'doc: " ", reply: Simple("u8"), idempotent: true',
            "Add `doc`",
            'doc: "TODO: what it does.", reply: Simple("u8"), idempotent: true',
        ),
    ],
)
def test_fixes_keep_the_rest_of_the_text(rule: str, before: str, title: str, after: str) -> None:
    assert fixes_of(HEAD + before + TAIL, rule)[title] == HEAD + after + TAIL


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('Interface(name: "L", ops: {"a": (reply: Simple("u8"})', "Insert `)`"),
        ('Interface(name: "L", ops: {"a": (reply: Simple("u8"))}', "Insert `)` at the end"),
        ('Interface(name: "L", ops: {"a": (reply: Simple("u8), idempotent: true)})', 'Insert `"`'),
        ('Interface(name: "L", ops: {"a": (reply: Simple("u8"))])', "Replace `]` by `}`"),
    ],
)
def test_brackets_and_quotes_are_put_right(text: str, title: str) -> None:
    assert title in fixes_of(text, "ron-syntax")


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply_edits("abcd", [Edit(Span(0, 2), "x"), Edit(Span(1, 3), "y")])


def test_no_fix_makes_a_damaged_text_worse() -> None:
    """Tried on texts that nobody would write; also that no finding brings a traceback."""
    generator = random.Random(20)
    sources = [Path(f"tests/idol/{n}.idol").read_text("utf-8") for n in ("everything", "styles")]
    sources = [text[:4000] for text in sources] + [example(rule)[0] for rule in RULES]
    tried = 0
    for number in range(120):
        text = (damage if number % 2 else scramble)(generator, sources[2:])
        finder = FixFinder(Document("x", text), strict=True)
        before = Counter(f.rule for f in finder.findings)
        for finding in finder.findings[:6]:
            for fix in finder.find(finding):
                tried += 1
                after = Document("x", apply_edits(text, fix.edits)).find(strict=True)
                assert Counter(f.rule for f in after)[finding.rule] < before[finding.rule]
    assert tried > 50


def test_a_request_tries_no_more_than_a_few_changes_of_a_long_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operation = '"Op{}": (reply: Simple("u8"), idempotent: true),'
    text = 'Interface(name: "L", ops: {' + "".join(map(operation.format, range(60))) + "})"
    monkeypatch.setattr(fixes, "_MOST_CHARACTERS", 7 * len(text))
    finder = FixFinder(Document("x", text), strict=True)
    assert len(finder.findings) == 120
    assert sum(bool(finder.find(finding)) for finding in finder.findings) == 7
