"""Origin of answers as the member `source` of each JSON object."""

from __future__ import annotations

from typing import Any

from idoldbg.views.source import Source

__all__ = ["json"]


def json(source: Source) -> dict[str, Any]:
    """Return the member `source`."""
    return {
        "link": source.link,
        "archive": source.archive,
        "image_id": source.image_id,
        "ticks": source.ticks,
        "halted": source.halted,
        "warnings": [{"code": c.code, "message": c.message} for c in source.cautions],
    }
