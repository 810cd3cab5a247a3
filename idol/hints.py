"""Names for annotations, without the module `typing`.

No annotation is evaluated here, and to import `typing` takes as long as to read ten interfaces; a
build script runs `idol` dozens of times. Type checkers see the real names.
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "Any", "ClassVar", "Final", "NoReturn", "TypeVar", "cast"]

TYPE_CHECKING = False  # type checkers take it for true

if TYPE_CHECKING:
    from typing import Any, ClassVar, Final, NoReturn, TypeVar, cast
else:
    Any = ClassVar = Final = NoReturn = object

    def cast(_type, value):
        """Return the value: see the standard library's documentation."""
        return value

    def TypeVar(name):  # noqa: N802  # the standard library's name
        """Return something to give a name: see the standard library's documentation."""
        return name
