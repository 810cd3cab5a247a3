"""`idol fmt`: the layout, what it must not touch, and the command."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import idol
from idol.cli import main
from idol.format import WIDTH, format_text
from idol.ron_tokens import iter_tokens
from tests.idol import mutate
from tests.idol.growth import grows_linearly

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CORPUS = [*sorted((ROOT / "fixtures" / "idl").glob("*.idol")), HERE / "everything.idol"]
TEXTS = [path.read_text() for path in CORPUS]

#: A text that is laid out badly in every way, and its layout in `tests/golden/idol`.
MESSY = """\
\ufeff#! [ enable ( implicit_some ,unwrap_newtypes, ) ]  // attribute


// About the interface.
//   Indented further.


Interface (name:"Messy",ops:{ // what it can do
  "first":(args:{"a":"u8","b":  "u16" ,},reply:Simple("u8")),  // trailing
    /* before */ "second" : (
  // own line

      leases: {"data": (type: "[u8]", /* what the server may do */ read: true, max_len: 5)},
      reply: Result(ok: "()", err: CLike("a::very::long::path::to::an::error::type::SomeError")),
      idempotent: true // no comma
      ,
      encoding: /* why? */ Hubpack,

      // the end
  ),



  "third": (reply: Simple((type: "Mode", recv: FromPrimitive("u8"))), idempotent: true, doc: "x"),
  "fourth": (reply: Simple((
      type: "Mode", recv: FromPrimitive("u8"))), doc: r#"Two
lines "verbatim" \\ "#, args: {}, leases: { /* none */ }),
  "fifth": (reply: // where?
     Simple("()"), args: {  // first
       // second
       "a": (type: "u8"
       // after the type
       , recv: FromBytes), "b": "u8" /* b */, }),
  // last
}) // behind
// below
"""


def test_layout(golden: Callable[[str, str], None]) -> None:
    golden("idol/messy_formatted.idol", format_text(MESSY))


def without_places(value: object) -> str:
    """Show a tree without the offsets and the text it came from."""
    text = re.sub(r"(, )?\w*span=(Span\(start=\d+, end=\d+\)|None)", "", repr(value))
    return re.sub(r"source=Source\(.*?\)(?=[,)])", "", text, flags=re.DOTALL)


def say(text: str) -> tuple[str, list[str], list[str]]:
    """Return what a text says: the interface, its comments, its tokens without commas."""
    interface = idol.parse(idol.Source("t", text))
    tokens = list(iter_tokens(text))
    comments = [token.text.rstrip() for token in tokens if token.is_comment]
    others = [t.text for t in tokens if not t.is_comment and t.text != ","]
    shown = [
        (o.name, o.code, o.arguments, o.leases, o.reply, o.idempotent, o.encoding, o.doc)
        for o in interface.operations
    ]
    return without_places((interface.name, interface.doc, shown)), comments, others


def assert_formats(text: str) -> None:
    result = format_text(text)
    assert format_text(result) == result
    assert say(result) == say(text)
    assert result.endswith("\n")
    assert not result.endswith("\n\n")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_our_own_files_are_formatted(path: Path) -> None:
    assert format_text(path.read_text()) == path.read_text()


@pytest.mark.parametrize("text", [*TEXTS, MESSY], ids=[*(p.name for p in CORPUS), "messy"])
def test_meaning_and_comments_are_kept(text: str) -> None:
    assert_formats(text)


def test_spacing_does_not_change_the_meaning() -> None:
    generator = random.Random(7)
    for number in range(60):
        text = mutate.respace(generator, [*TEXTS, MESSY][number % (len(TEXTS) + 1)])
        assert_formats(text)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([MESSY, *TEXTS[:2]]))
def test_any_spacing_is_formatted(seed: int, text: str) -> None:
    assert_formats(mutate.respace(random.Random(seed), text))


def test_damaged_files_are_refused_or_formatted() -> None:
    generator = random.Random(8)
    formatted = 0
    for _ in range(250):
        text = mutate.damage(generator, [*TEXTS, MESSY])
        try:
            result = format_text(text)
        except idol.RonError:
            continue
        assert format_text(result) == result
        formatted += 1
    assert formatted > 10


values = st.recursive(
    st.sampled_from(["1", "-2.5", "true", '"a"', "'x'", "None", "Unit", r'"\n"', 'r#"""#', "1e3"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=4).map(lambda items: f"({', '.join(items)})"),
        st.lists(inner, max_size=3).map(lambda items: f"Name({', '.join(items)})"),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda items: f"S({', '.join(f'f{n}: {item}' for n, item in enumerate(items))})"
        ),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        ),
        inner.map(lambda item: f"Some({item})"),
    ),
    max_leaves=30,
)


@given(values, st.integers(0, 2**32))
def test_any_ron_is_formatted(text: str, seed: int) -> None:
    """`format_text` compares the trees itself; what is left is that it settles."""
    for given_text in (text, mutate.respace(random.Random(seed), text)):
        result = format_text(given_text)
        assert format_text(result) == result
        comments = [token.text.rstrip() for token in iter_tokens(given_text) if token.is_comment]
        assert [t.text.rstrip() for t in iter_tokens(result) if t.is_comment] == comments


def test_lines_are_broken_at_the_width() -> None:
    arguments = ", ".join(f'"argument_{n}": "u8"' for n in range(8))
    text = f'Interface(name: "I", ops: {{"o": (args: {{{arguments}}}, reply: Simple("u8"))}})'
    assert max(map(len, format_text(text).splitlines())) <= WIDTH


@pytest.mark.parametrize(
    "piece", ['"a": (reply: Simple("u8")), ', "// c\n", '"a": 1 // b\n, // c\n', "/*c*/"]
)
def test_time_is_linear(piece: str) -> None:
    assert grows_linearly(lambda count: format_text("{" + piece * count + "}"), 300)


def test_deep_nesting_ends() -> None:
    """A formatter that tried two ways at each level would take for ever."""
    text = format_text("[" * 120 + "]" * 120)
    assert format_text(text) == text


# -- the command -------------------------------------------------------------------------------

UGLY = 'Interface(name:"I",ops:{"o":(reply:Simple("u8"))})'


def test_fmt_writes_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "i.idol"
    path.write_text(UGLY)
    path.chmod(0o640)
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == format_text(UGLY)
    assert path.stat().st_mode & 0o777 == 0o640
    os.utime(path, ns=(1, 1))
    assert main(["fmt", str(path)]) == 0
    assert path.stat().st_mtime_ns == 1
    assert [p.name for p in tmp_path.iterdir()] == ["i.idol"]


def test_fmt_writes_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "i.idol", tmp_path / "link.idol"
    path.write_text(UGLY)
    link.symlink_to(path.name)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert path.read_text() == format_text(UGLY)


def test_fmt_check_names_files_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ugly, good = tmp_path / "ugly.idol", tmp_path / "good.idol"
    ugly.write_text(UGLY)
    good.write_text(format_text(UGLY))
    assert main(["fmt", "--check", str(ugly), str(good)]) == 1
    assert capsys.readouterr().out == f"{ugly}\n"
    assert ugly.read_text() == UGLY
    assert main(["fmt", "--check", str(good)]) == 0


def test_fmt_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ugly.idol"
    path.write_text(UGLY)
    assert main(["fmt", "--diff", str(path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"--- {path}\n+++ {path} (formatted)\n")
    assert f"-{UGLY}\n\\ No newline at end of file\n" in output
    assert '+    name: "I",\n' in output
    assert path.read_text() == UGLY
    assert main(["fmt", "--diff", "--check", str(path)]) == 1


def test_fmt_of_the_standard_input() -> None:
    result = subprocess.run(
        [sys.executable, "-P", "-m", "idol", "fmt", "-"],
        input=UGLY.encode(),
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    assert result.stdout.decode() == format_text(UGLY)


def test_fmt_of_a_bad_file_goes_on_with_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, ugly = tmp_path / "bad.idol", tmp_path / "ugly.idol"
    bad.write_text("Interface(")
    ugly.write_text(UGLY)
    assert main(["fmt", str(bad), str(ugly)]) == 1
    assert "[ron-syntax]" in capsys.readouterr().err
    assert bad.read_text() == "Interface("
    assert ugly.read_text() == format_text(UGLY)
    assert main(["fmt", str(tmp_path / "none.idol"), str(ugly)]) == 4
    assert main(["fmt", str(ugly), str(ugly)]) == 2


def test_line_ends_inside_of_strings_are_kept() -> None:
    text = 'Interface(\r\n name: "I", doc: "a\r\nb", // c\r\n ops: {})\r\n'
    result = format_text(text)
    assert result == 'Interface(\n    name: "I",\n    doc: "a\r\nb", // c\n    ops: {},\n)\n'


def test_all_files_of_a_checkout() -> None:
    folder = os.environ.get("IDOLDBG_HUBRIS")
    if not folder:
        pytest.skip("needs a checkout of oxidecomputer/hubris: IDOLDBG_HUBRIS=DIR")
    paths = [p for p in Path(folder).rglob("*.id*") if p.suffix in (".idol", ".idl")]
    assert paths
    for path in paths:
        assert_formats(path.read_text())
