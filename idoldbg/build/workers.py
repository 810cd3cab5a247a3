"""Work on a build shared out among processes: each finds some results, and one keeps them all.

Children are forked: they have the build open and all modules loaded. They send what they found as
an index (`idoldbg.build.index`), so that whatever an index can keep can be shared out, and whoever
asks again finds it known. A job that fails leaves no result: whoever asks gets the error then, as
if nothing had been shared out.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence

from idoldbg.build.program import Program

__all__ = ["Job", "count_processors", "share_out"]

Job = Callable[[], object]
MAX_WORKERS = 8
MAX_SIZE = 256 << 20  # bytes of a child's results; those of the largest builds are below 1 MB
PATIENCE_S = 600.0  # of hearing nothing; the largest builds take a child seconds
_NUMBER_SIZE = 2  # bytes; all numbers must fit the buffer of a pipe, which has 64 KiB


def count_processors() -> int:
    """Return how many processes can work at once; 1 where processes cannot be forked."""
    if not hasattr(os, "fork") or not hasattr(os, "sched_getaffinity"):
        return 1
    return len(os.sched_getaffinity(0))


def share_out(
    program: Program,
    jobs: Sequence[Job],
    workers: int,
    *,
    start: Callable[[int], None] = lambda _number: None,
    patience_s: float = PATIENCE_S,
) -> None:
    """Find results ahead, in `workers` processes; `jobs` ask `program` for what it recalls.

    `start` is told how many jobs have begun before one that this process takes. Does nothing where
    it would not pay, or where this process has other threads: a fork would leave them out, with
    the locks that they hold. Raises `OSError` where a child is killed, or is silent for too long.
    """
    jobs = jobs[: 1 << 8 * _NUMBER_SIZE - 2]
    count = min(workers, len(jobs) // 2, MAX_WORKERS) - 1
    if count < 1 or not _is_single_threaded():
        return
    # What reads objects is loaded once, and not by each process.
    import idoldbg.build.debuginfo.object_info
    import idoldbg.resolver  # noqa: F401

    children: list[_Child] = []
    queue = _Queue(len(jobs))
    try:
        for _ in range(count):
            children.append(_Child(program, jobs, queue))
        _work(jobs, queue, start)
        for child in children:
            data = child.wait(patience_s)
            if data is not None:
                program.adopt(data)
    finally:
        queue.close()
        for child in children:
            child.end()


def _is_single_threaded() -> bool:
    try:
        with os.scandir("/proc/self/task") as threads:
            return len(list(threads)) == 1
    except OSError:
        return False


def _work(jobs: Sequence[Job], queue: _Queue, start: Callable[[int], None]) -> None:
    while (number := queue.take()) is not None:
        start(number)
        try:
            jobs[number]()
        except Exception:  # noqa: BLE001  it comes again where the result is asked for
            continue


class _Queue:
    """The numbers of jobs in a pipe that all processes read: who is free takes the next one."""

    def __init__(self, count: int) -> None:
        self._file, end = os.pipe()
        with os.fdopen(end, "wb") as stream:
            stream.write(b"".join(n.to_bytes(_NUMBER_SIZE, "big") for n in range(count)))

    def take(self) -> int | None:
        """Return the number of a job that nobody has taken; None where there is no more."""
        number = os.read(self._file, _NUMBER_SIZE)
        return int.from_bytes(number, "big") if number else None

    def close(self) -> None:
        """Leave the rest of the jobs undone."""
        os.close(self._file)


class _Child:
    """A forked process that works, sends its results, and ends."""

    def __init__(self, program: Program, jobs: Sequence[Job], queue: _Queue) -> None:
        self._file, end = os.pipe()
        parent = os.getpid()
        self._pid: int | None = os.fork()
        if not self._pid:
            _be_child(program, jobs, queue, end, parent)
        os.close(end)

    def wait(self, patience_s: float) -> bytes | None:
        """Return what the child found; None where it failed, and its work is to be done again."""
        data = bytearray()
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        while True:
            if not poll.poll(patience_s * 1000):
                raise TimeoutError(f"{_WORKER} has sent nothing for {patience_s:g} s; {_ADVICE}")
            piece = os.read(self._file, 1 << 20)
            if not piece:
                break
            data += piece
            if len(data) > MAX_SIZE:
                return None
        code = self._reap()
        if code < 0:
            raise ChildProcessError(
                f"{_WORKER} was killed by {_signal_name(-code)}: is memory short? {_ADVICE}"
            )
        return bytes(data) if code == 0 else None

    def end(self) -> None:
        """Kill the child if it still runs."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()
        os.close(self._file)

    def _reap(self) -> int:
        pid, self._pid = self._pid, None
        assert pid is not None
        try:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:  # whoever uses this as a library ignores SIGCHLD
            return 1


_WORKER = "a process that reads a part of the build"
_ADVICE = "try again, or with `taskset -c 0`, which keeps everything in one process"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _be_child(program: Program, jobs: Sequence[Job], queue: _Queue, end: int, parent: int) -> None:
    """Work and end the process: nothing of the parent's is to be flushed or cleaned up twice."""
    status = 1

    def start(_number: int) -> None:
        if os.getppid() != parent:  # nobody waits any more
            os._exit(1)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _work(jobs, queue, start)
        view = memoryview(program.news())
        while view:
            view = view[os.write(end, view) :]
        status = 0
    finally:
        os._exit(status)
