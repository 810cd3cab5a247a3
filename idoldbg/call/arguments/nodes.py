"""Conversion of Python data and of written text to syntax nodes and bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idoldbg.call.arguments.syntax import (
    Bytes,
    Call,
    CharNode,
    ListNode,
    Name,
    Node,
    Null,
    Number,
    Record,
    Repeat,
    TextNode,
    TupleNode,
)
from idoldbg.call.codec.serde import NODE_LIMIT

__all__ = ["bytes_of", "node_of", "split_suffix"]

# Anything but a Node or a Value is plain Python data.
_NODES = (
    Number, TextNode, CharNode, Bytes, Null, Name, Call, Record, TupleNode, ListNode, Repeat,
)  # fmt: skip


def node_of(obj: Any) -> Node | None:
    """Return the node that a Python object stands for; its parts stay Python objects."""
    if isinstance(obj, _NODES):
        return obj
    match obj:
        case None:
            return Null()
        case bool():
            return Name(("true" if obj else "false",))
        case int():
            return Number(hex(obj))  # no limit of digits, unlike decimal
        case float():
            return Number(repr(obj))
        case str():
            return TextNode(obj)
        case bytes() | bytearray() | memoryview():
            return Bytes(bytes(obj))
        case tuple():
            return TupleNode(obj)
        case Mapping():
            return Record((), tuple((str(k), v) for k, v in obj.items()))
        case Sequence():
            return ListNode(tuple(obj))
        case _:
            return None


def bytes_of(node: Node) -> bytes | None:
    """Return the bytes that a node stands for, None where it stands for none."""
    match node:
        case Bytes(data=data):
            return data
        case TextNode(text=text):
            return text.encode("utf-8", "surrogateescape")
        case Record(path=(), fields=(("hex", inner),)):
            digits = node_of(inner)
            try:
                return bytes.fromhex(digits.text) if isinstance(digits, TextNode) else None
            except ValueError:
                return None
        case Repeat(value=value, count=count):
            byte = _byte(value)
            return None if byte is None or count > NODE_LIMIT else bytes([byte]) * count
        case ListNode(values=values) | TupleNode(values=values):
            parts = [_byte(v) for v in values]
            return None if None in parts else bytes(p for p in parts if p is not None)
        case _:
            return None


def _byte(obj: Any) -> int | None:
    node = node_of(obj)
    if not isinstance(node, Number):
        return None
    digits, suffix = split_suffix(node.text)
    try:
        number = int(digits.replace("_", ""), 0 if digits[:2].lower() in ("0x", "0b", "0o") else 10)
    except ValueError:
        return None
    return number if 0 <= number <= 0xFF and suffix in ("", "u8") else None


def split_suffix(text: str) -> tuple[str, str]:
    """Divide `12u8` into digits and suffix. Hexadecimal digits end in f32 without meaning it."""
    start = next((i for i, c in enumerate(text) if c in "iuIU"), None)
    if start is None and not text.lower().lstrip("+-").startswith("0x"):
        start = next((i for i, c in enumerate(text) if c == "f"), None)
    if start is None or text.lower().lstrip("+-").startswith("inf"):
        return text, ""
    return text[:start].rstrip("_"), text[start:]
