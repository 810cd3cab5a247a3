"""The protocol of look-ups in one object's debug information."""

from __future__ import annotations

from typing import Protocol

from idoldbg.model.symbols import Block, Subprogram
from idoldbg.model.types import Type

__all__ = ["DebugInfo"]


class DebugInfo(Protocol):
    """Look-ups in the debug information of one object: `ObjectInfo`, or a wrapper of it.

    Names are full paths, ends of paths or last components. A method may raise `DebugInfoError` for
    what is malformed.
    """

    @property
    def name(self) -> str:
        """`kernel`, or the task's name."""

    @property
    def has_debug_info(self) -> bool:
        """Return whether there is any debug information."""

    def find_types(self, name: str) -> tuple[Type, ...]:
        """Return the types with this name; an `Opaque` only where none of them is defined."""

    def find_type_names(self, prefix: str) -> tuple[str, ...]:
        """Return at least all short names of types and of functions that begin so."""

    def find_alignment(self, type_: Type) -> int | None:
        """Return what debug information says of a type's alignment, None where it says nothing."""

    def find_subprograms(self, name: str) -> tuple[Subprogram, ...]:
        """Return the functions with this name."""

    def find_bodies(self, name: str) -> tuple[Block, ...]:
        """Return the local variables of the functions with this name.

        To resolve an operation takes those of `handle<…>`, and where something is serialized those
        of `visit_seq<…>` and `main`; its sizes, also those of client methods.
        """

    def find_inlined(self, outer: str, inner: str) -> tuple[tuple[Subprogram, Subprogram], ...]:
        """Return which functions are inlined into which others, by what their names begin with."""
