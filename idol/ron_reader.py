"""RON text to nodes.

Ref: RON 0.8, `docs/grammar.md` and `docs/extensions.md` of ron-rs/ron; from 0.9 also byte strings,
byte literals and number suffixes, so that text written for a newer reader is not refused.

Reading is linear in the length of the text and bounded in depth: the text may come from a firmware
image, so it is not trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from idol.errors import RonError
from idol.hints import Final
from idol.ron import (
    Bool,
    Document,
    Field,
    Float,
    Integer,
    List,
    Map,
    Node,
    Option,
    String,
    Struct,
    Tuple,
    Unit,
)
from idol.ron_scanner import (
    CLOSERS,
    RAW_STRING,
    SKIPPED,
    ClosedError,
    EnoughError,
    RonScanner,
)
from idol.source import Source, Span

EXTENSIONS: Final = frozenset(
    {
        "implicit_some",
        "unwrap_newtypes",
        "unwrap_variant_newtypes",
        "explicit_struct_names",
    }
)


def parse_ron(source: Source) -> Document:
    """Read a whole RON text.

    :raises RonError: with every place that is not RON, `MAX_ERRORS` at most. After an error
        reading goes on at the next item of the same bracket.
    """
    return _Reader(source).read_document()


class _Reader(RonScanner):
    """Recursive descent over one text; `_at` is the only state besides the open brackets."""

    def read_document(self) -> Document:
        try:
            document = self._read_document()
        except RonError as error:
            self._errors += error.diagnostics
        except EnoughError:
            pass
        if self._errors:
            raise RonError(sorted(self._errors, key=lambda d: (d.span.start, d.span.end)))
        return document

    def _read_document(self) -> Document:
        self._text_starts()
        extensions = self._read_extensions()
        root = self._read_value()
        self._skip_space()
        if self._at < len(self._text):
            self._fail(
                f"expected the end of the text, found {self._found()}",
                hint="a RON text holds exactly one value; is there a bracket too many above?",
            )
        return Document(self._source, extensions, root)

    # -- the parts of a text ---------------------------------------------------------------

    def _text_starts(self) -> None:
        if self._text.startswith("\ufeff"):
            self._at = 1  # a byte order mark, as some editors write it
        self._skip_space()

    def _read_extensions(self) -> frozenset[str]:
        """Read `#![enable(a, b)]` attributes."""
        extensions: set[str] = set()
        while self._text.startswith("#", self._at):
            for mark in ("#", "!", "[", "enable", "("):
                self._expect(mark, "an attribute is written `#![enable(extension, …)]`")
            while not self._text.startswith(")", self._at):
                start = self._at
                name = self._match_identifier()
                if name not in EXTENSIONS:
                    self._fail(
                        f"unknown extension {name or self._found()}",
                        Span(start, max(self._at, start + 1)),
                        hint=f"known extensions: {', '.join(sorted(EXTENSIONS))}",
                    )
                extensions.add(name)
                if not self._next_item(")"):
                    break
            self._expect(")")
            self._expect("]")
        return frozenset(extensions)

    def _read_value(self) -> Node:
        text, start = self._text, self._at
        if start >= len(text):
            self._fail_at_end("a value")
        character = text[start]
        if character == '"':
            return self._read_string(start)
        if character == "(":
            return self._read_round(None, Span(start, start + 1))
        if character == "{":
            return self._read_map()
        if character == "[":
            return self._read_list()
        if character == "'":
            return self._read_char(start, start)
        if character in "+-.0123456789":
            return self._read_number()
        return self._read_word()

    def _read_word(self) -> Node:
        """Read a value that starts with a letter."""
        text, start = self._text, self._at
        if RAW_STRING.match(text, start):
            return self._read_raw_string()
        if text.startswith('b"', start):
            return self._read_byte_string()
        if text.startswith("b'", start):
            char = self._read_char(start, start + 1)
            if ord(char.value) > 0xFF:
                self._fail("a byte literal holds one byte", char.span)
            return Integer(ord(char.value), char.span)
        name = self._match_identifier()
        if name is None:
            self._fail(f"expected a value, found {self._found()}")
        head = Span(start, self._at)
        if name in ("true", "false"):
            return Bool(name == "true", head)
        if name in ("inf", "NaN"):
            return Float(float(name), head)
        self._skip_space()
        if text.startswith("(", self._at):
            if name == "Some":
                return self._read_some(head)
            return self._read_round(name, head)
        if name == "None":
            return Option(None, head)
        return Unit(name, head)

    def _read_some(self, head: Span) -> Option:
        self._enter("(")
        value = self._read_value()
        self._skip_space()
        if self._take(","):
            self._skip_space()
        return Option(value, Span(head.start, self._leave()))

    def _read_round(self, name: str | None, head: Span) -> Tuple | Struct:
        """Read a tuple or a struct from its opening bracket; the first field decides which."""
        self._enter("(")
        if self._at_field():
            fields: list[Field] = []
            self._read_items(lambda: fields.append(self._read_field()))
            return Struct(name, tuple(fields), Span(head.start, self._leave()), head)
        items: list[Node] = []
        known_errors = len(self._errors)

        def read_item() -> None:
            # The first item had an error: was this a struct, its other fields have none.
            is_field = len(self._errors) > known_errors and self._at_field()
            items.append(self._read_field().value if is_field else self._read_value())

        self._read_items(read_item)
        return Tuple(name, tuple(items), Span(head.start, self._leave()), head)

    def _at_field(self) -> bool:
        """Look ahead for `name:` without reading it."""
        start = self._at
        if RAW_STRING.match(self._text, start) or self._match_identifier() is None:
            self._at = start
            return False
        self._skip_space()
        found = self._text.startswith(":", self._at)
        self._at = start
        return found

    def _read_field(self) -> Field:
        start = self._at
        name = self._match_identifier()
        if name is None and self._text.startswith('"', start) and self._is_in_map():
            self._report_unclosed("before this entry")
            self._comma_read = True
            raise ClosedError
        if start >= len(self._text):
            self._fail_at_end("a field name")
        if name is None:
            self._fail(f"expected a field name, found {self._found()}", show_open=True)
        name_span = Span(start, self._at)
        self._skip_space()
        self._expect(":", f"a field is written `{name}: value`")
        return Field(name, name_span, self._read_value())

    def _read_list(self) -> List:
        start = self._at
        self._enter("[")
        items: list[Node] = []
        self._read_items(lambda: items.append(self._read_value()))
        return List(tuple(items), Span(start, self._leave()))

    def _read_map(self) -> Map:
        start = self._at
        self._enter("{")
        entries: list[tuple[Node, Node]] = []
        self._read_items(lambda: entries.append(self._read_entry()))
        return Map(tuple(entries), Span(start, self._leave()))

    def _read_entry(self) -> tuple[Node, Node]:
        key = self._read_value()
        self._skip_space()
        if isinstance(key, String):
            self._check_key(key)
        self._expect(":", "an entry of a map is written `key: value`")
        return key, self._read_value()

    # -- items, and what to do about those that cannot be read -------------------------------

    def _read_items(self, read: Callable[[], None]) -> None:
        """Read items up to the closing bracket of the innermost value, which is left."""
        depth = len(self._open)
        closer = CLOSERS[self._open[-1][0]]
        while not self._text.startswith(closer, self._at):
            try:
                read()
                if not self._next_item(closer):
                    return
            except ClosedError:
                return
            except RonError as error:
                self._report(error.diagnostic)
                if self._at >= len(self._text):
                    raise EnoughError from None
                if not self._skip_item(depth, closer):
                    return

    def _skip_item(self, depth: int, closer: str) -> bool:
        """Go to what follows an item with an error; return whether that can be another item."""
        text = self._text
        inner = [CLOSERS[bracket] for bracket, _ in self._open[depth:]]
        counts = Counter(inner)  # looked at instead, for the list may be long
        outer = [CLOSERS[bracket] for bracket, _ in self._open[: depth - 1]]
        del self._open[depth:]
        self._implied, self._comma_read = 0, False
        while self._at < len(text):
            if text.startswith("/*", self._at):
                self._skip_block_comment()
                continue
            match = SKIPPED.match(text, self._at)
            assert match is not None  # the last alternative matches any character
            mark = match[0]
            if mark == "," and not inner:
                self._at = match.end()
                self._skip_space()
                return True
            if mark in CLOSERS:
                inner.append(CLOSERS[mark])
                counts[CLOSERS[mark]] += 1
            elif mark in ")]}" and counts[mark]:
                while (popped := inner.pop()) != mark:
                    counts[popped] -= 1
                counts[mark] -= 1
            elif mark == closer:
                return False
            elif mark in CLOSERS.values() and mark in outer:
                self._implied = 1
                return False
            self._at = match.end()
            if match["raw"]:
                end = text.find(f'"{match["hashes"]}', self._at)
                self._at = len(text) if end < 0 else end + 1 + len(match["hashes"])
        raise EnoughError

    def _is_in_map(self) -> bool:
        return len(self._open) > 1 and self._open[-1][0] == "(" and self._open[-2][0] == "{"
