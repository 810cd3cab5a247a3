"""Findings from observations: one case for each code, in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from idol.records import replace
from idoldbg.render import diagnosis as render
from idoldbg.render.json import dumps
from idoldbg.views.diagnosis import Code, Core, Finding, Observation, Severity, diagnose
from idoldbg.views.source import Source
from idoldbg.views.stack_use import StackUse
from idoldbg.views.task_calls import CallCount, ServerCount, TaskCalls
from idoldbg.views.tasks import Fault, SchedulerState, TaskRef, TaskRow, TaskTable

READY = SchedulerState("Runnable")
FAULT = Fault("DivideByZero")
NAMES = ("jefe", "hiffy", "spi")


def waiting(index: int, kind: str = "InReply") -> SchedulerState:
    return SchedulerState(kind, TaskRef(index, NAMES[index]))


def row(index: int, **more: Any) -> TaskRow:
    name = ("jefe", "hiffy", "spi", "idle")[index]
    return replace(TaskRow(index, name, 0, index, waiting(0, "InRecv")), **more)


def look(*rows: TaskRow, ticks: int = 1000, epitaph: str | None = None, **more: Any) -> Observation:
    return Observation(TaskTable(ticks, rows or (row(0), row(1), row(2)), epitaph), **more)


HEALTHY = look()
LATER = look(ticks=2000)
KERNEL_WAIT = SchedulerState("InRecv", TaskRef(0xFFFF, None), (), mask=0)
CALL = CallCount("Spi", "read", "hiffy", ("spi",), 3, {"Err.ServerDeath": 2})

CASES: list[tuple[Code, Severity, str | None, Observation, Observation | None]] = [
    (Code.KERNEL_DIED, Severity.ERROR, None, look(epitaph="out of tasks"), None),
    (Code.LOCKUP, Severity.ERROR, None, look(core=Core(3, True), epitaph=None), None),
    (Code.CORE_IN_EXCEPTION, Severity.ERROR, None, look(core=Core(3, False)), None),
    (Code.NOT_BOOTED, Severity.ERROR, None, look(is_before_tasks=True), None),
    (Code.UNREADABLE, Severity.WARNING, None, look(problems=(("stacks", "no memory"),)), None),
    (
        Code.UNREADABLE,
        Severity.WARNING,
        None,
        look(row(0), row(1, scheduler=None, problem="unreadable: no memory"), row(2)),
        None,
    ),
    (Code.TICKS_STOPPED, Severity.ERROR, None, HEALTHY, look(ticks=1000)),
    (Code.REBOOTED, Severity.ERROR, None, HEALTHY, look(ticks=10)),
    (Code.TASK_FAULTED, Severity.ERROR, "spi", look(row(0), row(2, fault=FAULT)), None),
    (
        Code.TASK_RESTARTING,
        Severity.ERROR,
        "spi",
        look(row(2, generation=62)),
        look(row(2, generation=1), ticks=2000),
    ),
    (Code.TASK_RESTARTED, Severity.WARNING, "spi", look(row(2, generation=3)), None),
    (Code.TASK_HELD, Severity.NOTE, "spi", look(row(2, is_held=True)), None),
    (Code.TASK_DEAD, Severity.WARNING, "spi", look(row(2, scheduler=KERNEL_WAIT)), None),
    (
        Code.WAIT_CYCLE,
        Severity.ERROR,
        "hiffy",
        look(row(1, scheduler=waiting(2)), row(2, scheduler=waiting(1))),
        None,
    ),
    (
        Code.PRIORITY_INVERSION,
        Severity.WARNING,
        "jefe",
        look(row(0, scheduler=waiting(2)), row(2)),
        None,
    ),
    (
        Code.HIFFY_STUCK,
        Severity.WARNING,
        "hiffy",
        look(row(1, priority=5, scheduler=waiting(2)), row(2)),
        look(row(1, priority=5, scheduler=waiting(2)), row(2), ticks=2000),
    ),
    (
        Code.STARVED,
        Severity.WARNING,
        "idle",
        look(row(2, scheduler=READY, is_current=True), row(3, scheduler=READY)),
        look(row(2, scheduler=READY, is_current=True), row(3, scheduler=READY), ticks=2000),
    ),
    (
        Code.NOTIFICATION_UNSERVED,
        Severity.NOTE,
        "spi",
        look(row(2, pending=0b110)),
        look(row(2, pending=0b100), ticks=2000),
    ),
    (
        Code.STACK_LOW,
        Severity.WARNING,
        "spi",
        look(stack_use=(StackUse("spi", 0x20000000, 1000, touched=950, margin=50),)),
        None,
    ),
    (
        Code.SERVER_DEATHS,
        Severity.WARNING,
        "hiffy",
        look(calls=TaskCalls((CALL,), ())),
        None,
    ),
    (
        Code.CALLS_LOST,
        Severity.NOTE,
        "spi",
        look(calls=TaskCalls((), (ServerCount("Spi", "read", "spi", 90, 60),))),
        None,
    ),
]


@pytest.mark.parametrize(
    ("code", "severity", "task", "first", "second"), CASES, ids=lambda v: str(v)[:20]
)
def test_each_check_finds_its_case(
    code: Code, severity: Severity, task: str | None, first: Observation, second: Observation | None
) -> None:
    found = diagnose(first, second)
    (finding,) = (f for f in found.findings if f.code is code)
    assert (finding.severity, finding.task) == (severity, task)
    assert found.has_errors == any(f.severity is Severity.ERROR for f in found.findings)
    sentence = render.describe(finding)
    assert sentence
    assert sentence in render.text(found)
    record = json.loads(dumps(render.json(found, Source("probe", "x.zip", "00"))))
    assert code.value in [each["code"] for each in record["findings"]]


def test_a_healthy_target_has_no_findings() -> None:
    assert diagnose(HEALTHY, LATER, waited_ms=1000).findings == ()
    assert render.text(diagnose(HEALTHY, LATER, waited_ms=1000)).startswith("0 findings in 1 s")


def test_every_code_has_a_case_and_a_sentence() -> None:
    covered = {case[0] for case in CASES} | {Code.IMAGE_MISMATCH}
    assert covered == set(Code)
    mismatch = Finding(Code.IMAGE_MISMATCH, Severity.ERROR, facts={"why": "another image"})
    assert render.describe(mismatch) == "another image"


def test_a_reset_is_not_a_restart_of_tasks() -> None:
    before = look(row(2, generation=5))
    found = diagnose(before, look(row(2, generation=0), ticks=10))
    assert [f.code for f in found.findings] == [Code.REBOOTED]


def test_calls_are_not_lost_where_an_end_was_restarted() -> None:
    calls = TaskCalls((), (ServerCount("Spi", "read", "spi", 90, 60),))
    found = diagnose(look(row(2, generation=1), calls=calls))
    assert Code.CALLS_LOST not in [f.code for f in found.findings]


def test_grave_findings_come_first() -> None:
    found = diagnose(look(row(1, generation=1), row(2, fault=FAULT)))
    assert [f.severity for f in found.findings] == [Severity.ERROR, Severity.WARNING]
