"""Line programs of `.debug_line` (DWARF 5, 6.2; versions 2 to 4, whose headers differ).

Not read by pyelftools: it takes 5.5 µs a row (58 ms for the largest unit of a real build, and a
stack needs many units), and trusts the counts of a version 5 header. Each operation takes a byte at
least, so a program has no more rows than bytes.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.attributes import MAX_NAME
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import read_sleb, read_uleb

__all__ = ["LineTable", "Row", "is_dead", "read_files", "read_line_table"]

#: Returns the text at an offset of `.debug_str` or `.debug_line_str`, by the form.
FindString = Callable[[int, int], str]

_WIDTHS = {dw.DW_FORM_data1: 1, dw.DW_FORM_data2: 2, dw.DW_FORM_data4: 4, dw.DW_FORM_data8: 8,
           dw.DW_FORM_data16: 16}  # fmt: skip
_WITHOUT_OPERANDS = frozenset({6, 7, 10, 11})  # negate_stmt, basic block, prologue, epilogue


def is_dead(address: int) -> bool:
    """Return whether linkers write this address for code that they left out."""
    # lld: --dead-reloc-in-nonalloc; 0 is the vector table, where there is no code.
    return address in (0, 0xFFFFFFFE, 0xFFFFFFFF)


class Row(NamedTuple):
    """A place in the source; `line` and `column` are 0 where the compiler names none."""

    file: int
    line: int
    column: int


class _Sequence(NamedTuple):
    """Rows of contiguous code, up to the address `high`."""

    addresses: list[int]
    rows: list[Row]
    high: int


class _File(NamedTuple):
    name: str | tuple[int, int]  # a form and an offset, where it is in another section
    directory: int


class _Header(NamedTuple):
    version: int
    directories: list[str | tuple[int, int]]
    files: list[_File]
    start: int
    end: int
    minimum_length: int
    line_base: int
    line_range: int
    operand_counts: bytes


class LineTable:
    """The table that one line program makes."""

    def __init__(
        self, header: _Header, sequences: list[_Sequence], find_string: FindString
    ) -> None:
        self._header = header
        self._sequences = sequences
        self._find_string = find_string

    def find_row(self, address: int) -> Row | None:
        """Return the row that covers a code address."""
        for sequence in self._sequences:
            if sequence.addresses[0] <= address < sequence.high:
                return sequence.rows[bisect_right(sequence.addresses, address) - 1]
        return None

    def spans(self) -> Iterator[tuple[int, int, Row]]:
        """Yield the code of each row, from an address up to another; none that is empty."""
        for sequence in self._sequences:
            ends = [*sequence.addresses[1:], sequence.high]
            for start, end, row in zip(sequence.addresses, ends, sequence.rows, strict=True):
                if start < end:
                    yield start, end, row

    def find_file(self, index: int, directory: str) -> str | None:
        """Return a file's path; `directory` is the one of the unit's compilation."""
        header = self._header
        is_old = header.version < 5  # files count from 1, and directory 0 is not in the table
        index -= is_old
        if not 0 <= index < len(header.files):
            return None
        file = header.files[index]
        path = self._text(file.name)
        at = file.directory - is_old
        if not path.startswith("/") and 0 <= at < len(header.directories):
            path = _join(self._text(header.directories[at]), path)
        return path if path.startswith("/") else _join(directory, path)

    def _text(self, name: str | tuple[int, int]) -> str:
        return name if isinstance(name, str) else self._find_string(*name)


def _join(directory: str, path: str) -> str:
    return f"{directory.rstrip('/')}/{path}" if directory else path


def read_files(section: bytes, offset: int, find_string: FindString) -> LineTable:
    """Read the files of a program alone, without its rows; raise `Malformed`."""
    try:
        return LineTable(_read_header(section, offset), [], find_string)
    except (IndexError, struct.error) as error:
        raise Malformed(f"the line program at 0x{offset:x} is cut short") from error


def read_line_table(section: bytes, offset: int, find_string: FindString) -> LineTable:
    """Read the program at an offset of `.debug_line`; raise `Malformed`."""
    try:
        header = _read_header(section, offset)
        return LineTable(header, _run(section, header), find_string)
    except (IndexError, struct.error) as error:
        raise Malformed(f"the line program at 0x{offset:x} is cut short") from error


def _read_header(section: bytes, offset: int) -> _Header:
    (length,), at, width = struct.unpack_from("<I", section, offset), offset + 4, 4
    if length == 0xFFFFFFFF:
        (length,), at, width = struct.unpack_from("<Q", section, at), at + 8, 8
    end = at + length
    (version,) = struct.unpack_from("<H", section, at)
    if end > len(section) or not 2 <= version <= 5:
        raise Malformed(f"the line program at 0x{offset:x} makes no sense")
    at += 2 + (2 if version >= 5 else 0)  # sizes of addresses and of segment selectors
    start = int.from_bytes(section[at : at + width], "little") + at + width
    at += width
    minimum_length = section[at]
    at += 2 + (version >= 4)  # also operations per instruction, and whether rows are statements
    line_base, line_range, opcode_base = struct.unpack_from("<bBB", section, at)
    at += 3
    operand_counts = section[at : at + max(opcode_base - 1, 0)]
    at += len(operand_counts)
    if not at <= start <= end or not line_range or not opcode_base:
        raise Malformed(f"the line program at 0x{offset:x} makes no sense")
    data = section[:start]
    directories, files = _read_names(data, at) if version < 5 else _read_tables(data, at)
    return _Header(
        version,
        directories,
        files,
        start,
        end,
        minimum_length,
        line_base,
        line_range,
        operand_counts,
    )


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(0, at, at + MAX_NAME)
    if end < 0:
        raise Malformed("the name of a source file has no end")
    return data[at:end].decode("utf-8", "replace"), end + 1


def _read_names(data: bytes, at: int) -> tuple[list[str | tuple[int, int]], list[_File]]:
    """Read directories and files of versions 2 to 4 (DWARF 4, 6.2.4)."""
    directories: list[str | tuple[int, int]] = []
    while data[at]:
        text, at = _read_text(data, at)
        directories.append(text)
    files: list[_File] = []
    at += 1
    while data[at]:
        file, at = _read_file(data, at)
        files.append(file)
    return directories, files


def _read_file(data: bytes, at: int) -> tuple[_File, int]:
    text, at = _read_text(data, at)
    directory, at = read_uleb(data, at)
    _, at = read_uleb(data, at)  # time of change
    _, at = read_uleb(data, at)  # size
    return _File(text, directory), at


def _read_tables(data: bytes, at: int) -> tuple[list[str | tuple[int, int]], list[_File]]:
    """Read directories and files of version 5 (DWARF 5, 6.2.4)."""
    directories, at = _read_table(data, at)
    files, _ = _read_table(data, at)
    return [entry.name for entry in directories], files


def _read_table(data: bytes, at: int) -> tuple[list[_File], int]:
    format_count, at = data[at], at + 1
    formats = []
    for _ in range(format_count):
        content, at = read_uleb(data, at)
        form, at = read_uleb(data, at)
        formats.append((content, form))
    count, at = read_uleb(data, at)
    if count > len(data) - at:  # each takes a byte at least
        raise Malformed(f"{count} source files in a table of {len(data) - at} bytes")
    entries = []
    for _ in range(count if formats else 0):
        name: str | tuple[int, int] = ""
        directory = 0
        for content, form in formats:
            value, at = _read_form(data, at, form)
            if content == dw.DW_LNCT_path and not isinstance(value, int):
                name = value
            elif content == dw.DW_LNCT_directory_index and isinstance(value, int):
                directory = value
        entries.append(_File(name, directory))
    return entries, at


def _read_form(data: bytes, at: int, form: int) -> tuple[int | str | tuple[int, int], int]:
    if form == dw.DW_FORM_string:
        return _read_text(data, at)
    if form in (dw.DW_FORM_line_strp, dw.DW_FORM_strp):
        (offset,) = struct.unpack_from("<I", data, at)
        return (form, offset), at + 4
    if form == dw.DW_FORM_udata:
        return read_uleb(data, at)
    if form == dw.DW_FORM_block:
        size, at = read_uleb(data, at)
        return 0, at + size
    if form in _WIDTHS:
        width = _WIDTHS[form]
        return int.from_bytes(data[at : at + width], "little"), at + width
    raise Malformed(f"the form 0x{form:x} in the header of a line program")


def _run(section: bytes, header: _Header) -> list[_Sequence]:
    """Run the program; sequences of code that was left out are not kept.

    One function, since it takes most of the time: 0.3 µs for an operation.
    """
    at, end = header.start, header.end
    base, line_base = len(header.operand_counts) + 1, header.line_base
    line_range, minimum = header.line_range, header.minimum_length
    sequences: list[_Sequence] = []
    addresses: list[int] = []
    rows: list[Row] = []
    address, file, line, column = 0, 1, 1, 0
    while at < end:
        operation = section[at]
        at += 1
        if operation >= base:
            advance, step = divmod(operation - base, line_range)
            address += advance * minimum
            line += line_base + step
            addresses.append(address)
            rows.append(Row(file, line, column))
        elif operation == dw.DW_LNS_set_column:
            column, at = read_uleb(section, at)
        elif operation == dw.DW_LNS_advance_line:
            change, at = read_sleb(section, at)
            line += change
        elif operation == dw.DW_LNS_set_file:
            file, at = read_uleb(section, at)
        elif operation == dw.DW_LNS_copy:
            addresses.append(address)
            rows.append(Row(file, line, column))
        elif operation == dw.DW_LNS_advance_pc:
            change, at = read_uleb(section, at)
            address += change * minimum
        elif operation == dw.DW_LNS_const_add_pc:
            address += (255 - base) // line_range * minimum
        elif operation == dw.DW_LNS_fixed_advance_pc:
            address += int.from_bytes(section[at : at + 2], "little")
            at += 2
        elif operation in _WITHOUT_OPERANDS:
            pass
        elif operation:
            for _ in range(header.operand_counts[operation - 1]):
                _, at = read_uleb(section, at)
        else:
            size, at = read_uleb(section, at)
            extended = section[at] if size else 0
            if extended == dw.DW_LNE_set_address:
                address = int.from_bytes(section[at + 1 : at + size], "little")
            elif extended == dw.DW_LNE_define_file:
                header.files.append(_read_file(section, at + 1)[0])
            elif extended == dw.DW_LNE_end_sequence:
                if addresses and not is_dead(addresses[0]):
                    sequences.append(_checked(_Sequence(addresses, rows, address)))
                addresses, rows = [], []
                address, file, line, column = 0, 1, 1, 0
            at += size
    return sequences


def _checked(sequence: _Sequence) -> _Sequence:
    if sequence.addresses != sorted(sequence.addresses):
        raise Malformed("a line program goes backwards")
    return sequence
