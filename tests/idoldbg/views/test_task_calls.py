"""Calls between tasks from the counters of both ends."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, cast

import pytest

from idol.records import replace
from idoldbg.build.program import Program
from idoldbg.model.types import Member, Struct
from idoldbg.render import task_calls
from idoldbg.views.task_calls import read_edges, read_task_calls, select_calls, subtract_calls
from tests.idoldbg.typegen import UNIT
from tests.idoldbg.views.made_statics import ATOMIC, program_of

Golden = Callable[[str, str], None]
ERRORS = Struct("SpiErrorCounts", 8, (Member("Busy", 0, ATOMIC), Member("ServerDeath", 4, ATOMIC)))
RESULT = Struct("ResultCounters", 12, (Member("Ok", 0, ATOMIC), Member("Err", 4, ERRORS)))
SURE = Struct("ResultCounters", 4, (Member("Ok", 0, ATOMIC), Member("Err", 4, UNIT)))
EVENTS = Struct(
    "spi_api::SpiEventCounts",
    20,
    (Member("exchange", 0, RESULT), Member("lock", 12, SURE), Member("kick", 16, ATOMIC)),
)
INTERFACE = 'Interface(name: "Spi", ops: {"kick": (reply: Simple("()"), idempotent: true)})'
# `spi` is the only task that has statics here: a caller and the server of its interface.
CLIENT, SERVER = "spi_api::__SPI_CLIENT_COUNTERS", "spi::idl::__SPI_SERVER_COUNTERS"


def program(monkeypatch: pytest.MonkeyPatch, *counts: int) -> Program:
    memory = struct.pack(f"<{len(counts)}I", *counts)
    made = program_of(monkeypatch, memory, (CLIENT, EVENTS), (SERVER, EVENTS))
    cast(Any, made.object("spi")).idolatry = INTERFACE
    return made


def test_both_ends_are_joined(monkeypatch: pytest.MonkeyPatch, golden: Golden) -> None:
    made = program(monkeypatch, 13, 6, 1, 2, 0, 13, 5, 0, 2, 0)
    found = read_task_calls(made)
    first = found.calls[0]
    assert (first.client, first.servers, first.interface) == ("spi", ("spi",), "Spi")
    assert (first.ok, first.failed, first.count) == (13, 7, 20)
    assert dict(first.errors) == {"Busy": 6, "ServerDeath": 1}
    assert dict(found.calls[1].errors) == {}  # `Infallible`
    end = found.servers[0]
    assert (end.calls_sent, end.calls_seen, end.ok) == (20, 18, 13)
    golden("cli/counters-ipc-both-ends.txt", task_calls.text(found) + "\n")
    golden("cli/counters-ipc-matrix.txt", task_calls.matrix(found) + "\n")
    edges = read_edges(made, found)
    golden("cli/counters-ipc-graph.mmd", task_calls.mermaid(edges) + "\n")


def test_counts_between_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_task_calls(program(monkeypatch, 0xFFFFFFFF, 6, 1, 2, 0, 13, 5, 0, 2, 0))
    after = read_task_calls(program(monkeypatch, 3, 8, 1, 2, 1, 15, 5, 0, 2, 0))
    found = subtract_calls(before, after, 2000)
    rows = {c.operation: (c.ok, dict(c.errors)) for c in found.calls}
    assert rows["exchange"] == (4, {"Busy": 2, "ServerDeath": 0})
    assert rows["kick"] == (1, {})
    assert "3.0" in task_calls.text(found)  # 6 calls in 2 s


def test_calls_are_chosen_by_parts_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_task_calls(program(monkeypatch, 13, 6, 1, 2, 0, 13, 5, 0, 2, 0))
    assert len(select_calls(found).calls) == 3
    assert not select_calls(found, clients=("net",)).calls
    assert (
        len(select_calls(found, clients=("SP",), servers=("spi",), interfaces=("Spi",)).calls) == 3
    )
    chosen = select_calls(found, errors_only=True)
    assert (
        [c.operation for c in chosen.calls] == [s.operation for s in chosen.servers] == ["exchange"]
    )
    assert not task_calls.text(replace(found, calls=(), servers=())).startswith("caller")
