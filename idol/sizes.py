"""Sizes of values in messages, as far as the text of their types tells.

A text such as `drv_spi_api::Mode` tells nothing: its size is then anything from zero. Targets have
32 bits, so that is what `usize` takes.

Ref: zerocopy 0.8 (the layout in memory), hubpack 0.1 and ssmarshal 1.0 (fields one after another,
an option or result after a tag byte, arrays without a length).
"""

from __future__ import annotations

from idol.hints import Final
from idol.kinds import Encoding, RecvKind
from idol.records import dataclass
from idol.rust_type import Array, Path, RustType, Tuple
from idol.syntax import AttributedType, Operation


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, from `minimum` to `maximum`; None: no telling."""

    minimum: int
    maximum: int | None

    @property
    def exact(self) -> int | None:
        """The size, if it is known and the same for all values."""
        return self.minimum if self.minimum == self.maximum else None

    def __add__(self, other: Size) -> Size:
        if self.maximum is None or other.maximum is None:
            return Size(self.minimum + other.minimum, None)
        return Size(self.minimum + other.minimum, self.maximum + other.maximum)

    def __mul__(self, count: int) -> Size:
        if not count:
            return Size(0, 0)
        maximum = None if self.maximum is None else self.maximum * count
        return Size(self.minimum * count, maximum)

    def __str__(self) -> str:
        if self.exact is not None:
            return str(self.exact)
        if self.maximum is None:
            return f"at least {self.minimum}" if self.minimum else "unknown"
        return f"{self.minimum} to {self.maximum}"


def format_bytes(size: Size) -> str:
    """Write a size with its unit: `1 byte`, `at least 1 byte`, `2 to 5 bytes`."""
    return f"{size} byte{'s' * (str(size).rpartition(' ')[2] != '1')}"


UNKNOWN: Final = Size(0, None)
ZERO: Final = Size(0, 0)

_PRIMITIVES: Final = {"bool": 1, "f32": 4, "f64": 8, "usize": 4, "isize": 4} | {
    f"{sign}{bits}": bits // 8 for sign in "iu" for bits in (8, 16, 32, 64, 128)
}
_NON_ZERO: Final = {
    f"NonZero{name.capitalize()}": size for name, size in _PRIMITIVES.items() if name[0] in "iu"
}
#: hubpack and ssmarshal refuse integers whose size depends on the machine.
_UNPACKABLE: Final = frozenset({"usize", "isize", "NonZeroUsize", "NonZeroIsize"})


def type_size(rust_type: RustType, encoding: Encoding) -> Size:
    """Return the size of a value of a type in an encoding."""
    match rust_type:
        case Tuple(items=()):
            return ZERO
        case Array(element=element, length=int(length)):
            return type_size(element, encoding) * length
        case Tuple(items=items) if encoding is not Encoding.ZEROCOPY:
            return sum((type_size(item, encoding) for item in items), ZERO)
        case Path():
            return _path_size(rust_type, encoding)
    return UNKNOWN


def find_core_name(path: Path) -> str | None:
    """Return the name of a type that every Rust program knows by it, else None.

    Both `Option<u8>` and `core::option::Option<u8>` are `Option`; `my_api::Option` is not.
    """
    if len(path.segments) == 1 or path.segments[0].name in ("core", "std"):
        return path.name
    return None


def _path_size(path: Path, encoding: Encoding) -> Size:
    name = find_core_name(path)
    types = [item for item in path.arguments if isinstance(item, RustType)]
    inner = [type_size(item, encoding) for item in types]
    if name == "Option" and len(inner) == 1:
        if encoding is not Encoding.ZEROCOPY:
            return Size(1, None if inner[0].maximum is None else 1 + inner[0].maximum)
        # The one option whose layout zerocopy relies on: zero is None.
        if isinstance(types[0], Path) and find_core_name(types[0]) in _NON_ZERO:
            return inner[0]
        return UNKNOWN
    if name == "Result" and len(inner) == 2 and encoding is not Encoding.ZEROCOPY:
        ok, error = inner
        maximum = None
        if ok.maximum is not None and error.maximum is not None:
            maximum = 1 + max(ok.maximum, error.maximum)
        return Size(1 + min(ok.minimum, error.minimum), maximum)
    if path.arguments or name is None:
        return UNKNOWN
    if name in _UNPACKABLE and encoding is not Encoding.ZEROCOPY:
        return UNKNOWN
    size = _PRIMITIVES.get(name, _NON_ZERO.get(name))
    return UNKNOWN if size is None else Size(size, size)


def value_size(value: AttributedType, encoding: Encoding) -> Size:
    """Return the size of an argument or reply as it travels."""
    if encoding is not Encoding.ZEROCOPY or value.wire_type is None:
        return type_size(value.type.rust, encoding)
    size = type_size(value.wire_type, encoding)
    return size + Size(1, 1) if is_optional_number(value) else size


def is_optional_number(value: AttributedType) -> bool:
    """Return whether an option travels as a number with a byte before it that says if there is one.

    That is what our stubs make of an `Option<T>` that is received `FromPrimitive`.
    """
    rust_type = value.type.rust
    if not isinstance(rust_type, Path) or value.recv.kind is not RecvKind.FROM_PRIMITIVE:
        return False
    return find_core_name(rust_type) == "Option" and len(rust_type.arguments) == 1


def arguments_size(operation: Operation) -> Size:
    """Return the size of an operation's message."""
    sizes = (value_size(argument.value, operation.encoding) for argument in operation.arguments)
    return sum(sizes, ZERO)


def reply_size(operation: Operation) -> Size:
    """Return the size of the message of an operation that succeeds."""
    return value_size(operation.reply.ok, operation.encoding)
