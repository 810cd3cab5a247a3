"""Boards where Unicorn's internals cannot be reached: what still works, and the notices."""

from __future__ import annotations

from typing import Any

import pytest

from idoldbg.target.emulated.emu import StopReason, calibration

from .machines import ALL, RESULTS, Machine, word, words
from .test_debug import busy_program
from .test_exceptions import fault_handlers
from .test_mpu import BLOCK, task_program
from .thumb import LR, PSP

each_core = pytest.mark.parametrize("machine", ALL, ids=str)


def nothing(*_args: Any, **_options: Any) -> None:
    """Find nothing."""


@each_core
def test_this_platform_is_calibrated(machine: Machine) -> None:
    board = machine.boot(busy_program(machine))
    assert board.notices == ()
    assert board.enforces_mpu


@each_core
def test_without_mpu_tasks_run_unprotected_with_a_notice(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_find_mpu", nothing)
    p = task_program(machine)
    p.mov(0, BLOCK + 0x200)
    p.half(0x6001)  # not its own
    p.svc()
    p.idle()
    p.handler(11)
    p.store(RESULTS, 11)
    p.bx(LR)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    assert word(board, 0) == 11
    assert not board.enforces_mpu
    assert "without memory protection" in " ".join(board.notices)


@pytest.mark.parametrize(
    "missing", ["_writable_mappings", "_mpu_works", "_find_context_fields"], ids=str.strip
)
@each_core
def test_failed_calibration_disables_enforcement(
    machine: Machine, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result: Any = [] if missing == "_writable_mappings" else False
    monkeypatch.setattr(calibration, missing, lambda *_a, **_o: result)
    board = machine.boot(busy_program(machine))
    board.run(0.001)
    assert not board.enforces_mpu
    assert words(board, 2)[1] > 10


@each_core
def test_without_instruction_counts_time_is_approximate(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_find_counter", nothing)
    p = machine.program()
    p.store(0xE000E014, 999)
    p.store(0xE000E018, 0)
    p.store(0xE000E010, 7)
    p.idle()
    p.handler(15)
    p.count(RESULTS)
    p.bx(LR)
    board = machine.boot(p)
    assert "time is approximate" in " ".join(board.notices)
    assert board.run(0.01) is StopReason.TIME
    ticks = board.cycles_per_second // 100 // 1000
    assert ticks / 3 < word(board, 0) <= ticks
