"""`pytest --hubris-suite ARCHIVE`: each case is a test, beside those of Python."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.conftest import ARCHIVES, ROOT

pytest_plugins = "pytester"

SUITE = ROOT / "fixtures" / "suite" / "archives" / "stm32f4-discovery-suite.zip"
ARGUMENTS = ("-p", "no:labgrid", "-p", "no:cacheprovider", f"--hubris-suite={SUITE}")


def test_each_case_is_reported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    result = pytester.runpytest_inprocess(
        *ARGUMENTS, "--idoldbg-timeout=0.5", "--idoldbg-evidence=evidence", "--junitxml=junit.xml"
    )
    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines(
        [
            "collected 7 items",
            "*hubris suite: test_fails*",
            "case failed",
            "suite: FAULT: panicked at task/suite/src/main.rs:*the answer*",
            "*test_suite::test_fails*task/suite/src/main.rs:*",
            "*open it with: idoldbg -p dump:evidence*test_fails*",
            "*hubris suite: test_hangs*",
            "case stuck",
            "it had not ended after 0.5 s; the target was reset after it",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert len(list((pytester.path / "evidence").glob("*.core"))) == 3
    cases = {
        case.attrib["name"]: case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")
    }
    assert len(cases) == 7
    ticks = cases["test_takes_time"].find("properties/property")
    assert ticks is not None
    assert 30 <= int(ticks.attrib["value"]) < 60


def test_cases_are_selected_as_tests_are(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*ARGUMENTS, "-k", "passes")
    result.assert_outcomes(passed=2, deselected=4)


def test_a_build_without_a_suite_is_an_error_of_collection(pytester: pytest.Pytester) -> None:
    demo = ARCHIVES / "stm32f4-discovery.zip"
    result = pytester.runpytest_inprocess("-p", "no:labgrid", f"--hubris-suite={demo}")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*no test suite named `suite` in *"])


def test_a_target_that_is_not_there_is_a_sentence(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(
        *ARGUMENTS, "--idoldbg-probe=emu:nobody", "-k", "takes_time"
    )
    result.assert_outcomes(errors=1, deselected=5)
    result.stdout.fnmatch_lines(["emu:nobody: no board of that name is running; *"])
    assert "Traceback" not in result.stdout.str()
