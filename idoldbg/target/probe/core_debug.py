"""Halting a Cortex-M and reading its registers, through memory accesses alone.

Spec: Armv7-M ARM (DDI 0403E) C1.6, Armv8-M ARM (DDI 0553B) D1.2 for the names of v8-M.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from idoldbg.errors import LinkError, LinkTimeout, Unsupported
from idoldbg.target.signals import hold_lock

__all__ = ["CoreDebug", "Words"]

T = TypeVar("T")

AIRCR = 0xE000ED0C
AIRCR_SYSRESETREQ = 0x05FA0004  # with the key that writes need
DHCSR = 0xE000EDF0
DCRSR = 0xE000EDF4
DCRDR = 0xE000EDF8
DEMCR = 0xE000EDFC
MVFR0 = 0xE000EF40

DBGKEY = 0xA05F0000
C_DEBUGEN = 1 << 0
C_HALT = 1 << 1
VC_CORERESET = 1 << 0
S_REGRDY = 1 << 16
S_HALT = 1 << 17
S_LOCKUP = 1 << 19
S_RESET_ST = 1 << 25

REGISTER_NUMBERS = {
    **{f"r{n}": n for n in range(16)},
    "sp": 13,
    "lr": 14,
    "pc": 15,
    "xpsr": 16,
    "msp": 17,
    "psp": 18,
    "fpscr": 33,
    **{f"s{n}": 64 + n for n in range(32)},
}
# Four bytes of DCRSR number 20.
SPECIAL_SHIFTS = {"primask": 0, "basepri": 8, "faultmask": 16, "control": 24}
SPECIAL_NUMBER = 20
NEEDS_FPU = re.compile(r"fpscr|s\d+")

HALT_LIMIT_S = 1.0
RESET_LIMIT_S = 3.0


class Words(Protocol):
    """Single 32-bit accesses to the private peripheral bus."""

    def read_word(self, address: int) -> int: ...

    def write_word(self, address: int, value: int) -> None: ...


class CoreDebug:
    """The debug registers of one core. `wait` and `monotonic` are the link's clock."""

    def __init__(
        self,
        words: Words,
        wait: Callable[[float], None],
        monotonic: Callable[[], float],
        *,
        link: str,
    ) -> None:
        self._words = words
        self._wait = wait
        self._monotonic = monotonic
        self._link = link
        self._was_enabled = False
        self._depth = 0

    def is_halted(self) -> bool:
        """Return whether the core is halted."""
        return bool(self._words.read_word(DHCSR) & S_HALT)

    def explain_standstill(self) -> str | None:
        """Return a sentence for the user where the core executes nothing, None where it runs."""
        state = self._words.read_word(DHCSR)
        if state & S_HALT:
            return (
                "the core is halted, perhaps by another debugger; the firmware does nothing until "
                "it is resumed or reset"
            )
        if state & S_LOCKUP:
            return "the core is locked up after a fault in its fault handler; only a reset helps"
        return None

    def halt(self) -> None:
        """Stop the core; raise `LinkTimeout` when it does not stop."""
        before = self._words.read_word(DHCSR)
        if before & S_HALT:
            return
        self._was_enabled = bool(before & C_DEBUGEN)
        self._words.write_word(DHCSR, DBGKEY | C_HALT | C_DEBUGEN)
        if not self._poll(DHCSR, S_HALT, HALT_LIMIT_S):
            raise LinkTimeout(
                f"{self._link}: the core does not halt within {HALT_LIMIT_S:g} s; it may be held "
                "in reset, asleep without a clock, or closed to debuggers",
                timeout_s=HALT_LIMIT_S,
                link=self._link,
            )

    def resume(self) -> None:
        """Let the core run, and switch its debug mode off again if `halt` switched it on."""
        self._words.write_word(DHCSR, DBGKEY | C_DEBUGEN)
        if not self._was_enabled:
            self._words.write_word(DHCSR, DBGKEY)

    def halted(self, action: Callable[[], T]) -> T:
        """Keep the core still meanwhile, then leave it as it was found; may be nested."""
        if self._depth or self.is_halted():
            return hold_lock(self._enter, action, self._leave)
        return hold_lock(self._hold, action, self._release)

    def _enter(self) -> None:
        self._depth += 1

    def _leave(self) -> None:
        self._depth -= 1

    def _hold(self) -> None:
        self._depth = 1
        try:
            self.halt()
        except LinkError:
            self._depth = 0  # there is nothing to resume
            raise

    def _release(self) -> None:
        if self._depth:
            self._depth = 0
            self._resume_or_say()

    def read_register(self, name: str) -> int:
        """Return a register of the halted core; raise `Unsupported` for one that it lacks."""
        key = name.lower()
        if key in SPECIAL_SHIFTS:
            return self._read_number(SPECIAL_NUMBER) >> SPECIAL_SHIFTS[key] & 0xFF
        number = REGISTER_NUMBERS.get(key)
        if number is None:
            raise Unsupported(
                f"{self._link}: a Cortex-M has no register `{name}`; there are r0 … r12, sp, lr, "
                "pc, xpsr, msp, psp, primask, basepri, faultmask, control, fpscr and s0 … s31",
                capability="registers",
                link=self._link,
            )
        if NEEDS_FPU.fullmatch(key) and not self._words.read_word(MVFR0):
            raise Unsupported(
                f"{self._link}: this core has no floating point, hence no `{name}`",
                capability="registers",
                link=self._link,
            )
        return self._read_number(number)

    def request_reset(self) -> None:
        """Ask for a system reset. The access that does it may get no answer."""
        self._words.read_word(DHCSR)  # clears what an earlier reset left in S_RESET_ST
        self._words.write_word(AIRCR, AIRCR_SYSRESETREQ)

    def catch_reset(self, caught: bool) -> None:
        """Have the core halt when it comes out of a reset, or no more."""
        if caught:
            self._words.write_word(DHCSR, DBGKEY | C_DEBUGEN)
        demcr = self._words.read_word(DEMCR) & ~VC_CORERESET
        self._words.write_word(DEMCR, demcr | (VC_CORERESET if caught else 0))

    def await_halt(self) -> bool:
        """Wait for the core to halt by itself; return whether it did."""
        return self._poll(DHCSR, S_HALT, HALT_LIMIT_S)

    def await_reset(self) -> bool:
        """Wait for the core to come out of reset; return whether there was one."""
        return self._poll(DHCSR, S_RESET_ST, RESET_LIMIT_S)

    def _read_number(self, number: int) -> int:
        self._words.write_word(DCRSR, number)
        if not self._poll(DHCSR, S_REGRDY, HALT_LIMIT_S):
            raise LinkTimeout(
                f"{self._link}: the core does not hand out its registers; is it halted?",
                timeout_s=HALT_LIMIT_S,
                link=self._link,
            )
        return self._words.read_word(DCRDR)

    def _poll(self, address: int, bit: int, limit_s: float) -> bool:
        """Wait for a bit to be set, first eagerly, then at intervals that grow to 50 ms."""
        end = self._monotonic() + limit_s
        pause_s = 0.0
        while True:
            is_late = self._monotonic() >= end  # asked first: a busy host may stop us right here
            if self._words.read_word(address) & bit:
                return True
            if is_late:
                return False
            self._wait(pause_s)
            pause_s = min(0.05, pause_s * 2 + 0.0005)

    def _resume_or_say(self) -> None:
        try:
            self.resume()
        except LinkError as error:
            raise LinkError(
                f"{error.message}; the core may still be halted: reset it, or switch it off and on",
                link=self._link,
            ) from error
