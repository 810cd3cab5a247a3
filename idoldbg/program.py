"""A build together with memory to read: look-ups and decoding, no printing.

The memory may be a board's, a core dump's or just the build's own flash image. Nothing is parsed
before it is asked for: a call to one task touches that task's object, hiffy's and the kernel's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import idol
from idol.records import dataclass
from idoldbg.archive import KERNEL, Archive, TaskImage
from idoldbg.codec import image
from idoldbg.debuginfo import TypeInterner
from idoldbg.errors import ArchiveError, ArgumentError, DebugInfoError, FaultError, NotFound
from idoldbg.kept import OPERATION
from idoldbg.memory import MemoryReader
from idoldbg.near import near_misses
from idoldbg.symbols import Variable
from idoldbg.types import Type, type_size
from idoldbg.values import Value

if TYPE_CHECKING:
    from idoldbg.debuginfo import DebugObject, ObjectInfo
    from idoldbg.index import Answers, Field
    from idoldbg.resolver import DeclaredSize, ResolvedOperation, Resolver

__all__ = ["Program", "ServedInterface"]

T = TypeVar("T")

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
    `answers` is what an index knows of this build already.
    """

    def __init__(
        self,
        archive: Archive,
        memory: MemoryReader,
        *,
        type_overrides: Mapping[str, str] | None = None,
        answers: Answers | None = None,
    ) -> None:
        self.archive = archive
        self.memory = memory
        self.type_overrides = dict(type_overrides or {})
        self._answers = answers
        self._interner = TypeInterner() if answers is None else answers.interner
        if answers is not None:
            answers.connect(partial(_open_object, archive, self._interner))
        self._objects: dict[str, DebugObject] = {}
        self._served: dict[str, ServedInterface | str | None] = {}
        self._resolved: dict[tuple[str, str, str], ResolvedOperation] = {}

    def recall(self, question: str, argument: str, find: Callable[[], T], field: Field) -> T:
        """Return what the index knows, else what `find` returns, which the index keeps then.

        For results that take several look-ups; `field` says how they are written.
        """
        if self._answers is None:
            return find()
        return self._answers.ask("", question, argument, find, field)

    # -- objects and tasks

    def object(self, name: str) -> DebugObject:
        """Return the debug information of the kernel or of the task called `name`."""
        if name not in self._objects:
            if name not in self.archive.object_names:
                self.archive.object_bytes(name)  # says what there is instead
            if self._answers is None:
                self._objects[name] = _open_object(self.archive, self._interner, name)
            else:
                self._objects[name] = self._answers.object(name)
        return self._objects[name]

    @property
    def kernel(self) -> DebugObject:
        """The kernel's debug information."""
        return self.object("kernel")

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
        served = map(self._served_by, self.archive.tasks)
        return tuple(s for s in served if isinstance(s, ServedInterface))

    @property
    def unreadable_interfaces(self) -> tuple[tuple[str, str], ...]:
        """(task, reason) for each task of which it cannot be told what it serves."""
        self.prefetch()
        served = ((task.name, self._served_by(task)) for task in self.archive.tasks)
        return tuple((name, why) for name, why in served if isinstance(why, str))

    def _served_by(self, task: TaskImage) -> ServedInterface | str | None:
        """Return what a task serves, None for nothing; a text says why that cannot be told."""
        if task.name not in self._served:
            self._served[task.name] = self._read_served(task)
        return self._served[task.name]

    def _read_served(self, task: TaskImage) -> ServedInterface | str | None:
        try:
            text = self.object(task.name).idolatry
            if not text:
                return None
            interface = idol.parse(idol.Source(f"{task.name}.idol", text))
        except (DebugInfoError, idol.IdolError) as error:
            # One damaged task is no reason not to call the others.
            return str(error)
        if len(interface.operations) > MAX_OPERATIONS:
            count = len(interface.operations)
            return f"{task.name}: an interface of {count} operations, more than any build has"
        return ServedInterface(task, interface, tuple(d.message for d in interface.diagnostics))

    def prefetch(self) -> None:
        """Begin to get the objects of all tasks that are not open, if one must be read anyway.

        For questions about all tasks: it is done in the background, the kernel's first.
        """
        wanted = [
            task.name
            for task in self.archive.tasks
            if task.name not in self._objects
            and not (self._answers and self._answers.knows(task.name, "interface", ""))
        ]
        if len(wanted) > 1:
            self.archive.prefetch([KERNEL, *wanted])  # which nearly every question needs as well

    def _servers_of(self, interface: str) -> list[ServedInterface]:
        """Return who serves an interface; only texts that may have its name are parsed."""
        self.prefetch()
        found = []
        for task in self.archive.tasks:
            try:
                text = self.object(task.name).idolatry or ""
            except DebugInfoError:
                continue
            if interface in text or "\\" in text:  # an escape may hide it
                served = self._served_by(task)
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
            raise NotFound("server", interface, where=f"task `{task}`", hint=f"it is in {tasks}")
        if len(chosen) > 1:
            raise ArgumentError(
                f"interface `{interface}` is served by several tasks ({tasks}): choose one of them",
                name="--task",
            )
        return chosen[0]

    def no_interface(self, name: str) -> NotFound:
        """Build the error for an interface that no task serves."""
        names = [s.interface.name for s in self.servers]
        known = ", ".join(dict.fromkeys(names))
        hint = f"it has {known}" if names else "no task of it serves any interface"
        unreadable = ", ".join(f"`{task}`" for task, _ in self.unreadable_interfaces)
        if unreadable:
            hint += f"; what {unreadable} serves cannot be read"
        return NotFound(
            "interface", name, near=near_misses(name, names), where=self._where, hint=hint
        )

    def operation(self, name: str, task: str | None = None) -> ResolvedOperation:
        """Resolve `Interface.operation`; raise `NotFound` with near misses."""
        if self.type_overrides:  # the index is to know nothing of them
            return self._find_operation(name, task)
        return self.recall(
            "operation", _call_key(name, task), lambda: self._find_operation(name, task), OPERATION
        )

    def _find_operation(self, name: str, task: str | None = None) -> ResolvedOperation:
        interface, dot, operation = name.partition(".")
        server = self.find_server(interface, task)
        names = [o.name for o in server.interface.operations]
        if not dot or operation not in names:
            near = near_misses(operation, names) if operation else names[:3]
            near = tuple(f"{interface}.{n}" for n in near)
            raise NotFound("operation", name, near=near, where=f"task `{server.task.name}`")
        return self.resolve(server, operation)

    def parameter_names(self, name: str) -> frozenset[str]:
        """Return the names of the arguments and leases of `Interface.operation`, without types.

        Empty when no server has such an operation.
        """
        answers, key = self._answers, _call_key(name)
        if answers is not None and answers.knows("", "operation", key, OPERATION):
            known = self.operation(name)
            return frozenset(
                [a.name for a in known.arguments] + [lease.name for lease in known.leases]
            )
        interface, _, operation = name.partition(".")
        return frozenset(
            name
            for server in self._servers_of(interface)
            for op in server.interface.operations
            if op.name == operation
            for name in [*(a.name for a in op.arguments), *(lease.name for lease in op.leases)]
        )

    def resolve(self, server: ServedInterface, operation: str) -> ResolvedOperation:
        """Find the types of one operation in the debug information."""
        key = (server.task.name, server.interface.name, operation)
        if key not in self._resolved:
            self._resolved[key] = self._resolver.resolve(server.interface, operation, server.task)
        return self._resolved[key]

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

        Raises `ArgumentError`, in the name of `option`, for what is no type, and for names that
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

    def incoming_size(self, server: ServedInterface) -> DeclaredSize | None:
        """Find the longest message that a server has room for; None where that is unseen."""
        names = [o.name for o in server.interface.operations]
        return self._resolver.incoming_size([self.resolve(server, name) for name in names])

    @cached_property
    def _resolver(self) -> Resolver:
        from idoldbg.resolver import Resolver  # not for operations that are known

        return Resolver(self.archive, self.object, overrides=self.type_overrides)

    # -- memory

    def read_variable(self, variable: Variable) -> Value:
        """Read and decode a static; what cannot be read becomes an `Unreadable` leaf."""
        if variable.address is None:
            raise NotFound("address of variable", variable.full_name)
        data = self.memory.read(variable.address, type_size(variable.type))
        return image.decode(variable.type, data, address=variable.address)

    def find_word(self, name: str) -> int | None:
        """Read the first four bytes of a static of the kernel; None where it has no such static."""
        address = self._kernel_address(name)
        if address is None:
            return None
        try:
            return int.from_bytes(self.memory.read(address, 4), "little")
        except FaultError:
            return None

    def ticks(self) -> int | None:
        """Read the kernel's uptime in ticks (milliseconds); None where it cannot be read."""
        address = self._kernel_address("TICKS")
        if address is None:
            return None
        try:
            (ticks,) = struct.unpack("<Q", self.memory.read(address, 8))
        except FaultError:
            return None
        return int(ticks)

    def epitaph(self) -> str | None:
        """Read the kernel's last words; None while it lives."""
        address = self._kernel_address("KERNEL_EPITAPH")
        if address is None or not self.find_word("KERNEL_HAS_FAILED"):
            return None
        try:
            data = self.memory.read(address, 128)
        except FaultError:
            return "the kernel has panicked; its message cannot be read"
        return data.split(b"\0")[0].decode(errors="replace")

    def _kernel_address(self, name: str) -> int | None:
        for variable in self.kernel.find_variables(name):
            if variable.address is not None:
                return variable.address
        return None


def _call_key(name: str, task: str | None = None) -> str:
    """Return what tells calls apart: `Interface.operation`, and the server that was chosen."""
    return f"{name}\0{task or ''}"


def _open_object(
    archive: Archive,
    interner: TypeInterner,
    name: str,
    follow: Callable[[int], Type] | None = None,
) -> ObjectInfo:
    from idoldbg.debuginfo import ObjectInfo  # brings pyelftools, which takes its time

    try:
        data = archive.object_bytes(name)
    except ArchiveError as error:
        if not error.member:
            raise
        # One file that is missing or damaged is no reason not to use the others.
        reason = str(error).removeprefix(f"{archive.path}: ")
        raise DebugInfoError(reason, object=name, archive=archive.path) from error
    return ObjectInfo(name, data, interner, follow=follow, archive=archive.path)
