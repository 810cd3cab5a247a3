"""What is asked of an object's debug information, whoever answers: an ELF file or an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from idoldbg.symbols import SymbolTable, TypeSource, Variable
from idoldbg.types import Type

__all__ = ["DebugObject"]


class DebugObject(TypeSource, Protocol):
    """One object of a build; `ObjectInfo` says what each method returns.

    A method may raise `DebugInfoError` for what is malformed.
    """

    @property
    def idolatry(self) -> str | None:
        """The text of the Idol interface that a task serves."""

    @property
    def symbols(self) -> SymbolTable:
        """The symbol table."""

    def section(self, name: str) -> bytes | None:
        """Return a section's bytes."""

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Return initial contents at an address."""

    def type_at(self, die_offset: int) -> Type:
        """Return the type whose entry is at this offset of `.debug_info`."""

    def iter_types(self) -> Iterator[tuple[int, Type]]:
        """Yield every type with the offset of its entry."""

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        """Return the statics with this name."""

    def iter_variables(self) -> Iterator[Variable]:
        """Yield every static."""
