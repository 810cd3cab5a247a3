"""Exception entry, return and escalation, in terms of Unicorn's registers.

Arm v7-M ARM (DDI 0403) B1.5.6 to B1.5.15; Arm v8-M ARM (DDI 0553) B3. The FP context is stacked at
once where silicon would reserve the space and wait (lazy stacking); software cannot tell unless it
looks below its own stack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from idoldbg.target.emulated.emu.core_model import Architecture, CoreModel
from idoldbg.target.emulated.emu.engine import Engine, reg
from idoldbg.target.emulated.emu.mpu import Mpu
from idoldbg.target.emulated.emu.nvic import (
    BUS_FAULT,
    HARD_FAULT,
    MEM_MANAGE,
    NMI,
    SECURE_FAULT,
    SV_CALL,
    USAGE_FAULT,
    Nvic,
)

__all__ = ["Cfsr", "Exceptions", "FaultRegisters"]

_BASIC, _EXTENDED = struct.Struct("<8I"), struct.Struct("<8I8QII")
_FLAGS = 0xF80F0000  # N Z C V Q and GE
_THUMB = 1 << 24
_ALIGNED = 1 << 9
_ENABLES = {MEM_MANAGE: 16, BUS_FAULT: 17, USAGE_FAULT: 18, SECURE_FAULT: 19}
_SHCSR_PENDED = {USAGE_FAULT: 12, MEM_MANAGE: 13, BUS_FAULT: 14, SV_CALL: 15}
_SHCSR_ACTIVE = {
    MEM_MANAGE: 0,
    BUS_FAULT: 1,
    USAGE_FAULT: 3,
    SV_CALL: 7,
    12: 8,
    14: 10,
    15: 11,
}


class Cfsr:
    """Bits of the Configurable Fault Status Register."""

    IACCVIOL, DACCVIOL, MUNSTKERR, MSTKERR, MMARVALID = 1, 2, 8, 16, 128
    IBUSERR, PRECISERR, UNSTKERR, STKERR, BFARVALID = 1 << 8, 1 << 9, 1 << 11, 1 << 12, 1 << 15
    UNDEFINSTR, INVSTATE, INVPC, NOCP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
    STKOF, UNALIGNED, DIVBYZERO = 1 << 20, 1 << 24, 1 << 25


@dataclass(slots=True)
class FaultRegisters:
    """SHCSR's enables, and what the last faults left behind."""

    enables: int = 0
    cfsr: int = 0
    hfsr: int = 0
    mmfar: int = 0
    bfar: int = 0
    vtor: int = 0
    ccr: int = 0x200


class Exceptions:
    """Takes exceptions and returns from them.

    `read` and `write` access memory for the core: they return None and False where there is none.
    `on_entry(number)` is called after each entry (for vector catch), `on_return()` after each
    return to thread mode, `on_fault(number, bits)` before a fault is taken, `on_lockup(reason)`
    when the core can do nothing any more.
    """

    def __init__(
        self,
        model: CoreModel,
        engine: Engine,
        nvic: Nvic,
        mpu: Mpu,
        read: Callable[[int, int], bytes | None],
        write: Callable[[int, bytes], bool],
    ) -> None:
        self.faults = FaultRegisters()
        self.on_entry: Callable[[int], None] = lambda _number: None
        self.on_return: Callable[[], None] | None = None
        self.on_fault: Callable[[int, int], None] | None = None
        self.on_lockup: Callable[[str], None] = lambda _reason: None
        self._v6m = model.architecture is Architecture.V6M
        self._v8m = model.v8m
        self._floating_point = model.floating_point
        self._engine, self._nvic, self._mpu = engine, nvic, mpu
        self._read, self._write = read, write
        low = [*reg.R[:4], reg.R[12], reg.LR]
        self._entry = engine.batch([*low, reg.PC, reg.XPSR, reg.SP, reg.CONTROL])
        self._float = engine.batch([*reg.D[:8], reg.FPSCR])
        # The order matters: the old bank's SP, then xPSR (swaps banks), then the rest.
        self._enter = engine.batch(
            [reg.SP, reg.XPSR_ALL, reg.CONTROL, reg.LR, reg.PC, reg.APSR_NZCV]
        )
        self._chain = engine.batch([reg.XPSR_ALL, reg.CONTROL, reg.LR, reg.PC, reg.APSR_NZCV])
        self._leaving = engine.batch(
            [reg.PC, reg.XPSR, reg.CONTROL, reg.MSP, reg.PSP, reg.FAULTMASK]
        )
        self._left = engine.batch(
            [*low, reg.MSP, reg.PSP, reg.CONTROL, reg.XPSR_ALL, reg.CONTROL, reg.PC, reg.APSR_NZCV]
        )
        self._masks = engine.batch([reg.PRIMASK, reg.BASEPRI, reg.FAULTMASK])

    # ------------------------------------------------------------------ priorities

    def boosted_priority(self) -> int:
        """Return the execution priority with PRIMASK, BASEPRI and FAULTMASK applied."""
        priority = self._nvic.active_priority()
        primask, basepri, faultmask = self._masks.read()
        if not (primask or basepri or faultmask):
            return priority
        if faultmask & 1:
            return min(priority, -1)
        if primask & 1:
            return min(priority, 0)
        return min(priority, self._nvic.mask_basepri(basepri))

    def take_pending(self) -> bool:
        """Take the most urgent pending exception if it preempts.

        Returns whether one has to wait only for a mask register to be cleared, which happens with
        nobody noticing.
        """
        number = self._nvic.best()
        if not number:
            return False
        priority = self._nvic.priority(number)
        if priority >= self._nvic.active_priority():
            return False
        if priority >= self.boosted_priority():
            return True
        self.enter(number)
        return False

    # ------------------------------------------------------------------ entry

    def enter(self, number: int) -> None:
        """Stack the context and go to an exception's handler."""
        r0, r1, r2, r3, r12, lr, pc, xpsr, sp, control = self._entry.read()
        thread = not xpsr & 0x1FF
        extended = self._floating_point and bool(control & 4)
        size = 0x68 if extended else 0x20
        frame = (sp - size) & 0xFFFFFFF8
        saved = xpsr & 0xFF0FFDFF | (_ALIGNED if sp & 4 else 0)
        core_words = (r0, r1, r2, r3, r12, lr, pc & ~1, saved)
        if thread and control & 1 and not self._mpu.allows(frame, size, write=True):
            number = self._derived(number, MEM_MANAGE, Cfsr.MSTKERR)
        else:
            if extended:
                data = _EXTENDED.pack(*core_words, *self._float.read(), 0)
            else:
                data = _BASIC.pack(*core_words)
            if not self._write(frame, data):
                number = self._derived(number, BUS_FAULT, Cfsr.STKERR)
        link = 0xFFFFFFE1 | (0 if extended else 0x10)
        if thread:
            link |= 8 | (4 if control & 2 else 0)
        self._nvic.enter(number)
        vector = self._vector(number)
        flags = xpsr & _FLAGS
        self._enter.write(frame, flags | _THUMB | number, control & 3, link, vector | 1, flags)
        self._entered(number, vector)

    def _tail_chain(self, number: int, link: int, control: int, flags: int) -> None:
        self._nvic.enter(number)
        vector = self._vector(number)
        self._chain.write(flags | _THUMB | number, control & 3, link, vector | 1, flags)
        self._entered(number, vector)

    def _entered(self, number: int, vector: int) -> None:
        self.on_entry(number)
        if not vector & 1:
            if number in (HARD_FAULT, NMI):
                self.on_lockup(f"the vector of exception {number} is 0x{vector:08x}")
            else:
                self.fault(USAGE_FAULT, Cfsr.INVSTATE)

    def _vector(self, number: int) -> int:
        data = self._read(self.faults.vtor + 4 * number, 4)
        if data is None:
            self.on_lockup(f"there is no memory at the vector of exception {number}")
            return 0xFFFFFFFF
        return int.from_bytes(data, "little")

    def _derived(self, number: int, fault: int, bits: int) -> int:
        """Return which exception to enter when stacking for `number` has itself faulted."""
        self.faults.cfsr |= bits
        if number in (HARD_FAULT, NMI):
            return number  # entered all the same, with nothing stacked
        if not self._enabled(fault):
            self.faults.hfsr |= 1 << 30
            fault = HARD_FAULT
        if (self._nvic.priority(number), number) <= (self._nvic.priority(fault), fault):
            if number != fault:
                self._nvic.pend(fault)
            return number
        if number != fault:
            self._nvic.pend(number)
        return fault

    # ------------------------------------------------------------------ return

    def leave(self) -> None:
        """Return from the running exception, as its EXC_RETURN in PC says."""
        pc, xpsr, control, msp, psp, faultmask = self._leaving.read()
        link = pc | 1
        nvic = self._nvic
        flags = xpsr & _FLAGS
        number = nvic.active[-1]
        nvic.leave(number)
        if faultmask and number != NMI:
            self._engine.write_register(reg.FAULTMASK, 0)
        problem = self._return_problem(link)
        if problem:
            return self._refuse_return(problem, link, control, flags)
        if nvic.pending:
            best = nvic.best()
            if best:
                priority = nvic.priority(best)
                if priority < nvic.active_priority() and priority < self.boosted_priority():
                    return self._tail_chain(best, link, control, flags)
        thread, process = link & 8, link & 4
        extended = self._floating_point and not link & 0x10
        sp = psp if process else msp
        size = 0x68 if extended else 0x20
        if thread and control & 1 and not self._mpu.allows(sp, size, write=False):
            return self._refuse_return(Cfsr.MUNSTKERR, link, control, flags)
        data = self._read(sp, size)
        if data is None:
            return self._refuse_return(Cfsr.UNSTKERR, link, control, flags)
        if extended:
            *words, fpscr, _ = _EXTENDED.unpack(data)
            core_words = words[:8]
            self._float.write(*words[8:], fpscr)
        else:
            core_words = list(_BASIC.unpack(data))
        r0, r1, r2, r3, r12, lr, target, saved = core_words
        if bool(saved & 0x1FF) == bool(thread):
            return self._refuse_return(Cfsr.INVPC, link, control, flags)
        sp = (sp + size + (4 if saved & _ALIGNED else 0)) & 0xFFFFFFFF
        if process:
            psp = sp
        else:
            msp = sp
        if thread:
            context = (12 if self._v8m else 4) if extended else 0
            new_control = control & 1 | (2 if process else 0) | context
            running = 0
        else:
            new_control = control & 3
            running = nvic.active[-1]
        status = saved & 0xFE0FFC00 | running | _THUMB
        # CONTROL is first written without nPRIV: unprivileged, the later writes would be ignored.
        self._left.write(
            r0, r1, r2, r3, r12, lr, msp, psp, control & 2, status, new_control, target | 1,
            saved & 0xF0000000,
        )  # fmt: skip
        if thread and self.on_return is not None:
            self.on_return()
        return None

    def _return_problem(self, link: int) -> int:
        """Return a CFSR bit when EXC_RETURN does not fit what is active."""
        if bool(link & 8) == bool(self._nvic.active):
            return Cfsr.INVPC
        return 0 if link & 8 or not link & 4 else Cfsr.INVPC

    def _refuse_return(self, bit: int, link: int, control: int, flags: int) -> None:
        """Fault on the way out: a fault handler is chained with the old frame left in place."""
        fault = {Cfsr.MUNSTKERR: MEM_MANAGE, Cfsr.UNSTKERR: BUS_FAULT}.get(bit, USAGE_FAULT)
        self.faults.cfsr |= bit
        if not self._enabled(fault) or self._nvic.priority(fault) >= self.boosted_priority():
            self.faults.hfsr |= 1 << 30
            fault = HARD_FAULT
        if self._nvic.active_priority() <= self._nvic.priority(HARD_FAULT):
            self.on_lockup("an exception return faulted in the HardFault handler")
            return
        self._tail_chain(fault, link, control, flags)

    # ------------------------------------------------------------------ faults

    def fault(self, number: int, bits: int, address: int | None = None) -> None:
        """Record a fault of the instruction at PC and take it, escalated where it has to be."""
        self.faults.cfsr |= bits
        if address is not None:
            if number == MEM_MANAGE:
                self.faults.mmfar = address
            else:
                self.faults.bfar = address
        if self.on_fault is not None:
            self.on_fault(number, bits)
        self.raise_synchronous(number)

    def raise_synchronous(self, number: int) -> None:
        """Take an exception that cannot wait: escalated to HardFault or lockup if it is masked."""
        if not self._enabled(number) or self._nvic.priority(number) >= self.boosted_priority():
            if self.boosted_priority() <= -1:
                self.on_lockup(f"exception {number} in the HardFault or NMI handler")
                return
            self.faults.hfsr |= 1 << 30  # FORCED
            number = HARD_FAULT
        self.enter(number)

    def _enabled(self, number: int) -> bool:
        if number not in _ENABLES:
            return True
        return not self._v6m and bool(self.faults.enables >> _ENABLES[number] & 1)

    # ------------------------------------------------------------------ SHCSR

    def read_shcsr(self) -> int:
        """Return the System Handler Control and State Register."""
        value = self.faults.enables
        for number, bit in _SHCSR_PENDED.items():
            value |= (self._nvic.pending >> number & 1) << bit
        active = self._nvic.active_set()
        for number, bit in _SHCSR_ACTIVE.items():
            value |= (active >> number & 1) << bit
        return value

    def write_shcsr(self, value: int) -> None:
        """Set the fault enables, and which system exceptions are pending."""
        self.faults.enables = 0 if self._v6m else value & (0xF0000 if self._v8m else 0x70000)
        for number, bit in _SHCSR_PENDED.items():
            if value >> bit & 1:
                self._nvic.pend(number)
            else:
                self._nvic.clear(number)

    def reset(self) -> None:
        """Clear the fault registers."""
        self.faults = FaultRegisters()
