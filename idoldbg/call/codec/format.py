"""An encoding's single items, on which `serde` builds the encoding of whole values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from idol.records import dataclass

__all__ = ["Format", "Reader", "WireError", "Writer"]


class WireError(Exception):
    """An item that an encoding cannot write, or bytes that do not hold one."""


class Writer(Protocol):
    """Appends single items."""

    @property
    def data(self) -> bytes:
        """Bytes written so far."""

    def put_int(self, value: int, size: int, *, signed: bool) -> None:
        """Append an integer of `size` bytes."""

    def put_float(self, value: float, size: int) -> None:
        """Append an f32 or f64."""

    def put_bool(self, value: bool) -> None:
        """Append a bool."""

    def put_char(self, value: str) -> None:
        """Append a char."""

    def put_variant(self, index: int) -> None:
        """Append the index of a variant."""

    def put_bytes(self, data: bytes) -> None:
        """Append an array of u8."""


class Reader(Protocol):
    """Takes single items from the front; `offset` is where the next one starts."""

    @property
    def offset(self) -> int:
        """Offset of the next item, in bytes from the start."""

    def take_int(self, size: int, *, signed: bool) -> int:
        """Take an integer of `size` bytes."""

    def take_float(self, size: int) -> float:
        """Take an f32 or f64."""

    def take_bool(self) -> bool:
        """Take a bool."""

    def take_char(self) -> str:
        """Take a char."""

    def take_variant(self, count: int) -> int:
        """Take the index of one of `count` variants."""

    def take_bytes(self, size: int) -> bytes:
        """Take an array of u8."""


@dataclass(frozen=True, slots=True)
class Format:
    """An encoding's items and their sizes.

    `errors` are the exceptions that its writer and reader raise. `max_char_size` is None where the
    encoding has no char, `int_sizes` the sizes of integers that it has, `max_variants` how many an
    enum may have. `is_human_readable` is what serde asks its `Serializer`.
    """

    name: str
    make_writer: Callable[[], Writer]
    make_reader: Callable[[bytes], Reader]
    errors: tuple[type[Exception], ...]
    int_sizes: frozenset[int]
    max_char_size: int | None
    max_variant_size: Callable[[int], int]
    max_variants: int | None = None
    is_human_readable: bool = False
