"""Counting of traffic: reads, polls, writes."""

from __future__ import annotations

from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.link import Link
from idoldbg.target.trace import Trace, Traffic

from .conftest import RAM, FakeChip


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
