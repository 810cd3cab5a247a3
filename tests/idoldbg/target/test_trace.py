"""Counting of traffic: reads, polls, writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from idoldbg.errors import LinkError
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.link import Link
from idoldbg.target.recording import Recorder
from idoldbg.target.replay import ReplayLink
from idoldbg.target.trace import Trace, Traffic

from .conftest import FLASH, RAM, FakeChip


def test_transactions_of_a_call(chip: FakeChip) -> None:
    link = Trace(EmulatedLink(chip))
    assert isinstance(link, Link)
    link.read(RAM, 16)
    link.write(RAM + 64, bytes(20))
    link.write(RAM + 4, bytes(4))
    link.read(RAM + 8, 4)  # the first look is not a poll …
    link.read(RAM + 8, 4)  # … looking again is,
    link.wait(0.001)
    link.read(RAM + 8, 8)  # and so is looking after a wait
    link.read(RAM + 80, 100)
    assert link.traffic == Traffic(
        block_reads=3, block_writes=2, polls=2, waits=1, bytes_read=132, bytes_written=24
    )
    assert link.traffic.transactions == 7
    assert "7 transactions (3 reads, 2 writes, 2 polls)" in str(link.traffic)


def test_differences(chip: FakeChip) -> None:
    link = Trace(EmulatedLink(chip))
    link.read(RAM, 4)
    before = link.traffic
    link.write(RAM, b"abc")
    assert link.traffic - before == Traffic(block_writes=1, bytes_written=3)


def test_everything_else_is_forwarded(chip: FakeChip) -> None:
    with Trace(EmulatedLink(chip, spec="emu", notices=("a notice",))) as link:
        assert (link.spec, link.description, link.notices) == (
            "emu", "emulated board", ("a notice",),
        )  # fmt: skip
        assert link.halted(lambda: (chip.is_halted, link.read_register("r0"))) == (True, 0x1000)
        link.halt()
        link.resume()
        link.reset()
    assert chip.resets == 1
    assert link.traffic == Traffic(register_reads=1)


class ExchangingLink(EmulatedLink):
    """A link that writes and reads in one transaction."""

    exchanges = True

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        for address, data in writes:
            self.write(address, data)
        return self.read_many(ranges)


def test_an_exchange_is_one_transaction(chip: FakeChip) -> None:
    assert not Trace(EmulatedLink(chip)).exchanges
    link = Trace(ExchangingLink(chip))
    assert link.exchanges
    assert link.exchange([(RAM, b"abcd"), (RAM + 4, b"e")], [(RAM, 5), (RAM + 8, 4)])[0] == b"abcde"
    link.exchange([(RAM, b"abcd")], [])
    assert link.traffic == Traffic(block_reads=1, block_writes=1, bytes_read=9, bytes_written=9)


def test_an_exchange_is_recorded_and_replayed(chip: FakeChip, tmp_path: Path) -> None:
    inner, path = ExchangingLink(chip), tmp_path / "traffic"
    recorder = Recorder(str(path), inner, archive="", timeout_s=1.0)
    with Trace(inner, recorder) as link:
        found = link.exchange([(RAM, b"abcd")], [(RAM, 4), (FLASH, 2)])
        link.write(RAM, b"x")
    replay = ReplayLink(path.read_text().splitlines())
    assert replay.exchanges
    assert replay.exchange([(RAM, b"abcd")], [(RAM, 4), (FLASH, 2)]) == found
    assert not replay.exchanges
    replay.write(RAM, b"x")
    with pytest.raises(LinkError, match="recorded is"):
        ReplayLink(path.read_text().splitlines()).exchange([(RAM, b"abce")], [(RAM, 4)])
