"""Injects faults into an emulated board, by the names of the build."""

from __future__ import annotations

from idol.near import near_misses, suggest
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, NotFound
from idoldbg.model.symbols import SymbolKind
from idoldbg.session import Session
from idoldbg.target.capability import FaultInjection
from idoldbg.views.locations import find_location
from idoldbg.views.saved import read_saved

__all__ = ["inject", "plan_fault"]

_IRQ_0 = 16
_KILL_OPTIONS = frozenset({"task", "function", "at_s", "after", "count"})


def inject(session: Session, kind: str, **options: object) -> dict[str, object]:
    """Plan a fault on the board of a session, and return the plan as the board has it.

    Kinds and options are those of docs/faults.md. Raises `ArgumentError`, `NotFound`, and
    `Unsupported` on other targets.
    """
    board = session.target.need(FaultInjection)
    plan = plan_fault(session.program, kind, options)
    board.inject(plan)
    return plan


def plan_fault(program: Program, kind: str, options: dict[str, object]) -> dict[str, object]:
    """Return a plan in numbers: names of tasks, functions, statics and interrupts resolved."""
    if kind == "kill":
        return _kill(program, options)
    plan: dict[str, object] = {"kind": kind, **options}
    address = plan.get("address")
    if isinstance(address, str):
        plan["address"] = find_location(program, address).address
    irq = plan.pop("irq", None)
    if irq is not None:
        if isinstance(irq, bool) or not isinstance(irq, int) or not 0 <= irq < 496:
            raise ArgumentError(f"the number of an interrupt is 0 to 495, not {irq!r}", name="irq")
        plan["number"] = _IRQ_0 + irq
    return plan


def _kill(program: Program, options: dict[str, object]) -> dict[str, object]:
    for name in options:
        if name not in _KILL_OPTIONS:
            hint = suggest(name, _KILL_OPTIONS)
            raise ArgumentError(f"a fault of kind `kill` has no `{name}`; {hint}", name=name)
    task = options.get("task")
    if not isinstance(task, str):
        raise ArgumentError("a fault of kind `kill` needs the name of a task", name="task")
    index = program.task(task).index
    function = options.get("function")
    plan = {k: v for k, v in options.items() if k in ("at_s", "after", "count")}
    if function is None:
        address = read_saved(program, index).registers["pc"]
    else:
        address = _function(program, task, str(function))
    return {"kind": "trap", "address": address & ~1, **plan}


def _function(program: Program, task: str, name: str) -> int:
    symbols = program.object(task).symbols
    functions = {s.path: s.address for s in symbols if s.kind is SymbolKind.FUNCTION}
    found = {p: a for p, a in functions.items() if p == name or p.rpartition("::")[2] == name}
    if not found:
        near = near_misses(name, [*functions, *(p.rpartition("::")[2] for p in functions)])
        raise NotFound("function", name, near=near, where=f"task `{task}`")
    if len(found) > 1:
        raise ArgumentError(f"`{name}` is one of {', '.join(sorted(found)[:5])}", name="function")
    return next(iter(found.values()))
