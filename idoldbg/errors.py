"""Hierarchy of the errors that idoldbg raises.

::

    IdoldbgError
    ├── ArchiveError            not a Hubris build, or damaged          .path .member
    ├── DebugInfoError          malformed or missing DWARF              .object .die_offset .archive
    ├── TargetFileError         a chip or board description is wrong    .path
    ├── NotFound (LookupError)  task, interface, operation, type, …     .kind .name .near
    ├── ArgumentError (ValueError)   a value does not fit its type      .name
    ├── DecodeError (ValueError)     bytes do not fit the type          .type .offset
    ├── EncodeError (ValueError)     a value has no such encoding       .type
    ├── FaultError              memory that cannot be read or written   .address .size
    ├── MismatchError           the target runs another image           .expected .actual
    ├── LinkError               probe, emulator or dump failed          .link
    │   ├── ProbeNotFound
    │   ├── LinkTimeout                                                 .timeout_s
    │   ├── FlashError          programming failed half-way             .state
    │   └── Unsupported         the link cannot do that at all          .capability
    └── CallError               an Idol call failed                     .operation
        ├── OperationError      the operation answered with its error   .variant .code .value
        ├── ServerDied          the server was restarted meanwhile      .task .generation
        ├── NotCallable         refused before anything was written
        └── HiffyFailure        hiffy could not run the program         .failure
            └── CallTimeout     no answer in time                       .timeout_s

Any other exception that escapes is a bug. The command line turns the classes into exit codes in one
place, `idoldbg.cli.exit_code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from idol.printable import printable

if TYPE_CHECKING:
    from idoldbg.model.values import Value

__all__ = [
    "ArchiveError",
    "ArgumentError",
    "CallError",
    "CallTimeout",
    "DebugInfoError",
    "DecodeError",
    "EncodeError",
    "FaultError",
    "FlashError",
    "HiffyFailure",
    "IdoldbgError",
    "LimitExceeded",
    "LinkError",
    "LinkTimeout",
    "MismatchError",
    "NotCallable",
    "NotFound",
    "OperationError",
    "ProbeNotFound",
    "ServerDied",
    "TargetFileError",
    "Unsupported",
]


class IdoldbgError(Exception):
    """Root of the tree; never raised itself.

    Its message and its notes are a line each, whatever names they quote.
    """

    def __init__(self, message: str) -> None:
        if type(self) is IdoldbgError:
            raise TypeError("raise one of its subclasses")
        message = printable(message)
        super().__init__(message)
        self.message = message

    def add_note(self, note: str, /) -> None:
        """Add a line to what is shown below the message."""
        super().add_note(printable(note))

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to other processes, as from a worker of a pool, without what `__init__` asks for."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[IdoldbgError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    made = kind.__new__(kind, *args)
    made.__dict__.update(state)
    return made


class ArchiveError(IdoldbgError):
    """A file that should hold a Hubris build does not, or part of it is damaged."""

    def __init__(self, message: str, *, path: str = "", member: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.member = member


class DebugInfoError(IdoldbgError):
    """ELF or DWARF that is malformed, or lacks what was needed.

    `object` names the ELF file inside the build, `die_offset` is relative to its `.debug_info`.
    `archive` is the path of the build where it is known; the message does not repeat it.
    """

    def __init__(
        self,
        message: str,
        *,
        object: str = "",
        die_offset: int | None = None,
        archive: str = "",
    ) -> None:
        super().__init__(message)
        self.object = object
        self.die_offset = die_offset
        self.archive = archive


class TargetFileError(IdoldbgError):
    """A chip or board file that cannot be used."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NotFound(IdoldbgError, LookupError):
    """Something looked up by name is not there; `near` holds names that resemble it."""

    def __init__(
        self, kind: str, name: str, *, near: Sequence[str] = (), where: str = "", hint: str = ""
    ) -> None:
        message = f"no {kind} named `{name}`"
        if where:
            message += f" in {where}"
        if near:
            message += "; did you mean " + " or ".join(f"`{n}`" for n in near) + "?"
        if hint:
            message += f"; {hint}"
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.near = tuple(near)


class ArgumentError(IdoldbgError, ValueError):
    """A value given by the user does not fit the type of the argument called `name`."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name


class DecodeError(IdoldbgError, ValueError):
    """Bytes that are not a value of `type` (a name); `offset` is in bytes from their start."""

    def __init__(self, message: str, *, type: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.type = type
        self.offset = offset


class EncodeError(IdoldbgError, ValueError):
    """A value, or a whole type, that an encoding cannot express."""

    def __init__(self, message: str, *, type: str = "") -> None:
        super().__init__(message)
        self.type = type


class FaultError(IdoldbgError):
    """Target memory that cannot be accessed; `size` is in bytes."""

    def __init__(self, message: str, *, address: int, size: int = 0) -> None:
        super().__init__(message)
        self.address = address
        self.size = size


class MismatchError(IdoldbgError):
    """The image on the target is not the one whose debug information was loaded."""

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class LinkError(IdoldbgError):
    """The way to the target failed; `link` is its SPEC, such as `pyocd:0669FF`."""

    def __init__(self, message: str, *, link: str = "") -> None:
        super().__init__(message)
        self.link = link


class ProbeNotFound(LinkError):
    """No debug probe, or more than one where one was meant."""


class LinkTimeout(LinkError):
    """The target did not do in time what was waited for."""

    def __init__(self, message: str, *, timeout_s: float, link: str = "") -> None:
        super().__init__(message, link=link)
        self.timeout_s = timeout_s


class FlashError(LinkError):
    """Programming a board went wrong after it began; `state` is what the board has now.

    `partly-written`: erased or programmed in part, it does not run; `unverified`: programmed, but
    reading it back failed or differed; `not-running`: the image is there and does not come up.
    """

    def __init__(self, message: str, *, state: str, link: str = "") -> None:
        super().__init__(message, link=link)
        self.state = state


class Unsupported(LinkError):
    """The link lacks a capability, such as writing to a core dump."""

    def __init__(self, message: str, *, capability: str, link: str = "") -> None:
        super().__init__(message, link=link)
        self.capability = capability


class CallError(IdoldbgError):
    """An Idol call did not give its result; `operation` is `Interface.operation`."""

    def __init__(self, message: str, *, operation: str = "") -> None:
        super().__init__(message)
        self.operation = operation


class OperationError(CallError):
    """The server answered with the operation's own error.

    `variant` is the name of the error's variant (None when the code has none), `code` the response
    code on the wire, `value` the decoded error (an `idoldbg.model.values.Value`) where there is
    one.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        variant: str | None = None,
        code: int = 0,
        value: Value | None = None,
    ) -> None:
        super().__init__(message, operation=operation)
        self.variant = variant
        self.code = code
        self.value = value


class ServerDied(CallError):
    """The server died while it had the message; `generation` is its new incarnation's."""

    def __init__(self, message: str, *, operation: str = "", task: str, generation: int) -> None:
        super().__init__(message, operation=operation)
        self.task = task
        self.generation = generation


class NotCallable(CallError):
    """The call was refused before anything was written to the target."""


class LimitExceeded(NotCallable):
    """A call that does not fit this image's hiffy; `limit` and `actual` are in bytes or entries."""

    def __init__(self, message: str, *, operation: str = "", limit: int, actual: int) -> None:
        super().__init__(message, operation=operation)
        self.limit = limit
        self.actual = actual


class HiffyFailure(CallError):
    """hiffy did not run the program to its end; `failure` is hiffy's own word for it.

    Such as `reset` (the board was reset during the call), `restarted` (hiffy was), `reply fault`
    (a server had hiffy killed for the message), `conflict` (another debugger used hiffy at the same
    time), `timeout`, `not ready`. `may_have_run` is False where the call was surely not made,
    `generation` is hiffy's before the call. `post_mortem` is what the target's memory told
    afterwards (a `PostMortem` of `idoldbg.views.postmortem`, or None); the error's notes
    say it in sentences.
    """

    def __init__(
        self, message: str, *, operation: str = "", failure: str = "", may_have_run: bool = True
    ) -> None:
        super().__init__(message, operation=operation)
        self.failure = failure
        self.may_have_run = may_have_run
        self.generation: int | None = None
        self.post_mortem: Any = None


class CallTimeout(HiffyFailure):
    """hiffy did not become ready, or its program did not end, within `timeout_s`."""

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        failure: str = "",
        timeout_s: float,
        may_have_run: bool = True,
    ) -> None:
        super().__init__(message, operation=operation, failure=failure, may_have_run=may_have_run)
        self.timeout_s = timeout_s
