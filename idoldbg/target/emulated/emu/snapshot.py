"""Snapshots: the whole state of a board as values."""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass, field
from idoldbg.target.emulated.emu.clock import ClockState
from idoldbg.target.emulated.emu.core import CoreState
from idoldbg.target.emulated.emu.debug import DebugState
from idoldbg.target.emulated.emu.history import Past
from idoldbg.target.emulated.emu.mpu import MpuState
from idoldbg.target.emulated.emu.nvic import NvicState
from idoldbg.target.emulated.emu.scs import SystemControlState
from idoldbg.target.emulated.emu.systick import SysTickState

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state of a board; plain values, good for any board of the same description."""

    clock: ClockState
    nvic: NvicState
    mpu: MpuState
    systick: SysTickState
    debug: DebugState
    scs: SystemControlState
    core: CoreState
    memory: Mapping[str, bytes]
    devices: Mapping[str, tuple[object, ...]]
    breakpoints: frozenset[int] = frozenset()
    past: Past | None = field(default=None, compare=False, repr=False)
    """Inputs up to now of the board that it is of."""
