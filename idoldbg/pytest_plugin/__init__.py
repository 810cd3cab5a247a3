"""pytest fixtures for tests that run against Hubris firmware, on boards or emulated.

    def test_flash_id(idol):
        reply = idol.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
        assert reply.leases.sink[1:] == b"\\xef\\x40\\x18"

| fixture | is |
| --- | --- |
| `board` | the device (`idoldbg.Device`) of this session |
| `idol` | the same, watched: a task that dies fails the test |
| `dut` | several devices by name, one for each `@pytest.mark.dut(name=…, chip=…, board=…)` |

`@pytest.mark.expect_death("task", …)` names tasks that a test kills on purpose. Which board it is
say `--idoldbg-archive`, `--idoldbg-board`, `--idoldbg-probe`, `--idoldbg-env`, `--idoldbg-boards`,
or a labgrid environment (`--lg-env`); without any, it is the emulated board with the bundled image.

Failures of the lab (probe lost, board taken, wrong image) are errors of type `infrastructure`, in
the terminal and in JUnit files. This module is loaded by every pytest run where idoldbg is
installed: what it needs for its work is imported when the first fixture is used.
"""

from __future__ import annotations

import contextlib
import os
import types
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from idol.printable import join_lines, one_line, printable
from idoldbg.pytest_plugin.junit import JunitTypes

if TYPE_CHECKING:
    from idoldbg.pytest_plugin.pool import AttachedBoard, BoardPool

__all__ = [
    # fixtures
    "board",
    "dut",
    "idol",
    "idoldbg_pool",
    # what pytest calls
    "pytest_addoption",
    "pytest_configure",
    "pytest_report_teststatus",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
]

POOL = pytest.StashKey["BoardPool"]()
USED = pytest.StashKey["list[AttachedBoard]"]()
MARKERS = (
    "expect_death(task, ...): tasks that this test kills; others that die fail it",
    "dut(name, chip=None, board=None): a board that the fixture `dut` offers under this name",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    from idoldbg.pytest_plugin.options import add_options

    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; register what writes files. Raises `pytest.UsageError`."""
    from idoldbg.pytest_plugin.options import has_options

    if has_options(config):  # else nothing can be wrong, and nothing more needs to be imported
        from idoldbg.pytest_plugin.settings import read_settings

        read_settings(config)
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(JunitTypes(config), "idoldbg-junit")
    results = config.getoption("--idoldbg-results")
    if results and not hasattr(config, "workerinput"):  # with xdist, the controller sees it all
        from idoldbg.pytest_plugin.results import ResultStream

        config.pluginmanager.register(ResultStream(Path(results)), "idoldbg-results")


# -- fixtures


@pytest.fixture(scope="session")
def idoldbg_pool(request: pytest.FixtureRequest) -> Iterator[BoardPool]:
    """The boards of this process; the other fixtures take theirs from here."""
    from idoldbg.pytest_plugin.pool import BoardPool
    from idoldbg.pytest_plugin.settings import read_settings, worker_name

    worker = worker_name(request.config)
    digits = "".join(c for c in worker if c.isdigit())
    uses_labgrid = getattr(request.config.option, "lg_env", None) or os.environ.get("LG_ENV")
    pool = BoardPool(
        read_settings(request.config),
        holder=f"pytest {worker}".strip(),
        start=int(digits or 0),
        notify=lambda sentence: _say(request.config, sentence),
        labgrid=(lambda: _labgrid_driver(request)) if uses_labgrid else None,
    )
    request.config.stash[POOL] = pool
    yield pool
    pool.close()


def _labgrid_driver(request: pytest.FixtureRequest) -> Any:
    """Return the activated driver of the labgrid target, brought to its firmware if it can be."""
    from idoldbg.labgrid import IdoldbgDriver, IdoldbgStrategy

    target = request.getfixturevalue("target")
    for driver in target.drivers:
        if isinstance(driver, IdoldbgStrategy):
            driver.transition("booted")
    return target.get_driver(IdoldbgDriver)


def _say(config: pytest.Config, sentence: str) -> None:
    """Show progress on a terminal, between pytest's own lines; a pipe stays as it was."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or not reporter.isatty:
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        reporter.write_line(one_line(f"idoldbg: {sentence}"))
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(one_line(f"idoldbg: {sentence}"))


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest, idoldbg_pool: BoardPool) -> Any:
    """The device of this session, for fixtures that set it up; tests rather use `idol`."""
    with _plainly(request):
        return idoldbg_pool.main().device


@pytest.fixture
def idol(request: pytest.FixtureRequest, idoldbg_pool: BoardPool) -> Any:
    """The device, watched: the test fails when a task dies that it does not expect to."""
    with _plainly(request):
        attached = idoldbg_pool.main()
        _watch(request.node, attached)
        return attached.device


@pytest.fixture
def dut(request: pytest.FixtureRequest, idoldbg_pool: BoardPool) -> Any:
    """Several devices under test, watched, as attributes: `dut.sp`, `dut.rot`."""
    with _plainly(request):
        devices = {}
        for name, chip, board_name in _read_dut_markers(request.node):
            attached = idoldbg_pool.find(name, chip=chip, board=board_name)
            _watch(request.node, attached)
            devices[name] = attached.device
        return types.SimpleNamespace(**devices)


def _read_dut_markers(node: pytest.Item) -> list[tuple[str, str | None, str | None]]:
    """Return (name, chip, board) of the markers `dut`, from the outermost one on."""
    found: dict[str, tuple[str, str | None, str | None]] = {}
    for marker in reversed(list(node.iter_markers("dut"))):
        name = marker.kwargs.get("name") or (marker.args[0] if marker.args else None)
        unknown = sorted(marker.kwargs.keys() - {"name", "chip", "board"})
        if not isinstance(name, str) or name in found or unknown or len(marker.args) > 1:
            what = f"has no argument `{unknown[0]}`" if unknown else "needs one name of its own"
            raise pytest.UsageError(f"@pytest.mark.dut {what}")
        found[name] = (name, marker.kwargs.get("chip"), marker.kwargs.get("board"))
    if not found:
        raise pytest.UsageError("the fixture `dut` needs @pytest.mark.dut(name=…, chip=…)")
    return list(found.values())


@contextlib.contextmanager
def _plainly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Report what a fixture could not do as a sentence; `--full-trace` shows how it came."""
    from idoldbg.errors import IdoldbgError

    try:
        yield
    except (IdoldbgError, pytest.UsageError) as error:
        if request.config.getoption("fulltrace"):
            raise
        raise pytest.fail.Exception(one_line(str(error)), pytrace=False) from None


def _watch(node: pytest.Item, attached: AttachedBoard) -> None:
    used = node.stash.setdefault(USED, [])
    used.append(attached)
    prefix = "" if len(used) == 1 else f"{attached.place.name}."
    # Escaped here: pytest escapes values in its JUnit file, but not keys.
    node.user_properties += [
        (printable(f"{prefix}{key}"), printable(value)) for key, value in attached.facts.items()
    ]
    try:
        attached.begin()
    except Exception as error:
        _note_loss(attached, error)
        raise


def _note_loss(attached: AttachedBoard, error: BaseException) -> None:
    from idoldbg.pytest_plugin.pool import infrastructure_reason

    attached.lost = attached.lost or infrastructure_reason(error)


# -- around tests


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that went well but for the tasks that it killed."""
    used = item.stash.get(USED, [])
    expected = _read_expected_deaths(item, used) if used else frozenset()
    try:
        result = yield
    except Exception as error:
        if USED in item.stash and not item.config.getoption("fulltrace"):
            from idoldbg.pytest_plugin.failures import hide_internals

            raise hide_internals(error) from error.__cause__
        raise
    problems = []
    for attached in used:
        names = {task.name for task in attached.program.archive.tasks}
        some = expected & names if len(used) > 1 else expected
        found = attached.check(some)
        prefix = f"{attached.place.name}: " if len(used) > 1 else ""
        problems += [prefix + problem for problem in found]
    if problems:
        pytest.fail(join_lines(problems), pytrace=False)
    return result


def _read_expected_deaths(item: pytest.Item, used: list[AttachedBoard]) -> frozenset[str]:
    """Return the tasks of the markers `expect_death`; fail the test for one that is not there."""
    from idoldbg.near import near_misses

    known = {task.name for attached in used for task in attached.program.archive.tasks}
    found: set[str] = set()
    for marker in item.iter_markers("expect_death"):
        if marker.kwargs or not marker.args:
            _fail_marker(item, 'it is @pytest.mark.expect_death("task", …), with names')
        for name in marker.args:
            if name not in known:
                near = " or ".join(f"`{n}`" for n in near_misses(str(name), sorted(known)))
                hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
                _fail_marker(item, f"@pytest.mark.expect_death: no task `{name}`; {hint}")
            found.add(name)
    return frozenset(found)


def _fail_marker(item: pytest.Item, message: str) -> NoReturn:
    """Fail a test for how it is written: the boards have nothing to add."""
    item.stash[USED] = []
    pytest.fail(one_line(message), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the boards say to the report of a failure."""
    report = yield
    if not report.failed or call.excinfo is None or POOL not in item.config.stash:
        return report
    from idoldbg.pytest_plugin.failures import describe_failure

    used = item.stash.get(USED, None)
    if used is None and "board" in getattr(item, "fixturenames", ()):
        used = list(item.config.stash[POOL].attached)
    describe_failure(item, report, call.excinfo.value, used or [])
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show failures of the lab as errors of their own kind."""
    if report.failed and getattr(report, "idoldbg_infrastructure", None):
        return "error", "I", ("INFRASTRUCTURE", {"red": True})
    return None
