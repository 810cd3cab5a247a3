"""Objects that are searched besides the server's: what is damaged in one of them hides no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from idoldbg.build.debuginfo import DebugInfo
from idoldbg.errors import DebugInfoError
from idoldbg.model.symbols import Block, Subprogram
from idoldbg.model.types import Type

__all__ = ["TolerantInfo"]

T = TypeVar("T")


class TolerantInfo:
    """An object in which nothing is found where its debug information is malformed.

    `damage` says what was malformed, "" as long as nothing was.
    """

    def __init__(self, source: DebugInfo) -> None:
        self._source = source
        self.name = source.name
        self.damage = ""

    def _try(self, ask: Callable[[], T], nothing: T) -> T:
        try:
            return ask()
        except DebugInfoError as error:
            self.damage = self.damage or str(error)
            return nothing

    @property
    def has_debug_info(self) -> bool:
        """Return whether there is any debug information."""
        return self._try(lambda: self._source.has_debug_info, False)

    def find_types(self, name: str) -> tuple[Type, ...]:
        """Return the types with this name."""
        return self._try(lambda: self._source.find_types(name), ())

    def find_type_names(self, prefix: str) -> tuple[str, ...]:
        """Return at least all short names of types and of functions that begin so."""
        return self._try(lambda: self._source.find_type_names(prefix), ())

    def find_alignment(self, type_: Type) -> int | None:
        """Return what debug information says of a type's alignment."""
        return self._try(lambda: self._source.find_alignment(type_), None)

    def find_subprograms(self, name: str) -> tuple[Subprogram, ...]:
        """Return the functions with this name."""
        return self._try(lambda: self._source.find_subprograms(name), ())

    def find_bodies(self, name: str) -> tuple[Block, ...]:
        """Return the local variables of the functions with this name."""
        return self._try(lambda: self._source.find_bodies(name), ())

    def find_inlined(self, outer: str, inner: str) -> tuple[tuple[Subprogram, Subprogram], ...]:
        """Return which functions are inlined into which others."""
        return self._try(lambda: self._source.find_inlined(outer, inner), ())
