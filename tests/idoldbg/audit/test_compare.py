"""Two builds: what callers of the old one get wrong with the new one."""

from __future__ import annotations

import pytest

import idol
from idoldbg.audit import Audit, Level
from idoldbg.audit.compare import BuildComparison, compare_builds
from idoldbg.audit.wire import compare_types
from idoldbg.model.types import Member, Scalar, ScalarKind, Struct, Type
from idoldbg.render.audit.changes import to_json, to_text
from tests.conftest import ARCHIVES
from tests.idoldbg.audit.conftest import Change, Rebuild, audit_build, replaced
from tests.idoldbg.audit.test_changed_builds import spoil
from tests.idoldbg.audit.test_checks import U8, U32, block, c_enum, enum

SPI = ("read", "write", "exchange", "lock", "release")
no_types = replaced(b"\0.debug_info\0", b"\0.lost_bytes\0")
I32 = Scalar("i32", 4, ScalarKind.SIGNED)


def rows(comparison: BuildComparison) -> set[tuple[str, str, str]]:
    return {(str(c.level), c.kind, c.operation or c.interface) for c in comparison.changes}


def test_a_build_is_like_itself(demo: Audit) -> None:
    comparison = compare_builds(demo, demo)
    assert comparison.changes == ()
    assert "no difference" in to_text(comparison, "error")


def test_two_boards_of_one_application(demo: Audit) -> None:
    other = audit_build(ARCHIVES / "nucleo-g031.zip")
    comparison = compare_builds(demo, other)
    assert rows(comparison) == {
        ("error", "server-removed", "Victim"),
        ("error", "type-changed", "read_fault_counts"),  # one count for each of fewer tasks
    }
    assert comparison.has_failed("error") and not comparison.has_failed("none")


def test_a_lost_hiffy_is_reported_once(demo: Audit) -> None:
    other = audit_build(ARCHIVES / "stm32f4-discovery-no-hiffy.zip")
    kinds = [c.kind for c in compare_builds(demo, other).changes]
    assert kinds.count("hiffy-lost") == 1
    assert kinds.count("became-uncallable") == 1  # Jefe.set_reset_reason, closed to hiffy there
    assert "hiffy-gained" in {c.kind for c in compare_builds(other, demo).changes}


@pytest.mark.parametrize(
    ("member", "how", "expected"),
    [
        ("elf/task/spi", spoil, {("error", "became-uncallable", name) for name in SPI}),
        ("elf/task/spi", no_types, {("error", "became-uncallable", name) for name in SPI}),
        ("elf/task/spi", lambda _: None, {("error", "became-unreadable", "Spi")}),
        ("elf/task/hiffy", lambda _: None, {("error", "hiffy-lost", "hiffy")}),
        ("elf/kernel", spoil, {("error", "kernel-lost", "kernel")}),
        ("elf/kernel", lambda _: None, {("error", "kernel-lost", "kernel")}),
    ],
)
def test_mutations_change_the_input(
    member: str,
    how: Change,
    expected: set[tuple[str, str, str]],
    rebuild: Rebuild,
    demo: Audit,
) -> None:
    """A build of which less can be read is never as good as the one before."""
    damaged = audit_build(rebuild({member: how}))
    assert rows(compare_builds(demo, damaged)) == expected
    assert not compare_builds(damaged, demo).has_failed("warning")


def test_codes_that_shift_and_idempotency_that_is_lost(rebuild: Rebuild, demo: Audit) -> None:
    def swap(data: bytes) -> bytes:
        for old, new in (
            (b'"led_on"', b'"led_xx"'),
            (b'"led_off"', b'"led_on" '),
            (b'"led_xx"', b'"led_of"'),
        ):
            data = replaced(old, new)(data)
        return data

    renamed = compare_builds(demo, audit_build(rebuild({"elf/task/user_leds": swap})))
    found = {(c.kind, c.operation) for c in renamed.changes if c.level is Level.ERROR}
    assert ("operation-renumbered", "led_on") in found
    lost = replaced(b"idempotent: true", b"idempotent:false")
    changes = compare_builds(demo, audit_build(rebuild({"elf/task/jefe": lost}))).changes
    assert {c.kind for c in changes} == {"idempotency-lost"}
    assert {c.level for c in changes} == {Level.ERROR}


def test_operation_that_is_closed_became_uncallable(rebuild: Rebuild, demo: Audit) -> None:
    path = rebuild(
        {"app.toml": replaced(b'set_reset_reason = ["hiffy"]', b'set_reset_reason = ["sensor"]')}
    )
    (change,) = compare_builds(demo, audit_build(path)).changes
    assert (change.kind, change.operation) == ("became-uncallable", "set_reset_reason")
    assert "closed to hiffy" in change.message
    shown = to_json(compare_builds(demo, audit_build(path)), "error")
    assert (shown["schema"], shown["failed"]) == ("idoldbg.audit-diff/1", True)


# ---- types on the wire ---------------------------------------------------------------------------


def struct(*fields: tuple[str, Type]) -> Struct:
    offset, members = 0, []
    for name, type_ in fields:
        members.append(Member(name, offset, type_))
        offset += type_.size
    return Struct("api::S", offset, tuple(members))


def wrapped(type_: Type) -> Struct:
    return Struct("api::Wrapper", type_.size, (Member("__0", 0, type_),))


@pytest.mark.parametrize(
    ("old", "new", "changed", "grown"),
    [
        (U32, U32, (), ()),
        (U32, wrapped(U32), (), None),  # serde does not see it; memory does not either
        (U32, I32, ("u32 became i32",), None),
        (block(4), block(5), ("4 elements became 5",), None),
        (struct(("a", U8), ("b", U32)), struct(("a", U8), ("c", U32)), (), None),
        (struct(("a", U8), ("b", U32)), struct(("b", U32), ("a", U8)), ("fields",), None),
        (struct(("a", U8)), struct(("a", U8), ("b", U8)), ("with b",), None),
        (c_enum(A=1, B=2), c_enum(A=1, B=2, C=3), (), ("C",)),
        (c_enum(A=1, B=2), c_enum(B=2, A=1), ("variant 0 was A and is B",), None),
        (c_enum(A=1, B=2), c_enum(A=5, B=6), (), None),  # serde counts, it does not look
        (
            enum(("A", 0, U32), ("B", 1, None)),
            enum(("A", 0, I32), ("B", 1, None)),
            ("u32 became",),
            None,
        ),
        (c_enum(A=0, B=1), enum(("A", 0, None), ("B", 1, None)), (), None),
        (c_enum(A=0), U8, ("became u8",), None),
    ],
)
def test_serialized_types(
    old: Type, new: Type, changed: tuple[str, ...], grown: tuple[str, ...] | None
) -> None:
    found = compare_types(old, new, idol.Encoding.HUBPACK)
    broken = [str(c) for c in found if not c.is_growth]
    assert len(broken) == len(changed)
    assert all(expected in text for expected, text in zip(changed, broken, strict=True))
    assert len(found) - len(broken) == len(grown or ())


@pytest.mark.parametrize(
    ("old", "new", "is_broken"),
    [
        (struct(("a", U8), ("b", U32)), struct(("b", U32), ("a", U8)), True),
        (c_enum(A=1, B=2), c_enum(B=2, A=1), False),  # memory knows numbers, not positions
        (c_enum(A=1, B=2), c_enum(A=5, B=2), True),
        (struct(("a", U8)), struct(("z", U8)), False),
        (struct(("a", U8), ("b", U8)), struct(("a", U8), ("b", U32)), True),
    ],
)
def test_types_in_memory(old: Type, new: Type, is_broken: bool) -> None:
    found = compare_types(old, new, idol.Encoding.ZEROCOPY)
    assert any(not c.is_growth for c in found) is is_broken


def test_differences_have_a_place() -> None:
    old = struct(("head", struct(("kind", U8))), ("tail", c_enum(A=0)))
    new = struct(("head", struct(("kind", U32))), ("tail", c_enum(B=0)))
    assert [str(c) for c in compare_types(old, new, idol.Encoding.HUBPACK)] == [
        "`head.kind`: u8 became u32",
        "`tail`: variant 0 was A and is B",
    ]
