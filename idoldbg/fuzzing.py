"""Searches for inputs that bring firmware down, on an emulated board.

Each input is one call from the same state of the board. Values are of the right types, boundaries
first; inputs that reached new code are changed a little and tried again. A seed decides all of it.
"""

from __future__ import annotations

import itertools
import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from idol.records import dataclass
from idoldbg.call.arguments.generate import boundaries, generate, simpler
from idoldbg.call.calls import Call, bind_call
from idoldbg.errors import (
    ArgumentError,
    CallTimeout,
    HiffyFailure,
    IdoldbgError,
    NotCallable,
    OperationError,
    ServerDied,
)
from idoldbg.model.fuzz import Crash, FuzzReport, Tried
from idoldbg.model.values import format_value
from idoldbg.resolver import ResolvedLease, ResolvedOperation
from idoldbg.session import Session
from idoldbg.target.capability import Snapshots, TimeTravel
from idoldbg.views.tasks import read_tasks, table_address, task_type

__all__ = ["fuzz"]

TIMEOUT_S = 0.3  # of the board's time, for one call
_MOST_SHRINKS = 60
_MOST_REFUSED = 100  # made-up inputs that are none
_LONGEST_NAP, _SPARE = 2000, 5  # ticks
_LEASE_SIZES = (0, 1, 2, 3, 4, 8, 16, 64, 255, 256, 257)
Input = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """Outcome of one input: nothing bad where `kind` is ""."""

    kind: str = ""
    message: str = ""
    is_new: bool = False

    @property
    def signature(self) -> tuple[str, str]:
        """Key that inputs have in common that find the same; numbers in messages do not count."""
        return self.kind, "".join(c for c in self.message if not c.isdigit())


def fuzz(
    session: Session,
    operations: Sequence[ResolvedOperation],
    *,
    seed: int,
    inputs: int,
    histories: Path | None = None,
    progress: Callable[[int, str], None] = lambda _done, _name: None,
) -> FuzzReport:
    """Try so many inputs of each operation; the board is as before afterwards.

    Histories of crashes go to the folder `histories`. Raises `Unsupported` on targets without
    snapshots, and what waiting for hiffy raises.
    """
    run = _Runner(session)
    tried: list[Tried] = []
    crashes: list[Crash] = []
    done = 0
    try:
        for operation in operations:
            choice = random.Random(f"{seed} {operation.task} {operation.name}")
            result, found = _fuzz_one(run, operation, choice, inputs, histories)
            tried.append(result)
            crashes += found
            done += result.inputs
            progress(done, operation.name)
    finally:
        run.close()
    return FuzzReport(seed, tuple(tried), tuple(crashes))


def _fuzz_one(
    run: _Runner,
    operation: ResolvedOperation,
    choice: random.Random,
    inputs: int,
    histories: Path | None,
) -> tuple[Tried, list[Crash]]:
    found: dict[tuple[str, str], tuple[Input, _Found, int]] = {}
    corpus: list[Input] = []
    count = refused = 0
    before = len(run.blocks)
    try:
        first = _first_inputs(operation, choice)
        for given in itertools.chain(first, _more_inputs(operation, choice, corpus)):
            if count >= inputs:
                break
            call = _bind(operation, given)
            refused += call is None
            if refused > _MOST_REFUSED + inputs:
                raise NotCallable("the values that were made up do not fit its types")
            if call is None:
                continue
            count += 1
            outcome = run.call(call)
            if outcome.is_new:
                corpus.append(given)
            if outcome.kind:
                known = found.get(outcome.signature)
                kept = (given, outcome) if known is None else known[:2]
                found[outcome.signature] = (*kept, 1 if known is None else known[2] + 1)
            if not operation.arguments and not operation.leases:
                break  # there is one input
    except (ArgumentError, NotCallable) as error:
        reason = error.message
        return Tried(operation.name, operation.task, count, 0, reason), []
    crashes = [
        _report(run, operation, *each, histories, number)
        for number, each in enumerate(found.values(), 1)
    ]
    blocks = len(run.blocks) - before
    return Tried(operation.name, operation.task, count, blocks), crashes


def _first_inputs(operation: ResolvedOperation, choice: random.Random) -> list[Input]:
    """Return inputs with one argument at a boundary each, the others as they come."""
    simple = _random_input(operation, choice)
    found = [simple]
    for argument in operation.arguments:
        if argument.type is not None:
            found += [{**simple, argument.name: v} for v in boundaries(argument.type)]
    for lease in operation.leases:
        found += [{**simple, lease.name: _lease(lease, n, choice)} for n in _LEASE_SIZES]
    return found


def _more_inputs(operation: ResolvedOperation, choice: random.Random, corpus: list[Input]) -> Any:
    while True:
        given = _random_input(operation, choice)
        if corpus and choice.random() < 0.5:
            kept = choice.choice(corpus)
            name = choice.choice(list(given) or [""])
            given = {**kept, **({name: given[name]} if name else {})}
        yield given


def _random_input(operation: ResolvedOperation, choice: random.Random) -> Input:
    given: Input = {}
    for argument in operation.arguments:
        if argument.type is None:
            raise NotCallable(f"the type of `{argument.name}` is not known")
        given[argument.name] = generate(argument.type, choice)
    for lease in operation.leases:
        given[lease.name] = _lease(lease, choice.choice(_LEASE_SIZES), choice)
    return given


def _lease(lease: ResolvedLease, count: int, choice: random.Random) -> Any:
    count = min(count, lease.max_len) if lease.max_len is not None else count
    if not lease.is_slice:
        count = 1
    if not lease.read:
        return count if lease.is_slice else None
    size = 0 if lease.element is None else lease.element.size
    return choice.randbytes(size * count)


def _bind(operation: ResolvedOperation, given: Mapping[str, Any]) -> Call | None:
    """Return the call; None for an input that is none, such as a lease that is too large."""
    try:
        return bind_call(operation, given)
    except ArgumentError:
        return None


def _report(
    run: _Runner,
    operation: ResolvedOperation,
    given: Input,
    outcome: _Found,
    count: int,
    histories: Path | None,
    number: int,
) -> Crash:
    smallest, outcome = _shrink(run, operation, given, outcome)
    call = _bind(operation, smallest)
    assert call is not None  # it was called
    history = ""
    if histories is not None:
        name = f"fuzz-{operation.task}-{operation.name}-{number}.history"
        history = run.write_history(call, histories / name)
    command = _command(call)
    message = outcome.message
    return Crash(
        operation.name, operation.task, outcome.kind, message, command, count, history
    )  # fmt: skip


def _shrink(
    run: _Runner, operation: ResolvedOperation, given: Input, outcome: _Found
) -> tuple[Input, _Found]:
    """Return the smallest input at hand that still does the same."""
    left = _MOST_SHRINKS
    is_smaller = True
    while is_smaller and left:
        is_smaller = False
        for name, value in given.items():
            for less in simpler(value):
                candidate = {**given, name: less}
                call = _bind(operation, candidate)
                if call is None or not left:
                    continue
                left -= 1
                tried = run.call(call)
                if tried.signature == outcome.signature:
                    given, outcome, is_smaller = candidate, tried, True
                    break
            if is_smaller:
                break
    return given, outcome


def _command(call: Call) -> str:
    """Return the command line that makes a call."""
    operation = call.operation
    parts = ["idoldbg", "call", operation.name, "--task", operation.task]
    for argument, value in zip(operation.arguments, call.arguments, strict=True):
        parts.append(f"--{argument.name.replace('_', '-')}={format_value(value)}")
    for lease in operation.leases:
        option = f"--{lease.name.replace('_', '-')}"
        if lease.read:
            parts.append(f"{option}=hex:{call.sent[lease.name].hex()}")
        elif lease.is_slice:
            size = 0 if lease.element is None else lease.element.size
            parts.append(f"{option}={call.room[lease.name] // size if size else 0}")
    return shlex.join(parts)


class _Runner:
    """Makes calls, each from the same state of the board."""

    def __init__(self, session: Session) -> None:
        from idoldbg.target.emulated.emu.new_blocks import NewBlocks

        self._session = session
        self._board: Any = session.target.need(TimeTravel).past_of()
        self._snapshots = session.target.need(Snapshots)
        session.caller.wait_until_ready()
        _wait_for_hiffy(session)
        self._start = self._snapshots.snapshot()
        self._timeout_s, session.caller.timeout_s = session.caller.timeout_s, TIMEOUT_S
        self._recovers, session.caller.recovers = session.caller.recovers, False
        watcher = NewBlocks()
        self.blocks = watcher.blocks
        self._stop = self._board.observe(lambda _core: watcher)
        type_ = task_type(session.program)
        self._table = (
            table_address(session.program), type_.size * len(session.program.archive.tasks)
        )  # fmt: skip
        members = {m.name: m for m in type_.members}
        self._fields = [
            (index * type_.size + members[name].offset, members[name].type.size)
            for index in range(len(session.program.archive.tasks))
            for name in ("generation",)
        ]
        self._healthy = self._generations()

    def call(self, call: Call) -> _Found:
        """Make one call from the start; return what it did."""
        known = len(self.blocks)
        self._snapshots.restore(self._start)
        kind = message = ""
        try:
            self._session.caller.call(call)
        except OperationError:
            pass
        except ServerDied as error:
            kind, message = "server", error.message
        except CallTimeout as error:
            kind, message = "timeout", error.message
        except HiffyFailure as error:
            kind, message = "hiffy", error.message
        except NotCallable:
            raise
        except IdoldbgError as error:
            kind, message = "hiffy", error.message
        self._session.caller.forget()
        if self._board.lockup is not None:
            kind, message = "core", str(self._board.lockup)
        elif kind in ("hiffy", "timeout"):
            epitaph = self._epitaph()
            if epitaph:
                kind, message = "kernel", epitaph
        elif not kind and self._generations() != self._healthy:
            kind, message = "task", self._who_died()
        return _Found(kind, message, len(self.blocks) > known)

    def write_history(self, call: Call, path: Path) -> str:
        """Make a call once more, and write the past that ends with it."""
        from idoldbg.target.emulated.history_file import write_history

        self.call(call)
        write_history(path, self._board, self._session.program.archive)
        return str(path)

    def close(self) -> None:
        """Put everything back."""
        self._stop()
        self._snapshots.restore(self._start)
        self._session.caller.forget()
        self._session.caller.timeout_s = self._timeout_s
        self._session.caller.recovers = self._recovers

    def _generations(self) -> list[bytes]:
        raw = self._board.peek(*self._table)
        return [raw[at : at + size] for at, size in self._fields]

    def _who_died(self) -> str:
        now = self._generations()
        tasks = self._session.program.archive.tasks
        names = [t.name for t, a, b in zip(tasks, self._healthy, now, strict=True) if a != b]
        return f"{', '.join(f'task `{name}`' for name in names)} was restarted"

    def _epitaph(self) -> str:
        try:
            found = read_tasks(self._session.program).epitaph
        except IdoldbgError:
            return ""
        return "" if found is None else f"the kernel has panicked: {found}"


def _wait_for_hiffy(session: Session) -> None:
    """Let time pass until hiffy is about to look for work, so that each call is short."""
    row = next((r for r in read_tasks(session.program).rows if r.name == "hiffy"), None)
    left = None if row is None or row.timer is None else row.timer.in_ticks
    if left is not None and _SPARE < left < _LONGEST_NAP:
        session.link.wait((left - _SPARE) / 1000)
