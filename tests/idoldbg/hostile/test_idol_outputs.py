"""Nothing of an Idol text begins a line, closes a string, a comment or an element, or is obeyed."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import idol
from idol import cli
from idol.options import ServerStyle, StubOptions
from tests.idoldbg.hostile import names
from tests.idoldbg.hostile.names import EVIL, MARK, ron

EXAMPLES = settings(
    max_examples=int(os.environ.get("IDOLDBG_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TEXT: Final = """Interface(
    name: "Demo",
    doc: "DOC_OF_INTERFACE",
    ops: {
        "get": (
            doc: "DOC_OF_OPERATION",
            args: { "port": (type: "Port", recv: FromPrimitive("u8"), doc: "DOC_OF_ARGUMENT") },
            leases: { "data": (type: "[u8]", read: true, max_len: Some(4), doc: "DOC_OF_LEASE") },
            reply: Result(ok: "[u8; 4]", err: CLike("DemoError")),
        ),
        "put": (args: { "one": "u32" }, reply: Simple("bool"), idempotent: true),
    },
)
"""
DOCS: Final = ("INTERFACE", "OPERATION", "ARGUMENT", "LEASE")
#: Places where a name or a text may be anything; most make findings of it.
PLACES: Final = {
    **{f"doc of {what}": (f'"DOC_OF_{what}"', "{}") for what in DOCS},
    "interface": ('"Demo"', "{}"),
    "operation": ('"put"', "{}"),
    "argument": ('"one"', "{}"),
    "lease": ('"data"', "{}"),
    "type": ('"u32"', "{}"),
    "error": ('"DemoError"', "{}"),
    "primitive": ('FromPrimitive("u8")', "FromPrimitive({})"),
    "function": ('FromPrimitive("u8")', 'From("u8", Some({}))'),
    "length": ('"[u8; 4]"', "{}"),
    "twice": ('"put": (', '"get": (doc: {}, '),
}
STYLES: Final = (
    StubOptions(),
    StubOptions(counters=True, style=ServerStyle.PIPELINED),
    StubOptions(is_formatted=False, named_panics=False),
)


def put(place: str, evil: str) -> str:
    old, new = PLACES[place]
    value = f"[u8; {{ {evil} }}]" if place == "length" else evil
    assert old in TEXT
    return TEXT.replace(old, new.format(ron(value)))


def raw(evil: str) -> str:
    """Put a text into a comment and a raw string, where nothing is escaped."""
    inner = evil.encode(errors="replace").decode().replace("*/", "").replace("/*", "")
    hashes = "#" * (1 + max((len(m) for m in re.findall(r'"(#*)', inner)), default=0))
    return f"/* {inner}\n{inner} */\n" + TEXT.replace(
        '"DOC_OF_OPERATION"', f'r{hashes}"{inner}\n{inner}"{hashes}'
    )


@contextlib.contextmanager
def written(*sources: str, name: str = "demo") -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{name}{number}.idol") for number in range(len(sources))]
        for path, text in zip(paths, sources, strict=True):
            path.write_text(text, encoding="utf-8", newline="")
        yield list(map(str, paths))


def run(*argv: str) -> tuple[int, str, str]:
    """Run a command of `idol`; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(argv))
    names.check_lines(err.getvalue())
    assert "Traceback" not in err.getvalue(), err.getvalue()
    assert code in (0, 1, 2, 4), err.getvalue()
    return code, out.getvalue(), err.getvalue()


def sources_with(evil: str) -> Iterator[str]:
    yield raw(evil)
    for place in PLACES:
        yield put(place, evil)


@EXAMPLES
@given(evil=EVIL)
def test_findings(evil: str) -> None:
    with written(*sources_with(evil)) as paths:
        argv = ("check", "--strict", *paths)
        _, out, _ = run(*argv)
        names.check_lines(out)
        _, out, _ = run(*argv, "--format", "json")
        names.check_json(out)
        _, out, _ = run(*argv, "--format", "sarif")
        for result in names.check_json(out)["runs"][0]["results"]:
            assert all(c.isprintable() or c == "\n" for c in result["message"]["text"])
        _, out, _ = run(*argv, "--format", "github")
        names.check_lines(out, commands=("::error ", "::warning ", "::notice "))
        for line in out.splitlines():
            listed, _, message = line[2:].partition("::")
            assert all("=" in entry for entry in listed.partition(" ")[2].split(",")), line
            assert message, line


@EXAMPLES
@given(evil=EVIL)
@example(evil="##[error]INJECTED")
@example(evil="`\n`INJECTED")
def test_pages(evil: str) -> None:
    with written(TEXT) as (plain,):
        _, like, _ = run("doc", "--format", "html", plain)
    for text in sources_with(evil):
        with written(text) as (path,):
            code, out, _ = run("doc", "--format", "html", path)
            if code == 0:
                names.check_html(out, like)
            code, out, _ = run("doc", "--format", "markdown", path)
            if code == 0:
                check_page(out)


def check_page(text: str) -> None:
    """Check Markdown: the only elements are those that a page has; nobody is mentioned."""
    names.check_lines(text, may_wrap=True)
    for line in re.sub(r"^(`{3,})rust\n.*?\n\1$", "", text, flags=re.M | re.S).split("\n"):
        bare = without_code(line)
        bare = re.sub(r'<a id="op-\d+"></a>|<code>(@|[\w &#;]*)</code>', "", bare)
        assert not re.search(r"@[A-Za-z0-9]", bare), line
        bare = re.sub(r"\\.", "", bare)
        assert "<" not in bare and "`" not in bare, line
        assert not re.search(r"\]\((?!#op-)", bare), line


def without_code(line: str) -> str:
    """Take out code spans as CommonMark finds them (section 6.1)."""
    kept = ""
    while match := re.search(r"(?<!\\)(?:\\\\)*(`+)", line):
        kept, rest = kept + line[: match.start(1)], line[match.end() :]
        end = re.search(rf"(?<!`){match[1]}(?!`)", rest)
        assert end is not None, line
        line = rest[end.end() :]
    return kept + line


@EXAMPLES
@given(old=EVIL, new=EVIL, place=st.sampled_from(sorted(PLACES)))
def test_changes(old: str, new: str, place: str) -> None:
    with written(put(place, old), put(place, new)) as paths:
        _, out, _ = run("diff", *paths)
        names.check_lines(out)
        _, out, _ = run("diff", *paths, "--format", "json")
        if out:
            names.check_json(out)


@EXAMPLES
@given(evil=EVIL)
def test_layout_that_would_change(evil: str) -> None:
    for text in (raw(evil).replace("ops", "\t ops"), put("doc of LEASE", evil)):
        with written(text) as (path,):
            _, out, _ = run("fmt", "--diff", path)
            names.check_lines(out.replace("\t", " "), may_wrap=True)


@EXAMPLES
@given(evil=EVIL)
def test_names_of_files(evil: str) -> None:
    name = evil.encode(errors="replace").decode().replace("/", "").replace("\0", "")[:40]
    with written(TEXT.replace("u32", "no type"), name=name) as (path,):
        for argv in (["check"], ["check", "--format", "json"], ["doc"], ["fmt", "--check"]):
            _, out, _ = run(*argv, path)
            names.check_lines(out)
        run("check", f"{path}.missing")
        run("client", path)


def rust_of(text: str, options: StubOptions, name: str = "demo.idol") -> list[str]:
    interface = idol.parse(idol.Source(name, text))
    return [idol.client_stub(interface, options), idol.server_stub(interface, options)]


def split_rust(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of code without the static that holds the definition, and the comments."""
    lines = [line for line in text.split("\n") if line.strip()]
    is_comment = [line.lstrip().startswith("//") for line in lines]
    comments = [line for line, is_one in zip(lines, is_comment, strict=True) if is_one]
    code = [line for line, is_one in zip(lines, is_comment, strict=True) if not is_one]
    return [line for line in code if "IDOL_DEFINITION" not in line and '*b"' not in line], comments


@pytest.mark.parametrize("options", STYLES, ids=["in order", "pipelined", "not laid out"])
@EXAMPLES
@given(evil=EVIL)
def test_comments_do_not_change_the_rust_code(options: StubOptions, evil: str) -> None:
    plain = [split_rust(text)[0] for text in rust_of(TEXT, options)]
    for text in [raw(evil), *(put(f"doc of {what}", evil) for what in DOCS)]:
        for made, like in zip(rust_of(text, options, f"{evil}.idol"), plain, strict=True):
            names.check_lines(made, may_wrap=True)
            code, comments = split_rust(made)
            assert code == like
            for comment in comments:
                assert re.match(r"\s*//", comment)
            held = re.search(r'\*(b".*");$', made, re.MULTILINE)
            if "IDOL_DEFINITION" in made:
                assert held is not None
                assert ast.literal_eval(held[1]) == text.encode()


@EXAMPLES
@given(evil=EVIL, place=st.sampled_from(["type", "error", "primitive", "function", "length"]))
@example(evil="##[error]INJECTED", place="length")
def test_a_type_is_refused_or_stays_one_type(evil: str, place: str) -> None:
    text = put(place, evil)
    try:
        stubs = rust_of(text, STYLES[0])
    except idol.DiagnosedError:
        return
    for made in stubs:
        names.check_lines(made, may_wrap=True)
        assert made.count("{") - evil.count("{") * made.count(MARK) <= made.count("}")
    interface = idol.parse(idol.Source("demo.idol", text))
    for operation in interface.operations:
        for argument in operation.arguments:
            again = idol.parse_type(str(argument.type))
            assert again == argument.type.rust


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[u8; "a\nb".len()]', "escapes"),
        ("[u8; '\x1b' as usize]", "escapes"),
        ("[u8; \x1b]", "escapes"),
        ('[u8; "\u202e".len()]', "escapes"),
        ("[u8; 4]; pub fn injected() {}", "unexpected `;`"),
        ("u8, pub injected: u8", "unexpected `,`"),
        ("[u8; 4 /* ]", "does not end"),
        ("[u8; { } ] }", "unexpected `}`"),
        ("[u8; (])]", "closes nothing"),
        ("[u8; '\"' as usize // ]\n]; injected", "unexpected `;`"),
    ],
)
def test_types_that_would_leave_their_place(text: str, message: str) -> None:
    with pytest.raises(idol.TypeSyntaxError, match=re.escape(message)):
        idol.parse_type(text)


def test_a_literal_in_a_type_keeps_its_blanks() -> None:
    shown = idol.parse_type('[u8; {  "a  b".len() +  /* two */ 2 }]')
    assert str(shown) == '[u8; { "a  b".len() + 2 }]'
