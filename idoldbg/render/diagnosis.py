"""Findings about a target's health, as text and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idoldbg.render import source, stacks
from idoldbg.render.printable import join_lines, printable
from idoldbg.render.tasks import describe_fault
from idoldbg.views.diagnosis import Code, Diagnosis, Finding
from idoldbg.views.interrupts import EXCEPTIONS
from idoldbg.views.source import Source

__all__ = ["describe", "hint", "json", "text"]


Facts = Mapping[str, Any]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _stack_low(facts: Facts) -> str:
    part = 100 * facts["margin"] // max(facts["size"], 1)
    return f"{part} % of its stack was never touched ({facts['margin']} of {facts['size']} bytes)"


def _exception(facts: Facts) -> str:
    number = facts.get("exception")
    return "" if not number else EXCEPTIONS.get(number, f"exception {number}")


def _died(facts: Facts) -> str:
    name = _exception(facts)
    return f"the kernel has panicked{f' in {name}' if name else ''}: {facts['epitaph']}"


_SENTENCES: dict[Code, Callable[[Facts], str]] = {
    Code.KERNEL_DIED: _died,
    Code.NOT_BOOTED: lambda _: "the kernel has not started its tasks",
    Code.LOCKUP: lambda _: "the core is locked up: a fault in the handler of a fault",
    Code.IMAGE_MISMATCH: lambda f: str(f["why"]),
    Code.CORE_IN_EXCEPTION: lambda f: f"the core is in the handler of a fault: {_exception(f)}",
    Code.TICKS_STOPPED: lambda f: f"the kernel's clock stands still at {f['after']} ms",
    Code.REBOOTED: lambda f: (
        f"the board was reset while it was looked at: its clock went from {f['before']} ms back to "
        f"{f['after']} ms"
    ),
    Code.TASK_FAULTED: lambda f: (
        "faulted, and is not restarted"
        + (f" (restarted {_times(f['restarts'])} before)" if f["restarts"] else "")
    ),
    Code.TASK_RESTARTING: lambda f: (
        f"restarted {_times(f['seen'])} while it was looked at ({f['restarts']} in all)"
    ),
    Code.TASK_RESTARTED: lambda f: f"was restarted {_times(f['restarts'])}",
    Code.TASK_HELD: lambda _: (
        "is held: the supervisor does not restart it when it faults "
        "(`idoldbg task release NAME` ends that)"
    ),
    Code.TASK_DEAD: lambda _: "waits for nothing, and never goes on",
    Code.WAIT_CYCLE: lambda f: f"wait for each other: {' → '.join((*f['tasks'], f['tasks'][0]))}",
    Code.PRIORITY_INVERSION: lambda f: (
        f"(priority {f['priority']}) waits for the less important {f['server']} (priority "
        f"{f['server_priority']})"
    ),
    Code.STARVED: lambda f: f"is ready and does not run: {f['running']} has the processor",
    Code.NOTIFICATION_UNSERVED: lambda f: (
        f"has notifications that it does not wait for: 0x{f['bits']:08x}"
    ),
    Code.STACK_LOW: _stack_low,
    Code.SERVER_DEATHS: lambda f: f"{f['call']}: the server died {_times(f['deaths'])} in a call",
    Code.CALLS_LOST: lambda f: (
        f"{f['call']}: clients counted {f['sent']} calls, the server {f['seen']}"
    ),
    Code.HIFFY_STUCK: lambda f: f"waits for {f['server']}: no call can be made",
    Code.UNREADABLE: lambda f: f"{f['what']} cannot be read: {f['why']}",
}

_HINTS: dict[Code, str] = {
    Code.STACK_LOW: "raise `stacksize` in app.toml",
    Code.TASK_FAULTED: "`idoldbg task release TASK` restarts it",
    Code.TASK_RESTARTING: "`idoldbg task hold TASK --until-fault` keeps it at its next fault",
    Code.TASK_RESTARTED: "`idoldbg task hold TASK --until-fault` waits for its next fault",
    Code.IMAGE_MISMATCH: "give the build that runs there, or flash this one",
}


def describe(finding: Finding) -> str:
    """Return a finding in a sentence, with the fault that is behind it."""
    sentence = _SENTENCES[finding.code](finding.facts)
    if finding.fault is not None:
        sentence += f"; {'fault' if finding.stack else 'last fault'}: "
        sentence += describe_fault(finding.fault)
    return sentence


def hint(finding: Finding) -> str:
    """Return what to do about a finding, "" where nothing comes to mind."""
    return _HINTS.get(finding.code, "").replace("TASK", finding.task or "TASK")


def text(diagnosis: Diagnosis) -> str:
    """Return the findings, each with its stack and a hint, and what was looked at besides."""
    count = len(diagnosis.findings)
    head = f"{count} finding{'' if count == 1 else 's'}"
    if diagnosis.waited_ms:
        head += f" in {diagnosis.waited_ms / 1000:g} s"
    lines = [head]
    width = max((len(printable(f.task or "")) for f in diagnosis.findings), default=0)
    for finding in diagnosis.findings:
        task = f"{printable(finding.task or ''):<{width}}  " if width else ""
        lines.append(f"{finding.severity:<8} {task}{describe(finding)}")
        if finding.stack is not None:
            lines += [f"           {line}" for line in stacks.lines(finding.stack, sources=True)]
        if hint(finding) and diagnosis.waited_ms:  # a dump cannot be helped
            lines.append(f"           → {hint(finding)}")
    tasks = f" of {diagnosis.tasks} tasks" if diagnosis.tasks else ""
    lines.append(f"looked at: {', '.join(diagnosis.checked)}{tasks}")
    return join_lines(lines)


def json(diagnosis: Diagnosis, origin: Source) -> dict[str, Any]:
    """Return the object of `diagnose`."""
    return {
        "schema": "idoldbg.diagnose/1",
        "source": source.json(origin),
        "waited_ms": diagnosis.waited_ms,
        "checked": list(diagnosis.checked),
        "findings": [_finding(finding) for finding in diagnosis.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    from idoldbg.render.json import fault

    evidence: list[dict[str, Any]] = []
    if finding.fault is not None:
        evidence.append({"kind": "fault", "view": fault(finding.fault)})
    if finding.stack is not None:
        evidence.append({"kind": "stack", "view": stacks.json(finding.stack)})
    facts = {k: list(v) if isinstance(v, tuple) else v for k, v in finding.facts.items()}
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "task": finding.task,
        "message": describe(finding),
        "hint": hint(finding),
        "facts": facts,
        "evidence": evidence,
    }
