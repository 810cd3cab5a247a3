"""The targets of a labgrid environment: `main` for the fixture `idol`, any of them for `dut`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from idol.near import near_misses
from idoldbg.errors import NotFound
from idoldbg.labgrid import IdoldbgDriver, IdoldbgStrategy
from idoldbg.pytest_plugin.settings import Settings

__all__ = ["open_driver"]


def open_driver(env: Any, name: str, settings: Settings) -> Any:
    """Return the activated driver of a target, brought to its firmware if it has a strategy.

    Raises `NotFound` for a target that the environment does not have, and `pytest.UsageError` where
    it has no `IdoldbgDriver`, or another archive than the options.
    """
    known = sorted(env.config.get_targets())
    if name not in known:
        near = near_misses(name, known)
        hint = "" if near else f"it has {', '.join(known) or 'none'}"
        raise NotFound("target", name, near=near, where=env.config_file, hint=hint)
    target = env.get_target(name)
    drivers = [driver for driver in target.drivers if isinstance(driver, IdoldbgDriver)]
    if not drivers:
        raise pytest.UsageError(
            f"{env.config_file}: target `{name}` has no IdoldbgDriver; add `IdoldbgDriver: {{}}` "
            "to its drivers"
        )
    for driver in drivers:
        _apply(driver, settings)
    for driver in target.drivers:
        if isinstance(driver, IdoldbgStrategy):
            driver.transition("booted")
    return target.get_driver(IdoldbgDriver)


def _apply(driver: Any, settings: Settings) -> None:
    """Let the options take effect that the environment leaves open."""
    if settings.said_timeout_s is not None:
        driver.timeout_s = settings.said_timeout_s
    if settings.archive is None:
        return
    archive = str(Path(settings.archive).absolute())
    if driver.archive is None:
        driver.archive = archive
    elif Path(driver.archive_path).resolve() != Path(archive).resolve():
        raise pytest.UsageError(
            f"the options say archive {settings.archive}, and the driver of {settings.labgrid} "
            f"has {driver.archive_path}; leave one of the two out"
        )
