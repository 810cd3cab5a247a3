"""The same operations for asyncio: each device makes its calls in a thread of its own.

A call whose task is cancelled is given up at its next look at the target, within hundredths of a
second; hiffy may then still be busy with it, and the device's next call waits for that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from idoldbg.device.core import Core
from idoldbg.device.operation import BoundOperation, OperationDoc, Space
from idoldbg.device.results import Err, Leases, Ok, Reply
from idoldbg.errors import LinkError
from idoldbg.resolver import ResolvedOperation

__all__ = ["AioDevice", "AioOperation", "Worker"]

T = TypeVar("T")


class Worker:
    """The thread of a device; it begins with the first job."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._executor: ThreadPoolExecutor | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    async def run(self, job: Callable[[], T]) -> T:
        """Run a job in the thread; cancelling gives it up."""
        given_up = threading.Event()
        future = self._submit(job, given_up)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def _submit(self, job: Callable[[], T], given_up: threading.Event) -> Future[T]:
        should_stop = self._should_stop(given_up)

        def run() -> T:
            with self._core.turns.stopped_by(should_stop):
                if should_stop():  # while it waited for its turn: nothing is written
                    raise LinkError("the call was given up", link=self._core.session.link.spec)
                return job()

        with self._lock:
            if self._is_closed:
                raise LinkError("this device was closed", link=self._core.session.link.spec)
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="idoldbg")
            return self._executor.submit(run)

    def _should_stop(self, given_up: threading.Event) -> Callable[[], bool]:
        return lambda: self._is_closed or given_up.is_set()

    def close(self) -> None:
        """Refuse further jobs, drop those that wait, and stop the one that runs."""
        with self._lock:
            self._is_closed = True
            executor = self._executor
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)


class AioOperation(BoundOperation):
    __doc__ = OperationDoc("An operation to await.")

    def __init__(self, core: Core, resolved: ResolvedOperation, worker: Worker) -> None:
        super().__init__(core, resolved)
        self._worker = worker

    async def __call__(self, *arguments: Any, **keywords: Any) -> Reply[Any, Leases]:
        """Make the call; as that of the device itself."""
        call = self._bind(arguments, keywords)
        return await self._worker.run(lambda: self._core.call(call))

    async def try_(self, *arguments: Any, **keywords: Any) -> Ok[Reply[Any, Leases]] | Err[Any]:
        """Make the call; return the operation's error instead of raising it."""
        call = self._bind(arguments, keywords)
        return await self._worker.run(lambda: self._core.try_call(call))


class AioDevice(Space[AioOperation]):
    """A device whose operations are awaited: `await dev.aio.Spi.exchange(…)`."""

    def __init__(self, core: Core, worker: Worker, task: str | None = None) -> None:
        super().__init__(core, task)
        self._worker = worker

    def _operation(self, resolved: ResolvedOperation) -> AioOperation:
        return AioOperation(self._core, resolved, self._worker)

    def __getitem__(self, task: str) -> AioDevice:
        return AioDevice(self._core, self._worker, self._known_task(task))
