"""Results of a call: a `Reply`, or with `try_` an `Ok` or an `Err`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NoReturn, Self, TypeAlias, TypeVar

from idol.near import near_misses
from idol.printable import printable
from idol.records import dataclass, field
from idoldbg.device.names import python_names
from idoldbg.errors import NotFound

__all__ = [
    "BaseLeases",
    "Data",
    "Err",
    "LeaseData",
    "Leases",
    "Ok",
    "Reply",
    "Result",
    "Some",
    "no_attribute",
]

T = TypeVar("T")
E = TypeVar("E")
L = TypeVar("L", bound="Mapping[str, LeaseData]")


Data: TypeAlias = bytes | bytearray | memoryview
"""What a lease that the server reads may be given as, besides a sequence of elements."""


class LeaseData(bytes):
    """The bytes of a lease after the call, and the elements that they are."""

    _decode: Callable[[bytes], list[Any]]

    def __new__(cls, data: bytes, decode: Callable[[bytes], list[Any]] = list) -> Self:
        """Keep the bytes, and beside them how to read the elements."""
        made = super().__new__(cls, data)
        made._decode = decode
        return made

    @property
    def elements(self) -> list[Any]:
        """The elements as Python values."""
        return self._decode(bytes(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_elements, (bytes(self), self.elements)


def _with_elements(data: bytes, elements: list[Any]) -> LeaseData:
    """Make what was copied or pickled again, without the build that says what elements are."""
    return LeaseData(data, lambda _: list(elements))


class BaseLeases(Mapping[str, LeaseData]):
    """The leases that the server wrote, by name."""

    def __init__(self, data: Mapping[str, LeaseData]) -> None:
        self._data = dict(data)

    def __getitem__(self, name: str) -> LeaseData:
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return printable(
            "{" + ", ".join(f"{n}: hex:{d.hex()}" for n, d in self._data.items()) + "}"
        )


class Leases(BaseLeases):
    """The leases that the server wrote: `leases.sink` is `leases["sink"]`."""

    def __getattr__(self, name: str) -> LeaseData:
        data = self.__dict__.get("_data", {})
        names = dict(zip(python_names(data, IN_LEASES), data, strict=True))
        if name in names:
            found: LeaseData = data[names[name]]
            return found
        raise no_attribute("lease written by the server", name, names)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *python_names(self._data, IN_LEASES)]


IN_LEASES = frozenset(dir(Leases))
"""What leases have already: a lease of such a name is `leases.keys_`, or `leases["keys"]`."""


@dataclass(frozen=True)
class Reply(Generic[T, L]):
    """Reply of an operation: its ok value, and the leases that the server wrote.

    Unpacks into the two. Two replies are equal when both parts are.
    """

    value: T
    leases: L
    _text: str = field(default="", compare=False, repr=False)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.value, self.leases))

    def __repr__(self) -> str:
        return printable(self._text or f"Reply(value={self.value!r}, leases={self.leases!r})")


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """The good side of a result: the `Reply` of `try_`, or what a Rust `Result` holds."""

    value: T

    @property
    def is_ok(self) -> bool:
        """True."""
        return True

    def unwrap(self) -> T:
        """Return the value."""
        return self.value

    def __repr__(self) -> str:
        return f"Ok({_rust(self.value)})"


@dataclass(frozen=True, slots=True)
class Err(Generic[E]):
    """The other side: the operation's error, or what a Rust `Result` holds.

    `error` is a member of the error's enum, or an instance of the variant's class where it carries
    data; None for a response code that is none of the operation's errors. `exception` is what the
    plain call would have raised; None in a `Result` that is a value.
    """

    error: E
    exception: Exception | None = field(default=None, compare=False, repr=False)

    @property
    def is_ok(self) -> bool:
        """False."""
        return False

    def unwrap(self) -> NoReturn:
        """Raise the exception."""
        raise self.exception or ValueError(f"unwrap of {self!r}")

    def __repr__(self) -> str:
        return f"Err({_rust(self.error)})"


Result: TypeAlias = Ok[T] | Err[E]


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """An Option that holds what would read as None itself: `Some(None)`, `Some(())`."""

    value: T

    def __repr__(self) -> str:
        return f"Some({self.value!r})"


def _rust(value: object) -> str:
    """Write what stands inside `Ok(…)`; None is `()` where it stands for a value of no bytes."""
    return "()" if value is None else repr(value)


class _NoAttribute(NotFound, AttributeError):  # type: ignore[misc]  # `name` is both
    """A name that is not there, also for `hasattr` and `getattr` with a default."""


def no_attribute(
    kind: str, name: str, known: Mapping[str, Any] | list[str], **more: Any
) -> AttributeError:
    """Build the error for an attribute that a dynamic object does not have."""
    return _NoAttribute(kind, name, near=near_misses(name, list(known)), **more)
