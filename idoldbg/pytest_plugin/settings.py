"""What the plug-in's options mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idol.records import dataclass
from idoldbg.errors import ArgumentError
from idoldbg.pytest_plugin.options import read_option
from idoldbg.pytest_plugin.places import Place, parse_board_list, read_environment
from idoldbg.seconds import read_seconds

__all__ = ["Settings", "read_settings", "worker_name"]

DEFAULT_TIMEOUT_S, DEFAULT_WAIT_S = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options say; `is_listed` tells boards that were named from the one by default."""

    places: tuple[Place, ...]
    is_listed: bool
    timeout_s: float
    wait_s: float
    evidence: Path | None


def _seconds(config: pytest.Config, name: str, default: float) -> float:
    text = read_option(config, name)
    try:
        return read_seconds(f"--idoldbg-{name}", default if text is None else text, allow_zero=True)
    except ArgumentError as error:
        raise pytest.UsageError(str(error)) from None


def read_settings(config: pytest.Config) -> Settings:
    """Read all options; raise `pytest.UsageError` for what makes no sense."""
    archive, board, probe = (read_option(config, n) for n in ("archive", "board", "probe"))
    default = Place(probe or board or "emu", archive, board, probe)
    environment = read_option(config, "env")
    texts = re.findall(r"[^,\s]+", read_option(config, "boards") or "")
    try:
        known = [] if environment is None else read_environment(Path(environment))
        places = parse_board_list(texts, known, default) if texts else known
    except ArgumentError as error:
        raise pytest.UsageError(str(error)) from None
    evidence = read_option(config, "evidence")
    return Settings(
        places=tuple(places) or (default,),
        is_listed=bool(places),
        timeout_s=_seconds(config, "timeout", DEFAULT_TIMEOUT_S),
        wait_s=_seconds(config, "wait", DEFAULT_WAIT_S),
        evidence=None if evidence is None else Path(evidence).absolute(),
    )


def worker_name(config: pytest.Config) -> str:
    """Return the name of this worker of pytest-xdist, "" where there are no workers.

    Not from its environment, which other runs inherit that a worker's tests start.
    """
    return str(getattr(config, "workerinput", {}).get("workerid", ""))
