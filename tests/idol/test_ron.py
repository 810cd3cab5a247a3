"""RON texts to nodes: each construct, its place, and every kind of damage."""

from __future__ import annotations

import random

import pytest

from idol import ron
from idol.errors import RonError
from idol.ron_reader import parse_ron
from idol.ron_scanner import MAX_DEPTH, MAX_ERRORS
from idol.source import Source, Span
from tests.idol.growth import grows_linearly


def read(text: str) -> ron.Node:
    return parse_ron(Source("test.ron", text)).root


def plain(node: ron.Node) -> object:
    """Reduce a node to Python values, so that a table can show what is meant."""
    match node:
        case ron.Option(value=None):
            return None
        case ron.Option(value=inner):
            return ("Some", plain(inner))
        case ron.List(items=items):
            return [plain(item) for item in items]
        case ron.Tuple(name=name, items=items):
            return (name, *map(plain, items))
        case ron.Map(entries=entries):
            return {"map": [(plain(key), plain(value)) for key, value in entries]}
        case ron.Struct(name=name, fields=fields):
            return {"struct": name, "fields": [(f.name, plain(f.value)) for f in fields]}
        case ron.Unit(name=name):
            return f"unit {name}"
        case _:
            return node.value


VALUES = [
    # integers
    ("0", 0),
    ("-17", -17),
    ("+17", 17),
    ("1_000_000", 1_000_000),
    ("0xFf", 255),
    ("-0x10", -16),
    ("0o17", 15),
    ("0b1010_0101", 0xA5),
    ("340282366920938463463374607431768211455", 2**128 - 1),
    ("12u8", 12),
    ("0x1f_i64", 31),
    ("b'A'", 65),
    (r"b'\xff'", 255),
    # floats
    ("1.5", 1.5),
    ("1.", 1.0),
    (".5", 0.5),
    ("-2e-3", -0.002),
    ("1_0.2_5", 10.25),
    ("1.5f32", 1.5),
    ("inf", float("inf")),
    ("-inf", float("-inf")),
    # booleans, characters
    ("true", True),
    ("false", False),
    ("'x'", "x"),
    (r"'\''", "'"),
    (r"'\u{1F600}'", "\U0001f600"),
    ("'\U0001f600'", "\U0001f600"),
    # strings
    ('""', ""),
    ('"plain"', "plain"),
    (r'"a\n\r\t\\\"\'\0\x41\u{e9}"', "a\n\r\t\\\"'\0Aé"),
    ('"two\nlines"', "two\nlines"),
    (r'r"raw \n"', r"raw \n"),
    ('r#"with "quotes""#', 'with "quotes"'),
    ('r##"a"#b"##', 'a"#b'),
    ('b"ab\\xff"', b"ab\xff"),
    ('br#"a"b"#', b'a"b'),
    # options
    ("None", None),
    ("Some(1)", ("Some", 1)),
    ("Some(1,)", ("Some", 1)),
    ("Some(Some(()))", ("Some", ("Some", (None,)))),
    # sequences
    ("[]", []),
    ("[1, 2,]", [1, 2]),
    ("()", (None,)),
    ("(1, 'a')", (None, 1, "a")),
    ("Name(1,)", ("Name", 1)),
    ("Unit", "unit Unit"),
    ("r#type", "unit type"),
    # maps and structs
    ("{}", {"map": []}),
    ('{"a": 1, "a": 2,}', {"map": [("a", 1), ("a", 2)]}),
    ("{(1, 2): [3]}", {"map": [((None, 1, 2), [3])]}),
    ("(a: 1, b: Some(2))", {"struct": None, "fields": [("a", 1), ("b", ("Some", 2))]}),
    ("P(x: 1.5,)", {"struct": "P", "fields": [("x", 1.5)]}),
    ("P(r#type: 1)", {"struct": "P", "fields": [("type", 1)]}),
    ("P(r: 1)", {"struct": "P", "fields": [("r", 1)]}),
    # space and comments
    ("\ufeff 1", 1),
    ("// first\n  7 // last", 7),
    ("/* a /* nested */ b */ 7 /**/", 7),
    ("[1 /* one */, // two\n 2]", [1, 2]),
    ("P /* c */ ( /* d */ x /* e */ : 1)", {"struct": "P", "fields": [("x", 1)]}),
    ("Some\n(1)", ("Some", 1)),
    ("#![enable(implicit_some)]\n1", 1),
    ("#! [ enable ( implicit_some , unwrap_newtypes , ) ]\n#![enable()] 1", 1),
]


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_value(text: str, expected: object) -> None:
    assert plain(read(text)) == expected


def test_nan_is_a_float() -> None:
    value = plain(read("NaN"))
    assert isinstance(value, float)
    assert value != value


def test_extensions_are_reported() -> None:
    document = parse_ron(Source("t", "#![enable(implicit_some, unwrap_variant_newtypes)] ()"))
    assert document.extensions == {"implicit_some", "unwrap_variant_newtypes"}


def test_spans_cover_the_source_text() -> None:
    text = 'Name( first: [1, -0x20], other: {"k": Some(r"raw")} )'
    root = read(text)
    assert isinstance(root, ron.Struct)

    def shown(span: Span) -> str:
        return text[span.start : span.end]

    assert shown(root.span) == text
    assert shown(root.head) == "Name"
    first, other = root.fields
    assert shown(first.name_span) == "first"
    assert isinstance(first.value, ron.List)
    assert [shown(item.span) for item in first.value.items] == ["1", "-0x20"]
    assert isinstance(other.value, ron.Map)
    [(key, value)] = other.value.entries
    assert shown(key.span) == '"k"'
    assert shown(value.span) == 'Some(r"raw")'
    assert isinstance(value, ron.Option)
    assert isinstance(value.value, ron.String)
    assert shown(value.value.get_span(1, 3)) == "aw"


def test_span_inside_a_string_with_escapes_is_the_whole_string() -> None:
    node = read(r'"a\tb"')
    assert isinstance(node, ron.String)
    assert node.get_span(1, 2) == node.span


#: text, where the error starts (from 0), a part of the message
DAMAGE = [
    ("", 0, "the text ends where a value should follow"),
    ("   ", 3, "the text ends where a value should follow"),
    ("1 2", 2, "expected the end of the text, found `2`"),
    ("(1", 0, "this `(` is not closed"),
    ("(a: 1", 0, "this `(` is not closed"),
    ("(a: 1]", 5, "expected `)`, found `]`"),
    ("(a: 1 b: 2)", 6, "expected `,` or `)`, found `b`"),
    ("(a: 1, 2)", 7, "expected a field name, found `2`"),
    ("(a: 1, b)", 8, "expected `:`, found `)`"),
    ("{1}", 2, "expected `:`, found `}`"),
    ("[1,, 2]", 3, "expected a value, found `,`"),
    ("@", 0, "expected a value, found `@`"),
    ("\x01", 0, "found U+0001"),
    ('"abc', 0, "this string has no closing quote"),
    ('r#"abc"', 0, 'this raw string is not closed by `"#`'),
    (r'"\q"', 1, r"unknown escape `\q`"),
    (r'"\u{110000}"', 1, "U+110000 is not a character"),
    (r'"\u{d800}"', 1, "U+D800 is not a character"),
    ("'ab'", 0, "this character has no closing quote"),
    ("''", 0, "expected a character"),
    ("'", 0, "expected a character"),
    ("/* 1", 0, "this comment is not closed"),
    ("/* /* */ 1", 0, "this comment is not closed"),
    ("12abc", 0, "'abc' is neither a digit"),
    ("0b12", 0, "'2' is neither a digit"),
    ("0x", 0, "this number has no digits"),
    ("1.5u8", 0, "'u8' is not a suffix of a float"),
    ("1" * 300, 0, "this number is too long"),
    ("-", 0, "expected a value"),
    ("b'é€'", 0, "no closing quote"),
    ("b'€'", 0, "a byte literal holds one byte"),
    ('b"€"', 0, "a byte string holds bytes"),
    ("#![enable(magic)] 1", 10, "unknown extension magic"),
    ("#[enable(implicit_some)] 1", 1, "expected `!`"),
    ("Some(1, 2)", 8, "expected `)`"),
    ("(" * 200, MAX_DEPTH, "values nest deeper"),
]


@pytest.mark.parametrize(("text", "offset", "message"), DAMAGE)
def test_damage_is_located(text: str, offset: int, message: str) -> None:
    with pytest.raises(RonError) as caught:
        read(text)
    assert message in str(caught.value)
    assert caught.value.diagnostic.rule == "ron-syntax"
    assert caught.value.diagnostic.span.start == offset


@pytest.mark.parametrize("bracket", ["(", "[", "{1:", "A(", "Some(", "(a:"])
def test_nesting_is_bounded(bracket: str) -> None:
    with pytest.raises(RonError, match="nest deeper than 128"):
        read(bracket * 100_000)


def test_deepest_allowed_nesting_is_read() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read(text).span == Span(0, len(text))


SAMPLE = """#![enable(implicit_some)]
/* c /* d */ */ Interface(
    name: "S\\u{e9}", // e
    ops: {"a": (x: [1, -2.5e3, 0x_f], y: Some('c'), z: r#"q"q"#, w: b"x", v: None)},
)
"""


def test_truncation_at_every_length_is_an_error_or_a_value() -> None:
    read(SAMPLE)
    end_of_name = SAMPLE.index("Interface") + len("Interface")
    for length in range(len(SAMPLE) - 2):
        cut = SAMPLE[:length]
        if cut.rstrip().endswith("Interface"[: length - end_of_name + 9] or "\0"):
            assert isinstance(read(cut), ron.Unit)  # a part of a name is a name
            continue
        with pytest.raises(RonError):
            read(cut)


def test_mutations_are_an_error_or_a_value() -> None:
    generator = random.Random(20)
    alphabet = "()[]{}:,\"'\\/*#!r0x1.e-_ \n\u00e9Some"
    for _ in range(3000):
        text = list(SAMPLE)
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(text))
            text[at : at + generator.randint(0, 3)] = generator.choices(
                alphabet, k=generator.randint(0, 3)
            )
        try:
            read("".join(text))
        except RonError as error:
            assert str(error)  # every diagnostic can be rendered


@pytest.mark.parametrize(
    "piece",
    ["[1],", "(a: 1),", '"x",', "/* c */", "// c\n", "/*", "1_", '"\\n', "A(", " ", "'"],
)
def test_reading_is_linear(piece: str) -> None:
    def parse(count: int) -> None:
        with pytest.raises(RonError):
            parse_ron(Source("t", "[" + piece * count))

    assert grows_linearly(parse, 2_000)


#: A line with an error, and where it is blamed; each is followed by the others in one text.
LINES = [
    ('"a": (reply: Simple("u8") idempotent: true),', "idempotent"),
    ('"b": (args: {"x": u8 y, "z": "u16"}, reply: Simple("()")),', 'y, "z"'),
    ('"c": (args: {"x": "u8", reply: Simple("()")),', '{"x"'),
    ('"d": (reply: Simple("u8"), idempotent: true,', "(reply"),
    ('"e": (reply: Simple("u8), idempotent: true),', '"u8)'),
    ('"f": (doc: "Reads, then writes, reply: Simple("u8")),', '"Reads'),
    ('"g": (reply: Simple("u8"], idempotent: true),', "]"),
    ('"h": (reply: Simple("u8\\q"), idempotent: true),', "\\q"),
    ('"i": (leases: {"x": (max_len: Some(1 2))}),', "2)"),
    ('"j": (doc: "Not closed),', '"Not'),
    ('"k": (reply: 12abc, idempotent: true),', "12abc"),
    ('"l: (reply: Simple("u8"), idempotent: true),', '"l'),
    ('"m : (/* c */ reply: Simple("u8"), idempotent: true),', '"m'),
    ('"n": (args: {"x: "u8", "y": "u8"}, idempotent: true),', '"x'),
]


def located(text: str) -> list[int]:
    with pytest.raises(RonError) as caught:
        read(text)
    return [d.location.line for d in caught.value.diagnostics]


def test_every_line_with_an_error_is_reported_once_and_no_other() -> None:
    for seed in range(40):
        lines = random.Random(seed).sample(LINES[:9] + LINES[10:], 8)
        good = '    "z": (reply: Simple("u8"), idempotent: true),'
        rows = [row for line, _ in lines for row in (f"    {line}", good)]
        text = "\n".join(["Interface(ops: {", *rows, "})", ""])
        assert located(text) == [2 + 2 * i for i in range(8)], text


OVER_LINES = ('"o: (\n    args: {},\n    reply: Simple("()")\n),', '"o')


@pytest.mark.parametrize(("line", "blamed"), [*LINES, OVER_LINES])
def test_an_error_is_blamed_where_it_is_made(line: str, blamed: str) -> None:
    text = f'Interface(ops: {{\n{line}\n    "z": (reply: Simple("u8"), idempotent: true),\n}})\n'
    with pytest.raises(RonError) as caught:
        read(text)
    first = caught.value.diagnostic
    assert first.location.line == 2
    assert line[first.location.column - 1 :].startswith(blamed[:1])


def test_an_error_in_the_first_field_leaves_the_others_fields() -> None:
    """Whether round brackets hold fields is decided by the first one."""
    text = 'Interface(\nname; "Spi",\nops: {\n"a" = (reply: Simple("u8")),\n},\n)\n'
    assert located(text) == [2, 4]


def test_errors_are_bounded() -> None:
    with pytest.raises(RonError) as caught:
        read("[" + "1 2,\n" * 5000 + "]")
    assert len(caught.value.diagnostics) == MAX_ERRORS
