"""Runs a comparison for each object that is at hand: a test that takes `peer` gets them in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.real.peer import Differences, Peer, find_peers

RUNS: dict[str, Differences] = {}
WANTED: dict[str, set[str]] = {}
MANY = 70  # objects; the history has about 110, 76 of them with registers


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "peer" not in metafunc.fixturenames:
        return
    command = metafunc.module.COMMAND
    differences = RUNS.setdefault(command, Differences.load(command))
    peers = find_peers(command, differences) if os.environ.get("IDOLDBG_REAL") else []
    WANTED[command] = {p.name for p in peers}
    if peers:
        metafunc.parametrize("peer", peers, ids=[p.name for p in peers])


@pytest.fixture
def peer(request: pytest.FixtureRequest) -> Peer:
    """An object with Humility's output; replaced by the parameters, if there are any."""
    pytest.skip("needs real Hubris builds with Humility's expected outputs: IDOLDBG_REAL=DIR")


@pytest.fixture(scope="module", autouse=True)
def every_difference_is_real(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where a listed difference is none any more; only if all objects were compared.

    Those of Humility's history: its newest revision alone has a handful.
    """
    yield
    run = RUNS.get(getattr(request.module, "COMMAND", ""))
    if run is not None and len(run.objects) >= MANY and run.objects == WANTED[run.command]:
        stale = [f"{d.objects}: {d.facts}" for d in run.unused]
        assert not stale, f"differences/{run.command}.toml lists what does not differ: {stale}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for run in RUNS.values():
        if run.objects:
            terminalreporter.write_line(run.summary())
