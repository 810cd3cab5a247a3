"""Stores of the core to flash, while its controller is unlocked for programming.

Flash is mapped read-only. An instruction that stores to it is executed once more while it may
be written; what it wrote goes to the controller, which says what the array holds then.
"""

from __future__ import annotations

from idoldbg.target.emulated.emu.bus import Bus
from idoldbg.target.emulated.emu.engine import BadAccess, Engine, Outcome
from idoldbg.target.emulated.emu.stores import store_size

__all__ = ["program_flash"]


def program_flash(bus: Bus, engine: Engine, pc: int, bad: BadAccess) -> bool:
    """Execute the store at `pc` that was refused; return False where it is a fault after all."""
    memory = bus.find_programmable(bad.address)
    if memory is None:
        return False
    code = bus.find_bytes(pc, 4)
    offset = bad.address - memory.address
    end = offset + max(bad.size, store_size(code or bytes(4)))
    before = bytes(memory.data[offset:end])
    if engine.run_writable(memory.address, len(memory.data)) is Outcome.BAD_ACCESS:
        return False
    after = bytes(memory.data[offset:end])
    memory.data[offset:end] = before
    bus.store_flash(memory, offset, after, bad.size)
    return True
