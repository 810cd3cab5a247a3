"""A short run of benchmarks/soak.py: calls of several workers on several boards do not mix."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
def test_no_reply_is_wrong_and_nothing_grows() -> None:
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    assert spec is not None and spec.loader is not None
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    total, problems = soak.soak(12, workers=2, boards=2)
    assert problems == []
    assert total > 50
