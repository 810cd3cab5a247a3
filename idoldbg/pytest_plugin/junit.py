"""Tells failures of the lab from failures of tests in pytest's JUnit file.

Programs that read such files count `<error>` apart from `<failure>`; ours have the type
`infrastructure`. pytest has no hook for that, so this reaches into its recorder, and leaves the
file as it is where that looks different.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from idol.printable import xml_text

__all__ = ["INFRASTRUCTURE", "JunitTypes"]

INFRASTRUCTURE = "infrastructure"


class JunitTypes:
    """Registered next to pytest's recorder (`--junitxml`); sees each report after it did."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        reason = getattr(report, "idoldbg_infrastructure", None)
        recorder = self._recorder() if reason else None
        node = recorder.node_reporter(report) if recorder is not None else None
        yield
        if recorder is None or node is None:
            return
        # A finished node is frozen into its XML; before that its children are the same objects.
        for element in list(node.to_xml()):
            if element.tag == "failure":
                element.tag = "error"
                recorder.stats["failure"] -= 1
                recorder.stats["error"] += 1
            if element.tag == "error":
                element.set("type", INFRASTRUCTURE)
                element.set("message", xml_text(f"{INFRASTRUCTURE}: {reason}"))

    def _recorder(self) -> Any:
        try:
            from _pytest.junitxml import xml_key
        except ImportError:
            return None
        return self._config.stash.get(xml_key, None)
