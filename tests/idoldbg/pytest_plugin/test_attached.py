"""Boards between tests: what one test left behind, and what the next one finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .test_pytest_plugin import ARGUMENTS

pytest_plugins = "pytester"


def outcome(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_board=text)
    return pytester.runpytest_inprocess(*ARGUMENTS, *arguments)


TIMEOUT = """
def test_sets_a_timeout(idol):
    idol.timeout_s = 99
def test_finds_its_own(idol):
    assert idol.timeout_s == 5
"""


def test_a_timeout_does_not_reach_the_next_test(pytester: pytest.Pytester) -> None:
    outcome(pytester, TIMEOUT).assert_outcomes(passed=2)


POSTED = """
def test_posts(idol):
    idol.Sensor.post(id=0, value=3.5)
    assert idol.Sensor.get(id=0).value == 3.5
def test_looks(idol):
    assert idol.Sensor.get(id=0).value == {value}
"""


@pytest.mark.parametrize(
    ("reset", "value"), [("never", 3.5), ("module", 3.5), ("on-failure", 3.5), ("test", 21.5)]
)
def test_a_reset_is_made_when_it_is_asked_for(
    pytester: pytest.Pytester, reset: str, value: float
) -> None:
    text = POSTED.format(value=value)
    outcome(pytester, text, f"--idoldbg-reset={reset}").assert_outcomes(passed=2)


def test_a_failure_is_followed_by_a_reset(pytester: pytest.Pytester) -> None:
    text = """
def test_fails(idol):
    idol.Sensor.post(id=0, value=3.5)
    assert False
def test_looks(idol):
    assert idol.Sensor.get(id=0).value == 21.5
"""
    done = outcome(pytester, text, "--idoldbg-reset=on-failure")
    done.assert_outcomes(passed=1, failed=1)


def test_a_module_begins_with_a_reset(pytester: pytest.Pytester) -> None:
    text = "def test_it(idol):\n    assert idol.Sensor.get(id=0).value == 21.5\n"
    pytester.makepyfile(test_b=text)
    posts = "def test_posts(idol):\n    idol.Sensor.post(id=0, value=3.5)\n"
    pytester.makepyfile(test_a=posts)
    arguments = (*ARGUMENTS, "--idoldbg-reset=module")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


def test_a_board_behind_a_probe_is_reset_for_each_test(pytester: pytest.Pytester) -> None:
    text = POSTED.format(value=21.5)
    pytester.makepyfile(test_board=text)  # pyOCD's plug-ins outlive a run in this process
    options = ("--idoldbg-reset=test", "--idoldbg-probe=pyocd:emu")
    pytester.runpytest_subprocess(*ARGUMENTS, *options).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--idoldbg-reset=often", "`often` is not one of never, module, test, on-failure"),
        ("--idoldbg-hold=perhaps", "`perhaps` is not one of yes, no"),
        ("--idoldbg-flash=always", "name the build to flash"),
    ],
)
def test_other_values_are_errors_of_use(
    pytester: pytest.Pytester, option: str, message: str
) -> None:
    done = outcome(pytester, "def test_a(idol): pass", option)
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str()


MISTAKES = """
def test_argument(idol):
    idol.Sensor.get(idd=3)
def test_operation(idol):
    idol.Sensor.gett(3)
def test_name(idol):
    idol.Sensor.get(id=nothing)
"""


def test_mistakes_in_python_have_no_evidence(pytester: pytest.Pytester) -> None:
    done = outcome(pytester, MISTAKES, "--idoldbg-evidence=evidence")
    done.assert_outcomes(failed=3)
    text = done.stdout.str()
    assert "did you mean `id`" in text
    assert "idoldbg/device" not in text, "the frames of the package are hidden"
    assert "- stacks -" not in text
    assert not list(pytester.path.glob("evidence/*"))


def test_a_mistake_after_a_death_does_not_hide_it(pytester: pytest.Pytester) -> None:
    text = """
def test_both(idol):
    try:
        idol["victim"].Victim.panic(code=3)
    except Exception:
        pass
    idol.Sensor.get(idd=3)
"""
    done = outcome(pytester, text)
    done.assert_outcomes(failed=1)
    assert "task `victim` died: panicked at" in done.stdout.str()


def test_the_header_names_what_the_options_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_board="def test_it(): pass")
    done = pytester.runpytest_inprocess(*ARGUMENTS, "--idoldbg-board=nucleo-g031")
    done.stdout.fnmatch_lines(["idoldbg: *nucleo-g031.zip (image *), board nucleo-g031, probe *"])
    done = pytester.runpytest_inprocess(*ARGUMENTS, "--idoldbg-archive=none.zip")
    done.stdout.fnmatch_lines(["idoldbg: *archive none.zip: *cannot be read*"])
    assert "idoldbg:" not in pytester.runpytest_inprocess(*ARGUMENTS).stdout.str()


def test_evidence_of_a_fault_is_of_the_fault(pytester: pytest.Pytester) -> None:
    """The stack, the registers and the dump are those of the panic, not of the restarted task."""
    text = """
import pytest
from idoldbg.errors import ServerDied
def test_it(idol):
    with pytest.raises(ServerDied, match="code 3; it was restarted"):
        idol["victim"].Victim.panic(code=3)
    assert idol.Sensor.get(id=0).value == 21.5  # the board goes on
"""
    done = outcome(pytester, text, "--idoldbg-evidence=evidence")
    done.assert_outcomes(failed=1)
    (path,) = pytester.path.glob("evidence/*.json")
    (board,) = json.loads(path.read_text())["boards"]
    sections = dict(board["sections"])
    assert "generation 0 → 1" in sections["tasks that died"]
    assert "FAULT: panicked at" in sections["tasks"]
    assert "core::panicking::panic_fmt" in sections["stacks"]
    assert Path(board["dump"]).is_file()


def test_without_holding_the_evidence_is_that_of_afterwards(pytester: pytest.Pytester) -> None:
    text = "def test_it(idol):\n    idol['victim'].Victim.panic(code=3)\n"
    done = outcome(pytester, text, "--idoldbg-hold=no")
    done.assert_outcomes(failed=1)
    assert "core::panicking::panic_fmt" not in done.stdout.str()


def test_tasks_are_let_go_of_at_the_end(pytester: pytest.Pytester) -> None:
    """Whoever uses the board next finds a supervisor that restarts tasks."""
    text = """
import pytest
@pytest.fixture(scope="session", autouse=True)
def released(board):
    yield
@pytest.mark.expect_death("victim")
def test_dies(idol):
    with pytest.raises(Exception):
        idol["victim"].Victim.panic(code=3)
    assert idol["victim"].state().generation == 1
def test_dies_again(idol):
    with pytest.raises(Exception):
        idol["victim"].Victim.panic(code=3)
"""
    done = outcome(pytester, text)
    done.assert_outcomes(passed=1, failed=1)
    assert "generation 1 → 2" in done.stdout.str()


TEARDOWNS = """
import pytest

def kill(device):
    with pytest.raises(Exception):
        device["victim"].Victim.panic(code=7)

@pytest.fixture(scope="{scope}")
def setup(board):
    yield
    kill(board)

@pytest.fixture
def careful(idol):
    yield idol
    kill(idol)

{mark}
def test_it(setup, idol):
    {body}

def test_next(idol):
    assert idol.Sensor.get(id=0).value == 21.5
"""
ALIVE = "It was alive when the test ended; a test whose fixtures may kill it says"


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_death_in_a_teardown_fails_it(pytester: pytest.Pytester, scope: str) -> None:
    """Also one after which the board is let go of, as that of a session fixture."""
    text = TEARDOWNS.format(scope=scope, mark="", body="pass")
    done = outcome(pytester, text, "--idoldbg-evidence=evidence")
    done.assert_outcomes(passed=2, errors=1)
    shown = done.stdout.str()
    name = "test_it" if scope == "function" else "test_next"
    assert f"ERROR at teardown of {name}" in shown
    assert "task `victim` died: panicked at" in shown
    assert ALIVE in shown
    (path,) = pytester.path.glob("evidence/*.teardown.json")
    (board,) = json.loads(path.read_text())["boards"]
    sections = dict(board["sections"])
    assert "generation 0 → 1" in sections["tasks that died"]
    assert "FAULT: panicked at" in sections["tasks"]
    assert "core::panicking::panic_fmt" in sections["stacks"]
    assert Path(board["dump"]).name.endswith(".teardown.core")


@pytest.mark.parametrize(
    ("mark", "body", "outcomes"),
    [
        ("@pytest.mark.may_die('victim')", "pass", {"passed": 2}),
        ("@pytest.mark.expect_death('victim')", "kill(idol)", {"passed": 2}),
        ("", "pytest.skip()", {"skipped": 1, "passed": 1, "errors": 1}),
        ("", "kill(idol)", {"failed": 1, "passed": 1, "errors": 1}),
        ("", "kill(idol); pytest.skip()", {"skipped": 1, "passed": 1, "errors": 1}),
    ],
)
def test_deaths_in_a_test_and_in_its_teardown_are_separate(
    pytester: pytest.Pytester, mark: str, body: str, outcomes: dict[str, int]
) -> None:
    text = TEARDOWNS.format(scope="function", mark=mark, body=body)
    done = outcome(pytester, text, "--idoldbg-evidence=evidence")
    done.assert_outcomes(**outcomes)
    stems = {path.name.partition(".")[2] for path in pytester.path.glob("evidence/*.json")}
    assert len(stems) == outcomes.get("failed", 0) + outcomes.get("errors", 0)
    if "errors" in outcomes:
        generation = 1 if "kill" in body else 0
        assert f"(generation {generation} → {generation + 1}). {ALIVE}" in done.stdout.str()


ATTACHED_AGAIN = """
import pytest
from idoldbg.errors import LinkError

@pytest.fixture(scope="session")
def kept(board):
    return board, board.Sensor

def test_loses_its_probe(kept, idol):
    raise LinkError("the probe is gone")

def test_goes_on(kept, idol):
    board, sensor = kept
    assert board.Sensor.get(id=0).value == idol.Sensor.get(id=0).value == 21.5
    assert board.session is idol.session
    with pytest.raises(LinkError, match="attached again: take interfaces, .* anew from the device"):
        sensor.get(id=0)

def test_loses_it_again(idol):
    raise LinkError("the probe is gone")

def test_goes_on_once_more(idol, kept):
    assert kept[0].Sensor.get(id=0).value == 21.5
"""


def test_a_device_that_a_fixture_keeps_follows_the_board(pytester: pytest.Pytester) -> None:
    outcome(pytester, ATTACHED_AGAIN).assert_outcomes(passed=2, errors=2)
