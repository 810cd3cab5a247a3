"""Test suites of the fixture image: cases, how they end, what is shown, JUnit files."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.errors import ArgumentError, NotCallable, NotFound
from idoldbg.opening import open_program
from idoldbg.session import Session, TargetOptions, open_session
from idoldbg.suite import Suite
from idoldbg.target.emulated.server import running_board
from idoldbg.views.suite import Case, Outcome, read_cases, select_cases
from tests.conftest import ARCHIVES, ROOT

SUITE = str(ROOT / "fixtures" / "suite" / "archives" / "stm32f4-discovery-suite.zip")
DEMO = str(ARCHIVES / "stm32f4-discovery.zip")
NAMES = (
    "test_passes",
    "test_takes_time",
    "test_fails",
    "test_faults",
    "test_hangs",
    "test_passes_again",
)
ENDS = ("passed", "passed", "failed", "failed", "stuck", "passed")
Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]
ON_BOARD = ["-a", SUITE, "-p", "emu", "--timeout", "0.5", "test"]


@pytest.fixture
def session() -> Iterator[Session]:
    with open_session(TargetOptions(archive=SUITE, probe="emu", timeout_s=0.5)) as opened:
        yield opened


def test_the_cases_are_read_from_the_build() -> None:
    cases = read_cases(open_program(TargetOptions(archive=SUITE)))
    assert cases == tuple(Case(i, name) for i, name in enumerate(NAMES))
    with pytest.raises(NotFound, match="a test image of Hubris"):
        read_cases(open_program(TargetOptions(archive=DEMO)))


SELECTED: list[tuple[str | None, tuple[int, ...]]] = [
    (None, (0, 1, 2, 3, 4, 5)),
    ("fails", (2,)),
    ("FAILS or hang", (2, 4)),
    ("pass and not again", (0,)),
    ("not (pass or time)", (2, 3, 4)),
    ("not not test_hangs", (4,)),
    (" ( ( fails ) ) ", (2,)),
    ("(fails or faults) and not faults or time", (1, 2)),
]


@pytest.mark.parametrize(("expression", "numbers"), SELECTED)
def test_expressions_select_cases(expression: str | None, numbers: tuple[int, ...]) -> None:
    cases = [Case(i, name) for i, name in enumerate(NAMES)]
    assert tuple(case.number for case in select_cases(cases, expression)) == numbers


@pytest.mark.parametrize(
    "expression", ["", "and", "a and", "a b", "(a", "a)", "not", "a; b", "()", "not " * 60 + "a"]
)
def test_malformed_expressions_are_refused(expression: str) -> None:
    with pytest.raises(ArgumentError, match="is not an expression"):
        select_cases([Case(0, "a")], expression)


def test_no_case_of_that_name() -> None:
    with pytest.raises(NotFound, match="did you mean `test_fails`"):
        select_cases([Case(0, "test_fails")], "test_fials")


def test_each_case_ends_as_it_should(session: Session) -> None:
    suite = Suite(session)
    results = [suite.run_case(case) for case in suite.cases]
    assert tuple(result.outcome for result in results) == ENDS
    times = [result.ticks for result in results]
    assert None not in times
    assert times[1] is not None
    assert 30 <= times[1] < 60  # it sleeps for 30 ticks
    assert all(ticks is not None and ticks < 15 for ticks in (times[0], times[5]))
    failed, faulted, stuck = results[2:5]
    assert failed.suite is not None
    assert failed.suite.fault is not None
    assert "the answer" in (failed.suite.fault.panic_message or "")
    assert failed.stack is not None
    assert "test_suite::test_fails" in [frame.function for frame in failed.stack.frames]
    assert faulted.suite is not None
    assert faulted.suite.fault is not None
    assert (faulted.suite.fault.kind, faulted.suite.fault.address) == ("MemoryAccess", 0xC0000000)
    assert stuck.suite is not None
    assert stuck.suite.fault is None
    assert stuck.stack is not None
    assert "test_suite::test_hangs" in [frame.function for frame in stuck.stack.frames]


def test_the_target_is_shown_as_the_case_left_it(session: Session) -> None:
    suite, seen = Suite(session), []
    for number in (0, 2, 4):
        suite.run_case(
            suite.cases[number],
            lambda result: seen.append((result.case.number, session.program.ticks())),
        )
    assert [number for number, _ in seen] == [2, 4]
    assert (session.program.ticks() or 0) < (seen[1][1] or 0)  # it was reset afterwards


def test_a_case_that_does_not_exist_fails(session: Session) -> None:
    result = Suite(session).run_case(Case(99, "none"))
    assert result.outcome is Outcome.FAILED
    assert "index out of bounds" in str(result.suite)


def test_an_image_without_a_suite_is_refused() -> None:
    with (
        open_session(TargetOptions(archive=DEMO, probe="emu")) as session,
        pytest.raises(NotFound, match="no test suite named `suite`"),
    ):
        Suite(session)


def test_a_hiffy_without_the_function_is_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idoldbg.suite.RUN_TEST", "RunTests")
    with pytest.raises(NotCallable, match=r"no RunTests \(it has RunTest\)"):
        Suite(session)


def _timeless(text: str) -> str:
    return re.sub(r"  \d+ ms", "  N ms", text)


def test_text_is_as_agreed(golden: Golden, tmp_path: Path, capsys: Capture) -> None:
    junit, dumps = tmp_path / "result.xml", tmp_path / "dumps"
    assert run([*ON_BOARD, "--junit", str(junit), "--dumps", str(dumps)]) == 1
    captured = capsys.readouterr()
    golden("cli/test.txt", _timeless(captured.out))
    names = [path.name for path in sorted(dumps.iterdir())]
    assert names == ["002-test_fails.core", "003-test_faults.core", "004-test_hangs.core"]
    assert captured.err.count("note: core dump: ") == 3
    assert run(["-p", f"dump:{dumps / names[0]}", "tasks"]) == 0
    assert "panicked at task/suite/src/main.rs" in capsys.readouterr().out
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("6", "3")
    kinds = [[child.attrib["type"] for child in case] for case in suite]
    assert kinds == [[], [], ["failed"], ["failed"], ["stuck"], []]


def test_json_is_as_agreed(capsys: Capture) -> None:
    assert run([*ON_BOARD, "--format", "json", "-k", "fails or takes"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["total"]) == ("idoldbg.test/1", 6)
    assert [case["outcome"] for case in found["cases"]] == ["passed", "failed"]
    assert found["cases"][0]["suite"] is None
    assert found["cases"][1]["suite"]["fault"]["kind"] == "Panic"
    assert found["cases"][1]["stack"]["frames"]


CODES: list[tuple[list[str], int, str]] = [
    ([*ON_BOARD, "-k", "pass"], 0, "2 passed, 4 deselected"),
    (["-a", SUITE, "test", "--list", "-k", "pass"], 0, "test_passes\ntest_passes_again\n"),
    ([*ON_BOARD, "-k", "nothing"], 2, "no test case named `nothing`"),
    ([*ON_BOARD, "--junit", "/nowhere/x.xml"], 2, "`/nowhere` is not a directory"),
    (["-p", "emu", "test"], 2, "no test suite named `suite`"),
    (["-a", SUITE, "-p", "archive", "test"], 4, "it does not run"),
]


@pytest.mark.parametrize(("argv", "code", "message"), CODES)
def test_exit_codes(argv: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(argv) == code
    captured = capsys.readouterr()
    assert message in captured.out + captured.err


def test_a_board_that_keeps_running_can_be_used_again(capsys: Capture) -> None:
    with running_board("suite", SUITE) as board:
        on = ["-p", board.spec, "--timeout", "0.5", "test", "-k"]
        assert run([*on, "hangs"]) == 1
        assert run([*on, "passes"]) == 0
    assert "2 passed, 4 deselected" in capsys.readouterr().out
