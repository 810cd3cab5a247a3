"""Regular expressions that are compiled when they are first used.

To compile one takes 20 to 800 µs, as long as to read a small interface; many are for what is rare.
"""

from __future__ import annotations

import re

from idol.hints import Any, cast

__all__ = ["compile_late"]


def compile_late(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` does, as far as its methods go; the first call of one compiles."""
    return cast("re.Pattern[str]", _Late(pattern, flags))


class _Late:
    def __init__(self, pattern: str, flags: int) -> None:
        self._arguments = pattern, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._arguments), name)
        setattr(self, name, value)  # from now on without this function
        return value
