"""Near-miss suggestions for names that were not found."""

from __future__ import annotations

from collections.abc import Iterable

from idol.hints import Final

__all__ = ["near_misses", "suggest"]

_MOST: Final = 3
#: Longest name that is compared; the search is quadratic.
_MAX_LENGTH: Final = 200


def near_misses(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> tuple[str, ...]:
    """Return up to three of `known` that `name` may have meant, best first.

    `cutoff` is the least resemblance, from 0 to 1. Letter case, and `-` for `_`, do not count as
    differences.
    """
    from difflib import get_close_matches  # 2 ms that only mistakes cost

    folded: dict[str, str] = {}
    for candidate in known if len(name) <= _MAX_LENGTH else ():
        if len(candidate) <= _MAX_LENGTH:
            folded.setdefault(_fold(candidate), candidate)
    if (same := _fold(name)) in folded:
        return (folded[same],)
    return tuple(folded[n] for n in get_close_matches(_fold(name), folded, n=_MOST, cutoff=cutoff))


def suggest(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return a question whether the nearest of `known` was meant, or `otherwise`."""
    near = near_misses(name, known)
    return f"did you mean `{near[0]}`?" if near else otherwise


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")
