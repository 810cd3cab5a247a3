"""Data of a lease from user input: a list of its elements, or raw bytes."""

from __future__ import annotations

from typing import Any

from idoldbg.call.arguments.convert import ReadData, from_python, parse_node, read_source
from idoldbg.call.arguments.nodes import bytes_of, node_of
from idoldbg.call.arguments.syntax import Bytes, ListNode, Node, Record, Repeat, TextNode, TupleNode
from idoldbg.call.codec.serde import NODE_LIMIT
from idoldbg.errors import ArgumentError
from idoldbg.model.types import (
    Array,
    CEnum,
    Scalar,
    Type,
    short_name,
)
from idoldbg.model.values import Value

__all__ = ["lease_from_python", "parse_lease"]

DATA = "bytes as hex:0102, str:text, @FILE or - (standard input)"


def parse_lease(
    text: str, element: Type, *, is_slice: bool, name: str, read_data: ReadData | None = None
) -> bytes | Value:
    """Read what a lease lends from Rust-like text or JSON; raise `ArgumentError`.

    `hex:…`, `{"hex": "…"}`, `str:text` and, with `read_data`, `@FILE` and `-` are bytes, returned
    as they are; so is `"text"` where the elements are bytes. Anything else is a value: a list of
    elements where the lease is a slice, else the one element.
    """
    source = read_source(text, read_data)
    if source is not None:
        return source
    node = parse_node(text, name=name)
    data = _as_bytes(node, element, is_slice=is_slice)
    if is_slice:
        return _elements(node, element, name, DATA) if data is None else data
    if data is None or len(data) != element.size:
        try:
            return from_python(node, element, name=name)  # `{"hex": …}` is Some([u8; N]) too
        except ArgumentError:
            if data is None:
                raise
    return data


def lease_from_python(obj: Any, element: Type, *, is_slice: bool, name: str) -> bytes | Value:
    """Make what a lease lends from plain Python data; raise `ArgumentError`.

    Bytes are returned as they are. Otherwise it is a sequence of elements, or the element of a
    lease that is not a slice.
    """
    if isinstance(obj, bytes | bytearray | memoryview):
        return bytes(obj)
    return _elements(obj, element, name) if is_slice else _one(obj, element, name)


def _as_bytes(node: Node, element: Type, *, is_slice: bool) -> bytes | None:
    """Return the bytes that a node stands for whatever the elements are, None for none."""
    is_hex = isinstance(node, Record) and not node.path and [k for k, _ in node.fields] == ["hex"]
    if isinstance(node, Bytes) or is_hex:
        return bytes_of(node)
    holds_bytes = element.is_byte if is_slice else element.is_byte_array
    return bytes_of(node) if holds_bytes and isinstance(node, TextNode) else None


def _elements(obj: Any, element: Type, name: str, data: str = "bytes") -> Value:
    node = node_of(obj)
    if isinstance(node, Repeat):
        count = node.count
    elif isinstance(node, ListNode | TupleNode):
        count = len(node.values)
    else:
        kind = short_name(element.name)
        raise ArgumentError(
            f"give a list of {kind}, such as [{_example(element)}], or {data}", name=name
        )
    if count > NODE_LIMIT:
        raise ArgumentError(f"{count} elements are more than any lease takes", name=name)
    if count and not element.size:
        raise ArgumentError(
            f"elements of {short_name(element.name)} take no bytes: leave it out", name=name
        )
    return from_python(obj, Array("", element, count), name=name)


def _one(obj: Any, element: Type, name: str) -> Value:
    """Make the element of a lease that is not a slice; a list that holds it alone will do."""
    try:
        return from_python(obj, element, name=name)
    except ArgumentError:
        node = node_of(obj)
        if not isinstance(node, ListNode) or len(node.values) != 1:
            raise
    return from_python(node.values[0], element, name=f"{name}[0]")


def _example(element: Type) -> str:
    match element:
        case Scalar(name="bool"):
            return "true, false"
        case Scalar(name="char"):
            return "'a', 'b'"
        case CEnum(enumerators=(first, *_)):
            return first.name
        case Scalar():
            return "1, 2"
        case _:
            return "…"
