"""Cases that other tools warn about, and what settles them here.

The names are those for which `humility hiffy --list` prints warnings over public Hubris builds:
two enums of one name from different crates, and types that have no name to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from idoldbg.build.index import Results
from idoldbg.build.kept import OPERATION
from idoldbg.build.program import Program
from idoldbg.call.calls import build_message, decode_error, prepare_call
from idoldbg.call.message import ErrorReply
from idoldbg.errors import DebugInfoError, NotCallable, NotFound
from idoldbg.render import json, layout, text
from idoldbg.resolver import How, ResolvedOperation, parse_override
from idoldbg.views.interfaces import read_interfaces
from idoldbg.views.source import read_source
from idoldbg.views.types import read_types
from tests.idoldbg.resolver.written import Dwarf

Resolve = Callable[..., ResolvedOperation]
Open = Callable[..., Program]

# The name in the interface, and the two types of that name.
TWINS = [
    ("SpiError", "drv_spi_api::SpiError", "gateway_messages::sp_to_mgs::SpiError"),
    ("SprotError", "drv_sprot_api::error::SprotError", "attest_data::messages::SprotError"),
    ("SendError", "task_net_api::SendError", "smoltcp::socket::udp::SendError"),
    ("RecvError", "task_net_api::RecvError", "smoltcp::socket::udp::RecvError"),
    (
        "IgnitionError",
        "drv_ignition_api::IgnitionError",
        "gateway_messages::sp_to_mgs::ignition::IgnitionError",
    ),
]


def error_of(operation: ResolvedOperation) -> tuple[str | None, How]:
    assert operation.error is not None
    return operation.error.type_name, operation.error.how


def failing(name: str) -> str:
    return f'reply: Result(ok: "()", err: CLike("{name}"))'


@pytest.mark.parametrize(("name", "meant", "other"), TWINS)
@pytest.mark.parametrize("evidence", ["handler", "method", "client", "none"])
@pytest.mark.parametrize("version", [4, 5])
def test_two_errors_of_one_name(
    version: int,
    evidence: str,
    name: str,
    meant: str,
    other: str,
    die: Any,
    dwarf: Dwarf,
    resolve: Resolve,
) -> None:
    error = dwarf.enum(meant, "BadTransfer", "Busy")
    dwarf.enum(other, "Busy", "BadTransfer", "NoDevice")
    objects = {"server": dwarf}
    if evidence == "handler":
        message = dwarf.struct("server::idl::Demo_op_ARGS")
        dwarf.handler([(message, (dwarf.unit_type, error), {})])
    elif evidence == "method":
        dwarf.method([], dwarf.result(dwarf.unit_type, dwarf.request_error(error)))
    elif evidence == "client":
        client = objects["client"] = Dwarf(die)
        result = client.result(client.unit_type, client.enum(meant, "BadTransfer", "Busy"))
        self_ = client.pointer(client.struct("demo_api::Demo"))
        client.function("demo_api::Demo::op", [self_], result)
    expected = {
        "handler": (meant, How.HANDLER),
        "method": (meant, How.SIGNATURE),
        "client": (meant, How.CLIENT),
        "none": (None, How.AMBIGUOUS),
    }
    operation = resolve(failing(name), objects, version=version)
    assert error_of(operation) == expected[evidence]
    if evidence == "none":
        assert operation.error is not None
        assert {c.name for c in operation.error.candidates} == {meant, other}
        settled = resolve(failing(name), objects, dict([parse_override(f"{name}={meant}")]))
        assert error_of(settled) == (meant, How.OVERRIDE)


def test_candidates_have_objects_and_differences(die: Any, dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("one_api::DemoError", "Bad", "Worse")
    dwarf.enum("two_api::DemoError", "Bad", "Worse", first=5)
    dwarf.struct("two_api::Nested", {"a": dwarf.u8})
    error = resolve(failing("DemoError"), {"server": dwarf}).error
    assert error is not None
    assert [(c.name, c.size, c.objects) for c in error.candidates] == [
        ("one_api::DemoError", 1, ("server",)),
        ("two_api::DemoError", 1, ("server",)),
    ]
    first, second = error.candidates
    assert first.differences == ()
    assert second.differences == ("`Bad` is 5 instead of 1", "`Worse` is 6 instead of 2")


def test_payloads_of_variants_are_not_candidates(dwarf: Dwarf, resolve: Resolve) -> None:
    """Debug information has a struct `DumpArea` for the variant of an enum of trace entries."""
    dwarf.tagged("task_jefe::dump::Trace", {"DumpArea": dwarf.u32, "None": None})
    dwarf.struct("humpty::DumpArea", {"address": dwarf.u32, "length": dwarf.u32})
    operation = resolve('encoding: Hubpack, reply: Simple("DumpArea")', {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == ("humpty::DumpArea", How.NAME)


def test_same_layout_down_to_the_last_part_is_one(dwarf: Dwarf, resolve: Resolve) -> None:
    """Also where the parts are other types of the same names and layouts."""
    for crate in ("one_api", "two_api"):
        inner = dwarf.enum(f"{crate}::Inner", "A", "B")
        dwarf.struct(f"{crate}::Status", {"inner": inner, "at": dwarf.u64})
    operation = resolve('encoding: Hubpack, reply: Simple("Status")', {"server": dwarf})
    assert (operation.ok.type_name, operation.ok.how) == ("one_api::Status", How.NAME)
    assert operation.ok.candidates == ()


def test_parts_that_differ_deep_down_make_two(dwarf: Dwarf, resolve: Resolve) -> None:
    for crate, names in (("one_api", ("A", "B")), ("two_api", ("B", "A"))):
        inner = dwarf.enum(f"{crate}::Inner", *names)
        dwarf.struct(f"{crate}::Status", {"inner": inner})
    ok = resolve('encoding: Hubpack, reply: Simple("Status")', {"server": dwarf}).ok
    assert ok.how is How.AMBIGUOUS
    assert ok.candidates[1].differences[0] == "inner: `A` is 2 instead of 1"


def test_the_crate_settles_it_where_modules_are_private(dwarf: Dwarf, resolve: Resolve) -> None:
    """An interface names what `drv_sprot_api` exports; the enum lies in a module of it."""
    dwarf.enum("attest_data::messages::SprotError", "Bad")
    dwarf.enum("drv_sprot_api::error::SprotError", "Good", "Better")
    operation = resolve(failing("drv_sprot_api::SprotError"), {"server": dwarf})
    assert error_of(operation) == ("drv_sprot_api::error::SprotError", How.PATH)


# ---- no name to look up --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("Option<(Result<f32, NoData>, u64)>", 14),
        ("(Result<f32, NoData>, u64)", 13),
        ("Option<(NoData, u64)>", 10),
        ("(NoData, u64)", 9),
        ("[u32; 3]", 12),
        ("[u8; 64]", 64),
        ("[[u8; 4]; 2 * 2]", 16),
        ("[u8; { 1 << 4 }]", 16),
    ],
)
def test_types_that_only_parts_have_names_of(
    text: str, size: int, dwarf: Dwarf, resolve: Resolve
) -> None:
    """As `Sensor.get_raw_reading`, `Sys.read_uid` and `Sequencer.read_fpga_regs` have them."""
    no_data = dwarf.enum("task_sensor_api::NoData", "DeviceOff", "DeviceError")
    inner = dwarf.result(dwarf.f32, no_data)
    for first in (inner, no_data):
        name = f"({dwarf.names[id(first)]}, u64)"
        pair = dwarf.struct(name, {"__0": first, "__1": dwarf.u64})
        dwarf.tagged(f"core::option::Option<{name}>", {"None": None, "Some": pair})
    operation = resolve(f'encoding: Hubpack, reply: Simple("{text}")', {"server": dwarf})
    assert operation.ok.type is not None
    assert operation.wire.reply_size == operation.wire.ok_size == size


def test_declared_is_not_missing(die: Any, dwarf: Dwarf, resolve: Resolve) -> None:
    text = 'encoding: Hubpack, reply: Simple("Status")'
    dwarf.declare("demo_api::Status")
    ok = resolve(text, {"server": dwarf}).ok
    assert (ok.type, ok.how) == (None, How.INCOMPLETE)
    assert [(c.name, c.objects) for c in ok.candidates] == [("demo_api::Status", ("server",))]
    client = Dwarf(die)
    client.struct("demo_api::Status", {"a": client.u8})
    ok = resolve(text, {"server": dwarf, "client": client}).ok
    assert (ok.type_name, ok.how, ok.object) == ("demo_api::Status", How.ELSEWHERE, "client")


def test_a_damaged_task_hides_no_other(die: Any, dwarf: Dwarf, open_written: Open) -> None:
    damaged, client = Dwarf(die), Dwarf(die)
    loop = damaged.struct("demo_api::Status")
    loop.children.append(damaged.member("again", loop, 0))
    client.struct("demo_api::Status", {"a": client.u8})
    objects = {"server": dwarf, "damaged": damaged, "client": client}
    program = open_written('"op": (encoding: Hubpack, reply: Simple("Status"))', objects)
    ok = program.operation("Demo.op").ok
    assert (ok.type_name, ok.object) == ("demo_api::Status", "client")
    assert [t.candidate.objects for t in read_types(program, "Status").types] == [("client",)]
    with pytest.raises(DebugInfoError, match="contains itself"):
        read_types(program, "Status", task="damaged")


# ---- constants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown", "asked", "expected"),
    [
        ("MAX_LEN", 32, "MAX_LEN", "[u8; 32]"),
        ("crate::MAX_LEN", 32, "demo_api::MAX_LEN * 2", "[u8; 64]"),
        ("N * 4", 32, "N", "[u8; 8]"),
        ("{ N + 1 }", 32, "N - 1", "[u8; 30]"),
        ("N as usize", 32, "N", "[u8; 32]"),
        # Not to be had: another constant, a contradiction, two unknowns.
        ("MAX_LEN", 32, "OTHER", None),
        ("N * 5", 32, "N", None),
        ("N + M", 32, "N", None),
    ],
)
def test_constants_follow_from_the_vectors_shown(
    written: str, shown: int, asked: str, expected: str | None, dwarf: Dwarf, open_written: Open
) -> None:
    message = {"name": dwarf.array(dwarf.u8, shown)}
    dwarf.struct("server::idl::Demo_set_ARGS", message)
    operations = (
        f'"set": (args: {{"name": "[u8; {written}]"}}, reply: Simple("()")),'
        f'"get": (encoding: Hubpack, reply: Simple("[u8; {asked}]"))'
    )
    program = open_written(operations, {"server": dwarf})
    assert program.operation("Demo.set").arguments[0].type_name == f"[u8; {shown}]"
    ok = program.operation("Demo.get").ok
    assert (ok.type_name, ok.how) == (expected, How.BUILT if expected else How.MISSING)


def test_constants_in_generic_arguments(dwarf: Dwarf, open_written: Open) -> None:
    for length in (4, 5):
        dwarf.struct(f"heapless::Vec<u8, {length}>", {"len": dwarf.u32}, 4 + length)
    shown = {"name": dwarf.struct("heapless::Vec<u16, 5>", {"len": dwarf.u32}, 14)}
    dwarf.struct("server::idl::Demo_set_ARGS", shown)
    operations = (
        '"set": (encoding: Hubpack, args: {"name": "Vec<u16, N>"}, reply: Simple("()")),'
        '"get": (encoding: Hubpack, reply: Simple("Vec<u8, { N - 1 }>"))'
    )
    program = open_written(operations, {"server": dwarf})
    assert program.operation("Demo.get").ok.type_name == "heapless::Vec<u8, 4>"


# ---- leases --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameter",
    [
        "idol_runtime::Leased<idol_runtime::W, [{}]>",
        "idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::W, [{}]>, 8>",
        "rt::limit::LenLimit<rt::lease::Leased<rt::lease::W, [{}]>, 8>",
    ],
)
def test_the_method_settles_the_type_of_a_lease(
    parameter: str, dwarf: Dwarf, resolve: Resolve
) -> None:
    dwarf.struct("one_api::Sample", {"a": dwarf.u8})
    dwarf.struct("two_api::Sample", {"a": dwarf.u32})
    lease = dwarf.struct(parameter.format("two_api::Sample"), {"lender": dwarf.u16})
    dwarf.method([lease])
    text = 'leases: {"samples": (type: "[Sample]", write: true, max_len: Some(8))}, '
    (found,) = resolve(text + 'reply: Simple("()")', {"server": dwarf}).leases
    assert (found.type_name, found.how) == ("[two_api::Sample]", How.SIGNATURE)
    assert found.element is not None and found.element.size == 4


def test_a_client_settles_the_type_of_a_lease(die: Any, dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.struct("one_api::Config", {"a": dwarf.u8})
    dwarf.struct("two_api::Config", {"a": dwarf.u32})
    client = Dwarf(die)
    config = client.struct("two_api::Config", {"a": client.u32})
    self_ = client.pointer(client.struct("demo_api::Demo"))
    client.function("demo_api::Demo::op", [self_, client.pointer(config)])
    text = 'leases: {"config": (type: "Config", read: true)}, reply: Simple("()")'
    (found,) = resolve(text, {"server": dwarf, "client": client}).leases
    assert (found.type_name, found.how) == ("two_api::Config", How.CLIENT)


# ---- what the user says --------------------------------------------------------------------------


def two_slots(dwarf: Dwarf) -> dict[str, Dwarf]:
    for crate, names in (("one_api", ("A", "B")), ("two_api", ("A", "B", "C"))):
        slot = dwarf.enum(f"{crate}::SlotId", *names)
        dwarf.tagged(f"core::option::Option<{crate}::SlotId>", {"None": None, "Some": slot})
    return {"server": dwarf}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("SlotId=two_api::SlotId", "core::option::Option<two_api::SlotId>"),
        ("SlotId=one_api::SlotId", "core::option::Option<one_api::SlotId>"),
        (
            "Option<SlotId>=core::option::Option<two_api::SlotId>",
            "core::option::Option<two_api::SlotId>",
        ),
        ("Option<SlotId>=u16", "u16"),
        ("Option<SlotId>=[u8; 2 * 2]", "[u8; 4]"),
    ],
)
def test_overrides_reach_into_generics(
    override: str, expected: str, dwarf: Dwarf, resolve: Resolve
) -> None:
    text = 'encoding: Hubpack, reply: Simple("Option<SlotId>")'
    objects = two_slots(dwarf)
    assert resolve(text, objects).ok.how is How.AMBIGUOUS
    ok = resolve(text, objects, dict([parse_override(override)])).ok
    assert ok.type_name == expected


def test_the_user_overrules_evidence(dwarf: Dwarf, resolve: Resolve) -> None:
    dwarf.enum("one_api::DemoError", "Bad")
    error = dwarf.enum("two_api::DemoError", "Good", "Better")
    dwarf.method([], dwarf.result(dwarf.unit_type, dwarf.request_error(error)))
    overrides = {"DemoError": "one_api::DemoError"}
    found = resolve(failing("DemoError"), {"server": dwarf}, overrides)
    assert error_of(found) == ("one_api::DemoError", How.OVERRIDE)


def test_an_override_must_be_clear_itself(dwarf: Dwarf, resolve: Resolve) -> None:
    objects = two_slots(dwarf)
    text = 'encoding: Hubpack, reply: Simple("Slot")'
    ok = resolve(text, objects, {"Slot": "SlotId"}).ok
    assert (ok.how, len(ok.candidates)) == (How.AMBIGUOUS, 2)
    with pytest.raises(NotFound) as error:
        resolve(text, objects, {"Slot": "SlotIdd"})
    assert set(error.value.near) == {"one_api::SlotId", "two_api::SlotId"}


def test_overrides_that_serve_nothing_are_known(dwarf: Dwarf, open_written: Open) -> None:
    overrides = {"SlotId": "one_api::SlotId", "SlotID": "one_api::SlotId"}
    text = '"op": (encoding: Hubpack, reply: Simple("Option<SlotId>"))'
    program = open_written(text, two_slots(dwarf), overrides)
    program.operation("Demo.op")
    assert program.unused_overrides == ("SlotID",)


@pytest.mark.parametrize("text", ["SpiError", "=a::B", "A=", "A B=u8", "A=b::", "A=[u8"])
def test_overrides_are_checked(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=PATH|is not a Rust type"):
        parse_override(text)


# ---- what is said of names that nothing settles --------------------------------------------------


def test_calls_name_the_option_that_would_settle_a_name(dwarf: Dwarf, open_written: Open) -> None:
    operations = (
        '"put": (encoding: Hubpack, args: {"slot": "Option<SlotId>"}, reply: Simple("()")),'
        '"get": (encoding: Hubpack, reply: Simple("SlotId")),'
        '"lend": (leases: {"slot": (type: "SlotId", read: true)}, reply: Simple("()")),'
        '"fail": (reply: Result(ok: "()", err: CLike("SlotId"))),'
        '"gone": (encoding: Hubpack, reply: Simple("Gone")),'
        '"none": (reply: Result(ok: "()", err: CLike("Nowhere"))),'
    )
    dwarf.declare("demo_api::Gone")
    program = open_written(operations, two_slots(dwarf))
    several = r"is one of several \(one_api::SlotId, two_api::SlotId\): settle it with --type"
    with pytest.raises(NotCallable, match=r"`slot`, Option<SlotId>, is one of several .*--type"):
        prepare_call(program.operation("Demo.put"), {"slot": "None"})
    with pytest.raises(NotCallable, match=several):
        prepare_call(program.operation("Demo.lend"), {"slot": "hex:00"})
    for name, message in (("get", several), ("gone", "defined nowhere")):
        with pytest.raises(NotCallable, match=message):
            build_message(prepare_call(program.operation(f"Demo.{name}"), {}), 0)
    for name, message in (
        ("fail", "SlotId, is ambiguous: see --type"),
        ("none", "Nowhere, is not"),
    ):
        error = decode_error(program.operation(f"Demo.{name}"), ErrorReply(3, None))
        assert message in str(error) and "code 3" in str(error)


def test_lists_show_all_meanings_of_a_name(dwarf: Dwarf, open_written: Open) -> None:
    operations = (
        '"get": (encoding: Hubpack, reply: Simple("SlotId")),'
        '"gone": (encoding: Hubpack, reply: Simple("Gone"))'
    )
    dwarf.declare("demo_api::Gone")
    program = open_written(operations, two_slots(dwarf))
    lines = text.interfaces(read_interfaces(program), detailed=False).splitlines()
    assert lines[1:] == [
        "  Demo.get",
        "      <ok>  ??? SlotId",
        "      SlotId is one of these; settle it with --type SlotId=PATH:",
        "        one_api::SlotId  1 byte",
        "        two_api::SlotId  1 byte  has a variant `C`",
        "  Demo.gone",
        "      <ok>  ??? Gone",
        "      Gone is declared in server, but defined nowhere",
    ]
    document = json.interfaces(read_interfaces(program), read_source(program, "archive"))
    assert [o["ok"] for o in document["interfaces"][0]["operations"]] == [None, None]


def test_types_that_are_only_declared_are_marked(dwarf: Dwarf, open_written: Open) -> None:
    dwarf.declare("demo_api::Gone")
    program = open_written('"op": (reply: Simple("()"))', {"server": dwarf})
    report = read_types(program, "Gone")
    assert layout.types(report) == ("demo_api::Gone\n  only declared (in server), defined nowhere")
    found = json.types(report, read_source(program, "archive"))
    assert found["declared"] == [{"name": "demo_api::Gone", "objects": ["server"]}]


# ---- sizes ---------------------------------------------------------------------------------------


def sized(dwarf: Dwarf, sizes: Mapping[str, int], incoming: int) -> Dwarf:
    """Write a server whose buffers have these sizes; what it sends takes 9 and 5 bytes."""
    status = dwarf.struct("demo_api::Status", {"at": dwarf.u64, "unit": dwarf.u8})
    error = dwarf.tagged("demo_api::DemoError", {"Bad": dwarf.u32, "Worse": None})
    message = dwarf.struct("server::idl::Demo_op_ARGS", {"a": dwarf.u32, "b": dwarf.u16})
    dwarf.enum("server::idl::DemoOperation", "op")
    dwarf.handler([(message, (status, error), sizes)])
    buffer = dwarf.block({"incoming": dwarf.array(dwarf.u8, incoming)})
    dwarf.function("server::main", body=[buffer])
    dwarf.function("other::main", body=[dwarf.block({"incoming": dwarf.array(dwarf.u8, 99)})])
    return dwarf


SIZED = (
    'encoding: Hubpack, args: {"a": "u32", "b": "u16"}, '
    'reply: Result(ok: "Status", err: Complex("DemoError"))'
)


@pytest.mark.parametrize(
    ("ok", "error", "incoming", "disagreeing"),
    [
        (9, 5, 6, set()),
        (16, 5, 6, {"ok value"}),
        (9, 4, 6, {"error value"}),
        (9, 5, 8, {"longest message of the interface"}),
    ],
)
def test_sizes_are_compared_with_the_server_s_buffers(
    ok: int, error: int, incoming: int, disagreeing: set[str], dwarf: Dwarf, open_written: Open
) -> None:
    server = sized(dwarf, {"ok": ok, "error": error}, incoming)
    program = open_written(f'"op": ({SIZED})', {"server": server})
    operation = program.operation("Demo.op")
    wire = operation.wire
    assert (wire.arguments_size, wire.ok_size, wire.error_size, wire.reply_size) == (6, 9, 5, 9)
    (served,) = program.servers
    declared = [*program.declared_sizes(operation), program.incoming_size(served)]
    assert [(d.of, d.size, d.object) for d in declared if d] == [
        ("ok value", ok, "server"),
        ("error value", error, "server"),
        ("longest message of the interface", incoming, "server"),
    ]
    assert {d.of.value for d in declared if d and not d.agrees} == disagreeing


@pytest.mark.parametrize(
    ("ok", "error", "incoming", "message"),
    [
        (9, 5, 6, ""),
        (9, 5, 8, ""),  # the longest message may be another operation's
        (16, 5, 6, "16 bytes for the ok value, which takes 9"),
        (9, 4, 6, "4 bytes for the error value, which takes 5"),
        (9, 5, 5, "5 bytes for the arguments, which takes 6"),
    ],
)
def test_a_call_that_the_image_s_code_contradicts_is_refused(
    ok: int, error: int, incoming: int, message: str, dwarf: Dwarf, open_written: Open
) -> None:
    server = sized(dwarf, {"ok": ok, "error": error}, incoming)
    operation = open_written(f'"op": ({SIZED})', {"server": server}).operation("Demo.op")
    results = Results()
    results.recall(OPERATION, "Demo.op", lambda: operation)
    again = Results(results.to_bytes(bytes(16)), bytes(16))
    kept = again.recall(OPERATION, "Demo.op", lambda: pytest.fail("it was not kept"))
    for known in (operation, kept):
        call = prepare_call(known, {"a": "1", "b": "2"})
        if not message:
            assert build_message(call, 0).payload == bytes([1, 0, 0, 0, 2, 0])
            continue
        with pytest.raises(NotCallable, match=message):
            build_message(call, 0)


@pytest.mark.parametrize(("incoming", "agrees"), [(8, True), (6 + 8, True), (10, False)])
def test_old_servers_have_room_for_all_messages_at_once(
    incoming: int, agrees: bool, dwarf: Dwarf, open_written: Open
) -> None:
    server = sized(dwarf, {"ok": 9, "error": 5}, incoming)
    other = SIZED.replace('"a": "u32", "b": "u16"', '"a": "u64"')
    program = open_written(f'"op": ({SIZED}), "other": ({other})', {"server": server})
    found = program.incoming_size(program.servers[0])
    assert found is not None and found.agrees == agrees


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        ({"incoming": 8, "scratch": 6}, ("incoming", False)),
        ({"buffer": 8}, ("buffer", False)),
        ({"buffer": 8, "scratch": 32}, None),
        ({"scratch": 32}, None),
        ({"scratch": 32, "space": 6}, ("space", True)),
    ],
)
def test_only_a_buffer_of_the_right_name_counts_as_too_small(
    buffers: dict[str, int], expected: tuple[str, bool] | None, dwarf: Dwarf, open_written: Open
) -> None:
    dwarf.struct("server::idl::Demo_op_ARGS", {"a": dwarf.u32, "b": dwarf.u16})
    dwarf.enum("server::idl::DemoOperation", "op")
    arrays = {name: dwarf.array(dwarf.u8, size) for name, size in buffers.items()}
    dwarf.function("server::main", body=[dwarf.block(arrays)])
    text = '"op": (args: {"a": "u32", "b": "u16"}, reply: Simple("()"))'
    program = open_written(text, {"server": dwarf})
    found = program.incoming_size(program.servers[0])
    assert (found and (found.where.rpartition("::")[2], found.agrees)) == expected


def test_sizes_are_compared_with_a_client_s_buffers(
    die: Any, dwarf: Dwarf, open_written: Open
) -> None:
    sized(dwarf, {}, 6)
    client = Dwarf(die)
    buffers = {"argsbuf": client.array(client.u8, 6), "reply": client.array(client.u8, 10)}
    client.function("demo_api::Demo::op", body=[client.block(buffers)])
    program = open_written(f'"op": ({SIZED})', {"server": dwarf, "client": client})
    declared = program.declared_sizes(program.operation("Demo.op"))
    assert [(d.of, d.size, d.computed, d.where, d.object, d.agrees) for d in declared] == [
        ("arguments", 6, 6, "demo_api::Demo::op::argsbuf", "client", True),
        ("reply, whether ok or error", 10, 9, "demo_api::Demo::op::reply", "client", False),
    ]


def test_sizes_of_missing_types_are_unknown(dwarf: Dwarf, resolve: Resolve) -> None:
    operation = resolve(SIZED, {"server": dwarf})
    wire = operation.wire
    assert (wire.arguments_size, wire.ok_size, wire.error_size) == (6, None, None)
    assert wire.reply_size is None


@pytest.mark.parametrize(
    ("encoding", "size", "room"), [("Zerocopy", 5, 5), ("Hubpack", 5, 5), ("Ssmarshal", 5, 8)]
)
def test_ssmarshal_needs_the_room_of_memory(
    encoding: str, size: int, room: int, dwarf: Dwarf, resolve: Resolve
) -> None:
    """Its servers size buffers by `size_of`, padding included."""
    members = {"a": dwarf.u32, "b": dwarf.u8}
    dwarf.struct("server::idl::Demo_op_ARGS", members, 5 if encoding == "Zerocopy" else 8)
    text = f'encoding: {encoding}, args: {{"a": "u32", "b": "u8"}}, reply: Simple("()")'
    wire = resolve(text, {"server": dwarf}).wire
    assert (wire.arguments_size, wire.arguments_room) == (size, room)


def leased(dwarf: Dwarf, *names: str) -> list[Any]:
    return [dwarf.struct(f"idol_runtime::{name}", {"lender": dwarf.u16}) for name in names]


COUNTS = '"data": (type: "[usize; hubris_num_tasks::NUM_TASKS]", write: true)'
BLOCK = '"from": (type: "Block", read: true)'
WORDS = '"words": (type: "[u32; LEN]", write: true, read: true)'


@pytest.mark.parametrize("evidence", ["arm", "restricted", "method", "types"])
@pytest.mark.parametrize("version", [4, 5])
def test_the_server_s_code_shows_the_type_of_a_lease(
    evidence: str, version: int, dwarf: Dwarf, resolve: Resolve
) -> None:
    """The length of an array is a constant, which debug information does not have."""
    (counts,) = leased(dwarf, "Leased<idol_runtime::W, [usize; 8]>")
    message = dwarf.struct("server::idl::Demo_op_ARGS")
    arm = (message, (dwarf.unit_type, dwarf.enum("core::convert::Infallible")), {})
    if evidence == "method":
        dwarf.method([counts])
    elif evidence != "types":
        dwarf.handler([arm], leased=[counts], is_restricted=evidence == "restricted")
    text = f'leases: {{{COUNTS}}}, reply: Simple("()")'
    (lease,) = resolve(text, {"server": dwarf}, version=version).leases
    assert (lease.type_name, lease.is_slice) == ("[usize; 8]", False)
    assert lease.how is (How.SIGNATURE if evidence == "method" else How.HANDLER)
    assert lease.element is not None and lease.element.size == 32


def test_several_leases_are_distinguished(dwarf: Dwarf, resolve: Resolve) -> None:
    """By who may do what, and by what the interface writes; blocks have no order."""
    dwarf.struct("demo_api::Block", {"a": dwarf.u32, "b": dwarf.u16})
    dwarf.struct("old_api::Block", {"a": dwarf.u16})
    shown = leased(
        dwarf,
        "Leased<idol_runtime::RW, [u32; 3]>",
        "Leased<idol_runtime::R, old_api::Block>",
        "LenLimit<idol_runtime::Leased<idol_runtime::R, [demo_api::Block]>, 4>",
        "Leased<idol_runtime::W, [usize; 8]>",
    )
    message = dwarf.struct("server::idl::Demo_op_ARGS")
    error = dwarf.enum("core::convert::Infallible")
    dwarf.handler([(message, (dwarf.unit_type, error), {})], leased=shown)
    slices = '"all": (type: "[Block]", read: true, max_len: Some(4))'
    text = f'leases: {{{COUNTS}, {BLOCK}, {slices}, {WORDS}}}, reply: Simple("()")'
    leases = resolve(text, {"server": dwarf}).leases
    assert [lease.type.name if lease.type else None for lease in leases] == [
        "[usize; 8]",
        "old_api::Block",
        "demo_api::Block",
        "[u32; 3]",
    ]


def test_leases_that_cannot_be_distinguished_stay_unknown(dwarf: Dwarf, resolve: Resolve) -> None:
    """Two arrays of lengths that the interface names: which is which is a guess."""
    leased(dwarf, "Leased<idol_runtime::W, [usize; 8]>", "Leased<idol_runtime::W, [usize; 9]>")
    text = f'leases: {{{COUNTS}}}, reply: Simple("()")'
    (lease,) = resolve(text, {"server": dwarf}).leases
    assert (lease.type_name, lease.how) == (None, How.MISSING)


def test_a_type_that_may_be_another_lease_s_does_not_count_as_evidence(
    dwarf: Dwarf, resolve: Resolve
) -> None:
    leased(dwarf, "Leased<idol_runtime::W, [usize; 8]>")
    other = '"more": (type: "[usize; OTHER]", write: true)'
    text = f'leases: {{{COUNTS}, {other}}}, reply: Simple("()")'
    assert [lease.type_name for lease in resolve(text, {"server": dwarf}).leases] == [None, None]
