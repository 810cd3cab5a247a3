"""Options of the pytest plug-in, together: each takes effect, or the run does not begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from idoldbg.pytest_plugin.options import _OPTIONS
from idoldbg.pytest_plugin.settings import NAMES
from idoldbg.session import demo_archive
from idoldbg.target.emulated.server import running_board

from .test_pytest_plugin import ARGUMENTS

pytest_plugins = "pytester"

F4, LPC = "stm32f4-discovery", "lpcxpresso55s69"
TWO_BOARDS = """
import pytest

@pytest.mark.dut("sp", chip="stm32f4")
@pytest.mark.dut("rot", chip="lpc55")
def test_both(dut):
    assert dut.sp.Sensor.temperature() == dut.rot.Sensor.temperature()
"""
ONE_CHIP_TWICE = """
import pytest

@pytest.mark.dut("a", chip="stm32f4")
@pytest.mark.dut("b", chip="stm32f4")
def test_both(dut):
    dut.a.Sensor.post(id=2, value=1)
    dut.b.Sensor.post(id=2, value=2)
    assert dut.a.Sensor.get(id=2).value == 1
"""


@pytest.fixture(autouse=True)
def no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"IDOLDBG_{name.upper().replace('-', '_')}", raising=False)
    monkeypatch.delenv("LG_ENV", raising=False)


@pytest.fixture
def lab(pytester: pytest.Pytester) -> Path:
    """An environment file with two targets."""
    targets = {
        "sp": {"probe": "emu", "archive": str(demo_archive(F4))},
        "rot": {"probe": "emu", "archive": str(demo_archive(LPC))},
    }
    path = pytester.path / "lab.json"
    path.write_text(json.dumps(targets))
    return path


def test_all_options_are_read() -> None:
    assert {name for name, _, _ in _OPTIONS} == set(NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--idoldbg-boards=a=emu,b=emu --idoldbg-probe=emu",
            "probe has no effect with --idoldbg-b",
        ),
        ("--idoldbg-boards=a=emu -o idoldbg_probe=emu", "idoldbg_probe (-o) has no effect with --"),
        ("--idoldbg-env=lab.json --idoldbg-probe=emu", "--idoldbg-probe has no effect with --idol"),
        ("--idoldbg-env=lab.json --idoldbg-archive=x", "--idoldbg-archive has no effect with --id"),
        (
            "--idoldbg-env=lab.json --idoldbg-board=x",
            "--idoldbg-board has no effect with --idoldbg",
        ),
        (
            "--idoldbg-env=lab.json --idoldbg-boards=a=emu",
            "--idoldbg-env has no effect: --idoldbg-",
        ),
        ("--idoldbg-env=lab.json --idoldbg-boards=sp --idoldbg-archive=x", "archive has no effect"),
        ("--idoldbg-boards=emu:a,b=emu:a", "`emu:a` is there twice"),
        ("--idoldbg-boards=,", "--idoldbg-boards has no board in it"),
        ("--idoldbg-probe=", "--idoldbg-probe is empty"),
        ("--idoldbg-boards=", "--idoldbg-boards is empty"),
        ("--idoldbg-archive=", "--idoldbg-archive is empty"),
        ("--idoldbg-results=", "--idoldbg-results is empty"),
        ("-o idoldbg_prob=pyocd", "unknown ini key `idoldbg_prob`; there are idoldbg_archive, "),
    ],
)
def test_option_without_effect_is_an_error_of_use(
    pytester: pytest.Pytester, lab: Path, arguments: str, message: str
) -> None:
    pytester.makepyfile("def test_a(idol): pass")
    done = pytester.runpytest_inprocess(*ARGUMENTS, *arguments.split())
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str()


def test_ini_file_is_read_as_strictly(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(idol): pass")
    pytester.makeini("[pytest]\nidoldbg_bords = desk=pyocd:1\n")
    done = pytester.runpytest_inprocess(*ARGUMENTS)
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    assert "unknown ini key `idoldbg_bords`" in done.stderr.str()


def test_the_environment_can_set_any_option(
    pytester: pytest.Pytester, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDOLDBG_ENV", str(lab))
    monkeypatch.setenv("IDOLDBG_BOARDS", "rot")
    pytester.makepyfile(f"def test_a(idol): assert idol.program.archive.board == {LPC!r}")
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--idoldbg-probe=pyocd:no-such-probe", "no place has chip lpc55"),
        ("--idoldbg-probe=emu:no-such-board", "no board of that name is running"),
        (f"--idoldbg-archive={demo_archive(F4)}", "no place has chip lpc55; there are emu"),
        (f"--idoldbg-board={LPC}", f"no place has chip stm32f4; there are {LPC}"),
        ("--idoldbg-archive=nowhere.zip", "nowhere.zip: cannot be read"),
        ("--idoldbg-board=nowhere", "nowhere"),
    ],
)
def test_board_that_was_named_is_never_replaced_by_a_demo(
    pytester: pytest.Pytester, option: str, message: str
) -> None:
    pytester.makepyfile(TWO_BOARDS)
    result = pytester.runpytest_inprocess(*ARGUMENTS, option)
    result.assert_outcomes(errors=1)
    assert message in result.stdout.str()


@pytest.mark.parametrize("probe", ["emu", "pyocd:emu"])
def test_demo_boards_are_reached_as_the_probe_says(pytester: pytest.Pytester, probe: str) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.dut('rot', chip='lpc55')\n"
        f"def test_it(dut): assert dut.rot.link.spec.startswith({probe.partition(':')[0]!r})\n"
    )
    option = f"--idoldbg-probe={probe}"
    pytester.runpytest_subprocess(*ARGUMENTS, option).assert_outcomes(passed=1)


def test_all_boards_of_a_test_run_the_archive(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ONE_CHIP_TWICE)
    option = f"--idoldbg-archive={demo_archive(F4)}"
    pytester.runpytest_inprocess(*ARGUMENTS, option).assert_outcomes(passed=1)


def test_place_with_the_name_is_the_one(pytester: pytest.Pytester, lab: Path) -> None:
    """Whatever the order; and a name that has a choice does not take another's only board."""
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.dut("rot")
        @pytest.mark.dut("sp")
        def test_names(dut):
            assert dut.rot.program.archive.board == {LPC!r}
            assert dut.sp.program.archive.board == {F4!r}

        @pytest.mark.dut("any")
        @pytest.mark.dut("b", board={F4!r})
        def test_scarce(dut):
            assert dut.b.program.archive.board == {F4!r}

        @pytest.mark.dut("rot", chip="stm32f4")
        def test_contradiction(dut):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*ARGUMENTS, f"--idoldbg-env={lab}")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*no place has chip stm32f4; there are rot"])


@pytest.mark.slow
def test_boards_that_exist_once_are_shared_by_tests_and_not_within_one(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        ONE_CHIP_TWICE
        + """
def test_one(idol):
    assert idol.Sensor.get(id=0).value == 21.5

@pytest.mark.dut("c")
def test_third_name(idol, dut):
    idol.Sensor.post(id=2, value=1)
    dut.c.Sensor.post(id=2, value=2)
    assert idol.Sensor.get(id=2).value == 1

@pytest.mark.dut("a")
@pytest.mark.dut("b")
@pytest.mark.dut("c")
def test_three(dut):
    pass
"""
    )
    with running_board("once-a", board=F4), running_board("once-b", board=F4):
        boards = "--idoldbg-boards=emu:once-a,emu:once-b"
        result = pytester.runpytest_inprocess(*ARGUMENTS, boards)
        result.assert_outcomes(passed=3, errors=1)
        result.stdout.fnmatch_lines(["*the test wants more boards than there are: all that fit*"])
        result = pytester.runpytest_inprocess(*ARGUMENTS, "--idoldbg-probe=emu:once-a")
        result.assert_outcomes(passed=1, errors=3)


INTERRUPTED = """
import signal
import pytest
from idoldbg.target.emulated.socket import BoardLink

def test_hangs(idol):
    def give_up(*_):
        raise RuntimeError("too long")
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    while True:
        idol.Sensor.get(id=0)

def test_next(idol, board):
    assert idol.Sensor.get(id=0).value == board.Sensor.get(id=0).value == 21.5

def test_loses_its_connection(idol):
    idol.session.target.need(BoardLink).board.client.close()
    idol.Sensor.get(id=0)

def test_gets_the_board_back(idol):
    idol.Sensor.get(id=0)

def test_that_is_not_watched_loses_it(idoldbg_pool):
    idoldbg_pool.main().device.session.target.need(BoardLink).board.client.close()

def test_last(idol):
    assert idol.Sensor.get(id=0).value == 21.5
"""


@pytest.mark.slow
def test_connection_is_made_anew_before_the_lab_is_blamed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(INTERRUPTED)
    with running_board("interrupted", board=F4):
        options = ("--idoldbg-probe=emu:interrupted", "--idoldbg-evidence=evidence")
        result = pytester.runpytest_inprocess(*ARGUMENTS, *options)
    result.assert_outcomes(passed=4, failed=1, errors=1)
    assert list((pytester.path / "evidence").glob("*test_hangs.core")), "there is evidence, too"
    result.stdout.fnmatch_lines(["INFRASTRUCTURE *test_loses_its_connection*"])


MAY_DIE = """
import pytest

def kill(device):
    with pytest.raises(Exception):
        device["victim"].Victim.panic(code=7)

@pytest.mark.may_die("victim")
def test_dies(idol):
    kill(idol)

@pytest.mark.may_die("victim", "jefe")
def test_lives(idol):
    pass

@pytest.mark.may_die("victim")
@pytest.mark.expect_death("victim")
def test_must_die(idol):
    pass

@pytest.mark.may_die("spi")
def test_another_dies(idol):
    kill(idol)

@pytest.mark.may_die("victim")
def test_fails_beside(idol):
    kill(idol)
    assert not "an error of its own"

@pytest.mark.may_die("vicitm")
def test_misspelt(idol):
    pass

@pytest.mark.may_die
def test_without_names(idol):
    pass

@pytest.mark.may_die("victim")
def test_without_fixture():
    pass

@pytest.mark.dut("a", chip="lpc55")
def test_dut_without_fixture(idol):
    pass

@pytest.mark.dut("a", chip="stm32f4")
@pytest.mark.dut("b", chip="lpc55")
@pytest.mark.may_die("b.victim")
@pytest.mark.parametrize("name", ["a", "b"])
def test_one_of_two(dut, name):
    kill(getattr(dut, name))

@pytest.mark.dut("a", chip="stm32f4")
@pytest.mark.dut("b", chip="lpc55")
@pytest.mark.may_die("c.victim")
def test_no_such_board(dut):
    pass
"""


def test_tasks_that_may_die(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MAY_DIE)
    result = pytester.runpytest_inprocess(*ARGUMENTS, "--strict-markers", "-rA")
    text = result.stdout.str()
    passed = {line.split("::")[1] for line in text.splitlines() if line.startswith("PASSED")}
    assert passed == {"test_dies", "test_lives", "test_one_of_two[b]"}
    assert "task `victim` was expected to die, and did not" in text
    assert "one that does not care, @pytest.mark.may_die('victim')" in text
    assert "(generation 0 → 1), as it may (may_die)" in text or "as it may (may_die)" in text
    assert "@pytest.mark.may_die: no task `vicitm`; did you mean `victim`?" in text
    assert 'it is @pytest.mark.may_die("task", …), with names' in text
    assert "@pytest.mark.may_die does nothing without the fixture `idol` or `dut`" in text
    assert "@pytest.mark.dut does nothing without the fixture `dut`" in text
    assert "a: task `victim` died" in text
    assert "@pytest.mark.may_die: no board `c`; there are a, b" in text


@pytest.mark.parametrize(
    ("entries", "dies", "message"),
    [
        ("victim", True, ""),
        ("victim", False, ""),
        (f"jefe\n  {F4}.victim", True, ""),
        (f"victim, {LPC}.victim", True, ""),
        (f"{LPC}.victim", True, "task `victim` died"),
        ("vicitm", False, "idoldbg_may_die: no task `vicitm`; did you mean `victim`?"),
        ("nowhere.victim", False, "idoldbg_may_die: no board `nowhere`"),
    ],
)
def test_ini_list_of_tasks_that_may_die(
    pytester: pytest.Pytester, entries: str, dies: bool, message: str
) -> None:
    pytester.makeini(f"[pytest]\nidoldbg_may_die = {entries}\n")
    call = "idol['victim'].Victim.panic(code=7)" if dies else "raise ValueError"
    pytester.makepyfile(
        f"import pytest\ndef test_it(idol):\n    with pytest.raises(Exception):\n        {call}\n"
    )
    result = pytester.runpytest_inprocess(*ARGUMENTS)
    result.assert_outcomes(passed=not message, failed=bool(message))
    assert message in result.stdout.str()
