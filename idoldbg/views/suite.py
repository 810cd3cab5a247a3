"""Cases of Hubris's own test suites.

A task `suite` has them in its static `TESTS: &[(&str, &dyn Fn())]` (Hubris, test/test-suite); the
number of a case is its place there. They are read from the build, so no target is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import ArgumentError, DebugInfoError, DecodeError, NotFound
from idoldbg.model.types import Pointer, Struct
from idoldbg.model.values import Value
from idoldbg.views.backtrace import Backtrace
from idoldbg.views.tasks import TaskRow

__all__ = ["SUITE", "Case", "CaseResult", "Outcome", "read_cases", "select_cases"]

SUITE = "suite"
TESTS = "TESTS"
MOST_CASES = 10_000
LONGEST_NAME = 1000  # bytes
_TOKEN = re.compile(r"\s*(?:([()])|([\w:]+))")
DEEPEST = 50  # parentheses and nots of an expression


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a suite: `number` is its place in `TESTS`."""

    number: int
    name: str


class Outcome(StrEnum):
    """End of a case; a `STUCK` one did not end, `ERROR` is hiffy's own failure."""

    PASSED = "passed"
    FAILED = "failed"
    STUCK = "stuck"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Result of one case.

    `ticks` is how long it took by the kernel's clock, in milliseconds, None where that is unknown;
    `seconds` by ours. `message` says why there is no result. `suite` and `stack` are the state of
    the task `suite` after a case that did not pass; it is left where it faulted.
    """

    case: Case
    outcome: Outcome
    ticks: int | None
    seconds: float
    message: str = ""
    suite: TaskRow | None = None
    stack: Backtrace | None = None


def read_cases(program: Program) -> tuple[Case, ...]:
    """Read the cases of a build's suite; raise `NotFound` where it has none, `DebugInfoError`."""
    if SUITE not in [task.name for task in program.archive.tasks]:
        hint = "a test image of Hubris (its `test/`) has a task `suite`"
        raise NotFound("test suite", SUITE, where=program.archive.path, hint=hint)
    info = program.object(SUITE)
    for variable in info.find_variables(TESTS):
        if variable.address is not None and isinstance(variable.type, Struct):
            try:
                return _read_cases(program, variable.address, variable.type)
            except DecodeError as error:
                raise _unreadable(program, str(error)) from error
    hint = f"its task `{SUITE}` has no static {TESTS}"
    raise NotFound("test suite", TESTS, where=program.archive.path, hint=hint)


def _read_cases(program: Program, address: int, type_: Struct) -> tuple[Case, ...]:
    slice_ = image.decode(type_, _read(program, address, type_.size))
    members = {member.name: member.type for member in type_.members}
    pointer = members.get("data_ptr")
    if not isinstance(pointer, Pointer) or pointer.resolve_target is None:
        raise DecodeError(f"`{type_.name}` is not a slice")
    element = pointer.resolve_target()
    count, base = int(slice_["length"]), int(slice_["data_ptr"])
    if count > MOST_CASES or not element.size:
        raise DecodeError(f"it has {count} cases")
    data = _read(program, base, count * element.size)
    entries = (data[i * element.size : (i + 1) * element.size] for i in range(count))
    return tuple(
        Case(number, _name(program, image.decode(element, entry)["__0"]))
        for number, entry in enumerate(entries)
    )


def _name(program: Program, text: Value) -> str:
    size = min(int(text["length"]), LONGEST_NAME)
    return _read(program, int(text["data_ptr"]), size).decode(errors="replace")


def _read(program: Program, address: int, size: int) -> bytes:
    data = program.object(SUITE).read_memory(address, size)
    if data is None:
        raise _unreadable(program, f"nothing is at 0x{address:08x}")
    return data


def _unreadable(program: Program, reason: str) -> DebugInfoError:
    return DebugInfoError(
        f"the cases in {TESTS} cannot be read: {reason}",
        object=SUITE,
        archive=program.archive.path,
    )


def select_cases(cases: Sequence[Case], expression: str | None) -> tuple[Case, ...]:
    """Return the cases that an expression means, such as `fault and not (stack or pan)`.

    A name in it stands for the cases whose names contain it; None means all cases. Raises
    `ArgumentError`, and `NotFound` where it means none.
    """
    if expression is None:
        return tuple(cases)
    is_meant = _Expression(expression).parse()
    found = tuple(case for case in cases if is_meant(case.name.lower()))
    if not found:
        near = near_misses(expression, [case.name for case in cases])
        raise NotFound("test case", expression, near=near, where="the suite")
    return found


Test = Callable[[str], bool]


class _Expression:
    """Parser of `select_cases`: names, `not`, `and`, `or` and parentheses, as pytest has them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        self.depth = 0
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error()
            self.tokens.append(match[1] or match[2])
            at = match.end()

    def error(self) -> ArgumentError:
        return ArgumentError(
            f"`{self.text}` is not an expression of names with and, or, not and parentheses",
            name="-k",
        )

    def parse(self) -> Test:
        found = self.any_of()
        if self.tokens:
            raise self.error()
        return found

    def take(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            self.tokens.pop(0)
            return True
        return False

    def any_of(self) -> Test:
        parts = [self.all_of()]
        while self.take("or"):
            parts.append(self.all_of())
        return lambda name: any(part(name) for part in parts)

    def all_of(self) -> Test:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return lambda name: all(part(name) for part in parts)

    def one(self) -> Test:
        self.depth += 1
        if self.depth > DEEPEST or not self.tokens:
            raise self.error()
        found = self.part()
        self.depth -= 1
        return found

    def part(self) -> Test:
        token = self.tokens.pop(0)
        if token == "not":
            inner = self.one()
            return lambda name: not inner(name)
        if token == "(":
            inner = self.any_of()
            if not self.take(")"):
                raise self.error()
            return inner
        if token in ("and", "or", ")"):
            raise self.error()
        return lambda name: token.lower() in name
