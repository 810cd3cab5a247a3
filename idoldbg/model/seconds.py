"""Times that users give: numbers of seconds that every clock and every wait can take."""

from __future__ import annotations

from typing import Any

from idoldbg.errors import ArgumentError

__all__ = ["LONGEST_S", "check_seconds", "read_seconds"]

LONGEST_S = 86400.0
"""A day."""
_SHOWN = 40


def check_seconds(name: str, seconds: Any, *, allow_zero: bool = False) -> float:
    """Return a number of seconds as a float; `name` is what was given it.

    Raises `ArgumentError` for what is not a number, negative, or over a day (also an integer of
    more digits than a float can have).
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if is_number and (0 < seconds <= LONGEST_S or (allow_zero and seconds == 0)):
        return float(seconds)
    least = "from 0" if allow_zero else "more than 0"
    raise ArgumentError(
        f"give seconds, {least} and at most {LONGEST_S:.0f} (a day), not {_shown(seconds)}",
        name=name,
    )


def read_seconds(name: str, text: Any, *, allow_zero: bool = False) -> float:
    """Do as `check_seconds` for what may also be the text of a number."""
    if isinstance(text, str):
        try:
            return check_seconds(name, float(text), allow_zero=allow_zero)
        except ValueError:  # also of `check_seconds`, which would show inf for what was written
            pass
    return check_seconds(name, text, allow_zero=allow_zero)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
