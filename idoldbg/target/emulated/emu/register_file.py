"""Core registers by name and by debug register number (DCRSR.REGSEL).

Unicorn hides MSP and PSP, and ignores writes, while the core is unprivileged; so both are done from
a handler mode that the core is put into for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from idoldbg.target.emulated.emu.core_model import CoreModel
from idoldbg.target.emulated.emu.engine import Engine, reg

__all__ = ["RegisterFile"]

_GENERAL = {f"r{i}": reg.R[i] for i in range(13)} | {"sp": reg.SP, "lr": reg.LR, "pc": reg.PC}
_NAMES = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr", "msp", "psp")
_SPECIAL = {"primask": (0, reg.PRIMASK), "basepri": (8, reg.BASEPRI),
            "faultmask": (16, reg.FAULTMASK), "control": (24, reg.CONTROL)}  # fmt: skip
_BANKED = {"msp": reg.MSP, "psp": reg.PSP}
_ALIASES = {"r13": "sp", "r14": "lr", "r15": "pc", "cfbp": "special"}
_SPECIAL_NUMBER, _FPSCR_NUMBER, _FLOAT_NUMBER = 20, 33, 64
# Arm v8-M: 24 to 31 are the stack pointers and limits of each security state; all code is secure.
_V8M_STACKS = {26: "msp", 27: "psp"}


class RegisterFile:
    """Reads and writes registers of a core that is not executing."""

    def __init__(self, engine: Engine, model: CoreModel) -> None:
        self._engine = engine
        self._model = model
        self._all = engine.batch([*reg.R, reg.SP, reg.LR, reg.PC, reg.XPSR, reg.CONTROL])
        self._float = engine.batch([*reg.D, reg.FPSCR])

    def read(self, name: str) -> int:
        """Return a register; raise KeyError for a name that the core lacks."""
        name = _ALIASES.get(name, name)
        if name in _GENERAL:
            value = self._engine.read_register(_GENERAL[name])
            return value & ~1 if name == "pc" else value
        if name == "xpsr":
            return self._engine.read_register(reg.XPSR) | 1 << 24
        if name == "special":
            return sum(self.read(part) << shift for part, (shift, _) in _SPECIAL.items())
        if name == "control":
            return self._engine.read_register(reg.CONTROL)
        if name in _BANKED or name in _SPECIAL:
            register = _BANKED.get(name) or _SPECIAL[name][1]
            with self._privileged():
                return self._engine.read_register(register)
        return self._read_float(name)

    def write(self, name: str, value: int) -> None:
        """Set a register; raise KeyError for a name that the core lacks."""
        name = _ALIASES.get(name, name)
        engine = self._engine
        if name == "pc":
            engine.write_register(reg.PC, value | 1)
        elif name in _GENERAL:
            engine.write_register(_GENERAL[name], value & ~3 if name == "sp" else value)
        elif name == "xpsr":
            # IPSR is read-only for a debugger; flags and IT state are not.
            keep = engine.read_register(reg.XPSR) & 0x1FF
            engine.write_register(reg.XPSR_ALL, value & ~0x1FF | keep | 1 << 24)
            engine.write_register(reg.APSR_NZCV, value & 0xF0000000)
        elif name == "special":
            for part, (shift, _) in _SPECIAL.items():
                self.write(part, value >> shift & 0xFF)
        elif name == "control":
            with self._privileged():  # SPSEL can only be written by privileged thread mode
                engine.write_register(reg.CONTROL, value & ~1)
            engine.write_register(reg.CONTROL, value)
            engine.write_register(reg.APSR_NZCV, self.read("xpsr") & 0xF0000000)
        elif name in _BANKED or name in _SPECIAL:
            register = _BANKED.get(name) or _SPECIAL[name][1]
            with self._privileged():
                engine.write_register(register, value)
        else:
            self._write_float(name, value)

    def read_number(self, number: int) -> int:
        """Return a register by its REGSEL number; numbers without a register read 0."""
        name = self._name_of(number)
        return 0 if name is None else self.read(name)

    def write_number(self, number: int, value: int) -> None:
        """Set a register by its REGSEL number; numbers without a register are ignored."""
        name = self._name_of(number)
        if name is not None:
            self.write(name, value)

    def skip_instruction(self, length: int) -> None:
        """Go on behind the instruction at PC, in its IT block too."""
        engine = self._engine
        status = engine.read_register(reg.XPSR)
        block = status >> 25 & 3 | status >> 8 & 0xFC  # ITSTATE
        block = block & 0xE0 | block << 1 & 0x1F if block & 7 else 0
        advanced = status & ~0x0600FC00 | (block & 3) << 25 | (block & 0xFC) << 8
        engine.write_register(reg.PC, self.read("pc") + length | 1)
        engine.write_register(reg.XPSR_ALL, advanced)
        engine.write_register(reg.APSR_NZCV, status & 0xF0000000)

    def save(self) -> tuple[int, ...]:
        """Return all registers for a snapshot."""
        general = self._all.read()
        with self._privileged():
            stacks = [self._engine.read_register(r) for r in _BANKED.values()]
            masks = [
                self._engine.read_register(r) for _, r in _SPECIAL.values() if r != reg.CONTROL
            ]
        return (*general, *stacks, *masks, *self._float.read())

    def restore(self, state: tuple[int, ...]) -> None:
        """Set all registers from a snapshot; the engine has been reset before."""
        engine = self._engine
        *general, sp, lr, pc, xpsr, control = state[:18]
        msp, psp, primask, basepri, faultmask = state[18:23]
        self._float.write(*state[23:])
        for register, value in zip(reg.R, general, strict=True):
            engine.write_register(register, value)
        for register, value in ((reg.MSP, msp), (reg.PSP, psp), (reg.PRIMASK, primask),
                                (reg.BASEPRI, basepri), (reg.FAULTMASK, faultmask),
                                (reg.CONTROL, control & ~1), (reg.XPSR_ALL, xpsr | 1 << 24),
                                (reg.CONTROL, control), (reg.SP, sp), (reg.LR, lr),
                                (reg.PC, pc | 1), (reg.APSR_NZCV, xpsr & 0xF0000000)):  # fmt: skip
            engine.write_register(register, value)

    @contextmanager
    def _privileged(self) -> Iterator[None]:
        """Be in handler mode, where all registers can be had."""
        engine = self._engine
        status = engine.read_register(reg.XPSR)
        thread = not status & 0x1FF
        if thread:
            engine.write_register(reg.IPSR, 3)
        try:
            yield
        finally:
            if thread:
                engine.write_register(reg.IPSR, 0)
                engine.write_register(reg.APSR_NZCV, status & 0xF0000000)

    def _name_of(self, number: int) -> str | None:
        if number < len(_NAMES):
            return _NAMES[number]
        if number == _SPECIAL_NUMBER or (number == 34 and self._model.v8m):
            return "special"
        if self._model.v8m and number in _V8M_STACKS:
            return _V8M_STACKS[number]
        if not self._model.floating_point:
            return None
        if number == _FPSCR_NUMBER:
            return "fpscr"
        index = number - _FLOAT_NUMBER
        return f"s{index}" if 0 <= index < 32 else None

    def _float_index(self, name: str) -> int:
        if self._model.floating_point and name[:1] == "s" and name[1:].isdecimal():
            index = int(name[1:])
            if index < 32:
                return index
        raise KeyError(name)

    def _read_float(self, name: str) -> int:
        if name == "fpscr" and self._model.floating_point:
            return self._engine.read_register(reg.FPSCR)
        index = self._float_index(name)
        return self._engine.read_register(reg.D[index // 2]) >> 32 * (index & 1) & 0xFFFFFFFF

    def _write_float(self, name: str, value: int) -> None:
        if name == "fpscr" and self._model.floating_point:
            self._engine.write_register(reg.FPSCR, value)
            return
        index = self._float_index(name)
        shift = 32 * (index & 1)
        pair = self._engine.read_register(reg.D[index // 2])
        pair = pair & ~(0xFFFFFFFF << shift) | value << shift
        self._engine.write_register(reg.D[index // 2], pair)
