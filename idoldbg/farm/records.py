"""Results of a farm run: places, and the tests on each.

Made from the lines that `idoldbg.pytest_plugin.results` writes; a file that ends in the middle,
because its pytest was killed, tells which test that was and which were still to come.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["FarmResult", "Outcome", "PlaceResult", "ResultReader", "TestRecord"]


_END_OF_TIME = 1e11  # in Unix seconds
LONGEST_S = 1e9  # of a test; what is longer, or not a number, is not a time


class Outcome(StrEnum):
    """Outcome of a test, from good to bad."""

    PASSED = "passed"
    SKIPPED = "skipped"
    FAILED = "failed"
    ERROR = "error"  # in a fixture
    INFRASTRUCTURE = "infrastructure"  # the lab's fault


# A test has several phases: the worst of them counts.
_WORST_FIRST = (
    Outcome.INFRASTRUCTURE,
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.SKIPPED,
    Outcome.PASSED,
)
_BAD = frozenset({Outcome.FAILED, Outcome.ERROR})
# A test runs on several places: what it says of the firmware comes before what the lab did.
_ACROSS_PLACES = (
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.INFRASTRUCTURE,
    Outcome.PASSED,
    Outcome.SKIPPED,
)


@dataclass(slots=True)
class TestRecord:
    """One test on one place; `message` is one line, `text` all that pytest wrote about it."""

    __test__ = False  # not one of pytest's own classes

    node_id: str
    outcome: Outcome | None = None
    duration_s: float = 0.0
    message: str = ""
    text: str = ""
    output: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    is_started: bool = False
    start: float | None = None
    """When its setup began, in Unix seconds."""


@dataclass(slots=True)
class PlaceResult:
    """Result of one place."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    tests: list[TestRecord] = field(default_factory=list)
    duration_s: float = 0.0
    problem: str = ""
    """Why the lab cut the run short here, "" if it did not."""
    exit_status: int | None = None
    log_tail: str = ""
    started: float | None = None
    """When the place was asked for, in Unix seconds."""
    folder: str = ""
    """Where its files are, below the report's folder."""

    def count(self, outcome: Outcome) -> int:
        """Count the tests that ended so."""
        return sum(test.outcome is outcome for test in self.tests)

    @property
    def facts(self) -> dict[str, str]:
        """Facts about the board from its tests: name, chip, image, probe."""
        return next((t.properties for t in self.tests if "board" in t.properties), {})


@dataclass(slots=True)
class FarmResult:
    """A whole run. `started` is in Unix seconds."""

    places: list[PlaceResult]
    started: float
    duration_s: float
    command: list[str]
    problem: str = ""
    ended_by: int | None = None
    """The signal that ended the run before it was done."""

    def count(self, outcome: Outcome) -> int:
        """Count the runs of tests, one on each place, that ended so."""
        return sum(place.count(outcome) for place in self.places)

    @property
    def tests(self) -> dict[str, Outcome]:
        """Each test once, with what it comes to on all places together."""
        found: dict[str, Outcome] = {}
        for place in self.places:
            for test in place.tests:
                if test.outcome is not None:
                    before = found.get(test.node_id, test.outcome)
                    found[test.node_id] = min(before, test.outcome, key=_ACROSS_PLACES.index)
        return found

    def count_tests(self, outcome: Outcome) -> int:
        """Count the tests that come to this on all places together."""
        return sum(found is outcome for found in self.tests.values())


class ResultReader:
    """Follows one pytest run, line by line."""

    def __init__(self) -> None:
        self.tests: dict[str, TestRecord] = {}
        self.exit_status: int | None = None
        """What pytest's last line says; None where the process ended without one."""
        self.interruption = ""
        """What ended the tests before they were done, in pytest's words."""
        self.lab_problem = ""
        """The same, where it was labgrid that ended them."""

    @property
    def done(self) -> int:
        """Number of tests that have ended."""
        return sum(t.outcome is not None for t in self.tests.values())

    def feed(self, lines: Iterable[str]) -> None:
        """Take lines in; what is not one of ours is passed over."""
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            # The tests' own process writes them, and may have been overwritten by it.
            if isinstance(event, dict):
                with contextlib.suppress(TypeError, ValueError, OverflowError):
                    self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        match event.get("event"):
            case "collected":
                for node_id in event.get("tests") or ():
                    self._test(str(node_id))
            case "collect-error":
                record = self._test(str(event.get("test")))
                record.outcome, record.text = Outcome.ERROR, str(event.get("text"))
                record.message = _last_line(record.text)
            case "started":
                self._test(str(event.get("test"))).is_started = True
            case "phase":
                self._phase(event)
            case "interrupted":
                self.interruption = str(event.get("text"))
                if event.get("by_labgrid"):
                    self.lab_problem = self.interruption
            case "finished":
                self.exit_status = int(event.get("exit_status", -1))

    def _test(self, node_id: str) -> TestRecord:
        return self.tests.setdefault(node_id, TestRecord(node_id))

    def _phase(self, event: dict[str, Any]) -> None:
        record = self._test(str(event.get("test")))
        record.duration_s += _seconds(event.get("duration_s"))
        if record.start is None and (start := _start(event.get("start"))) is not None:
            record.start = start
        properties = dict(event.get("properties") or ())
        record.properties.update({str(key): str(value) for key, value in properties.items()})
        outcome = _outcome(event)
        if outcome is Outcome.PASSED and event.get("when") != "call":
            return  # a test is over when it was called, or could not be
        if record.outcome is not None and _rank(record.outcome) <= _rank(outcome):
            return
        record.outcome = outcome
        record.text, record.output = str(event.get("text", "")), str(event.get("output", ""))
        reason = event.get("infrastructure") or event.get("expected_failure")
        record.message = str(reason or _last_line(record.text))

    def finish(self, problem: str, end: str = "") -> list[TestRecord]:
        """Return all tests, those without an end as what cut them short.

        That is the lab because of `problem`; else the tests themselves: `end` says how their
        process ended, "" as it should.
        """
        left = [record for record in self.tests.values() if record.outcome is None]
        running = [record for record in left if record.is_started]
        why = ": ".join(text for text in (end, self.interruption) if text)
        for record in left:
            if problem:
                when = "while this test ran" if record.is_started else "before this test"
                record.outcome, record.message = Outcome.INFRASTRUCTURE, f"{problem} ({when})"
            elif record.is_started and why:
                record.outcome, record.message = Outcome.FAILED, f"{why} while this test ran"
            elif why:
                where = f" in {running[-1].node_id}" if running else ""
                record.outcome, record.message = Outcome.ERROR, f"did not run: {why}{where}"
            else:  # as -x and --maxfail want it
                record.outcome, record.message = (
                    Outcome.SKIPPED,
                    "did not run: pytest stopped early",
                )
        is_told = any(record.outcome in _BAD for record in self.tests.values())
        if end and not problem and not is_told:  # after the last test, or before the first one
            self.tests["::pytest"] = TestRecord("::pytest", Outcome.ERROR, message=end)
        return list(self.tests.values())


def _seconds(value: Any) -> float:
    seconds = float(value or 0)
    return seconds if 0 <= seconds < LONGEST_S else 0.0


def _start(value: Any) -> float | None:
    """Return a time of the clock, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < _END_OF_TIME else None


def _outcome(event: dict[str, Any]) -> Outcome:
    if event.get("outcome") == "skipped":
        return Outcome.SKIPPED  # a failure that was expected counts so, too
    if event.get("outcome") != "failed":
        return Outcome.PASSED
    if event.get("infrastructure"):
        return Outcome.INFRASTRUCTURE
    return Outcome.FAILED if event.get("when") == "call" else Outcome.ERROR


def _rank(outcome: Outcome) -> int:
    return _WORST_FIRST.index(outcome)


def _last_line(text: str) -> str:
    """Pick the line that says most: pytest's first `E   …`, else the first one.

    A SyntaxError begins with its place, and ends with what is wrong.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E  ")]
    if marked and marked[0].startswith("File "):
        return f"{marked[-1]} ({marked[0]})"
    return marked[0] if marked else lines[0].strip() if lines else ""
