"""One way to lay out an Idol text: `idol fmt`.

Indents by four, breaks lines at 100 columns, puts a comma behind the last of several lines. The
outer two levels always have an item per line; any other group stays on one line if it fits and its
first item stood on the line of the bracket. Comments stay with what they stand at, single blank
lines stay, and no token is touched: not the order of fields, not the form of a string or number.
"""

from __future__ import annotations

import dataclasses

from idol.errors import FormatError
from idol.hints import Final
from idol.layout import Group, Item, read_layout
from idol.ron import Document
from idol.ron_reader import parse_ron
from idol.ron_tokens import Token, TokenKind, iter_tokens
from idol.source import Source, Span

#: Columns of a line, unless a single token needs more.
WIDTH: Final = 100
INDENT: Final = 4

#: Levels of groups, from outside, that always have an item per line: the interface, its `ops`.
_OPEN_LEVELS: Final = 2


def format_text(source: Source | str) -> str:
    """Return a text in the one layout; it ends with a line break.

    Any RON will do, an interface or not. Line ends become `\\n`, except inside strings.

    :raises RonError: the text is not RON.
    """
    if isinstance(source, str):
        source = Source("<text>", source)
    before = parse_ron(source)
    result = _Printer().print_document(read_layout(iter_tokens(source.text)))
    after = Source(source.name, result)
    if _outline(before) != _outline(parse_ron(after)) or _comments(source) != _comments(after):
        raise FormatError(f"{source.name} cannot be formatted without changing what it says")
    return result


class _Printer:
    """Writes groups; what is on one line depends on the tree and the column alone."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._column = 0
        self._flat: dict[int, str | None] = {}

    def print_document(self, document: Group) -> str:
        for number, item in enumerate(document.items):
            self._write_item(item, 0, is_first=number == 0, is_attribute=_is_attribute(item))
        for number, comment in enumerate(document.closing):
            self._break_line(0, comment.lines_before, number == 0 and not document.items)
            self._write(_comment_text(comment))
        return "".join(self._pieces).lstrip("\n") + "\n"

    # -- items -----------------------------------------------------------------------------

    def _write_item(
        self,
        item: Item,
        indent: int,
        *,
        is_first: bool,
        level: int = 0,
        comma: str = "",
        is_attribute: bool = False,
    ) -> None:
        """Write an item on lines of its own, from the line break before it."""
        same_line = False
        for comment in item.leading:
            self._separate(comment.lines_before, indent, same_line, is_first)
            self._write(_comment_text(comment))
            same_line = comment.kind is TokenKind.BLOCK_COMMENT
            is_first = False
        self._separate(item.lines_before, indent, same_line, is_first)
        self._write_parts(item, indent, level, len(comma), is_attribute)
        self._write(comma)
        for comment in item.trailing:
            self._write(f" {_comment_text(comment)}")

    def _separate(self, lines: int, indent: int, same_line: bool, is_first: bool) -> None:
        """Begin a line, or only leave a space behind a comment on the same line."""
        if same_line and not lines:
            self._write(" ")
        else:
            self._break_line(indent, lines, is_first)

    def _write_parts(
        self, item: Item, indent: int, level: int, reserve: int, is_attribute: bool = False
    ) -> None:
        before: Token | Group | None = None
        for part in item.parts:
            if isinstance(before, Token) and before.kind is TokenKind.LINE_COMMENT:
                indent += INDENT if indent < WIDTH // 2 else 0
                self._break_line(indent, 1, is_first=False)
            elif before is not None and _needs_space(before, part):
                self._write(" ")
            if isinstance(part, Group):
                self._write_group(part, indent, level, reserve, is_attribute)
            else:
                self._write(_comment_text(part) if part.is_comment else part.text)
            before = part

    # -- groups ----------------------------------------------------------------------------

    def _write_group(
        self, group: Group, indent: int, level: int, reserve: int, is_attribute: bool
    ) -> None:
        """Write a group; `reserve` columns are needed for what follows it on the line."""
        flat = self._flatten(group)
        is_open = level < _OPEN_LEVELS and group.items and not is_attribute
        if flat is not None and not is_open and self._column + len(flat) + reserve <= WIDTH:
            self._write(flat)
            return
        self._write(group.open.text)
        if _can_hug(group):
            kept = "," if group.has_last_comma else ""
            closers = reserve + len(kept) + 1
            self._write_parts(group.items[0], indent, level + 1, closers)
            self._write(kept + group.close)
            return
        for comment in group.opening:
            self._write(f" {_comment_text(comment)}")
        for number, item in enumerate(group.items):
            is_last = number == len(group.items) - 1
            comma = "," if not is_last or _has_last_comma(group, is_attribute) else ""
            self._write_item(
                item, indent + INDENT, is_first=number == 0, level=level + 1, comma=comma
            )
        for number, comment in enumerate(group.closing):
            is_first = number == 0 and not group.items
            self._break_line(indent + INDENT, comment.lines_before, is_first)
            self._write(_comment_text(comment))
        self._break_line(indent, 1, is_first=False)
        self._write(group.close)

    def _flatten(self, group: Group) -> str | None:
        """Return a group on one line, or None if it must not or cannot be on one."""
        key = id(group)
        if key not in self._flat:
            self._flat[key] = self._compute_flat(group)
        return self._flat[key]

    def _compute_flat(self, group: Group) -> str | None:
        if group.opening or _starts_on_new_line(group):
            return None
        if any(_breaks_line(comment) or comment.lines_before for comment in group.closing):
            return None
        items = []
        length = 0
        for item in group.items:
            flat = self._flatten_item(item)
            if flat is None or length > WIDTH:
                return None
            items.append(flat)
            length += len(flat)
        closing = [comment.text for comment in group.closing]
        kept = "," if len(group.items) == 1 and _keeps_comma(group) else ""
        inside = " ".join([", ".join(items) + kept, *closing] if items else closing)
        flat = group.open.text + inside + group.close
        return flat if len(flat) <= WIDTH else None

    def _flatten_item(self, item: Item) -> str | None:
        text = ""
        before: Token | Group | None = None
        for part in [*item.leading, *item.parts, *item.trailing]:
            if isinstance(part, Group):
                flat = self._flatten(part)
            else:
                flat = None if _breaks_line(part) else part.text
            if flat is None or len(text) > WIDTH:
                return None
            if before is not None and _needs_space(before, part):
                text += " "
            text += flat
            before = part
        return text

    # -- output ----------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        start = text.rfind("\n") + 1
        self._column = len(text) - start + (0 if start else self._column)

    def _break_line(self, indent: int, lines: int, is_first: bool) -> None:
        """Begin a line, after an empty one if there was one in `lines` line breaks."""
        blank = "\n" if lines > 1 and not is_first else ""
        self._pieces.append(f"{blank}\n{' ' * indent}")
        self._column = indent


# -- what the tree says ------------------------------------------------------------------------


def _is_attribute(item: Item) -> bool:
    first = item.parts[0]
    return isinstance(first, Token) and first.text.startswith("#")


def _starts_on_new_line(group: Group) -> bool:
    if not group.items:
        return False
    first = group.items[0]
    return bool(first.leading[0].lines_before if first.leading else first.lines_before)


def _can_hug(group: Group) -> bool:
    """Return whether the brackets stay at those of the only item: `Simple((`."""
    if len(group.items) != 1 or group.opening or group.closing or _starts_on_new_line(group):
        return False
    [item] = group.items
    plain = not any(isinstance(part, Token) and part.is_comment for part in item.parts)
    last = isinstance(item.parts[-1], Group) and not group.has_names
    return last and plain and not item.leading and not item.trailing


def _keeps_comma(group: Group) -> bool:
    """Return whether the comma behind an only value says something: `(1,)` is a tuple in Rust."""
    return group.has_last_comma and group.open.text == "(" and not group.has_names


def _has_last_comma(group: Group, is_attribute: bool) -> bool:
    """Return whether a comma stands behind the last of several lines."""
    if is_attribute:
        return False
    if len(group.items) == 1 and group.open.text == "(" and not group.has_names:
        return group.has_last_comma
    return True


def _breaks_line(token: Token) -> bool:
    return token.kind is TokenKind.LINE_COMMENT or "\n" in token.text


def _needs_space(before: Token | Group, after: Token | Group) -> bool:
    if isinstance(after, Token) and after.kind is TokenKind.COLON:
        return False
    if isinstance(before, Token) and (before.kind is TokenKind.COLON or before.is_comment):
        return True
    return isinstance(after, Token) and after.is_comment


def _comment_text(comment: Token) -> str:
    return comment.text.rstrip() if comment.kind is TokenKind.LINE_COMMENT else comment.text


# -- the check of the result -------------------------------------------------------------------


def _outline(value: object) -> object:
    """Reduce a tree to what it says: no places."""
    if isinstance(value, Document):
        return sorted(value.extensions), _outline(value.root)
    if isinstance(value, tuple):
        return tuple(_outline(item) for item in value)
    if dataclasses.is_dataclass(value):
        parts = []
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if not isinstance(inner, Span) and field.name != "verbatim_at":
                parts.append(_outline(inner))
        return type(value).__name__, *parts
    return repr(value)  # not the value itself: NaN would differ from NaN


def _comments(source: Source) -> list[str]:
    return [_comment_text(token) for token in iter_tokens(source.text) if token.is_comment]
