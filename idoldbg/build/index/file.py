"""The index file: its layout, a reader over any buffer, and a writer.

All numbers are little-endian words of 32 bits::

    header      magic and version (8 bytes), fingerprint (16 bytes), then seven words: size of the
                file, counts of strings, nodes, answers and words, size of the bytes at the end,
                CRC-32 of everything but this word
    text ends   one word a text: where its bytes end (they begin where those before end)
    row ends    one word a node, then one an answer: where its words end
    hashes      one word an answer, rising: CRC-32 of its key; answers have the order of these
    words       the rows. A node's: its class (position in `fields.NODES`), its fields. An answer's:
                the text that is its key, its field
    bytes       the strings, one after another: names, numbers of more than 31 bits, flash contents

The fingerprint stands for the archive and the code that found the answers: a file with another one
is of no use. A reader looks at the whole file once, for the check sum (0.2 ms a megabyte), and
decodes only what it is asked for. Since anybody can compute a check sum, every number is checked
again where it is used.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from zlib import crc32

from idoldbg.build.index.fields import NODES, Field, IndexDamaged
from idoldbg.model.types import Pointer, Type, TypeAt

__all__ = ["FINGERPRINT_SIZE", "IndexReader", "IndexWriter"]

MAGIC = b"IDOLIDX1"
FINGERPRINT_SIZE = 16
_HEADER = struct.Struct(f"<8s{FINGERPRINT_SIZE}s7I")
_CRC_AT = _HEADER.size - 4
_CLASSES = tuple(NODES.items())
_NUMBERS = {cls: number for number, cls in enumerate(NODES)}
# What decoding made-up rows can raise besides: none of it comes from an index that was written
# here.
_DAMAGE = (LookupError, ValueError, RecursionError, MemoryError, OverflowError, TypeError)


class IndexReader:
    """An index over a buffer; raises `IndexDamaged` where it is none, or of another fingerprint.

    `intern` gives equal types one identity; `follow` finds a type by object and entry, for
    pointers.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        fingerprint: bytes,
        *,
        intern: Callable[[Type], Type],
        follow: Callable[[str, int], Type],
    ) -> None:
        view = memoryview(data)
        if len(view) < _HEADER.size:
            raise IndexDamaged("cut short inside the header")
        magic, found, size, strings, nodes, answers, words, tail, crc = _HEADER.unpack_from(view)
        if magic != MAGIC or found != fingerprint:
            raise IndexDamaged("made by another version")
        counts = (strings, nodes + answers, answers, words)
        if size != len(view) or _HEADER.size + 4 * sum(counts) + tail != size:
            raise IndexDamaged("cut short, or longer than it says")
        if crc32(view[_HEADER.size :], crc32(view[:_CRC_AT])) != crc:
            raise IndexDamaged("wrong check sum")
        at = _HEADER.size
        tables = []
        for count in counts:
            tables.append(view[at : at + 4 * count].cast("I"))
            at += 4 * count
        self._string_ends, self._row_ends, self._hashes, self._words = tables
        for ends in (self._string_ends.tolist(), self._row_ends.tolist()):
            if ends != sorted(ends):  # many could share all of the file
                raise IndexDamaged("parts that overlap")
        self._bytes = view[at:]
        self._node_count = nodes
        self._intern = intern
        self._follow = follow
        self._strings: dict[int, bytes] = {}
        self._nodes: dict[int, Type] = {}

    # ---- answers --------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, key: str, field: Field) -> tuple[bool, Any]:
        """Look an answer up: whether there is one, and it; raise `IndexDamaged`."""
        raw = key.encode("utf-8", "surrogatepass")
        wanted = crc32(raw)
        try:
            index = bisect_left(self._hashes, wanted)
            while index < len(self._hashes) and self._hashes[index] == wanted:
                row = self._row(self._node_count + index)
                if self.text(row[0]) == raw:
                    value, end = field.get(self, row, 1)
                    if end != len(row):
                        raise IndexDamaged("words that belong to nothing")
                    return True, value
                index += 1
        except _DAMAGE as error:
            raise IndexDamaged(str(error)) from error
        return False, None

    # ---- rows and texts -------------------------------------------------------------------------

    def text(self, number: int) -> bytes:
        """Return the bytes of that number."""
        text = self._strings.get(number)
        if text is None:
            start = self._string_ends[number - 1] if number else 0
            end = self._string_ends[number]
            if not start <= end <= len(self._bytes):
                raise IndexDamaged("a text outside of the file")
            text = self._strings[number] = bytes(self._bytes[start:end])
        return text

    def node(self, number: int) -> Type:
        """Return the type of that number."""
        node = self._nodes.get(number)
        if node is None:
            if number >= self._node_count:
                raise IndexDamaged("no such type")
            row = self._row(number)
            _, field = _CLASSES[row[0]]
            made, end = field.get(self, row, 1)
            if end != len(row):
                raise IndexDamaged("words that belong to nothing")
            node = self._nodes[number] = self._intern(made)
        return node

    def type_at(self, owner: str, die_offset: int) -> TypeAt:
        """Return what finds a type by where its entry is."""
        return TypeAt(owner, die_offset, partial(self._follow, owner))

    def _row(self, number: int) -> list[int]:
        start = self._row_ends[number - 1] if number else 0
        end = self._row_ends[number]
        if not start <= end <= len(self._words):
            raise IndexDamaged("a row outside of the file")
        return self._words[start:end].tolist()

    # ---- for the writer -------------------------------------------------------------------------

    def iter_strings(self) -> Iterator[bytes]:
        """Yield all strings in the order of their numbers."""
        return map(self.text, range(len(self._string_ends)))

    def iter_nodes(self) -> Iterator[list[int]]:
        """Yield the rows of all types in the order of their numbers."""
        return map(self._row, range(self._node_count))

    def iter_answers(self) -> Iterator[list[int]]:
        """Yield the rows of all answers."""
        return map(self._row, range(self._node_count, len(self._row_ends)))


class IndexWriter:
    """Puts an index together: what `base` has, and answers that are added.

    Rows of `base` are copied as they are, so that adding to a large index costs little.
    """

    def __init__(self, base: IndexReader | None = None) -> None:
        self._strings: dict[bytes, int] = {}
        self._rows: list[list[int]] = []
        self._known: dict[tuple[int, ...], int] = {}
        self._answers: dict[int, list[int]] = {}  # by the number of the key
        self._numbers: dict[int, tuple[Type, int]] = {}  # by identity of the type, which is kept
        if base is not None:
            try:
                for text in base.iter_strings():
                    self.text(text)
                for row in base.iter_nodes():
                    self._known[_identity(row)] = len(self._rows)
                    self._rows.append(row)
                for row in base.iter_answers():
                    if row[0] >= len(self._strings):
                        raise IndexDamaged("an answer to nothing")
                    self._answers[row[0]] = row
            except _DAMAGE as error:
                raise IndexDamaged(str(error)) from error
            if len(self._strings) != len(base._string_ends):
                raise IndexDamaged("a text twice")

    def add(self, key: str, field: Field, value: Any) -> None:
        """Add an answer, in place of one with the same key."""
        row = [self.text(key.encode("utf-8", "surrogatepass"))]
        field.put(self, row, value)
        self._answers[row[0]] = row

    def text(self, value: bytes) -> int:
        """Return the number of a text."""
        return self._strings.setdefault(value, len(self._strings))

    def node(self, value: Type) -> int:
        """Return the number of a type; equal ones have the same."""
        known = self._numbers.get(id(value))
        if known is not None:
            return known[1]
        cls = type(value)
        row = [_NUMBERS[cls]]
        NODES[cls].put(self, row, value)
        number = self._known.setdefault(_identity(row), len(self._rows))
        if number == len(self._rows):
            self._rows.append(row)
        self._numbers[id(value)] = (value, number)
        return number

    def to_bytes(self, fingerprint: bytes) -> bytes:
        """Return the file."""
        strings = list(self._strings)
        answers = sorted((crc32(strings[key]), key) for key in self._answers)
        rows = [*self._rows, *(self._answers[key] for _, key in answers)]
        words = [word for row in rows for word in row]
        tables = (
            _ends(strings),
            _ends(rows),
            [crc for crc, _ in answers],
            words,
        )
        packed = [struct.pack(f"<{len(t)}I", *t) for t in tables]
        body = b"".join([*packed, *strings])
        header = _HEADER.pack(
            MAGIC,
            fingerprint,
            _HEADER.size + len(body),
            len(strings),
            len(self._rows),
            len(answers),
            len(words),
            len(body) - sum(map(len, packed)),
            0,
        )[:_CRC_AT]
        return header + struct.pack("<I", crc32(body, crc32(header))) + body


def _identity(row: list[int]) -> tuple[int, ...]:
    """Return what equal types have in common: of pointers, all but where their target is."""
    return tuple(row[:-2] if row and row[0] == _NUMBERS[Pointer] else row)


def _ends(parts: list[Any]) -> list[int]:
    ends, end = [], 0
    for part in parts:
        end += len(part)
        ends.append(end)
    return ends
