"""Faults in words: those that no board of ours gives."""

from __future__ import annotations

import pytest

from idoldbg.build.program import Program
from idoldbg.model.types import Enum, Type
from idoldbg.model.values import EnumValue, Int, StructValue, Unreadable, Value, make_enum
from idoldbg.render.tasks import describe_fault, describe_recovery, describe_state
from idoldbg.session import TargetOptions, open_program
from idoldbg.views.postmortem import Recovery, RecoveryOutcome
from idoldbg.views.tasks import Notification, SchedulerState, TaskRef, TaskRow, read_fault
from tests.idoldbg.typegen import U16, U32, make_clike, make_option, make_struct, make_tagged

TASK_ID = make_struct("abi::TaskId", [("__0", U16)])
SOURCE = make_clike("abi::FaultSource", [("User", 0), ("Kernel", 1)])
USAGE = make_clike("abi::UsageError", [("NoIrq", 0), ("Newer", 1)])
REASON = make_clike("abi::ReplyFaultReason", [("UndefinedOperation", 1)])
ADDRESS = make_option(U32)
FAULT_INFO = make_tagged(
    "abi::FaultInfo",
    [
        ("MemoryAccess", [("address", ADDRESS), ("source", SOURCE)]),
        ("StackOverflow", [("address", U32)]),
        ("BusError", [("address", ADDRESS), ("source", SOURCE)]),
        ("DivideByZero", []),
        ("Panic", []),
        ("InvalidOperation", [("__0", U32)]),
        ("Injected", [("__0", TASK_ID)]),
        ("SyscallUsage", [("__0", USAGE)]),
        ("FromServer", [("__0", TASK_ID), ("__1", REASON)]),
        ("Newer", []),
    ],
)


def variant(type_: Enum, name: str, *values: Value) -> EnumValue:
    chosen = next(v for v in type_.variants if v.name == name)
    names = [m.name for m in chosen.type.members]
    payload = StructValue(chosen.type, tuple(zip(names, values, strict=True))) if names else None
    return make_enum(type_, name, payload)


def info(name: str, *values: Value) -> EnumValue:
    return variant(FAULT_INFO, name, *values)


def task_id(number: int) -> StructValue:
    return StructValue(TASK_ID, (("__0", Int(U16, number)),))


def some(number: int) -> EnumValue:
    return variant(ADDRESS, "Some", Int(U32, number))


NONE = variant(ADDRESS, "None")


@pytest.fixture(scope="module")
def program() -> Program:
    return open_program(TargetOptions(board="stm32f4-discovery"))


def unread(type_: Type) -> Unreadable:
    return Unreadable(type_, "no variant has 9 here")


@pytest.mark.parametrize(
    ("value", "message", "shown"),
    [
        (info("Panic"), "panicked at main.rs:1:\n  no", "panicked at main.rs:1: no"),
        (info("Panic"), "", "panic without a message"),
        (info("Panic"), None, "panic with invalid message"),
        (info("DivideByZero"), None, "divide by zero"),
        (
            info("StackOverflow", Int(U32, 0x20004FF0)),
            None,
            "stack overflow; sp=0x20004ff0: 16 bytes below task `victim`'s stack",
        ),
        (
            info("BusError", NONE, make_enum(SOURCE, "User")),
            None,
            "bus fault (imprecise) in task code",
        ),
        (
            info("MemoryAccess", some(16), make_enum(SOURCE, "Kernel")),
            None,
            "mem fault (precise: 0x10) in syscall",
        ),
        (
            info("MemoryAccess", some(0x20004FFC), make_enum(SOURCE, "User")),
            None,
            "mem fault (precise: 0x20004ffc) in task code: "
            "4 bytes below task `victim`'s stack: overflow",
        ),
        (
            info("MemoryAccess", some(0x20001404), make_enum(SOURCE, "User")),
            None,
            "mem fault (precise: 0x20001404) in task code: JEFE_LAST_FAULT+0x4 in jefe RAM",
        ),
        (
            info("BusError", some(0x40080010), make_enum(SOURCE, "User")),
            None,
            "bus fault (precise: 0x40080010) in task code: hole+0x10",
        ),
        (
            info("InvalidOperation", Int(U32, 0x10000)),
            None,
            "general fault, cfsr=0x10000 (UNDEFINSTR: undefined instruction)",
        ),
        (info("Injected", task_id(2)), None, "killed by spi/gen0"),
        (info("Injected", task_id(2 | 3 << 10)), None, "killed by spi/gen3"),
        (info("Injected", task_id(500)), None, "killed by unknown#500/gen0"),
        (info("Injected", unread(TASK_ID)), None, "killed by [unknown task]"),
        (
            info("SyscallUsage", make_enum(USAGE, "NoIrq")),
            None,
            "in syscall: referred to undefined interrupt",
        ),
        (info("SyscallUsage", make_enum(USAGE, "Newer")), None, "in syscall: Newer"),
        (info("SyscallUsage", unread(USAGE)), None, "in syscall: unknown error"),
        (
            info("FromServer", task_id(2), make_enum(REASON, "UndefinedOperation")),
            None,
            "reply fault from spi/gen0: UndefinedOperation",
        ),
        (
            info("FromServer", task_id(2), unread(REASON)),
            None,
            "[unknown fault FromServer(TaskId(2), <unreadable: no variant has 9 here>)]",
        ),
        (info("Newer"), None, "[unknown fault Newer]"),
        (
            unread(FAULT_INFO),
            None,
            "[unknown fault <unreadable: no variant has 9 here>]",
        ),
        (None, None, "[unknown fault none]"),
    ],
)
def test_faults(program: Program, value: Value | None, message: str | None, shown: str) -> None:
    assert describe_fault(read_fault(program, value, message, "victim")) == shown


SPI, KERNEL, GONE = TaskRef(2 | 1 << 10, "spi"), TaskRef(0xFFFF, None), TaskRef(900, None)
TIMER = Notification("timer", (), 500, -20)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (SchedulerState("Stopped"), "not started"),
        (SchedulerState("Runnable"), "ready"),
        (SchedulerState("InSend", SPI), "wait: send to spi/gen1"),
        (SchedulerState("InSend", KERNEL), "HALT: send to kernel"),
        (SchedulerState("InReply", GONE), "wait: reply from unknown#900/gen0"),
        (SchedulerState("InReply"), "wait: reply from [unknown task]"),
        (SchedulerState("InRecv"), "recv"),
        (SchedulerState("InRecv", KERNEL), "notif:"),
        (SchedulerState("InRecv", SPI), "recv(spi/gen1 only)"),
        (SchedulerState("InRecv", None, (TIMER,)), "recv, notif: timer(T-20)"),
        (
            SchedulerState("InRecv", KERNEL, (Notification("tx", (3, 4), 500), TIMER)),
            "notif: tx(irq3/irq4/T=500) timer(T-20)",
        ),
        (
            SchedulerState("InRecv", None, None),
            "recv, notif: [its mask is in a register that is not known here]",
        ),
        (SchedulerState("Newer", unknown=info("Newer")), "[unknown state Newer]"),
    ],
)
def test_states(state: SchedulerState, shown: str) -> None:
    row = TaskRow(3, "idle", 0, 5, state)
    assert describe_state(row) == shown
    waits = state.kind in ("InSend", "InReply") and state.peer is SPI
    assert row.waits_for == ("spi" if waits else None)


def test_a_row_that_cannot_be_read_has_a_reason() -> None:
    row = TaskRow(3, "idle", None, None, problem="unreadable: no memory at 0x20000000")
    assert describe_state(row) == "[unreadable: no memory at 0x20000000]"
    assert row.waits_for is None


@pytest.mark.parametrize(
    ("outcome", "reason", "shown"),
    [
        (RecoveryOutcome.RESTARTED, "", "was restarted through `jefe`, so that calls can be made"),
        (RecoveryOutcome.USELESS, "not ready", "through `jefe`, which did not help: not ready"),
        (RecoveryOutcome.FAILED, "no control", "stuck until the board is reset: no control"),
    ],
)
def test_recoveries(outcome: RecoveryOutcome, reason: str, shown: str) -> None:
    assert shown in describe_recovery(Recovery(outcome, "jefe", reason))


def test_no_recovery() -> None:
    assert describe_recovery(None) == ""
