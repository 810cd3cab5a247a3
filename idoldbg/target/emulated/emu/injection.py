"""Faults that are injected into an emulated board: planned, then done at their moment.

A plan is part of the board's state: snapshots keep it, and as an input of the board it is done
again when the past is. All that looks random comes from a seed in the plan.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from idol.near import suggest
from idoldbg.errors import ArgumentError
from idoldbg.model.board import MemoryKind
from idoldbg.target.emulated.emu.exceptions import Cfsr
from idoldbg.target.emulated.emu.nvic import USAGE_FAULT
from idoldbg.target.emulated.emu.observers import Observer

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.bus import Bus
    from idoldbg.target.emulated.emu.core import Core

__all__ = ["KINDS", "Injector", "Plan"]

KINDS: dict[str, tuple[str, ...]] = {
    "trap": ("address", "after"),
    "flip": ("address", "bit"),
    "reset": (),
    "brown-out": ("seed",),
    "clock": ("factor", "for_s"),
    "lose-interrupt": ("number", "count"),
    "repeat-interrupt": ("number", "count"),
    "wrong-read": ("address", "mask", "count"),
    "bus-error": ("address", "size", "count"),
}
"""Kinds of faults, and which fields of `Plan` each of them uses besides `at`."""

_REPEAT_AFTER = 100  # cycles: while the handler runs, for a core asleep would merge the two
_TIMED = frozenset({"flip", "reset", "brown-out", "clock"})


@dataclass(slots=True)
class Plan:
    """One fault. `at` is the cycle from which on it may happen; `count` how often it does."""

    kind: str
    at: int
    address: int = 0
    size: int = 4
    bit: int = 0
    mask: int = 1
    number: int = 0
    count: int = 1
    after: int = 0
    seed: int = 0
    factor: float = 1.0
    for_s: float = 0.0
    happened: int = 0
    until: int | None = None


class Injector(Observer):
    """The faults of one board."""

    def __init__(self, core: Core, bus: Bus, update_clock: Callable[[], None]) -> None:
        self._core, self._bus, self._update_clock = core, bus, update_clock
        self.plans: list[Plan] = []
        self._traps: set[int] = set()
        self._is_observing = False
        self.factor = 1.0
        """Factor of the core's clock."""

    def add(self, given: dict[str, object], hz: int) -> Plan:
        """Plan a fault from plain values; raise `ArgumentError`."""
        plan = _read_plan(given, self._core.clock.now, hz)
        if plan.kind == "flip":
            memory = self._bus.find(plan.address)
            if memory is None or memory.region.kind is not MemoryKind.RAM:
                raise ArgumentError(
                    f"there is no RAM at 0x{plan.address:08x} to flip a bit of", name="address"
                )
        elif plan.kind in ("wrong-read", "bus-error"):
            if self._bus.find_io(plan.address) is None:
                raise ArgumentError(
                    f"there is no peripheral at 0x{plan.address:08x}: this kind is for registers "
                    "of devices", name="address",
                )  # fmt: skip
        elif plan.kind == "trap" and self._bus.find(plan.address) is None:
            raise ArgumentError(f"there is no memory at 0x{plan.address:08x}", name="address")
        elif plan.kind.endswith("interrupt") and not 14 <= plan.number < 512:
            raise ArgumentError("the number of an exception is 15 or more", name="number")
        self.plans.append(plan)
        self._apply()
        return plan

    def save(self) -> tuple[object, ...]:
        """Return the state for a snapshot."""
        return (deepcopy(self.plans), self.factor)

    def restore(self, state: tuple[object, ...]) -> None:
        """Go back to a snapshot."""
        plans, factor = state
        assert isinstance(plans, list)
        assert isinstance(factor, float)
        self.plans, self.factor = deepcopy(plans), factor
        self._apply()

    # ------------------------------------------------------------------ connecting

    def _active(self, *kinds: str) -> list[Plan]:
        return [p for p in self.plans if p.kind in kinds and p.happened < p.count]

    def _apply(self) -> None:
        """Connect what the plans need, and nothing else: a board without any pays for none."""
        core = self._core
        traps = {p.address & ~1 for p in self._active("trap")}
        if traps != self._traps:
            self._traps = traps
            core.set_traps(dict.fromkeys(traps, self._trapped))
        filters = self._active("lose-interrupt", "repeat-interrupt")
        core.nvic.accepts = self._accepts if filters else None
        self._bus.on_core_read = self._read if self._active("wrong-read") else None
        self._bus.refuses = self._refuses if self._active("bus-error") else None
        times = [p.at for p in self.plans if p.kind in _TIMED and not p.happened]
        times += [p.until for p in self.plans if p.until is not None]
        self.next_look = min(times, default=None)
        if bool(self.plans) != self._is_observing:  # each change makes the core translate anew
            self._is_observing = bool(self.plans)
            (core.observe if self.plans else core.forget)(self)
        core.observers.update()

    # ------------------------------------------------------------------ at their time

    def look(self) -> None:
        now = self._core.clock.cycles
        for plan in self.plans:
            if plan.until is not None and plan.until <= now:
                plan.until = None
                if plan.kind == "clock":
                    self.factor = 1.0
                    self._update_clock()
                else:
                    self._core.nvic.pend(plan.number)
            if plan.kind in _TIMED and not plan.happened and plan.at <= now:
                plan.happened = 1
                self._do(plan)
        self._apply()

    def _do(self, plan: Plan) -> None:
        if plan.kind == "flip":
            memory = self._bus.find(plan.address)
            assert memory is not None  # as `add` has seen
            memory.data[plan.address - memory.address] ^= 1 << plan.bit
        elif plan.kind == "clock":
            self.factor = plan.factor
            self._update_clock()
            if plan.for_s:
                plan.until = self._core.clock.cycles + round(plan.for_s * self._core.clock.hz)
        else:
            if plan.kind == "brown-out":
                noise = random.Random(plan.seed)
                for memory in self._bus.memories:
                    if memory.region.kind is MemoryKind.RAM:
                        memory.data[:] = noise.randbytes(len(memory.data))
            self._core.request_reset()

    def _trapped(self, address: int) -> tuple[int, int, int | None] | None:
        """Return the fault that the instruction at an address has, if it has one now."""
        for plan in self._active("trap"):
            if plan.address & ~1 == address and plan.at <= self._core.clock.now:
                if plan.after > 0:
                    plan.after -= 1
                    continue
                plan.happened += 1
                return USAGE_FAULT, Cfsr.UNDEFINSTR, None
        return None

    def _accepts(self, number: int) -> bool:
        """Return whether an interrupt that a device raises now arrives."""
        for plan in self._active("lose-interrupt", "repeat-interrupt"):
            if plan.number == number and plan.at <= self._core.clock.now:
                plan.happened += 1
                if plan.kind == "lose-interrupt":
                    return False
                plan.until = self._core.clock.now + _REPEAT_AFTER
                self.next_look = min(self.next_look or plan.until, plan.until)
                self._core.observers.update()
        return True

    def _read(self, address: int, size: int, value: int) -> int:
        for plan in self._active("wrong-read"):
            if address <= plan.address < address + size and plan.at <= self._core.clock.now:
                plan.happened += 1
                value ^= plan.mask & (1 << 8 * size) - 1
        return value

    def _refuses(self, address: int, size: int) -> bool:
        for plan in self._active("bus-error"):
            within = address < plan.address + plan.size and plan.address < address + size
            if within and plan.at <= self._core.clock.now:
                plan.happened += 1
                return True
        return False


def _read_plan(given: dict[str, object], now: int, hz: int) -> Plan:
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        hint = suggest(str(kind), KINDS, otherwise=f"there are {', '.join(KINDS)}")
        raise ArgumentError(f"no kind of fault `{kind}`; {hint}", name="kind")
    allowed = {"kind", "at_s", *KINDS[kind]}
    for name in given:
        if name not in allowed:
            hint = suggest(name, allowed, otherwise=f"it takes {', '.join(sorted(allowed))}")
            raise ArgumentError(f"a fault of kind `{kind}` has no `{name}`; {hint}", name=name)
    for needed in ("address", "number"):
        if needed in KINDS[kind] and needed not in given:
            raise ArgumentError(f"a fault of kind `{kind}` needs it", name=needed)
    at_s = given.get("at_s", 0.0)
    if not _is_plain(at_s) or not 0 <= at_s < 1e6:  # type: ignore[operator]  # a number
        raise ArgumentError(f"must be seconds from now on, not {at_s!r:.40}", name="at_s")
    plan = Plan(kind, now + round(float(at_s) * hz))  # type: ignore[arg-type]  # a number
    for each in fields(Plan):
        if each.name in given and each.name != "kind":
            setattr(plan, each.name, _checked(each.name, given[each.name]))
    return plan


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_LIMITS = {"bit": 8, "mask": 1 << 32, "size": 1 << 20, "count": 1 << 20, "after": 1 << 32}


def _checked(name: str, value: object) -> float:
    if not _is_plain(value):
        raise ArgumentError(f"must be a number, not {value!r:.40}", name=name)
    assert isinstance(value, int | float)
    if name in ("factor", "for_s"):
        if not 0.01 <= value <= 100 and not (name == "for_s" and value == 0):
            raise ArgumentError(f"must be 0.01 to 100, not {value}", name=name)
        return float(value)
    if not isinstance(value, int) or not 0 <= value < _LIMITS.get(name, 1 << 32):
        raise ArgumentError(f"is out of range: {value}", name=name)
    return value
