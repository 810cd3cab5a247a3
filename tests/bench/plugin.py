"""Fixtures of the bench; `tests/conftest.py` makes them known to all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.bench import Bench

__all__ = ["bench"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty bench; its probes are seen by this process, and by children with `bench.env`."""
    with Bench(tmp_path) as made, made.here():
        yield made
