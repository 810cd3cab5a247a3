"""Registers of a core that stands still meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from idoldbg.errors import Unsupported
from idoldbg.target.capability import Halting, Registers
from idoldbg.target.target import Target
from idoldbg.views.core_registers import CORE, FLOATS, has_floats, read_core_registers

__all__ = ["no_registers", "with_registers"]

T = TypeVar("T")


def with_registers(
    target: Target, action: Callable[[Mapping[str, int]], T], *, floats: bool = False
) -> T:
    """Return what `action` does with the registers, while the core is halted.

    There are none where the target has none. `floats` adds s0 to s31, where the core has them.
    """

    def act() -> T:
        names = (*CORE, *FLOATS) if floats and has_floats(target.memory) else CORE
        can_read = target.can(Registers)
        return action(read_core_registers(target.need(Registers), names) if can_read else {})

    return target.need(Halting).halted(act) if target.can(Halting) else act()


def no_registers(target: Target) -> Unsupported:
    """Return the error for a target without registers: why, and what to try."""
    spec = str(target.spec)
    if target.source in ("dump", "task-dump"):
        why = (
            "this core dump holds no registers: it is of one task, or of before mid-2021; "
            "`--task NAME` shows those that the kernel has saved"
        )
    else:
        why = f"{spec} has no registers; use a probe, the emulated board, or a core dump"
    return Unsupported(why, capability="registers", link=spec)
