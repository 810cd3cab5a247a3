"""A RON text as nested groups of items, each with its comments: what `format` lays out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from idol.ron_tokens import Token, TokenKind


@dataclass(slots=True)
class Item:
    """One value, entry or field, with the comments that belong to it."""

    #: Comments before it, each on its line unless the item follows on the same.
    leading: list[Token] = field(default_factory=list)
    #: What it is made of: atoms, colons, groups, and comments between them.
    parts: list[Token | Group] = field(default_factory=list)
    #: Comments that stand behind it on its last line.
    trailing: list[Token] = field(default_factory=list)

    @property
    def lines_before(self) -> int:
        """Number of line breaks before the item itself."""
        first = self.parts[0]
        return first.lines_before if isinstance(first, Token) else first.open.lines_before


@dataclass(slots=True)
class Group:
    """A pair of brackets and what is between them."""

    open: Token
    close: str = ""
    #: Comments on the line of the opening bracket, before a line break.
    opening: list[Token] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    #: Comments after the last item.
    closing: list[Token] = field(default_factory=list)
    #: Whether the last item had a comma.
    has_last_comma: bool = False

    @property
    def has_names(self) -> bool:
        """Whether its items are fields or entries, not bare values."""
        return any(
            isinstance(part, Token) and part.kind is TokenKind.COLON
            for item in self.items
            for part in item.parts
        )


def read_layout(tokens: Iterable[Token]) -> Group:
    """Return the whole text as a group without brackets; attributes are items of their own."""
    return _Reader(list(tokens)).read_document()


class _Reader:
    """Walks the tokens of a well-formed text once."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def read_document(self) -> Group:
        document = Group(Token(TokenKind.OPEN, "", 0))
        while True:
            leading = self._take_comments()
            if self._at >= len(self._tokens):
                document.closing = leading
                return document
            item = Item(leading)
            if self._tokens[self._at].text.startswith("#"):
                self._read_attribute(item)
            else:
                self._read_item(item)
            if not _ends_line(item.trailing):
                item.trailing += self._take_trailing()
            document.items.append(item)

    def _read_attribute(self, item: Item) -> None:
        """Read `#![…]`, whose parts may have comments between them."""
        while (token := self._peek()) is not None:
            item.parts.append(self._read_part())
            if token.kind is TokenKind.OPEN:
                return

    def _read_group(self) -> Group:
        group = Group(self._advance())
        group.opening = self._take_trailing(at_close=False)
        while True:
            leading = self._take_comments()
            token = self._peek()
            if token is None or token.kind is TokenKind.CLOSE:
                group.closing = leading
                group.close = self._advance().text if token else ""
                return group
            item = Item(leading)
            self._read_item(item)
            group.items.append(item)
            group.has_last_comma = False
            token = self._peek()
            if token is not None and token.kind is TokenKind.COMMA:
                self._advance()
                group.has_last_comma = True
                if not _ends_line(item.trailing):
                    item.trailing += self._take_trailing()

    def _read_item(self, item: Item) -> None:
        """Read up to a comma or closing bracket of the same level."""
        while True:
            item.parts.append(self._read_part())
            self._take_inner_comments(item)
            token = self._peek()
            if token is None or token.is_comment:
                return
            if token.kind in (TokenKind.COMMA, TokenKind.CLOSE):
                return

    def _take_inner_comments(self, item: Item) -> None:
        """Take comments: between the parts of an item, or behind the last of them."""
        end = self._at
        while end < len(self._tokens) and self._tokens[end].is_comment:
            end += 1
        run = self._tokens[self._at : end]
        following = self._tokens[end] if end < len(self._tokens) else None
        if following is not None and following.kind not in (TokenKind.COMMA, TokenKind.CLOSE):
            item.parts += run
            self._at = end
            return
        # What begins a line belongs to what comes after.
        same_line = list(takewhile(lambda token: not token.lines_before, run))
        item.trailing += same_line
        self._at += len(same_line)
        if following is not None and following.kind is TokenKind.COMMA:
            # `a <line break> // why <line break> , b`: the comma goes up, the comment stays.
            self._tokens[self._at : end + 1] = [following, *self._tokens[self._at : end]]

    def _read_part(self) -> Token | Group:
        token = self._tokens[self._at]
        return self._read_group() if token.kind is TokenKind.OPEN else self._advance()

    def _take_comments(self) -> list[Token]:
        start = self._at
        while (token := self._peek()) is not None and token.is_comment:
            self._at += 1
        return self._tokens[start : self._at]

    def _take_trailing(self, at_close: bool = True) -> list[Token]:
        """Take the comments on this line, if nothing else follows on it."""
        end = self._at
        while end < len(self._tokens):
            token = self._tokens[end]
            if token.lines_before:
                break
            if not token.is_comment:
                if token.kind is TokenKind.CLOSE and at_close:
                    break
                return []
            end += 1
        taken = self._tokens[self._at : end]
        self._at = end
        return taken

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _advance(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token


def _ends_line(comments: list[Token]) -> bool:
    """Return whether nothing may follow these comments on their line."""
    return bool(comments) and comments[-1].kind is TokenKind.LINE_COMMENT
