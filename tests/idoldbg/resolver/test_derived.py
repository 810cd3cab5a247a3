"""Parts that derived serde impls skip, from the traces of `serde_derive` in code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from idoldbg.build.debuginfo import constants as dw
from idoldbg.call.calls import build_message, prepare_call
from idoldbg.errors import EncodeError, NotCallable
from idoldbg.model.types import Enum
from idoldbg.resolver import ResolvedOperation
from tests.idoldbg.audit.conftest import audit_build
from tests.idoldbg.conftest import Writer, make_elf
from tests.idoldbg.resolver.written import Dwarf

Resolve = Callable[..., ResolvedOperation]
DERIVED = "demo_api::_::{impl#0}::deserialize"
VISITOR = f"{DERIVED}::{{impl#2}}"
CHOOSE = 'encoding: Hubpack, args: {"shape": "Shape"}, reply: Simple("()")'
STORE = 'encoding: Hubpack, args: {"record": "Record"}, reply: Simple("()")'


class Serde:
    """Writes the functions that a derived `Deserialize` becomes."""

    def __init__(self, dwarf: Dwarf) -> None:
        self.dwarf = dwarf
        self.error = dwarf.enum("hubpack::error::Error", "Custom", "Truncated")

    def enum(self, type_: Any, name: str, fields: Sequence[str], trace: str = "inlined") -> None:
        """Write `visit_enum`, and `variant` in it, for an enum that is read by these fields.

        `trace` says how the two are joined: `inlined`, `called`, or not at all (`lost`).
        """
        dwarf = self.dwarf
        path = f"{VISITOR}::visit_enum<{name}>"
        visit = dwarf.function(path, result=dwarf.result(type_, self.error))
        field = dwarf.enum(f"{DERIVED}::__Field", *fields, first=0)
        pair = dwarf.struct(f"({DERIVED}::__Field, {name})", {"__0": field, "__1": dwarf.u32})
        variant = dwarf.function(
            f"serde_core::de::EnumAccess::variant<{name}, {DERIVED}::__Field>",
            result=dwarf.result(pair, self.error),
        )
        at = {
            "inlined": (dw.DW_TAG_inlined_subroutine, dw.DW_AT_abstract_origin),
            "called": (dw.DW_TAG_call_site, dw.DW_AT_call_origin),
        }.get(trace)
        if at is None:
            return
        inner = dwarf.die(at[0], [(at[1], dw.DW_FORM_ref4, variant)], [])
        block = dwarf.die(dw.DW_TAG_lexical_block, [], [inner])
        outer = dwarf.die(
            dw.DW_TAG_inlined_subroutine,
            [(dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, visit)],
            [block],
        )
        dwarf.function(f"server::read_{len(dwarf.top)}", body=[outer])

    def struct(self, type_: Any, name: str, fields: Sequence[tuple[Any, bool]]) -> None:
        """Write `visit_seq` for a struct: of each field its type, and whether it is read."""
        dwarf = self.dwarf
        body: list[Any] = []
        for index, (field, is_read) in reversed(list(enumerate(fields))):
            read = [dwarf.block({"val": field}), dwarf.block({"__value": field})]
            body = [dwarf.block({f"__field{index}": field}, *body), *(read if is_read else [])]
        dwarf.function(
            f"{VISITOR}::visit_seq<{name}>", result=dwarf.result(type_, self.error), body=body
        )


@pytest.fixture
def serde(dwarf: Dwarf) -> Serde:
    return Serde(dwarf)


def make_shape(dwarf: Dwarf) -> Any:
    return dwarf.tagged("demo_api::Shape", {"Dot": None, "Hidden": dwarf.u8, "Line": dwarf.u16})


@pytest.mark.parametrize("trace", ["inlined", "called", "lost"])
@pytest.mark.parametrize("version", [4, 5])
def test_variants_that_are_left_out_are_not_counted(
    trace: str, version: int, dwarf: Dwarf, serde: Serde, resolve: Resolve
) -> None:
    """Without a trace of which enum it is: the only one that is long enough."""
    serde.enum(make_shape(dwarf), "Shape", ["__field0", "__field2"], trace)
    if trace != "lost":
        other = dwarf.tagged("demo_api::Other", {"A": None, "B": dwarf.u8, "C": None, "D": None})
        serde.enum(other, "Other", ["__field0", "__field1", "__field2", "__field3"], trace)
    operation = resolve(CHOOSE, {"server": dwarf}, version=version)
    (shape,) = operation.arguments
    assert isinstance(shape.type, Enum)
    assert shape.type.skipped == ("Hidden",)

    def sent(text: str) -> bytes:
        return build_message(prepare_call(operation, {"shape": text}), 0).payload

    assert (sent("Dot"), sent("Line(513)")) == (b"\0", b"\1\1\2")
    with pytest.raises(EncodeError, match=r"`Hidden` of `demo_api::Shape` cannot be sent"):
        sent("Hidden(1)")


def test_variants_that_are_all_read_are_counted(
    dwarf: Dwarf, serde: Serde, resolve: Resolve
) -> None:
    serde.enum(make_shape(dwarf), "Shape", ["__field0", "__field1", "__field2"])
    operation = resolve(CHOOSE, {"server": dwarf})
    call = prepare_call(operation, {"shape": "Line(513)"})
    assert build_message(call, 0).payload == b"\2\1\2"


def test_which_enum_leaves_variants_out_is_not_guessed(
    dwarf: Dwarf, serde: Serde, resolve: Resolve
) -> None:
    serde.enum(make_shape(dwarf), "Shape", ["__field0", "__field2"], "lost")
    other = dwarf.tagged("demo_api::Other", {"A": None, "B": dwarf.u8, "C": None})
    serde.enum(other, "Other", ["__field0", "__field1", "__field2"], "lost")
    operation = resolve(CHOOSE, {"server": dwarf})
    with pytest.raises(NotCallable, match="`Shape` may be an enum of which a derived impl leaves"):
        build_message(prepare_call(operation, {"shape": "Dot"}), 0)
    # Packed messages are memory: nothing is numbered there.
    packed = resolve(CHOOSE.replace("Hubpack", "Zerocopy"), {"server": dwarf})
    assert not packed.contradiction


@pytest.mark.parametrize("skipped", [(), (1,), (0, 2)])
def test_fields_that_are_left_out_are_refused(
    skipped: tuple[int, ...], dwarf: Dwarf, serde: Serde, resolve: Resolve
) -> None:
    record = dwarf.struct("demo_api::Record", {"id": dwarf.u8, "cached": dwarf.u16, "x": dwarf.u32})
    types = (dwarf.u8, dwarf.u16, dwarf.u32)
    serde.struct(record, "Record", [(t, i not in skipped) for i, t in enumerate(types)])
    operation = resolve(STORE, {"server": dwarf})
    call = prepare_call(operation, {"record": "Record { id: 1, cached: 2, x: 3 }"})
    if not skipped:
        assert build_message(call, 0).payload == bytes([1, 2, 0, 3, 0, 0, 0])
        return
    names = ", ".join(f"`{('id', 'cached', 'x')[i]}`" for i in skipped)
    with pytest.raises(NotCallable, match=f"`Record` is read without its field {names}"):
        build_message(call, 0)


def test_fields_of_a_variant_are_those_of_the_one_with_their_types(
    dwarf: Dwarf, serde: Serde, resolve: Resolve
) -> None:
    pair = dwarf.struct("demo_api::Pair", {"a": dwarf.u8, "b": dwarf.u16})
    serde.struct(pair, "Pair", [(dwarf.u8, False), (dwarf.u16, True)])
    operation = resolve(STORE.replace("Record", "Pair"), {"server": dwarf})
    assert "`a`" in operation.contradiction
    other = resolve(CHOOSE.replace("Shape", "u32"), {"server": dwarf})
    assert not other.contradiction


@pytest.mark.parametrize("has_error", [False, True])
def test_a_reply_that_a_client_reads_without_a_field_is_refused(
    has_error: bool, die: Any, dwarf: Dwarf, resolve: Resolve
) -> None:
    """A server has no trace of what it writes; the tasks that read it have."""
    text = 'encoding: Hubpack, reply: Simple("Record")'
    if has_error:
        text = 'encoding: Hubpack, reply: Result(ok: "u8", err: Complex("Record"))'
    client = Dwarf(die)
    for one in (dwarf, client):
        record = one.struct("demo_api::Record", {"id": one.u8, "cached": one.u16})
        fields = [(one.u8, True), (one.u16, one is dwarf)]
        Serde(one).struct(record, "Record", fields)
    assert not resolve(text, {"server": dwarf}).contradiction
    operation = resolve(text, {"server": dwarf, "client": client})
    assert "`Record` is read without its field `cached`" in operation.contradiction


def test_the_audit_reports_it(dwarf: Dwarf, serde: Serde, tmp_path: Path) -> None:
    serde.enum(make_shape(dwarf), "Shape", ["__field0", "__field2"])
    record = dwarf.struct("demo_api::Record", {"id": dwarf.u8, "cached": dwarf.u16})
    serde.struct(record, "Record", [(dwarf.u8, True), (dwarf.u16, False)])
    dwarf.struct("demo_api::Swapped", {"a": dwarf.u16, "b": dwarf.u8})
    dwarf.struct(
        "demo_api::_::{impl#0}::serialize::__SerializeWith",
        {
            "values": dwarf.struct("(&u16,)", {"__0": dwarf.pointer(dwarf.u16)}),
            "phantom": dwarf.struct("core::marker::PhantomData<demo_api::Swapped>"),
        },
    )
    # Read by the impl of another type, or by several: no visitor returns it.
    converted = dwarf.struct("demo_api::Converted", {"a": dwarf.u16, "b": dwarf.u8})
    dwarf.function(f"{DERIVED}<Deserializer>", result=dwarf.result(converted, serde.error))
    dwarf.function(f"{DERIVED}<OtherDeserializer>", result=dwarf.result(record, serde.error))
    text = ", ".join(
        f'"{name.lower()}": (encoding: Hubpack, args: {{"value": "{name}"}}, reply: Simple("()"))'
        for name in ("Shape", "Record", "Swapped", "Converted")
    )
    sections = Writer(4).sections([dwarf.unit()])
    sections[".idolatry"] = f'Interface(name: "Demo", ops: {{ {text} }})'.encode()
    path = tmp_path / "server"
    path.write_bytes(make_elf(sections))
    found = [f for f in audit_build(path).findings if f.task == "server"]
    assert {(str(f.level), f.rule, f.operation) for f in found if f.rule != "args-missing"} == {
        ("note", "serialization-skips", "shape"),
        ("error", "serialization-skips", "record"),
        ("warning", "custom-serialization", "swapped"),
        ("warning", "custom-serialization", "converted"),
    }
