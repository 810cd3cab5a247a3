"""The pytest plug-in as its users see it: outcomes, reports, JUnit files, several boards."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest

from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.pytest_plugin import pool  # runs in this process share it, instead of loading it anew
from idoldbg.pytest_plugin.evidence import file_stem
from idoldbg.pytest_plugin.places import Place, PlaceLock
from idoldbg.session import demo_archive
from idoldbg.views.tasks import read_tasks

pytest_plugins = "pytester"

# labgrid's plug-in keeps process-wide state; these runs are in this process.
ARGUMENTS = ("-p", "no:labgrid", "-p", "no:cacheprovider")

OUTCOMES = """
import pytest
from idoldbg.errors import LinkError

def test_passes(idol):
    reply = idol.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
    assert reply.leases.sink == b"\\xff\\xef\\x40\\x18"

def test_fails(idol):
    idol.UserLeds.led_on(index=0)
    assert idol.Sensor.get(id=0).value == 3

def test_kills_a_task_unseen(idol):
    with pytest.raises(Exception):
        idol["victim"].Victim.panic(code=7)

@pytest.mark.expect_death("victim")
def test_kills_a_task_on_purpose(idol):
    with pytest.raises(Exception):
        idol["victim"].Victim.panic(code=7)

@pytest.mark.expect_death("spi")
def test_expects_a_death_in_vain(idol):
    pass

def test_loses_its_probe(idol):
    raise LinkError("the probe is gone")

def test_gets_the_board_back(idol):
    assert idol.Sensor.get(id=0).value == 21.5

def test_a_reset_does_not_count_as_a_death(idol):
    idol.reset()
    assert idol.Sensor.get(id=0).value == 21.5
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(test_board=OUTCOMES)
    return pytester.runpytest_inprocess(
        *ARGUMENTS,
        *("--junitxml=junit.xml", "--idoldbg-evidence=evidence", "--idoldbg-results=lines"),
    )


def test_outcomes_evidence_and_junit(run: pytest.RunResult, pytester: pytest.Pytester) -> None:
    run.assert_outcomes(passed=4, failed=3, errors=1)
    _check_terminal(run.stdout.str())
    _check_evidence(pytester.path / "evidence")
    _check_junit(ET.parse(pytester.path / "junit.xml").getroot())
    _check_lines((pytester.path / "lines").read_text())


HANGS = """
import pytest
from idoldbg.errors import CallTimeout

def hang(victim):
    victim.hold()
    try:
        victim.Victim.panic(code=3)
    finally:
        victim.release()

@pytest.mark.expect_death("victim")
def test_means_it(idol):
    idol.timeout_s = 0.4
    with pytest.raises(CallTimeout):
        hang(idol["victim"])

@pytest.mark.expect_death("victim")
def test_does_not(idol):
    idol.timeout_s = 0.4
    hang(idol["victim"])
"""


def test_a_hiffy_that_was_restarted_here_has_not_died(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_hangs=HANGS)
    done = pytester.runpytest_inprocess(*ARGUMENTS)
    done.assert_outcomes(passed=1, failed=1)
    text = done.stdout.str()
    assert "task `hiffy` did not answer, and was restarted by idoldbg" in text
    assert "recorded why" not in text


def _check_terminal(text: str) -> None:
    death = "task `victim` died: panicked at task/victim/src/main.rs"
    assert f"{death}:42:9: told to panic with code 7 (generation 0 → 1)" in text
    assert "@pytest.mark.expect_death('victim')" in text
    assert "task `spi` was expected to die, and did not" in text
    assert "user_leds.drv_user_leds::idl::__USERLEDS_SERVER_COUNTERS.led_on.Ok  +1" in text
    assert "userlib::syscall::syscall_stub" in text
    assert "core::panicking::panic_fmt" in text, "the stack is that of the fault"
    assert "ERROR at call of test_loses_its_probe" in text


def _check_evidence(folder: Path) -> None:
    (dump,) = folder.glob("*test_kills_a_task_unseen.core")
    build = open_build(dump)
    tasks = read_tasks(Program(build.archive, build.memory)).rows
    (victim,) = (t for t in tasks if t.name == "victim")
    assert victim.generation == 0
    assert victim.fault is not None, "the dump is of the fault, not of the restarted task"
    assert build.registers is not None
    assert "pc" in build.registers
    (record,) = folder.glob("*test_fails.json")
    board = json.loads(record.read_text())["boards"][0]
    assert board["facts"]["board"] == "stm32f4-discovery"
    titles = [title for title, _ in board["sections"]]
    assert titles == ["tasks", "stacks", "counters that moved", "core dump", "history"]
    assert board["problems"] == []
    assert not list(folder.glob("*loses*")), "a board that is lost has nothing more to say"


def _check_junit(root: ET.Element) -> None:
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "3", "1")
    cases = {case.get("name"): case for case in suite}
    properties = {p.get("name"): p.get("value") for p in cases["test_passes"].iter("property")}
    assert properties["board"] == "stm32f4-discovery"
    assert properties["chip"] == "stm32f4"
    assert properties["probe"] == "emu"
    image_id = open_build(demo_archive("stm32f4-discovery")).archive.image_id
    assert image_id is not None
    assert properties["image_id"] == image_id.hex()
    (error,) = cases["test_loses_its_probe"].iter("error")
    assert error.get("type") == "infrastructure"
    assert error.get("message") == "infrastructure: the probe is gone"
    assert not list(cases["test_loses_its_probe"].iter("failure"))
    (failure,) = cases["test_fails"].iter("failure")
    assert "stacks" in (failure.text or "")


def _check_lines(text: str) -> None:
    events = [json.loads(line) for line in text.splitlines()]
    assert events[0]["event"] == "collected"
    assert len(events[0]["tests"]) == 8
    assert events[-1] == {"event": "finished", "exit_status": 1}
    lost = [e for e in events if e.get("infrastructure")]
    assert [e["test"] for e in lost] == ["test_board.py::test_loses_its_probe"]


def test_errors_of_idoldbg_show_the_line_of_the_test_alone(pytester: pytest.Pytester) -> None:
    source = "def test_it(idol):\n    idol.Spi.exchange(device_index=7, sink=1)\n"
    pytester.makepyfile(test_board=source)
    out = pytester.runpytest_inprocess(*ARGUMENTS).stdout.str()
    assert ">       idol.Spi.exchange(device_index=7, sink=1)" in out
    assert "BadDevice" in out
    assert "caller.py" not in out
    assert "caller.py" in pytester.runpytest_inprocess(*ARGUMENTS, "--full-trace").stdout.str()


def test_two_boards_in_one_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_two="""
        import pytest

        @pytest.mark.dut("rot", chip="lpc55")
        @pytest.mark.dut(name="sp", chip="stm32f4")
        def test_both(dut):
            assert dut.sp.program.archive.board == "stm32f4-discovery"
            assert dut.rot.program.archive.board == "lpcxpresso55s69"
            assert dut.sp.Sensor.get(id=0).value == dut.rot.Sensor.get(id=0).value

        @pytest.mark.dut("a", board="stm32f4-discovery")
        @pytest.mark.dut("b", board="stm32f4-discovery")
        def test_same_kind_but_not_the_same(dut):
            dut.a.Sensor.post(id=2, value=7.0)
            dut.b.Sensor.post(id=2, value=8.0)
            assert dut.a.Sensor.get(id=2).value == 7.0

        @pytest.mark.dut("x", chip="z80")
        def test_no_such_chip(dut):
            pass

        def test_without_marker(dut):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*ARGUMENTS)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*no place has chip z80; there are *"])
    result.stdout.fnmatch_lines(["*the fixture `dut` needs @pytest.mark.dut(name=*"])


def test_wrong_image_is_the_lab_s_fault(pytester: pytest.Pytester) -> None:
    """The board runs one build, the tests were given another one."""
    pytester.makeconftest(
        """
        import pytest
        from idoldbg.session import emulated_board
        from idoldbg.target.emulated.pyocd_probe.boards import register_board
        register_board("other", lambda: emulated_board("stm32f4-discovery"))
        """
    )
    pytester.makepyfile(test_board="def test_a(idol): pass\ndef test_b(idol): pass\n")
    archive = demo_archive("stm32f4-discovery").with_name("stm32f4-discovery-no-hiffy.zip")
    # In a process of its own: what pyOCD brings along changes `importlib.metadata` for good.
    result = pytester.runpytest_subprocess(
        *ARGUMENTS, f"--idoldbg-archive={archive}", "--idoldbg-probe=pyocd:other"
    )
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*the target runs another image*"])


def test_boards_of_humility_s_environment_file(pytester: pytest.Pytester) -> None:
    archive = demo_archive("lpcxpresso55s69")
    target = {"probe": "emu", "archive": str(archive), "description": "on the desk"}
    Path("lab.json").write_text(json.dumps({"lucky": target}))
    pytester.makepyfile(
        test_board="""
        def test_it(idol, request):
            assert idol.program.archive.board == "lpcxpresso55s69"
            assert ("place", "lucky") in request.node.user_properties
        """
    )
    pytester.runpytest_inprocess(*ARGUMENTS, "--idoldbg-env=lab.json").assert_outcomes(passed=1)


def test_board_in_use_is_waited_for_then_the_lab_s_fault(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(pytester.path))
    monkeypatch.setattr(pool, "attach", lambda *_, **__: pytest.fail("used"))
    lock = PlaceLock.try_acquire(Place("desk", probe="pyocd:0669"), "pytest gw3")
    assert lock is not None
    waited_s: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited_s), sleep=waited_s.append)
    monkeypatch.setattr(pool, "time", clock)
    tests = "".join(f"def test_{number}(idol): pass\n" for number in range(20))
    pytester.makepyfile(test_board=tests)
    options = ("--idoldbg-boards=desk=pyocd:0669", "--idoldbg-wait=60")
    result = pytester.runpytest_inprocess(*ARGUMENTS, *options)
    lock.release()
    result.assert_outcomes(errors=20)
    result.stdout.fnmatch_lines(["*INFRASTRUCTURE*"])
    assert 60 <= sum(waited_s) < 62, "the time is waited once, not for each test"
    result.stdout.fnmatch_lines(["*desk is used by pytest gw3 (process *"])


@pytest.mark.slow
def test_workers_of_xdist_share_no_board(pytester: pytest.Pytester) -> None:
    """Two boards that other processes keep, three workers: one of them has to wait."""
    from idoldbg.target.emulated.server import running_board

    pytester.makepyfile(
        test_board="""
        import os, pytest

        @pytest.mark.parametrize("number", range(6))
        def test_alone(idol, number):
            mark = float(os.getpid())
            idol.Sensor.post(id=2, value=mark)
            for _ in range(3):
                assert idol.Sensor.get(id=2).value == mark
        """
    )
    with (
        running_board("xdist-a", board="stm32f4-discovery"),
        running_board("xdist-b", board="stm32f4-discovery"),
    ):
        result = pytester.runpytest_subprocess(
            *ARGUMENTS, "-n3", "--idoldbg-boards=emu:xdist-a,emu:xdist-b", timeout=300
        )
    result.assert_outcomes(passed=6)


def test_plugin_costs_nothing_when_it_is_not_used(tmp_path: Path) -> None:
    """Only itself and the standard library are loaded; the rest comes with the first fixture."""
    (tmp_path / "test_other.py").write_text("def test_it(): pass\n")
    code = (
        "import sys, pytest; pytest.main(['-q', '-p', 'no:labgrid', '-p', 'no:cacheprovider']);"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('idol', 'idoldbg')))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-2].startswith("1 passed"), out.stdout
    idol = ["idol", "idol.hints", "idol.patterns", "idol.printable"]  # quicker than `typing`, `re`
    shared = [*idol, "idoldbg", "idoldbg.errors"]
    plugin = [f"idoldbg.pytest_plugin{name}" for name in ("", ".junit", ".options")]
    assert out.stdout.splitlines()[-1] == str([*shared, *plugin])


MARKERS = """
import pytest

@pytest.mark.expect_death("vicitm")
def test_misspelt(idol):
    pass

@pytest.mark.expect_death
def test_without_names(idol):
    pass

@pytest.mark.dut("sp", chop="stm32f4")
def test_unknown_argument(dut):
    pass
"""


def test_markers_that_make_no_sense_are_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKERS)
    done = pytester.runpytest_inprocess(*ARGUMENTS)
    done.assert_outcomes(failed=2, errors=1)
    text = done.stdout.str()
    assert "@pytest.mark.expect_death: no task `vicitm`; did you mean `victim`?" in text
    assert 'it is @pytest.mark.expect_death("task", …), with names' in text
    assert "@pytest.mark.dut has no argument `chop`" in text
    assert "pytest_plugin" not in text, "no traceback of ours"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--idoldbg-results", "/dev/null/results"), "--idoldbg-results: "),
        (("-o", "idoldbg_timeout=soon"), "idoldbg_timeout (-o): give seconds"),
        (("--idoldbg-env=nowhere.json",), "--idoldbg-env: nowhere.json"),
        (("--idoldbg-boards=a,b",), "--idoldbg-boards: `a` is neither a target"),
    ],
)
def test_options_that_make_no_sense_are_errors_of_use(
    pytester: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest_inprocess(*ARGUMENTS, *arguments)
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str()


def test_a_missing_archive_is_reported_in_a_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_calls(idol): pass")
    done = pytester.runpytest_inprocess(*ARGUMENTS, "--idoldbg-archive=nowhere.zip")
    done.assert_outcomes(errors=1)
    assert "nowhere.zip: cannot be read" in done.stdout.str()
    assert "pytest_plugin" not in done.stdout.str()


def test_files_of_tests_with_like_names_do_not_overwrite_each_other() -> None:
    names = ["t.py::t[a/b]", "t.py::t[a-b]", "t.py::t[é]", "t.py::t[è]", f"t.py::t[{'x' * 300}]"]
    stems = [file_stem(name, "") for name in [*names, f"t.py::t[{'x' * 301}]"]]
    assert len(set(stems)) == len(stems)
    assert all(len(stem) < 160 and "/" not in stem for stem in stems)
    assert file_stem("tests/test_a.py::test_b", "gw0") == "tests-test_a.py-test_b.gw0"
