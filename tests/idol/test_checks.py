"""Diagnostics: what each rule says, where it points, and that one finding hides no other."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable

import pytest

import idol
from idol.checks import CLIENT_ERRORS, check
from idol.source import Severity
from tests.idol.growth import grows_linearly

#: The fields of one operation that breaks the rule, and no other. Written inside `"op": (…)`.
OPERATIONS = {
    "wrong-kind": 'reply: Simple("()"), idempotent: true, doc: 1',
    "unknown-field": 'reply: Simple("()"), idempotant: true, idempotent: true',
    "duplicate-field": 'reply: Simple("u8"), reply: Simple("u8"), idempotent: true',
    "missing-field": "idempotent: true",
    "unknown-variant": 'reply: Simple("u8"), encoding: HubPack, idempotent: true',
    "duplicate-name": 'args: {"a": "u8", "a": "u8"}, reply: Simple("()"), idempotent: true',
    "bad-type": 'reply: Simple("Option<u8"), idempotent: true',
    "max-len-range": """leases: {"a": (type: "[u8]", read: true, max_len: Some(0))},
        reply: Simple("()"), idempotent: true""",
    "bad-name": 'args: {"type": "u8"}, reply: Simple("()"), idempotent: true',
    "colliding-names": """args: {"on": "bool", "raw_on": "u8"},
        reply: Simple("()"), idempotent: true""",
    "unsized-value": 'args: {"a": "[u8]"}, reply: Simple("()"), idempotent: true',
    "no-access": 'leases: {"a": (type: "[u8]")}, reply: Simple("()"), idempotent: true',
    "max-len-on-sized": """leases: {"a": (type: "u8", read: true, max_len: Some(1))},
        reply: Simple("()"), idempotent: true""",
    "complex-needs-hubpack": 'reply: Result(ok: "u8", err: Complex("E"))',
    "recv-needs-zerocopy": """args: {"a": (type: "M", recv: FromPrimitive("u8"))},
        encoding: Hubpack, reply: Simple("()"), idempotent: true""",
    "recv-primitive": """args: {"a": (type: "M", recv: FromPrimitive("Other"))},
        reply: Simple("()"), idempotent: true""",
    "zerocopy-option": """args: {"a": (type: "Option<M>", recv: FromPrimitive("f32"))},
        reply: Simple("()"), idempotent: true""",
    "idempotent-read-write-lease": """leases: {"a": (type: "[u8]", read: true, write: true)},
        reply: Simple("()"), idempotent: true""",
    "idempotent-server-death": 'reply: Result(ok: "u8", err: ServerDeath), idempotent: true',
    "cannot-tell-server-death": 'reply: Simple("u8")',
}

#: Whole texts for the rules that one operation cannot break.
TEXTS = {
    "ron-syntax": 'Interface(name: "I", ops: {',
    "reserved-name": """Interface(name: "I", ops: {
        "recv_source": (reply: Simple("()"), idempotent: true)})""",
    "no-operations": 'Interface(name: "I", ops: {})',
}


def make(operation: str) -> str:
    return f'Interface(\n    name: "I",\n    ops: {{\n        "op": ({operation}),\n    }},\n)\n'


def find(text: str) -> tuple[idol.Diagnostic, ...]:
    """Return all findings, also of a text that cannot be read."""
    try:
        return idol.check(idol.parse(idol.Source("i.idol", text)))
    except idol.DiagnosedError as error:
        return error.diagnostics


def render(findings: tuple[idol.Diagnostic, ...]) -> str:
    return idol.format_diagnostics(findings) + "\n"


ALL_TEXTS = TEXTS | {rule: make(operation) for rule, operation in OPERATIONS.items()}


def test_every_rule_has_an_example() -> None:
    assert set(ALL_TEXTS) == {rule.id for rule in idol.RULES.values() if not rule.is_strict}
    assert set(idol.RULES) >= CLIENT_ERRORS


@pytest.mark.parametrize("rule", ALL_TEXTS)
def test_a_broken_rule_is_reported_alone(rule: str) -> None:
    findings = find(ALL_TEXTS[rule])
    assert [finding.rule for finding in findings] == [rule]


def test_example_of_each_rule(golden: Callable[[str, str], None]) -> None:
    shown = [f"=== {rule}\n{render(find(text))}" for rule, text in ALL_TEXTS.items()]
    golden("idol/diagnostics.txt", "\n".join(shown))


MANY = """\
// One mistake hides no other.
Interface(
    name: "Many",
    opps: {},
    ops: {
        "read": (
            args: {"index": "u8", "index": "u16", "bad": "Vec<", "n": 5},
            leases: {"sink": (type: "[u8]", max_len: 3), "index": (type: "u8", reed: true)},
            reply: Result(ok: "u8"),
        ),
        "write": (
            leases: {"a": (type: "u8", read: true, max_len: Some(2)), "b": (type: "[u8]")},
            reply: Result(ok: "[u8]", err: Complex("E")),
        ),
        write: (reply: Simple("()")),
        "READ": (reply: Simpel("()")),
        "read": (reply: Simple("()"), idempotent: yes, doc: 3),
    },
)
"""


def test_all_findings_at_once(golden: Callable[[str, str], None]) -> None:
    golden("idol/many_diagnostics.txt", render(find(MANY)))


def test_near_misses_are_named() -> None:
    [finding] = find(make('reply: Simple("()"), idempotant: true, idempotent: true'))
    assert finding.hint == "did you mean `idempotent`?"
    [finding] = find(make('reply: Simple("()"), idempotent: true, encoding: Hubpak'))
    assert finding.hint == "did you mean `Hubpack`?"


def test_duplicates_show_both_places() -> None:
    text = make('reply: Simple("()"), idempotent: true').replace(
        '"op"', '"op": (reply: Simple("u8"), idempotent: true),\n        "op"'
    )
    [finding] = find(text)
    assert (finding.location.line, finding.location.column) == (5, 9)
    [first] = finding.related
    assert finding.source.get_location(first.span.start).line == 4
    assert "first declared here" in finding.format()


def test_documentation_is_carried() -> None:
    text = """Interface(name: "I", doc: "About I.", ops: {"op": (
        doc: "Short.", description: "Long.",
        args: {"a": (type: "u8", doc: "An a.")},
        leases: {"b": (type: "[u8]", read: true, description: "A b.")},
        reply: Simple("()"), idempotent: true)})"""
    assert find(text) == ()
    interface = idol.parse(text)
    [operation] = interface.operations
    assert interface.doc == "About I."
    assert operation.doc == "Short.\n\nLong."
    assert operation.arguments[0].doc == "An a."
    assert operation.leases[0].doc == "A b."


def test_an_operation_that_makes_no_sense_keeps_its_code() -> None:
    interface = idol.parse(
        """Interface(name: "I", ops: {
            "a": (reply: Simple("u8"), idempotent: true),
            "b": (idempotent: true),
            "c": (reply: Simple("u8"), idempotent: true),
        })"""
    )
    assert [(o.name, o.code) for o in interface.operations] == [("a", 1), ("c", 3)]
    assert [d.rule for d in interface.diagnostics] == ["missing-field"]
    with pytest.raises(idol.InterfaceError) as caught:
        idol.server_stub(interface)
    assert [d.rule for d in caught.value.errors] == ["missing-field"]


@pytest.mark.parametrize(
    "text",
    ["", "()", "5", 'Interface(name: "I")', 'Interface(name: I, ops: {})', "Interface(ops: {})",
     'Interface(name: "I", ops: [])', 'Other(name: "I", ops: {})'],
)  # fmt: skip
def test_no_interface_is_an_error_with_a_place(text: str) -> None:
    findings = find(text)
    assert findings
    assert all(finding.severity is Severity.ERROR for finding in findings)
    assert render(findings)


@pytest.mark.parametrize(
    ("extensions", "max_len", "good"),
    [
        ("", "Some(5)", True),
        ("", "None", True),
        ("", "5", False),
        ("implicit_some", "5", True),
        ("implicit_some", "Some(5)", True),
        ("", "Some(4294967295)", True),
        ("", "Some(4294967296)", False),
        ("", 'Some("5")', False),
    ],
)
def test_max_len(extensions: str, max_len: str, good: bool) -> None:
    lease = f'(type: "[u8]", read: true, max_len: {max_len})'
    text = make(f'leases: {{"a": {lease}}}, reply: Simple("()"), idempotent: true')
    assert (find(f"#![enable({extensions})]\n{text}") == ()) is good


def test_unwrapped_variants_need_their_extension() -> None:
    text = make('reply: Simple(type: "M", recv: FromPrimitive("u8")), idempotent: true')
    assert find(f"#![enable(unwrap_variant_newtypes)]\n{text}") == ()
    assert find(text) != ()


@pytest.mark.parametrize(
    ("extensions", "function", "good"),
    [
        ("", 'Some("f")', True),
        ("", "None", True),
        ("", '"f"', False),
        ("implicit_some", '"f"', True),
        ("implicit_some", "None", True),
        ("", "Some(1)", False),
    ],
)
def test_conversion_function(extensions: str, function: str, good: bool) -> None:
    text = make(f"""args: {{"a": (type: "M", recv: From("u8", {function}))}},
        reply: Simple("()"), idempotent: true""")
    assert (find(f"#![enable({extensions})]\n{text}") == ()) is good


def test_explicit_struct_names_are_demanded() -> None:
    attribute = "#![enable(explicit_struct_names)]\n"
    bare = make('leases: {"a": (type: "u8", read: true)}, reply: Simple((type: "u8"))')
    assert [finding.rule for finding in find(attribute + bare)] == [
        *("cannot-tell-server-death", "wrong-kind", "wrong-kind", "wrong-kind")
    ]
    named = (
        bare.replace('"op": (', '"op": Operation(')
        .replace('"a": (', '"a": Lease(')
        .replace("Simple((", "Simple(AttributedTy(")
        .replace("true)}, reply", "true)}, idempotent: true, reply")
    )
    assert find(attribute + named) == ()
    assert find(named) == ()


def test_excerpt_of_a_long_line_shows_the_place() -> None:
    text = make(f'/* {"x" * 500} */ reply: Simple("Vec<"), idempotent: true /* {"y" * 500} */')
    [finding] = find(text)
    shown = finding.format().splitlines()
    assert max(map(len, shown)) < 160
    column = shown[2].index("^")
    assert shown[1][column - 5 : column] == '"Vec<'[:5]


def test_excerpt_of_odd_characters_keeps_its_columns() -> None:
    text = 'Interface(name: "I", ops: {\t\t"ö": (reply: Simple("\u00e9<"), idempotent: true)})'
    [finding] = find(text)
    shown = finding.format().splitlines()
    assert "\t" not in "".join(shown)
    assert shown[2].index("^") == shown[1].index("é<") + 2


def test_mutated_interfaces_are_findings_or_good() -> None:
    generator = random.Random(3)
    pieces = [*'(){}[]:,"0\n', '"u8"', "args", "reply", "Simple", "Result", "Some", "None"]
    pieces += ["true", "-1", "CLike", "ok", "err", "/*", "//"]
    base = MANY + textwrap.dedent(make(OPERATIONS["recv-needs-zerocopy"]))
    for _ in range(1500):
        text = list(generator.choice([MANY, make(OPERATIONS["max-len-range"]), base]))
        for _ in range(generator.randint(1, 5)):
            at = generator.randrange(len(text))
            text[at : at + generator.randint(0, 8)] = generator.choice(pieces)
        findings = find("".join(text))
        render(findings)


def test_many_operations_are_checked_in_linear_time() -> None:
    operation = '"a{}": (args: {{"x": "u8"}}, reply: Simple("[u8; 4]"), idempotent: true),'

    def check_many(count: int) -> None:
        text = "".join(operation.format(i) for i in range(count))
        assert find(f'Interface(name: "I", ops: {{{text}}})') == ()

    assert grows_linearly(check_many, 200)


def test_unreadable_parts_hide_nothing_else() -> None:
    """A bad type is reported once, and the rest of its operation is checked."""
    text = """Interface(name: "I", ops: {
        "a": (args: {"x": "fn(u8", "y": "[u8]"}, reply: Simple("u8")),
        "b": (
            args: {"x": (type: "Option<M>", recv: FromPrimitve("u8"))},
            reply: Result(ok: "u8]", err: Complex("E")),
        ),
        "c": (args: {"x": (type: "M", recv: FromPrimitive("u"))}, reply: Simple("[u8]")),
        "d": (leases: {"x": (type: 1)}, reply: Result(ok: "u8", err: CLike("E"))),
    })"""
    found = [(d.location.line, d.rule) for d in check(idol.parse(text))]
    assert found == [
        (2, "cannot-tell-server-death"),
        (2, "bad-type"),
        (2, "unsized-value"),
        (4, "unknown-variant"),
        (5, "bad-type"),
        (5, "complex-needs-hubpack"),
        (7, "cannot-tell-server-death"),
        (7, "recv-primitive"),
        (7, "unsized-value"),
        (8, "no-access"),
        (8, "wrong-kind"),
    ]
