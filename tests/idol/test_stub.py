"""The generators: whole stubs beside tiny interfaces, and what must hold for all of them."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import idol
from idol.options import FailServer, ServerStyle, StubOptions
from idol.rust_type import parse_type
from tests.tools import need

HERE = Path(__file__).parent

TINY = """\
// A tiny interface.
Interface(
    name: "Tiny",
    ops: {
        "poke": (
            doc: "Pokes.",
            args: {"address": "u32", "mode": (type: "Mode", recv: FromPrimitive("u8"))},
            leases: {"source": (type: "[u8]", read: true, max_len: Some(16))},
            reply: Result(ok: "bool", err: CLike("PokeError")),
        ),
    },
)
"""

HUBPACK = """\
Interface(
    name: "Sensor2",
    ops: {
        "last": (
            args: {"id": "SensorId", "raw": "bool"},
            reply: Result(ok: "Option<(f32, u64)>", err: Complex("SensorError")),
            encoding: Hubpack,
            idempotent: true,
        ),
        "reset": (reply: Result(ok: "()", err: ServerDeath), encoding: Ssmarshal),
    },
)
"""

#: One of each choice, and all together.
OPTIONS = {
    "usual": StubOptions(),
    "plain": StubOptions(named_panics=False),
    "counters": StubOptions(counters=True),
    "combined": StubOptions(counters=True, combine_client_errors=True),
    "pipelined": StubOptions(style=ServerStyle.PIPELINED),
    "pipelined-counters": StubOptions(counters=True, style=ServerStyle.PIPELINED),
    "bare": StubOptions(bare_replies=True, fail_server=FailServer.NEVER),
    "all": StubOptions(
        extra_derives=("serde::Serialize",),
        counters=True,
        combine_client_errors=True,
        style=ServerStyle.PIPELINED,
        bare_replies=True,
    ),
}

GENERATORS = {"client": idol.client_stub, "server": idol.server_stub}


def everything() -> idol.Interface:
    return read("everything.idol")


def read(name: str) -> idol.Interface:
    return idol.parse(idol.Source(name, (HERE / name).read_text()))


@pytest.mark.parametrize("kind", GENERATORS)
def test_whole_stub(kind: str, golden: Callable[[str, str], None]) -> None:
    interface = idol.parse(idol.Source("tiny.idol", TINY))
    assert idol.check(interface) == ()
    golden(f"idol/tiny_{kind}.rs", GENERATORS[kind](interface))


@pytest.mark.parametrize("text", [HUBPACK, (HERE / "everything.idol").read_text()])
def test_interfaces_of_all_constructs_pass_the_checks(text: str) -> None:
    assert idol.check(idol.parse(text)) == ()


@pytest.mark.parametrize("kind", GENERATORS)
def test_output_is_deterministic(kind: str) -> None:
    assert GENERATORS[kind](everything()) == GENERATORS[kind](everything())


@pytest.mark.parametrize("kind", GENERATORS)
def test_output_is_formatted(kind: str, tmp_path: Path) -> None:
    rustfmt = need("rustfmt", of="rustfmt-web")
    interfaces = [everything(), idol.parse(TINY), idol.parse(HUBPACK), long_names()]
    interfaces += [read("styles.idol"), read("uniform.idol"), read("names.idol")]
    paths = []
    for interface in interfaces:
        for name, options in OPTIONS.items():
            callers = {o.name: tuple(range(o.code % 7)) for o in interface.operations if o.code % 2}
            options = dataclasses.replace(options, allowed_callers=callers)
            paths.append(tmp_path / f"{interface.name}_{name}.rs")
            paths[-1].write_text(GENERATORS[kind](interface, options))
    command = [rustfmt, "--check", "--edition", "2021", "--color", "never", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def long_names() -> idol.Interface:
    """Give each construct a reason to break its line."""
    return idol.parse(
        """Interface(name: "AnInterfaceWithLongName", ops: {
        "an_operation_with_a_long_name": (
            args: {"first_argument": "some_crate::some_module::SomeType", "second": "bool",
                   "third": (type: "some_crate::SomeMode", recv: FromPrimitive("u32"))},
            leases: {"the_first_lease": (type: "[u8]", read: true, max_len: Some(65535)),
                     "the_second_lease": (type: "some_crate::LeasedThing", write: true)},
            reply: Result(ok: "some_crate::some_module::AResultWithALongName",
                          err: CLike("some_crate::some_module::AnErrorWithALongName")),
        ),
        "another_operation_with_long_name": (
            args: {"first_argument": "Option<(some_crate::some_module::SomeType, u64)>"},
            reply: Result(ok: "Result<some_crate::Something, some_crate::SomethingElse>",
                          err: Complex("some_crate::some_module::AnErrorWithALongName")),
            encoding: Hubpack,
        ),
        "yet_another_operation_with_many": (
            args: {"an_argument_of_many": "u8", "b_argument_of_many": "u8", "c": "u8", "d": "u8",
                   "e": "u8", "f": "u8", "g": "u8", "h": "u8"},
            reply: Simple("(some_crate::some_module::SomeType, some_crate::SomethingElse)"),
            idempotent: true,
        ),
        })"""
    )


def test_a_client_must_be_able_to_detect_server_death() -> None:
    interface = idol.parse(
        idol.Source("i.idol", 'Interface(name: "I", ops: {"op": (reply: Simple("u8"))})')
    )
    assert [d.severity for d in idol.check(interface)] == [idol.Severity.WARNING]
    assert "fn op(" in idol.server_stub(interface)
    with pytest.raises(idol.InterfaceError, match="cannot tell its caller that the server died"):
        idol.client_stub(interface)


def test_definition_is_the_text_byte_for_byte() -> None:
    text = '// "é" \\ \t\r\n' + TINY + "\x7f\x00"
    text = text.removesuffix("\x7f\x00") + "// \x7f\x00"
    stub = idol.server_stub(idol.parse(idol.Source("tiny.idol", text)))
    match = re.search(r'_TINY_IDOL_DEFINITION: \[u8; (\d+)\] =\s+\*b"(.*)";\n', stub)
    assert match is not None
    # A Rust byte string without \u escapes reads the same in Python.
    data = match[2].encode("ascii").decode("unicode_escape").encode("latin-1")
    assert data == text.encode()
    assert int(match[1]) == len(data)


def test_named_panics_differ_and_plain_ones_are_plain() -> None:
    named = idol.client_stub(everything())
    plain = idol.client_stub(everything(), idol.StubOptions(named_panics=False))
    functions = re.findall(r"fn (\w+)\(\) -> !", named)
    assert "everything_lend_source_is_longer_than_512" in functions
    assert len(functions) == len(set(functions))
    assert "-> !" not in plain
    assert "panic!();" in plain


def test_locals_avoid_the_names_of_arguments() -> None:
    interface = idol.parse(
        """Interface(name: "I", ops: {"op": (
            args: {"reply": "u8", "code": "u8", "task": "u8", "arguments": "u8", "msg": "u8"},
            reply: Simple("u8"), idempotent: true)})"""
    )
    client = idol.client_stub(interface)
    for name in ("reply", "code", "task", "arguments"):
        assert f"let {name} " not in client
        assert f"let mut {name} " not in client
    assert "msg_: &userlib::RecvMessage" in idol.server_stub(interface)


def test_extra_derives() -> None:
    options = idol.StubOptions(extra_derives=("counters::Count", "serde::Serialize"))
    for generate in GENERATORS.values():
        assert "counters::Count, serde::Serialize" in generate(everything(), options)
    for bad in ("", "a b", "[u8]", "x]\nstruct Y"):
        with pytest.raises(idol.OptionsError):
            idol.StubOptions(extra_derives=(bad,))


def test_documentation_cannot_leave_its_comment() -> None:
    text = TINY.replace("Pokes.", "Line one.\\n\\r\\n}} fn evil() {{ \\u{2028} x")
    stub = idol.client_stub(idol.parse(text))
    assert "    /// Line one.\n" in stub
    assert not re.search(r"^\s*[^/\s][^/]*evil", stub, re.MULTILINE)


def test_types_are_printed_as_parsed() -> None:
    for interface in (everything(), long_names()):
        for operation in interface.operations:
            for argument in operation.arguments:
                assert parse_type(str(argument.type)) == argument.type.rust


def test_without_layout_it_is_the_same_text() -> None:
    """Apart from blanks and from the commas that end a list over several lines."""
    for generate in GENERATORS.values():
        laid_out = generate(everything(), StubOptions())
        raw = generate(everything(), StubOptions(is_formatted=False))
        assert [line.strip() for line in laid_out.splitlines() if line] == raw.splitlines()


def test_callers_of_unknown_operations_are_refused() -> None:
    with pytest.raises(idol.OptionsError, match="does not have: did you mean `poke`"):
        idol.server_stub(idol.parse(TINY), StubOptions(allowed_callers={"pok": (1,)}))


def test_only_named_operations_are_restricted() -> None:
    options = StubOptions(allowed_callers={"look": (2, 5)})
    stub = idol.server_stub(read("uniform.idol"), options)
    assert stub.count("ClientError::AccessViolation") == 1
    assert "if idol_sender != 2 && idol_sender != 5 {" in stub


def test_fail_server_needs_one_error_type() -> None:
    always = StubOptions(fail_server=FailServer.ALWAYS)
    never = StubOptions(fail_server=FailServer.NEVER)
    assert "pub struct FailServer" in idol.server_stub(read("uniform.idol"))
    assert "pub struct FailServer" in idol.server_stub(read("uniform.idol"), always)
    assert "FailServer" not in idol.server_stub(read("uniform.idol"), never)
    assert "FailServer" not in idol.server_stub(everything())
    with pytest.raises(idol.OptionsError, match="do not all have the same error type"):
        idol.server_stub(everything(), always)


def test_documentation_of_arguments() -> None:
    recv = 'recv: FromPrimitive("u8")'
    interface = idol.parse(TINY.replace(recv, f'{recv}, doc: "How\\n hard."'))
    for generate in GENERATORS.values():
        text = "    /// Pokes.\n    ///\n    /// - `mode`: How hard.\n"
        assert text in generate(interface)


def test_derives_break_where_rustfmt_does(tmp_path: Path) -> None:
    rustfmt = need("rustfmt", of="rustfmt-web")
    paths = []
    for length in range(20, 32):
        options = StubOptions(extra_derives=("T" * length,))
        paths.append(tmp_path / f"{length}.rs")
        paths[-1].write_text(idol.client_stub(idol.parse(TINY), options))
    command = [rustfmt, "--check", "--edition", "2021", "--color", "never", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
