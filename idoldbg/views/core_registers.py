"""Registers of the core or of a task, with the meaning of their values.

Source: Armv7-M ARM B1.4 (registers) and B1.5.2 (exception numbers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError, FaultError, IdoldbgError, LinkError, Unsupported
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.views.backtrace import Backtrace, read_backtrace, read_core_backtrace, runs_task
from idoldbg.views.code import find_code
from idoldbg.views.fault_status import FAULT_REGISTERS, fault_bits
from idoldbg.views.regions import Place, find_place
from idoldbg.views.saved import FLOATS, GENERAL, read_task_registers

__all__ = [
    "CORE",
    "FLOATS",
    "FaultRegister",
    "IPSR",
    "RegisterReport",
    "RegisterSource",
    "RegisterValue",
    "has_floats",
    "read_core_registers",
    "read_registers",
]

_LIMITS = ("msplim", "psplim", "msplim_s", "psplim_s", "msplim_ns", "psplim_ns")
_SPECIAL = ("primask", "basepri", "faultmask", "control")
CORE = (*GENERAL, "msp", "psp", *_SPECIAL, *_LIMITS, "fpscr")
_ADDRESSES = frozenset((*GENERAL[:-1], "msp", "psp", *_LIMITS))  # values that may be addresses
_STACK_NAMES = frozenset(("sp", "msp", "psp"))
IPSR = 0x1FF  # the number of the exception that is handled, in xpsr

_MVFR0 = 0xE000EF40  # Media and VFP Feature Register 0: bits 3:0 say whether there are s registers


class RegisterSource(Protocol):
    """Source of core registers: a link, or a recording."""

    def read_register(self, name: str) -> int:
        """Return a 32-bit value; raise `Unsupported` for a name that the target lacks."""


@dataclass(frozen=True, slots=True)
class RegisterValue:
    """A register; `place` is what its value is the address of, None where it is of nothing."""

    name: str
    value: int
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FaultRegister:
    """A fault status or fault address register; `bits` names those that are set."""

    name: str
    value: int
    bits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterReport:
    """Registers of the core, or of a task where `task` is set.

    `exception` is the number of the exception that is handled, 0 in a task. `faults` are the fault
    registers, where the target has memory for them and any is set. `problem` says what is missing.
    """

    values: tuple[RegisterValue, ...]
    task: str | None = None
    exception: int | None = None
    faults: tuple[FaultRegister, ...] = ()
    stack: Backtrace | None = None
    problem: str = ""


def read_core_registers(source: RegisterSource, names: Sequence[str] = CORE) -> dict[str, int]:
    """Read those of the registers that the target has; raise `LinkError` where it is lost."""
    found = {}
    for name in names:
        try:
            found[name] = source.read_register(name)
        except IdoldbgError as error:
            if isinstance(error, LinkError) and not isinstance(error, Unsupported):
                raise  # the target is lost: those left out are not those that it lacks
    return found


def has_floats(memory: MemoryReader) -> bool:
    """Return whether a core has s0 to s31; True where that cannot be read, as in dumps."""
    try:
        return read_u32(memory, _MVFR0) & 0xF != 0
    except IdoldbgError:
        return True


def read_registers(
    program: Program,
    live: Mapping[str, int],
    *,
    task: str | None = None,
    stack: bool = False,
    floats: bool = False,
) -> RegisterReport:
    """Explain the registers `live` of a halted core or, with `task`, those of one task.

    `live` may be empty with `task`, and must be unless that is the current one. `stack` adds the
    stack, `floats` a task's registers for floating point. Raises `NotFound` for an unknown task.
    """
    if task is None:
        trace = read_core_backtrace(program, live) if stack else None
        values = tuple(_explain(program, name, value) for name, value in live.items())
        return RegisterReport(
            values, None, live.get("xpsr", 0) & IPSR, _read_faults(program.memory), trace
        )
    index = program.task(task).index
    if live and not live.get("xpsr", 0) & IPSR and not runs_task(program, task, live):
        live = {}
    registers, problem = read_task_registers(program, index, live)
    return RegisterReport(
        tuple(
            _explain(program, name, value, task)
            for name, value in registers.items()
            if floats or name not in FLOATS
        ),
        task,
        stack=read_backtrace(program, index, live) if stack else None,
        problem=problem,
    )


def _explain(program: Program, name: str, value: int, task: str | None = None) -> RegisterValue:
    if name not in _ADDRESSES:
        return RegisterValue(name, value)
    place = find_place(program, value, task=task)
    if name in _STACK_NAMES and value >= 4:  # that of an empty stack is just above it
        below = find_place(program, value - 4, task=task)
        region = below.region or ""
        if region.endswith(" stack") and region != place.region and below.offset is not None:
            place = Place(value, region, offset=below.offset + 4)
    if place.region is None:
        return RegisterValue(name, value)
    if name in ("pc", "lr") and place.symbol is not None:
        place = _with_source(program, place, is_exact=name == "pc")
    return RegisterValue(name, value, place)


def _with_source(program: Program, place: Place, *, is_exact: bool) -> Place:
    owner = (place.region or "").removesuffix(" flash")
    at = place.address & ~1
    try:
        point = find_code(program, owner, at if is_exact else at - 2, is_exact=is_exact)
    except IdoldbgError:
        return place
    if not point.sources:
        return place
    source = point.sources[0]
    return Place(
        place.address, place.region, place.symbol, place.offset,
        source.file, source.line, source.column,
    )  # fmt: skip


def _read_faults(memory: MemoryReader) -> tuple[FaultRegister, ...]:
    values = {}
    for name, (address, _) in FAULT_REGISTERS.items():
        try:
            values[name] = read_u32(memory, address)
        except (FaultError, DebugInfoError):
            continue  # dumps have none of these, v6-M has no CFSR, v7-M no SFSR
    if not any(values.get(name) for name in ("CFSR", "HFSR", "SFSR")):
        return ()
    return tuple(FaultRegister(name, v, fault_bits(name, v)) for name, v in values.items())
