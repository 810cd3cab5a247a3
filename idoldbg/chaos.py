"""Injects faults at random, one after the other, and reports those that firmware did not survive.

All that is random comes from a seed: the same seed, build and version give the same rounds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from idoldbg.call.calls import Call, prepare_call
from idoldbg.errors import IdoldbgError, LinkTimeout
from idoldbg.injecting import plan_fault
from idoldbg.model.chaos import ChaosReport, Round
from idoldbg.model.regions import RegionKind
from idoldbg.session import Session
from idoldbg.target.capability import FaultInjection, Snapshots, TimeTravel
from idoldbg.views.regions import read_regions
from idoldbg.views.tasks import TaskTable, read_tasks

__all__ = ["ROUND_S", "run_chaos"]

ROUND_S = 0.25  # of the board's time, after the fault
LOOPS = 3  # restarts of one task in a round that are too many
SUPERVISOR, HIFFY = "jefe", "hiffy"


def run_chaos(
    session: Session,
    *,
    seed: int,
    seconds: float,
    calls: Sequence[tuple[str, dict[str, str]]] = (),
    histories: Path | None = None,
    progress: Callable[[int], None] = lambda _number: None,
) -> ChaosReport:
    """Run rounds for so many seconds of the board's time, each from the same healthy state.

    `calls` (`Interface.operation` and arguments) are made after each fault, so that servers run;
    only what they leave behind is judged, not their answers.

    Histories of failed rounds go to the folder `histories`. Raises `Unsupported` on targets without
    snapshots and faults, and what the first look at the tasks raises.
    """
    injection = session.target.need(FaultInjection)
    snapshots = session.target.need(Snapshots)
    session.caller.wait_until_ready()
    start = snapshots.snapshot()
    before = read_tasks(session.program)
    board: Any = session.target.need(TimeTravel).past_of()
    prepared = [_prepare(session, name, arguments) for name, arguments in calls]
    choice = random.Random(seed)
    rounds: list[Round] = []
    for number in range(1, max(1, round(seconds / ROUND_S)) + 1):
        snapshots.restore(start)
        session.caller.forget()
        title, plan = _choose(session, before, choice)
        plan["at_s"] = round(choice.uniform(0.0, 0.05), 6)
        injection.inject(dict(plan))
        for call in prepared:
            with suppress(IdoldbgError):  # an answer may be an error, or never come
                session.caller.call(call)
        problems, notes = _watch(session, before)
        if not board.has_injected():
            notes = (*notes, "it did not happen: what it waits for did not run")
        history = ""
        if problems and histories is not None:
            history = _write_history(session, histories / f"chaos-{seed}-{number}.history")
        rounds.append(Round(number, title, plan, problems, notes, history))
        progress(number)
    snapshots.restore(start)
    session.caller.forget()
    return ChaosReport(seed, seconds, tuple(rounds))


def _prepare(session: Session, name: str, arguments: dict[str, str]) -> Call:
    task, slash, operation = name.rpartition("/")
    resolved = session.program.operation(operation, task if slash else None)
    return prepare_call(resolved, arguments)


def _choose(
    session: Session, before: TaskTable, choice: random.Random
) -> tuple[str, dict[str, object]]:
    """Choose a fault that the firmware should survive: one of its tasks, devices or interrupts."""
    program = session.program
    tasks = [r.name for r in before.rows if r.fault is None and r.is_started and r.name != "idle"]
    victims = [name for name in tasks if name != SUPERVISOR]
    ram = [
        (region.owners[0], (region.low, region.size))
        for region in read_regions(program).regions
        if region.kind is RegionKind.RAM and region.owners[0] in victims
    ]
    kinds = ["kill", "lose", "repeat", "clock", "reset", "brown-out", *(["flip"] if ram else [])]
    kind = choice.choice(kinds)
    if kind == "kill" and victims:
        task = choice.choice(victims)
        return f"kill `{task}` when it runs next", plan_fault(program, "kill", {"task": task})
    if kind == "flip":
        name, (address, size) = choice.choice(ram)
        place, bit = address + choice.randrange(size), choice.randrange(8)
        plan: dict[str, object] = {"kind": "flip", "address": place, "bit": bit}
        return f"flip bit {bit} of 0x{place:08x}, in the RAM of `{name}`", plan
    if kind in ("lose", "repeat"):
        count = choice.randint(1, 20)
        plan = {"kind": f"{kind}-interrupt", "number": 15, "count": count}
        return f"{kind} {count} ticks of the system timer", plan
    if kind == "clock":
        factor = round(choice.choice((0.5, 0.8, 0.95, 1.05, 1.2, 2.0)), 2)
        return f"clock {factor} times as fast for 0.1 s", {
            "kind": "clock", "factor": factor, "for_s": 0.1,
        }  # fmt: skip
    if kind == "brown-out":
        own = choice.randrange(1 << 31)
        return "brown-out: RAM is noise, then a reset", {"kind": "brown-out", "seed": own}
    return "reset", {"kind": "reset"}


def _watch(session: Session, before: TaskTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Let the board run; return what is wrong, and what happened on the way."""
    board: Any = session.target.need(TimeTravel).past_of()
    resets = board.reset_count
    problems: list[str] = []
    notes: list[str] = []
    try:
        session.link.wait(ROUND_S)
    except LinkTimeout as error:
        return (f"the firmware is busy for ever: {error.message}",), ()
    resets = board.reset_count - resets
    if resets:
        notes.append(f"the chip was reset {resets} times" if resets > 1 else "the chip was reset")
    if resets > 1:
        problems.append(f"{resets} resets came of one fault")
    if board.lockup is not None:
        return (*problems, f"the core is locked up: {board.lockup}"), tuple(notes)
    try:
        after = read_tasks(session.program)
    except IdoldbgError as error:
        return (*problems, f"the task table cannot be read: {error}"), tuple(notes)
    if after.epitaph is not None:
        problems.append(f"the kernel has panicked: {after.epitaph}")
    for old, new in zip(before.rows, after.rows, strict=True):
        if new.fault is not None and old.fault is None:
            problems.append(f"task `{new.name}` stays dead")
        restarts = (new.generation or 0) - (0 if resets else old.generation or 0)
        if restarts and not resets:
            notes.append(f"`{new.name}` was restarted" + (f" {restarts}×" if restarts > 1 else ""))
        if restarts >= LOOPS:
            problems.append(f"task `{new.name}` was restarted {restarts} times")
    if not problems:
        problems += _ask_hiffy(session)
    return tuple(problems), tuple(notes)


def _ask_hiffy(session: Session) -> list[str]:
    """Return what is wrong with hiffy, which every call needs."""
    if all(task.name != HIFFY for task in session.program.archive.tasks):
        return []
    try:
        session.caller.wait_until_ready()
    except IdoldbgError as error:
        return [f"hiffy is wedged: {error}"]
    return []


def _write_history(session: Session, path: Path) -> str:
    from idoldbg.target.emulated.history_file import write_history

    write_history(path, session.target.need(TimeTravel).past_of(), session.program.archive)
    return str(path)
