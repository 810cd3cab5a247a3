"""The private peripheral bus: the system control space, and the debug blocks beside it.

Arm v7-M ARM (DDI 0403), B3.2. This is the hottest code of the emulator (a context switch writes 27
MPU registers), so the MPU comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idol.records import dataclass, replace
from idoldbg.target.emulated.emu.core_model import Architecture, CoreModel, coresight_words
from idoldbg.target.emulated.emu.debug import Debug
from idoldbg.target.emulated.emu.exceptions import Exceptions
from idoldbg.target.emulated.emu.mpu import Mpu
from idoldbg.target.emulated.emu.nvic import NMI, PEND_SV, SYS_TICK, Nvic
from idoldbg.target.emulated.emu.systick import SysTick

__all__ = ["PPB_END", "PPB_START", "SCS_START", "SystemControl", "SystemControlState"]

PPB_START, PPB_END, SCS_START = 0xE0000000, 0xE0100000, 0xE000E000
_ITM_LIMIT = 1 << 16
_DBGMCU = 0xE0042000  # of an STM32; only its power-on reset clears it
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SystemControlState:
    """Snapshot of the registers that no other snapshot holds."""

    other: tuple[tuple[int, int], ...]
    faults: tuple[int, ...]


class SystemControl:
    """Registers of the private peripheral bus by their absolute addresses."""

    def __init__(
        self,
        model: CoreModel,
        nvic: Nvic,
        mpu: Mpu,
        systick: SysTick,
        debug: Debug,
        exceptions: Exceptions,
    ) -> None:
        self._v6m = model.architecture is Architecture.V6M
        self._nvic, self._mpu, self._systick = nvic, mpu, systick
        self._debug, self._exceptions = debug, exceptions
        self._constants = coresight_words(model)
        self._other: dict[int, int] = {}
        self.itm = bytearray()
        self.on_pending: Callable[[], None] = lambda: None
        self.on_mpu: Callable[[], None] = lambda: None
        self.on_reset_request: Callable[[], None] = lambda: None

    def add_constants(self, constants: Mapping[int, bytes]) -> None:
        """Add words that the chip has here, or replace those of its core."""
        for address, data in constants.items():
            self._constants[address] = int.from_bytes(data, "little")

    def reset(self) -> None:
        """Forget what software has written, but for the chip's own block of debug registers."""
        kept = {a: word for a, word in self._other.items() if a >> 12 == _DBGMCU >> 12}
        self._other = kept

    # ------------------------------------------------------------------ reading

    def read(self, address: int, size: int) -> int:
        """Return `size` (1, 2 or 4) bytes at an address."""
        word = self.read_word(address & ~3)
        if size == 4:
            return word
        return word >> 8 * (address & 3) & (1 << 8 * size) - 1

    def read_word(self, address: int) -> int:
        """Return the word at an aligned address; unknown registers read as last written."""
        offset = address - SCS_START
        if 0xD90 <= offset < 0xDC8:
            return self._mpu.read(offset)
        if 0 <= offset < 0x1000:
            value = self._read_scs(offset)
            if value is not None:
                return value
        elif address < PPB_START + 0x80:
            return 1  # an ITM stimulus port that has room
        else:
            block = self._debug.read_block(address)
            if block is not None:
                return block
        constant = self._constants.get(address)
        return self._other.get(address, 0) if constant is None else constant

    def _read_scs(self, offset: int) -> int | None:
        nvic = self._nvic
        if 0x10 <= offset < 0x20:
            return self._systick.read(offset)
        if 0x100 <= offset < 0x380:
            return nvic.read_word((offset - 0x100) >> 7, offset >> 2 & 0x1F)
        if 0x400 <= offset < 0x600:
            return self._read_priorities(offset - 0x400 + 16)
        if 0xD18 <= offset < 0xD24:
            return self._read_priorities(offset - 0xD18 + 4)
        if 0xDF0 <= offset < 0xE00 or offset == 0xD30:
            return self._debug.read(offset)
        faults = self._exceptions.faults
        if offset == 0xD04:
            return self._read_icsr()
        if offset == 0xD08:
            return faults.vtor
        if offset == 0xD0C:
            return 0xFA050000 | nvic.priority_group << 8
        if offset == 0xD14:
            return faults.ccr
        if offset == 0xD24:
            return self._exceptions.read_shcsr()
        if offset == 0xD28:
            return faults.cfsr
        if offset == 0xD2C:
            return faults.hfsr
        if offset == 0xD34:
            return faults.mmfar
        if offset == 0xD38:
            return faults.bfar
        return (nvic.interrupts + 31 >> 5) - 1 if offset == 0x004 else None

    def _read_icsr(self) -> int:
        nvic = self._nvic
        active = nvic.active
        value = active[-1] if active else 0
        value |= (len(active) <= 1) << 11
        value |= nvic.best() << 12
        value |= (nvic.pending >> 16 != 0) << 22
        value |= (nvic.pending >> SYS_TICK & 1) << 26
        return value | (nvic.pending >> PEND_SV & 1) << 28 | (nvic.pending >> NMI & 1) << 31

    def _read_priorities(self, number: int) -> int:
        return sum(self._nvic.read_priority(number + i) << 8 * i for i in range(4))

    # ------------------------------------------------------------------ writing

    def write(self, address: int, size: int, value: int, *, debugger: bool = False) -> None:
        """Write `size` (1, 2 or 4) bytes at an address."""
        offset = address - SCS_START
        if 0xD90 <= offset < 0xDC8:
            self._mpu.write(offset, value)
            if self._mpu.changed:
                self.on_mpu()
        elif 0 <= offset < 0x1000:
            self._write_scs(offset, size, value, debugger)
        elif address < PPB_START + 0x80:
            self.itm += value.to_bytes(4, "little")[:size]
            del self.itm[:-_ITM_LIMIT]
        elif not self._debug.write_block(address, value):
            self._write_other(address, size, value)

    def _write_scs(self, offset: int, size: int, value: int, debugger: bool) -> None:
        nvic = self._nvic
        if 0x10 <= offset < 0x20:
            self._systick.write(offset, value)
        elif 0x100 <= offset < 0x300:
            word = value << 8 * (offset & 3)
            nvic.write_word((offset - 0x100) >> 7, offset >> 2 & 0x1F, word)
            self.on_pending()
        elif 0x400 <= offset < 0x600:
            self._write_priorities(offset - 0x400 + 16, size, value)
        elif 0xD18 <= offset < 0xD24:
            self._write_priorities(offset - 0xD18 + 4, size, value)
        elif 0xDF0 <= offset < 0xE00 or offset == 0xD30:
            self._debug.write(offset, value, debugger=debugger)
        elif offset == 0xD04:
            self._write_icsr(value)
        elif offset == 0xD0C:
            self._write_aircr(value)
        elif offset == 0xF00:
            nvic.pend(16 + (value & 0x1FF))
            self.on_pending()
        else:
            self._write_scb(offset, size, value)

    def _write_scb(self, offset: int, size: int, value: int) -> None:
        faults = self._exceptions.faults
        if offset == 0xD08:
            faults.vtor = value & 0xFFFFFF80
        elif offset == 0xD14:
            if not self._v6m:
                faults.ccr = value
        elif offset == 0xD24:
            self._exceptions.write_shcsr(value)
            self.on_pending()
        elif offset & ~3 == 0xD28:
            faults.cfsr &= ~(value << 8 * (offset & 3))
        elif offset == 0xD2C:
            faults.hfsr &= ~value
        elif offset == 0xD34:
            faults.mmfar = value
        elif offset == 0xD38:
            faults.bfar = value
        else:
            self._write_other(SCS_START + offset, size, value)

    def _write_other(self, address: int, size: int, value: int) -> None:
        word = address & ~3
        if word in self._constants:
            return
        if size < 4:
            shift = 8 * (address & 3)
            mask = (1 << 8 * size) - 1 << shift
            value = self._other.get(word, 0) & ~mask | value << shift & mask
        self._other[word] = value & _WORD

    def _write_priorities(self, number: int, size: int, value: int) -> None:
        for i in range(size):
            self._nvic.write_priority(number + i, value >> 8 * i & 0xFF)

    def _write_icsr(self, value: int) -> None:
        nvic = self._nvic
        for number, set_bit, clear_bit in ((PEND_SV, 28, 27), (SYS_TICK, 26, 25)):
            if value >> set_bit & 1:
                nvic.pend(number)
            elif value >> clear_bit & 1:
                nvic.clear(number)
        if value >> 31 & 1:
            nvic.pend(NMI)
        self.on_pending()

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != 0x05FA:
            return
        if not self._v6m:
            self._nvic.priority_group = value >> 8 & 7
        if value & 4:
            self.on_reset_request()

    def save(self) -> SystemControlState:
        """Return the state for a snapshot."""
        f = self._exceptions.faults
        faults = (f.enables, f.cfsr, f.hfsr, f.mmfar, f.bfar, f.vtor, f.ccr)
        return SystemControlState(tuple(self._other.items()), faults)

    def restore(self, state: SystemControlState) -> None:
        """Go back to a snapshot."""
        self._other = dict(state.other)
        names = ("enables", "cfsr", "hfsr", "mmfar", "bfar", "vtor", "ccr")
        values = dict(zip(names, state.faults, strict=True))
        self._exceptions.faults = replace(self._exceptions.faults, **values)
