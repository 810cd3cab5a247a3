"""The strict rules: which operations they report, and which they leave alone."""

from __future__ import annotations

import pytest

import idol
from idol.kinds import Encoding
from idol.rust_type import parse_type
from idol.sizes import type_size

#: The fields of one documented operation, and the strict rules that it breaks.
OPERATIONS = [
    ('reply: Simple("u8"), idempotent: true', []),
    # hiffy's stack: 28 bytes of arguments, one less for each lease
    ('args: {"a": "[u8; 28]"}, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": "[u8; 28]", "b": "u8"}, reply: Simple("()"), idempotent: true',
     ["hiffy-arguments"]),
    ('args: {"a": "[u8; 27]"}, leases: {"l": (type: "[u8]", read: true)},'
     ' reply: Simple("()"), idempotent: true', []),
    ('args: {"a": "[u8; 28]"}, leases: {"l": (type: "[u8]", read: true)},'
     ' reply: Simple("()"), idempotent: true', ["hiffy-arguments"]),
    ('args: {"a": "[u8; 26]"}, leases: {"l": (type: "[u8]", read: true),'
     ' "m": (type: "[u8]", write: true)}, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": "[u8; 27]"}, leases: {"l": (type: "[u8]", read: true),'
     ' "m": (type: "[u8]", write: true)}, reply: Simple("()"), idempotent: true',
     ["hiffy-arguments"]),
    ('args: {"a": "Big", "b": "[u64; 4]"}, reply: Simple("()"), idempotent: true',
     ["hiffy-arguments"]),
    ('args: {"a": "Big", "b": "[u8; api::SIZE]"}, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": (type: "Big", recv: From("[u8; 29]"))}, reply: Simple("()"), idempotent: true',
     ["hiffy-arguments"]),
    ('args: {"a": "Option<[u8; 40]>"}, encoding: Hubpack, reply: Simple("()"), idempotent: true',
     []),  # None fits
    # leases
    ('leases: {"l": (type: "[u8]", read: true), "m": (type: "[u8]", write: true),'
     ' "n": (type: "[u8]", write: true)}, reply: Simple("()"), idempotent: true',
     ["hiffy-leases"]),
    ('leases: {"l": (type: "[u8]", read: true, write: true)}, reply: Simple("()")',
     ["cannot-tell-server-death", "hiffy-read-write-lease"]),
    # types
    ('reply: Simple("bool"), args: {"a": "bool"}, idempotent: true', []),
    ('args: {"a": "[bool; 2]"}, reply: Simple("()"), idempotent: true', ["cannot-be-sent"]),
    ('args: {"a": "[bool; 2]"}, encoding: Hubpack, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": "char"}, reply: Simple("()"), idempotent: true', ["cannot-be-sent"]),
    ('args: {"a": "usize"}, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": "usize"}, encoding: Hubpack, reply: Simple("()"), idempotent: true',
     ["cannot-be-sent"]),
    ('args: {"a": "(u8, Option<&str>)"}, encoding: Ssmarshal, reply: Simple("()"),'
     ' idempotent: true', ["cannot-be-sent"]),
    ('args: {"a": "Option<core::num::NonZeroU8>"}, reply: Simple("()"), idempotent: true', []),
    ('reply: Simple("Result<u8, u8>"), idempotent: true', ["cannot-be-sent"]),
    ('reply: Simple("Result<u8, u8>"), encoding: Hubpack, idempotent: true', []),
    ('reply: Simple("my::Result<u8>"), idempotent: true', []),
    ('reply: Simple("fn(u8)"), idempotent: true', ["cannot-be-sent"]),
    ('args: {"a": (type: "&str", recv: From("u8"))}, reply: Simple("()"), idempotent: true', []),
    # recv
    ('args: {"a": (type: "u8", recv: FromBytes)}, reply: Simple("()"), idempotent: true',
     ["redundant-recv"]),
    ('args: {"a": (type: "u8")}, reply: Simple("()"), idempotent: true', []),
    ('args: {"a": (type: "u8", recv: From("u8"))}, reply: Simple("()"), idempotent: true',
     ["redundant-recv"]),
    ('args: {"a": (type: "u8", recv: From("u8", Some("f")))}, reply: Simple("()"),'
     ' idempotent: true', []),
    # style
    ('args: {"A": "u8"}, leases: {"bC": (type: "[u8]", read: true)}, reply: Simple("()"),'
     ' idempotent: true', ["name-style", "name-style"]),
    ('args: {"_0": "u8"}, reply: Simple("()"), idempotent: true', []),
]  # fmt: skip

NAMES = [
    ("toggle_led", ["idempotent-toggle"]),
    ("led_toggle", ["idempotent-toggle"]),
    ("toggled", []),
    ("next_block", ["idempotent-toggle"]),
    ("get_next_boot", []),
    ("raw_write", ["idempotent-write"]),
    ("is_writable", []),
    ("push_and_write", ["idempotent-toggle", "idempotent-write"]),
]


def find(operation: str, name: str = "op") -> list[str]:
    text = f'Interface(name: "I", ops: {{"{name}": ({operation}, doc: "x")}})'
    return sorted(finding.rule for finding in idol.check(idol.parse(text), strict=True))


@pytest.mark.parametrize(("operation", "expected"), OPERATIONS)
def test_operation(operation: str, expected: list[str]) -> None:
    assert find(operation) == expected


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_name_of_an_idempotent_operation(name: str, expected: list[str]) -> None:
    assert find('reply: Simple("()"), idempotent: true', name) == expected
    assert find('reply: Result(ok: "()", err: ServerDeath)', name) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Spi", []), ("SP", []), ("spi", ["name-style"]), ("My_Spi", ["name-style"])],
)
def test_name_of_the_interface(name: str, expected: list[str]) -> None:
    text = f'Interface(name: "{name}", ops: {{"a": (reply: Simple("()"), idempotent: true, doc: "x")}})'  # noqa: E501  # one interface
    assert [finding.rule for finding in idol.check(idol.parse(text), strict=True)] == expected


SIZES = [
    ("()", "0", "0"),
    ("bool", "1", "1"),
    ("u8", "1", "1"),
    ("i128", "16", "16"),
    ("f64", "8", "8"),
    ("usize", "4", "unknown"),
    ("[u16; 3]", "6", "6"),
    ("[[u8; 4]; 0x10]", "64", "64"),
    ("[u8; N]", "unknown", "unknown"),
    ("[Mode; 0]", "0", "0"),
    ("Mode", "unknown", "unknown"),
    ("api::u8", "unknown", "unknown"),
    ("core::num::NonZeroU32", "4", "4"),
    ("Option<NonZeroU32>", "4", "1 to 5"),
    ("Option<u8>", "unknown", "1 to 2"),
    ("Option<Mode>", "unknown", "at least 1"),
    ("Result<u8, u32>", "unknown", "2 to 5"),
    ("(u8, Option<(f32, u64)>)", "unknown", "2 to 14"),
    ("&u8", "unknown", "unknown"),
    ("my::Option<u8>", "unknown", "unknown"),
]


@pytest.mark.parametrize(("text", "zerocopy", "hubpack"), SIZES)
def test_size_of_a_type(text: str, zerocopy: str, hubpack: str) -> None:
    rust_type = parse_type(text)
    assert str(type_size(rust_type, Encoding.ZEROCOPY)) == zerocopy
    assert str(type_size(rust_type, Encoding.HUBPACK)) == hubpack
    assert str(type_size(rust_type, Encoding.SSMARSHAL)) == hubpack
