"""`readvar`: the list of all statics, the kernel's ticks, its table of tasks."""

from __future__ import annotations

import re
from typing import Any

from idoldbg.model.values import format_value
from idoldbg.views.parts import evaluate
from idoldbg.views.variables import list_variables
from tests.real.peer import Peer

COMMAND = "readvar-list"
ROW = re.compile(r"(\S+) +(\S.*?) +0x([0-9a-f]+) +(\d+)")
TOKEN = re.compile(r"0x[0-9a-f]+|\w+")


def list_facts(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in text.splitlines()[1:]:
        row = ROW.fullmatch(line)
        assert row is not None, line
        facts[f"{row[1]} 0x{row[3]}"] = (row[2], int(row[4]))
    return facts


def our_list(peer: Peer, theirs: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    found = list_variables(peer.program)
    assert not found.unreadable
    for static in found.statics:
        if static.variable.address is None:
            continue
        where = f"{static.task} 0x{static.variable.address:08x}"
        expected = theirs.get(where, ("", 0))[0]
        names = (static.variable.full_name, *static.aliases)
        # Humility has no path for statics that are not mangled.
        fits = (n for n in names if n == expected or n.rsplit("::", 1)[-1] == expected)
        facts[where] = (expected if next(fits, None) else names[0], static.variable.size)
    return facts


def tokens(text: str) -> list[str]:
    """Return names and numbers, without types of pointers and generic arguments."""
    text = re.sub(r"\(&[^()]*\)|<\w+>", "", text)
    return [str(int(t, 16)) if t.startswith("0x") else t for t in TOKEN.findall(text)]


def value_facts(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for block in re.split(r"\n(?=\S+ \(0x)", text.strip()) if text.strip() else ():
        head = re.match(r"(\S+) \(0x(\w+)\) = ", block)
        assert head is not None, block
        facts[f"{head[1]} 0x{head[2]}"] = tokens(block[head.end() :])
    return facts


def our_value(peer: Peer, name: str) -> dict[str, Any]:
    return {
        f"{r.part.static.variable.full_name} 0x{r.part.address:08x}": tokens(
            format_value(r.value, hexadecimal=True)
        )
        for r in evaluate(peer.program, f"kernel/{name}")
    }


def test_readvar(peer: Peer) -> None:
    theirs = list_facts(peer.stdout)
    ours = our_list(peer, theirs)
    for command, name in [("readvar-ticks", "TICKS"), ("readvar-tasks", "HUBRIS_TASK_DESCS")]:
        expected = value_facts(peer.output_of(command))
        if expected:
            theirs |= {f"{command} {n}": fact for n, fact in expected.items()}
            ours |= {f"{command} {n}": fact for n, fact in our_value(peer, name).items()}
    peer.compare(theirs, ours)
