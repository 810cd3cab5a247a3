"""The core's debug registers: halting, stepping, register transfer, breakpoints, vector catch.

Arm v7-M ARM (DDI 0403) C1.6 to C1.11; Arm v8-M ARM (DDI 0553) D1.2; v6-M ARM (DDI 0419) C1. A
debugger reaches them as memory, and so do pyOCD and `idoldbg` here.
"""

from __future__ import annotations

from typing import Protocol

from idol.records import dataclass
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core_model import Architecture, CoreModel
from idoldbg.target.emulated.emu.watchpoints import Watch, Watchpoints

__all__ = ["Debug", "DebugState", "DebuggedCore", "Dfsr"]

_DHCSR, _DCRSR, _DCRDR, _DEMCR, _DFSR = 0xDF0, 0xDF4, 0xDF8, 0xDFC, 0xD30
_KEY = 0xA05F
_C_DEBUGEN, _C_HALT, _C_STEP, _C_MASKINTS = 1, 2, 4, 8
_S_REGRDY, _S_HALT, _S_SLEEP, _S_LOCKUP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
_S_RETIRE, _S_RESET = 1 << 24, 1 << 25
_VC_CORERESET = 1
_TRCENA = 1 << 24
# Exception number -> the DEMCR bits that catch it (NOCP, CHK and STAT errors all are UsageFault).
_VECTOR_CATCH = {3: 1 << 10, 4: 1 << 4, 5: 1 << 8, 6: 1 << 5 | 1 << 6 | 1 << 7}
_FPB, _DWT = 0xE0002000, 0xE0001000


class Dfsr:
    """Bits of the Debug Fault Status Register: why the core halted."""

    HALTED, BKPT, DWTTRAP, VCATCH, EXTERNAL = 1, 2, 4, 8, 16


class DebuggedCore(Protocol):
    """Protocol of the core for the debug registers."""

    @property
    def sleeping(self) -> bool:
        """Whether the core waits in WFI or WFE."""

    @property
    def locked_up(self) -> bool:
        """Whether the core is in lockup."""

    def read_core_register(self, number: int) -> int:
        """Return a register by its DCRSR.REGSEL number."""

    def write_core_register(self, number: int, value: int) -> None:
        """Set a register by its DCRSR.REGSEL number."""

    def halt_changed(self, halted: bool) -> None:
        """Take notice that the core was halted or let go."""

    def step_one(self, mask_interrupts: bool) -> None:
        """Execute one instruction."""

    def breakpoints_changed(self) -> None:
        """Take notice that the set of breakpoints is another one."""

    def watchpoints_changed(self) -> None:
        """Take notice that other data may be watched."""


@dataclass(frozen=True, slots=True)
class DebugState:
    """Saved state."""

    control: int
    halted: bool
    demcr: int
    dcrdr: int
    dfsr: int
    retired: bool
    was_reset: bool
    fpb_enabled: bool
    comparators: tuple[int, ...]
    dwt: int
    cycle_offset: int
    watchpoints: tuple[tuple[int, ...], ...]


class Debug:
    """The debug registers of one core."""

    def __init__(self, model: CoreModel, core: DebuggedCore, clock: Clock) -> None:
        self._model = model
        self._core = core
        self._clock = clock
        self._v2 = model.v8m
        self._v6m = model.architecture is Architecture.V6M
        self.control = 0
        self.halted = False
        self._demcr = 0
        self._dcrdr = 0
        self.dfsr = 0
        self._retired = False
        self._was_reset = True
        self._fpb_enabled = False
        self._comparators = [0] * model.code_breakpoints
        self._dwt_control = 0
        self._cycle_offset = 0
        self.watchpoints = Watchpoints(model.watchpoints, has_sizes=model.v8m)

    @property
    def enabled(self) -> bool:
        """Whether halting debug is on (C_DEBUGEN)."""
        return bool(self.control & _C_DEBUGEN)

    def core_reset(self) -> bool:
        """Note a reset of the core, and return whether the debugger wants it halted at once."""
        self._was_reset = True
        if self.enabled and self._demcr & _VC_CORERESET:
            self.dfsr |= Dfsr.VCATCH
            return True
        return False

    def catches(self, exception: int) -> bool:
        """Return whether vector catch is set for an exception that was just entered."""
        return self.enabled and bool(self._demcr & _VECTOR_CATCH.get(exception, 0))

    def halt(self, reason: int) -> None:
        """Halt the core because of a `Dfsr` bit."""
        self.dfsr |= reason
        if not self.halted:
            self.halted = True
            self.control |= _C_HALT
            self._core.halt_changed(True)

    def resume(self) -> None:
        """Let the core go on."""
        self.control &= ~(_C_HALT | _C_STEP)
        if self.halted:
            self.halted = False
            self._retired = True
            self._core.halt_changed(False)

    def step(self, *, mask_interrupts: bool = False) -> None:
        """Execute one instruction of a halted core."""
        self.halted = False
        self._core.step_one(mask_interrupts)
        self._retired = True
        self.dfsr |= Dfsr.HALTED
        self.halted = True
        self.control |= _C_HALT  # set by the core at the end of a step; pyOCD waits for it

    def breakpoints(self) -> set[int]:
        """Return the addresses at which the comparators stop the core."""
        if not self._fpb_enabled or not self.enabled:
            return set()
        result: set[int] = set()
        for word in self._comparators:
            if not word & 1:
                continue
            if self._v2:
                result.add(word & ~1)
            else:
                if word >> 30 & 1:
                    result.add(word & 0x1FFFFFFC)
                if word >> 30 & 2:
                    result.add(word & 0x1FFFFFFC | 2)
        return result

    # ------------------------------------------------------------------ registers

    def read(self, offset: int) -> int:
        """Return DHCSR, DCRSR, DCRDR, DEMCR or DFSR by its offset in the SCS."""
        if offset == _DHCSR:
            return self._read_dhcsr()
        if offset == _DCRDR:
            return self._dcrdr
        if offset == _DEMCR:
            return self._demcr
        return self.dfsr if offset == _DFSR else 0

    def peek_dhcsr(self) -> int:
        """Return DHCSR without clearing its sticky bits."""
        value = self.control | _S_REGRDY
        if self.halted:
            value |= _S_HALT
        elif self._core.sleeping:
            value |= _S_SLEEP
        elif self._core.locked_up:
            value |= _S_LOCKUP
        if self._retired or not (self.halted or self._core.sleeping or self._core.locked_up):
            value |= _S_RETIRE
        if self._was_reset:
            value |= _S_RESET
        return value

    def _read_dhcsr(self) -> int:
        value = self.peek_dhcsr()
        self._retired = self._was_reset = False
        return value

    def write(self, offset: int, value: int, *, debugger: bool) -> None:
        """Write a debug register; software on the core cannot change DHCSR or use DCRSR."""
        if offset == _DEMCR:
            was_tracing, self._demcr = self._demcr & _TRCENA, value & 0x010F07F1
            if was_tracing != self._demcr & _TRCENA:
                self._core.watchpoints_changed()
        elif offset == _DCRDR:
            self._dcrdr = value
        elif offset == _DFSR:
            self.dfsr &= ~value
        elif offset == _DHCSR and debugger and value >> 16 == _KEY:
            self._write_dhcsr(value & 0xF)
        elif offset == _DCRSR and debugger and self.halted:
            if value & 1 << 16:
                self._core.write_core_register(value & 0x7F, self._dcrdr)
            else:
                self._dcrdr = self._core.read_core_register(value & 0x7F)

    def _write_dhcsr(self, value: int) -> None:
        was_enabled = self.enabled
        self.control = value if value & _C_DEBUGEN else 0
        if self.enabled != was_enabled:
            self._core.breakpoints_changed()
            self._core.watchpoints_changed()
        if not self.enabled or not value & (_C_HALT | _C_STEP):
            self.resume()
        elif value & _C_HALT:
            self.halt(Dfsr.HALTED)
        elif self.halted:
            self.step(mask_interrupts=bool(value & _C_MASKINTS))

    def read_block(self, address: int) -> int | None:
        """Return a register of the FPB or DWT, None where these have none."""
        if address == _FPB:
            count = self._model.code_breakpoints
            return int(self._v2) << 28 | count << 4 | int(self._fpb_enabled)
        if address == _FPB + 4:
            return 0
        index = (address - _FPB - 8) >> 2
        if 0 <= index < len(self._comparators):
            return self._comparators[index]
        if address == _DWT:
            # No trace or profiling; a cycle counter except on v6-M.
            features = self.watchpoints.count << 28 | 1 << 27 | (1 << 25 if self._v6m else 0)
            return features | self._dwt_control
        if address == _DWT + 4 and not self._v6m:
            running = self._dwt_control & 1
            return (self._clock.now - self._cycle_offset if running else 0) & 0xFFFFFFFF
        return self.watchpoints.read(address)

    def write_block(self, address: int, value: int) -> bool:
        """Write a register of the FPB or DWT; return whether there is one."""
        index = (address - _FPB - 8) >> 2
        if address == _FPB:
            if value & 2:
                self._fpb_enabled = bool(value & 1)
                self._core.breakpoints_changed()
        elif 0 <= index < len(self._comparators):
            self._comparators[index] = value & (0xFFFFFFFF if self._v2 else 0xDFFFFFFD)
            self._core.breakpoints_changed()
        elif address == _DWT:
            if value & 1 and not self._dwt_control & 1:
                self._cycle_offset = self._clock.now
            self._dwt_control = value & 1
        elif address == _DWT + 4:
            self._cycle_offset = self._clock.now - value
        elif self.watchpoints.write(address, value):
            self._core.watchpoints_changed()
        else:
            return False
        return True

    def watches(self) -> list[Watch]:
        """Return what halts the core when it is accessed: DWT and debugger must be on."""
        return self.watchpoints.watches() if self.enabled and self._demcr & _TRCENA else []

    def accessed(self, address: int, size: int, *, is_write: bool) -> bool:
        """Halt the core if it accesses what a comparator watches; return whether it does."""
        matching = [w for w in self.watches() if w.matches(address, size, is_write=is_write)]
        for watch in matching:
            self.watchpoints.match(watch.index)
            self.halt(Dfsr.DWTTRAP)
        return bool(matching)

    def save(self) -> DebugState:
        """Return the state for a snapshot."""
        return DebugState(
            self.control,
            self.halted,
            self._demcr,
            self._dcrdr,
            self.dfsr,
            self._retired,
            self._was_reset,
            self._fpb_enabled,
            tuple(self._comparators),
            self._dwt_control,
            self._cycle_offset,
            self.watchpoints.save(),
        )

    def restore(self, state: DebugState) -> None:
        """Go back to a snapshot."""
        self.control, self.halted = state.control, state.halted
        self._demcr, self._dcrdr, self.dfsr = state.demcr, state.dcrdr, state.dfsr
        self._retired, self._was_reset = state.retired, state.was_reset
        self._fpb_enabled = state.fpb_enabled
        self._comparators[:] = state.comparators
        self._dwt_control, self._cycle_offset = state.dwt, state.cycle_offset
        self.watchpoints.restore(state.watchpoints)
        self._core.breakpoints_changed()
        self._core.watchpoints_changed()
