"""From a code address to functions and lines: the function there, and what was inlined into it.

Sources: DWARF 5, 3.3.8 (inlined subroutines), 2.17 (code addresses and ranges), 6.1.2 (look-up by
address), 6.2 (line programs). Only the units that hold an address are read. All that repeats has a
budget, so that made-up sections end in `Malformed`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.dies import Die, DieReader
from idoldbg.build.debuginfo.line_table import LineTable, is_dead, read_files, read_line_table
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.ranges import Pieces, RangeReader
from idoldbg.build.debuginfo.units import Unit
from idoldbg.model.code import LineSpan, SourceFrame
from idoldbg.model.symbols import demangle

__all__ = ["LineReader", "read_aranges"]

_MAX_INLINED = 256  # functions inlined into each other; a real build has 12
_MAX_ORIGINS = 8  # entries from an instance of a function to its declaration
_MAX_FUNCTIONS = 16  # of a namespace, to know its files
_MAX_UNITS_AT = 16  # units that claim the same address


class LineReader:
    """Finds the source of code addresses of one object.

    `line`, `ranges`, `range_lists` and `aranges` are its sections of these names.
    """

    def __init__(
        self,
        reader: DieReader,
        line: bytes,
        ranges: bytes,
        range_lists: bytes,
        aranges: bytes,
    ) -> None:
        self._reader = reader
        self._line = line
        self._ranges = RangeReader(reader, ranges, range_lists)
        self._aranges = aranges
        self._spans: list[tuple[int, int, Unit]] | None = None
        self._functions: dict[int, list[tuple[int, int, Die]]] = {}
        self._inlined: dict[int, list[tuple[int, Die, Pieces]]] = {}  # by their function
        self._tables: dict[int, LineTable] = {}
        self._files: dict[int, LineTable] = {}  # without rows
        self._namespaces: dict[int, dict[int, tuple[int, ...]]] = {}  # by unit
        self._line_budget = 4 * len(line) + 4096

    def find_frames(self, address: int) -> tuple[SourceFrame, ...]:
        """Return the functions at a code address, innermost first; none where nothing is known.

        The last one is a function of its own, all before it are inlined, each into the next.
        """
        found: tuple[SourceFrame, ...] = ()
        for unit in self._units_at(address):
            found = self._frames(unit, address) or found
            if found and found[-1].function is not None:
                break
        return found

    def iter_lines(self) -> Iterator[LineSpan]:
        """Yield the code of each line of each unit, by unit and address."""
        seen: set[int] = set()
        for unit in self._reader.units:
            if unit.first_die >= unit.end:
                continue
            root = self._root(unit)
            table, offset = self._table(root), root.get_int(dw.DW_AT_stmt_list)
            if table is None or offset is None or offset in seen:
                continue
            seen.add(offset)  # partial units share the program of another
            directory = root.get_text(dw.DW_AT_comp_dir) or ""
            names: dict[int, str | None] = {}
            for start, end, row in table.spans():
                if row.file not in names:
                    names[row.file] = table.find_file(row.file, directory)
                name = names[row.file]
                if name is not None and 0 < row.line < 1 << 32:
                    yield LineSpan(start, end, name, row.line)

    # ---- units ----------------------------------------------------------------------------------

    def _units_at(self, address: int) -> list[Unit]:
        if self._spans is None:
            self._spans = list(self._read_spans())
        found = [unit for start, end, unit in self._spans if start <= address < end]
        return list(dict.fromkeys(found))[:_MAX_UNITS_AT]

    def _read_spans(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield the code of each unit: by `.debug_aranges`, or by the unit's own entry."""
        by_offset = {unit.offset: unit for unit in self._reader.units}
        listed = set()
        for start, end, offset in read_aranges(self._aranges):
            if offset in by_offset and not is_dead(start):
                listed.add(offset)
                yield start, end, by_offset[offset]
        for unit in self._reader.units:
            if unit.offset not in listed and unit.first_die < unit.end:
                for start, end in self._ranges.of(self._root(unit)):
                    yield start, end, unit

    def _root(self, unit: Unit) -> Die:
        return self._reader.die(unit.first_die, unit)

    # ---- functions ------------------------------------------------------------------------------

    def _frames(self, unit: Unit, address: int) -> tuple[SourceFrame, ...]:
        root = self._root(unit)
        table = self._table(root)
        row = None if table is None else table.find_row(address)
        place = (0, 0, 0) if row is None else tuple(row)
        function = self._function_at(unit, address)
        if function is None:
            return () if row is None else (self._frame(None, place, table, root),)
        frames = []
        for die in reversed([function, *self._inlined_at(function, address)]):
            frames.append(self._frame(die, place, table, root))
            attributes = (dw.DW_AT_call_file, dw.DW_AT_call_line, dw.DW_AT_call_column)
            place = tuple(die.get_int(attribute) or 0 for attribute in attributes)
        return tuple(frames)

    def _frame(
        self, die: Die | None, place: tuple[int, ...], table: LineTable | None, root: Die
    ) -> SourceFrame:
        file, line, column = place
        directory = root.get_text(dw.DW_AT_comp_dir) or ""
        is_known = table is not None and place != (0, 0, 0)
        return SourceFrame(
            None if die is None else self._name(die),
            table.find_file(file, directory) if table is not None and is_known else None,
            line if 0 < line < 1 << 32 else None,
            column if 0 < column < 1 << 32 else None,
            die is not None and die.tag == dw.DW_TAG_inlined_subroutine,
        )

    def _function_at(self, unit: Unit, address: int) -> Die | None:
        functions = self._functions.get(unit.offset)
        if functions is None:
            functions = self._functions[unit.offset] = [
                (start, end, die)
                for _, die in self._reader.iter_tree(unit, frozenset({dw.DW_TAG_subprogram}))
                for start, end in self._ranges.of(die)
            ]
        covering = [(end - start, die) for start, end, die in functions if start <= address < end]
        return min(covering, key=lambda each: each[0])[1] if covering else None

    def _inlined_at(self, function: Die, address: int) -> list[Die]:
        """Return what is inlined at an address, outermost first."""
        inlined = self._inlined.get(function.offset)
        if inlined is None:
            tags = frozenset({dw.DW_TAG_inlined_subroutine})
            inlined = self._inlined[function.offset] = [
                (depth, die, self._ranges.of(die))
                for depth, die in self._reader.iter_tree(function.unit, tags, function)
            ]
        chain: list[tuple[int, Die]] = []
        for depth, die, pieces in inlined:
            if any(start <= address < end for start, end in pieces):
                chain = [(at, each) for at, each in chain if at < depth]
                chain.append((depth, die))
                if len(chain) > _MAX_INLINED:
                    raise Malformed("functions are inlined deeper than in any build", die.offset)
        return [die for _, die in chain]

    def _name(self, die: Die) -> str | None:
        name = None
        for _ in range(_MAX_ORIGINS):
            linkage = die.get_text(dw.DW_AT_linkage_name)
            linkage = linkage or die.get_text(dw.DW_AT_MIPS_linkage_name)
            if linkage:
                return demangle(linkage)
            name = name or die.name
            origin = die.get_int(dw.DW_AT_abstract_origin) or die.get_int(dw.DW_AT_specification)
            if origin is None:
                return name
            die = self._reader.die(origin)
        raise Malformed("a function's origins go in circles", die.offset)

    # ---- lines ----------------------------------------------------------------------------------

    def _table(self, root: Die) -> LineTable | None:
        offset = root.get_int(dw.DW_AT_stmt_list)
        if offset is None:
            return None
        table = self._tables.get(offset)
        if table is None:
            size = int.from_bytes(self._line[offset : offset + 4], "little")
            self._line_budget -= min(size, len(self._line))
            if self._line_budget < 0:
                raise Malformed("the units' line programs overlap", root.offset)
            table = read_line_table(self._line, offset, self._string)
            self._tables[offset] = table
        return table

    def find_declaring_file(self, die: Die) -> str | None:
        """Return the path of the file that declares a static (2.14), None where it is not said.

        One that a macro makes has the macro's file, in which nothing else of its module is: then
        it is the file of a function of the module.
        """
        index, root = die.get_int(dw.DW_AT_decl_file), self._root(die.unit)
        near = self._files_of_functions(die.unit).get(self._reader.scope_of(die.offset), ())
        if near and index not in near:
            index = near[0]
        offset = root.get_int(dw.DW_AT_stmt_list)
        if index is None or offset is None:
            return None
        files = self._files.get(offset)
        if files is None:
            files = self._files[offset] = read_files(self._line, offset, self._string)
        return files.find_file(index, root.get_text(dw.DW_AT_comp_dir) or "")

    def _files_of_functions(self, unit: Unit) -> dict[int, tuple[int, ...]]:
        """Return the files that functions of each namespace of a unit are in, a few of them."""
        found = self._namespaces.get(unit.offset)
        if found is None:
            found = self._namespaces[unit.offset] = {}
            scopes = self._reader.index(unit).scopes
            modules: dict[int, int] = {}
            for offset, around in scopes.items():
                if self._reader.tag_at(offset, unit) != dw.DW_TAG_subprogram or not around:
                    continue
                if around not in modules:
                    is_impl = (self._reader.die(around, unit).name or "").startswith("{impl")
                    modules[around] = scopes.get(around, 0) if is_impl else around
                scope = modules[around]
                if len(found.get(scope, ())) < _MAX_FUNCTIONS:
                    file = self._reader.die(offset, unit).get_int(dw.DW_AT_decl_file)
                    if file is not None:
                        found[scope] = (*found.get(scope, ()), file)
        return found

    def _string(self, form: int, offset: int) -> str:
        values = self._reader.values
        return values.string(offset) if form == dw.DW_FORM_strp else values.line_string(offset)


def read_aranges(section: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield start and end of a unit's code, and the unit's offset, from `.debug_aranges` (6.1.2).

    What does not look like such a table ends it: units that it leaves out have their own ranges.
    """
    at = 0
    while len(section) - at >= 12:
        length, version, offset, address_size, _ = struct.unpack_from("<IHIBB", section, at)
        end = at + 4 + length
        if end > len(section) or version != 2 or address_size != 4:
            return
        first = at + 16  # the header's 12 bytes, filled up to two addresses
        for start, size in struct.iter_unpack("<II", section[first : end - (end - first) % 8]):
            if size:
                yield start, start + size, offset
        at = end
