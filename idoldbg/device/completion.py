"""Completion of a line of Python about a device: names, parameters, variants.

Nothing is called: of the text before the cursor, only names, attributes and constant subscripts are
looked up.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any

from idol.records import dataclass
from idoldbg.device.describe import one_line
from idoldbg.device.operation import BoundOperation
from idoldbg.model.types import Enum, Scalar, ScalarKind, Type

__all__ = ["Completion", "complete"]

_WORD = re.compile(r"""(["']?)(\w*)$""")
_PATH = re.compile(r"""[A-Za-z_][\w.]*(?:\[["'][\w.-]*["']\][\w.]*)*$""")


@dataclass(frozen=True, slots=True)
class Completion:
    """`text` replaces the last `length` characters; `meta` says what it is."""

    text: str
    length: int
    meta: str = ""


def complete(line: str, namespace: Mapping[str, Any]) -> list[Completion]:
    """Return what can stand at the end of `line`, best first."""
    quote, word = _split(line)
    before = line[: len(line) - len(quote) - len(word)]
    if before.endswith(".") and not quote:
        owner = _look_up(before[:-1], namespace)
        return [] if owner is None else list(_attributes(owner, word))
    operation, written = _enclosing_call(before, namespace)
    found = []
    if operation is not None:
        found = list(_arguments(operation, written, quote, word))
        if found or quote:
            return found
    if quote:
        return list(_subscripts(before, quote, word, namespace))
    names = [*namespace, *keyword.kwlist, *(n for n in dir(builtins) if not n.startswith("_"))]
    return [Completion(n, len(word)) for n in names if word and n.startswith(word)]


def _split(line: str) -> tuple[str, str]:
    match = _WORD.search(line)
    return (match.group(1), match.group(2)) if match else ("", "")


def _look_up(text: str, namespace: Mapping[str, Any]) -> Any:
    """Evaluate the path at the end of a text; None where it means nothing."""
    match = _PATH.search(text)
    if match is None or text[: match.start()].endswith((".", ")", "]")):
        return None  # what stands before would have to be called
    try:
        return _evaluate(ast.parse(match.group(), mode="eval").body, namespace)
    except Exception:  # noqa: BLE001  whatever a look-up runs into, there is nothing to offer
        return None


def _evaluate(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return namespace[name] if name in namespace else getattr(builtins, name)
        case ast.Attribute(value=owner, attr=name):
            return getattr(_evaluate(owner, namespace), name)
        case ast.Subscript(value=owner, slice=ast.Constant(value=key)):
            return _evaluate(owner, namespace)[key]
    raise ValueError("not a path")


def _attributes(owner: Any, word: str) -> Iterator[Completion]:
    for name in dir(owner):
        if name.startswith(word) and (word.startswith("_") or not name.startswith("_")):
            yield Completion(name, len(word), _meta(owner, name))


def _meta(owner: Any, name: str) -> str:
    """Describe an operation; other attributes are not touched, they might do things."""
    operations = getattr(type(owner), "__getitem__", None)
    if operations is None or not hasattr(owner, "_names"):
        return ""
    found = owner[name] if name in owner._names else None
    return one_line(found._resolved) if isinstance(found, BoundOperation) else ""


def _enclosing_call(before: str, namespace: Mapping[str, Any]) -> tuple[BoundOperation | None, str]:
    """Find the operation whose parentheses are open, and what stands in them."""
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        char = before[index]
        if char in ")]}":
            depth += 1
        elif char in "([{":
            if depth == 0:
                head = before[:index].removesuffix(".try_")
                found = _look_up(head, namespace) if char == "(" else None
                is_operation = isinstance(found, BoundOperation)
                return (found if is_operation else None), before[index + 1 :]
            depth -= 1
    return None, ""


def _arguments(
    operation: BoundOperation, written: str, quote: str, word: str
) -> Iterator[Completion]:
    """Offer values after `name=`, else the names of parameters that are not there yet."""
    resolved = operation._resolved
    assigned = re.search(r"(\w+)\s*=\s*$", written)
    if assigned is not None:
        for argument in resolved.arguments:
            if argument.name == operation._parameters.get(assigned.group(1)):
                yield from _values(argument.type, quote, word)
        return
    if quote:
        return
    for name in operation._parameters:
        if name.startswith(word) and not re.search(rf"\b{name}\s*=", written):
            yield Completion(f"{name}=", len(word), "parameter")


def _values(type_: Type | None, quote: str, word: str) -> Iterator[Completion]:
    if isinstance(type_, Enum) and type_.is_option:
        if not quote and "None".startswith(word):
            yield Completion("None", len(word))
        yield from _values(type_.variants[1].type.members[0].type, quote, word)
        return
    if isinstance(type_, Scalar) and type_.encoding is ScalarKind.BOOL and not quote:
        yield from (Completion(b, len(word)) for b in ("True", "False") if b.startswith(word))
    mark = quote or '"'
    for name in () if type_ is None else type_.variant_names:
        if name.startswith(word):
            yield Completion(f"{mark}{name}{mark}", len(quote) + len(word), "variant")


def _subscripts(
    before: str, quote: str, word: str, namespace: Mapping[str, Any]
) -> Iterator[Completion]:
    """Offer the tasks of a device: `dev["spi"]`."""
    if not before.endswith("["):
        return
    program = getattr(_look_up(before[:-1], namespace), "program", None)
    for task in () if program is None else program.archive.tasks:
        if task.name.startswith(word):
            yield Completion(f"{quote}{task.name}{quote}]", len(quote) + len(word), "task")
