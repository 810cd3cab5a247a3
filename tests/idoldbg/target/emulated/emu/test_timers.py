"""Timers by their registers, without a core: how long they count, and when they interrupt."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_ctimer import Lpc55Ctimer
from idoldbg.target.emulated.emu.devices.stm32_timer import Stm32Timer

# STM32
CR1, DIER, SR, EGR, CNT, PSC, ARR = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C
CEN, UDIS, URS, OPM, UPDATE = 1, 2, 4, 8, 1
# LPC55
IR, TCR, TC, PR, MCR, MR0, MR1 = 0x00, 0x04, 0x08, 0x0C, 0x14, 0x18, 0x1C
ENABLE, HOLD_IN_RESET = 1, 2
INTERRUPT, RESET, STOP = 1, 2, 4


class Bench:
    """A timer with its clock, which notes the cycle of each rising edge of the interrupt line."""

    def __init__(self, model: type[Stm32Timer] | type[Lpc55Ctimer]) -> None:
        self.clock = Clock(1_000_000)
        self.level = False
        self.edges: list[int] = []
        self.timer: Device = model(self.clock, self.drive)
        self.timer.reset()

    def drive(self, level: bool) -> None:
        if level and not self.level:
            self.edges.append(self.clock.now)
        self.level = level

    def write(self, **registers: int) -> None:
        for name, value in registers.items():
            self.timer.write(globals()[name], 4, value)

    def read(self, offset: int) -> int:
        return self.timer.read(offset, 4)

    def run(self, cycles: int, acknowledge: tuple[int, int] | None = None) -> None:
        """Let time pass; `acknowledge` is what is written where for each interrupt."""
        end = self.clock.cycles + cycles
        while (deadline := self.clock.next_deadline()) is not None and deadline <= end:
            self.clock.cycles = deadline
            self.clock.fire_due()
            if self.level and acknowledge:
                self.timer.write(acknowledge[0], 4, acknowledge[1])
        self.clock.cycles = end


@pytest.fixture
def stm32() -> Bench:
    return Bench(Stm32Timer)


@pytest.fixture
def lpc55() -> Bench:
    return Bench(Lpc55Ctimer)


# ------------------------------------------------------------------ STM32


def test_stm32_updates_come_once_a_period(stm32: Bench) -> None:
    stm32.write(PSC=9, ARR=4, EGR=UPDATE, SR=0, DIER=UPDATE, CR1=CEN)
    stm32.run(175, acknowledge=(SR, ~UPDATE & 0xFFFF_FFFF))
    assert stm32.edges == [50, 100, 150]
    assert stm32.read(CNT) == 2


def test_stm32_an_update_stays_until_zero_is_written(stm32: Bench) -> None:
    stm32.write(ARR=9, DIER=UPDATE, CR1=CEN)
    stm32.run(35)
    assert (stm32.edges, stm32.read(SR)) == ([10], UPDATE)
    stm32.write(SR=0xFFFF_FFFF)
    assert stm32.level
    stm32.write(SR=0)
    assert not stm32.level
    stm32.run(5)
    assert stm32.edges == [10, 40]


def test_stm32_the_interrupt_is_enabled_late(stm32: Bench) -> None:
    stm32.write(ARR=9, CR1=CEN)
    stm32.run(12)
    assert stm32.edges == []
    stm32.write(DIER=UPDATE)
    assert stm32.edges == [12]


def test_stm32_a_prescaler_waits_for_the_update(stm32: Bench) -> None:
    stm32.write(ARR=9, DIER=UPDATE, CR1=CEN)
    stm32.run(3)
    stm32.write(PSC=1)
    stm32.run(37, acknowledge=(SR, 0))
    assert stm32.edges == [10, 30]


def test_stm32_updates_by_software(stm32: Bench) -> None:
    stm32.write(CNT=5, EGR=UPDATE)
    assert (stm32.read(CNT), stm32.read(SR)) == (0, UPDATE)
    stm32.write(SR=0, CR1=URS, EGR=UPDATE)
    assert stm32.read(SR) == 0
    stm32.write(CR1=UDIS, EGR=UPDATE)
    assert stm32.read(SR) == 0


def test_stm32_one_pulse(stm32: Bench) -> None:
    stm32.write(ARR=9, DIER=UPDATE, CR1=CEN | OPM)
    stm32.run(100, acknowledge=(SR, 0))
    assert stm32.edges == [10]
    assert (stm32.read(CR1), stm32.read(CNT)) == (OPM, 0)


def test_stm32_a_counter_stops_and_goes_on(stm32: Bench) -> None:
    stm32.write(ARR=99, DIER=UPDATE, CR1=CEN)
    stm32.run(30)
    stm32.write(CR1=0)
    stm32.run(1000)
    assert stm32.read(CNT) == 30
    stm32.write(CR1=CEN)
    stm32.run(70)
    assert stm32.edges == [1100]


def test_stm32_without_a_period_nothing_is_counted(stm32: Bench) -> None:
    stm32.write(ARR=0, DIER=UPDATE, CR1=CEN)
    stm32.run(1000)
    assert (stm32.edges, stm32.read(CNT)) == ([], 0)


def test_stm32_a_counter_above_its_top_goes_all_the_way_round(stm32: Bench) -> None:
    stm32.write(ARR=9, CNT=0xFFFF_FFFE, DIER=UPDATE, CR1=CEN)
    stm32.run(13, acknowledge=(SR, 0))
    assert stm32.edges == [2, 12]


# ------------------------------------------------------------------ LPC55


def test_lpc55_matches_come_once_a_period(lpc55: Bench) -> None:
    lpc55.write(PR=9, MR0=4, MCR=INTERRUPT | RESET, TCR=ENABLE)
    lpc55.run(155, acknowledge=(IR, 1))
    # The first match is at 4, each other one step of 0 later.
    assert lpc55.edges == [40, 90, 140]
    assert lpc55.read(TC) == 0


def test_lpc55_a_match_stays_until_one_is_written(lpc55: Bench) -> None:
    lpc55.write(MR0=9, MCR=INTERRUPT | RESET, TCR=ENABLE)
    lpc55.run(15)
    assert lpc55.read(IR) == 1
    lpc55.write(IR=2)
    assert lpc55.level
    lpc55.write(IR=1)
    assert not lpc55.level


def test_lpc55_match_registers_have_flags_of_their_own(lpc55: Bench) -> None:
    lpc55.write(MR0=20, MR1=5, MCR=INTERRUPT | RESET | INTERRUPT << 3, TCR=ENABLE)
    lpc55.run(5)
    assert lpc55.read(IR) == 2
    lpc55.run(15)
    assert lpc55.read(IR) == 3


def test_lpc55_a_match_can_stop(lpc55: Bench) -> None:
    lpc55.write(MR0=7, MCR=INTERRUPT | STOP, TCR=ENABLE)
    lpc55.run(100)
    assert (lpc55.edges, lpc55.read(TC), lpc55.read(TCR)) == ([7], 7, 0)


def test_lpc55_reset_holds_the_counter(lpc55: Bench) -> None:
    lpc55.write(TCR=ENABLE)
    lpc55.run(50)
    assert lpc55.read(TC) == 50
    lpc55.write(TCR=ENABLE | HOLD_IN_RESET)
    lpc55.run(50)
    assert lpc55.read(TC) == 0
    lpc55.write(TCR=ENABLE)
    lpc55.run(3)
    assert lpc55.read(TC) == 3


def test_lpc55_a_match_above_the_top_never_comes(lpc55: Bench) -> None:
    lpc55.write(MR0=4, MR1=9, MCR=RESET | INTERRUPT << 3, TCR=ENABLE)
    lpc55.run(1000)
    assert lpc55.edges == []


# ------------------------------------------------------------------ both


@pytest.mark.parametrize("model", [Stm32Timer, Lpc55Ctimer])
def test_a_snapshot_goes_on_where_it_was(model: type[Stm32Timer] | type[Lpc55Ctimer]) -> None:
    bench = Bench(model)
    if model is Stm32Timer:
        bench.write(PSC=2, ARR=9, EGR=UPDATE, SR=0, DIER=UPDATE, CR1=CEN)
    else:
        bench.write(PR=2, MR0=9, MCR=INTERRUPT | RESET, TCR=ENABLE)
    bench.run(17)
    clock, timer = bench.clock.save(), bench.timer.save()
    bench.run(40)
    first = bench.edges[:]
    assert first
    bench.edges.clear()
    bench.clock.restore(clock)
    bench.timer.restore(timer)
    bench.drive(False)
    bench.run(40)
    assert bench.edges == first


@pytest.mark.parametrize("model", [Stm32Timer, Lpc55Ctimer])
def test_a_reset_stops_counting(model: type[Stm32Timer] | type[Lpc55Ctimer]) -> None:
    bench = Bench(model)
    if model is Stm32Timer:
        bench.write(ARR=9, DIER=UPDATE, CR1=CEN)
    else:
        bench.write(MR0=9, MCR=INTERRUPT | RESET, TCR=ENABLE)
    bench.run(15)
    assert bench.level
    bench.timer.reset()
    assert not bench.level
    bench.run(1000)
    assert not bench.level
