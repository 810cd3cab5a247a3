"""Counters: on the emulated board, and made by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from idoldbg.call.calls import prepare_call
from idoldbg.errors import OperationError
from idoldbg.model.types import Member, Struct
from idoldbg.pytest_plugin.evidence import write_dump
from idoldbg.session import TargetOptions, open_session
from idoldbg.startup import settle
from idoldbg.views.counters import (
    count_changes,
    find_counters,
    read_counter_statics,
    read_counters,
)
from idoldbg.views.parts import evaluate
from idoldbg.views.task_calls import read_task_calls
from tests.idoldbg.typegen import U16, make_array
from tests.idoldbg.views.made_statics import (
    ATOMIC,
    RAM,
    counted_type,
    entry_type,
    program_of,
    ring_type,
)


def test_counters_show_the_effect_of_a_call() -> None:
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
        sets = find_counters(session.program)
        before = read_counters(session.program, sets)
        operation = session.program.operation("UserLeds.led_on")
        session.caller.call(prepare_call(operation, {"index": "0"}))
        with pytest.raises(OperationError):
            session.caller.call(prepare_call(operation, {"index": "77"}))
        after = read_counters(session.program, sets)
    static = "user_leds.drv_user_leds::idl::__USERLEDS_SERVER_COUNTERS"
    assert count_changes(before, after) == {
        f"{static}.led_on.Ok": 1,
        f"{static}.led_on.Err.NotPresent": 1,
    }


def test_two_ring_buffers_of_one_task_keep_their_own_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = counted_type(ring_type(entry_type(U16), 2))
    ring = counted.size - 8
    memory = b"".join(bytes(ring) + struct.pack("<II", *pair) for pair in [(1, 2), (3, 4), (5, 6)])
    statics = [
        ("spi::__RINGBUF", counted),
        ("spi::flash::__RINGBUF", counted),
        ("spi::flash::__RINGBUF", counted),  # of two instances of a generic function
    ]
    program = program_of(monkeypatch, memory, *statics)
    at = [RAM + ring + 8, RAM + 2 * (ring + 8)]
    assert read_counters(program, find_counters(program)) == {
        "spi.spi::__RINGBUF.Sent": 1,
        "spi.spi::__RINGBUF.Lost": 2,
        f"spi.spi::flash::__RINGBUF@0x{at[0]:08x}.Sent": 3,
        f"spi.spi::flash::__RINGBUF@0x{at[0]:08x}.Lost": 4,
        f"spi.spi::flash::__RINGBUF@0x{at[1]:08x}.Sent": 5,
        f"spi.spi::flash::__RINGBUF@0x{at[1]:08x}.Lost": 6,
    }


def test_arrays_of_counters_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = Struct("C", 8, (Member("per_port", 0, make_array(ATOMIC, 2)),))
    program = program_of(monkeypatch, struct.pack("<II", 7, 8), ("spi::PORT_COUNTERS", counters))
    assert read_counters(program, find_counters(program)) == {
        "spi.spi::PORT_COUNTERS.per_port[0]": 7,
        "spi.spi::PORT_COUNTERS.per_port[1]": 8,
    }


def test_counters_wrap_around_as_u32() -> None:
    assert count_changes({"a": 0xFFFFFFFF, "b": 3}, {"a": 1, "b": 3, "c": 2}) == {"a": 2, "c": 2}


def test_a_board_its_dump_and_a_probe_agree(tmp_path: Path) -> None:
    def answers(options: TargetOptions, *, dump: Path | None = None) -> object:
        with open_session(options) as session:
            settle(session)
            if dump is not None:
                operation = session.program.operation("UserLeds.led_on")
                session.caller.call(prepare_call(operation, {"index": "0"}))
                write_dump(dump, session.program, session.link)
            program = session.program
            statics = read_counter_statics(program, find_counters(program))
            calls = read_task_calls(program)
            text = [r.raw for r in evaluate(program, "HUBRIS_TASK_DESCS[0..2]")]
            return statics, calls.servers, text

    dump = tmp_path / "board.core"
    on_board = answers(TargetOptions(probe="emu"), dump=dump)
    assert answers(TargetOptions(archive=str(dump))) == on_board
    assert answers(TargetOptions(probe="pyocd:emu"), dump=tmp_path / "other.core") == on_board
