"""Whether a board was reset meanwhile, by the kernel's clock beside the link's."""

from __future__ import annotations

import pytest

from idoldbg.call.hiffy.pace import Continuity

CASES = [
    # ticks at 10 s, then at a time, of a read that took as long
    ((5000, 5020), 10.020, 0.001, True),
    ((5000, 5029), 10.020, 0.001, True),  # a read takes time, too
    ((5000, 5040), 10.020, 0.001, False),  # more than has passed
    ((5000, 5009), 10.020, 0.001, False),  # it stood still: perhaps RAM of before a reset
    ((5000, 5000), 10.005, 0.001, True),  # too short for more than that
    ((5000, 20), 10.020, 0.001, False),  # a reset
    ((5000, 5020), 10.020, 0.2, False),  # read who knows when
    ((5000, 6500), 11.500, 0.001, False),  # too long ago
    ((5000, 5900), 10.900, 0.001, True),
    ((5000, 5980), 9.020, 0.001, False),  # the link's clock goes back
    ((300, 320), 10.020, 0.001, False),  # so young that a reset shows the same
    ((1500, 2400), 10.900, 0.001, False),
    ((5000, None), 10.020, 0.001, False),
]


@pytest.mark.parametrize(("ticks", "at_s", "took_s", "is_unbroken"), CASES)
def test_a_kernel_that_went_on(
    ticks: tuple[int, int | None], at_s: float, took_s: float, is_unbroken: bool
) -> None:
    watch = Continuity()
    watch.begin(ticks[0], 10.0)
    assert watch.is_unbroken(ticks[1], at_s, at_s + took_s) is is_unbroken


def test_without_a_beginning_nothing_is_known() -> None:
    watch = Continuity()
    assert not watch.is_unbroken(5000, 10.0, 10.001)
    watch.begin(5000, 10.0)
    watch.forget()
    assert not watch.is_unbroken(5000, 10.0, 10.001)
