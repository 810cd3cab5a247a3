"""NVIC: enabled, pending and active exceptions, and their priorities.

Arm v7-M Architecture Reference Manual (DDI 0403), B1.5 and B3.4. Exceptions are known by their
number (IRQ 0 is exception 16); sets of them are integers with one bit for each.
"""

from __future__ import annotations

from collections.abc import Callable

from idol.records import dataclass

__all__ = [
    "BUS_FAULT",
    "HARD_FAULT",
    "IRQ_0",
    "MEM_MANAGE",
    "NMI",
    "NO_PRIORITY",
    "Nvic",
    "NvicState",
    "PEND_SV",
    "SECURE_FAULT",
    "SV_CALL",
    "SYS_TICK",
    "USAGE_FAULT",
]

NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SECURE_FAULT = 2, 3, 4, 5, 6, 7
SV_CALL, PEND_SV, SYS_TICK, IRQ_0 = 11, 14, 15, 16
NO_PRIORITY = 256
"""Execution priority of thread mode: lower than that of every exception."""

_FIXED = {NMI: -2, HARD_FAULT: -1}
_SYSTEM = (1 << IRQ_0) - 1


@dataclass(frozen=True, slots=True)
class NvicState:
    """Saved state."""

    enabled: int
    pending: int
    lines: int
    active: tuple[int, ...]
    priorities: bytes
    group_bits: int


class Nvic:
    """The interrupt controller and the system exceptions' share of it."""

    def __init__(self, interrupts: int, priority_bits: int) -> None:
        self.interrupts = interrupts
        self._priority_mask = 0xFF00 >> priority_bits & 0xFF
        self._valid = ((1 << interrupts) - 1) << IRQ_0
        self.accepts: Callable[[int], bool] | None = None
        """Asked for each interrupt of a device whether it arrives."""
        self._priorities = bytearray(IRQ_0 + ((interrupts + 3) & ~3))
        self.reset()

    def reset(self) -> None:
        """Disable everything; lines stay as the peripherals drive them."""
        self.enabled = 0
        self.pending = 0
        self.lines = 0
        self.active: list[int] = []
        self._priorities[:] = bytes(len(self._priorities))
        self.priority_group = 0

    # ------------------------------------------------------------------ priorities

    def priority(self, number: int) -> int:
        """Return the priority that decides about preemption; lower is more urgent."""
        fixed = _FIXED.get(number)
        if fixed is not None:
            return fixed
        return self._priorities[number] >> (self.priority_group + 1) << (self.priority_group + 1)

    def read_priority(self, number: int) -> int:
        """Return the priority byte of an exception."""
        return self._priorities[number] if number < len(self._priorities) else 0

    def write_priority(self, number: int, value: int) -> None:
        """Set the implemented bits of an exception's priority byte."""
        if 4 <= number < len(self._priorities):
            self._priorities[number] = value & self._priority_mask

    def mask_basepri(self, value: int) -> int:
        """Return the priority from which on BASEPRI = `value` masks; `NO_PRIORITY` for none."""
        value &= self._priority_mask
        group = self.priority_group + 1
        return value >> group << group if value else NO_PRIORITY

    def active_priority(self) -> int:
        """Return the most urgent priority among the active exceptions."""
        active = self.active
        if not active:
            return NO_PRIORITY
        if len(active) == 1:
            return self.priority(active[0])
        return min(self.priority(n) for n in active)

    # ------------------------------------------------------------------ pending

    def ready(self) -> int:
        """Return the exceptions that are pending and enabled."""
        return self.pending & (self.enabled | _SYSTEM)

    def best(self) -> int:
        """Return the most urgent exception that is ready, 0 for none."""
        ready = self.ready()
        if not ready:
            return 0
        if not ready & (ready - 1):
            return ready.bit_length() - 1
        best, best_key = 0, (NO_PRIORITY, 0)
        while ready:
            bit = ready & -ready
            number = bit.bit_length() - 1
            ready ^= bit
            # Of equal group priority the lower subpriority, then the lower number goes first.
            raw = _FIXED.get(number, self._priorities[number])
            if (raw, number) < best_key:
                best, best_key = number, (raw, number)
        return best

    def pend(self, number: int) -> None:
        """Make an exception pending."""
        self.pending |= 1 << number

    def signal(self, number: int) -> None:
        """Make an exception pending that a device raises, unless it gets lost."""
        if self.accepts is None or self.accepts(number):
            self.pending |= 1 << number

    def clear(self, number: int) -> None:
        """Make an exception not pending."""
        self.pending &= ~(1 << number)

    def set_line(self, interrupt: int, level: bool) -> None:
        """Drive an interrupt line: a rising edge, or a high level after a return, pends it."""
        bit = 1 << IRQ_0 + interrupt
        if not level:
            self.lines &= ~bit
        elif not self.lines & bit:
            self.lines |= bit
            self.signal(IRQ_0 + interrupt)

    # ------------------------------------------------------------------ active

    def enter(self, number: int) -> None:
        """Move an exception from pending to active."""
        self.pending &= ~(1 << number)
        self.active.append(number)

    def leave(self, number: int) -> None:
        """End an active exception; its line, if still high, makes it pending again."""
        if number in self.active:
            self.active.remove(number)
        if self.lines >> number & 1:
            self.pending |= 1 << number

    def active_set(self) -> int:
        """Return the active exceptions as a set."""
        result = 0
        for number in self.active:
            result |= 1 << number
        return result

    # ------------------------------------------------------------------ registers

    def read_word(self, kind: int, word: int) -> int:
        """Return a word of ISER, ICER, ISPR, ICPR (`kind` 0 to 3) or IABR (4)."""
        if kind == 4:
            bits = self.active_set()
        else:
            bits = self.enabled if kind < 2 else self.pending
        return bits >> IRQ_0 + 32 * word & 0xFFFFFFFF

    def write_word(self, kind: int, word: int, value: int) -> None:
        """Write a word of ISER, ICER, ISPR or ICPR (`kind` 0 to 3)."""
        bits = value << IRQ_0 + 32 * word & self._valid
        if kind == 0:
            self.enabled |= bits
        elif kind == 1:
            self.enabled &= ~bits
        elif kind == 2:
            self.pending |= bits
        elif kind == 3:
            self.pending &= ~bits | self.lines & ~self.active_set()

    def save(self) -> NvicState:
        """Return the state for a snapshot."""
        return NvicState(
            self.enabled,
            self.pending,
            self.lines,
            tuple(self.active),
            bytes(self._priorities),
            self.priority_group,
        )

    def restore(self, state: NvicState) -> None:
        """Go back to a snapshot."""
        self.enabled, self.pending, self.lines = state.enabled, state.pending, state.lines
        self.active = list(state.active)
        self._priorities[:] = state.priorities
        self.priority_group = state.group_bits
