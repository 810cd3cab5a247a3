"""Several pieces in one exchange: which probes can, and what they then return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.probe import cmsis_dap_probe

from idoldbg.call.calls import prepare_call
from idoldbg.errors import FaultError, LinkError
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
from idoldbg.target.probe.link import PyocdLink, open_probe

from ..conftest import FLASH, RAM, FakeChip

PIECES = ((RAM, 4), (RAM + 0x3FD, 9), (FLASH, 12), (RAM + 3, 1), (RAM + 0x7FC, 0x80C))
"""Words and parts of words; two are over the end of what an address counts on by itself."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, no_block_access: None) -> list[str]:
    """Make the emulated probe one that queues, as CMSIS-DAP; note what it is asked."""
    monkeypatch.delattr(EmulatedProbe, "read_ranges")
    monkeypatch.setattr(cmsis_dap_probe, "CMSISDAPProbe", EmulatedProbe)
    log: list[str] = []

    def note(read: Callable[..., Any]) -> Callable[..., Any]:
        def noting(self: EmulatedProbe, *arguments: Any, now: bool = True) -> Any:
            answer = read(self, *arguments, now=False)

            def taken() -> Any:
                log.append("taken")
                return answer()

            if now:
                return answer()
            log.append("asked")
            return taken

        return noting

    for name in ("read_ap", "read_ap_multiple"):
        monkeypatch.setattr(EmulatedProbe, name, note(getattr(EmulatedProbe, name)))
    return log


@pytest.fixture
def link(probe_id: str) -> Iterator[PyocdLink]:
    with open_probe(probe_id) as opened:
        yield opened


def test_all_is_asked_before_any_answer_is_taken(
    chip: FakeChip, asked: list[str], link: PyocdLink
) -> None:
    expected = [chip.read(address, size) for address, size in PIECES]
    asked.clear()
    assert link.read_many(PIECES) == expected
    assert link.reads_at_once
    first = asked.index("taken")
    assert "asked" not in asked[first:]
    assert first >= len(PIECES)


def test_writes_and_reads_are_one_exchange(
    chip: FakeChip, asked: list[str], link: PyocdLink
) -> None:
    assert not link.exchanges  # nothing was read yet
    link.read_many([(RAM, 4), (RAM + 8, 4)])
    assert link.exchanges
    asked.clear()
    written = [(RAM + 0x10, b"12345678"), (RAM + 0x14, b"abcd"), (RAM + 0x21, b"xyz")]
    found = link.exchange(written, [(RAM + 0x10, 8), (FLASH, 4), (RAM + 0x20, 4)])
    assert found == [b"1234abcd", chip.read(FLASH, 4), chip.read(RAM + 0x20, 4)]
    assert chip.read(RAM + 0x21, 3) == b"xyz"
    assert "asked" not in asked[asked.index("taken") :]
    assert link.exchange([(RAM, b"wxyz")], []) == []
    assert chip.read(RAM, 4) == b"wxyz"


def test_an_exchange_where_the_probe_has_none(chip: FakeChip, link: PyocdLink) -> None:
    found = link.exchange([(RAM, b"abcd"), (RAM + 8, b"e")], [(RAM, 12), (FLASH, 4)])
    assert found == [chip.read(RAM, 12), chip.read(FLASH, 4)]
    assert found[0].startswith(b"abcd")
    with pytest.raises(FaultError):
        link.exchange([(0xFFFF_FFFC, b"12345678")], [])


@pytest.mark.parametrize("is_written", [True, False])
def test_after_a_garbled_answer_nothing_is_written_twice(
    chip: FakeChip, link: PyocdLink, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    """Reads are repeated where memory shows that the writes were made."""

    def garbled(ap: object, writes: list[tuple[int, bytes]], ranges: object) -> list[bytes]:
        for address, data in writes if is_written else ():
            chip.write(address, data)
        raise exceptions.TransferError("parity")

    monkeypatch.setattr("idoldbg.target.probe.access.exchange_blocks", garbled)
    if is_written:
        assert link.exchange([(RAM, b"abcd")], [(RAM, 4)]) == [b"abcd"]
        with pytest.raises(LinkError):
            link.exchange([(RAM, b"abcd")], [])
    else:
        before = chip.read(RAM, 4)
        with pytest.raises(LinkError):
            link.exchange([(RAM, b"abcd")], [(RAM, 4)])
        assert chip.read(RAM, 4) == before


def test_a_piece_without_memory_leaves_the_link_in_order(
    chip: FakeChip, asked: list[str], link: PyocdLink
) -> None:
    with pytest.raises(FaultError):
        link.read_many([(RAM, 4), (0x3000_0000, 4), (RAM, 8)])
    assert link.read_many([(RAM, 4), (RAM + 8, 4)]) == [chip.read(RAM, 4), chip.read(RAM + 8, 4)]


@pytest.mark.parametrize("has_interface", [True, False])
def test_other_probes_answer_each_piece_by_itself(
    chip: FakeChip,
    probe_id: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    has_interface: bool,
) -> None:
    """As ST-Link and J-Link, which access memory without registers, and as Picoprobe."""
    if not has_interface:
        request.getfixturevalue("no_block_access")
    monkeypatch.delattr(EmulatedProbe, "read_ranges")
    with open_probe(probe_id) as link:
        assert link.read_many(PIECES) == [chip.read(*piece) for piece in PIECES]
        assert not link.reads_at_once


def test_a_call_through_a_probe_that_queues_takes_three_transactions(asked: list[str]) -> None:
    """Besides polls: a look at hiffy; the program and its kick; the proof of whose it was."""
    with open_session(TargetOptions(probe="pyocd:emu"), notify=lambda _: None) as session:
        call = prepare_call(
            session.program.operation("Sensor.temperature"), {}, read_data=lambda _: b""
        )
        session.caller.call(call)
        before = session.traffic
        session.caller.call(call)
        traffic = session.traffic - before
    assert traffic.transactions - traffic.polls == 3


@pytest.mark.parametrize(
    ("board", "bare", "leased"),
    [("stm32f4-discovery", 9, 11), ("lpcxpresso55s69", 9, 11), ("nucleo-g031", 8, 10)],
)
def test_a_repeated_call_where_each_read_is_a_transaction(
    board: str, bare: int, leased: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Besides polls: hiffy's task, the clock, words; three writes; results, program, words again.

    A read lease is written and read back. On the smallest board results and program are near.
    """
    monkeypatch.setattr(EmulatedLink, "reads_at_once", False, raising=False)
    with open_session(TargetOptions(board=board, probe="emu"), notify=lambda _: None) as session:
        session.target.memory.wait(1.0)  # a young kernel's image is looked at each time
        arguments = {"device_index": "0", "source": "hex:9f000000", "sink": "4"}
        for name, more, count in (
            ("Sensor.temperature", {}, bare),
            ("Spi.exchange", arguments, leased),
        ):
            call = prepare_call(session.program.operation(name), more, read_data=lambda _: b"")
            for _ in range(3):
                session.caller.call(call)
            before = session.traffic
            for _ in range(4):
                session.caller.call(call)
            traffic = session.traffic - before
            assert traffic.transactions - traffic.polls == 4 * count
