"""Names that resemble a name that was not found."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["near_misses"]

LIMIT = 3
MAX_LENGTH = 200  # of a name that is compared: that takes the square of it


def near_misses(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of `known` that `name` may have meant, best first.

    Letter case, and `-` for `_`, do not count as differences.
    """
    from difflib import get_close_matches  # 2 ms that only mistakes cost

    folded: dict[str, str] = {}
    for candidate in known if len(name) <= MAX_LENGTH else ():
        if len(candidate) <= MAX_LENGTH:
            folded.setdefault(_fold(candidate), candidate)
    return tuple(folded[n] for n in get_close_matches(_fold(name), folded, n=LIMIT, cutoff=0.6))


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")
