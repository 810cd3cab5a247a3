"""Our commands beside Humility's: `IDOLDBG_HUMILITY` names its binary, `IDOLDBG_REAL` real builds.

A command joins with its row in `ROWS`. Public dumps that Humility still reads are of six tasks at
most; one of ten is made of a real build on the emulated board.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.archives import GIMLET, settle
from benchmarks.measure import Cost, child_cost, process

__all__ = ["ROWS", "bench_peer"]


class Row(NamedTuple):
    """A command: what it reads, our arguments and Humility's, `{}` for what is read.

    `build` is a path in the folder of real builds, or `DUMPED`.
    """

    command: str
    build: str
    ours: str
    theirs: str


CORE = "cores/hubris.core.v6"
DUMPED = f"a dump of {GIMLET}"
ROWS = (
    Row("list", GIMLET, "-a {} list", "-a {} hiffy -l"),
    # Humility has no audit: listing the operations reads what an audit reads.
    Row("audit", GIMLET, "-a {} audit --fail-on none", "-a {} hiffy -l"),
    Row("manifest", GIMLET, "-a {} manifest", "-a {} manifest"),
    Row("map", GIMLET, "-a {} map", "-a {} map"),
    Row("vars", GIMLET, "-a {} vars", "-a {} readvar -l"),
    Row("tasks", CORE, "-p dump:{} tasks", "-d {} tasks"),
    *(
        Row(ours, DUMPED, f"-a {{}} {ours}", f"-d {{}} {theirs}")
        for ours, theirs in (
            ("tasks", "tasks"),
            ("tasks -slrv", "tasks -slvr"),
            ("registers", "registers"),
            ("registers -s", "registers -s"),
            ("ringbuf", "ringbuf"),
            ("readvar CURRENT_TASK_PTR", "readvar CURRENT_TASK_PTR"),
            ("stackmargin", "stackmargin"),
        )
    ),
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
        dumped = Path(folder) / "ten-tasks.core"
        for row in ROWS:
            source = Path(real) / (GIMLET if row.build == DUMPED else row.build)
            if not source.is_file():
                print(f"  {row.command}: {source} is missing")
                continue
            if row.build == DUMPED and not dumped.exists():
                process([*ours, "-a", str(source), "-p", "emu", "dump", "-o", str(dumped)])
            build = str(dumped if row.build == DUMPED else settle(source, Path(folder)))
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
