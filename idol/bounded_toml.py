"""Reads TOML of untrusted origin in bounded time and memory.

The time that `tomllib` takes for a dotted key grows with the square of its parts, and what it keeps
of each part is a table: 20,000 parts take 20 s and 1.5 GiB. So size and depth are looked at first,
in one pass over the text.
"""

from __future__ import annotations

import re

from idol.hints import Any, Final
from idol.patterns import compile_late

__all__ = ["MAX_DEPTH", "MAX_SIZE", "load_toml"]

#: Characters of one file. The `app.toml` of the largest builds has 50,000.
MAX_SIZE: Final = 1 << 20
#: Parts of one key, and brackets inside of each other. Hubris's files have 5.
MAX_DEPTH: Final = 24

# Strings and comments hide what is in them; one without an end reaches to the end, for `tomllib` to
# complain of. No alternative gives up after a long way, so the scan is linear.
_TOKEN: Final = compile_late(
    r'"""(?:[^\\"]|\\.|""?(?!"))*(?:"""|\Z|\\\Z|""?\Z)'
    r"|'''(?:[^']|''?(?!'))*(?:'''|\Z|''?\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*"
    r"|[\[\]{}=,\n.]",
    re.DOTALL,
)


def load_toml(text: str) -> dict[str, Any]:
    """Read a TOML document.

    :raises ValueError: it is not TOML, or is beyond a limit; the message says what and where.
    """
    if len(text) > MAX_SIZE:
        raise ValueError(f"{len(text)} characters of TOML: at most {MAX_SIZE} are read")
    _check_depth(text)
    import tomllib  # brings `datetime`; most programs that import this read no TOML

    try:
        return tomllib.loads(text)
    except RecursionError:  # arrays or inline tables, from whatever depth this was called
        raise ValueError("nested too deeply") from None
    except ValueError as error:  # some quote the document
        raise ValueError(f"{error!s:.300}") from None


def _check_depth(text: str) -> None:
    parts = depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ".":
            parts += 1
            if parts >= MAX_DEPTH:
                raise ValueError(f"{_line(text, match)}a key of more than {MAX_DEPTH} parts")
        elif token in "[{":
            depth += 1
            parts = 0
            if depth > MAX_DEPTH:
                raise ValueError(f"{_line(text, match)}more than {MAX_DEPTH} brackets deep")
        elif token in "]}":
            depth = max(0, depth - 1)
            parts = 0
        elif token in "=,\n":
            parts = 0


def _line(text: str, match: re.Match[str]) -> str:
    return f"line {text.count(chr(10), 0, match.start()) + 1}: "
