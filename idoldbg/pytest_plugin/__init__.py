"""pytest fixtures for tests that run against Hubris firmware, on boards or emulated.

    def test_flash_id(idol):
        reply = idol.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
        assert reply.leases.sink[1:] == b"\\xef\\x40\\x18"

| fixture | is |
| --- | --- |
| `board` | the device (`idoldbg.Device`) of this session |
| `idol` | the same, watched: a task that dies fails the test |
| `dut` | several devices by name, one for each `@pytest.mark.dut(name=…, chip=…, board=…)` |

`@pytest.mark.expect_death("task", …)` names tasks that a test kills on purpose, `may_die` and the
ini key `idoldbg_may_die` those that die in normal operation. Which board it is say
`--idoldbg-archive`, `--idoldbg-board`, `--idoldbg-probe`, `--idoldbg-env`, `--idoldbg-boards`, or a
labgrid environment (`--lg-env`); without any, it is the emulated board with the bundled image. An
option that would have no effect is an error.

Failures of the lab (probe lost, board taken, wrong image) are errors of type `infrastructure`, in
the terminal and in JUnit files. This module is loaded by every pytest run where idoldbg is
installed: what it needs for its work is imported when the first fixture is used.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from idol.printable import join_lines, one_line, printable
from idoldbg.pytest_plugin.junit import JunitTypes

if TYPE_CHECKING:
    from idoldbg.pytest_plugin.attached import AttachedBoard
    from idoldbg.pytest_plugin.marks import UsedBoard
    from idoldbg.pytest_plugin.pool import BoardPool

__all__ = [
    # fixtures
    "board",
    "dut",
    "idol",
    "idoldbg_pool",
    # what pytest calls
    "pytest_addoption",
    "pytest_configure",
    "pytest_make_collect_report",
    "pytest_report_header",
    "pytest_report_teststatus",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_teardown",
]

POOL = pytest.StashKey["BoardPool"]()
USED = pytest.StashKey["list[UsedBoard]"]()
MARKERS = (
    "expect_death(task, ...): tasks that this test kills; others that die fail it",
    "may_die(task, ...): tasks that may die in this test, or not",
    "inject(kind, **options): a fault that is injected into the emulated board before the test",
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
    if config.getoption("--idoldbg-cov") and not hasattr(config, "workerinput"):
        from idoldbg.pytest_plugin.coverage import CoverageReport

        config.pluginmanager.register(CoverageReport(config), "idoldbg-cov")
    results = config.getoption("--idoldbg-results")
    if results and not hasattr(config, "workerinput"):  # with xdist, the controller sees it all
        from idoldbg.pytest_plugin.results import ResultStream

        config.pluginmanager.register(ResultStream(Path(results)), "idoldbg-results")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Collect the cases of `--hubris-suite` besides what else there is."""
    report = yield
    archives = collector.config.getoption("--hubris-suite")
    if archives and isinstance(collector, pytest.Session) and report.passed:
        from idoldbg.pytest_plugin.suite import SuiteCollector

        names = [printable(Path(path).name) for path in archives]
        suites = [
            SuiteCollector.from_parent(collector, name=name, nodeid=name, archive=path)
            for name, path in zip(names, archives, strict=True)
        ]
        report.result = [*report.result, *suites]
    return report


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return which boards the options name: archive, image id, board, probe."""
    from idoldbg.pytest_plugin.options import has_options

    if not has_options(config):
        return []
    from idoldbg.pytest_plugin.header import describe_boards

    return describe_boards(config)


# -- fixtures


@pytest.fixture(scope="session")
def idoldbg_pool(request: pytest.FixtureRequest) -> Iterator[BoardPool]:
    """The boards of this process; the other fixtures take theirs from here."""
    from idoldbg.pytest_plugin.pool import BoardPool
    from idoldbg.pytest_plugin.settings import read_settings, worker_name

    worker = worker_name(request.config)
    digits = "".join(c for c in worker if c.isdigit())
    settings = read_settings(request.config)
    pool = BoardPool(
        settings,
        holder=f"pytest {worker}".strip(),
        start=int(digits or 0),
        notify=lambda sentence: _say(request.config, sentence),
        labgrid=(lambda name: _labgrid_driver(request, name)) if settings.labgrid else None,
    )
    request.config.stash[POOL] = pool
    yield pool
    pool.close()


def _labgrid_driver(request: pytest.FixtureRequest, name: str) -> Any:
    """Return the activated driver of a labgrid target, brought to its firmware if it can be."""
    from idoldbg.pytest_plugin.settings import read_settings, worker_count

    settings = read_settings(request.config)
    if not request.config.pluginmanager.hasplugin("labgrid"):
        raise pytest.UsageError(
            f"{settings.labgrid} needs labgrid's plug-in for pytest: pip install "
            "'idoldbg[labgrid]', and do not disable it"
        )
    if worker_count(request.config) > 1:
        raise pytest.UsageError(
            f"{settings.labgrid} gives one process its boards; leave out -n, or use `idoldbg farm "
            "run`, which runs tests on many boards at a time"
        )
    from idoldbg.pytest_plugin.labgrid_target import open_driver

    return open_driver(request.getfixturevalue("env"), name, settings)


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
        return _watch(request.node, "", idoldbg_pool.main)


@pytest.fixture
def dut(request: pytest.FixtureRequest, idoldbg_pool: BoardPool) -> Any:
    """Several devices under test, watched, as attributes: `dut.sp`, `dut.rot`."""
    from idoldbg.pytest_plugin.marks import read_wanted

    with _plainly(request):
        devices = {}
        for wanted in idoldbg_pool.scarcest_first(read_wanted(request.node)):
            find = functools.partial(idoldbg_pool.find, wanted)
            devices[wanted.name] = _watch(request.node, wanted.name, find)
        return types.SimpleNamespace(**devices)


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


def _watch(node: pytest.Item, name: str, find: Callable[..., AttachedBoard]) -> Any:
    """Get a board for a test and note how it is; return the device.

    A connection that an earlier test left broken is made anew before the lab is blamed.
    """
    from idoldbg.pytest_plugin.marks import UsedBoard
    from idoldbg.pytest_plugin.pool import infrastructure_reason

    used = node.stash.setdefault(USED, [])
    for is_last in (False, True):
        attached = find(taken=[board.attached for board in used])
        try:
            attached.begin(node.nodeid.partition("::")[0])
        except Exception as error:
            attached.lost = attached.lost or infrastructure_reason(error)
            if is_last or attached.lost is None:
                used.append(UsedBoard(name, attached))
                raise
        else:
            break
    for number, board in enumerate(used):
        if board.attached is attached:  # a target of labgrid under two names
            used[number] = UsedBoard(name or board.name, attached)
            return attached.device
    used.append(UsedBoard(name, attached))
    prefix = "" if len(used) == 1 else f"{name or attached.place.name}."
    # Escaped here: pytest escapes values in its JUnit file, but not keys.
    node.user_properties += [
        (printable(f"{prefix}{key}"), printable(value)) for key, value in attached.facts.items()
    ]
    return attached.device


def _inject_marked(item: pytest.Item, used: list[UsedBoard]) -> None:
    """Inject the faults that markers of the test ask for; raise `pytest.UsageError`."""
    for marker in item.iter_markers("inject"):
        if not used:
            raise pytest.UsageError("@pytest.mark.inject does nothing without the fixture `idol`")
        if len(marker.args) != 1:
            raise pytest.UsageError('it is @pytest.mark.inject("KIND", option=…)')
        used[0].attached.device.board.inject(*marker.args, **marker.kwargs)


# -- around tests


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that went well but for the tasks that it killed."""
    used = item.stash.get(USED, [])
    deaths = _read_marks(item, used)
    if used:
        from idoldbg.pytest_plugin.failures import dump_path

        for number, (board, expected) in enumerate(zip(used, deaths, strict=True)):
            board.attached.guard(expected, dump_path(item, number))
    _inject_marked(item, used)
    try:
        result = yield
    except Exception as error:
        if USED in item.stash and not item.config.getoption("fulltrace"):
            from idoldbg.pytest_plugin.failures import hide_internals

            raise hide_internals(error) from error.__cause__
        raise
    _fail_for(
        (board, board.attached.check(expected))
        for board, expected in zip(used, deaths, strict=True)
    )
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a teardown that went well but for the tasks that it killed."""
    used = item.stash.get(USED, [])
    if used:
        from idoldbg.pytest_plugin.failures import dump_path

        for number, board in enumerate(used):
            board.attached.begin_teardown(dump_path(item, number, "teardown"))
    result = yield
    _fail_for((board, board.attached.end_teardown()) for board in used)
    return result


def _fail_for(found: Iterable[tuple[UsedBoard, list[str]]]) -> None:
    """Fail the test if there are problems with any of its boards."""
    boards = list(found)
    problems = []
    for board, sentences in boards:
        prefix = f"{board.name or board.attached.place.name}: " if len(boards) > 1 else ""
        problems += [prefix + sentence for sentence in sentences]
    if problems:
        pytest.fail(join_lines(problems), pytrace=False)


def _read_marks(item: pytest.Item, used: list[UsedBoard]) -> list[frozenset[str]]:
    """Return which tasks must die on each board; fail the test for markers that make no sense."""
    if not used and not getattr(item, "own_markers", ()):
        return []
    from idoldbg.pytest_plugin.marks import describe_misuse, read_deaths
    from idoldbg.pytest_plugin.settings import read_settings

    try:
        misuse = describe_misuse(item, used)
        if misuse is not None:
            raise pytest.UsageError(misuse)
        deaths = read_deaths(item, used, read_settings(item.config)) if used else []
    except pytest.UsageError as error:
        item.stash[USED] = []  # the boards have nothing to add
        raise pytest.fail.Exception(one_line(str(error)), pytrace=False) from None
    for board, said in zip(used, deaths, strict=True):
        board.attached.allowed_deaths = said.allowed
    return [said.expected for said in deaths]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the boards say to the report of a failure."""
    report = yield
    if not report.failed or call.excinfo is None or POOL not in item.config.stash:
        return report
    from idoldbg.pytest_plugin.failures import describe_failure

    used = [board.attached for board in item.stash.get(USED, [])]
    for attached in used:
        attached.has_failed = True
    if USED not in item.stash and "board" in getattr(item, "fixturenames", ()):
        used = list(item.config.stash[POOL].attached)
    describe_failure(item, report, call.excinfo.value, used)
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show failures of the lab as errors of their own kind."""
    if report.failed and getattr(report, "idoldbg_infrastructure", None):
        return "error", "I", ("INFRASTRUCTURE", {"red": True})
    return None
