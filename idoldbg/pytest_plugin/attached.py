"""One board that tests use, watched while they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from idol.printable import join_lines
from idol.records import dataclass, replace
from idoldbg import startup
from idoldbg.build.program import Program
from idoldbg.device import Device
from idoldbg.errors import IdoldbgError
from idoldbg.model.board import Board
from idoldbg.pytest_plugin.evidence import Evidence, collect
from idoldbg.pytest_plugin.guard import FaultGuard
from idoldbg.pytest_plugin.places import Place, PlaceLock
from idoldbg.pytest_plugin.settings import Reset
from idoldbg.render.tasks import describe_fault
from idoldbg.session import TargetOptions, find_board
from idoldbg.target.capability import Snapshots, TimeTravel
from idoldbg.target.link import Link
from idoldbg.target.target import Target
from idoldbg.views.counters import CounterSet, find_counters, read_counters
from idoldbg.views.faults import read_fault_before
from idoldbg.views.tasks import Fault, TaskRow, TaskTable, read_tasks

__all__ = ["AttachedBoard", "Baseline"]

HIFFY = "hiffy"  # the task that makes calls


@dataclass(frozen=True, slots=True)
class Baseline:
    """State of a board before a test."""

    tasks: TaskTable
    counters: Mapping[str, int]


class AttachedBoard:
    """One board that tests use, with what it was like before the current test."""

    def __init__(
        self,
        place: Place,
        device: Device,
        lock: PlaceLock | None = None,
        detach: Callable[[], None] | None = None,
        holds: bool = True,
        reset: Reset = Reset.NEVER,
    ) -> None:
        self.place = place
        self.device = device
        self._detach = detach or device.close
        self.lost: str | None = None
        """Why the board cannot be used any more."""
        self._lock = lock
        self._counters: tuple[CounterSet, ...] | None = None
        self._baseline: Baseline | None = None
        self._deaths: tuple[str, ...] = ()
        self._is_checked = False
        self._is_torn_down = False
        self._expected: frozenset[str] = frozenset()
        self._last_problems: list[str] = []
        self.allowed_deaths: frozenset[str] = frozenset()
        """Tasks of which it does not matter to the current test whether they die."""
        core = device._core
        self._guard = FaultGuard(core.session, core.supervisor, self._take_evidence)
        self._holds = holds
        self._timeout_s = device.timeout_s
        self._faults: dict[str, Fault] = {}
        self._at_fault: Evidence | None = None
        self._dump_path: Path | None = None
        self._reset = reset
        self._module = ""
        self.has_failed = False
        """Whether the last test that used it failed."""
        self._snapshot: object = None
        if reset is not Reset.NEVER and self._target.can(Snapshots):
            if holds:
                self._guard.hold_all_but(())  # once, and not after each reset
            self._held = self._guard.held
            self._snapshot = self._target.need(Snapshots).snapshot()

    @property
    def program(self) -> Program:
        """The build, over the board's memory."""
        return self.device.program

    @property
    def link(self) -> Link:
        """The way to the board."""
        return self.device.link

    @property
    def board_file(self) -> Board | None:
        """The board's file, where one covers it."""
        options = TargetOptions(board=self.place.board)
        return find_board(options, self.program.archive)

    @property
    def board_name(self) -> str:
        """Name of the board's kind, as far as known."""
        board = self.board_file
        return board.name if board else self.program.archive.board or self.place.name

    @property
    def facts(self) -> dict[str, str]:
        """Facts about the board for a report: board, probe, image id, chip, all strings."""
        archive, board = self.program.archive, self.board_file
        return {
            "board": self.board_name,
            "place": self.place.name,
            "probe": self.link.spec,
            "image_id": archive.image_id.hex() if archive.image_id else "",
            "chip": board.chip.name if board else archive.chip,
            "archive": archive.path,
        }

    @property
    def _target(self) -> Target:
        return self.device.session.target

    # -- around a test

    def begin(self, module: str = "") -> None:
        """Reset the board if it is time to, note generations and counters; raise as the link.

        `module` is that of the test.
        """
        if self._is_reset_due(module):
            self._renew()
        self._module, self.has_failed = module, False
        if self._counters is None:
            self._counters = find_counters(self.program)
        self._deaths, self.allowed_deaths = (), frozenset()
        self._faults, self._at_fault, self._dump_path = {}, None, None
        self.device.timeout_s = self._timeout_s  # an earlier test may have set another
        counts = read_counters(self.program, self._counters)
        self._baseline = Baseline(read_tasks(self.program), counts)
        self._is_checked = self._is_torn_down = False
        self._expected = frozenset()

    def _is_reset_due(self, module: str) -> bool:
        match self._reset:
            case Reset.TEST:
                return True
            case Reset.MODULE:
                return module != self._module
            case Reset.ON_FAILURE:
                return self.has_failed
        return False

    def _renew(self) -> None:
        """Reset the board; one of this process goes back to what it was after its boot."""
        session = self.device.session
        if self._snapshot is not None:
            self._target.need(Snapshots).restore(self._snapshot)
            session.caller.forget()
            self._guard.forget(self._held)
        else:
            startup.reset(session)
            self._guard.forget()
            self.device.tasks()  # waits until they have been started

    def guard(self, expected: frozenset[str], dump_path: Path) -> None:
        """Have tasks held at a fault that the test does not mean; raises what the link raises.

        The evidence is taken at the fault, its core dump goes to `dump_path`.
        """
        self._expected = expected
        if self._holds:
            self._dump_path = dump_path
            self._guard.hold_all_but(expected | self.allowed_deaths)
            self._guard.start()

    def _take_evidence(self, faulted: tuple[str, ...]) -> None:
        for name in faulted:
            row = self.device[name].state()
            if row.fault is not None:
                self._faults[name] = row.fault
        if self._at_fault is None:  # the first fault is what the others come of
            self._at_fault = self._collect(self._dump_path)

    def check(self, expected: frozenset[str]) -> list[str]:
        """Return what went wrong since `begin`, in sentences; `expected` names tasks that must die.

        Those of `allowed_deaths` may. Raises what the link raises.
        """
        if self._baseline is None:
            return []
        self._guard.stop()
        self._guard.look()
        self._is_checked = True
        before, after = self._baseline.tasks, read_tasks(self.program)
        problems = []
        if after.epitaph is not None and before.epitaph is None:
            problems.append(f"the kernel has panicked: {after.epitaph}")
        is_reset = (after.time_ms or 0) < (before.time_ms or 0)
        died = {}
        for old, new in zip(before.rows, after.rows, strict=True):
            reason = self._death(old, new, is_reset)
            if reason is not None:
                died[new.name] = reason
        own = {HIFFY} if self._is_own_restart(after) else set()
        if HIFFY in died and own:
            died[HIFFY] = f"task `{HIFFY}` did not answer, and was restarted by idoldbg"
        allowed = self.allowed_deaths - expected
        self._deaths = tuple(
            f"{reason}, as it may (may_die)" if name in allowed else reason
            for name, reason in died.items()
        )
        for name, reason in died.items():
            if name not in expected | allowed | own:
                problems.append(f"{reason}. {self._advice(name)}")
        for name in sorted(expected - died.keys()):
            problems.append(f"task `{name}` was expected to die, and did not")
        self._baseline = replace(self._baseline, tasks=after)
        return problems

    def begin_teardown(self, dump_path: Path) -> None:
        """Watch the board while fixtures are torn down; raises what the link raises.

        Tasks that had to die in the test may die once more.
        """
        if self._baseline is None or self.lost is not None:
            return
        if not self._is_checked:  # the test was skipped: what it did does not count
            self._baseline = replace(self._baseline, tasks=read_tasks(self.program))
        self._deaths, self.allowed_deaths = (), self.allowed_deaths | self._expected
        self._faults, self._at_fault, self._dump_path = {}, None, dump_path
        self._is_torn_down = True
        if self._holds:
            self._guard.start()

    def end_teardown(self) -> list[str]:
        """Return what went wrong since `begin_teardown`; raises what the link raises."""
        if not self._is_torn_down:
            return self._last_problems
        try:
            return [] if self.lost is not None else self.check(frozenset())
        finally:
            self._is_torn_down = False

    def _look_before_close(self) -> None:
        """Note what went wrong with a board that is let go of during a teardown, with evidence."""
        if self._is_torn_down:
            with suppress(IdoldbgError):  # labgrid may have taken it away before
                self._last_problems = self.end_teardown()
            if self._last_problems and self._at_fault is None:
                self._at_fault = self._collect(self._dump_path)

    def _advice(self, name: str) -> str:
        if self._is_torn_down:
            return (
                "It was alive when the test ended; a test whose fixtures may kill it says "
                f"@pytest.mark.may_die({name!r})"
            )
        return (
            f"A test that means it says @pytest.mark.expect_death({name!r}); one that does not "
            f"care, @pytest.mark.may_die({name!r})"
        )

    def _is_own_restart(self, after: TaskTable) -> bool:
        """Return whether hiffy runs in a generation that calls began, so as to go on."""
        generation = next((row.generation for row in after.rows if row.name == HIFFY), None)
        return generation in self.device.session.caller.restarts

    def _death(self, old: TaskRow, new: TaskRow, is_reset: bool) -> str | None:
        """Return what a task died of, None if it lives as before; a reset is not a death."""
        # A restart after a reset counts from 0 again: only what lies behind it is known.
        base = 0 if is_reset else old.generation
        has_fault = new.fault is not None and (is_reset or old.fault is None)
        if new.generation in (base, None) and not has_fault:
            return None
        fault = new.fault or self._faults.get(new.name)
        if fault is None and new.generation is not None:
            fault = read_fault_before(self.program, new.index, new.generation)
        why = describe_fault(fault) if fault else "nothing in this firmware recorded why"
        then = "it is still stopped" if has_fault else f"generation {base} → {new.generation}"
        return f"task `{new.name}` died: {why} ({then})"

    def has_deaths(self) -> bool:
        """Return whether tasks died in the test; False where that cannot be read."""
        with suppress(IdoldbgError):
            if not self._deaths:
                self.check(frozenset())
        return bool(self._deaths)

    def collect(self, dump_path: Path | None) -> Evidence:
        """Look at the board after a failure; never raises.

        What was taken at a fault in the test counts, and lacks what came after it.
        """
        try:
            if not self._deaths and self.lost is None:
                self.check(frozenset())  # a test that failed by itself may have killed tasks, too
        except IdoldbgError:
            pass  # what follows says so
        if self._at_fault is None:
            return self._collect(dump_path)
        deaths = (("tasks that died", join_lines(self._deaths)),) if self._deaths else ()
        return replace(self._at_fault, sections=(*deaths, *self._at_fault.sections))

    def _collect(self, dump_path: Path | None) -> Evidence:
        facts: dict[str, str] = {"place": self.place.name}
        with suppress(IdoldbgError):
            facts = self.facts
        return collect(
            self.place.name,
            self.program,
            self.link,
            facts=facts,
            deaths=self._deaths,
            counters=self._counters or (),
            counted_before=self._baseline.counters if self._baseline else {},
            dump_path=dump_path,
            target=self.board_file,
            write_history=self._write_history if self._target.can(TimeTravel) else None,
        )

    def _write_history(self, path: Path) -> None:
        from idoldbg.target.emulated.history_file import write_history  # after failures only

        write_history(path, self._target.need(TimeTravel).past_of(), self.program.archive)

    def close(self) -> None:
        """Let go of the board, and let others have it."""
        if self.lost is None:
            self._look_before_close()
            self._guard.release_all()
        try:
            self._detach()
        except IdoldbgError:
            pass  # it was lost before; nothing is left to let go of
        finally:
            if self._lock is not None:
                self._lock.release()
