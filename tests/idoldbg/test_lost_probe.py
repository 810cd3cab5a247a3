"""A probe that goes away in the middle of a call, at every access that a call makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyocd.core.exceptions import ProbeDisconnected

from idoldbg.cli import run
from idoldbg.session import emulated_board
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board

UID = "loose-cable"
WORDS = ["-p", f"pyocd:{UID}", "--timeout", "60", "call", "Jefe.get_state"]


class LooseCable:
    """An emulated board whose probe disappears after so many accesses to its memory."""

    def __init__(self, accesses: int) -> None:
        self.board = emulated_board("stm32f4-discovery")
        self.left = accesses

    def __getattr__(self, name: str) -> Any:
        return getattr(self.board, name)

    def read(self, address: int, size: int) -> bytes:
        self.use()
        return self.board.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.use()
        self.board.write(address, data)

    def use(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ProbeDisconnected("gone")


@pytest.fixture
def loose_cable(request: pytest.FixtureRequest) -> Iterator[None]:
    register_board(UID, lambda: LooseCable(request.param), board_name="stm32f4-discovery")
    yield
    unregister_board(UID)


@pytest.mark.parametrize("loose_cable", [0, 1, 2, 3, 5, 8, 13], indirect=True)
def test_a_lost_probe_is_reported_and_nothing_hangs(
    loose_cable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(WORDS) == 4
    message = capsys.readouterr().err
    assert UID in message
    assert "Traceback" not in message


@pytest.mark.parametrize("loose_cable", [10**9], indirect=True)
def test_the_same_call_works_while_the_cable_holds(
    loose_cable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(WORDS) == 0
    assert capsys.readouterr().out == "Jefe.get_state() => 0\n"
