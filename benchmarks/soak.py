"""Calls in random order, by several workers to several boards, for minutes: `make soak`.

Each worker goes from board to board and makes 200 calls there, so that workers meet on boards. Any
wrong reply ends it with an error; so do processes that grow. `--minutes` says for how long.
"""

from __future__ import annotations

import argparse
import gc
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from idoldbg.call.calls import Call, prepare_call
from idoldbg.errors import OperationError
from idoldbg.model.values import to_python
from idoldbg.session import Session, TargetOptions, demo_boards, open_session
from idoldbg.target.emulated.server import running_board

ROUND = 200
GROWTH_KIB = 8192  # what a process may grow by: the allocator's noise is a few MiB


def main() -> None:
    """Start boards and workers, watch them, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--work", nargs=2, metavar=("SEED", "NAMES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(int(options.work[0]), options.work[1].split(","), options.minutes * 60)
        return
    kinds = demo_boards()
    with ExitStack() as stack:
        boards = [
            stack.enter_context(running_board(f"soak-{n}", board=kinds[n % len(kinds)]))
            for n in range(options.boards)
        ]
        names = ",".join(board.name for board in boards)
        argv = [sys.executable, "-m", "benchmarks.soak", "--minutes", str(options.minutes)]
        workers = [
            subprocess.Popen([*argv, "--work", str(seed), names]) for seed in range(options.workers)
        ]
        pids = [board.pid for board in boards] + [worker.pid for worker in workers]
        failed = watch(workers, pids, options.minutes * 60 / 3)
    sys.exit(failed)


def watch(workers: list[subprocess.Popen[bytes]], pids: list[int], warm_s: float) -> str | int:
    """Wait for the workers; return what went wrong, 0 if nothing did.

    Processes are compared with what they were after `warm_s`: by then each has seen every board.
    """
    first: dict[int, tuple[int, int]] = {}
    begin = time.monotonic()
    problems = []
    while any(worker.poll() is None for worker in workers):
        time.sleep(5)
        for pid in pids:
            now = size(pid)
            if now is None or time.monotonic() - begin < warm_s:
                continue
            before = first.setdefault(pid, now)
            if now[0] > before[0] + GROWTH_KIB or now[1] > before[1] + 8:
                problems.append(f"process {pid} grew from {before} to {now} (KiB, descriptors)")
                for worker in workers:
                    worker.terminate()
    if not problems:
        for pid, before in first.items():
            print(f"process {pid}: {before} KiB and descriptors after {warm_s:.0f} s, then no more")
    problems += [f"a worker ended with {w.returncode}" for w in workers if w.returncode]
    return "\n".join(dict.fromkeys(problems)) or 0


def size(pid: int) -> tuple[int, int] | None:
    """Return a process's memory in KiB and how many files it has open."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        memory = int(status.partition("VmRSS:")[2].split()[0])
        return memory, len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (OSError, IndexError):
        return None  # just ended


def work(seed: int, names: list[str], seconds: float) -> None:
    """Make calls until the time is up; raise at the first wrong reply."""
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        name = rng.choice(names)
        options = TargetOptions(probe=f"emu:{name}", timeout_s=60)
        with open_session(options, notify=lambda _: None) as session:
            for _ in range(ROUND):
                check(session, rng)
                count += 1
        gc.collect()  # sessions are cyclic; when Python looks for such garbage is its own affair
    print(f"worker {seed}: {count} calls, every reply as expected", flush=True)


def check(session: Session, rng: random.Random) -> None:
    """Make a call whose reply is known, whatever others do meanwhile."""

    def prepare(name: str, **arguments: str) -> Call:
        return prepare_call(session.program.operation(name), arguments)

    data = rng.randbytes(rng.randrange(1, 60))
    kind = rng.randrange(4)
    if kind == 0:
        text = f"hex:{data.hex()}"
        call = prepare("Spi.exchange", device_index="1", source=text, sink=str(len(data)))
        assert session.caller.call(call).leases["sink"] == data
    elif kind == 1:
        text = "hex:" + b"".join(bytes((n, 0, 0, 0)) for n in data).hex()
        assert to_python(session.caller.call(prepare("Sensor.sum", values=text)).value) == sum(data)
    elif kind == 2:
        text = f"hex:{data[:8].ljust(8).hex()}"
        reply = session.caller.call(prepare("Sensor.reverse", bytes=text))
        assert to_python(reply.value) == data[:8].ljust(8)[::-1], reply
    else:
        try:
            session.caller.call(prepare("UserLeds.led_on", index="99"))
        except OperationError as error:
            assert error.variant == "NotPresent"
        else:
            raise AssertionError("there is no light 99")


if __name__ == "__main__":
    main()
