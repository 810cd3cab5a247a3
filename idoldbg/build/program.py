"""A build together with memory to read: look-ups and decoding, no printing.

The memory may be a board's, a core dump's or just the build's own flash image. Nothing is parsed
before it is asked for: a call to one task touches that task's object, hiffy's and the kernel's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import idol
from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.index import Kind, Results
from idoldbg.build.kept import ADDRESS, INTERFACE, OPERATION, SERVER
from idoldbg.errors import ArchiveError, ArgumentError, DebugInfoError, FaultError, NotFound
from idoldbg.model.archive import KERNEL, Archive, TaskImage
from idoldbg.model.memory import MemoryReader
from idoldbg.model.types import Type

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import ObjectInfo, TypeInterner
    from idoldbg.build.load import Build
    from idoldbg.resolver import DeclaredSize, ResolvedOperation, Resolver

__all__ = ["Program", "ServedInterface", "operation_key"]

T = TypeVar("T")

MAX_EPITAPH = 4096  # bytes; Hubris has 128
MAX_OPERATIONS = 1000  # of an interface; Hubris's largest has 38


@dataclass(frozen=True, slots=True)
class ServedInterface:
    """An interface found in the object of the task that serves it."""

    task: TaskImage
    interface: idol.Interface
    problems: tuple[str, ...]


class Program:
    """Answers questions about one build, with `memory` as its state.

    `type_overrides` settles ambiguous type names: from the name in the interface to a full path.
    `results` is what an index knows of this build already.
    """

    def __init__(
        self,
        archive: Archive,
        memory: MemoryReader,
        *,
        type_overrides: Mapping[str, str] | None = None,
        results: Results | None = None,
    ) -> None:
        self.archive = archive
        self.memory = memory
        self.build: Build | None = None
        """The file behind it, as it was opened."""
        self.taken_at: int | None = None
        """The kernel's time in ticks, where it is known though its memory is not."""
        self.type_overrides = dict(type_overrides or {})
        self._results = Results() if results is None else results
        self._overridden = Results()  # operations with overrides of types, which no index keeps
        self._objects = _Objects(archive, self._results.interner)
        self._results.connect(self._objects.type_at)
        self._served: dict[str, ServedInterface | str | None] = {}

    def recall(self, kind: Kind[T], argument: str, find: Callable[[], T]) -> T:
        """Return a result that is known, else what `find` returns, which the index keeps then."""
        return self._results.recall(kind, argument, find)

    def forget(self, kind: Kind[T], argument: str) -> None:
        """Keep a result that was just found out of the index."""
        self._results.forget(kind, argument)

    def recall_settled(self, kind: Kind[T], argument: str, find: Callable[[], T]) -> T:
        """Recall what depends on overrides of types: with any, no index has it, nor keeps it."""
        results = self._overridden if self.type_overrides else self._results
        return results.recall(kind, argument, find)

    # -- objects and tasks

    def object(self, name: str) -> ObjectInfo:
        """Return the debug information of the kernel or of the task called `name`."""
        return self._objects.open(name)

    @property
    def kernel(self) -> ObjectInfo:
        """The kernel's debug information."""
        return self.object(KERNEL)

    def task(self, name: str) -> TaskImage:
        """Return a task by name; raise `NotFound`."""
        return self.archive.get_task(name)

    @property
    def _where(self) -> str:
        return f"image `{self.archive.image_name}`" if self.archive.image_name else "this build"

    # -- interfaces

    @property
    def servers(self) -> tuple[ServedInterface, ...]:
        """Every interface of every task, in task order."""
        self.prefetch()
        served = map(self.find_served, self.archive.tasks)
        return tuple(s for s in served if isinstance(s, ServedInterface))

    @property
    def unreadable_interfaces(self) -> tuple[tuple[str, str], ...]:
        """(task, reason) for each task whose interface cannot be read."""
        self.prefetch()
        served = ((task.name, self.find_served(task)) for task in self.archive.tasks)
        return tuple((name, why) for name, why in served if isinstance(why, str))

    def find_served(self, task: TaskImage) -> ServedInterface | str | None:
        """Return what a task serves, None for nothing, or why it cannot be read."""
        if task.name not in self._served:
            self._served[task.name] = self._read_served(task)
        return self._served[task.name]

    def _read_served(self, task: TaskImage) -> ServedInterface | str | None:
        try:
            text = self._interface_text(task)
            if not text:
                return None
            interface = idol.parse(idol.Source(f"{task.name}.idol", text))
        # One damaged task must not prevent calls to the others.
        except idol.DiagnosedError as error:
            first, *more = error.diagnostics
            return f"{first}{f', and {len(more)} more' if more else ''}"
        except (DebugInfoError, idol.IdolError) as error:
            return str(error)
        if len(interface.operations) > MAX_OPERATIONS:
            count = len(interface.operations)
            return f"{task.name}: an interface of {count} operations, more than any build has"
        return ServedInterface(task, interface, tuple(d.message for d in interface.diagnostics))

    def _interface_text(self, task: TaskImage) -> str | None:
        return self.recall(INTERFACE, task.name, lambda: self.object(task.name).idolatry)

    def prefetch_for(self, kind: Kind[Any]) -> None:
        """Begin to get the objects whose result of this kind, by object, is not known yet."""
        wanted = [
            name
            for name in self.archive.object_names
            if not self._objects.is_open(name) and not self._results.knows(kind, name)
        ]
        if len(wanted) > 1:
            self.archive.prefetch(wanted)

    def prefetch(self) -> None:
        """Begin to get the objects of all tasks that are not open, if one must be read anyway.

        For questions about all tasks: it is done in the background, the kernel's first.
        """
        wanted = [
            task.name
            for task in self.archive.tasks
            if not self._objects.is_open(task.name)
            and not self._results.knows(INTERFACE, task.name)
        ]
        if len(wanted) > 1:
            self.archive.prefetch([KERNEL, *wanted])  # which nearly every question needs as well

    def _servers_of(self, interface: str) -> list[ServedInterface]:
        """Return who serves an interface; only texts that may have its name are parsed."""
        self.prefetch()
        found = []
        for task in self.archive.tasks:
            try:
                text = self._interface_text(task) or ""
            except DebugInfoError:
                continue
            if interface in text or "\\" in text:  # an escape may hide it
                served = self.find_served(task)
                if isinstance(served, ServedInterface) and served.interface.name == interface:
                    found.append(served)
        return found

    def find_server(self, interface: str, task: str | None = None) -> ServedInterface:
        """Return who serves an interface; `task` chooses where several do.

        Raises `NotFound`, or `ArgumentError` when a choice is needed.
        """
        if task is not None:
            self.task(task)
        servers = self._servers_of(interface)
        if not servers:
            raise self.no_interface(interface)
        chosen = [s for s in servers if task in (None, s.task.name)]
        tasks = ", ".join(s.task.name for s in servers)
        if not chosen:
            hint = f"it is served by {tasks}"
            raise NotFound("interface", interface, where=f"task `{task}`", hint=hint)
        if len(chosen) > 1:
            raise ArgumentError(
                f"interface `{interface}` is served by several tasks ({tasks}): choose one, as in "
                f"`--task {chosen[0].task.name}`",
                name="--task",
            )
        return chosen[0]

    def no_interface(self, name: str) -> NotFound:
        """Build the error for an interface that no task serves."""
        names = [s.interface.name for s in self.servers]
        known = ", ".join(dict.fromkeys(names))
        near = near_misses(name, names)
        hint = f"it has {known}" if names else "no task of it serves any interface"
        if near:
            hint = ""
        unreadable = ", ".join(f"`{task}`" for task, _ in self.unreadable_interfaces)
        if unreadable:
            hint += f"{'; ' if hint else ''}what {unreadable} serves cannot be read"
        return NotFound("interface", name, near=near, where=self._where, hint=hint)

    def operation(self, name: str, task: str | None = None) -> ResolvedOperation:
        """Resolve `Interface.operation`; raise `NotFound` with near misses."""
        interface, _, operation = name.partition(".")
        if not operation:
            self._refuse_interface(interface, task)
        if task is None:
            task = self.recall(SERVER, interface, lambda: self.find_server(interface).task.name)
        return self._recall_operation(name, task, lambda: self._find_operation(name, task))

    def _recall_operation(
        self, name: str, task: str, find: Callable[[], ResolvedOperation]
    ) -> ResolvedOperation:
        return self.recall_settled(OPERATION, operation_key(name, task), find)

    def _find_operation(self, name: str, task: str) -> ResolvedOperation:
        interface, _, operation = name.partition(".")
        server = self.find_server(interface, task)
        names = [o.name for o in server.interface.operations]
        if operation not in names:
            near = tuple(f"{interface}.{n}" for n in near_misses(operation, names))
            hint = "" if near else f"it has {', '.join(names)}"
            where = f"task `{server.task.name}`"
            raise NotFound("operation", name, near=near, where=where, hint=hint)
        return self._resolver.resolve(server.interface, operation, server.task)

    def _refuse_interface(self, name: str, task: str | None) -> NoReturn:
        """Raise `ArgumentError` with an interface's operations, or as `find_server`."""
        servers = [s for s in self._servers_of(name) if task in (None, s.task.name)]
        server = servers[0] if servers else self.find_server(name, task)
        operations = ", ".join(f"{name}.{o.name}" for o in server.interface.operations)
        raise ArgumentError(f"`{name}` is an interface: name one of its operations, {operations}")

    def parameter_names(self, name: str) -> frozenset[str]:
        """Return the names of the arguments and leases of `Interface.operation`, without types.

        Empty when no server has such an operation.
        """
        interface, _, operation = name.partition(".")
        if self._is_known(name, interface):
            known = self.operation(name)
            return frozenset(
                [a.name for a in known.arguments] + [lease.name for lease in known.leases]
            )
        return frozenset(
            name
            for server in self._servers_of(interface)
            for op in server.interface.operations
            if op.name == operation
            for name in [*(a.name for a in op.arguments), *(lease.name for lease in op.leases)]
        )

    def _is_known(self, name: str, interface: str) -> bool:
        """Return whether an operation is known whose interface has a single server."""
        results = self._results
        if self.type_overrides or not results.knows(SERVER, interface):
            return False
        task = self.recall(SERVER, interface, lambda: "")
        return results.knows(OPERATION, operation_key(name, task))

    def resolve(self, server: ServedInterface, operation: str) -> ResolvedOperation:
        """Find the types of one operation in the debug information."""
        return self._recall_operation(
            f"{server.interface.name}.{operation}",
            server.task.name,
            lambda: self._resolver.resolve(server.interface, operation, server.task),
        )

    @cached_property
    def written_types(self) -> frozenset[str]:
        """The names of types in all interfaces of the build: what overrides can be for."""
        from idoldbg.resolver import written_names  # not for operations that are known

        return frozenset().union(*(written_names(s.interface) for s in self.servers))

    def override_types(
        self,
        overrides: Mapping[str, str],
        *,
        also: Collection[str] = (),
        option: str = "type_overrides",
    ) -> None:
        """Settle type names from now on, besides what was settled before; for a fresh program.

        Raises `ArgumentError`, in the name of `option`, for what is not a type, and for names that
        neither an interface of this build has nor `also` does.
        """
        from idoldbg.resolver import read_override  # not for operations that are known

        try:
            read = dict(read_override(name, path) for name, path in overrides.items())
        except ValueError as error:
            raise ArgumentError(str(error), name=option) from None
        for name in read:
            if name in also or name in self.written_types or self.unreadable_interfaces:
                continue
            near = near_misses(name, sorted({*self.written_types, *also}))
            meant = " or ".join(f"`{n}`" for n in near)
            raise ArgumentError(
                f"no interface of {self._where} has a type called `{name}`"
                + (f"; did you mean {meant}?" if near else ""),
                name=option,
            )
        self.type_overrides.update(read)

    @property
    def unused_overrides(self) -> tuple[str, ...]:
        """The type overrides that no operation resolved so far names a type like."""
        return self._resolver.unused_overrides if self.type_overrides else ()

    def declared_sizes(
        self, operation: ResolvedOperation, *, in_clients: bool = True
    ) -> tuple[DeclaredSize, ...]:
        """Find the sizes of an operation's messages that the build's own code shows.

        Without `in_clients` only the server's code is looked at, which costs far less.
        """
        return self._resolver.declared_sizes(operation, in_clients=in_clients)

    def left_out(self, operation: ResolvedOperation) -> str:
        """Return what derived impls leave out of an operation's values, "" for nothing.

        "" for nothing.
        """
        return self._resolver.left_out(operation)

    def by_hand(self, task: str) -> Mapping[str, str]:
        """Return the types of a task that are serialized by hand, each with the evidence."""
        return self._resolver.by_hand(task)

    def incoming_size(self, server: ServedInterface) -> DeclaredSize | None:
        """Find the longest message that a server has room for; None where that is unseen."""
        names = [o.name for o in server.interface.operations]
        return self._resolver.incoming_size([self.resolve(server, name) for name in names])

    @cached_property
    def _resolver(self) -> Resolver:
        from idoldbg.resolver import Resolver  # not for operations that are known

        return Resolver(self.archive, self.object, overrides=self.type_overrides)

    # -- memory

    def find_word(self, name: str) -> int | None:
        """Read the first four bytes of a static of the kernel; None where it has no such static."""
        address = self.kernel_address(name)
        if address is None:
            return None
        try:
            return int.from_bytes(self.memory.read(address, 4), "little")
        except FaultError:
            return None

    def ticks(self) -> int | None:
        """Read the kernel's uptime in ticks (milliseconds); None where it cannot be read."""
        address = self.kernel_address("TICKS")
        if address is None:
            return self.taken_at
        try:
            (ticks,) = struct.unpack("<Q", self.memory.read(address, 8))
        except FaultError:
            return self.taken_at
        return int(ticks)

    def epitaph(self) -> str | None:
        """Read the kernel's last words; None while it lives."""
        if not self.find_word("KERNEL_HAS_FAILED"):
            return None
        for variable in self.kernel.find_variables("KERNEL_EPITAPH"):
            if variable.address is not None:
                break
        else:  # as in kernels that are built to be small
            return "the kernel has panicked, and keeps no message"
        size = min(variable.type.size, MAX_EPITAPH)
        try:
            data = self.memory.read(variable.address, size)
        except FaultError:
            return "the kernel has panicked; its message cannot be read"
        return data.split(b"\0")[0].decode(errors="replace")

    def kernel_address(self, name: str) -> int | None:
        """Return where a static of the kernel lies; None where it has no such static."""

        def find() -> int | None:
            found = (v.address for v in self.kernel.find_variables(name))
            return next((address for address in found if address is not None), None)

        return self.recall(ADDRESS, name, find)


def operation_key(name: str, task: str) -> str:
    """Return what results about `Interface.operation` as a task serves it are kept by."""
    return f"{name}\0{task}"


class _Objects:
    """The objects of a build, each opened when it is first asked for.

    Apart from `Program`, so that results, which find the targets of pointers here, do not hold the
    program.
    """

    def __init__(self, archive: Archive, interner: TypeInterner) -> None:
        self._archive = archive
        self._interner = interner
        self._open: dict[str, ObjectInfo] = {}

    def is_open(self, name: str) -> bool:
        return name in self._open

    def open(self, name: str) -> ObjectInfo:
        if name not in self._open:
            self._open[name] = self._read(name)
        return self._open[name]

    def type_at(self, name: str, die_offset: int) -> Type:
        return self.open(name).type_at(die_offset)

    def _read(self, name: str) -> ObjectInfo:
        from idoldbg.build.debuginfo import ObjectInfo  # brings pyelftools, which takes its time

        archive = self._archive
        try:
            data = archive.object_bytes(name)
        except ArchiveError as error:
            if not error.member:
                raise
            # One file that is missing or damaged must not prevent use of the others.
            reason = str(error).removeprefix(f"{archive.path}: ")
            raise DebugInfoError(reason, object=name, archive=archive.path) from error
        return ObjectInfo(name, data, self._interner, archive=archive.path)
