"""The commands about a lab, in a lab of one exporter and two boards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("labgrid")

from idoldbg.farm.coordinator import Coordinator, Holder
from tests.conftest import free_port, wait_until
from tests.farm.lab import LIMIT_S, Lab, running_lab, skip_reason

BOARD = "stm32f4-discovery"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    reason = skip_reason()
    if reason is not None:
        pytest.skip(reason)
    with running_lab(tmp_path_factory.mktemp("lab"), {"ha": {"a1": BOARD, "a2": BOARD}}) as lab:
        yield lab


def other(lab: Lab) -> Coordinator:
    return Coordinator(lab.coordinator, Holder("desk", "ann"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "idoldbg", *arguments],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def test_doctor_finds_nothing_wrong(lab: Lab) -> None:
    done = lab.run("farm", "doctor", "--format", "json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert answer["schema"] == "idoldbg.farm.doctor/1"
    levels = {check["subject"]: check["level"] for check in answer["checks"]}
    assert levels["coordinator"] == levels["place a1"] == levels["exporter ha"] == "ok"


def test_doctor_says_what_to_do_without_a_coordinator() -> None:
    done = run("farm", "doctor", "--coordinator", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "nothing listens at 127.0.0.1" in done.stdout
    assert "do: on its host: labgrid-coordinator" in done.stdout
    assert "1 error" in done.stdout


def test_reserved_place_is_kept_for_who_asked(lab: Lab) -> None:
    done = lab.run("farm", "reserve", "name=a1", "--format", "json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["place"] == "a1"
    assert lab.states()["a1"] == "reserved"
    shown = lab.run("farm", "queue")
    assert answer["token"] in shown.stdout and "name=a1" in shown.stdout
    with pytest.raises(Exception, match="was not reserved for desk/ann"):
        other(lab).acquire("a1")
    assert lab.run("farm", "cancel", answer["token"]).returncode == 0
    assert lab.states()["a1"] == "free"
    assert "nobody waits" in lab.run("farm", "queue").stdout


def test_wait_in_the_queue_has_a_limit_and_leaves_nothing(lab: Lab) -> None:
    ann = other(lab)
    ann.acquire("a2")
    try:
        done = lab.run("farm", "reserve", "name=a2", "--wait", "1.5")
        assert done.returncode == 3 or done.returncode == 4
        assert "no place with name=a2 became free within 1.5 s" in done.stderr
        assert Coordinator(lab.coordinator).reservations() == []
    finally:
        ann.release("a2")


def test_farm_run_waits_in_the_queue(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "def test_calls(idol):\n    assert idol.Sensor.reading(id=0)\n"
    )
    ann = other(lab)
    ann.acquire("a1")
    try:
        refused = lab.run("farm", "run", "--places", "a1", "-o", str(tmp_path / "r"), "--",
                          str(tmp_path))  # fmt: skip
        assert refused.returncode == 4 and "--queue SECONDS waits for one" in refused.stderr
        started = lab.start("farm", "run", "--places", "a1", "--queue", "200", "-o",
                            str(tmp_path / "o"), "--", str(tmp_path))  # fmt: skip
        wait_until(lambda: bool(ann.reservations()), "the run is in the queue", LIMIT_S)
    finally:
        ann.release("a1")
    out, err = started.communicate(timeout=LIMIT_S)
    assert started.returncode == 0, out + err
    assert ann.reservations() == [] and lab.states()["a1"] == "free"


def test_queue_takes_tags_or_one_name(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_calls(idol):\n    pass\n")
    ann = other(lab)
    for name in ("a1", "a2"):
        ann.acquire(name)
    try:
        done = lab.run(
            "farm", "run", "--queue", "5", "-o", str(tmp_path / "o"), "--", str(tmp_path)
        )
        assert done.returncode == 2
        assert "--queue: labgrid's queue is for tags or for one place" in done.stderr
    finally:
        for name in ("a1", "a2"):
            ann.release(name)


@pytest.mark.parametrize("tags", [["chip"], ["=x"], []])
def test_tags_of_the_wrong_form_are_refused(tags: list[str]) -> None:
    done = run("farm", "reserve", *tags)
    assert done.returncode == 2 and "Try `idoldbg farm reserve --help`." in done.stderr


def test_missing_pytest_is_named_by_its_extra(lab: Lab, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['pytest'] = None; import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pytest' else find(name, *a)\n"
        "from idoldbg.__main__ import main\n"
        f"sys.argv = ['idoldbg', 'farm', 'run', '-o', {str(tmp_path / 'o')!r}, '--', '.']\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=lab.environment, cwd=tmp_path,
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "pip install 'idoldbg[pytest]'" in done.stderr


def test_dashboard_is_written_once(lab: Lab, tmp_path: Path) -> None:
    page = tmp_path / "lab.html"
    done = lab.run("farm", "dashboard", "--once", "-o", str(page))
    assert done.returncode == 0, done.stderr
    assert "a1" in page.read_text() and "free" in page.read_text()


def test_dashboard_without_coordinator_says_so_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "lab.html"
    address = f"127.0.0.1:{free_port()}"
    done = run("farm", "dashboard", "--once", "--coordinator", address, "-o", str(page))
    assert done.returncode == 4
    assert "no labgrid coordinator answers" in page.read_text()


def test_exporter_checks_its_file_and_has_its_own_help(tmp_path: Path) -> None:
    config = tmp_path / "boards.yaml"
    config.write_text(f"bench:\n  IdoldbgEmulatedBoard:\n    board: {BOARD}\n")
    good = run("farm", "exporter", "--check", str(config))
    assert good.returncode == 0, good.stderr
    assert "bench" in good.stdout and f"board={BOARD}" in good.stdout
    config.write_text("bench:\n  IdoldbgEmulatedBoard:\n    bord: x\n")
    bad = run("farm", "exporter", "--check", str(config))
    assert bad.returncode == 2 and "did you mean `board`?" in bad.stderr
    shown = run("farm", "exporter", "--help").stdout
    assert "IdoldbgProbe:" in shown and "--check" in shown and "idoldbg farm doctor" in shown
