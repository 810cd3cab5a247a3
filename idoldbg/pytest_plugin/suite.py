"""Cases of Hubris's own test suites as tests of pytest: `pytest --hubris-suite ARCHIVE`.

They run on the target of `--idoldbg-probe` (default: the emulated board) within
`--idoldbg-timeout` each; a failure comes with the suite's fault and stack, and with
`--idoldbg-evidence` a core dump.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idol.printable import join_lines, one_line, printable
from idoldbg.dumping import take_snapshot, write_snapshot
from idoldbg.errors import IdoldbgError
from idoldbg.opening import open_program
from idoldbg.pytest_plugin.evidence import file_stem
from idoldbg.pytest_plugin.options import read_said
from idoldbg.pytest_plugin.settings import worker_name
from idoldbg.render import suite as render
from idoldbg.session import Session, TargetOptions, find_board, open_session
from idoldbg.startup import check_image
from idoldbg.suite import Suite
from idoldbg.views.suite import Case, CaseResult, Outcome, read_cases

__all__ = ["CaseFailed", "SuiteCollector", "SuiteItem"]

DEFAULT_TIMEOUT_S = 5.0


class CaseFailed(Exception):
    """A case did not pass; the message says all that is known."""


class SuiteCollector(pytest.Collector):
    """Cases of one image; its target is open while they run."""

    def __init__(self, *, archive: str, **more: Any) -> None:
        super().__init__(**more)
        self.archive = archive
        self.suite: Suite | None = None
        self._session: Session | None = None

    def collect(self) -> Iterator[SuiteItem]:
        """Yield an item a case; the cases are read from the build, no target is needed."""
        try:
            cases = read_cases(open_program(self.options()))
        except (IdoldbgError, OSError) as error:
            raise self.CollectError(one_line(str(error))) from None
        for case in cases:
            yield SuiteItem.from_parent(self, name=printable(case.name), case=case)

    def options(self) -> TargetOptions:
        """Return what the plug-in's options say of the target."""
        probe, board = (read_said(self.config, name) for name in ("probe", "board"))
        timeout = read_said(self.config, "timeout")
        try:
            timeout_s = DEFAULT_TIMEOUT_S if timeout is None else float(timeout.value)
        except ValueError:
            raise pytest.UsageError(f"{timeout.source if timeout else ''}: not seconds") from None
        return TargetOptions(
            archive=self.archive,
            board=None if board is None else board.value,
            probe="emu" if probe is None else probe.value,
            timeout_s=timeout_s,
        )

    def setup(self) -> None:
        """Open the target, for the first case that runs."""
        try:
            session = open_session(self.options())
            self._session = session
            check_image(session)
            self.suite = Suite(session)
        except (IdoldbgError, OSError) as error:
            raise pytest.fail.Exception(one_line(str(error)), pytrace=False) from None

    def teardown(self) -> None:
        """Let go of the target."""
        if self._session is not None:
            self._session.close()
        self._session = self.suite = None


class SuiteItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **more: Any) -> None:
        super().__init__(**more)
        self.case = case
        # Plug-ins that ask every item for them: labgrid's; pytest-lsp's, which fails without.
        self.fixturenames: tuple[str, ...] = ()
        self.funcargs: dict[str, object] = {}

    def runtest(self) -> None:
        """Run the case on the target; raise `CaseFailed`, or what the link raises."""
        parent = self.parent
        assert isinstance(parent, SuiteCollector)
        assert parent.suite is not None
        result = parent.suite.run_case(self.case, self._look)
        if result.ticks is not None:
            self.user_properties.append(("ticks", result.ticks))
        if result.outcome is not Outcome.PASSED:
            raise CaseFailed(join_lines([f"case {result.outcome}", *render.describe(result)]))

    def _look(self, _: CaseResult) -> None:
        """Write a core dump while the target is as the case left it, if evidence is wanted."""
        said, parent = read_said(self.config, "evidence"), self.parent
        if said is None or not isinstance(parent, SuiteCollector) or parent.suite is None:
            return
        session = parent.suite.session
        stem = file_stem(self.nodeid, worker_name(self.config))
        path = Path(said.value) / f"{stem}.core"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # of an earlier run
            board = find_board(parent.options(), session.program.archive)
            snapshot = take_snapshot(session, board=board)
            written = write_snapshot(snapshot, session.program.archive, path).path
        except (IdoldbgError, OSError) as error:
            self.add_report_section("call", "core dump", one_line(str(error)))
            return
        opened = f"open it with: idoldbg -p dump:{written} tasks"
        self.add_report_section("call", "core dump", join_lines([written, opened]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what is known of a case, and of a lost link its message, without our frames."""
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        if isinstance(excinfo.value, IdoldbgError) and not self.config.getoption("fulltrace"):
            return one_line(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the case is from: the archive."""
        parent = self.parent
        assert isinstance(parent, SuiteCollector)
        return Path(parent.archive), None, f"hubris suite: {self.name}"
