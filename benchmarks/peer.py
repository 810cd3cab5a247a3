"""Our commands beside Humility's: `IDOLDBG_HUMILITY` names its binary, `IDOLDBG_REAL` real builds.

A command joins with its row in `ROWS`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.archives import GIMLET, settle
from benchmarks.measure import Cost, child_cost

__all__ = ["ROWS", "bench_peer"]


class Row(NamedTuple):
    """A command: the build that it is about, our arguments and Humility's, `{}` for the build."""

    command: str
    build: str
    ours: str
    theirs: str


CORE = "cores/hubris.core.v6"
ROWS = (
    Row("list", GIMLET, "-a {} list", "-a {} hiffy -l"),
    # Humility has no audit: listing the operations reads what an audit reads.
    Row("audit", GIMLET, "-a {} audit --fail-on none", "-a {} hiffy -l"),
    Row("tasks", CORE, "-p dump:{} tasks", "-d {} tasks"),
)


def bench_peer(repeat: int) -> None:
    """Run whole processes: cold with nothing kept, and warm."""
    humility, real = os.environ.get("IDOLDBG_HUMILITY", ""), os.environ.get("IDOLDBG_REAL", "")
    print("beside Humility, medians of whole processes: elapsed time, processor time, ratios")
    if not humility or not real:
        print("  left out: IDOLDBG_HUMILITY names no binary, or IDOLDBG_REAL no builds")
        return
    ours = [sys.executable, "-m", "idoldbg"]
    with tempfile.TemporaryDirectory() as folder:
        place = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        for row in ROWS:
            source = Path(real) / row.build
            if not source.is_file():
                print(f"  {row.command}: {source} is missing")
                continue
            build = str(settle(source, Path(folder)))
            argv = [word.replace("{}", build) for word in row.ours.split()]
            theirs = [word.replace("{}", build) for word in row.theirs.split()]
            beside = child_cost([[humility, *theirs]], repeat)
            _line(f"humility {row.theirs.format('…')}", beside, beside)
            cold = child_cost([[*ours, "--no-cache", *argv]], repeat)
            _line(f"idoldbg {row.command}, cold", cold, beside)
            child_cost([[*ours, *argv]], 1, extra=place)
            warm = child_cost([[*ours, *argv]], repeat, extra=place)
            _line(f"idoldbg {row.command}, warm", warm, beside)
        shutil.rmtree(place["XDG_CACHE_HOME"], ignore_errors=True)


def _line(label: str, cost: Cost, beside: Cost) -> None:
    print(
        f"  {label:<36} {cost.wall_s * 1000:7.0f} ms {cost.wall_s / beside.wall_s:6.2f} ×"
        f"  {cost.cpu_s * 1000:7.0f} ms {cost.cpu_s / beside.cpu_s:6.2f} ×"
    )
