"""The lines that pytest prints about boards before the first test."""

from __future__ import annotations

import pytest

from idol.printable import one_line
from idoldbg.errors import IdoldbgError
from idoldbg.opening import TargetOptions, find_build
from idoldbg.pytest_plugin.places import Place
from idoldbg.pytest_plugin.settings import read_settings

__all__ = ["describe_boards"]

MOST = 8


def describe_boards(config: pytest.Config) -> list[str]:
    """Return a line for each board of the options: archive, image id, board, probe.

    Nothing is attached; what cannot be read yet is left to the tests.
    """
    settings = read_settings(config)
    if settings.labgrid:
        return [one_line(f"idoldbg: boards of labgrid ({settings.labgrid})")]
    lines = [_describe(place) for place in settings.places[:MOST]]
    if len(settings.places) > MOST:
        lines.append(f"idoldbg: and {len(settings.places) - MOST} more boards")
    return lines


def _describe(place: Place) -> str:
    parts = [f"probe {place.probe or 'the attached one, else emu'}"]
    if place.board is not None:
        parts.insert(0, f"board {place.board}")
    try:
        archive = find_build(TargetOptions(place.archive, place.board, place.probe)).archive
        image = archive.image_id.hex() if archive.image_id else "without an id"
        parts.insert(0, f"archive {archive.path} (image {image})")
        if place.board is None and archive.board:
            parts.insert(1, f"board {archive.board}")
    except (IdoldbgError, OSError) as error:
        parts.insert(0, f"archive {place.archive or 'of the probe'}: {error}")
    return one_line(f"idoldbg: {place.name}: {', '.join(parts)}")
