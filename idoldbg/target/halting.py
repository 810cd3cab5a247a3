"""Registers of a core that stands still meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from idoldbg.errors import Unsupported
from idoldbg.target.capability import Halting, Registers
from idoldbg.target.target import Target
from idoldbg.views.core_registers import CORE, FLOATS, has_floats, read_core_registers

__all__ = ["halted_registers", "no_registers"]


@contextmanager
def halted_registers(target: Target, *, floats: bool = False) -> Iterator[Mapping[str, int]]:
    """Halt the core for the block, and yield its registers; none where the target has none.

    `floats` adds s0 to s31, where the core has them.
    """
    with target.need(Halting).halted() if target.can(Halting) else nullcontext():
        names = (*CORE, *FLOATS) if floats and has_floats(target.memory) else CORE
        can_read = target.can(Registers)
        yield read_core_registers(target.need(Registers), names) if can_read else {}


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
