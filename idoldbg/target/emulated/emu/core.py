"""One Cortex-M core: runs instructions up to the next event, and turns events into exceptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idoldbg.model.board import MemoryKind
from idoldbg.target.emulated.emu.bus import Bus
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core_model import CoreModel
from idoldbg.target.emulated.emu.core_state import CoreState, StopReason
from idoldbg.target.emulated.emu.debug import Debug, Dfsr
from idoldbg.target.emulated.emu.engine import (
    AccessKind,
    Engine,
    Interrupt,
    Outcome,
    reg,
)
from idoldbg.target.emulated.emu.exceptions import Cfsr, Exceptions
from idoldbg.target.emulated.emu.flash_stores import program_flash
from idoldbg.target.emulated.emu.mpu import CTRL_ENABLE, CTRL_PRIVDEFENA, Mpu
from idoldbg.target.emulated.emu.nvic import (
    BUS_FAULT,
    MEM_MANAGE,
    SV_CALL,
    SYS_TICK,
    USAGE_FAULT,
    Nvic,
)
from idoldbg.target.emulated.emu.observers import Observer, Observers
from idoldbg.target.emulated.emu.register_file import RegisterFile
from idoldbg.target.emulated.emu.scs import PPB_END, PPB_START, SCS_START, SystemControl
from idoldbg.target.emulated.emu.stores import Store, decode_store
from idoldbg.target.emulated.emu.systick import SysTick
from idoldbg.target.signals import HeldSignals

__all__ = ["Core", "CoreState", "StopReason"]

_WHEN_MASKED = 32
"""Instructions between two looks at whether software has unmasked a pending exception."""
Trap = Callable[[int], tuple[int, int, int | None] | None]
_UNMASKED = (0, 0)
_EXC_RETURN = 0xFF000000  # a branch to this or more is a return from an exception
_LONGEST_SLICE = 200_000
_UNCOUNTED = 500
"""Cycles charged for a slice of unknown length, where instructions cannot be counted."""
_HINTS = (b"\x20\xbf", b"\x10\xbf")  # WFE, YIELD
_WFI = (b"\x30\xbf", b"\xaf\xf3\x03\x80")
_DIV_0_TRP, _THUMB = 1 << 4, 1 << 24
_ALIGNMENT_STATUS, _STATUS_MASK = 0x1, 0x40F


class Core:
    """The processor with its private peripherals, on a bus."""

    def __init__(
        self, model: CoreModel, engine: Engine, bus: Bus, clock: Clock, nvic: Nvic
    ) -> None:
        self.model = model
        self.engine = engine
        self.nvic = nvic
        self.clock = clock
        self.mpu = Mpu(v8m=model.v8m)
        self.registers = RegisterFile(engine, model)
        self.debug = Debug(model, self, clock)
        self.systick = SysTick(clock, self._systick_wrapped)
        self.exceptions = Exceptions(model, engine, nvic, self.mpu, bus.find_bytes, bus.store_bytes)
        self.scs = SystemControl(model, nvic, self.mpu, self.systick, self.debug, self.exceptions)
        self.observers = Observers()
        self._is_observed = False
        self.lockup: str | None = None
        self.reset_requested = False
        self.read_memory, self.find_memory = bus.find_bytes, bus.find
        self._bus = bus
        self._sleeping = False
        self._running = False
        self._breakpoints: set[int] = set()
        self._stops: set[int] = set()
        self._resumed_at: int | None = None
        self._divisions: dict[int, int] = {}
        self._traps: dict[int, Trap] = {}
        self._held_fault: tuple[int, int, int | None] | None = None
        self._hint_at = (-1, -1)
        self._mpu_control = 0
        self._masked = _UNMASKED
        self._connect()

    def _connect(self) -> None:
        engine = self.engine
        engine.set_hooks(self._on_interrupt, self._on_undefined)
        self.clock.executed = self._executed
        self.clock.on_deadline = self._on_deadline
        self.exceptions.on_entry = self._on_entry
        self.exceptions.on_lockup = self._on_lockup
        self.scs.on_pending = self._break_soon
        self.scs.on_mpu = self._mpu_written
        self.scs.on_reset_request = self.request_reset
        self._bus.on_refusal = self._refuse
        # Unprivileged code may use the trace ports, but nothing else here.
        engine.map_io(PPB_START, 0x1000, *self._trace_access())
        for start, end in ((PPB_START + 0x1000, SCS_START), (SCS_START, PPB_END)):
            engine.map_io(start, end - start, *self._ppb_access(start))

    # ------------------------------------------------------------------ running

    def run(
        self,
        signals: HeldSignals,
        find_end: Callable[[], int],
        condition: Callable[[], bool] | None = None,
    ) -> StopReason:
        """Run until a cycle, or until `condition`, asked between slices, holds.

        `find_end` returns the cycle; it is asked again when the core's clock changes.

        Comes back at once when the core is halted or locked up; time does not pass then. Signals
        are delivered between slices.
        """
        clock, nvic, engine = self.clock, self.nvic, self.engine
        hz = 0
        limit = 0
        while True:
            if clock.hz != hz:
                hz = clock.hz
                limit = find_end()
            signals.deliver()
            engine.is_hurried = False
            look_at = self.observers.next_look
            if look_at is not None and look_at <= clock.cycles:
                self.observers.look(clock.cycles)
                look_at = self.observers.next_look
            clock.fire_due()
            if self.reset_requested:
                return StopReason.CONDITION
            if condition is not None:
                try:
                    signals.let_through()
                    is_met = condition()
                finally:
                    signals.hold_again()
                if is_met:
                    return StopReason.CONDITION
            if self.debug.halted:
                return StopReason.HALTED
            if self.lockup is not None:
                return StopReason.LOCKUP
            if clock.cycles >= limit:
                return StopReason.TIME
            deadline = clock.next_deadline()
            end = limit if deadline is None or deadline > limit else deadline
            if self._sleeping:
                if not self._wakes():
                    clock.cycles = end
                    continue
                self._sleeping = False
            if look_at is not None and look_at < end:
                end = max(look_at, clock.cycles + 1)
            count = min(end - clock.cycles, _LONGEST_SLICE)
            if nvic.pending:
                count = self._take_pending(count)
            if self._caught():
                continue
            if self.mpu.changed and not nvic.active:
                self._commit_mpu()
            self._slice(engine, count)

    def _take_pending(self, count: int) -> int:
        """Take a pending exception, or return how long to wait while all are masked.

        The next look is at a fixed cycle: where runs end must not matter.
        """
        pending, look_at = self._masked
        now = self.clock.cycles
        if self.nvic.pending != pending or now >= look_at:
            if not self.exceptions.take_pending():
                self._masked = _UNMASKED
                return count
            look_at = now + _WHEN_MASKED
            self._masked = (self.nvic.pending, look_at)
        return min(count, look_at - now)

    @property
    def is_in_callback(self) -> bool:
        return self._running

    def hurry(self) -> None:
        self.engine.hurry()

    def _caught(self) -> bool:
        """Return whether an exception that was just taken stopped the core."""
        return self.debug.halted or self.lockup is not None

    def _slice(self, engine: Engine, count: int) -> None:
        self._running = True
        try:
            outcome = engine.run(count)
        finally:
            self._running = False
            self._resumed_at = None
        if engine.counts:
            late = engine.has_fetched(outcome, _EXC_RETURN) and bool(self.nvic.active)
            self.clock.cycles += 0 if late else engine.executed()  # it was counted
        else:
            whole = outcome is Outcome.COUNT and not self._at_wfi()
            self.clock.cycles += count if whole else min(count, _UNCOUNTED)
        if outcome is Outcome.COUNT:
            self._sleeping = not engine.counts and self._at_wfi()
        elif outcome is Outcome.WAITING:
            self._sleeping = True
        elif outcome is Outcome.BAD_ACCESS:
            self._bad_access()
        elif outcome is Outcome.STOPPED:
            if self._held_fault is not None:
                fault, self._held_fault = self._held_fault, None
                self.exceptions.fault(*fault)
        else:
            self._on_lockup(f"the emulator cannot go on (Unicorn's error {engine.error})")

    def _at_wfi(self) -> bool:
        pc = self.registers.read("pc")
        before = self._bus.find_bytes(pc - 4, 4) or bytes(4)
        return before[2:] == _WFI[0] or before == _WFI[1]

    def _wakes(self) -> bool:
        """Return whether something ends WFI: an exception that would preempt but for PRIMASK."""
        number = self.nvic.best()
        return bool(number) and self.nvic.priority(number) < self.nvic.active_priority()

    def _executed(self) -> int:
        return self.engine.executed() if self._running else 0

    def _on_deadline(self, deadline: int) -> None:
        if self._running:
            self.engine.limit(max(deadline - self.clock.cycles, self.engine.executed()))

    def clock_changed(self) -> None:
        """End the slice after the current instruction: its end was reckoned with another clock."""
        if self._running:
            self.engine.limit(self.engine.executed())

    def _break_soon(self) -> None:
        """End the slice after the current instruction, to look for pending exceptions."""
        if self._running and self.nvic.ready():
            self.engine.limit(self.engine.executed())

    def request_reset(self) -> None:
        """Make `run` come back for a reset."""
        self.reset_requested = True
        if self._running:
            self.engine.limit(self.engine.executed())

    def set_line(self, interrupt: int, level: bool) -> None:
        """Drive an interrupt line of the NVIC."""
        self.nvic.set_line(interrupt, level)
        if level:
            self._break_soon()

    def _systick_wrapped(self) -> None:
        self.nvic.signal(SYS_TICK)

    # ------------------------------------------------------------------ MPU

    def _mpu_written(self) -> None:
        """Let a change by thread mode take effect at its next instruction.

        Handlers get theirs at exception return: kernels rewrite regions one register at a time, and
        none of them accesses memory as a task while it does.
        """
        if self._running and not self.nvic.active:
            self.engine.limit(self.engine.executed())

    def _commit_mpu(self) -> None:
        mpu = self.mpu
        arrays = self.engine.calibration.mpu
        mpu.changed = False
        if arrays is None:
            return
        control = mpu.control & (CTRL_ENABLE | CTRL_PRIVDEFENA)
        if not control & CTRL_ENABLE:
            control = 0
        else:
            arrays.write(*mpu.unicorn_arrays())
        if control != self._mpu_control:
            self._mpu_control = control
            self.engine.set_mpu_control(control)
        else:
            self.engine.flush_tlb()

    # ------------------------------------------------------------------ events

    def _on_interrupt(self, number: int) -> None:
        if number == Interrupt.SVC:
            self.exceptions.raise_synchronous(SV_CALL)
        elif number == Interrupt.EXCEPTION_EXIT:
            self._exception_exit()
        elif number == Interrupt.DATA_ABORT:
            self._data_abort()
        elif number == Interrupt.PREFETCH_ABORT:
            self.exceptions.fault(MEM_MANAGE, Cfsr.IACCVIOL)
        elif number == Interrupt.BKPT:
            self._breakpoint_instruction()
        else:
            bits = {
                Interrupt.STACK_OVERFLOW: Cfsr.STKOF,
                Interrupt.NO_COPROCESSOR: Cfsr.NOCP,
                Interrupt.INVALID_STATE: Cfsr.INVSTATE,
            }
            self.exceptions.fault(USAGE_FAULT, bits.get(Interrupt(number), Cfsr.UNDEFINSTR))

    def _data_abort(self) -> None:
        address, status = self.engine.fault_status()
        if status & _STATUS_MASK == _ALIGNMENT_STATUS:
            self.exceptions.fault(USAGE_FAULT, Cfsr.UNALIGNED)
            return
        store = self._unaligned_store()
        if store is not None:
            if self._may_finish(store):
                return
            address = store.address
        self.exceptions.fault(MEM_MANAGE, Cfsr.DACCVIOL | Cfsr.MMARVALID, address)

    def _unaligned_store(self) -> Store | None:
        """Return the unprivileged, unaligned store at PC, if there is one: see `stores`."""
        if self.nvic.active or not self.engine.read_register(reg.CONTROL) & 1:
            return None
        code = self._bus.find_bytes(self.registers.read("pc"), 4)
        store = decode_store(code, self.registers.read_number) if code else None
        return store if store is not None and store.address % store.size else None

    def _may_finish(self, store: Store) -> bool:
        """Make a refused store after all, if the MPU allows it and there is RAM."""
        if not self.mpu.allows(store.address, store.size, write=True):
            return False
        value = self.registers.read_number(store.source).to_bytes(4, "little")[: store.size]
        if not self._bus.store_bytes(store.address, value):
            return False
        if store.write_back is not None:
            self.registers.write_number(*store.write_back)
        self.registers.skip_instruction(store.length)
        return True

    def _exception_exit(self) -> None:
        if not self.nvic.active:
            self.exceptions.fault(MEM_MANAGE, Cfsr.IACCVIOL)
            return
        if self.mpu.changed:
            self._commit_mpu()
        self.exceptions.leave()
        if self.nvic.pending:
            self._break_soon()

    def _on_undefined(self) -> None:
        """Handle an undefined instruction at PC, or a hint that PC has already passed."""
        pc = self.engine.read_register(reg.PC) & ~1
        if not self.engine.read_register(reg.XPSR) & _THUMB:
            self.exceptions.fault(USAGE_FAULT, Cfsr.INVSTATE)
            return
        now = self.clock.now
        if self._bus.find_bytes(pc - 2, 2) in _HINTS and self._hint_at != (pc, now - 1):
            self._hint_at = (pc, now)  # a WFE may end at any time: it does nothing here
            return
        self.exceptions.fault(USAGE_FAULT, Cfsr.UNDEFINSTR)

    def _breakpoint_instruction(self) -> None:
        if self.debug.enabled:
            self.debug.halt(Dfsr.BKPT)
            self.engine.stop()
        else:
            # No debugger: BKPT escalates to HardFault with DEBUGEVT.
            self.exceptions.faults.hfsr |= 1 << 31
            self.exceptions.raise_synchronous(3)

    def _bad_access(self) -> None:
        bad = self.engine.bad_access
        assert bad is not None
        fetch = bad.kind is AccessKind.FETCH
        if fetch and bad.address >= _EXC_RETURN and self.nvic.active:
            self._exception_exit()
            return
        write = bad.kind is AccessKind.WRITE
        if write and program_flash(self._bus, self.engine, self.registers.read("pc"), bad):
            return
        user = not self.nvic.active and bool(self.engine.read_register(reg.CONTROL) & 1)
        if user and not self.mpu.allows(bad.address, 1, write=write):
            bits = Cfsr.IACCVIOL if fetch else Cfsr.DACCVIOL | Cfsr.MMARVALID
            self.exceptions.fault(MEM_MANAGE, bits, None if fetch else bad.address)
        elif fetch:
            self.exceptions.fault(BUS_FAULT, Cfsr.IBUSERR)
        else:
            self.exceptions.fault(BUS_FAULT, Cfsr.PRECISERR | Cfsr.BFARVALID, bad.address)

    def _on_lockup(self, reason: str) -> None:
        if self.lockup is None:
            pc = self.registers.read("pc")
            self.lockup = f"lockup at 0x{pc:08x}: {reason}"
        self._sleeping = False
        self.engine.stop()

    def _on_entry(self, number: int) -> None:
        if self._is_observed:
            self.observers.entered(number)
        if self.debug.catches(number):
            self.debug.halt(Dfsr.VCATCH)
            self.engine.stop()

    def _ppb_access(
        self, start: int
    ) -> tuple[Callable[[int, int], int], Callable[[int, int, int], None]]:
        scs, nvic, mpu = self.scs, self.nvic, self.mpu
        control = self.engine.batch([reg.CONTROL])
        to_scs = SCS_START - start
        first, last = to_scs + 0xD98, to_scs + 0xDC4

        def read(offset: int, size: int) -> int:
            if not nvic.active and control.read()[0] & 1:
                return self._refuse(start + offset)
            return scs.read(start + offset, size)

        def write(offset: int, size: int, value: int) -> None:
            if nvic.active and first <= offset <= last:
                mpu.write(offset - to_scs, value)  # a context switch makes 27 of these
            elif not nvic.active and control.read()[0] & 1:
                self._refuse(start + offset)
            else:
                scs.write(start + offset, size, value)

        return read, write

    def _trace_access(self) -> tuple[Callable[[int, int], int], Callable[[int, int, int], None]]:
        return (
            lambda offset, size: self.scs.read(PPB_START + offset, size),
            lambda offset, size, value: self.scs.write(PPB_START + offset, size, value),
        )

    def _refuse(self, address: int) -> int:
        """Make an unprivileged access to the private peripheral bus a BusFault."""
        self._held_fault = (BUS_FAULT, Cfsr.PRECISERR | Cfsr.BFARVALID, address)
        self.engine.stop()
        return 0

    # ------------------------------------------------------------------ observers

    def observe(self, observer: Observer) -> None:
        """Let an observer watch this core, from the next event on."""
        self.observers.add(observer)
        self._connect_observers()

    def forget(self, observer: Observer) -> None:
        """Let an observer watch no more."""
        self.observers.discard(observer)
        self._connect_observers()

    def _connect_observers(self) -> None:
        observers = self.observers
        self._is_observed = bool(observers)
        self.exceptions.on_return = observers.returned if observers.wants_returns else None
        self.exceptions.on_fault = observers.faulted if observers else None
        self.engine.set_block_hook(observers.translated if observers.wants_blocks else None)

    # ------------------------------------------------------------------ debugging

    @property
    def sleeping(self) -> bool:
        return self._sleeping

    @property
    def locked_up(self) -> bool:
        return self.lockup is not None

    def read_core_register(self, number: int) -> int:
        return self.registers.read_number(number)

    def write_core_register(self, number: int, value: int) -> None:
        self._sleeping = self._sleeping and number != 15
        self.registers.write_number(number, value)

    def halt_changed(self, halted: bool) -> None:
        self.systick.freeze(halted)
        if halted:
            self._sleeping = False  # entering debug state is a wake-up event
            return
        self.engine.flush_code()  # a debugger may have written instructions
        self._resumed_at = self.registers.read("pc")

    def step_one(self, mask_interrupts: bool) -> None:
        if self.lockup is not None:
            return
        self._sleeping = False  # after a step the core enters debug state again
        if self.nvic.pending and not mask_interrupts:
            self.exceptions.take_pending()
        if self.mpu.changed and not self.nvic.active:
            self._commit_mpu()
        self.engine.flush_code()
        self._resumed_at = self.registers.read("pc")
        self._slice(self.engine, 1)

    def breakpoints_changed(self) -> None:
        self._update_breakpoints()

    def watchpoints_changed(self) -> None:
        watches = self.debug.watches()
        self.engine.set_watch_hooks([w.reach for w in watches], self._on_watched)

    def _on_watched(self, address: int, size: int, is_write: bool) -> None:
        if self.debug.accessed(address, size, is_write=is_write):
            self.engine.limit(self.engine.executed())  # the instruction is completed

    def set_breakpoints(self, addresses: set[int]) -> None:
        """Set the breakpoints that are not comparators of the FPB."""
        self._breakpoints = addresses
        self._update_breakpoints()

    def _update_breakpoints(self) -> None:
        self._stops = self._breakpoints | self.debug.breakpoints()
        wanted = self._stops | self._divisions.keys() | self._traps.keys()
        self.engine.set_address_hooks(sorted(wanted), self._on_address)

    def set_divisions(self, divisions: Mapping[int, int]) -> None:
        """Set the addresses of divisions and the numbers of their divisors' registers."""
        self._divisions = dict(divisions)
        self._update_breakpoints()

    def set_traps(self, traps: Mapping[int, Trap]) -> None:
        """Ask at addresses which fault the instruction has."""
        self._traps = dict(traps)
        self._update_breakpoints()

    def _on_address(self, address: int) -> None:
        going_on = self._resumed_at == address and self.engine.executed() <= 1
        if address in self._stops and not going_on:
            self.debug.halt(Dfsr.BKPT)
            self.engine.stop()
            return
        trap = self._traps.get(address)
        if trap is not None and (fault := trap(address)) is not None:
            self._held_fault = fault
            self.engine.stop()
            return
        divisor = self._divisions.get(address)
        if divisor is None or not self.exceptions.faults.ccr & _DIV_0_TRP:
            return
        if not self.engine.read_register(reg.R[divisor] if divisor < 13 else reg.LR):
            self._held_fault = (USAGE_FAULT, Cfsr.DIVBYZERO, None)
            self.engine.stop()

    # ------------------------------------------------------------------ reset, snapshots

    def reset(self, vector_table: int) -> None:
        """Reset the core; it fetches SP and PC from `vector_table`."""
        self.engine.reset()
        self._mpu_control = 0
        for part in (self.nvic, self.mpu, self.systick, self.exceptions, self.scs):
            part.reset()
        self.lockup = None
        self.reset_requested = False
        self._sleeping = False
        self._hint_at = (-1, -1)
        self._masked = _UNMASKED
        self.exceptions.faults.vtor = vector_table
        vectors = self._bus.find_bytes(vector_table, 8)
        self.registers.write("lr", 0xFFFFFFFF)
        if vectors is None:
            self._on_lockup(f"no memory at the vector table 0x{vector_table:08x}")
            return
        self.registers.write("sp", int.from_bytes(vectors[:4], "little") & ~3)
        self.registers.write("pc", int.from_bytes(vectors[4:], "little") & ~1)
        if not vectors[4] & 1:
            self._on_lockup("the reset vector is not a Thumb address")
        if self.debug.halted:
            self.systick.freeze(True)
        if self.debug.core_reset():
            self.debug.halt(Dfsr.VCATCH)
        self.observers.reset()

    def save(self) -> CoreState:
        """Return the state for a snapshot."""
        return CoreState(self.registers.save(), self._sleeping, self.lockup, self._masked)

    def restore(self, state: CoreState) -> None:
        """Go back to a snapshot; the parts have been restored before."""
        self.engine.reset()
        self._mpu_control = 0
        for memory in self._bus.memories:
            if memory.region.kind is MemoryKind.RAM:
                self.engine.flush_code_in(memory.address, len(memory.data))
        self.registers.restore(state.registers)
        self._sleeping = state.sleeping
        self._masked = state.masked
        self._hint_at = (-1, -1)
        self.lockup = state.lockup
        self.reset_requested = False
        self._commit_mpu()
        self.observers.restored()
