"""Writes what happens to a file, line by line, so that a run that is cut short is not lost.

Each line is a JSON object with a member `event`: `collected` (`tests`: all node ids), `started`
(`test`), `phase` (`test` and how setup, call or teardown ended; `start` in Unix seconds),
`interrupted` (`text`: by what), `finished`. A process that dies leaves a file without the last one.
`idoldbg farm run` reads it while tests run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["ResultStream"]

TEXT_LIMIT = 200_000  # of one failure; evidence has its own file
PROPERTY_LIMIT, PROPERTY_COUNT = 4_000, 200
NAME_LIMIT = 4_000  # of a node id: parameters can be anything


class ResultStream:
    """A pytest plug-in for `--idoldbg-results FILE`; raises `pytest.UsageError` for a bad FILE."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"--idoldbg-results: {error}") from None

    def _write(self, event: str, **members: Any) -> None:
        self._file.write(json.dumps({"event": event, **members}) + "\n")
        self._file.flush()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write("collected", tests=[_name(item.nodeid) for item in session.items])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write("collect-error", test=_name(report.nodeid), text=_text(report.longrepr))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write("started", test=_name(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(
            "phase",
            test=_name(report.nodeid),
            when=report.when,
            outcome=report.outcome,
            duration_s=report.duration,
            start=report.start,
            infrastructure=_cut(getattr(report, "idoldbg_infrastructure", None)),
            expected_failure=_cut(getattr(report, "wasxfail", None)),
            text=_text(report.longrepr) if not report.passed else "",
            output=_captured(report.sections) if report.failed else "",
            properties=[
                [str(k)[:PROPERTY_LIMIT], str(v)[:PROPERTY_LIMIT]]
                for k, v in report.user_properties[-PROPERTY_COUNT:]  # ours come last
            ],
        )

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note what ended the tests early: `pytest.exit`, Ctrl-C, errors of collection."""
        paths = [Path(entry.path) for entry in excinfo.traceback]
        by_labgrid = bool(paths) and any("labgrid" in path.parts for path in paths[-2:])
        text = str(excinfo.value) or type(excinfo.value).__name__
        self._write("interrupted", text=text[:TEXT_LIMIT], by_labgrid=by_labgrid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._write("finished", exit_status=int(exitstatus))
        self._file.close()


def _name(node_id: str) -> str:
    """Shorten a node id that is endless, so that it is still another than all others."""
    if len(node_id) <= NAME_LIMIT:
        return node_id
    digest = hashlib.sha256(node_id.encode(errors="replace")).hexdigest()
    return f"{node_id[:NAME_LIMIT]}…{digest[:16]}"


def _cut(reason: Any) -> str | None:
    return None if reason is None else str(reason)[:TEXT_LIMIT]


def _text(representation: Any) -> str:
    if isinstance(representation, tuple) and len(representation) == 3:  # a skip: file, line, why
        return str(representation[2])[:TEXT_LIMIT]
    return str(representation or "")[:TEXT_LIMIT]


def _captured(sections: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"--- {title} ---\n{text}" for title, text in sections)[:TEXT_LIMIT]
