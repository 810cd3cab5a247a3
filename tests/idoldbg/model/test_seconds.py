"""Seconds that users give, wherever they give them."""

from __future__ import annotations

import pytest

import idoldbg
from idoldbg import cli
from idoldbg.errors import ArgumentError
from idoldbg.model.seconds import check_seconds, read_seconds

pytest_plugins = ["pytester"]

WRONG = [10**400, -(10**400), 10**5000, float("inf"), float("nan"), -1, 0, 86400.1, None, [], "x"]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_endless_times_are_refused(value: object) -> None:
    for check in (check_seconds, read_seconds):
        with pytest.raises(ArgumentError, match=r"^timeout_s: give seconds, more") as refused:
            check("timeout_s", value)
        assert len(str(refused.value)) < 200
    with pytest.raises(ArgumentError, match="timeout_s: give seconds"):
        idoldbg.attach(timeout_s=value)  # type: ignore[arg-type]  # that is the point


TEXTS = ["9" * 400, "9" * 5000, "inf", "nan", "-1", "1e99", "", "1\n::error"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_seconds_as_written(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArgumentError, match="give seconds"):
        read_seconds("timeout_s", text)
    for argv in (["tasks", "--timeout", text], ["farm", "run", "--place-timeout", text]):
        assert cli.run(argv) == 2
    if text:
        monkeypatch.setenv("IDOLDBG_TIMEOUT", text)
        assert cli.run(["tasks"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown and "\n::error" not in shown


def test_valid_times() -> None:
    assert check_seconds("t", 1) == read_seconds("t", "1") == read_seconds("t", 1.0) == 1.0
    assert read_seconds("t", "0", allow_zero=True) == 0.0
    with pytest.raises(ArgumentError):
        check_seconds("t", "1")


def test_tests_are_shown_as_well(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test(idol):\n    pass\n")
    for option in ("timeout", "wait"):
        done = pytester.runpytest_subprocess(f"--idoldbg-{option}", "9" * 400)
        done.stderr.fnmatch_lines([f"*--idoldbg-{option}: give seconds, from 0 and at most 86400*"])
    monkeypatch.setenv("IDOLDBG_TIMEOUT", "9" * 400)
    done = pytester.runpytest_subprocess()
    done.stderr.fnmatch_lines(["*IDOLDBG_TIMEOUT: give seconds*"])
