"""Changes between versions of an interface: what breaks callers, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import idol
from idol.cli import main
from idol.diff import Level, compare

ROOT = Path(__file__).resolve().parents[2]

R = 'reply: Result(ok: "u8", err: CLike("E"))'
S = 'reply: Simple("()"), idempotent: true'

#: the operation before, the operation now, what is found
CASES = [
    ("the same", R, R, []),
    ("a default said", S, f"{S}, encoding: Zerocopy, args: {{}}", []),
    ("documentation", S, f'{S}, doc: "x"', []),
    ("the same type in other words", 'args: {"a": "[u8;4]"}, ' + S,
     'args: {"a": "[ u8 ; 0x4 ]"}, ' + S, []),
    # replies
    ("a number of another size", R, R.replace("u8", "u16"), ["breaking type-changed"]),
    ("a number becomes signed", R, R.replace("u8", "i8"), ["breaking type-changed"]),
    ("a named type", R, R.replace("u8", "Level"), ["unsure type-changed"]),
    ("a path to a type", R, R.replace('"E"', '"api::E"'), ["unsure error-type-changed"]),
    ("a unit becomes a number", S, S.replace("()", "u8"), ["breaking type-changed"]),
    ("a simple reply gets an error", S,
     'reply: Result(ok: "()", err: CLike("E")), idempotent: true', ["breaking error-kind-changed"]),
    ("an error goes away", 'reply: Result(ok: "()", err: CLike("E")), idempotent: true', S,
     ["source error-kind-changed"]),
    ("only server death is added", 'reply: Simple("()")',
     'reply: Result(ok: "()", err: ServerDeath)', ["source error-kind-changed"]),
    ("a server death becomes an error", 'reply: Result(ok: "()", err: ServerDeath)',
     'reply: Result(ok: "()", err: CLike("E"))', ["breaking error-kind-changed"]),
    ("an error is only server death", 'reply: Result(ok: "()", err: CLike("E"))',
     'reply: Result(ok: "()", err: ServerDeath)', ["source error-kind-changed"]),
    ("an error gets data", R + ", encoding: Hubpack", R.replace("CLike", "Complex")
     + ", encoding: Hubpack", ["breaking error-kind-changed"]),
    # received types: what travels counts
    ("a number becomes an enum", 'args: {"a": "u8"}, ' + S,
     'args: {"a": (type: "Mode", recv: FromPrimitive("u8"))}, ' + S, ["source type-changed"]),
    ("a number becomes a switch", 'args: {"a": "u8"}, ' + S, 'args: {"a": "bool"}, ' + S,
     ["source type-changed"]),
    ("the same in Hubpack", 'encoding: Hubpack, args: {"a": "u8"}, ' + S,
     'encoding: Hubpack, args: {"a": "bool"}, ' + S, ["breaking type-changed"]),
    ("received from something longer", 'args: {"a": (type: "M", recv: FromPrimitive("u8"))}, ' + S,
     'args: {"a": (type: "M", recv: FromPrimitive("u16"))}, ' + S, ["breaking type-changed"]),
    ("another conversion", 'args: {"a": (type: "M", recv: From("u8"))}, ' + S,
     'args: {"a": (type: "M", recv: From("u8", Some("f")))}, ' + S, ["source type-changed"]),
    ("an enum becomes optional", 'args: {"a": (type: "M", recv: FromPrimitive("u8"))}, ' + S,
     'args: {"a": (type: "Option<M>", recv: FromPrimitive("u8"))}, ' + S,
     ["breaking type-changed"]),
    # arguments
    ("an argument more", 'args: {"a": "u8"}, ' + S, 'args: {"a": "u8", "b": "u8"}, ' + S,
     ["breaking argument-added"]),
    ("an argument less", 'args: {"a": "u8", "b": "u8"}, ' + S, 'args: {"b": "u8"}, ' + S,
     ["breaking argument-removed"]),
    ("an argument renamed", 'args: {"a": "u8"}, ' + S, 'args: {"b": "u8"}, ' + S,
     ["source argument-renamed"]),
    ("arguments exchanged", 'args: {"a": "u8", "b": "u16"}, ' + S,
     'args: {"b": "u16", "a": "u8"}, ' + S, ["breaking arguments-reordered"]),
    # flags
    ("no longer idempotent", R + ", idempotent: true", R, ["breaking idempotency-lost"]),
    ("idempotent now", R, R + ", idempotent: true", ["compatible idempotency-gained"]),
    ("another encoding", R, R + ", encoding: Hubpack", ["breaking encoding-changed"]),
    ("another encoding of nothing", S, S + ", encoding: Hubpack", ["compatible encoding-changed"]),
    # leases
    ("a lease more", S, 'leases: {"a": (type: "[u8]", read: true)}, ' + S,
     ["breaking lease-count-changed"]),
    ("a lease to write too", 'leases: {"a": (type: "[u8]", read: true)}, ' + S.split(",")[0],
     'leases: {"a": (type: "[u8]", read: true, write: true)}, ' + S.split(",")[0],
     ["breaking lease-access-changed"]),
    ("a lease only to read", 'leases: {"a": (type: "[u8]", read: true, write: true)}, ' + R,
     'leases: {"a": (type: "[u8]", read: true)}, ' + R, ["compatible lease-access-changed"]),
    ("a lease of something else", 'leases: {"a": (type: "[u8]", read: true)}, ' + S,
     'leases: {"a": (type: "[u16]", read: true)}, ' + S, ["breaking lease-type-changed"]),
    ("a longer lease", 'leases: {"a": (type: "[u8]", read: true, max_len: Some(8))}, ' + S,
     'leases: {"a": (type: "[u8]", read: true, max_len: Some(9))}, ' + S,
     ["compatible lease-limit-changed"]),
    ("a lease with a limit", 'leases: {"a": (type: "[u8]", read: true)}, ' + S,
     'leases: {"a": (type: "[u8]", read: true, max_len: Some(9))}, ' + S,
     ["breaking lease-limit-changed"]),
    ("a lease renamed", 'leases: {"a": (type: "[u8]", read: true)}, ' + S,
     'leases: {"b": (type: "[u8]", read: true)}, ' + S, ["source lease-renamed"]),
]  # fmt: skip


def interface(*operations: str, name: str = "I") -> idol.Interface:
    return idol.parse(f'Interface(name: "{name}", ops: {{{", ".join(operations)}}})')


def find(old: idol.Interface, new: idol.Interface) -> list[str]:
    return [f"{change.level} {change.kind}" for change in compare(old, new).changes]


@pytest.mark.parametrize(("what", "old", "new", "expected"), CASES, ids=[c[0] for c in CASES])
def test_change_of_one_operation(what: str, old: str, new: str, expected: list[str]) -> None:
    before, after = interface(f'"op": ({old})'), interface(f'"op": ({new})')
    assert find(before, after) == expected
    breaks = any(text.split()[0] in ("breaking", "unsure") for text in expected)
    assert compare(before, after).is_breaking is breaks
    assert find(before, before) == find(after, after) == []


A, B, C = (f'"{name}": ({R}, args: {{"{name}": "u{size}"}})' for name, size in
           (("alpha", 8), ("beta", 16), ("gamma", 32)))  # fmt: skip


def test_an_operation_at_the_end_is_compatible() -> None:
    assert find(interface(A), interface(A, B)) == ["compatible operation-added"]


def test_an_operation_in_front_renumbers() -> None:
    changes = compare(interface(A, B), interface(C, A, B)).changes
    assert [(c.operation, c.kind) for c in changes] == [
        ("gamma", "operation-added"),
        ("alpha", "operation-renumbered"),
        ("beta", "operation-renumbered"),
    ]
    assert changes[1].message == "its code changed from 1 to 2"


def test_a_removed_operation_renumbers() -> None:
    assert find(interface(A, B, C), interface(A, C)) == [
        "breaking operation-removed",
        "breaking operation-renumbered",
    ]


def test_a_renamed_operation_is_the_same_on_the_wire() -> None:
    assert find(interface(A, B), interface(A, B.replace('"beta": (', '"delta": ('))) == [
        "source operation-renamed"
    ]


def test_another_operation_in_its_place_does_not_count_as_renamed() -> None:
    assert find(interface(A, B), interface(A, C)) == [
        "breaking operation-removed",
        "compatible operation-added",
    ]


def test_the_interface_is_renamed() -> None:
    assert find(interface(A), interface(A, name="J")) == ["source interface-renamed"]


def test_changes_show_both_places() -> None:
    old, new = interface(A), interface(A.replace("u8", "u64"))
    change = next(c for c in compare(old, new).changes if c.message.startswith("argument"))
    assert change.level is Level.BREAKING
    assert (change.old, change.new) == ("u8", "u64")
    assert change.old_span is not None
    assert old.source.text[change.old_span.start : change.old_span.end] == '"u8"'
    assert change.new_span is not None
    assert new.source.text[change.new_span.start : change.new_span.end] == '"u64"'


OLD = """\
Interface(name: "Light", ops: {
    "on": (args: {"index": "u8"}, reply: Result(ok: "()", err: CLike("E")), idempotent: true),
    "off": (args: {"index": "u8"}, reply: Result(ok: "()", err: CLike("E"))),
    "play": (leases: {"levels": (type: "[u8]", read: true)}, reply: Result(ok: "()", err: ServerDeath)),
    "step": (reply: Simple("u8")),
    "get": (reply: Simple("u8"), idempotent: true),
})
"""  # noqa: E501  # an operation to the line shows what changed
NEW = """\
Interface(name: "Light", ops: {
    "on": (args: {"index": "u16"}, reply: Result(ok: "()", err: CLike("api::E"))),
    "switch_off": (args: {"number": "u8"}, reply: Result(ok: "()", err: CLike("E"))),
    "play": (leases: {"levels": (type: "[u8]", read: true, max_len: Some(9))}, reply: Result(ok: "()", err: ServerDeath)),
    "get": (reply: Simple("u8"), idempotent: true),
    "reset": (reply: Simple("()"), idempotent: true),
})
"""  # noqa: E501  # an operation to the line shows what changed


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.chdir(tmp_path)
    Path("old.idol").write_text(OLD)
    Path("new.idol").write_text(NEW)
    return "old.idol", "new.idol"


def test_diff_as_text(
    files: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[str, str], None],
) -> None:
    assert main(["diff", *files]) == 1
    golden("idol/diff.txt", capsys.readouterr().out)


def test_diff_as_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--format", "json", *files]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "idol.diff/1"
    assert report["breaking"] is True
    assert (report["old"], report["new"]) == files
    first = report["changes"][0]
    assert first == {
        "level": "breaking",
        "kind": "idempotency-lost",
        "operation": "on",
        "message": first["message"],
        "old": "idempotent",
        "new": "not idempotent",
        "old_place": {"line": 2, "column": 77},
        "new_place": {"line": 2, "column": 5},
    }


def test_diff_of_the_same_file(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", files[0], files[0]]) == 0
    assert capsys.readouterr().out == "no difference that callers or servers could notice\n"


def test_diff_of_bad_input(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.idol").write_text('Interface(name: "I", ops: {"a": ()})')
    assert main(["diff", files[0], "bad.idol"]) == 1
    assert "[missing-field]" in capsys.readouterr().err
    assert main(["diff", "--format", "json", files[0], "bad.idol"]) == 1
    assert json.loads(capsys.readouterr().err)["error"]["kind"] == "interface"
    assert main(["diff", files[0], "none.idol"]) == 4
    assert main(["diff", "-", "-"]) == 2
