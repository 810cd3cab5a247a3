"""Comparison of two versions of an interface, and whether they can still talk.

The wire has operation codes, bytes in the encoding, lease counts and access, and response codes;
names are not on it. `Level` says what a change does to a caller that was built before it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from idol.diff.changes import Change, Comparison, Level
from idol.diff.operations import compare_operations
from idol.syntax import Interface, Operation

__all__ = ["Change", "Comparison", "Level", "compare"]


def compare(old: Interface, new: Interface) -> Comparison:
    """Compare two interfaces that have been read without errors."""
    return Comparison(old, new, tuple(_Comparer(old, new).find_changes()))


class _Comparer:
    """Pairs the operations of two interfaces and compares each pair."""

    def __init__(self, old: Interface, new: Interface) -> None:
        self._old, self._new = old, new

    def find_changes(self) -> Iterator[Change]:
        if self._old.name != self._new.name:
            yield Change(
                Level.SOURCE,
                "interface-renamed",
                None,
                f"the interface is called `{self._new.name}` now",
                self._old.name,
                self._new.name,
                self._old.span,
                self._new.span,
            )
        for old, new in self._pair():
            if new is None and old is not None:
                yield _removed(old)
            elif old is None and new is not None:
                yield _added(new)
            elif old is not None and new is not None:
                yield from compare_operations(old, new)

    def _pair(self) -> list[tuple[Operation | None, Operation | None]]:
        """Pair by name; what is left, by code if nothing but the name changed."""
        old_names = {operation.name: operation for operation in self._old.operations}
        new_names = {operation.name: operation for operation in self._new.operations}
        left = {o.code: o for o in self._new.operations if o.name not in old_names}
        pairs: list[tuple[Operation | None, Operation | None]] = []
        for name, old in old_names.items():
            new = new_names.get(name)
            if new is None:
                twin = left.get(old.code)
                if twin is not None and _is_renamed(old, twin):
                    new = left.pop(old.code)
            pairs.append((old, new))
        pairs += [(None, operation) for operation in left.values()]
        return sorted(pairs, key=_by_code)


def _by_code(pair: tuple[Operation | None, Operation | None]) -> tuple[int, bool]:
    """Order by the code now, with what is gone before what took its place."""
    old, new = pair
    if new is not None:
        return new.code, True
    return (old.code if old is not None else 0), False


def _is_renamed(old: Operation, new: Operation) -> bool:
    """Return whether two operations of one code differ in name alone, or look much alike."""
    levels = {change.level for change in compare_operations(old, new)}
    if not levels & {Level.BREAKING, Level.UNSURE}:
        return True
    return difflib.SequenceMatcher(None, old.name[:60], new.name[:60]).ratio() > 0.75


def _removed(old: Operation) -> Change:
    return Change(
        Level.BREAKING,
        "operation-removed",
        old.name,
        f"operation {old.code} is gone",
        old.name,
        None,
        old.span,
        None,
    )


def _added(new: Operation) -> Change:
    return Change(
        Level.COMPATIBLE,
        "operation-added",
        new.name,
        f"operation {new.code} is new",
        None,
        new.name,
        None,
        new.span,
    )
