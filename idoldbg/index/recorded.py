"""An object of a build whose questions are answered from an index as far as it has the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from idoldbg.symbols import Block, Subprogram, SymbolTable, Variable
from idoldbg.types import Type

if TYPE_CHECKING:
    from idoldbg.debuginfo import ObjectInfo
    from idoldbg.index.answers import Answers

__all__ = ["RecordedObject"]

KEPT_MEMORY = 16
"""The most bytes of initial contents that are kept: words such as versions, not programs."""


class RecordedObject:
    """The same face as `ObjectInfo`, which describes each method; see `DebugObject`.

    `read` opens the object itself; it is called when something is asked that `answers` lack.
    """

    def __init__(self, name: str, answers: Answers, read: Callable[[str], ObjectInfo]) -> None:
        self.name = name
        self._answers = answers
        self._read = read

    @cached_property
    def _object(self) -> ObjectInfo:
        return self._read(self.name)

    # ---- answers that are kept ------------------------------------------------------------------

    @property
    def idolatry(self) -> str | None:
        """The text of the Idol interface that a task serves, None for tasks that serve none."""
        return self._answers.ask(self.name, "interface", "", lambda: self._object.idolatry)

    @property
    def has_debug_info(self) -> bool:
        """Tell whether there is a `.debug_info` at all."""
        return self._answers.ask(
            self.name, "has debug info", "", lambda: self._object.has_debug_info
        )

    def find_types(self, name: str) -> tuple[Type, ...]:
        """Return the types with this name: full path, end of a path, or last component."""
        return self._answers.ask(self.name, "types", name, lambda: self._object.find_types(name))

    def find_type_names(self, prefix: str) -> tuple[str, ...]:
        """Return what may be a type's short name and begins so."""
        if len(prefix) == 1 and prefix.isalpha():  # for near misses: too many to keep
            return self._object.find_type_names(prefix)
        return self._answers.ask(
            self.name, "type names", prefix, lambda: self._object.find_type_names(prefix)
        )

    def type_at(self, die_offset: int) -> Type:
        """Return the type whose entry is at this offset of `.debug_info`."""
        return self._answers.ask(
            self.name, "type at", str(die_offset), lambda: self._object.type_at(die_offset)
        )

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        """Return the statics with this name: full path, end of a path, last component or symbol."""
        return self._answers.ask(
            self.name, "variables", name, lambda: self._object.find_variables(name)
        )

    def find_subprograms(self, name: str) -> tuple[Subprogram, ...]:
        """Return the functions with this name: full path, end of a path, or last component."""
        return self._answers.ask(
            self.name, "subprograms", name, lambda: self._object.find_subprograms(name)
        )

    def find_bodies(self, name: str) -> tuple[Block, ...]:
        """Return the local variables of the functions with this name, block by block."""
        return self._answers.ask(self.name, "bodies", name, lambda: self._object.find_bodies(name))

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Return initial contents at an address: code, constants, variables (zero in `.bss`)."""
        if size > KEPT_MEMORY:
            return self._object.read_memory(address, size)
        return self._answers.ask(
            self.name,
            "memory",
            f"{address:#x}+{size}",
            lambda: self._object.read_memory(address, size),
        )

    # ---- what is read anew ----------------------------------------------------------------------

    @property
    def symbols(self) -> SymbolTable:
        """The symbol table."""
        return self._object.symbols

    def section(self, name: str) -> bytes | None:
        """Return a section's bytes, None where the object has no such section."""
        return self._object.section(name)

    def find_alignment(self, type_: Type) -> int | None:
        """Return what debug information says of a type's alignment."""
        return self._object.find_alignment(type_)

    def iter_types(self) -> Iterator[tuple[int, Type]]:
        """Yield every type with the offset of its entry; equal types come as often as written."""
        return self._object.iter_types()

    def iter_variables(self) -> Iterator[Variable]:
        """Yield every static."""
        return self._object.iter_variables()
