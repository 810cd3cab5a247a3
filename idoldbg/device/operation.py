"""Operations as Python callables, and the names under which they are found."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from idol.near import near_misses
from idol.printable import printable
from idoldbg.build.program import ServedInterface
from idoldbg.call.calls import Call, bind_call
from idoldbg.device.classes import lower
from idoldbg.device.core import Core
from idoldbg.device.describe import help_text, limits_text, make_signature, one_line, parameters
from idoldbg.device.failures import IN_AN_ERROR, VariantError
from idoldbg.device.names import python_names
from idoldbg.device.results import Err, Leases, Ok, Reply, no_attribute
from idoldbg.errors import ArgumentError, OperationError
from idoldbg.resolver import ResolvedOperation

__all__ = ["BoundOperation", "Errors", "Interface", "Operation", "OperationDoc", "Space"]


class OperationDoc:
    """`__doc__` of a class for the class, and of the operation for its instances."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, instance: BoundOperation | None, owner: type) -> str:
        return self._text if instance is None else instance._help()


class BoundOperation:
    """An operation of a server, on one device; what its arguments and its errors are."""

    __doc__ = OperationDoc("An operation of a server, on one device.")

    def __init__(self, core: Core, resolved: ResolvedOperation) -> None:
        self._core = core
        self._resolved = resolved
        self._parameters = parameters(resolved)
        self.__signature__ = make_signature(resolved, core.classes)
        self.__name__ = resolved.operation
        self.__qualname__ = resolved.name

    @property
    def Error(self) -> type[OperationError]:  # noqa: N802  a class, named as Python names classes
        """The exception class of the operation's error; its variants are attributes of it."""
        return self._core.failures.find(self._resolved)

    def _bind(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Call:
        """Return the checked call; raise TypeError as Python does, `ArgumentError` for values."""
        values: dict[str, Any] = {}
        if len(arguments) > len(self._parameters):
            raise TypeError(f"{one_line(self._resolved)} takes {len(self._parameters)} argument(s)")
        for name, value in zip(self._parameters, arguments, strict=False):
            values[name] = value
        for name, value in keywords.items():
            if name not in self._parameters:
                raise TypeError(self._unknown(name))
            if name in values:
                raise TypeError(f"{self.__qualname__}: `{name}` was given twice")
            values[name] = value
        signature = self.__signature__
        missing = [
            name
            for name, parameter in signature.parameters.items()
            if name not in values and parameter.default is inspect.Parameter.empty
        ]
        if missing:
            raise TypeError(f"{one_line(self._resolved)} also needs {', '.join(missing)}")
        named = {self._parameters[n]: lower(v) for n, v in values.items()}
        return bind_call(self._resolved, named)

    def _unknown(self, name: str) -> str:
        near = near_misses(name, list(self._parameters))
        hint = f"did you mean `{near[0]}`?" if near else f"it is {one_line(self._resolved)}"
        return f"{self.__qualname__} takes no `{name}`; {hint}"

    def _help(self) -> str:
        caller = self._core.session.caller
        with self._core.turns.names:
            limits = limits_text(caller, self._resolved)
        return help_text(self._resolved, self.__signature__, limits)

    def __repr__(self) -> str:
        return printable(f"<{one_line(self._resolved)}>")


class Operation(BoundOperation):
    __doc__ = OperationDoc("An operation that is made when it is called.")

    def __call__(self, *arguments: Any, **keywords: Any) -> Reply[Any, Leases]:
        """Make the call; arguments and leases by position or by name.

        Raises the class of the error's variant (`.Error`), `ServerDied`, `CallTimeout` and other
        `HiffyFailure`s, `ArgumentError` and `NotCallable` before anything is written.
        """
        return self._core.call(self._bind(arguments, keywords))

    def try_(self, *arguments: Any, **keywords: Any) -> Ok[Reply[Any, Leases]] | Err[Any]:
        """Make the call; return `Ok(reply)` or `Err(error)` for an error of the operation.

        Everything else that goes wrong is raised as by the plain call.
        """
        return self._core.try_call(self._bind(arguments, keywords))


O_co = TypeVar("O_co", bound=BoundOperation, covariant=True)


class Errors:
    """The exception classes of an interface: `errors.SpiError`, and `errors.BadDevice` for short.

    A variant that several errors have is found through its error alone.
    """

    def __init__(self, classes: list[type[VariantError]]) -> None:
        self._names: dict[str, type[VariantError]] = {}
        variants = [
            (attribute, made)
            for base in classes
            for attribute, made in zip(
                python_names(base.variants, IN_AN_ERROR), base.variants.values(), strict=True
            )
        ]
        for name, made in variants:
            if sum(name == n for n, _ in variants) == 1:
                self._names[name] = made
        self._names.update({base.__name__: base for base in classes})

    def __getattr__(self, name: str) -> type[VariantError]:
        names = self.__dict__.get("_names", {})
        if name in names:
            found: type[VariantError] = names[name]
            return found
        raise no_attribute("error", name, names)

    def __dir__(self) -> list[str]:
        return list(self._names)

    def __iter__(self) -> Iterator[type[VariantError]]:
        return iter(self._names.values())

    def __repr__(self) -> str:
        return printable(f"<errors {', '.join(self._names)}>")


class Interface(Generic[O_co]):
    """The operations of one server, as attributes; `dev.Spi["exchange"]` finds them too."""

    def __init__(
        self, core: Core, server: ServedInterface, make: Callable[[ResolvedOperation], O_co]
    ) -> None:
        self._core = core
        self._server = server
        self._make = make
        names = [o.name for o in server.interface.operations]
        self._names = dict(zip(python_names(names), names, strict=True))
        self._made: dict[str, O_co] = {}

    def __getattr__(self, name: str) -> O_co:
        if name.startswith("__"):  # what Python and its tools try on every object
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> O_co:
        if name not in self._names:
            interface = self._server.interface.name
            raise no_attribute("operation", name, self._names, where=f"interface `{interface}`")
        with self._core.turns.names:
            if name not in self._made:
                resolved = self._core.program.resolve(self._server, self._names[name])
                self._made[name] = self._make(resolved)
            return self._made[name]

    @property
    def errors(self) -> Errors:
        """The exception classes of all operations' errors."""
        found = [self[name].Error for name in self._names]
        return Errors(list(dict.fromkeys(e for e in found if issubclass(e, VariantError))))

    def __iter__(self) -> Iterator[O_co]:
        return (self[name] for name in self._names)

    def __dir__(self) -> list[str]:
        return [*self._names, "errors"]

    def __repr__(self) -> str:
        head = f"{self._server.interface.name} of task `{self._server.task.name}`"
        lines = [one_line(self[name]._resolved).partition(".")[2] for name in self._names]
        return "\n    ".join(map(printable, [f"<{head}:", *lines])) + ">"


class Space(ABC, Generic[O_co]):
    """Namespace of interfaces; `space["task"]` has those of one task alone."""

    def __init__(self, core: Core, task: str | None = None) -> None:
        self._core = core
        self._task = task
        self._interfaces: dict[str, Interface[O_co]] = {}

    @abstractmethod
    def _operation(self, resolved: ResolvedOperation) -> O_co:
        """Return the callable for an operation."""

    def __getattr__(self, name: str) -> Interface[O_co]:
        if name.startswith("_"):  # what Python and its tools try on every object
            raise AttributeError(name)
        if name not in self._interfaces:
            self._interfaces[name] = Interface(self._core, self._find(name), self._operation)
        return self._interfaces[name]

    def _find(self, name: str) -> ServedInterface:
        servers = [s for s in self._servers() if s.interface.name == name]
        if not servers:
            names = self._interface_names()
            where = f"task `{self._task}`" if self._task else "this build"
            hint = "" if len(names) > 12 else f"it has {', '.join(names)}"
            raise no_attribute("interface", name, names, where=where, hint=hint)
        if len(servers) > 1:
            choices = " or ".join(f'dev["{s.task.name}"].{name}' for s in servers)
            raise _Ambiguous(f"`{name}` is served by several tasks: write {choices}")
        return servers[0]

    def _known_task(self, name: str) -> str:
        """Return the name of a task of this build; raise `NotFound`, or TypeError for no name."""
        if not isinstance(name, str):
            raise TypeError(f'a task goes by its name, as in ["spi"], and not by {name!r}')
        return self._core.program.task(name).name

    def _servers(self) -> list[ServedInterface]:
        with self._core.turns.names:
            servers = self._core.program.servers
        return [s for s in servers if self._task in (None, s.task.name)]

    def _interface_names(self) -> list[str]:
        return list(dict.fromkeys(s.interface.name for s in self._servers()))

    def __dir__(self) -> list[str]:
        own = [n for n in super().__dir__() if not n.startswith("_")]
        return [*self._interface_names(), *own]


class _Ambiguous(ArgumentError, AttributeError):  # type: ignore[misc]  # `name` is both
    """A name that means several things, also for `hasattr`."""
