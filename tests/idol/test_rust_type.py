"""Type texts to structure and back."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path as FilePath

import pytest

from idol import rust_type_tokens
from idol.errors import TypeSyntaxError
from idol.rust_type import (
    Array,
    Binding,
    Call,
    Captures,
    Constant,
    Constraint,
    Expression,
    Function,
    ImplTrait,
    Inferred,
    Lifetime,
    MacroCall,
    Never,
    Parameter,
    Path,
    Pointer,
    QualifiedPath,
    Reference,
    RustType,
    Segment,
    Slice,
    TraitBound,
    TraitObject,
    Tuple,
    appears_unsized,
    format_type,
    is_identifier,
    parse_type,
)
from idol.rust_type_reader import MAX_DEPTH
from tests.tools import need


def path(*names: str) -> Path:
    return Path(tuple(Segment(name) for name in names))


def generic(name: str, *arguments: RustType | Constant | Lifetime | Binding) -> Path:
    return Path((Segment(name, arguments),))


def called(name: str, *parameters: RustType, result: RustType | None = None) -> Path:
    return Path((Segment(name, call=Call(parameters, result)),))


def literal(text: str) -> Constant:
    return Constant(Expression(text))


U8 = path("u8")

#: text as format_type prints it, structure
TYPES: list[tuple[str, RustType]] = [
    ("u8", U8),
    ("drv_spi_api::SpiError", path("drv_spi_api", "SpiError")),
    ("::core::num::NonZeroU8", Path(path("core", "num", "NonZeroU8").segments, True)),
    ("crate::a::B", path("crate", "a", "B")),
    ("super::super::B", path("super", "super", "B")),
    ("Self", path("Self")),
    ("r#type::T", path("r#type", "T")),
    ("Option<u16>", generic("Option", path("u16"))),
    (
        "a::B<u8>::C<d::E>",
        Path((Segment("a"), Segment("B", (U8,)), Segment("C", (path("d", "E"),)))),
    ),
    (
        "Result<Option<u8>, my::Err>",
        generic("Result", generic("Option", U8), path("my", "Err")),
    ),
    ("Buf<4>", generic("Buf", Constant(4))),
    ("Buf<-4>", generic("Buf", Constant(-4))),
    ("Buf<true, 'x'>", generic("Buf", Constant(Expression("true")), Constant(Expression("'x'")))),
    ("Buf<{ N + 1 }>", generic("Buf", Constant(Expression("{ N + 1 }")))),
    ("Ref<'static, u8>", generic("Ref", Lifetime("static"), U8)),
    ("Iter<Item = u8>", generic("Iter", Binding("Item", U8))),
    ("[u8; 32]", Array(U8, 32)),
    ("[[u8; 3]; 40]", Array(Array(U8, 3), 40)),
    ("[u8; crate::SIZE]", Array(U8, Expression("crate::SIZE"))),
    ("[u8; 2 * N]", Array(U8, Expression("2 * N"))),
    ("[u8; f([1, 2], (3))]", Array(U8, Expression("f([1, 2], (3))"))),
    ("[u8; { let x = [1; 2]; x.len() }]", Array(U8, Expression("{ let x = [1; 2]; x.len() }"))),
    (
        "[u8; core::mem::size_of::<T>()]",
        Array(U8, Expression("core::mem::size_of::<T>()")),
    ),
    ("[usize; tasks::COUNT]", Array(path("usize"), Expression("tasks::COUNT"))),
    ("[u8]", Slice(U8)),
    ("()", Tuple()),
    ("(u8,)", Tuple((U8,))),
    ("(f32, u64)", Tuple((path("f32"), path("u64")))),
    (
        "Option<(Result<f32, NoData>, u64)>",
        generic("Option", Tuple((generic("Result", path("f32"), path("NoData")), path("u64")))),
    ),
    ("&u8", Reference(U8)),
    ("&'a mut [u8]", Reference(Slice(U8), True, Lifetime("a"))),
    ("*const u8", Pointer(U8)),
    ("*mut [u8; 4]", Pointer(Array(U8, 4), True)),
    ("!", Never()),
    ("fn(u8, &u8) -> Option<u8>", Function((U8, Reference(U8)), generic("Option", U8))),
    ('unsafe extern "C" fn()', Function((), qualifiers='unsafe extern "C"')),
    ("dyn a::B + 'static", TraitObject((path("a", "B"), Lifetime("static")))),
    ("<T as a::B>::C", QualifiedPath(path("T"), path("a", "B"), (Segment("C"),))),
    ("<[u8; 4]>::C", QualifiedPath(Array(U8, 4), None, (Segment("C"),))),
    ("_", Inferred()),
    ("Option<_>", generic("Option", Inferred())),
    ("vec![u8]", MacroCall(path("vec"), "[u8]")),
    ("::a::m! { x, (y) }", MacroCall(Path(path("a", "m").segments, True), "{ x, (y) }")),
    ("fn(a: u8, _: &u8)", Function((Parameter(U8, "a"), Parameter(Reference(U8), "_")))),
    (
        "fn(#[cfg(a)] #[b] c: u8, #[d] u8)",
        Function((Parameter(U8, "c", ("cfg(a)", "b")), Parameter(U8, None, ("d",)))),
    ),
    ('extern r"C" fn(u8, ...)', Function((U8,), qualifiers='extern r"C"', is_variadic=True)),
    (
        "for<'a, 'b: 'a> unsafe fn(&'a u8)",
        Function(
            (Reference(U8, False, Lifetime("a")),), Tuple(), "unsafe", False, ("'a", "'b: 'a")
        ),
    ),
    ("impl a::B + 'static", ImplTrait((path("a", "B"), Lifetime("static")))),
    ("impl A + use<'a, T>", ImplTrait((path("A"), Captures(("'a", "T"))))),
    ("impl ?Sized + A", ImplTrait((TraitBound(path("Sized"), True), path("A")))),
    ("dyn Fn(u8) -> u16 + Send", TraitObject((called("Fn", U8, result=path("u16")), path("Send")))),
    (
        "dyn for<'a> Fn(&'a u8)",
        TraitObject(
            (TraitBound(called("Fn", Reference(U8, False, Lifetime("a"))), False, ("'a",)),)
        ),
    ),
    ("&(dyn A + B)", Reference(TraitObject((path("A"), path("B"))))),
    ("*const (dyn A + B)", Pointer(TraitObject((path("A"), path("B"))))),
    ("fn() -> (impl A + B)", Function((), ImplTrait((path("A"), path("B"))))),
    ("Iter<Item = 4>", generic("Iter", Binding("Item", Constant(4)))),
    (
        "Iter<Item<'a> = &'a u8>",
        generic("Iter", Binding("Item", Reference(U8, False, Lifetime("a")), (Lifetime("a"),))),
    ),
    (
        "Iter<Item: Copy + 'static>",
        generic("Iter", Constraint("Item", (path("Copy"), Lifetime("static")))),
    ),
    ("A<1.5, b'x', r#\"y\"#>", generic("A", *map(literal, ("1.5", "b'x'", 'r#"y"#')))),
]


@pytest.mark.parametrize(("text", "structure"), TYPES, ids=[text for text, _ in TYPES])
def test_both_directions(text: str, structure: RustType) -> None:
    assert parse_type(text) == structure
    assert format_type(structure) == text


#: other spellings, canonical text
SPELLINGS = [
    ("  u8 ", "u8"),
    ("Option< u16 >", "Option<u16>"),
    ("Option::<u16>", "Option<u16>"),
    ("Option<u16,>", "Option<u16>"),
    ("(u8)", "u8"),
    ("((u8, u16,))", "(u8, u16)"),
    ("[u8;0x20]", "[u8; 32]"),
    ("[u8; 1_000usize]", "[u8; 1000]"),
    ("[u8;  crate :: SIZE ]", "[u8; crate :: SIZE]"),
    ("fn() -> ()", "fn()"),
    ("A<B<C<u8>>>", "A<B<C<u8>>>"),
    ("&&u8", "&&u8"),
    ("/* a */ u8 // b", "u8"),
    ("[u8; /* how many? */ N // as many\n + 1]", "[u8; N + 1]"),
    ("A<'a/**/,'b>", "A<'a, 'b>"),
    ('A<{ "//" }>', 'A<{ "//" }>'),
    ("/* a /* b */ c */ u8", "u8"),
    ("dyn A +", "dyn A"),
    ("dyn (A) + (?B)", "dyn A + ?B"),
    ("Fn::(u8,) -> (u8)", "Fn(u8) -> u8"),
    ("A<4u8, -0x10>", "A<4, -16>"),
    ("for<> fn()", "fn()"),
    ("impl A + use<>", "impl A + use<>"),
]


@pytest.mark.parametrize(("text", "canonical"), SPELLINGS)
def test_other_spellings(text: str, canonical: str) -> None:
    assert format_type(parse_type(text)) == canonical
    assert format_type(parse_type(canonical)) == canonical


#: text, offset of the error, a part of the message
BAD = [
    ("", 0, "expected a type, found the end of the text"),
    ("   ", 0, "expected a type"),
    ("u8 u8", 3, "unexpected `u8` after the type"),
    ("Option<u16", 10, "expected `>`, found the end of the text"),
    ("Option<u16]", 10, "expected `>`, found `]`"),
    ("[u8; ]", 5, "expected a length"),
    ("[u8; (1]", 7, "`]` closes nothing"),
    ("[u8; 1)]", 6, "`)` closes nothing"),
    ("[u8", 3, "expected `;`"),
    ("[u8; 4", 6, "expected `]`"),
    ("(u8", 3, "expected `)`"),
    ("a::", 3, "expected a name"),
    ("a::5", 3, "expected a name"),
    ("match", 0, "`match` is a keyword"),
    ("a::crate", 3, "`crate` is a keyword"),
    ("#", 0, "expected a type, found `#`"),
    ("m!", 2, "expected `(`, `[` or `{`"),
    ("A<u8>!(x)", 5, "expected the end of the type"),
    ("&dyn A + B", 7, "unexpected `+` after the type"),
    ("fn() -> dyn A + B", 14, "unexpected `+` after the type"),
    ("impl", 4, "expected a type"),
    ("impl 'static", 12, "expected a trait"),
    ("dyn use<'a>", 11, "expected a trait"),
    ("for<T> fn(T)", 4, "expected a lifetime, found `T`"),
    ("fn(u8, ..., u8)", 12, "expected `)`"),
    ("fn(match: u8)", 3, "`match` is a keyword"),
    ("extern 'C' fn()", 7, "expected the name of an ABI"),
    ("/* u8", 0, "the comment does not end"),
    ("*u8", 1, "expected `const`"),
    ("<u8 as A>", 9, "expected `::`"),
    ("5", 0, "expected a type"),
    ("[u8; " + "9" * 50 + "]", 5, "too large"),
]


@pytest.mark.parametrize(("text", "offset", "message"), BAD)
def test_bad_types_are_located(text: str, offset: int, message: str) -> None:
    with pytest.raises(TypeSyntaxError) as caught:
        parse_type(text)
    assert message in str(caught.value)
    assert caught.value.offset == offset
    assert isinstance(caught.value, ValueError)


#: What rustc refuses, too, but only when it has read it.
REFUSED_LATER = {
    "[u8; " + "9" * 50 + "]",
    *("A<u8>!(x)", "a::crate", "dyn use<'a>", "fn(u8, ..., u8)", "for<T> fn(T)"),
    *("impl", "impl 'static"),
}


def test_rustc_reads_the_same(tmp_path: FilePath) -> None:
    """Only its parser runs, so that nothing has to exist."""
    need("rustc", of="rustc-web")

    def reads(*types: str) -> bool:
        file = tmp_path / "types.rs"
        lines = [f"type T{n} = {text}\n;" for n, text in enumerate(types)]
        file.write_text("\n".join(lines))
        command = ["rustc", "-Zparse-crate-root-only", "--edition", "2024", str(file)]
        environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
        result = subprocess.run(command, env=environment, capture_output=True, timeout=60)
        return result.returncode == 0

    good = [text for text, _ in TYPES] + [text for pair in SPELLINGS for text in pair]
    assert reads(*good)
    assert {text for text, _, _ in BAD if reads(text)} <= REFUSED_LATER


@pytest.mark.parametrize("bracket", ["[", "(", "&", "A<", "*mut ", "<", "fn("])
def test_depth_is_bounded(bracket: str) -> None:
    with pytest.raises(TypeSyntaxError, match=r"nest deeper|too long"):
        parse_type(bracket * 1000)
    with pytest.raises(TypeSyntaxError, match=f"nest deeper than {MAX_DEPTH}"):
        parse_type(bracket * (MAX_DEPTH + 1))


def test_long_types_are_refused() -> None:
    with pytest.raises(TypeSyntaxError, match="too long"):
        parse_type("a::" * 10_000 + "b")


def test_mutations_are_a_type_or_an_error() -> None:
    generator = random.Random(7)
    alphabet = "<>()[];:,&*!'\"{}-= \tau8N_0"
    types = [text for text, _ in TYPES]
    for _ in range(5000):
        text = list(generator.choice(types))
        for _ in range(generator.randint(1, 3)):
            at = generator.randrange(len(text) + 1)
            text[at : at + generator.randint(0, 2)] = generator.choices(
                alphabet, k=generator.randint(0, 2)
            )
        try:
            parsed = parse_type("".join(text))
        except TypeSyntaxError as error:
            assert 0 <= error.offset <= len(error.text)
        else:
            assert parse_type(format_type(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "unsized"), [("[u8]", True), ("dyn A", True), ("[u8; 1]", False), ("&[u8]", False)]
)
def test_appears_unsized(text: str, unsized: bool) -> None:
    assert appears_unsized(parse_type(text)) is unsized


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("_a1", True), ("größe", True), ("_", False), ("1a", False), ("type", False),
     ("Self", False), ("a-b", False), ("", False), ("a b", False)],
)  # fmt: skip
def test_is_identifier(name: str, good: bool) -> None:
    assert is_identifier(name) is good


PARTS = [
    "u8",
    "a",
    "é",
    "r#a",
    "1",
    "10",
    "1_0",
    "0x1f",
    "1u8",
    "1.5",
    "1e5",
    "::",
    ":",
    "->",
    "..",
]
PARTS += [
    "<",
    ">",
    "[",
    "]",
    "(",
    ")",
    ",",
    ";",
    "&",
    "'a",
    "'a'",
    '"a"',
    'b"',
    "#",
    " ",
    "\n",
    "-",
]


def test_plain_types_are_split_as_all_others_are() -> None:
    """Most types need only a small pattern; its tokens are those of the whole one."""
    chance = random.Random(1)
    plain = 0
    for _ in range(20_000):
        text = "".join(chance.choices(PARTS, k=chance.randint(1, 6)))
        tokens, end = rust_type_tokens._match_all(rust_type_tokens._PLAIN, text)
        if text[end:].strip():
            continue
        plain += 1
        assert (tokens, end) == rust_type_tokens._match_all(rust_type_tokens._TOKEN, text), text
    assert plain > 1000
