"""Damage builds many times and do everything with them that the commands do.

    python benchmarks/fuzz_build.py [COUNT] [--from NUMBER] [--large ARCHIVE…]

COUNT is 200,000 if not given. What is damaged: a small build (`tests/idoldbg/hostile/builds.py`),
its ELF files, debug information, interface, description, zip file, core dumps of it, and what the
cache has of it; one case in a hundred is an object of an ARCHIVE, by default a demo image. A case
must end with a result or an `IdoldbgError`, within 2 s of CPU and with 256 MB more memory than the
program itself, and must write nothing but to its cache.

Cases run in processes of their own, a batch each. What fails is kept in `fuzz-failures/`. Prints
how the cases ended, the longest times and the most memory.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.idoldbg.hostile.examine import (  # noqa: E402  # the path comes first
    MEMORY_LIMIT,
    TIME_LIMIT_S,
    Fuzzer,
    share_parsers,
)

BATCH = 1000
DEMO = ROOT / "fixtures" / "archives" / "nucleo-g031.zip"
FAILURES = Path("fuzz-failures")


def main() -> int:
    """Run and report; 1 if a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=200_000)
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--large", nargs="*", default=[str(DEMO)], metavar="ARCHIVE")
    arguments = parser.parse_args()
    large = tuple(read_parts(path) for path in arguments.large)
    share_parsers()
    total: Counter[str] = Counter()
    slowest: list[tuple[float, int]] = []
    memory = 0
    at, end = arguments.first, arguments.first + arguments.count
    while at < end:
        found = run_batch(at, min(at + BATCH, end), large)
        total.update(found["ends"])
        slowest = sorted([*slowest, *map(tuple, found["slowest"])])[-5:]
        memory = max(memory, found["memory"])
        at = found["next"]
        if sys.stderr.isatty() or at % 10_000 < BATCH:
            print(f"{at - arguments.first} cases, {total['failed']} failed", file=sys.stderr)
    print(f"{at - arguments.first} cases, {memory >> 20} MB more at most")
    for what, number in sorted(total.items(), key=lambda item: -item[1]):
        print(f"  {what:40} {number}")
    for seconds, number in reversed(slowest):
        print(f"  slowest: {seconds * 1000:.0f} ms for case {number}")
    return 1 if total["failed"] else 0


def read_parts(path: str) -> dict[str, bytes]:
    """Read the files of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def run_batch(first: int, end: int, large: tuple[dict[str, bytes], ...]) -> dict[str, Any]:
    """Run cases in a process of their own; one that ends it is noted, and passed over."""
    at = mmap.mmap(-1, 8)  # shared with the child: the case that it is at
    at[:] = first.to_bytes(8, "little")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_child(first, end, large, at, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if status == 0:
        found: dict[str, Any] = json.loads(text)
        return found
    number = int.from_bytes(at[:], "little")
    keep_failure(number, f"the process ended with status {status}", large)
    return {"ends": {"failed": 1}, "slowest": [], "memory": 0, "next": number + 1}


def _run_child(
    first: int, end: int, large: tuple[dict[str, bytes], ...], at: mmap.mmap, writer: int
) -> None:
    directory = Path(tempfile.mkdtemp(prefix="fuzz-build-"))
    try:
        fuzzer = Fuzzer(directory, large)
        fuzzer.make_index()
        # A hang is killed, whatever it hangs in.
        signal.setitimer(signal.ITIMER_PROF, 0)
        _limit_memory()
        before = _peak()
        ends: Counter[str] = Counter()
        slowest: list[tuple[float, int]] = []
        for number in range(first, end):
            at[:] = number.to_bytes(8, "little")
            signal.setitimer(signal.ITIMER_PROF, 10 * TIME_LIMIT_S)
            try:
                outcome = fuzzer.run(number)
            except Exception:  # noqa: BLE001  # whatever it is, it is a bug
                keep_failure(number, traceback.format_exc(), large)
                ends["failed"] += 1
                continue
            ends[f"{outcome.kind}: {outcome.end}"] += 1
            slowest = sorted([*slowest, (outcome.seconds, number)])[-3:]
            if outcome.seconds > TIME_LIMIT_S:
                keep_failure(number, f"took {outcome.seconds:.1f} s", large)
                ends["failed"] += 1
        memory = _peak() - before
        if memory > MEMORY_LIMIT:
            keep_failure(end, f"took {memory} bytes in one of the cases before", large)
            ends["failed"] += 1
        found = {"ends": ends, "slowest": slowest, "memory": memory, "next": end}
        os.write(writer, json.dumps(found).encode())
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


def _limit_memory() -> None:
    """Let the process have so much more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def keep_failure(number: int, why: str, large: tuple[dict[str, bytes], ...]) -> None:
    """Write a case and its outcome."""
    FAILURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kind, data, index = Fuzzer(Path(folder), large).prepare(number)
    (FAILURES / f"{number}.{kind}").write_bytes(data)
    if index is not None:
        (FAILURES / f"{number}.{kind}.cached").write_bytes(index)
    (FAILURES / f"{number}.txt").write_text(why)
    print(f"case {number} failed: {why.strip().splitlines()[-1]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
