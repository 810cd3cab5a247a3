"""Tasks, their faults and post-mortems in the words that Hubris's users know from `humility tasks`.

Errors of calls quote them, so this lies below calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.model.values import Value, format_value
from idoldbg.views.fault_status import fault_bits
from idoldbg.views.tasks import Fault, Notification, SchedulerState, TaskRef, TaskRow

if TYPE_CHECKING:  # walks stacks: brings pyelftools
    from idoldbg.views.backtrace import Backtrace
    from idoldbg.views.postmortem import PostMortem, Recovery
    from idoldbg.views.regions import Place

__all__ = [
    "CFSR_BITS",
    "describe_end",
    "describe_fault",
    "describe_place",
    "describe_recovery",
    "describe_state",
    "post_mortem_sentences",
    "server_name",
]

FRAMES = 4


def describe_state(row: TaskRow) -> str:
    """Describe what a task does, or why it stopped."""
    if row.scheduler is None:
        return f"[{row.problem}]"
    held = ", held" if row.is_held else ""
    state = _describe_scheduler(row.scheduler, is_current=row.is_current)
    if row.fault is None:
        return f"{state}{held}"
    return f"FAULT: {describe_fault(row.fault)} (was: {state}){held}"


def _describe_scheduler(state: SchedulerState, *, is_current: bool) -> str:
    match state.kind:
        case "Stopped":
            return "not started"
        case "Runnable":
            return "RUNNING" if is_current else "ready"
        case "InSend" if state.peer is not None and state.peer.is_kernel:
            return "HALT: send to kernel"
        case "InSend":
            return f"wait: send to {_task_id(state.peer)}"
        case "InReply":
            return f"wait: reply from {_task_id(state.peer)}"
        case "InRecv":
            return _receive(state)
    return f"[unknown state {_as_read(state.unknown)}]"


def _receive(state: SchedulerState) -> str:
    if state.peer is None:
        source = ["recv"]
    else:
        source = [] if state.peer.is_kernel else [f"recv({_task_id(state.peer)} only)"]
    if state.notifications is None:
        notified = ["notif: [its mask is in a register that is not known here]"]
    elif state.notifications:
        notified = ["notif: " + " ".join(_notification(each) for each in state.notifications)]
    else:
        notified = [] if source else ["notif:"]
    return ", ".join([*source, *notified])


def _notification(found: Notification) -> str:
    causes = [f"irq{number}" for number in found.irqs]
    if found.deadline is not None:
        left = found.ticks_left
        causes.append(f"T={found.deadline}" if left is None else f"T{left:+d}")
    return f"{found.name}({'/'.join(causes)})" if causes else found.name


def _task_name(task: TaskRef) -> str:
    return task.name or f"unknown#{task.index}"


def _task_id(task: TaskRef | None) -> str:
    return "[unknown task]" if task is None else f"{_task_name(task)}/gen{task.generation}"


def _as_read(value: Value | None) -> str:
    return "none" if value is None else format_value(value)


def server_name(fault: Fault) -> str | None:
    """Return the name of the task that sent a reply fault; None for other faults."""
    is_sent = fault.kind == "FromServer" and fault.peer is not None
    return _task_name(fault.peer) if is_sent and fault.peer is not None else None


def describe_place(place: Place) -> str:
    """Describe what an address means, "" where nothing is known of it."""
    offset = place.offset or 0
    if place.region is None:
        return ""
    if offset < 0:
        task = place.region.rpartition(" ")[0]
        return f"{-offset} bytes below task `{task}`'s stack"
    if place.symbol is not None:
        line = "" if place.line is None else f":{place.line}"
        source = "" if place.file is None else f", {place.file}{line}"
        return f"{place.symbol}{f'+0x{offset:x}' if offset else ''} in {place.region}{source}"
    return f"{place.region}{f'+0x{offset:x}' if offset else ''}"


def describe_fault(fault: Fault) -> str:
    """Describe why a task was stopped."""
    cause, place = _cause(fault), fault.place
    if place is None or not (where := describe_place(place)):
        return cause
    is_overflow = (place.offset or 0) < 0 and fault.kind != "StackOverflow"
    return f"{cause}: {where}{': overflow' if is_overflow else ''}"


def _cause(fault: Fault) -> str:
    if fault.unknown is not None or fault.kind == "unknown":
        return f"[unknown fault {_as_read(fault.unknown)}]"
    match fault.kind:
        case "DivideByZero":
            return "divide by zero"
        case "IllegalText":
            return "jump to non-executable mem"
        case "IllegalInstruction":
            return "illegal instruction"
        case "InvalidOperation":
            bits = [f"{b}: {CFSR_BITS[b]}" for b in fault_bits("CFSR", fault.cfsr or 0)]
            meaning = f" ({'; '.join(bits)})" if bits else ""
            return f"general fault, cfsr=0x{fault.cfsr or 0:x}{meaning}"
        case "StackOverflow":
            return f"stack overflow; sp=0x{fault.address or 0:x}"
        case "Injected":
            return f"killed by {_task_id(fault.peer)}"
        case "MemoryAccess" | "BusError":
            what = "mem fault" if fault.kind == "MemoryAccess" else "bus fault"
            how = "imprecise" if fault.address is None else f"precise: 0x{fault.address:x}"
            return f"{what} ({how}){' in syscall' if fault.in_syscall else ' in task code'}"
        case "SyscallUsage":
            usage = fault.usage or "unknown error"
            return f"in syscall: {USAGE_ERRORS.get(usage, usage)}"
        case "Panic":
            if fault.panic_message == "":  # images without panic messages in them
                return "panic without a message"
            return " ".join((fault.panic_message or "panic with invalid message").split())
    return f"reply fault from {_task_id(fault.peer)}: {fault.reason}"


CFSR_BITS: dict[str, str] = {
    "IACCVIOL": "instruction fetch from where it may not execute",
    "DACCVIOL": "access to data that it may not touch",
    "MUNSTKERR": "memory fault on return from an exception",
    "MSTKERR": "memory fault on entry to an exception",
    "MLSPERR": "memory fault while floating point was stacked",
    "MMARVALID": "its address is in MMFAR",
    "IBUSERR": "bus error of an instruction fetch",
    "PRECISERR": "bus error of a data access",
    "IMPRECISERR": "bus error of an earlier data access",
    "UNSTKERR": "bus error on return from an exception",
    "STKERR": "bus error on entry to an exception",
    "LSPERR": "bus error while floating point was stacked",
    "BFARVALID": "its address is in BFAR",
    "UNDEFINSTR": "undefined instruction",
    "INVSTATE": "jump to an even address, which is not Thumb code",
    "INVPC": "invalid EXC_RETURN",
    "NOCP": "coprocessor, such as floating point, that is absent or off",
    "STKOF": "stack pointer below its limit",
    "UNALIGNED": "unaligned access",
    "DIVBYZERO": "division by zero",
}
"""Bits of CFSR in words."""

USAGE_ERRORS: dict[str, str] = {
    "BadSyscallNumber": "undefined syscall number",
    "InvalidSlice": "sent malformed slice to kernel",
    "TaskOutOfRange": "used bogus task index",
    "IllegalTask": "illegal task operation",
    "LeaseOutOfRange": "bad caller lease index",
    "OffsetOutOfRange": "bad caller lease offset",
    "NoIrq": "referred to undefined interrupt",
    "BadKernelMessage": "sent nonsense IPC to kernel",
    "BadReplyFaultReason": "gave an unknown reply fault reason",
    "NotSupervisor": "is not the supervisor",
    "ReplyTooBig": "replied with more than the caller takes",
}
"""`abi::UsageError` in words."""


def post_mortem_sentences(found: PostMortem) -> list[str]:
    """List what a post-mortem found, one fact each."""
    sentences = []
    if found.is_halted:
        sentences.append("the core is halted by a debugger: only resuming or a reset lets it go on")
    if found.epitaph is not None:
        sentences.append(f"the kernel has panicked: {found.epitaph}")
    for row, peer in zip(found.waits, found.waits[1:], strict=False):
        sentences.append(f"task `{row.name}` waits for `{peer.name}` ({describe_state(row)})")
    if found.is_circular:
        sentences.append("they wait for each other: a deadlock")
    else:
        sentences += [_describe_row(row) for row in found.waits[-1:]]
    if found.running is not None and found.running not in found.waits:
        sentences.append(f"{_describe_row(found.running)} instead")
    where = _where(found.backtrace)
    return [*sentences, *(s for s in (where, describe_recovery(found.recovery)) if s)]


def describe_recovery(recovery: Recovery | None) -> str:
    """Describe the attempt to restart hiffy, "" where there was none."""
    if recovery is None:
        return ""
    done = f"hiffy was restarted through `{recovery.supervisor}`"
    match recovery.outcome.value:
        case "restarted":
            return f"{done}, so that calls can be made again"
        case "useless":
            return f"{done}, which did not help: {recovery.reason}"
    return f"hiffy stays stuck until the board is reset: {recovery.reason}"


def _describe_row(row: TaskRow) -> str:
    priority = "" if row.priority is None else f", priority {row.priority}"
    return f"task `{row.name}`{priority}: {describe_state(row)}"


def _where(backtrace: Backtrace | None) -> str:
    frames = () if backtrace is None else backtrace.frames
    called = [f for f in frames if not f.is_inlined]
    names = [f.function or f"0x{f.address:08x}" for f in called[:FRAMES]]
    if backtrace is None or not names:
        return ""
    text = f"`{backtrace.task}` stands in {', called from '.join(names)}"
    return f"{text} ({describe_end(backtrace)})" if backtrace.doubt is not None else text


RUNNING = "this task was running, and the core's registers are not known"
DOUBTS: dict[str, str] = {
    "stale": f"a guess: {RUNNING}; this is where it last stopped",
    "frame-pointers": "a guess: the top of its stack is lost, and these are found by frame "
    "pointers",
    "naked-handler": "a guess: where the handler in assembly was called from is not certain",
}
"""`Doubt` in words."""

ENDS: dict[str, str] = {
    "unreadable": "the stack is unreadable",
    "no-cfi": "no call frame information here",
    "no-code": "no function of this task is there",
    "circular": "the stack goes in circles",
    "limit": "more frames are not shown",
    "not-run": "it has not run yet, or went to address 0",
    "no-registers": "its registers cannot be read",
    "unsupported": "stacks of this processor are not unwound",
}
"""`End` in words; a stack whose ends are not here is whole."""


def describe_end(trace: Backtrace) -> str:
    """Describe why a stack ends early, or is a guess; "" for one that is whole and certain."""
    if trace.doubt == "stale" and not trace.frames:
        return f"{RUNNING}, and it never stopped before"
    end = ENDS.get(trace.end, "")
    if trace.end == "unsupported" and trace.reason:
        end = f"stacks of {trace.reason} are not unwound"
    elif end and trace.reason:
        end = f"{end}: {trace.reason}"
    if trace.end == "lost" and trace.doubt is None:
        end = "the top of its stack is lost: frame pointers can be followed (--guess)"
    doubt = "" if trace.doubt is None else DOUBTS[trace.doubt]
    return "; ".join(each for each in (doubt, end) if each)
