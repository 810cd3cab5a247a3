"""A whole lab: coordinator, three hosts, eight boards; and what may go wrong in it."""

from __future__ import annotations

import json
import os
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg import cli
from idoldbg.session import demo_archive
from tests.conftest import ARCHIVES, wait_until
from tests.farm.lab import LIMIT_S, POWER, Lab, running_lab, skip_reason
from tests.farm.test_everywhere import guide_test
from tests.tools import lacking

pytest.importorskip("labgrid")

F4, LPC, G0 = "stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031"
DEMO = demo_archive(F4)
NO_HIFFY = DEMO.with_name("stm32f4-discovery-no-hiffy.zip")
HOSTS = {
    "hosta": {"a1": F4, "a2": F4, "a3": LPC},
    "hostb": {"b1": F4, "b2": G0, "b3": LPC},
    "hostc": {"c1": F4, "c2": F4, "c3": f"{F4}@{NO_HIFFY}", "psu": POWER},
}

# Patient with boards: on a busy machine, nine of them start slowly.
RUN = ("farm", "run", "--timeout", "30")

# Every place says that it has begun, and goes on when it is told to (or is ended with the lab).
SUITE = """
import os, time
from pathlib import Path
import pytest

FOLDER = Path(__file__).parent

def test_begins(idol):
    assert idol.Sensor.get(id=0).value == 21.5
    (FOLDER / f"begun-{os.environ['LG_PLACE']}").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.1)

@pytest.mark.parametrize("number", range(4))
def test_calls(idol, number):
    idol.Sensor.post(id=2, value=number)
    assert idol.Sensor.get(id=2).value == number

@pytest.mark.expect_death("victim")
def test_death(idol):
    with pytest.raises(Exception):
        idol["victim"].Victim.panic(code=7)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    reason = skip_reason()
    if reason is not None:
        lacking(reason)
    with running_lab(tmp_path_factory.mktemp("lab"), HOSTS) as running:
        yield running


def write_suite(folder: Path, text: str = SUITE) -> Path:
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_lab.py").write_text(text)
    return folder


@pytest.mark.slow
def test_status_shows_places_and_their_holders(lab: Lab) -> None:
    done = lab.run("farm", "status")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["PLACE", "STATE", "TAGS", "EXPORTER", "HOLDER"]
    assert ["b2", "free", f"board={G0}", "chip=stm32g0", "hostb", "-"] in rows
    assert len(rows) == 11


@pytest.mark.slow
def test_places_are_matched_by_chip(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite")
    (suite / "go").touch()
    arguments = ("--match", "chip=lpc55", "-o", str(tmp_path / "out"), "--", str(suite))
    done = lab.run(*RUN, "--format", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert [place["place"] for place in result["places"]] == ["a3", "b3"]
    assert {place["board"] for place in result["places"]} == {LPC}
    assert result["summary"]["passed"] == 12


@pytest.mark.slow
def test_file_of_the_first_guide_passes_on_a_place(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", guide_test())
    done = lab.run(*RUN, "--places", "a1", "-o", str(tmp_path / "o"), "--", str(suite))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1].split()[:3] == ["a1", F4, "7"]


@pytest.mark.slow
def test_board_with_another_image_is_flashed_only_when_asked(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite")
    (suite / "go").touch()
    options = ("--places", "c3", "-a", str(DEMO), "-o", str(tmp_path / "out"))
    done = lab.run(*RUN, *options, "--", str(suite))
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the target runs another image" in (tmp_path / "out" / "junit.xml").read_text()
    done = lab.run(*RUN, "--flash", *options, "--", str(suite))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_lost_boards_are_distinguished_from_failures(lab: Lab, tmp_path: Path) -> None:
    """An exporter is killed, a board hangs, another client is killed; the others finish."""
    suite, other = write_suite(tmp_path / "suite"), write_suite(tmp_path / "other")
    places = "a1,a2,a3,b1,b2,b3,c1"
    out = tmp_path / "out"
    run = lab.start(*RUN, "--places", places, "-o", str(out), "--", str(suite))
    victim = lab.start(*RUN, "--places", "c2", "-o", str(tmp_path / "v"), "--", str(other))
    begun = [suite / f"begun-{place}" for place in places.split(",")] + [other / "begun-c2"]
    wait_until(lambda: all(p.exists() for p in begun), "all suites have begun", LIMIT_S)

    victim.kill()
    victim.communicate()
    _kill_exporter(lab, "hostb")
    (hung,) = _servers(lab, "hosta", "emu-stm32f4-discovery")[:1]
    os.kill(hung, signal.SIGSTOP)
    (suite / "go").touch()

    stdout, stderr = run.communicate(timeout=LIMIT_S)
    _check_outcomes(out, stdout + stderr)
    assert run.returncode == 4, stdout + stderr
    wait_until(lambda: _all_free(lab), "all places are given back", LIMIT_S)
    for word in ("pytest", "idoldbg.farm.watchdog", "server"):  # boards end with their places
        wait_until(lambda word=word: not lab.processes(word), f"no {word} is left", LIMIT_S)


def _kill_exporter(lab: Lab, name: str) -> None:
    (host,) = (host for host in lab.hosts if host.name == name)
    assert host.process is not None
    host.process.kill()
    host.process.wait()


def _servers(lab: Lab, host: str, unique_id: str) -> list[int]:
    """Return the servers of one host's boards, by their network namespace."""
    inode = (
        Path(f"/run/netns/{next(h.namespace for h in lab.hosts if h.name == host)}").stat().st_ino
    )
    pids = lab.processes("server", unique_id)
    return [pid for pid in pids if Path(f"/proc/{pid}/ns/net").stat().st_ino == inode]


def _check_outcomes(out: Path, message: str) -> None:
    result = json.loads((out / "results.json").read_text())
    by_place = {place["place"]: place["summary"] for place in result["places"]}
    assert result["summary"]["failed"] == result["summary"]["error"] == 0, message
    lost = {name for name, summary in by_place.items() if summary["infrastructure"]}
    assert lost - {"a1", "a2"} == {"b1", "b2", "b3"}, message
    assert len(lost & {"a1", "a2"}) == 1, "one of the two equal boards of host a hung"
    for name, summary in by_place.items():
        assert summary["passed"] == 6 or name in lost, message
    root = ET.parse(out / "junit.xml").getroot()
    assert root.get("failures") == "0"
    errors = [error.get("type") for error in root.iter("error")]
    assert len(errors) == result["summary"]["infrastructure"]
    assert set(errors) == {"infrastructure"}


def _all_free(lab: Lab) -> bool:
    states = lab.states().items()
    return all(state == ("away" if name.startswith("b") else "free") for name, state in states)


@pytest.mark.slow
def test_run_that_is_ended_gives_its_places_back(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite")
    run = lab.start(*RUN, "--places", "c1,c2", "-o", str(tmp_path / "o"), "--", str(suite))
    wait_until((suite / "begun-c1").exists, "the suite has begun", LIMIT_S)
    run.terminate()
    stdout, stderr = run.communicate(timeout=LIMIT_S)
    assert run.returncode == 4, stdout + stderr
    assert "the farm run was ended by SIGTERM" in stdout
    assert {lab.states()[name] for name in ("c1", "c2")} == {"free"}
    assert (tmp_path / "o" / "report.html").exists()


@pytest.mark.slow
def test_place_has_a_limit_of_its_own(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite", "def test_hangs(idol):\n    __import__('time').sleep(3600)\n"
    )
    options = ("--places", "c1", "--place-timeout", "2", "-o", str(tmp_path / "o"))
    done = lab.run("farm", "run", *options, "--", str(suite))
    assert done.returncode == 4
    assert "c1: not done after 2 s (--place-timeout)" in done.stdout


@pytest.mark.slow
def test_a_run_ended_by_ctrl_c_is_reported(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite")
    run = lab.start(*RUN, "--places", "c1", "-o", str(tmp_path / "o"), "--", str(suite))
    wait_until((suite / "begun-c1").exists, "the suite has begun", LIMIT_S)
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(timeout=LIMIT_S)
    assert run.returncode == 130, stdout + stderr
    assert lab.states()["c1"] == "free"
    assert (tmp_path / "o" / "junit.xml").exists()


ENDING = """
import ctypes, os
import pytest

def test_before(idol):
    pass

def test_ends(idol):
    {}

def test_after(idol):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("os._exit(0)", "pytest's process had exit status 0"),
        ("ctypes.string_at(0)", "pytest's process was killed by signal SIGSEGV"),
        ("os.kill(os.getpid(), 40)", "pytest's process was killed by signal 40"),
        ("pytest.exit('enough')", "the tests were interrupted: enough"),
    ],
)
def test_test_that_ends_its_process_has_failed(
    lab: Lab, tmp_path: Path, how: str, reason: str
) -> None:
    suite = write_suite(tmp_path / "suite", ENDING.format(how))
    out = tmp_path / "o"
    done = lab.run(*RUN, "--places", "c1", "-o", str(out), "--", str(suite))
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"test_ends: {reason} while this test ran" in done.stdout
    assert f"test_after: did not run: {reason} in " in done.stdout
    summary = json.loads((out / "results.json").read_text())["summary"]
    expected = {"passed": 1, "failed": 1, "error": 1, "infrastructure": 0, "skipped": 0}
    assert summary == expected
    assert lab.states()["c1"] == "free"


@pytest.mark.slow
def test_tests_after_the_first_failure_are_not_the_lab_s_fault(lab: Lab, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", ENDING.format("assert not 'this'"))
    options = ("--places", "c1", "-o", str(tmp_path / "o"))
    done = lab.run(*RUN, *options, "--", "-x", str(suite))
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[1].split()[2:7] == ["1", "1", "1", "0", "0"]


@pytest.mark.slow
def test_errors_of_use_are_found_before_a_place_is_taken(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And say what there is."""
    from idoldbg.farm.coordinator import Coordinator

    suite = write_suite(tmp_path / "suite")
    broken = tmp_path / "broken.yaml"
    broken.write_text("targets: {main: [")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Coordinator, "acquire", lambda *_: pytest.fail("a place was taken"))
    monkeypatch.setenv("LG_COORDINATOR", lab.coordinator)
    for arguments, code, message in (
        (("--places", "z9"), 2, "the coordinator has no place `z9`: it has a1, a2"),
        (("--match", "chip=z80"), 2, "no place matches chip=z80"),
        (("--match", "chip"), 2, "`chip` is not TAG=VALUE"),
        (("--coordinator", "127.0.0.1:1"), 4, "no labgrid coordinator answers at 127.0.0.1:1"),
        (("--places", "psu"), 2, "place `psu` has no board that idoldbg can use"),
        (("--match", "board=power"), 2, "place `psu` has no board that idoldbg can use"),
        (("-a", "nofile.zip"), 2, "--archive: nofile.zip: cannot be read"),
        (("-a", str(ARCHIVES / "nucleo-g031.zip")), 2, "these places have other chips: "),
        (("--coordinator", "here:there"), 2, "`here:there` is not HOST:PORT"),
        (("-p", "pyocd"), 2, "--probe (or IDOLDBG_PROBE) has no effect"),
        (("-b", F4), 2, "--board (or IDOLDBG_BOARD) has no effect"),
        (("--flash",), 2, "--flash needs the build to flash"),
        (("--flash", "--lg-env", str(broken)), 2, "--flash has no effect with --lg-env"),
        (("--lg-env", str(broken), "--", str(suite)), 2, "collecting the tests ended with"),
        (("-o", "/dev/null/o"), 4, "--output /dev/null/o: "),
        (("--", "nowhere"), 2, "file or directory not found: nowhere"),
        (("--", "--nonsense"), 2, "unrecognized arguments: --nonsense"),
        (("--", str(suite), "-k", "nothing"), 2, "no tests are collected"),
        (("--", "--lg-env=x"), 2, "--lg-env is what `farm run` gives to each pytest itself"),
        (("--", str(suite), "--idoldbg-probe=emu"), 2, "--idoldbg-probe has no effect with --lg-"),
    ):
        found = cli.run(["farm", "run", *arguments])
        said = capsys.readouterr().err
        assert (found, message in said) == (code, True), f"{arguments}: {found}: {said}"
        assert "Traceback" not in said


@pytest.mark.slow
def test_power_supply_is_not_taken_for_a_board(lab: Lab, tmp_path: Path) -> None:
    from idoldbg.farm.coordinator import Coordinator
    from idoldbg.farm.runner import FarmOptions, choose_places

    places = Coordinator(lab.coordinator).places()
    chosen = choose_places(places, FarmOptions(tmp_path))
    assert {place.name for place in places} - {place.name for place in chosen} == {"psu"}
    own = FarmOptions(tmp_path, names=("psu",), environment=tmp_path / "own.yaml")
    assert [place.name for place in choose_places(places, own)] == ["psu"]
