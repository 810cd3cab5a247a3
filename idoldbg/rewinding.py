"""Goes back in time on an emulated board, and finds what happened there.

Times are of the board. Going back never makes anything happen again but what was recorded; the
first new input (a call, a wait, a write) goes another way from there, and what came after is
forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, DebugInfoError, IdoldbgError, LinkError, NotFound
from idoldbg.model.moment import MemoryWrite, Moment
from idoldbg.session import Session
from idoldbg.target.capability import TimeTravel
from idoldbg.views.code import find_code
from idoldbg.views.locations import find_location
from idoldbg.views.tasks import current_task, table_address, task_type

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.board import EmulatedBoard
    from idoldbg.target.emulated.emu.rewinding import Finder, Rewinding

__all__ = ["EVENTS", "Traveller"]

EVENTS = "`fault of TASK`, `restart of TASK` or `reset`"
_EVENT = re.compile(r"(?P<kind>fault|restart) of (?P<task>\S+)|(?P<reset>reset)")
_IPSR = 0x1FF


class Traveller:
    """Moves the target of a session through its past; others than emulated boards are refused."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # -- moving

    def now(self) -> Moment:
        """Return where the board is."""
        return self._moment()

    def rewind(self, seconds: float) -> Moment:
        """Go back by a time."""
        if not seconds >= 0 or seconds == float("inf"):
            raise ArgumentError(f"a time to go back is 0 or more, not {seconds}", name="seconds")
        board, past = self._open()
        goal_s = max(board.time_s - seconds, 0.0)
        past.go_to(_cycle_at(board, goal_s))
        return self._arrived()

    def step_back(self, count: int = 1) -> Moment:
        """Go back by instructions, over time that the core slept."""
        if count < 1:
            raise ArgumentError(f"a number of steps is 1 or more, not {count}", name="count")
        board, past = self._open()
        for _ in range(count):
            past.step_back()
            if board.is_sleeping:
                past.go_to(past.last_awake())
        return self._arrived()

    def forward(self, seconds: float | None = None) -> Moment:
        """Go forward through what is recorded, by a time or to its end."""
        board, past = self._open()
        if seconds is None:
            past.go_to_end()
        else:
            if not seconds >= 0:
                raise ArgumentError(f"a time is 0 or more, not {seconds}", name="seconds")
            past.go_to(past.now + round(seconds * board.cycles_per_second))
        return self._arrived()

    def rewind_to(self, event: str | Callable[[], bool]) -> Moment:
        """Go back to right before the last event, or to right before a condition became true.

        An event is `fault of TASK`, `restart of TASK` or `reset`. A condition is asked at each
        exception. Raises `NotFound` where the past holds none, and leaves the board where it is.
        """
        from idoldbg.target.emulated.emu.rewinding import ResetFinder, StateFinder

        board, past = self._open()
        finder: Finder
        if callable(event):
            finder, name = StateFinder(lambda: bool(event()), board, _began), "such moment"
        else:
            parts = _EVENT.fullmatch(event.strip())
            if parts is None:
                raise ArgumentError(f"`{event}` is not an event; give {EVENTS}", name="event")
            name = event.strip()
            if parts["reset"]:
                finder = ResetFinder(board)
            else:
                finder = self._task_finder(board, parts["kind"], parts["task"])
        hit = past.find_last(finder)
        if hit is None:
            raise NotFound(
                "event", name, hint=f"nothing of the kind in the {board.time_s:.3f} s before now"
            )
        past.go_to(hit.cycle)
        return self._arrived()

    def last_write(self, what: int | str, size: int | None = None) -> Moment:
        """Go back to right before the last write to an address, or to a static or part of one.

        `size` is in bytes: by default that of what was named, or 4. Raises `NotFound`.
        """
        from idoldbg.target.emulated.emu.rewinding import Write, WriteFinder

        board, past = self._open()
        text = f"{what:#x}" if isinstance(what, int) else what
        place = find_location(self._program, text)
        length = size or place.size or 4
        if length < 1:
            raise ArgumentError(f"a size is 1 or more bytes, not {length}", name="size")
        hit = past.find_last(WriteFinder(place.address, length))
        if hit is None:
            raise NotFound("write", text, hint=f"none in the {board.time_s:.3f} s before now")
        past.go_to(hit.cycle)
        assert isinstance(hit.detail, Write)
        found = hit.detail
        before = board.peek(found.address, found.size)
        return self._arrived(MemoryWrite(found.address, found.size, found.by, found.value, before))

    def until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> Moment:
        """Let the board run on until a condition holds, exact to the instruction where it began to.

        It is asked at interrupts and every 200,000 instructions; in between it is found by halving,
        so one that comes and goes in between may be missed. Raises `LinkError` after `limit_s`.
        """
        _, past = self._open()
        if condition():
            return self._arrived()
        if not past.run_until(condition, limit_s):
            raise LinkError(
                f"the condition did not hold within {limit_s:g} s of the board's time", link="emu"
            )
        return self._arrived()

    # -- below

    @property
    def _program(self) -> Program:
        return self._session.program

    def _open(self) -> tuple[EmulatedBoard, Rewinding]:
        board: EmulatedBoard = self._session.target.need(TimeTravel).past_of()
        return board, board.rewinding()

    def _arrived(self, write: MemoryWrite | None = None) -> Moment:
        self._session.caller.forget()
        return self._moment(write)

    def _task_finder(self, board: EmulatedBoard, kind: str, task: str) -> Finder:
        from idoldbg.target.emulated.emu.rewinding import StateFinder

        index = self._program.task(task).index
        type_ = task_type(self._program)
        name = "state" if kind == "fault" else "generation"
        member = next((m for m in type_.members if m.name == name), None)
        if member is None:
            raise DebugInfoError(f"tasks of this kernel have no `{name}`", object="kernel")
        at = table_address(self._program) + index * type_.size + member.offset
        size = member.type.size
        if kind == "restart":
            return StateFinder(lambda: board.peek(at, size), board, _changed)
        known: dict[bytes, bool] = {}

        def has_fault() -> bool:
            raw = board.peek(at, size)
            if raw not in known:
                known[raw] = self._is_faulted(raw, at)
            return known[raw]

        return StateFinder(has_fault, board, _began)

    def _is_faulted(self, raw: bytes, address: int) -> bool:
        from idoldbg.call.codec import image
        from idoldbg.model.values import EnumValue

        member = next(m for m in task_type(self._program).members if m.name == "state")
        try:
            state = image.decode(member.type, raw, address=address)
        except IdoldbgError:
            return False  # before the kernel has made its table
        return isinstance(state, EnumValue) and state.variant == "Faulted"

    def _moment(self, write: MemoryWrite | None = None) -> Moment:
        board, past = self._open()
        program = self._program
        pc = board.read_register("pc")
        in_handler = bool(board.read_register("xpsr") & _IPSR)
        try:
            task = None if in_handler else current_task(program)
        except IdoldbgError:
            task = None
        function = file = line = None
        try:
            point = find_code(program, task or "kernel", pc)
            function = point.function
            if point.sources:
                function = point.sources[0].function or function
                file, line = point.sources[0].file, point.sources[0].line
        except IdoldbgError:
            pass  # an object without debug information still has an address
        end_s = board.time_s + (past.end - past.now) / board.cycles_per_second
        return Moment(
            board.time_s, end_s, past.now, pc, board.is_sleeping, task, function, file, line, write
        )


def _cycle_at(board: EmulatedBoard, time_s: float) -> int:
    return max(board.cycles - round((board.time_s - time_s) * board.cycles_per_second), 0)


def _began(before: object, after: object) -> bool:
    return before is False and after is True


def _changed(before: object, after: object) -> bool:
    return before != after
