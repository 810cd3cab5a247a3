"""Attach settings of a probe, from board file and user, and pyOCD's options for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idol.records import dataclass, replace
from idoldbg.model.archive import Archive
from idoldbg.target.chosen_board import find_board
from idoldbg.target.open import Notify, TargetOptions, ignore

__all__ = ["ProbeOptions", "probe_options", "session_options"]

FAST_LIMIT_S = 8.0
"""How long all attempts together may take, for a probe that is opened at once."""


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """Options for attaching.

    `speed_hz` is the debug clock (None leaves it to pyOCD: 1 MHz). `access_port` is the number of
    the memory access port, or, for a debug port of version 3 (ADIv6), its base address. `limit_s`
    bounds each access, `connect_limit_s` each attempt to connect. `wait_s` is how long to wait for
    a probe that another process of this user has open; `on_wait` hears of it. `connect` is one of
    `idoldbg.target.open.CONNECT_MODES`. `keep_awake` is a register of the chip, and the bits in it
    that keep the debug port's clock on while the core sleeps.
    """

    speed_hz: int | None = None
    access_port: int = 0
    attempts: int = 3
    limit_s: float = 8.0
    connect_limit_s: float = 30.0
    wait_s: float = 0.0
    on_wait: Callable[[str], None] = ignore
    connect: str = "attach"
    keep_awake: tuple[int, int] | None = None


def probe_options(
    options: TargetOptions, archive: Archive, notify: Notify = ignore
) -> ProbeOptions:
    """Return how the board's file wants to be attached to, and how long the user wants to wait."""
    how = ProbeOptions(
        wait_s=options.wait_s,
        on_wait=notify,
        speed_hz=options.speed_hz,
        connect=options.connect or "attach",
    )
    board = find_board(options, archive)
    if board is None:
        return how
    wanted, chip = board.probe, board.chip
    return replace(
        how,
        speed_hz=options.speed_hz or wanted.speed_hz,
        connect=options.connect or wanted.connect or "attach",
        access_port=wanted.access_port,
        keep_awake=chip.keep_awake,
    )


def session_options(options: ProbeOptions) -> dict[str, Any]:
    """Return pyOCD's options for a session that does not touch the target."""
    try:
        project_dir = str(Path.cwd())
    except OSError:  # the working directory was deleted
        project_dir = os.sep
    chosen: dict[str, Any] = {
        "target_override": "cortex_m",
        "connect_mode": "attach",
        "no_config": True,
        "user_script": os.devnull,  # pyOCD runs a pyocd_user.py it finds, even without a config
        "project_dir": project_dir,  # pyOCD changes into it
        "jlink.power": False,  # or a J-Link switches its target supply off when detaching
    }
    if options.speed_hz is not None:
        chosen["frequency"] = options.speed_hz
    return chosen
