"""Many calls as few programs: hiffy looks for work once a millisecond, whatever a program holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from idol.printable import printable
from idoldbg.call.calls import Call
from idoldbg.device.core import Core
from idoldbg.device.operation import BoundOperation, OperationDoc, Space
from idoldbg.device.results import Err, LeaseData, Leases, Ok, Reply
from idoldbg.errors import NotCallable, OperationError
from idoldbg.resolver import ResolvedOperation

__all__ = ["Batch", "BatchOperation", "BaseBatch", "Pending"]


T = TypeVar("T")
L = TypeVar("L", bound=Mapping[str, LeaseData])
E = TypeVar("E")


class Pending(Generic[T, L, E]):
    """A call of a batch: its answer is here when the batch is done."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._answer: Reply[T, L] | Exception | None = None

    @property
    def reply(self) -> Reply[T, L]:
        """The reply; raises what the call alone would have raised."""
        if self._answer is None:
            name = self._call.operation.name
            raise NotCallable(
                f"{name}: there is no answer: the batch was not run yet, or failed before it",
                operation=name,
            )
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    @property
    def value(self) -> T:
        """The reply's value; raises as `reply`."""
        return self.reply.value

    @property
    def leases(self) -> L:
        """The reply's leases; raises as `reply`."""
        return self.reply.leases

    @property
    def exception(self) -> Exception | None:
        """Error of the call; None if it succeeded or has no answer."""
        return self._answer if isinstance(self._answer, Exception) else None

    @property
    def is_done(self) -> bool:
        """Whether the call was answered."""
        return self._answer is not None

    @property
    def result(self) -> Ok[Reply[T, L]] | Err[E]:
        """`Ok(reply)`, or `Err(error)` for an error of the operation; raises anything else."""
        if isinstance(self._answer, OperationError):
            error: Any = getattr(self._answer, "error", None)
            return Err(error, self._answer)
        return Ok(self.reply)

    def __repr__(self) -> str:
        if self._answer is None:
            return printable(f"<{self._call.operation.name}: no answer>")
        return printable(f"<{self._call.operation.name}: {self._answer!r}>")


class BatchOperation(BoundOperation):
    __doc__ = OperationDoc("An operation that is made when its batch is.")

    def __init__(self, core: Core, resolved: ResolvedOperation, batch: Batch) -> None:
        super().__init__(core, resolved)
        self._batch = batch

    def __call__(self, *arguments: Any, **keywords: Any) -> Pending[Any, Leases, Any]:
        """Add the call to the batch; raise what its checks find."""
        return self._batch._add(self._bind(arguments, keywords))


class BaseBatch:
    """Records calls in a `with` block and makes them at its end, in order.

    An error of one call stops no other and is raised where its answer is looked at. When hiffy
    itself fails (`HiffyFailure`), or the link, the error comes out of the block, with a note of how
    many calls were answered, how many may have been made, and how many were not.
    """

    _core: Core
    calls: list[Pending[Any, Leases, Any]]

    def run(self) -> None:
        """Make the calls that have no answer yet: after a failure, those in doubt once more."""
        todo = iter([p for p in self.calls if not p.is_done])

        def done(answer: Reply[Any, Leases] | Exception) -> None:
            next(todo)._answer = answer

        self._core.call_all([p._call for p in self.calls if not p.is_done], done)

    def __iter__(self) -> Iterator[Pending[Any, Leases, Any]]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.run()

    def __repr__(self) -> str:
        done = sum(p.is_done for p in self.calls)
        return f"<batch of {len(self.calls)} calls, {done} answered>"


class Batch(Space[BatchOperation], BaseBatch):
    """A batch whose operations are found by name."""

    def __init__(
        self,
        core: Core,
        calls: list[Pending[Any, Leases, Any]] | None = None,
        task: str | None = None,
    ) -> None:
        super().__init__(core, task)
        self.calls = [] if calls is None else calls

    def _operation(self, resolved: ResolvedOperation) -> BatchOperation:
        return BatchOperation(self._core, resolved, self)

    def __getitem__(self, task: str) -> Batch:
        return Batch(self._core, self.calls, self._known_task(task))

    def _add(self, call: Call) -> Pending[Any, Leases, Any]:
        with self._core.turns.names:
            self._core.session.caller.check(call)
        self.calls.append(Pending(call))
        return self.calls[-1]
