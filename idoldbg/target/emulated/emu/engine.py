"""Unicorn behind a typed face: the only module of the project that imports it.

Unicorn supplies the instructions of a Cortex-M, its banked stack pointers and special registers.
Everything that costs time here goes through ctypes arrays made once (a batch of registers costs
0.7 µs this way and 12 µs through the binding's own `reg_read_batch`).

Facts about Unicorn 2.1.4 that the rest of the emulator relies on:

- `UC_MODE_MCLASS` forces a Cortex-M33; the PMSAv7 cores are run as a Cortex-M7 in plain Thumb mode.
- Reading MSP or PSP while unprivileged gives 0, and writing PSP or CONTROL is ignored.
- Writing IPSR or xPSR from 0 to an exception number, or back, swaps the banked stack pointer.
- APSR_NZCV must be written last: it is the register whose write rebuilds the cached CPU flags.
- `emu_stop` in a memory callback leaves PC at the access, which will run again.
- Writes from the host do not invalidate translated code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from typing import Any

from unicorn import arm_const as arm
from unicorn import unicorn_const as const
from unicorn.unicorn_py3 import unicorn as binding

from idoldbg.target.emulated.emu.calibration import Calibration, calibrate
from idoldbg.target.signals import HeldSignals

__all__ = ["AccessKind", "BadAccess", "Engine", "Interrupt", "Outcome", "RegisterBatch", "reg"]

_STOP_ADDRESS = 0xFFFFFFFC
_FLUSH_TLB = (1 << 30) | const.UC_CTL_TLB_FLUSH
# Bytes of translated code. Unicorn would fill a gigabyte with it before it starts anew, and a board
# that runs for days would seem to leak; the largest images at hand need a fraction of this.
CODE_BUFFER_SIZE = 8 << 20
# Unicorn says that it is typed but exports names that a type checker cannot see: untyped here.
_library: Any = binding.uclib
_unicorn: Any = import_module("unicorn")


class Interrupt(IntEnum):
    """The exception numbers that Unicorn hands to an interrupt hook."""

    UNDEFINED = 1
    SVC = 2
    PREFETCH_ABORT = 3
    DATA_ABORT = 4
    BKPT = 7
    EXCEPTION_EXIT = 8
    NO_COPROCESSOR = 17
    INVALID_STATE = 18
    STACK_OVERFLOW = 19


class AccessKind(IntEnum):
    """Kind of an access outside memory."""

    READ = 0
    WRITE = 1
    FETCH = 2


class Outcome(IntEnum):
    """Reason why `Engine.run` returned."""

    COUNT = 0
    """All the instructions asked for were executed."""
    STOPPED = 1
    """A hook called `stop`."""
    WAITING = 2
    """The core executed WFI."""
    BAD_ACCESS = 3
    """An access outside memory; PC is at the instruction, details in `bad_access`."""
    FAILED = 4
    """Unicorn gave up; its error code is in `error`."""


class reg:  # noqa: N801 - a namespace of constants, used like a module
    """Register numbers of Unicorn."""

    R = tuple(getattr(arm, f"UC_ARM_REG_R{i}") for i in range(13))
    SP: int = arm.UC_ARM_REG_SP
    LR: int = arm.UC_ARM_REG_LR
    PC: int = arm.UC_ARM_REG_PC
    XPSR: int = arm.UC_ARM_REG_XPSR
    XPSR_ALL: int = arm.UC_ARM_REG_XPSR_NZCVQG
    IPSR: int = arm.UC_ARM_REG_IPSR
    APSR_NZCV: int = arm.UC_ARM_REG_APSR_NZCV
    MSP: int = arm.UC_ARM_REG_MSP
    PSP: int = arm.UC_ARM_REG_PSP
    CONTROL: int = arm.UC_ARM_REG_CONTROL
    PRIMASK: int = arm.UC_ARM_REG_PRIMASK
    BASEPRI: int = arm.UC_ARM_REG_BASEPRI
    FAULTMASK: int = arm.UC_ARM_REG_FAULTMASK
    FPSCR: int = arm.UC_ARM_REG_FPSCR
    D = tuple(arm.UC_ARM_REG_D0 + i for i in range(16))


@dataclass(slots=True)
class BadAccess:
    """The last access outside memory."""

    kind: AccessKind
    address: int
    size: int


class RegisterBatch:
    """Moves a fixed list of registers with one call."""

    def __init__(self, handle: Any, registers: Sequence[int]) -> None:
        count = len(registers)
        self._handle = handle
        self._count = count
        self._ids = (ctypes.c_int * count)(*registers)
        self.values = (ctypes.c_uint64 * count)()
        start = ctypes.addressof(self.values)
        self._pointers = (ctypes.c_void_p * count)(*[start + 8 * i for i in range(count)])
        self._read = _library.uc_reg_read_batch
        self._write = _library.uc_reg_write_batch

    def read(self) -> list[int]:
        """Return the registers' values, in the order of the list."""
        self._read(self._handle, self._ids, self._pointers, self._count)
        return self.values[:]

    def write(self, *values: int) -> None:
        """Set the registers in the order of the list, which can matter."""
        self.values[:] = values  # type: ignore[call-overload]  # any sequence will do
        self._write(self._handle, self._ids, self._pointers, self._count)


class Engine:
    """One Unicorn instance, calibrated."""

    def __init__(self, *, v8m: bool) -> None:
        if v8m:
            mode = const.UC_MODE_THUMB | const.UC_MODE_MCLASS
            self._uc: Any = _unicorn.Uc(const.UC_ARCH_ARM, mode)
        else:
            self._uc = _unicorn.Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB)
            self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
        self._uc.ctl_set_tcg_buffer_size(CODE_BUFFER_SIZE)
        self.v8m = v8m
        self.handle: Any = self._uc._uch
        self.bad_access: BadAccess | None = None
        self.failure: BaseException | None = None
        self.error = 0
        self.is_hurried = False
        self._stopped = False
        self._keep: list[object] = []
        self._write_hook: int | None = None
        self._breakpoints: dict[int, int] = {}
        self._block_hook: int | None = None
        self._watched: list[tuple[int, int]] = []
        self._watch_hooks: list[int] = []
        self._start = _library.uc_emu_start
        self._stop = _library.uc_emu_stop
        self._pc = self.batch([reg.PC])
        self._one: dict[int, RegisterBatch] = {}
        with HeldSignals():  # it executes code, with callbacks
            self.calibration: Calibration = calibrate(self._uc, v8m=v8m)
        self._counter = self.calibration.counter
        self._pristine = self._uc.context_save()
        self._undefined = False

    # ------------------------------------------------------------------ set-up

    def batch(self, registers: Sequence[int]) -> RegisterBatch:
        """Return a batch for these registers of this instance."""
        return RegisterBatch(self.handle, registers)

    def map_memory(self, address: int, buffer: bytearray, *, writable: bool) -> None:
        """Show `buffer` to the core at `address`; host and core then share its bytes."""
        view = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        self._keep.append(view)
        permissions = const.UC_PROT_ALL if writable else const.UC_PROT_READ | const.UC_PROT_EXEC
        self._uc.mem_map_ptr(address, len(buffer), permissions, ctypes.addressof(view))

    def map_io(
        self,
        address: int,
        size: int,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Send accesses to `read(offset, size)` and `write(offset, size, value)`."""

        def on_read(_uc: Any, offset: int, width: int, _data: Any) -> int:
            try:
                return read(offset, width)
            except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                self._fail(error)
                return 0

        def on_write(_uc: Any, offset: int, width: int, value: int, _data: Any) -> None:
            try:
                write(offset, width, value)
            except BaseException as error:  # noqa: BLE001 - as above
                self._fail(error)

        read_hook = binding.MMIO_READ_CFUNC(on_read)
        write_hook = binding.MMIO_WRITE_CFUNC(on_write)
        self._keep += [read_hook, write_hook]
        self._check(
            _library.uc_mmio_map(self.handle, address, size, read_hook, None, write_hook, None)
        )

    def set_hooks(
        self, on_interrupt: Callable[[int], None], on_undefined: Callable[[], None]
    ) -> None:
        """Install what is called for exceptions and for undefined instructions (and WFE, YIELD)."""

        def interrupt(_uc: Any, number: int, _data: Any) -> None:
            try:
                on_interrupt(number)
            except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                self._fail(error)

        def undefined(_uc: Any, _data: Any) -> bool:
            self._undefined = True
            try:
                on_undefined()
            except BaseException as error:  # noqa: BLE001 - as above
                self._fail(error)
            return True

        def invalid(_uc: Any, access: int, address: int, size: int, _value: int, _d: Any) -> bool:
            fetch = access in (const.UC_MEM_FETCH_UNMAPPED, const.UC_MEM_FETCH_PROT)
            write = access in (const.UC_MEM_WRITE_UNMAPPED, const.UC_MEM_WRITE_PROT)
            kind = AccessKind.FETCH if fetch else AccessKind.WRITE if write else AccessKind.READ
            self.bad_access = BadAccess(kind, address & 0xFFFFFFFF, size)
            return False

        self._add_hook(const.UC_HOOK_INTR, binding.HOOK_INTR_CFUNC(interrupt))
        self._add_hook(const.UC_HOOK_INSN_INVALID, binding.HOOK_INSN_INVALID_CFUNC(undefined))
        self._add_hook(const.UC_HOOK_MEM_INVALID, binding.HOOK_MEM_INVALID_CFUNC(invalid))

    def set_address_hooks(
        self, addresses: Sequence[int], on_address: Callable[[int], None]
    ) -> None:
        """Call `on_address` before the instruction at each of `addresses`, and at no others."""
        wanted = set(addresses)
        if wanted == set(self._breakpoints):
            return

        def hit(_uc: Any, address: int, _size: int, _data: Any) -> None:
            try:
                on_address(address)
            except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                self._fail(error)

        for address in set(self._breakpoints) - wanted:
            self._check(_library.uc_hook_del(self.handle, self._breakpoints.pop(address)))
        for address in sorted(wanted - set(self._breakpoints)):
            hook = binding.HOOK_CODE_CFUNC(hit)
            self._breakpoints[address] = self._add_hook(const.UC_HOOK_CODE, hook, address, address)
        self.flush_code()

    def set_watch_hooks(
        self,
        ranges: Sequence[tuple[int, int]],
        on_access: Callable[[int, int, bool], None],
    ) -> None:
        """Call `on_access(address, size, is write)` for accesses that begin in a range.

        Ranges are (first address, last address). All code is translated anew if there is a change.
        """
        if list(ranges) == self._watched:
            return

        def accessed(_uc: Any, kind: int, address: int, size: int, _v: int, _d: Any) -> None:
            try:
                on_access(address & 0xFFFFFFFF, size, kind == const.UC_MEM_WRITE)
            except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                self._fail(error)

        for number in self._watch_hooks:
            self._check(_library.uc_hook_del(self.handle, number))
        kinds = const.UC_HOOK_MEM_READ | const.UC_HOOK_MEM_WRITE
        self._watched, self._watch_hooks = list(ranges), []
        for first, last in ranges:
            hook = binding.HOOK_MEM_ACCESS_CFUNC(accessed)
            self._watch_hooks.append(self._add_hook(kinds, hook, first, last))
        self.flush_code()

    def set_block_hook(
        self, on_block: Callable[[int, int, tuple[int, int] | None], None] | None
    ) -> None:
        """Call `on_block(address, size, block before)` when a block of code is translated.

        All code is translated anew from now on. None takes the hook away.
        """
        if self._block_hook is not None:
            self._check(_library.uc_hook_del(self.handle, self._block_hook))
            self._block_hook = None
        if on_block is not None:

            def generated(_uc: Any, block: Any, before: Any, _data: Any) -> None:
                try:
                    last = (before[0].pc & ~1, before[0].size) if before else None
                    on_block(block[0].pc & ~1, block[0].size, last)
                except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                    self._fail(error)

            hook = binding.HOOK_EDGE_GEN_CFUNC(generated)
            self._block_hook = self._add_hook(const.UC_HOOK_EDGE_GENERATED, hook)
        self.flush_code()

    def set_write_hook(
        self, address: int, size: int, on_write: Callable[[int, int, int], None] | None
    ) -> None:
        """Call `on_write(address, size, value)` before the core writes into a range, or no more."""

        def write(_uc: Any, _access: int, at: int, width: int, value: int, _data: Any) -> None:
            if on_write is not None and at < address + size and address < at + width:
                try:
                    on_write(at, width, value & (1 << 8 * width) - 1)
                except BaseException as error:  # noqa: BLE001 - re-raised by run(); C is in between
                    self._fail(error)

        if self._write_hook is not None:
            self._check(_library.uc_hook_del(self.handle, self._write_hook))
            self._write_hook = None
        if on_write is not None:
            hook = binding.HOOK_MEM_ACCESS_CFUNC(write)
            begin = max(address - 3, 0)  # a write may begin before the range and reach into it
            self._write_hook = self._add_hook(
                const.UC_HOOK_MEM_WRITE, hook, begin, address + size - 1
            )
        self.flush_code()

    def close(self) -> None:
        """Release Unicorn's memory; the engine is of no use afterwards."""
        self._keep.clear()
        self.handle = None
        self._uc = None

    # ------------------------------------------------------------------ running

    def run(self, count: int) -> Outcome:
        """Execute at most `count` (> 0) instructions from PC."""
        self.bad_access = None
        self._stopped = False
        self._undefined = False
        pc = self._pc.read()[0]
        if self.is_hurried:  # no call from here to the start: no handler can come in between
            count = 1
        error = self._start(self.handle, pc | 1, _STOP_ADDRESS, 0, count)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if error == const.UC_ERR_EXCEPTION and self._undefined:
            return Outcome.STOPPED  # an invalid state ends the run though a hook has dealt with it
        if error:
            self.error = error
            return Outcome.BAD_ACCESS if self.bad_access else Outcome.FAILED
        if self._stopped:
            return Outcome.STOPPED
        if self._counter is None:
            return Outcome.COUNT
        return Outcome.WAITING if self._counter[0] <= self._counter[1] else Outcome.COUNT

    def run_writable(self, address: int, size: int) -> Outcome:
        """Execute one instruction while the mapping at `address` may be written."""
        protect, handle = _library.uc_mem_protect, self.handle
        self._check(protect(handle, address, size, const.UC_PROT_ALL))
        try:
            return self.run(1)
        finally:
            self._check(protect(handle, address, size, const.UC_PROT_READ | const.UC_PROT_EXEC))

    @property
    def counts(self) -> bool:
        """Whether executed instructions can be counted on this platform."""
        return self._counter is not None

    def executed(self) -> int:
        """Return how many instructions this `run` began, the current one included."""
        if self._counter is None:
            return 0
        executed: int = self._counter[0]
        limit: int = self._counter[1]
        # One more is counted where it is found that it is too much; those of an IT block whose
        # condition fails are passed over first.
        return executed if executed <= limit else executed - 1

    def has_fetched(self, outcome: Outcome, first: int) -> bool:
        """Return whether `run` ended at an instruction from an address of `first` or more."""
        bad = self.bad_access if outcome is Outcome.BAD_ACCESS else None
        return bad is not None and bad.kind is AccessKind.FETCH and bad.address >= first

    def stop(self) -> None:
        """End `run` as soon as possible: in a memory callback, before the access takes effect."""
        self._stopped = True
        self._stop(self.handle)

    def limit(self, count: int) -> None:
        """Make this `run` end once it has executed `count` instructions, if that is sooner."""
        if self._counter is not None and count < self._counter[1]:
            self._counter[1] = count

    def hurry(self) -> None:
        """End this `run` after the current instruction, or the next one after its first."""
        self.is_hurried = True
        self.limit(self.executed())

    # ------------------------------------------------------------------ state

    def read_register(self, register: int) -> int:
        """Return one register."""
        return self._single(register).read()[0]

    def write_register(self, register: int, value: int) -> None:
        """Set one register."""
        self._single(register).write(value)

    def reset(self) -> None:
        """Give all registers the values that they had when the engine was made."""
        self._uc.context_restore(self._pristine)
        if self.calibration.mpu is not None:
            self.calibration.mpu.clear()
        self.flush_tlb()

    def flush_code(self) -> None:
        """Forget translated code; needed after the host has written instructions."""
        self._uc.ctl_flush_tb()

    def flush_code_in(self, address: int, size: int) -> None:
        """Forget code translated from a range; only right after `reset` (the MPU hides it else)."""
        self._uc.ctl_remove_cache(address, address + size - 1)

    def flush_tlb(self) -> None:
        """Forget cached address look-ups; needed after an MPU change."""
        _library.uc_ctl(self.handle, _FLUSH_TLB)

    def fault_status(self) -> tuple[int, int]:
        """Return the address and the fault status word of the last abort."""
        return self.calibration.context.fault(self._uc)

    def set_mpu_control(self, value: int) -> None:
        """Set the MPU's control bits. Not to be called from a memory callback."""
        self.calibration.context.set_mpu_control(self._uc, value)
        self.flush_tlb()

    def _single(self, register: int) -> RegisterBatch:
        batch = self._one.get(register)
        if batch is None:
            batch = self._one[register] = self.batch([register])
        return batch

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.stop()

    def _add_hook(self, kind: int, hook: object, begin: int = 1, end: int = 0) -> int:
        handle = ctypes.c_size_t()
        self._keep.append(hook)
        self._check(
            _library.uc_hook_add(
                self.handle,
                ctypes.byref(handle),
                kind,
                ctypes.cast(hook, ctypes.c_void_p),  # type: ignore[arg-type]  # a C function
                None,
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
        )
        return handle.value

    @staticmethod
    def _check(error: int) -> None:
        if error:
            raise _unicorn.UcError(error)
