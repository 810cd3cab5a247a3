"""`--idoldbg-cov`: coverage of the firmware by all emulated boards of a run, in all processes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from idol.printable import join_lines
from idoldbg.collected import Sources, check_outputs, read_coverage, write_coverage
from idoldbg.errors import IdoldbgError
from idoldbg.render import coverage as rendered
from idoldbg.target.emulated.collecting import VARIABLE, Collection
from idoldbg.views.coverage import Coverage

__all__ = ["CoverageReport"]


class CoverageReport:
    """Has boards record while tests run; writes the files and a summary at the end.

    Workers of xdist, children of tests and boards that are kept running inherit a variable of the
    environment that says where. Raises `pytest.UsageError` for what cannot be written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._outputs: list[str] = config.getoption("--idoldbg-cov")
        names = ("include", "exclude", "map")
        include, exclude, mapped = (config.getoption(f"--idoldbg-cov-{name}") for name in names)
        try:
            check_outputs(self._outputs)
            self._sources = Sources(include, exclude, mapped)
        except IdoldbgError as error:
            raise pytest.UsageError(f"--idoldbg-cov: {error}") from None
        self._before = os.environ.get(VARIABLE)
        self._folder = tempfile.TemporaryDirectory(prefix="idoldbg-")
        self._collection = Collection(Path(self._folder.name))
        os.environ.update(self._collection.want({"coverage": {}}))
        self._coverage: Coverage | None = None
        self._notes: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Read what was recorded, and write the files."""
        try:
            self._coverage, _ = read_coverage(self._collection, self._sources, self._notes.append)
            if self._coverage is not None:
                write_coverage(self._coverage, self._outputs)
        except (IdoldbgError, OSError) as error:
            self._coverage = None
            self._notes.append(f"there is no coverage: {error}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the sums."""
        terminalreporter.section("coverage of the firmware")
        for note in self._notes:
            terminalreporter.line(join_lines([f"note: {note}"]))
        if self._coverage is None:
            if not self._notes:
                terminalreporter.line(
                    "no test used an emulated board: no coverage, and no file is written"
                )
            return
        terminalreporter.line(join_lines(rendered.text(self._coverage).split("\n")))
        terminalreporter.line(f"written: {', '.join(self._outputs)}")

    def pytest_unconfigure(self) -> None:
        """Take the variable and the folder away."""
        if self._before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._before
        self._folder.cleanup()
