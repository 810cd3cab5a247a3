"""pyOCD's own session, and our link, on emulated boards of each core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.probe.aggregator import DebugProbeAggregator

from idoldbg.errors import FaultError
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.probe.link import open_probe

from .conftest import COUNTER, LOOP, RAM, ProbedBoard


@contextmanager
def session(unique_id: str, **options: Any) -> Iterator[Any]:
    """Open the probe as every pyOCD tool does; give the target."""
    probe = DebugProbeAggregator.get_probe_with_id(unique_id)
    with Session(probe, no_config=True, user_script=os.devnull, **options) as opened:
        yield opened.target


@pytest.fixture(params=[True, False], ids=["blocks", "registers"])
def target(request: pytest.FixtureRequest, probed: ProbedBoard) -> Iterator[Any]:
    with session(probed.unique_id, **{"emu.block_access": request.param}) as opened:
        yield opened


def test_default_session_halts_and_finds_the_core(target: Any, probed: ProbedBoard) -> None:
    parts = {"stm32f4-discovery": 0xC24, "lpcxpresso55s69": 0xD21, "nucleo-g031": 0xC60}
    assert target.get_state() == Target.State.HALTED
    assert target.selected_core.core_type == parts[probed.board.board.name]
    assert target.dp.aps.keys() == {0}
    assert target.aps[0].has_rom_table


def test_memory_of_all_widths(target: Any, probed: ProbedBoard) -> None:
    target.write32(RAM + 0x400, 0x44332211)
    target.write16(RAM + 0x404, 0x6655)
    target.write8(RAM + 0x407, 0x88)
    assert target.read32(RAM + 0x400) == 0x44332211
    assert target.read8(RAM + 0x403) == 0x44
    assert target.read16(RAM + 0x402) == 0x4433
    assert probed.board.read(RAM + 0x400, 8) == b"\x11\x22\x33\x44\x55\x66\x00\x88"
    data = list(range(256)) * 16
    target.write_memory_block8(RAM + 0x801, data)
    assert list(target.read_memory_block8(RAM + 0x801, len(data))) == data


def test_fault_names_its_address_and_is_survived(target: Any) -> None:
    for access in (
        lambda: target.read32(0x60000000),
        lambda: target.write32(0x60000000, 0),
        lambda: target.aps[0].read_memory_block32(0x60000000, 16),
    ):
        with pytest.raises(exceptions.TransferFaultError) as caught:
            access()
        assert caught.value.fault_address == 0x60000000
    target.read32(RAM)


def test_run_control(target: Any, probed: ProbedBoard) -> None:
    target.reset_and_halt()
    assert target.read_core_register("pc") == probed.flash + 0x100
    assert target.read_core_register("sp") == RAM + 0x1000
    target.step()
    assert target.read_core_register("pc") == probed.flash + 0x102
    assert target.read_core_register("r0") == COUNTER
    target.step()
    target.step()
    assert target.read_core_register("pc") == probed.flash + LOOP + 2
    assert target.read_core_register("r1") == 1


def test_registers_can_be_written(target: Any, probed: ProbedBoard) -> None:
    target.reset_and_halt()
    target.write_core_register("r7", 0xCAFE0007)
    target.write_core_register("pc", probed.flash + LOOP)
    target.step()
    assert target.read_core_register("r7") == 0xCAFE0007
    assert target.read_core_register("pc") == probed.flash + LOOP + 2


def test_running_and_halting(target: Any, probed: ProbedBoard) -> None:
    target.reset_and_halt()
    target.write32(COUNTER, 0)
    target.resume()
    assert target.get_state() == Target.State.RUNNING
    assert any(target.read32(COUNTER) for _ in range(1000))
    target.halt()
    count = target.read32(COUNTER)
    assert target.get_state() == Target.State.HALTED
    assert target.read32(COUNTER) == count, "no time passes while halted"
    assert probed.flash + LOOP <= target.read_core_register("pc") <= probed.flash + 0x10A


def test_breakpoints(target: Any, probed: ProbedBoard) -> None:
    target.reset_and_halt()
    where = probed.flash + LOOP + 2
    assert target.set_breakpoint(where)
    for turn in (1, 2, 3):
        target.resume()
        for _ in range(1000):
            if target.get_state() == Target.State.HALTED:
                break
        assert target.get_state() == Target.State.HALTED
        assert target.read_core_register("pc") == where
        assert target.read_core_register("r1") == turn
    target.remove_breakpoint(where)
    target.resume()
    assert target.get_state() == Target.State.RUNNING


@pytest.mark.parametrize("how", [Target.ResetType.HARDWARE, Target.ResetType.SYSTEM])
def test_resets(target: Any, probed: ProbedBoard, how: Any) -> None:
    before = probed.board.reset_count
    target.reset(how)
    assert probed.board.reset_count == before + 1
    target.reset_and_halt(how)
    assert target.read_core_register("pc") == probed.flash + 0x100


@pytest.mark.parametrize("mode", ["attach", "under-reset", "pre-reset"])
def test_connect_modes(probed: ProbedBoard, mode: str) -> None:
    probed.board.run(0.001)
    before = probed.board.reset_count
    with session(probed.unique_id, connect_mode=mode) as target:
        attached = mode == "attach"
        expected = Target.State.RUNNING if attached else Target.State.HALTED
        assert target.get_state() == expected
        assert (probed.board.reset_count == before) == attached
        if mode == "under-reset":
            assert target.read_core_register("pc") == probed.flash + 0x100


def debug_state(board: EmulatedBoard) -> tuple[bytes, ...]:
    """DHCSR (without its sticky bits) and DEMCR, breakpoint comparators, and the reset count."""
    control = board.read(0xE000EDF0, 4)[0]
    return (
        bytes([control & 0xF]),
        board.read(0xE000EDFC, 4),
        board.read(0xE0002000, 0x18),
        board.reset_count.to_bytes(4, "little"),
    )


def test_our_link_leaves_no_trace(probed: ProbedBoard) -> None:
    probed.board.run(0.001)
    probed.board.set_breakpoint(probed.flash + 0x10E)
    before = debug_state(probed.board)
    with open_probe(probed.unique_id) as link:
        first = link.read(COUNTER, 4)
        link.wait(0.002)
        assert link.read(COUNTER, 4) != first
        with pytest.raises(FaultError):
            link.read(0x60000000, 16)
        assert probed.flash + LOOP <= link.read_register("pc") <= probed.flash + 0x10A
        assert link.read_register("r0") == COUNTER
    assert debug_state(probed.board) == before
    assert not probed.board.is_halted


def test_our_link_resets(probed: ProbedBoard) -> None:
    probed.board.run(0.001)
    before = probed.board.reset_count
    with open_probe(probed.unique_id) as link:
        link.write(COUNTER, bytes(4))
        link.halt()
        link.reset()
        assert probed.board.reset_count == before + 1
        link.wait(0.002)
        assert link.read(COUNTER, 4) != bytes(4)


def test_state_survives_the_session(probed: ProbedBoard) -> None:
    """A board is a thing that stays where it is when the debugger goes."""
    with open_probe(probed.unique_id) as link:
        link.write(RAM + 0x300, b"still here")
    with session(probed.unique_id) as target:
        assert bytes(target.read_memory_block8(RAM + 0x300, 10)) == b"still here"
