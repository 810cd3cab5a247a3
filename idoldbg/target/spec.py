"""SPEC, the text of `--probe` that says where a target is: `emu:desk`, `pyocd:0669FF`, …"""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["Spec"]


@dataclass(frozen=True, slots=True)
class Spec:
    """A SPEC, split at its first colon; `str` gives the text back.

    `rest` is None without a colon. Any text can be split; whether it names a target is known to
    `idoldbg.target.open.find_scheme`.
    """

    scheme: str
    rest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Split a text."""
        scheme, colon, rest = text.partition(":")
        return cls(scheme, rest if colon else None)

    def __str__(self) -> str:
        return self.scheme if self.rest is None else f"{self.scheme}:{self.rest}"
