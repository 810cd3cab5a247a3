"""Checks on types written out in the test: constructs that the firmware at hand does not have."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import idol
import idoldbg.audit
from idol.findings.region import Region
from idoldbg.audit import Finding, Level, Role, checks
from idoldbg.audit.hiffy import Hiffy
from idoldbg.audit.image import Image
from idoldbg.audit.limits import check_limits, measure
from idoldbg.audit.messages import check_message
from idoldbg.audit.subject import Subject
from idoldbg.audit.types import check_types
from idoldbg.audit.walk import is_inhabited, smallest_encoding
from idoldbg.build.program import ServedInterface
from idoldbg.call.hiffy.layout import Area, HiffyFunction, HiffyLayout
from idoldbg.model.archive import TaskImage
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Variant,
)
from idoldbg.resolver import How, Resolution, ResolvedArgument, ResolvedLease, ResolvedOperation
from tests.idoldbg.typegen import make_struct

U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)
U32 = Scalar("u32", 4, ScalarKind.UNSIGNED)
UNIT = Scalar("()", 0, ScalarKind.UNSIGNED)


def found(type_: Type | None, text: str = "T", how: How = How.NAME) -> Resolution:
    return Resolution(text, type_, how)


def subject(
    arguments: dict[str, Type] | None = None,
    *,
    ok: Type | None = UNIT,
    error: Type | None = None,
    kind: str = "CLike",
    encoding: str = "Zerocopy",
    leases: dict[str, tuple[Type, str]] | None = None,
    message: Struct | None = None,
) -> Subject:
    """Make an operation `I.op` of these types; a lease is an element type and `r`, `w` or `rw`."""
    arguments, leases = arguments or {}, leases or {}
    args = ", ".join(f'"{name}": "T"' for name in arguments)
    access = {"r": "read: true", "w": "write: true", "rw": "read: true, write: true"}
    lent = ", ".join(f'"{name}": (type: "[T]", {access[how]})' for name, (_, how) in leases.items())
    reply = 'Simple("T")' if error is None else f'Result(ok: "T", err: {kind}("E"))'
    text = (
        f'Interface(name: "I", ops: {{ "op": (encoding: {encoding}, args: {{ {args} }}, '
        f"leases: {{ {lent} }}, reply: {reply}) }})"
    )
    interface = idol.parse(idol.Source("i.idol", text))
    (operation,) = interface.operations
    offset, resolved = 0, []
    for name, type_ in arguments.items():
        member = Member(name, offset, type_)
        offset += type_.size
        resolved.append(ResolvedArgument("T", type_, How.NAME, name=name, wire=member))
    wires = tuple(a.wire for a in resolved if a.wire is not None)
    made = ResolvedOperation(
        interface="I",
        operation="op",
        task="server",
        code=1,
        encoding=operation.encoding,
        idempotent=False,
        doc=None,
        arguments=tuple(resolved),
        leases=tuple(
            ResolvedLease("[T]", t, How.NAME, (), None, n, "r" in h, "w" in h, None, True)
            for n, (t, h) in leases.items()
        ),
        ok=found(ok),
        error=None if error is None else found(error, "E"),
        error_kind=None if error is None else idol.ErrorKind(kind),
        message=message or Struct("server::I_op_ARGS", offset, wires),
    )
    program: Any = None  # these checks look at nothing but the types
    return Subject(
        Image(program, None),
        ServedInterface(TaskImage(0, "server", ""), interface, ()),
        operation,
        made,
    )


def enum(*variants: tuple[str, int | None, Type | None], size: int = 8) -> Enum:
    return Enum(
        "api::E",
        size,
        Member("", 0, U32),
        tuple(
            Variant(name, value, 0, Struct(name, size, () if t is None else (Member("__0", 4, t),)))
            for name, value, t in variants
        ),
    )


def c_enum(**values: int) -> CEnum:
    return CEnum("api::E", 4, True, tuple(Enumerator(n, v) for n, v in values.items()))


def rows(findings: Any) -> list[tuple[str, Level, Role | None]]:
    return [(f.rule, f.level, f.role) for f in findings]


# ---- types ---------------------------------------------------------------------------------------

POINTER = Pointer("&u8", 4, "u8")
DECLARED = Opaque("api::Hidden", "a declaration")
NESTED = Struct("api::Outer", 4, (Member("inner", 0, DECLARED),))
NEVER = Scalar("!", 0, ScalarKind.UNSIGNED)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (subject(ok=U32), []),
        (subject(ok=NESTED), [("type-incomplete", Level.ERROR, Role.OK)]),
        (subject({"a": DECLARED}), [("type-incomplete", Level.ERROR, Role.ARGUMENT)]),
        (subject(ok=enum(("A", None, U32), ("B", 1, None))), []),
        (
            subject(ok=enum(("A", None, U32), ("B", None, U32), ("C", 2, None))),
            [("variant-without-discriminant", Level.WARNING, Role.OK)],
        ),
        (
            subject(ok=enum(("A", None, U32), ("B", None, U32)), encoding="Hubpack"),
            [("variant-without-discriminant", Level.NOTE, Role.OK)],
        ),
        # Nobody can make the second: there is nothing to tell apart.
        (subject(ok=enum(("A", None, U32), ("B", None, NEVER))), []),
        (
            subject(ok=Array("[E; 2]", enum(("A", None, U32), ("B", None, U32)), 2)),
            [("variant-without-discriminant", Level.WARNING, Role.OK)],
        ),
        (subject(ok=POINTER, encoding="Hubpack"), [("encoding-unsupported", Level.ERROR, Role.OK)]),
        (
            subject(error=POINTER, kind="Complex", encoding="Hubpack"),
            [("encoding-unsupported", Level.ERROR, Role.ERROR)],
        ),
        (subject(error=c_enum(A=1, B=0xFFFF)), []),
        (subject(error=c_enum(A=0)), [("error-code-range", Level.ERROR, Role.ERROR)]),
        (subject(error=c_enum(A=-1)), [("error-code-range", Level.ERROR, Role.ERROR)]),
        (subject(error=c_enum(A=0x10000)), [("error-code-range", Level.ERROR, Role.ERROR)]),
        # A Complex error is a value, its numbers do not travel.
        (subject(error=c_enum(A=0), kind="Complex", encoding="Hubpack"), []),
        (subject(ok=None), [("type-missing", Level.ERROR, Role.OK)]),
    ],
)
def test_types(made: Subject, expected: list[tuple[str, Level, Role]]) -> None:
    assert rows(check_types(made)) == expected


def test_finding_points_at_the_type_in_the_text() -> None:
    made = subject({"first": U32, "second": DECLARED})
    (finding,) = check_types(made)
    text = made.server.interface.source.text
    start = text.index('"T"', text.index('"second"'))
    assert finding.place == Region(1, start + 1, 1, start + 4)
    assert (finding.name, finding.type) == ("second", "T")


def test_hostile_nesting_ends() -> None:
    type_: Type = U8
    for index in range(3000):
        type_ = Struct(f"S{index}", 1, (Member("__0", 0, type_),))
    assert rows(check_types(subject(ok=type_))) == []


# ---- the message ---------------------------------------------------------------------------------


def args(*members: tuple[str, int, Type], size: int) -> Struct:
    return Struct("server::I_op_ARGS", size, tuple(Member(*m) for m in members))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (args(("a", 0, U8), ("b", 1, U32), size=5), None),
        (args(("raw_a", 0, U8), ("b", 1, U32), size=5), None),
        (args(("a", 0, U8), ("b", 4, U32), size=8), "at byte 4 and not at 1"),
        (args(("b", 0, U32), ("a", 4, U8), size=5), "stand as b, a"),
        (args(("a", 0, U8), ("b", 1, U32), ("c", 5, U8), size=6), "also has `c`"),
        (args(("a", 0, U8), size=1), "lacks `b`"),
        (args(("a", 0, U8), ("b", 1, U32), size=6), "6 bytes, its fields are 5"),
    ],
)
def test_message_of_another_form(message: Struct, expected: str | None) -> None:
    findings = list(check_message(subject({"a": U8, "b": U32}, message=message)))
    assert [f.rule for f in findings] == ["args-disagree"] * (expected is not None)
    assert expected is None or expected in findings[0].message


def test_serialized_message_is_ordered_by_declaration() -> None:
    # rustc put the larger field first in memory; serde writes them as declared.
    message = args(("a", 4, U8), ("b", 0, U32), size=8)
    made = subject({"a": U8, "b": U32}, message=message, encoding="Hubpack")
    assert list(check_message(made)) == []


# ---- limits --------------------------------------------------------------------------------------

FUNCTIONS = {"Send": 4, "SendLeaseRead": 5, "SendLeaseWrite": 5, "SendLeaseReadWrite": 6}


def hiffy(scratch: int = 64, data: int = 32, stack: int = 256, **functions: int) -> Hiffy:
    known = functions or FUNCTIONS
    layout = HiffyLayout(
        text=Area(0, 256),
        data=Area(0, data),
        return_stack=Area(0, stack),
        scratch=Area(0, scratch),
        scratch_size=scratch,
        requests=0,
        errors=0,
        kick=0,
        ready=0,
        failure=Area(0, 8),
        failure_type=U32,
        functions={n: HiffyFunction(n, i, c, {}) for i, (n, c) in enumerate(known.items())},
    )
    return Hiffy(layout, (0, 3, 1))


def on(its: Hiffy, made: Subject) -> Subject:
    """Return an operation of an image that has this hiffy."""
    image = Image(made.program, its)
    return Subject(image, made.server, made.operation, made.resolved)


def block(size: int) -> Array:
    return Array(f"[u8; {size}]", U8, size)


@pytest.mark.parametrize(
    ("made", "rules"),
    [
        (subject({"a": block(28)}), []),
        (subject({"a": block(29)}), ["arguments-too-large"]),
        (subject({"a": block(27)}, leases={"l": (U8, "r")}), []),
        (subject({"a": block(28)}, leases={"l": (U8, "r")}), ["arguments-too-large"]),
        (
            subject({"a": block(27)}, leases={"l": (U8, "r"), "m": (U8, "w")}),
            ["arguments-too-large"],
        ),
        (subject(ok=block(64)), []),
        (subject(ok=block(65)), ["reply-too-large"]),
        (subject(leases={"l": (block(32), "r")}), []),
        (subject(leases={"l": (block(33), "r")}), ["lease-too-large"]),
        (subject(ok=U32, leases={"l": (block(60), "w")}), []),
        (subject(ok=U32, leases={"l": (block(61), "w")}), ["lease-too-large"]),
        (subject(leases={"l": (U8, "rw")}), ["lease-shape"]),
        (subject(leases={"l": (U8, "w"), "m": (U8, "r")}), ["lease-shape"]),
        (subject(leases={"l": (U8, "r"), "m": (U8, "r")}), ["lease-shape"]),
    ],
)
def test_limits_of_this_hiffy(made: Subject, rules: list[str]) -> None:
    assert [f.rule for f in check_limits(on(hiffy(), made))] == rules


def test_return_stack_limits_the_reply_too() -> None:
    (finding,) = check_limits(on(hiffy(stack=62), subject(ok=block(60))))
    assert finding.rule == "reply-too-large"
    assert "HIFFY_RSTACK has 62" in finding.message
    assert list(check_limits(on(hiffy(stack=62), subject(ok=block(59))))) == []


def test_arguments_that_vary_are_a_warning_if_short_ones_fit() -> None:
    long = enum(("A", 0, block(40)), ("B", 1, None), size=48)
    (finding,) = check_limits(on(hiffy(), subject({"a": long}, encoding="Hubpack")))
    assert (finding.rule, finding.level) == ("arguments-too-large", Level.WARNING)
    both = enum(("A", 0, block(40)), ("B", 1, block(30)), size=48)
    (finding,) = check_limits(on(hiffy(), subject({"a": both}, encoding="Hubpack")))
    assert finding.level is Level.ERROR


@pytest.mark.parametrize(
    ("functions", "count"), [({"Sleep": 1}, 1), ({"Send": 3}, 1), ({"Send": 4}, 0)]
)
def test_a_missing_or_changed_function_is_reported(functions: dict[str, int], count: int) -> None:
    findings: list[Finding] = list(check_limits(on(hiffy(**functions), subject())))
    assert [f.rule for f in findings] == ["hiffy-send-missing"] * count


def test_types_of_many_parts_take_no_time() -> None:
    """Made-up debug information has pairs of pairs: 2 ** 60 parts."""
    type_: Type = U8
    for level in range(60):
        type_ = make_struct(f"p::P{level}", [("a", type_), ("b", type_)])
    assert is_inhabited(type_)
    assert smallest_encoding(type_) == 0  # not looked at so deep
    assert smallest_encoding(make_struct("p::S", [("a", U32), ("b", U8)])) == 5


def test_elements_that_fit_are_counted() -> None:
    made = subject(ok=U32, leases={"source": (U32, "r"), "sink": (U32, "w")})
    assert measure(on(hiffy(), made)).elements == {"source": 8, "sink": 15}
    assert measure(made).elements == {}


# ---- the tables ----------------------------------------------------------------------------------


def test_every_check_is_in_a_table() -> None:
    """One that is not would never be applied."""
    tables = {*checks.IMAGE_CHECKS, *checks.SERVER_CHECKS, *checks.CODE_CHECKS}
    tables |= {*checks.TYPE_CHECKS, *checks.APPLICATION_CHECKS}
    helpers = {"check_object", "check_readable"}  # of other checks and of `run`
    found = {
        name: value
        for module in pkgutil.iter_modules(idoldbg.audit.__path__, "idoldbg.audit.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if name.startswith("check_") and name not in helpers
    }
    assert set(found.values()) == tables
