"""Evidence that decides a type, one case each; the tests write the debug information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from idoldbg.call import codec
from idoldbg.call.arguments import parse_value
from idoldbg.errors import DecodeError, NotFound
from idoldbg.model.values import format_value
from idoldbg.resolver import How, ResolvedOperation, parse_override
from tests.idoldbg.resolver.written import Dwarf

Make = Callable[..., Any]


Resolve = Callable[..., ResolvedOperation]
FAILS = 'reply: Result(ok: "()", err: CLike("DemoError"))'


def error_names(operation: ResolvedOperation) -> tuple[str | None, How]:
    assert operation.error is not None
    return operation.error.type_name, operation.error.how


def test_the_only_type_of_that_name(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::DemoError", "Bad")
    operation = resolve(FAILS, {"server": dwarf})
    assert error_names(operation) == ("demo_api::DemoError", How.NAME)
    assert (operation.ok.type_name, operation.ok.how) == ("()", How.BASE)


def test_a_path_settles_which(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::DemoError", "Bad")
    dwarf.enum("other_api::DemoError", "Good", "Better")
    text = FAILS.replace("DemoError", "other_api::DemoError")
    assert error_names(resolve(text, {"server": dwarf})) == ("other_api::DemoError", How.PATH)


def test_same_layout_is_not_ambiguous(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::DemoError", "Bad")
    dwarf.enum("other_api::DemoError", "Bad")
    assert error_names(resolve(FAILS, {"server": dwarf}))[1] is How.NAME


def test_different_layouts_are_reported_with_all_candidates(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("one_api::DemoError", "Bad")
    dwarf.enum("two_api::DemoError", "Good", "Better")
    operation = resolve(FAILS, {"server": dwarf})
    assert error_names(operation) == (None, How.AMBIGUOUS)
    assert operation.error is not None
    names = [c.name for c in operation.error.candidates]
    assert names == ["one_api::DemoError", "two_api::DemoError"]


def test_the_nearest_namespace_settles_it(dwarf: Dwarf, resolve: Resolve) -> None:
    """The server's crate is demo-server, so `demo_api` is the likelier home."""
    dwarf.enum("demo_api::DemoError", "Bad")
    dwarf.enum("two_api::DemoError", "Good", "Better")
    assert error_names(resolve(FAILS, {"server": dwarf})) == ("demo_api::DemoError", How.NEAREST)


def test_the_server_s_return_type_settles_it(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::DemoError", "Bad")
    dwarf.enum("two_api::DemoError", "Good", "Better")
    dwarf.struct("idol_runtime::RequestError<two_api::DemoError>", size=1)
    assert error_names(resolve(FAILS, {"server": dwarf})) == ("two_api::DemoError", How.USED)


def test_an_error_must_be_an_enum(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.struct("two_api::DemoError", {"a": dwarf.u8})
    dwarf.enum("one_api::DemoError", "Bad")
    assert error_names(resolve(FAILS, {"server": dwarf})) == ("one_api::DemoError", How.NAME)


@pytest.mark.parametrize("name", ["DemoError", "one_api::DemoError"])
def test_the_user_has_the_last_word(name: str, dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("one_api::DemoError", "Bad")
    dwarf.enum("two_api::DemoError", "Good", "Better")
    text = FAILS.replace("DemoError", name)
    overrides = dict([parse_override(f"{name} = two_api::DemoError")])
    found = resolve(text, {"server": dwarf}, overrides)
    assert error_names(found) == ("two_api::DemoError", How.OVERRIDE)
    with pytest.raises(NotFound, match="three_api"):
        resolve(text, {"server": dwarf}, {name: "three_api::DemoError"})


def test_other_tasks_are_asked_last(die: Any, dwarf: Dwarf, resolve: Resolve) -> None:
    client = Dwarf(die)
    client.enum("demo_api::DemoError", "Bad")
    operation = resolve(FAILS, {"server": dwarf, "client": client})
    assert error_names(operation) == ("demo_api::DemoError", How.ELSEWHERE)


def test_missing(dwarf: Dwarf, resolve: Resolve) -> None:
    assert error_names(resolve(FAILS, {"server": dwarf})) == (None, How.MISSING)


ARGUMENTS = 'args: {"port": (type: "Port", recv: FromPrimitive("u8")), "on": "bool", "n": "u16"}, '
SIMPLE = 'reply: Simple("()")'


def test_arguments_from_the_message(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::Port", "A", "B")
    members = {"raw_port": dwarf.u8, "raw_on": dwarf.u8, "n": dwarf.u16}
    dwarf.struct("server::idl::Demo_op_ARGS", members)
    operation = resolve(ARGUMENTS + SIMPLE, {"server": dwarf})
    assert operation.message is not None
    assert operation.message.name == "server::idl::Demo_op_ARGS"
    assert [(a.name, a.type_name, a.how) for a in operation.arguments] == [
        ("port", "demo_api::Port", How.NAME),
        ("on", "bool", How.BASE),
        ("n", "u16", How.MESSAGE),
    ]
    assert [(m.name, m.offset, m.type.name) for m in operation.wire_members] == [
        ("raw_port", 0, "u8"),
        ("raw_on", 1, "u8"),
        ("n", 2, "u16"),
    ]


def test_message_of_a_client(die: Any, dwarf: Dwarf, resolve: Resolve) -> None:
    client = Dwarf(die)
    members = {"port": client.u8, "on": client.u8, "n": client.u16}
    client.struct("demo_api::client::Demo_op_ARGS", members)
    operation = resolve(ARGUMENTS + SIMPLE, {"server": dwarf, "client": client})
    assert [m.name for m in operation.wire_members] == ["port", "on", "n"]
    # The enum itself is nowhere: the number that travels can be given instead.
    assert (operation.arguments[0].type_name, operation.arguments[0].how) == ("u8", How.WIRE)


def test_message_that_is_nowhere_is_packed(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("demo_api::Port", "A", "B")
    operation = resolve(ARGUMENTS + SIMPLE, {"server": dwarf})
    assert operation.message is None
    assert [(m.name, m.offset, m.type.name) for m in operation.wire_members] == [
        ("port", 0, "u8"),
        ("on", 1, "u8"),
        ("n", 2, "u16"),
    ]


def test_the_reply_struct(dwarf: Dwarf, resolve: Resolve) -> None:
    state = dwarf.struct("one_api::State", {"a": dwarf.u8})
    dwarf.struct("two_api::State", {"b": dwarf.u16})
    dwarf.struct("server::idl::Demo_op_REPLY", {"value": state})
    operation = resolve('reply: Simple("State")', {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == ("one_api::State", How.REPLY)


def test_an_alias_is_replaced_by_its_type(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.struct("server::idl::Demo_op_REPLY", {"value": dwarf.u16})
    operation = resolve('reply: Simple("crate::Celsius")', {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == ("u16", How.REPLY)


def test_types_kept_by_the_stub(dwarf: Dwarf, resolve: Resolve) -> None:
    error = dwarf.enum("one_api::DemoError", "Bad")
    dwarf.enum("two_api::DemoError", "Good", "Better")
    port = dwarf.enum("demo_api::Port", "A", "B")
    arguments = dwarf.struct("(demo_api::Port,)", {"__0": port})
    block = dwarf.struct("demo_api::Block", {"a": dwarf.u8})
    pointer = dwarf.pointer(block, "*const ")
    leases = dwarf.struct("(*const demo_api::Block,)", {"__0": pointer})
    kept = {"arguments": arguments, "leases": leases, "error": error}
    dwarf.struct("server::idl::Demo_op_TYPES", kept)
    text = (
        'args: {"port": (type: "Port", recv: FromPrimitive("u8"))}, '
        'leases: {"block": (type: "Block", read: true)}, ' + FAILS
    )
    operation = resolve(text, {"server": dwarf})
    assert error_names(operation) == ("one_api::DemoError", How.KEPT)
    (argument,), (lease,) = operation.arguments, operation.leases
    assert (argument.type_name, argument.how) == ("demo_api::Port", How.KEPT)
    assert argument.wire is not None and argument.wire.type.name == "u8"
    assert (lease.type_name, lease.how, lease.is_slice) == ("demo_api::Block", How.KEPT, False)


def test_leases(dwarf: Dwarf, resolve: Resolve) -> None:
    text = 'leases: {"sink": (type: "[u16]", write: true, max_len: Some(8))}, ' + SIMPLE
    (lease,) = resolve(text, {"server": dwarf}).leases
    assert (lease.text, lease.type_name, lease.is_slice) == ("[u16]", "[u16]", True)
    assert lease.element is not None and lease.element.name == "u16"
    assert (lease.read, lease.write, lease.max_len) == (False, True, 8)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("[u32; 3]", "Zerocopy", "[u32; 3]"),
        ("[[u8; 2]; 2 * 2]", "Zerocopy", "[[u8; 2]; 4]"),
        ("[NoData; 2]", "Zerocopy", "[demo_api::NoData; 2]"),
        ("(NoData, u64)", "Hubpack", "(demo_api::NoData, u64)"),
        ("(u8,)", "Ssmarshal", "(u8,)"),
        # How rustc lays a tuple out is not known, so no packed message can hold one.
        ("(NoData, u64)", "Zerocopy", None),
        ("[Missing; 2]", "Hubpack", None),
    ],
)
def test_types_without_an_entry_are_built(
    text: str, encoding: str, expected: str | None, dwarf: Dwarf, resolve: Resolve
) -> None:
    dwarf.struct("demo_api::NoData", {"a": dwarf.u8})
    operation = resolve(f'encoding: {encoding}, reply: Simple("{text}")', {"server": dwarf})
    assert operation.ok.type_name == expected
    assert operation.ok.how is (How.BUILT if expected else How.MISSING)


def test_generics_with_short_arguments(dwarf: Dwarf, resolve: Resolve) -> None:
    full = "core::option::Option<(core::result::Result<f32, demo_api::NoData>, u64)>"
    dwarf.struct(full, size=16)
    dwarf.struct("core::option::Option<u64>", size=16)
    text = 'encoding: Hubpack, reply: Simple("Option<(Result<f32, NoData>, u64)>")'
    operation = resolve(text, {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == (full, How.NAME)


def test_wider_numbers_on_the_wire(dwarf: Dwarf, resolve: Resolve) -> None:
    """An enum of one byte in memory that is sent as a u32."""
    dwarf.enum("demo_api::Port", "A", "B")
    reply = 'reply: Simple((type: "Port", recv: FromPrimitive("u32")))'
    operation = resolve(reply, {"server": dwarf})
    assert operation.ok.type is not None and operation.ok.type.size == 4


OPTIONAL = 'Simple((type: "Option<Port>", recv: FromPrimitive("u16")))'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("000000", "None"),
        ("00ffff", "None"),
        ("010200", "Some(B)"),
        ("010300", None),  # no such port
        ("020200", None),  # neither none nor some
        ("0102", None),
    ],
)
def test_an_option_in_a_zerocopy_reply(
    data: str, shown: str | None, dwarf: Dwarf, resolve: Resolve
) -> None:
    """It is not what lies in memory, but what docs/idol-stubs.md says."""
    dwarf.enum("demo_api::Port", "A", "B")
    operation = resolve(f"reply: {OPTIONAL}", {"server": dwarf})
    assert operation.ok.type is not None
    assert (operation.ok.type.size, operation.ok.text) == (3, "Option<Port>")
    assert operation.ok.type_name == "core::option::Option<demo_api::Port>"
    if shown is None:
        with pytest.raises(DecodeError):
            codec.image.decode_strict(operation.ok.type, bytes.fromhex(data))
    else:
        value = codec.image.decode_strict(operation.ok.type, bytes.fromhex(data))
        assert format_value(value) == shown


def test_an_option_whose_enum_is_not_there(dwarf: Dwarf, resolve: Resolve) -> None:
    """The number is, in the reply and in the argument, and the argument's struct is packed."""
    text = 'args: {"port": (type: "Option<Port>", recv: FromPrimitive("u16"))}, '
    operation = resolve(f"{text} reply: {OPTIONAL}", {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == ("core::option::Option<u16>", How.WIRE)
    (argument,) = operation.arguments
    assert (argument.type_name, argument.how) == ("core::option::Option<u16>", How.WIRE)
    assert argument.type is not None and argument.wire is not None
    assert argument.wire.type.size == 3
    for given, data in (("Some(0x1234)", "013412"), ("None", "000000")):
        value = parse_value(given, argument.type)
        assert codec.image.encode_arguments(operation.wire_members, [value]).hex() == data
