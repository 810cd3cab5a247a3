"""Types before and after: whether the bytes are the same, as far as texts tell."""

from __future__ import annotations

from idol.diff.changes import Level
from idol.kinds import Encoding, ErrorKind
from idol.rust_type import BOOL, Path, RustType, Tuple, parse_type
from idol.sizes import is_optional_number
from idol.syntax import AttributedType, ReplyError

_U8 = parse_type("u8")
_NUMBERS = frozenset(
    {"bool", "char", "f32", "f64", "usize", "isize"}
    | {f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64, 128)}
)


def wire_type(value: AttributedType, encoding: Encoding) -> RustType:
    """Return what travels: zerocopy sends a bool as a byte, and what `recv` says."""
    if encoding is Encoding.ZEROCOPY:
        travels = value.wire_type or value.type.rust
        if is_optional_number(value):
            return Tuple((_U8, travels))
        return _U8 if travels == BOOL else travels
    return value.type.rust


def compare_values(
    old: AttributedType, new: AttributedType, old_encoding: Encoding, new_encoding: Encoding
) -> Level | None:
    if old.type.rust == new.type.rust and old.wire_type == new.wire_type:
        if old.recv.function != new.recv.function:
            return Level.SOURCE
        return None
    if wire_type(old, old_encoding) == wire_type(new, new_encoding):
        return Level.SOURCE
    return compare_types(wire_type(old, old_encoding), wire_type(new, new_encoding))


def compare_types(old: RustType, new: RustType) -> Level | None:
    """Compare two types by their texts; what a named type is made of cannot be seen."""
    if old == new:
        return None
    named = isinstance(old, Path) and isinstance(new, Path)
    known = _is_number(old) and _is_number(new)
    if named and not known:
        return Level.UNSURE
    if type(old) is not type(new) and (_is_opaque(old) or _is_opaque(new)):
        return Level.UNSURE
    return Level.BREAKING


def _is_number(rust_type: RustType) -> bool:
    return isinstance(rust_type, Path) and str(rust_type) in _NUMBERS


def _is_opaque(rust_type: RustType) -> bool:
    return isinstance(rust_type, Path) and not _is_number(rust_type)


def compare_errors(old: ReplyError | None, new: ReplyError | None) -> Level | None:
    if old is None or new is None:
        if old is new:
            return None
        # Callers of a `Simple` operation do not expect anything but a good reply.
        comes_first = new is not None and new.kind is not ErrorKind.SERVER_DEATH
        return Level.BREAKING if comes_first else Level.SOURCE
    if old.kind is not new.kind:
        # Servers never send a ServerDeath: old callers just lose an error they knew.
        return Level.SOURCE if new.kind is ErrorKind.SERVER_DEATH else Level.BREAKING
    if old.type is None or new.type is None:
        return None
    return compare_types(old.type.rust, new.type.rust)
