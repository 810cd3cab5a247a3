"""Debug information of one ELF object: types, variables, functions, symbols.

Nothing is read before it is asked for, and then only the units that the answer lies in. Sources:
DWARF 5 (and 2 to 4, whose forms it keeps), the System V ABI for ELF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.attributes import DebugSections
from idoldbg.build.debuginfo.dies import TYPE_TAGS, Die, DieReader
from idoldbg.build.debuginfo.elf import PT_LOAD, ElfFile
from idoldbg.build.debuginfo.inlining import find_inlined
from idoldbg.build.debuginfo.interner import TypeInterner
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.name_search import NameSearch
from idoldbg.build.debuginfo.type_reader import MAX_DEPTH, TypeReader
from idoldbg.build.debuginfo.units import read_uleb
from idoldbg.errors import DebugInfoError
from idoldbg.model.code import LineSpan, SourceFrame
from idoldbg.model.symbols import Block, Subprogram, SymbolTable, Variable
from idoldbg.model.types import Opaque, Type, TypeAt

if TYPE_CHECKING:
    from idoldbg.build.debuginfo.frames import FrameRules
    from idoldbg.build.debuginfo.lines import LineReader

__all__ = ["ObjectInfo"]

# What linkers write for the address of what they have left out (lld: --dead-reloc-in-nonalloc).
_TOMBSTONES = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFE})


class ObjectInfo:
    """The debug information of one object (`kernel`, or a task's name).

    Share one `interner` among the objects of a build: equal types are then the same object. Every
    method may raise `DebugInfoError` for what is malformed, with this object's name and, where
    there is one, the place in `.debug_info`. `archive` is the path of the build, for errors.
    """

    def __init__(
        self,
        name: str,
        data: bytes,
        interner: TypeInterner | None = None,
        *,
        archive: str = "",
    ) -> None:
        self.name = name
        self.elf = ElfFile(name, data, archive)
        self.interner = TypeInterner() if interner is None else interner
        self._definitions: dict[int, dict[int, Die]] = {}  # by unit and declaration

    def _reading(self) -> AbstractContextManager[None]:
        return self.elf.reading("malformed debug information")

    # ---- sections and symbols -------------------------------------------------------------------

    def section(self, name: str) -> bytes | None:
        """Return a section's bytes, None where the object has no such section."""
        section = self.elf.find_section(name)
        return None if section is None else self.elf.section_data(section)

    @cached_property
    def symbols(self) -> SymbolTable:
        """The symbol table."""
        return SymbolTable(self.elf.read_symbols())

    @property
    def idolatry(self) -> str | None:
        """The text of the Idol interface that a task serves, None for tasks that serve none."""
        data = self.section(".idolatry")
        if not data:
            return None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as e:
            raise self.elf.error("`.idolatry` is not UTF-8 text") from e

    @property
    def has_debug_info(self) -> bool:
        """Return whether there is a `.debug_info` at all."""
        section = self.elf.find_section(".debug_info")
        return section is not None and section.size > 0

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Return initial contents at an address: code, constants, variables (zero in `.bss`)."""
        for segment in self.elf.segments:
            offset = address - segment.address
            if segment.type != PT_LOAD or not 0 <= offset <= segment.memory_size - size:
                continue
            if offset + size <= segment.file_size:
                return self.elf.data[segment.offset + offset : segment.offset + offset + size]
            if offset >= segment.file_size:
                return bytes(size)
        return None

    # ---- debug information ----------------------------------------------------------------------

    @property
    def _reader(self) -> DieReader:
        opened = self._opened
        if isinstance(opened, DebugInfoError):
            raise opened.with_traceback(None)
        return opened

    @cached_property
    def _opened(self) -> DieReader | DebugInfoError:
        # What is malformed is read once: the next question fails as this one did.
        try:
            return self._open()
        except DebugInfoError as error:
            return error

    def _open(self) -> DieReader:
        if any(s.name.startswith(".zdebug_") for s in self.elf.sections):
            raise self.elf.error(
                "its debug sections are compressed the old GNU way; relink with "
                "--compress-debug-sections=none"
            )
        if self.elf.find_section(".debug_types") is not None:
            raise self.elf.error(
                "its types are in `.debug_types`, which is not read; build with "
                "-Zdwarf-version=5, or without type units"
            )

        def get(name: str) -> bytes:
            return self.section(name) or b""

        with self._reading():
            sections = DebugSections(
                get(".debug_info"),
                get(".debug_abbrev"),
                get(".debug_str"),
                get(".debug_line_str"),
                get(".debug_str_offsets"),
                get(".debug_addr"),
            )
            return DieReader(sections)

    @cached_property
    def _names(self) -> NameSearch:
        return NameSearch(self._reader)

    @cached_property
    def _types(self) -> TypeReader:
        return TypeReader(self._reader, self.interner, self._target_at)

    def _target_at(self, die_offset: int) -> TypeAt:
        return TypeAt(self.name, die_offset, self.type_at)

    @cached_property
    def _lines(self) -> LineReader:
        from idoldbg.build.debuginfo.lines import LineReader  # not for calls

        names = (".debug_line", ".debug_ranges", ".debug_rnglists", ".debug_aranges")
        return LineReader(self._reader, *(self.section(name) or b"" for name in names))

    @cached_property
    def frame_rules(self) -> FrameRules:
        """The call frame information."""
        from idoldbg.build.debuginfo.frames import FrameRules  # not for calls

        return FrameRules(self.section(".debug_frame") or b"")

    def find_frames(self, address: int) -> tuple[SourceFrame, ...]:
        """Return the functions at a code address, innermost first, with their source.

        The last one is a function of its own, all before it are inlined, each into the next. None
        where there is no debug information about the address.
        """
        if not self.has_debug_info:
            return ()
        with self._reading():
            return self._lines.find_frames(address)

    def read_lines(self) -> tuple[LineSpan, ...]:
        """Return the code of each source line; raise `DebugInfoError` where it is malformed."""
        with self._reading():
            return tuple(self._lines.iter_lines())

    def find_types(self, name: str) -> tuple[Type, ...]:
        """Return the types with this name: full path, end of a path, or last component.

        Generic arguments are part of the name and stand as in debug information, with full paths.
        Equal types come once; a definition hides its declarations. What the variants of an enum
        hold is not a type of its own.
        """
        found: dict[int, Type] = {}
        with self._reading():
            for offset in self._offsets(name):
                if self._reader.die(offset).tag not in TYPE_TAGS or self._is_variant(offset):
                    continue
                path = self._types.name(offset)
                if path == name or path.endswith("::" + name):
                    type_ = self._types.type_at(offset)
                    found[id(type_)] = type_
        defined = tuple(t for t in found.values() if not isinstance(t, Opaque))
        return defined or tuple(found.values())

    def _is_variant(self, offset: int) -> bool:
        scope = self._reader.scope_of(offset)
        return bool(scope) and self._reader.die(scope).tag == dw.DW_TAG_structure_type

    def _offsets(self, name: str) -> Iterator[int]:
        for own in _own_names(name):
            yield from self._names.find(own)

    def find_type_names(self, prefix: str) -> tuple[str, ...]:
        """Return what may be a type's short name and begins so, such as all `Option<…>`.

        Only `find_types` tells whether there is a type of such a name.
        """
        with self._reading():
            return self._names.find_names(prefix)

    def find_alignment(self, type_: Type) -> int | None:
        """Return what debug information says of a type's alignment, None where it says nothing."""
        with self._reading():
            for offset in self._offsets(type_.name):
                die = self._reader.die(offset)
                if die.tag in TYPE_TAGS and self._types.type_at(offset) == type_:
                    return die.get_int(dw.DW_AT_alignment)
        return None

    def iter_types(self) -> Iterator[tuple[int, Type]]:
        """Yield every type with the offset of its entry; equal types come as often as written."""
        with self._reading():
            for unit in self._reader.units:
                for offset in self._reader.index(unit).offsets:
                    if self._reader.tag_at(offset, unit) in TYPE_TAGS:
                        yield offset, self._types.type_at(offset)

    def type_at(self, die_offset: int) -> Type:
        """Return the type whose entry is at this offset of `.debug_info`."""
        with self._reading():
            return self._types.type_at(die_offset)

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        """Return the statics with this name: full path, end of a path, last component or symbol."""
        return self._find(name, dw.DW_TAG_variable, self._variable)

    def find_declaring_file(self, variable: Variable) -> str | None:
        """Return the path of the file that declares a static, None where it is not said."""
        with self._reading():
            die = self._reader.die(variable.die_offset)
            origin = die.get_int(dw.DW_AT_specification)
            return self._lines.find_declaring_file(
                die if origin is None else self._reader.die(origin)
            )

    def find_subprograms(self, name: str) -> tuple[Subprogram, ...]:
        """Return the functions with this name: full path, end of a path, or last component."""
        return self._find(name, dw.DW_TAG_subprogram, self._subprogram)

    def find_bodies(self, name: str) -> tuple[Block, ...]:
        """Return the local variables of the functions with this name, block by block."""
        return self._find(name, dw.DW_TAG_subprogram, self._body)

    def find_inlined(self, outer: str, inner: str) -> tuple[tuple[Subprogram, Subprogram], ...]:
        """Return which functions are inlined into which others, or called by them.

        Of the functions whose short names begin with `outer` and `inner`, such as `visit_enum<`.
        Each pair comes once. All code is looked through: a second for the largest tasks.
        """
        with self._reading():
            outers, inners = self._functions(outer), self._functions(inner)
            pairs = find_inlined(self._reader, outers, inners) if outers and inners else ()
            dies = ((self._reader.die(a), self._reader.die(b)) for a, b in pairs)
            return tuple((self._subprogram(a), self._subprogram(b)) for a, b in dies)

    def _functions(self, prefix: str) -> frozenset[int]:
        return frozenset(
            offset
            for name in self._names.find_names(prefix)
            for offset in self._names.find(name)
            if self._reader.die(offset).tag == dw.DW_TAG_subprogram
        )

    def iter_variables(self) -> Iterator[Variable]:
        """Yield every static."""
        with self._reading():
            for unit in self._reader.units:
                for offset in self._reader.index(unit).offsets:
                    if self._reader.tag_at(offset, unit) == dw.DW_TAG_variable:
                        variable = self._variable(self._reader.die(offset, unit))
                        if variable is not None:
                            yield variable

    def _find(self, name: str, tag: int, make: Callable[[Die], Any]) -> tuple[Any, ...]:
        found = []
        with self._reading():
            for offset in self._offsets(name):
                die = self._reader.die(offset)
                if die.tag != tag:
                    continue
                path = self._types.path(offset)
                linkage = die.get_text(dw.DW_AT_linkage_name)
                if path == name or path.endswith("::" + name) or linkage == name:
                    made = make(die)
                    if made is not None:
                        found.append(made)
        return tuple(found)

    def _variable(self, die: Die) -> Variable | None:
        origin = die.get_int(dw.DW_AT_specification)
        declared = die if origin is None else self._reader.die(origin)
        pieces = _static_pieces(self._reader, die)
        type_at = declared.get_int(dw.DW_AT_type)
        if type_at is None or (pieces is None and self._is_local(die)):
            return None
        type_ = self._types.type_at(type_at)
        pieces = pieces or ()
        if len(pieces) == 1 and not pieces[0][1]:
            pieces = ((pieces[0][0], type_.size),)
        is_whole = sum(size for _, size in pieces) == type_.size and all(
            a[0] + a[1] == b[0] for a, b in pairwise(pieces)
        )
        linkage = die.get_text(dw.DW_AT_linkage_name)
        linkage = linkage or declared.get_text(dw.DW_AT_linkage_name)
        linkage = linkage if isinstance(linkage, str) else ""
        if pieces and pieces[0][0] in _TOMBSTONES and not self.elf.find_symbols(linkage):
            pieces = ()
        return Variable(
            declared.name or "",
            self._types.path(declared.offset),
            linkage,
            pieces[0][0] if pieces and is_whole else None,
            type_.size,
            type_,
            die.offset,
            pieces,
        )

    def _is_local(self, die: Die) -> bool:
        scope = self._reader.scope_of(die.offset)
        return bool(scope) and self._reader.die(scope).tag == dw.DW_TAG_subprogram

    def _subprogram(self, die: Die) -> Subprogram:
        parameters: list[tuple[str, Type]] = []
        for child in self._reader.iter_children(die):
            type_at = child.get_int(dw.DW_AT_type)
            if child.tag == dw.DW_TAG_formal_parameter and type_at is not None:
                parameters.append((child.name or "", self._types.type_at(type_at)))
            elif child.tag != dw.DW_TAG_template_type_parameter:
                break  # parameters come first
        result = die.get_int(dw.DW_AT_type)
        linkage = die.get_text(dw.DW_AT_linkage_name)
        return Subprogram(
            die.name or "",
            self._types.path(die.offset),
            linkage if isinstance(linkage, str) else "",
            None if result is None else self._types.type_at(result),
            tuple(parameters),
            die.offset,
        )

    def _definition(self, die: Die) -> Die:
        """Return the entry that defines a method which its type only declares."""
        if dw.DW_AT_declaration not in die.attributes:
            return die
        definitions = self._definitions.get(die.unit.offset)
        if definitions is None:
            definitions = self._definitions[die.unit.offset] = {}
            for offset in self._reader.index(die.unit).offsets:
                if self._reader.tag_at(offset, die.unit) == dw.DW_TAG_subprogram:
                    defined = self._reader.die(offset, die.unit)
                    origin = defined.get_int(dw.DW_AT_specification)
                    if origin is not None:
                        definitions[origin] = defined
        return definitions.get(die.offset, die)

    def _body(self, die: Die, depth: int = 0) -> Block:
        die = self._definition(die)
        if depth > MAX_DEPTH:
            raise Malformed("blocks are nested deeper than in any build", die.offset)
        variables: list[tuple[str, Type]] = []
        blocks: list[Block] = []
        for child in self._reader.iter_children(die):
            type_at = child.get_int(dw.DW_AT_type)
            if child.tag == dw.DW_TAG_lexical_block:
                blocks.append(self._body(child, depth + 1))
            elif child.tag == dw.DW_TAG_variable and child.name and type_at is not None:
                variables.append((child.name, self._types.type_at(type_at)))
        path = "" if depth else self._types.path(die.offset)
        return Block(path, tuple(variables), tuple(blocks))


def _own_names(name: str) -> list[str]:
    """Return what may stand in an entry for a full name: the last part, then longer ends of it.

    Nearly always the last part; vtables are called `<T as Trait>::{vtable}` in one piece. Marks
    inside brackets do not count.
    """
    depth, starts = 0, [0]
    for index, char in enumerate(name):
        if char in "<([{":
            depth += 1
        elif char in ">)]}" and not (char == ">" and name[index - 1 : index] == "-"):
            depth -= 1
        elif char == ":" and not depth and name.startswith("::", index):
            starts.append(index + 2)
    return [name[start:] for start in reversed(starts)]


def _static_pieces(reader: DieReader, die: Die) -> tuple[tuple[int, int], ...] | None:
    """Return where a static lies; None for what has no fixed address. Size 0: all of it."""
    location = die.attributes.get(dw.DW_AT_location)
    if not isinstance(location, bytes) or not location:
        return None
    pieces: list[tuple[int, int]] = []
    at = 0
    try:
        while at < len(location):
            operation = location[at]
            if operation == dw.DW_OP_addr and at + 5 <= len(location):
                address, at = int.from_bytes(location[at + 1 : at + 5], "little"), at + 5
            elif operation == dw.DW_OP_addrx:
                index, at = read_uleb(location, at + 1)
                address = reader.values.indexed_address(die.unit, index)
            else:
                return None
            if at < len(location) and location[at] == dw.DW_OP_plus_uconst:
                offset, at = read_uleb(location, at + 1)
                address += offset
            size = 0
            if at < len(location):
                if location[at] != dw.DW_OP_piece:
                    return None
                size, at = read_uleb(location, at + 1)
            pieces.append((address, size))
    except IndexError:
        raise Malformed("a location expression is cut short", die.offset) from None
    return tuple(pieces)
