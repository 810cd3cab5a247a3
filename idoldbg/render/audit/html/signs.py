"""Signs and labels that several parts of the page use."""

from __future__ import annotations

import re

from idoldbg.audit import Level, Mark
from idoldbg.render.element import Html, el, join

__all__ = ["MARK_SIGNS", "MARK_LABELS", "SIGNS", "prose"]

SIGNS = {Level.ERROR: "✗", Level.WARNING: "!", Level.NOTE: "i"}
MARK_SIGNS = {
    Mark.OK: "✓",
    Mark.NOTE: "i",
    Mark.WARNING: "!",
    Mark.ERROR: "✗",
    Mark.NONE: "·",
    Mark.UNKNOWN: "?",
}
MARK_LABELS = {
    Mark.OK: "ok",
    Mark.NOTE: "note",
    Mark.WARNING: "warning",
    Mark.ERROR: "error",
    Mark.NONE: "none",
    Mark.UNKNOWN: "unknown",
}


def prose(text: str) -> Html:
    """Make `code` of what stands in backticks."""
    parts = re.split(r"`([^`\n]+)`", text)
    return join([el("code", part) if index % 2 else part for index, part in enumerate(parts)])
