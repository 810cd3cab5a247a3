"""Names that resemble a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Longest name that is looked at; the search is quadratic.
_MAX_LENGTH: Final = 60


def find_near(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `name` may have meant, or None.

    Letter case, and `-` for `_`, do not count as differences.
    """
    import difflib  # slow to load, and rarely needed

    if len(name) > _MAX_LENGTH:
        return None
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(_fold(candidate), candidate)
    close = difflib.get_close_matches(_fold(name), folded, n=1)
    return folded[close[0]] if close else None


def suggest(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return the question whether a name was meant, or `otherwise`."""
    near = find_near(name, known)
    return f"did you mean `{near}`?" if near else otherwise


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")
