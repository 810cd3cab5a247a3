"""Serial ports of emulated boards from Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import idoldbg
from idoldbg.device.uart import _overlap
from idoldbg.errors import LinkTimeout, NotFound, Unsupported


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_seen_output_is_not_read_again(before: bytes, new: bytes) -> None:
    assert (before + new)[_overlap(before, before + new) :] == new


def test_a_port_that_forgets_its_oldest_bytes() -> None:
    sent = bytes(range(200))
    assert sent[100:][_overlap(sent[:150], sent[100:]) :] == sent[150:]


def test_a_board_says_what_it_sends() -> None:
    with idoldbg.attach(probe="emu") as dev:
        dev.tasks()
        ports = dev.session.target
        assert ports is not None
        dev.uart.read()
        with pytest.raises(LinkTimeout, match="sent nothing that fits 'never'"):
            dev.uart.expect("never", timeout_s=0.02)
        with pytest.raises(NotFound, match="serial port"):
            dev.uart.read("nonesuch")


def test_other_targets_have_no_ports() -> None:
    with idoldbg.attach(probe="pyocd:emu") as dev, pytest.raises(Unsupported, match="serial port"):
        dev.uart.read()
