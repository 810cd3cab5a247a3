"""Messages between tasks as Idol calls: which operation, its arguments, its reply.

Each server's interface and types are those of the build's own debug information; what is not known
of a message stays bytes, with the reason.
"""

from __future__ import annotations

from enum import StrEnum

from idol.records import dataclass, field
from idoldbg.build.program import Program, ServedInterface
from idoldbg.call import codec
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import Scalar, ScalarKind
from idoldbg.model.values import Bool, EnumValue, Int, Value, c_like_variant, find_number
from idoldbg.resolver import ErrorKind, ResolvedArgument, ResolvedOperation
from idoldbg.views.kernel_messages import KernelMessages

__all__ = ["IdolMessages", "LentMemory", "MessageName", "Outcome", "Result"]

_DEAD = 0xFFFFFF00  # abi::FIRST_DEAD_CODE; the low byte has the generation of the one that lives


class Outcome(StrEnum):
    """Result of a call, in one word."""

    OK = "ok"
    ERROR = "error"
    DEAD = "dead"  # the server restarted meanwhile
    RESTARTED = "restarted"  # the client did
    OPEN = "open"  # no answer yet


@dataclass(frozen=True, slots=True)
class MessageName:
    """Name of a message: `interface` is None where its server's is not known.

    `operation` is then the number of the message.
    """

    interface: str | None
    operation: str
    code: int
    problem: str = ""

    @property
    def full(self) -> str:
        """`Interface.operation`, or the number alone."""
        return self.operation if self.interface is None else f"{self.interface}.{self.operation}"


@dataclass(frozen=True, slots=True)
class LentMemory:
    """One lease of a call; `name` is None where the interface does not say."""

    name: str | None
    size: int
    read: bool
    write: bool


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a call.

    `value` is the reply's, or the error's; `variant` names the error. `code` is the response code,
    `generation` that of a server that died, once it was restarted.
    """

    outcome: Outcome
    code: int = 0
    value: Value | None = None
    variant: str | None = None
    generation: int | None = None
    data: bytes = field(default=b"", repr=False)
    problem: str = ""


class IdolMessages:
    """Decodes the messages of one build."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._kernel = KernelMessages(program)
        self._known: dict[tuple[int, int], tuple[MessageName, ResolvedOperation | None]] = {}

    def name(self, server: int | None, code: int) -> MessageName:
        """Return the name of message `code` to a task, by its index; None for the kernel."""
        return self._find(server, code)[0]

    def arguments(
        self, server: int | None, code: int, data: bytes
    ) -> tuple[tuple[tuple[str, Value], ...] | None, str]:
        """Return the arguments in a message by name, or None and the reason."""
        if server is None:
            return self._kernel.arguments(code, data), ""
        name, operation = self._find(server, code)
        if operation is None:
            return None, name.problem
        unknown = [a.text for a in operation.arguments if a.type is None or a.wire is None]
        if unknown:
            return None, f"the type {unknown[0]} is not in this build's debug information"
        if operation.contradiction:
            return None, operation.contradiction
        try:
            encoding = codec.for_encoding(operation.encoding)
            values = encoding.decode_arguments(operation.wire_members, data)
        except IdoldbgError as error:
            return None, error.message
        named = zip(operation.arguments, values, strict=True)
        return tuple((a.name, _as_written(a, value)) for a, value in named), ""

    def leases(self, server: int | None, code: int, table: bytes) -> tuple[LentMemory, ...]:
        """Return the leases of a message, from the client's table of `abi::ULease`."""
        operation = self._find(server, code)[1]
        names = [lease.name for lease in operation.leases] if operation is not None else []
        found = []
        for index in range(len(table) // 12):
            at = 12 * index
            attributes, size = (int.from_bytes(table[i : i + 4], "little") for i in (at, at + 8))
            name = names[index] if index < len(names) else None
            found.append(LentMemory(name, size, bool(attributes & 1), bool(attributes & 2)))
        return tuple(found)

    def result(self, server: int | None, code: int, response: int, data: bytes) -> Result:
        """Decode the answer to a message: its response code and bytes."""
        if response & _DEAD == _DEAD:
            return Result(Outcome.DEAD, response, generation=response & 0xFF, data=data)
        if server is None and not response:
            return Result(Outcome.OK, value=self._kernel.answer(code, data), data=data)
        name, operation = self._find(server, code)
        if operation is None:
            outcome = Outcome.OK if not response else Outcome.ERROR
            return Result(outcome, response, data=data, problem=name.problem)
        try:
            if not response:
                return self._reply(operation, data)
            return _error(operation, response, data)
        except IdoldbgError as error:
            outcome = Outcome.ERROR if response else Outcome.OK
            return Result(outcome, response, data=data, problem=error.message)

    def operation(self, server: int | None, code: int) -> ResolvedOperation | None:
        """Return the operation that a message is for, None where that is not known."""
        return self._find(server, code)[1]

    def _reply(self, operation: ResolvedOperation, data: bytes) -> Result:
        type_ = operation.ok.type
        if type_ is None:
            why = f"the type {operation.ok.text} is not in this build's debug information"
            return Result(Outcome.OK, data=data, problem=why)
        value = codec.for_encoding(operation.encoding).decode(type_, data)
        return Result(Outcome.OK, value=value, data=data)

    def _find(self, server: int | None, code: int) -> tuple[MessageName, ResolvedOperation | None]:
        key = (-1 if server is None else server, code)
        if key not in self._known:
            self._known[key] = self._look_up(server, code)
        return self._known[key]

    def _look_up(
        self, server: int | None, code: int
    ) -> tuple[MessageName, ResolvedOperation | None]:
        if server is None:
            return MessageName("kernel", self._kernel.name(code), code), None
        tasks = self._program.archive.tasks
        if server >= len(tasks):
            return MessageName(None, f"#{code}", code, "the build has no such task"), None
        served = self._program.find_served(tasks[server])
        if not isinstance(served, ServedInterface):
            why = served or "its server has no interface"
            return MessageName(None, f"#{code}", code, why), None
        interface = served.interface
        found = next((o.name for o in interface.operations if o.code == code), None)
        if found is None:
            why = f"{interface.name} has no operation {code}"
            return MessageName(interface.name, f"#{code}", code, why), None
        try:
            resolved = self._program.resolve(served, found)
        except IdoldbgError as error:
            return MessageName(interface.name, found, code, error.message), None
        return MessageName(interface.name, found, code), resolved


def _error(operation: ResolvedOperation, response: int, data: bytes) -> Result:
    type_ = operation.error.type if operation.error is not None else None
    value: Value | None = None
    variant = None
    if type_ is not None and operation.error_kind is ErrorKind.COMPLEX:
        if response == 1:  # the error itself is in the answer
            value = codec.for_encoding("hubpack").decode(type_, data)
            variant = value.variant if isinstance(value, EnumValue) else None
    elif type_ is not None:
        variant = c_like_variant(type_, response)
        value = None if variant is None else EnumValue(type_, variant, response)
    return Result(Outcome.ERROR, response, value, variant, data=data)


def _as_written(argument: ResolvedArgument, value: Value) -> Value:
    """Turn the integer that a bool or C-like enum travels as into what the interface says."""
    type_ = argument.type
    if not isinstance(value, Int) or type_ is None or type_ == value.type:
        return value
    number = find_number(value)
    if number is None:
        return value
    if isinstance(type_, Scalar) and type_.encoding is ScalarKind.BOOL:
        return Bool(type_, bool(number))
    variant = c_like_variant(type_, number)
    return value if variant is None else EnumValue(type_, variant, number)
