"""Event counters, and calls between tasks, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines
from idoldbg.render.text import table_lines
from idoldbg.views.counters import CounterKind, CounterLeaf, CounterStatic
from idoldbg.views.source import Source

__all__ = ["json", "format_leaf", "listing", "sorted_leaves", "text"]

Object = dict[str, Any]


def format_leaf(path: Sequence[str]) -> str:
    """Write a counter's path as Rust nests variants: `recv(Err(QueueEmpty))`."""
    shown = ""
    for part in reversed(path):
        if part.startswith("["):
            shown = f"{part}({shown})" if shown else part
        else:
            shown = f"{part}{shown}" if shown.startswith("[") else _nested(part, shown)
    return shown


def _nested(part: str, inner: str) -> str:
    return f"{part}({inner})" if inner else part


def sorted_leaves(leaves: Iterable[CounterLeaf], order: str) -> list[CounterLeaf]:
    """Sort by `decl` (as declared), `value` (largest first) or `alpha`."""
    if order == "value":
        return sorted(leaves, key=lambda leaf: -leaf.count)
    if order == "alpha":
        return sorted(leaves, key=lambda leaf: leaf.path)
    return list(leaves)


def text(statics: Sequence[CounterStatic], *, order: str = "value", full: bool = False) -> str:
    """Write the counters that are not zero; `full`: all of them as a tree with sums."""
    blocks = []
    for static in statics:
        rows = _tree_rows(static.leaves, order) if full else _rows(static.leaves, order)
        if not rows and not static.problem:
            continue
        lines = [f"{static.task}  {static.full_name}{_origin(static)}"]
        lines += [f"   {static.problem}"] if static.problem else []
        lines += [f"   {line}" for line in table_lines(rows, right=(0,))]
        blocks.append(join_lines(lines))
    if not blocks:
        return "no event was counted" if statics else "no counters"
    return "\n\n".join(blocks)


def _origin(static: CounterStatic) -> str:
    match static.kind:
        case CounterKind.CLIENT:
            return f"  (calls of {static.interface})"
        case CounterKind.SERVER:
            return f"  (served: {static.interface})"
        case _:
            return ""


def _rows(leaves: Sequence[CounterLeaf], order: str) -> list[list[str]]:
    counted = [leaf for leaf in sorted_leaves(leaves, order) if leaf.count]
    return [[str(leaf.count), format_leaf(leaf.path)] for leaf in counted]


class _Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.parts: dict[str, _Node] = {}


def _tree(leaves: Iterable[CounterLeaf]) -> _Node:
    root = _Node("")
    for leaf in leaves:
        node = root
        node.count += leaf.count
        for part in leaf.path:
            node = node.parts.setdefault(part, _Node(part))
            node.count += leaf.count
    return root


def _tree_rows(leaves: Sequence[CounterLeaf], order: str) -> list[list[str]]:
    rows: list[list[str]] = []

    def add(node: _Node, depth: int) -> None:
        parts = list(node.parts.values())
        if order == "value":
            parts.sort(key=lambda part: -part.count)
        elif order == "alpha":
            parts.sort(key=lambda part: part.name)
        for part in parts:
            rows.append([str(part.count), f"{'  ' * depth}{part.name}"])
            add(part, depth + 1)

    add(_tree(leaves), 0)
    return rows


def listing(statics: Sequence[CounterStatic]) -> str:
    """Write one line for each static of counters."""
    if not statics:
        return "no counters"
    rows = [["TASK", "ADDRESS", "SIZE", "KIND", "STATIC"]]
    for each in statics:
        at = f"0x{each.address:08x}"
        rows.append([each.task, at, str(each.size), str(each.kind), each.full_name])
    return join_lines(table_lines(rows, right=(2,)))


def json(source: Source, statics: Iterable[CounterStatic]) -> Object:
    """Return the object of `counters`: each counter as a leaf, and all of a static as a tree."""
    return {
        "schema": "idoldbg.counters/1",
        "source": source_object.json(source),
        "counters": [
            {
                "task": static.task,
                "name": static.name,
                "full_name": static.full_name,
                "kind": str(static.kind),
                "interface": static.interface,
                "address": static.address,
                "size": static.size,
                "leaves": [
                    {"path": list(leaf.path), "count": leaf.count} for leaf in static.leaves
                ],
                "tree": _tree_object(_tree(static.leaves)),
                "problem": static.problem,
            }
            for static in statics
        ],
    }


def _tree_object(node: _Node) -> Object:
    return {
        name: _tree_object(part) if part.parts else part.count for name, part in node.parts.items()
    }
