"""The exceptions of `idol`.

    IdolError
    ├── RonError            the text is not RON (every place where it is not)
    ├── InterfaceError      the text is RON, but not an interface that can be used
    ├── FormatError         a text that the formatter would not keep the meaning of (a bug)
    ├── TypeSyntaxError     a text is not a Rust type (also a ValueError)
    └── OptionsError        options that do not fit the interface (also a ValueError)

Those with diagnostics share `DiagnosedError`; their text is every finding with its place.
"""

from __future__ import annotations

from collections.abc import Iterable

from idol.findings import Level
from idol.source import Diagnostic, format_diagnostics


class IdolError(Exception):
    """Root of everything that this package raises on bad input."""


class DiagnosedError(IdolError):
    """An error that carries diagnostics; its text is all of them, with carets."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return format_diagnostics(self.diagnostics)


class RonError(DiagnosedError):
    """The text is not well-formed RON."""

    @property
    def diagnostic(self) -> Diagnostic:
        """The first of the places."""
        return self.diagnostics[0]


class InterfaceError(DiagnosedError):
    """The text does not describe a usable interface; carries *all* findings."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that are errors, without the warnings."""
        return tuple(d for d in self.diagnostics if d.severity is Level.ERROR)


class TypeSyntaxError(IdolError, ValueError):
    """A text is not a Rust type; `offset` is where reading stopped, in characters."""

    def __init__(self, text: str, offset: int, message: str) -> None:
        self.text = text
        self.offset = offset
        self.message = message
        super().__init__(text, offset, message)

    def __str__(self) -> str:
        return f"{self.text!r} is not a Rust type: {self.message} at character {self.offset + 1}"


class FormatError(IdolError):
    """Formatting a text would change its meaning; it is left alone. This is a bug in `idol`."""


class OptionsError(IdolError, ValueError):
    """Generator options that do not fit the interface, such as a trait name that is none."""
