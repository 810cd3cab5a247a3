"""Stubs of each construct, and of each option: the lines by which they differ from the plainest.

`test_compile.py` compiles the same operations, and every option, for the chips.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import dedent

import pytest

import idol
from idol.options import FailServer, ServerStyle, StubOptions

HERE = Path(__file__).parent
PLAINEST = '"op": (reply: Simple("()"), idempotent: true),\n'
#: The plainest with an error, for those that have one besides what they are here for.
WITH_ERROR = '"op": (reply: Result(ok: "()", err: CLike("PlainError"))),\n'
GENERATORS = {"client": idol.client_stub, "server": idol.server_stub}

#: What options change is shown with an operation that has a bit of everything.
EXAMPLE = """\
"op": (
    args: {"a": "u8"},
    leases: {"data": (type: "[u8]", read: true, max_len: Some(16))},
    reply: Result(ok: "bool", err: CLike("OpError")),
),
"""
OPTIONS = {
    "plain-panics": StubOptions(named_panics=False),
    "counters": StubOptions(counters=True),
    "combined-errors": StubOptions(counters=True, combine_client_errors=True),
    "pipelined": StubOptions(style=ServerStyle.PIPELINED),
    "pipelined-counters": StubOptions(style=ServerStyle.PIPELINED, counters=True),
    "no-fail-server": StubOptions(fail_server=FailServer.NEVER),
    "derives": StubOptions(extra_derives=("serde::Serialize",)),
    "callers": StubOptions(allowed_callers={"op": (1, 3)}),
    "nobody": StubOptions(allowed_callers={"op": ()}),
}


def read_constructs() -> dict[str, str]:
    """Return the operations of `everything.idol`, each called `op`."""
    text = (HERE / "everything.idol").read_text()
    found = re.findall(r'^ {8}"(\w+)": (\(.*\n(?:(?: {9}.*| {8}\).*)\n)*)', text, re.MULTILINE)
    return {name: dedent(f'        "op": {body}') for name, body in found}


CONSTRUCTS = read_constructs()


def generate(kind: str, operation: str, options: StubOptions | None = None) -> list[str]:
    text = f'Interface(name: "I", ops: {{{operation}}})'
    stub = GENERATORS[kind](idol.parse(idol.Source("i.idol", text)), options or StubOptions())
    return stub.partition("/// The text of i.idol")[0].splitlines()


def added_lines(before: list[str], after: list[str]) -> Iterator[str]:
    """Yield the lines that are new, `…` between those that were apart."""
    changes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for change, _, _, start, end in changes:
        if change in ("insert", "replace"):
            yield from after[start:end]
            yield "…"


def show(operation: str, sides: dict[str, list[str]]) -> str:
    lines = [f"// {line}" for line in operation.splitlines()]
    for kind, added in sides.items():
        lines += ["", f"// ---- {kind}", *added]
    return "\n".join(lines) + "\n"


def test_all_operations_are_constructs() -> None:
    names = [o.name for o in idol.parse((HERE / "everything.idol").read_text()).operations]
    assert list(CONSTRUCTS) == names


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_construct(name: str, golden: Callable[[str, str], None]) -> None:
    operation, plain = CONSTRUCTS[name], StubOptions(named_panics=False)
    base = WITH_ERROR if "CLike" in operation and name != "plain" else PLAINEST
    sides = {
        kind: list(added_lines(generate(kind, base, plain), generate(kind, operation, plain)))
        for kind in GENERATORS
    }
    golden(f"idol/constructs/{name}.rs", show(operation, sides))


@pytest.mark.parametrize("name", OPTIONS)
def test_option(name: str, golden: Callable[[str, str], None]) -> None:
    options = OPTIONS[name]
    sides = {
        kind: list(added_lines(generate(kind, EXAMPLE), generate(kind, EXAMPLE, options)))
        for kind in GENERATORS
    }
    golden(f"idol/options/{name}.rs", show(EXAMPLE, sides))


def test_bare_replies(golden: Callable[[str, str], None]) -> None:
    """Operations that cannot fail return their value."""
    operation, options = '"op": (reply: Simple("bool")),\n', StubOptions(bare_replies=True)
    before, after = generate("server", operation), generate("server", operation, options)
    shown = show(operation, {"server": list(added_lines(before, after))})
    golden("idol/options/bare-replies.rs", shown)


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [("a b", "a b", ""), ("a b", "a x b", "x…"), ("a b c", "x b y", "x…y…"), ("a b", "a", "")],
)
def test_added_lines(before: str, after: str, added: str) -> None:
    assert "".join(added_lines(before.split(), after.split())) == added
