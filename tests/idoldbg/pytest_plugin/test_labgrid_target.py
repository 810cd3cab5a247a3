"""Targets of a labgrid environment in pytest, with emulated boards in the tests' own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from idoldbg.session import demo_archive

pytest.importorskip("labgrid")
pytest_plugins = "pytester"

F4, LPC = "stm32f4-discovery", "lpcxpresso55s69"
LAB = f"""
imports: [idoldbg.labgrid]
targets:
  main:
    resources:
      IdoldbgEmulatedBoard: {{board: {F4}}}
    drivers:
      IdoldbgDriver: {{}}
  rot:
    resources:
      IdoldbgEmulatedBoard: {{board: {LPC}}}
    drivers:
      IdoldbgDriver: {{archive: {demo_archive(LPC)}, timeout_s: 5}}
      IdoldbgStrategy: {{}}
  bare:
    resources:
      IdoldbgEmulatedBoard: {{board: {LPC}}}
"""
TESTS = f"""
import pytest

def test_first(idol):
    assert all(row.generation == 0 for row in idol.tasks().rows if row.name == "jefe")

def test_second(idol):
    assert idol.program.archive.board == {F4!r}

@pytest.mark.dut("main", chip="stm32f4")
@pytest.mark.dut("rot", board={LPC!r})
@pytest.mark.expect_death("rot.victim")
def test_both(idol, dut):
    assert dut.main is idol
    assert dut.rot.program.archive.board == {LPC!r}
    with pytest.raises(Exception):
        dut.rot["victim"].Victim.panic(code=1)

@pytest.mark.dut("rott")
def test_misspelt(dut):
    pass

@pytest.mark.dut("rot", chip="stm32f4")
def test_another_chip(dut):
    pass

@pytest.mark.dut("bare")
def test_without_driver(dut):
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("LG_ENV", "LG_COORDINATOR", "IDOLDBG_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    (pytester.path / "lab.yaml").write_text(LAB)
    pytester.makepyfile(test_lab=TESTS)
    return pytester


@pytest.mark.slow
def test_targets_are_boards(suite: pytest.Pytester) -> None:
    """The first test waits until the board is up, also where no strategy resets it."""
    result = suite.runpytest_subprocess("-p", "no:cacheprovider", "--lg-env=lab.yaml")
    result.assert_outcomes(passed=3, errors=3)
    text = result.stdout.str()
    assert "no target named `rott` in lab.yaml; did you mean `rot`?" in text
    assert "labgrid's target `rot` has the chip lpc55, and the test wants stm32f4" in text
    assert "lab.yaml: target `bare` has no IdoldbgDriver" in text
    assert "INFRASTRUCTURE" not in text, "none of that is the lab's fault"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "is_refused", "message"),
    [
        ("--idoldbg-probe=emu", True, "--idoldbg-probe has no effect with --lg-env"),
        ("--idoldbg-board=x", True, "--idoldbg-board has no effect with --lg-env"),
        ("-o idoldbg_boards=emu", True, "idoldbg_boards (-o) has no effect with --lg-env"),
        ("--idoldbg-wait=1", True, "--idoldbg-wait has no effect with --lg-env"),
        ("--idoldbg-archive=nowhere.zip", False, "nowhere.zip: cannot be read"),
        ("-n2", False, "--lg-env gives one process its boards; leave out -n"),
        ("-p no:labgrid", True, "--lg-env"),
    ],
)
def test_settings_of_the_environment_are_refused_as_options(
    suite: pytest.Pytester, options: str, is_refused: bool, message: str
) -> None:
    arguments = ("-p", "no:cacheprovider", "--lg-env=lab.yaml", "-k", "first", *options.split())
    result = suite.runpytest_subprocess(*arguments)
    status = pytest.ExitCode.USAGE_ERROR if is_refused else pytest.ExitCode.TESTS_FAILED
    assert result.ret is status
    text = result.stdout.str() + result.stderr.str()
    assert message in text
    assert "INFRASTRUCTURE" not in text


@pytest.mark.slow
def test_archive_of_the_options_is_that_of_the_driver_or_an_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_lab=f"""
        import pytest

        @pytest.mark.dut("rot")
        def test_has_its_own(dut):
            pass

        def test_has_none(idol):
            assert idol.program.archive.path == {str(demo_archive(F4))!r}
        """
    )
    option = f"--idoldbg-archive={demo_archive(F4)}"
    arguments = ("-p", "no:cacheprovider", option)
    result = suite.runpytest_subprocess(*arguments, "--lg-env=lab.yaml")
    result.assert_outcomes(passed=1, errors=1)
    assert f"has {Path(demo_archive(LPC))}; leave one of the two out" in result.stdout.str()
