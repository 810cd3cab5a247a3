"""Names from a build as they may be shown: they can hold what terminals and browsers obey."""

from __future__ import annotations

from idol.printable import LAYOUT, printable

__all__ = ["LAYOUT", "printable"]
