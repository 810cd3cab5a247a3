"""Options and fixtures that all tests share."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before any run of pytester in this process: it forgets the modules that it imported first, and
# they would be there twice.
import idol.cli.check
import idol.cli.diff
import idol.cli.doc
import idol.cli.generate  # noqa: F401 (as above)
from idoldbg.target.emulated.entries import read_board_entries
from tests.bench.plugin import bench
from tests.browser import browser

__all__ = ["bench", "browser"]  # fixtures for all tests

# No limits of time for examples: on a busy machine they find nothing but the machine busy.
settings.register_profile("idoldbg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("idoldbg")

ROOT = Path(__file__).resolve().parent.parent
ARCHIVES = ROOT / "fixtures" / "archives"
GOLDEN = ROOT / "tests" / "golden"


def wait_until(is_so: Callable[[], bool], what: str, limit_s: float = 60) -> None:
    """Wait for what other processes bring about; fail with `what` if it never comes.

    The limit is for the slowest machine: it says when to give up, not how fast things are.
    """
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s, f"{what}: not within {limit_s:g} s"
        time.sleep(0.02)


def wait_for_idle(read_tasks: Callable[[], str], pattern: str = r"idle +0 +7 +RUNNING") -> None:
    """Look at the tasks of a board that goes on meanwhile, until `idle` has the core."""
    wait_until(lambda: re.search(pattern, read_tasks()) is not None, "`idle` is seen to run")


def free_port() -> int:
    """Return a port for a server that cannot choose its own.

    It is below those that the kernel hands out, so that nobody gets it before the server has it.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def pytest_configure(config: pytest.Config) -> None:
    """Hear Ctrl-C, as on a terminal: whoever runs tests in the background may ignore it for us."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    passed_to = config.getoption("--passed-to")
    if passed_to and not hasattr(config, "workerinput"):  # xdist's workers report to one process
        config.pluginmanager.register(Passed(Path(passed_to)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")
    parser.addoption("--hardware", action="store_true", help="run tests that need a real board")
    parser.addoption(
        "--firmware", action="store_true", help="run tests that compile Rust (minutes)"
    )
    parser.addoption("--passed-to", metavar="FILE", help="write the names of the tests that passed")
    parser.addoption(
        "--not-again", metavar="FILE", help="leave out the tests that FILE (of --passed-to) names"
    )


class Passed:
    """Notes the tests that passed, a name each line; a failed teardown takes its test back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.outcome == "passed":
            self.names.add(report.nodeid)
        elif report.outcome == "failed":
            self.names.discard(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.path.write_text("".join(f"{json.dumps(name)}\n" for name in sorted(self.names)))


OPT_IN = {
    "hardware": "needs a board on a probe: --hardware",
    "firmware": "compiles Rust for minutes: --firmware",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker, reason in OPT_IN.items():
        if config.getoption(f"--{marker}"):
            continue
        skip = pytest.mark.skip(reason=reason)
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(skip)
    if listed := config.getoption("--not-again"):
        names = set(map(json.loads, Path(listed).read_text().splitlines()))
        left_out = [item for item in items if item.nodeid in names]
        items[:] = [item for item in items if item.nodeid not in names]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def runtime_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests' boards and locks apart from the user's; no test may leave a board behind."""
    folder = tmp_path_factory.mktemp("runtime") / "idoldbg"
    before = os.environ.get("IDOLDBG_RUNTIME_DIR")
    os.environ["IDOLDBG_RUNTIME_DIR"] = str(folder)
    yield folder
    left = [entry.name for entry in read_board_entries()]
    if before is None:
        del os.environ["IDOLDBG_RUNTIME_DIR"]
    else:
        os.environ["IDOLDBG_RUNTIME_DIR"] = before
    assert not left, f"tests have left boards running: {left}"


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the index of the tests' archives away from the developer's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with `tests/golden/NAME`, or write that file with `--update-golden`."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run pytest --update-golden and read the result"
        assert text == path.read_text()

    return compare


@pytest.fixture
def real_hubris() -> Path:
    """The folder with `archives/` and `cores/` of real Hubris builds, or a skip that says so."""
    folder = os.environ.get("IDOLDBG_REAL")
    if not folder:
        pytest.skip("needs real Hubris builds: IDOLDBG_REAL=DIR")
    return Path(folder)
