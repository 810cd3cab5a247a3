"""One test file, every way to a board: the one of the first guide, unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from idoldbg.target.emulated.server import running_board
from tests.idoldbg.pytest_plugin.test_pytest_plugin import ARGUMENTS

from .lab import LIMIT_S
from .test_documents import File, read_guide

pytest_plugins = "pytester"


def guide_test() -> str:
    """Return `test_board.py` of docs/first-hardware-test.md."""
    files = (a for a in read_guide("first-hardware-test.md") if isinstance(a, File))
    return next(file.text for file in files if file.name == "test_board.py")


@contextmanager
def fixed(spec: str) -> Iterator[str]:
    yield spec


@contextmanager
def kept_running() -> Iterator[str]:
    with running_board("everywhere", board="stm32f4-discovery") as board:
        yield board.spec


@contextmanager
def behind_a_pyocd_server() -> Iterator[str]:
    with running_board("everywhere", board="stm32f4-discovery", pyocd_port=0) as board:
        yield f"remote:127.0.0.1:{board.pyocd_port}"


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param(lambda: fixed("emu"), id="emulated"),
        pytest.param(lambda: fixed("pyocd:emu"), id="through pyOCD"),
        pytest.param(kept_running, id="in another process"),
        pytest.param(behind_a_pyocd_server, id="over a pyOCD server"),
    ],
)
def test_the_same_file_passes(
    pytester: pytest.Pytester, reach: Callable[[], AbstractContextManager[str]]
) -> None:
    """The fifth way, a place of labgrid, is in test_farm.py, where there is a lab."""
    pytester.makepyfile(test_board=guide_test())
    with reach() as spec:
        options = (f"--idoldbg-probe={spec}", f"--idoldbg-timeout={LIMIT_S}")
        result = pytester.runpytest_subprocess(*ARGUMENTS, *options, timeout=LIMIT_S)
    result.assert_outcomes(passed=7)
