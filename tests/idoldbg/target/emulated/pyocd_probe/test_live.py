"""Virtual time that follows the wall clock."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.pyocd_probe.live import (
    SLICE_S,
    VIRTUAL_LIMIT_S,
    WALL_LIMIT_S,
    LiveBoard,
)


class Wall:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Timer:
    """A board with time and run control only. Emulating a second takes `cost` seconds."""

    def __init__(self, wall: Wall, cost: float = 0.0) -> None:
        self.time_s = 0.0
        self.is_halted = False
        self.resets = 0
        self.halts_at = float("inf")
        self._wall, self._cost = wall, cost

    def run(self, seconds: float) -> None:
        self.time_s += seconds
        self._wall.now_s += seconds * self._cost
        self.is_halted = self.time_s >= self.halts_at

    def reset(self) -> None:
        self.resets += 1

    def read(self, address: int, size: int) -> bytes:
        raise NotImplementedError

    def write(self, address: int, data: bytes) -> None:
        raise NotImplementedError

    def read_register(self, name: str) -> int:
        raise NotImplementedError

    def halt(self) -> None:
        self.is_halted = True

    def resume(self) -> None:
        self.is_halted = False


@pytest.fixture
def wall() -> Wall:
    return Wall()


def look(live: LiveBoard) -> None:
    with live.access():
        pass


def test_each_access_catches_up(wall: Wall) -> None:
    timer = Timer(wall)
    live = LiveBoard(timer, wall)
    look(live)
    assert timer.time_s == 0
    for _ in range(3):
        wall.now_s += 0.01
        look(live)
    assert timer.time_s == pytest.approx(0.03)


def test_no_time_passes_while_halted(wall: Wall) -> None:
    timer = Timer(wall)
    live = LiveBoard(timer, wall)
    timer.halt()
    wall.now_s += 5
    look(live)
    timer.resume()
    look(live)
    assert timer.time_s == 0, "nor is it made up for afterwards"
    wall.now_s += 0.01
    look(live)
    assert timer.time_s == pytest.approx(0.01)


def test_a_breakpoint_ends_catching_up(wall: Wall) -> None:
    timer = Timer(wall)
    timer.halts_at = 0.05
    live = LiveBoard(timer, wall)
    wall.now_s += 0.2
    look(live)
    assert timer.time_s == pytest.approx(0.05, abs=SLICE_S)


def test_a_long_pause_is_forgiven(wall: Wall) -> None:
    timer = Timer(wall)
    live = LiveBoard(timer, wall)
    wall.now_s += 3600
    look(live)
    assert timer.time_s == pytest.approx(VIRTUAL_LIMIT_S)
    look(live)
    assert timer.time_s == pytest.approx(VIRTUAL_LIMIT_S)


def test_a_slow_host_still_answers(wall: Wall) -> None:
    timer = Timer(wall, cost=20)
    live = LiveBoard(timer, wall)
    wall.now_s += 0.2
    before_s = wall.now_s
    look(live)
    assert wall.now_s - before_s < WALL_LIMIT_S + 20 * SLICE_S * 2
    at_s = timer.time_s
    look(live)
    assert timer.time_s == at_s, "the emulation's own time is not owed"


def test_reset_line(wall: Wall) -> None:
    timer = Timer(wall)
    live = LiveBoard(timer, wall)
    live.hold_reset(True)
    assert live.in_reset
    wall.now_s += 0.1
    look(live)
    assert (timer.time_s, timer.resets) == (0, 0)
    live.hold_reset(False)
    live.hold_reset(False)
    assert not live.in_reset
    assert timer.resets == 1
