"""Views that print as the command line prints them: `print(dev.tasks())` is the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from idol.records import field_names

__all__ = ["ShownRows", "is_shown", "shown", "shown_rows"]

V = TypeVar("V")


class ShownRows(tuple[V, ...]):
    """Several views, which print as one table."""

    _text: Callable[[Sequence[V]], str]

    def __str__(self) -> str:
        return self._text(self)


def shown(view: V, text: Callable[[V], str]) -> V:
    """Return an equal view whose `str` is the text of `text`, a renderer."""
    base: Any = type(view)
    copy: V = object.__new__(_kind(base))
    for name in field_names(base):
        object.__setattr__(copy, name, getattr(view, name))
    object.__setattr__(copy, "_text", text)
    return copy


def shown_rows(views: Iterable[V], text: Callable[[Sequence[V]], str]) -> ShownRows[V]:
    """Return views, each of which prints by `text`, a renderer, and all together as well."""
    rows = ShownRows(shown(view, lambda each: text([each])) for view in views)
    rows._text = text
    return rows


def is_shown(value: object) -> bool:
    """Return whether a value is a view that `shown` made."""
    return isinstance(value, ShownRows) or hasattr(type(value), "_text")


@cache
def _kind(base: type) -> Any:
    """Return a class of a view's name whose objects print by their own renderer."""

    def as_text(self: Any) -> str:
        return str(self._text(self))

    def is_equal(self: Any, other: object) -> bool:
        if not isinstance(other, base):
            return False
        return all(getattr(self, n) == getattr(other, n) for n in field_names(base))

    members = {"__slots__": ("_text",), "__str__": as_text, "__eq__": is_equal}
    return type(
        base.__name__, (base,), members | {"__hash__": base.__hash__, "__doc__": base.__doc__}
    )
