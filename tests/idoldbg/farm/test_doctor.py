"""`idoldbg farm doctor`: each thing that can be wrong with a lab, told with what to do."""

from __future__ import annotations

import socket
import threading
from importlib.metadata import PackageNotFoundError, version

import pytest

pytest.importorskip("labgrid")

from idol.records import replace
from idoldbg.errors import LinkError
from idoldbg.farm import doctor
from idoldbg.farm.coordinator import Coordinator, FarmPlace, Offer
from idoldbg.farm.doctor import Check, Level, diagnose_lab
from idoldbg.target.probe.link import ProbeListing
from tests.conftest import free_port

GOOD = FarmPlace(
    "bench", {"chip": "stm32f4", "board": "b"}, None, 0.0, exporters=("rack",), boards=("b",),
    classes=("NetworkIdoldbgProbe",), matches=("rack/bench/*",),
)  # fmt: skip
OFFER = Offer(
    "rack", "bench", "x", "NetworkIdoldbgProbe", True, None, "127.0.0.1", version("idoldbg")
)
NONE = ProbeListing((), ())


def the_bad(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.level is not Level.OK]


def test_nothing_is_wrong_with_a_good_lab() -> None:
    assert the_bad(doctor.check_places([GOOD])) == []
    assert the_bad(doctor.check_exporters([OFFER])) == []
    assert doctor.check_use([GOOD], [OFFER]) == []
    assert the_bad(doctor.check_versions()) == []


@pytest.mark.parametrize(
    ("change", "level", "message", "advice"),
    [
        ({"matches": ()}, Level.ERROR, "names no resource", "labgrid-client -p bench add-match"),
        ({"missing": ("rack/bench/*",)}, Level.ERROR, "no exporter offers rack/bench/*", "start"),
        ({"broken": ("rack: no USB",)}, Level.ERROR, "is broken: rack: no USB", "exporter's log"),
        ({"tags": {}}, Level.NOTE, "has no tags", "set-tags"),
        (
            {"boards": ("other",)},
            Level.WARNING,
            "its exporter offers other",
            "set-tags board=other",
        ),
        ({"classes": ("NetworkPowerPort",)}, Level.NOTE, "only NetworkPowerPort", ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_place_is_reported(
    change: dict[str, object], level: Level, message: str, advice: str
) -> None:
    (check,) = doctor.check_places([replace(GOOD, **change)])
    assert check.level is level and check.subject == "place bench"
    assert message in check.message and advice in check.advice


def test_place_left_by_a_killed_run_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_stale", lambda holder: holder == "host/me-farm-1-2")
    (check,) = doctor.check_places([replace(GOOD, acquired_by="host/me-farm-1-2")])
    assert check.level is Level.WARNING and "release --kick" in check.advice


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        ({"broken": "no USB"}, Level.ERROR, "`bench/x` could not be started: no USB"),
        ({"version": "0.0.1"}, Level.WARNING, "runs idoldbg 0.0.1, and this is"),
        ({"host": "no-such-host.invalid"}, Level.ERROR, "`no-such-host.invalid` is unknown here"),
        ({"cls": "NetworkPowerPort"}, Level.NOTE, "offers no board of ours"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_exporter_is_reported(change: dict[str, object], level: Level, message: str) -> None:
    (check,) = doctor.check_exporters([replace(OFFER, **change)])
    assert check.level is level and check.subject == "exporter rack" and message in check.message


def test_empty_lab_and_boards_without_a_place_are_reported() -> None:
    (check,) = doctor.check_exporters([])
    assert check.level is Level.ERROR and "idoldbg farm exporter" in check.advice
    (check,) = doctor.check_places([])
    assert check.level is Level.ERROR and check.advice == "labgrid-client -p NAME create"
    (check,) = doctor.check_use([replace(GOOD, exporters=("other",))], [OFFER])
    assert check.level is Level.WARNING and "no place names any" in check.message


@pytest.mark.parametrize(
    ("found", "level"),
    [("25.0", Level.ERROR), ("26", Level.OK), ("26.0.dev1", Level.OK), (None, Level.ERROR)],
)
def test_old_and_missing_packages_are_named_by_their_extra(found: str | None, level: Level) -> None:
    def find(name: str) -> str:
        if name != "labgrid":
            return version(name)
        if found is None:
            raise PackageNotFoundError(name)
        return found

    check = doctor.check_versions(find)[0]
    assert check.level is level
    assert level is Level.OK or check.advice == "pip install 'idoldbg[labgrid]'"


def test_unreachable_coordinators_are_distinguished() -> None:
    port = free_port()
    found = [doctor.why_unreachable(f"127.0.0.1:{port}", ""),
             doctor.why_unreachable("no-such-host.invalid:1", "")]  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = f"127.0.0.1:{server.getsockname()[1]}"
        found.append(doctor.why_unreachable(other, "no answer"))
    assert [check.level for check in found] == [Level.ERROR] * 3
    assert "nothing listens" in found[0].message and "labgrid-coordinator" in found[0].advice
    assert "is unknown here" in found[1].message
    assert "is not a labgrid coordinator" in found[2].message


def test_coordinator_that_speaks_nonsense_ends_in_a_check() -> None:
    """Whatever listens there, the rest is still looked at, and the end comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                connection.close()

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        checks = diagnose_lab(Coordinator(address), probes=lambda: NONE)
        server.close()
    subjects = [check.subject for check in checks]
    assert subjects[-1] == "probes here" and "places" not in subjects
    (check,) = [check for check in checks if check.subject == "coordinator"]
    assert check.level is Level.ERROR


def test_probes_that_may_not_be_opened_are_reported() -> None:
    listing = ProbeListing((), ("a probe cannot be opened: permission denied (udev rules)",))
    checks = doctor.check_probes(lambda: listing)
    assert checks[0].level is Level.WARNING and "permission denied" in checks[0].message

    def fail() -> ProbeListing:
        raise LinkError("the driver hangs", link="pyocd")

    (check,) = doctor.check_probes(fail)
    assert check.level is Level.WARNING and "the driver hangs" in check.message
