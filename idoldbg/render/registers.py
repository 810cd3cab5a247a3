"""Registers with the meaning of their values, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from idol.records import replace
from idoldbg.render import source as source_of
from idoldbg.render import stacks
from idoldbg.render.printable import join_lines
from idoldbg.render.tasks import CFSR_BITS, describe_place
from idoldbg.render.text import table_lines
from idoldbg.views.core_registers import FaultRegister, RegisterReport, RegisterValue
from idoldbg.views.interrupts import EXCEPTIONS
from idoldbg.views.saved import is_exc_return
from idoldbg.views.source import Source

__all__ = ["describe_exception", "json", "text"]

_EXCEPTIONS = {0: "none", 1: "Reset", **EXCEPTIONS}
_FLAGS = ((31, "N"), (30, "Z"), (29, "C"), (28, "V"), (27, "Q"), (24, "T"))
_CONTROL = ((0, "nPRIV"), (1, "SPSEL"), (2, "FPCA"))
_OTHER_BITS = {
    "VECTTBL": "the vector table could not be read",
    "FORCED": "another fault became a HardFault",
    "DEBUGEVT": "a debug event while no debugger was attached",
    "INVEP": "invalid entry point to secure code",
    "INVIS": "invalid integrity signature",
    "INVER": "invalid return from an exception to secure code",
    "AUVIOL": "the security attribution forbids it",
    "INVTRAN": "invalid branch out of secure code",
    "LSPERR": "lazy stacking of floating point failed",
    "SFARVALID": "its address is in SFAR",
    "LSERR": "error of lazy stacking of floating point",
}


def describe_exception(number: int) -> str:
    """Name an exception by its number in IPSR."""
    return _EXCEPTIONS.get(number, f"irq{number - 16}" if number >= 16 else "reserved")


def text(report: RegisterReport, *, sources: bool = False) -> str:
    """Write a register a line, with the meaning of its value; below them faults and the stack."""
    rows = []
    for each in report.values:
        rows.append([each.name, f"0x{each.value:08x}", _explain(each, report, sources=sources)])
    lines = table_lines(rows)
    if report.problem:
        lines.append(f"({report.problem})")
    if report.faults:
        lines += ["", "fault registers:", *table_lines([_fault(each) for each in report.faults])]
    if report.stack is not None:
        shown = stacks.lines(report.stack, sources=sources)
        lines += ["", "stack:", *(f"  {line}" for line in shown)]
    return join_lines(lines)


def _explain(register: RegisterValue, report: RegisterReport, *, sources: bool) -> str:
    value = register.value
    if register.name == "xpsr":
        flags = "".join(name if value >> bit & 1 else "-" for bit, name in _FLAGS)
        return f"{flags}, exception {value & 0x1FF}: {describe_exception(value & 0x1FF)}"
    if register.name == "control":
        return ", ".join(name for bit, name in _CONTROL if value >> bit & 1)
    if register.name == "lr" and is_exc_return(value):
        stack = "the task's stack (PSP)" if value & 4 else "the kernel's stack (MSP)"
        kind = "basic" if value & 0x10 else "extended"
        return f"EXC_RETURN: {kind} frame on {stack}"
    if register.place is None:
        return ""
    place = describe_place(replace(register.place, file=None))
    source = stacks.describe_source(register.place) if sources else ""
    return f"{place}  {source}".rstrip()


def _fault(register: FaultRegister) -> list[str]:
    meanings = (CFSR_BITS | _OTHER_BITS) if register.name == "CFSR" else _OTHER_BITS
    bits = "; ".join(f"{bit}: {meanings[bit]}" for bit in register.bits)
    return [f"  {register.name}", f"0x{register.value:08x}", bits]


def json(report: RegisterReport, source: Source) -> dict[str, Any]:
    """Return the object of `registers`."""
    exception = report.exception
    return {
        "schema": "idoldbg.registers/1",
        "source": source_of.json(source),
        "task": report.task,
        "exception": None
        if exception is None
        else {"number": exception, "name": describe_exception(exception)},
        "registers": {
            each.name: {
                "value": each.value,
                "place": None if each.place is None else asdict(each.place),
            }
            for each in report.values
        },
        "faults": {
            each.name: {"value": each.value, "bits": list(each.bits)} for each in report.faults
        },
        "stack": None if report.stack is None else stacks.json(report.stack),
        "problem": report.problem,
    }
