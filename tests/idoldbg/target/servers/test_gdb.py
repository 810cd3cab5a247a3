"""The link to a GDB server, on a server that is a fake, and spoilt to order.

QEMU, pyOCD and OpenOCD themselves are in `tests/idoldbg/target/schemes/test_gdb.py`.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from idoldbg.cli import exit_code
from idoldbg.errors import FaultError, LinkError, Unsupported
from idoldbg.target.servers.gdb import NOT_KEPT, SHORT_HALTS, GdbLink
from tests.idoldbg.target.conftest import DHCSR, FLASH, RAM, S_HALT, FakeChip
from tests.idoldbg.target.servers.peers import LINES, FakeGdb, Fault, serving

LIMIT_S = 0.2
SLOW = ("silence", "short", "garbage")
"""Kinds that end a wait at its limit: a sample of the answers is enough."""
XML = b"<target>%b</target>" % b"".join(
    b'<reg name="%b" bitsize="32"/>' % name.encode()
    for name in (*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr")
)
RESETS = {"version": b"a fake", "reset halt": b"done\n"}
WAYS = {
    "plain": {},
    "with acknowledgements": {"acknowledges": True, "monitor": RESETS},
    "with a description": {"xml": {"target.xml": XML}, "monitor": RESETS},
    "without X": {"has_binary": False, "packet_size": 64, "monitor": RESETS},
}


def open_link(port: int, limit_s: float = 60, notices: list[str] | None = None) -> GdbLink:
    notify = (lambda notice: None) if notices is None else notices.append
    spec = f"gdb:localhost:{port}"
    return GdbLink(spec, "127.0.0.1", port, notify=notify, limit_s=limit_s)


@pytest.fixture(params=WAYS)
def server(request: pytest.FixtureRequest, chip: FakeChip) -> FakeGdb:
    chip.memory[RAM][:4] = bytes(4)
    return FakeGdb(chip, **WAYS[request.param])


@pytest.fixture
def link(server: FakeGdb) -> Iterator[GdbLink]:
    with serving(server) as served, open_link(served.port) as link:
        yield link


def runs(chip: FakeChip, limit_s: float = 60) -> bool:
    """Return whether the core runs, as soon as the server has got what it was sent."""
    end = time.monotonic() + limit_s
    while chip.is_halted and time.monotonic() < end:
        time.sleep(0.01)
    return not chip.is_halted


def test_memory_by_short_halts(link: GdbLink, chip: FakeChip) -> None:
    assert link.notices[0] == SHORT_HALTS
    assert runs(chip)
    assert link.read(FLASH + 3, 3000) == bytes((3 + n) * 7 & 0xFF for n in range(3000))
    assert runs(chip)
    data = bytes(range(256)) * 3
    link.write(RAM + 1, data)
    assert link.read_many([(RAM, 1), (RAM + 1, len(data))]) == [b"\0", data]
    assert runs(chip)
    assert chip.debug_writes() == []


def test_holes_are_faults(link: GdbLink, chip: FakeChip) -> None:
    with pytest.raises(FaultError, match="the server refuses") as caught:
        link.read(0x90000000, 8)
    assert caught.value.address == 0x90000000
    with pytest.raises(FaultError, match="cannot write 3 bytes"):
        link.write(0x90000000, b"abc")
    with pytest.raises(FaultError, match="beyond"):
        link.read(0xFFFFFFFC, 8)
    assert runs(chip)


def test_a_lost_target_is_a_link_error(
    link: GdbLink, chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: int, size: int) -> bytes:
        raise FaultError("lost", address=address)

    monkeypatch.setattr(chip, "read", refuse)
    with pytest.raises(LinkError, match="reads nothing any more"):
        link.read(FLASH, 4)


def test_registers(link: GdbLink, chip: FakeChip) -> None:
    for name in ("r0", "r12", "sp", "pc", "xpsr"):
        assert link.read_register(name) == chip.registers[name]
    with pytest.raises(Unsupported, match="no register `psp`"):
        link.read_register("psp")
    assert runs(chip)


def test_the_halt_bit_is_what_it_would_be_without_us(link: GdbLink, chip: FakeChip) -> None:
    def is_halted() -> bool:
        return bool(int.from_bytes(link.read(DHCSR, 4), "little") & S_HALT)

    assert not is_halted()
    assert not link.halted(is_halted)
    link.halt()
    assert is_halted()
    assert chip.is_halted
    link.resume()
    assert not is_halted()
    assert runs(chip)


def test_a_halt_is_kept_with_a_notice(chip: FakeChip) -> None:
    notices: list[str] = []
    with serving(FakeGdb(chip)) as served:
        with open_link(served.port, notices=notices) as link:
            link.halt()
            assert link.halted(lambda: link.read_register("pc")) == chip.registers["pc"]
            assert notices == []
        assert notices == [NOT_KEPT]
        assert chip.is_halted


def test_a_core_that_stops_by_itself_stays_stopped(chip: FakeChip) -> None:
    server, notices = FakeGdb(chip), []  # type: ignore[var-annotated]
    server._reader.feed(b"")
    with serving(server) as served, open_link(served.port, notices=notices) as link:
        assert runs(chip)
        feed = server.feed

        def stop_first(data: bytes) -> Iterator[bytes]:
            yield from feed(data)
            if data.startswith(b"$vCont;c"):
                chip.halt()
                yield b"$T05#b9"

        server.feed = stop_first  # type: ignore[method-assign]
        link.read(FLASH, 4)
        for _ in range(500):  # until the stop is here
            if link.read(DHCSR, 4)[2] & 2:
                break
        assert chip.is_halted
        assert "stopped by itself (T05)" in notices[0]


def test_resets_end_at_the_reset_vector(chip: FakeChip) -> None:
    with serving(FakeGdb(chip, monitor=RESETS)) as served, open_link(served.port) as link:
        link.reset()
        assert chip.resets == 1
        assert runs(chip)
        link.reset_with(halt=True, line=False)
        assert (chip.resets, chip.is_halted) == (2, True)
        with pytest.raises(Unsupported, match="without --hard"):
            link.check_reset(line=True)


def test_a_reset_without_effect_is_an_error(chip: FakeChip) -> None:
    monitor = {"version": b"a fake", "halt reset": b""}
    with serving(FakeGdb(chip, monitor=monitor)) as served, open_link(served.port) as link:
        with pytest.raises(LinkError, match="did not bring the core to its reset vector"):
            link.reset()
        assert runs(chip)


def test_a_server_without_commands_cannot_reset(chip: FakeChip) -> None:
    with serving(FakeGdb(chip, monitor={})) as served, open_link(served.port) as link:
        with pytest.raises(Unsupported, match="no `monitor` commands"):
            link.check_reset(line=False)
        with pytest.raises(Unsupported, match="no `monitor` commands"):
            link.reset()
        assert chip.resets == 0


@pytest.mark.parametrize("stop", [b"W00", b"", b"E01"])
def test_a_server_without_a_target(chip: FakeChip, stop: bytes) -> None:
    server = FakeGdb(chip)
    server.stop = stop
    with serving(server) as served, pytest.raises(LinkError, match="the server has no target"):
        open_link(served.port)


def use(port: int, limit_s: float = 60) -> list[object]:
    """Return what a session sees that uses every kind of request."""
    seen: list[object] = []
    with open_link(port, limit_s) as link:
        seen.append(link.read(FLASH, 6 * 248))  # whole packets of it
        link.write(RAM + 64, b"written!!")
        seen.append(link.read(RAM + 64, 9))
        seen.append(link.halted(lambda: link.read_register("pc")))
        link.reset()
        seen.append(link.read(FLASH + 8, 4))
    return seen


@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("kind", LINES)
def test_an_answer_that_is_spoilt_is_an_error_and_never_a_wrong_result(
    kind: str, acknowledges: bool
) -> None:
    """Each answer of a session in turn."""

    def make() -> FakeGdb:
        return FakeGdb(FakeChip(), acknowledges=acknowledges, xml={"target.xml": XML},
                       monitor=RESETS)  # fmt: skip

    counter = Fault("none", -1)
    with serving(make(), counter) as served:
        expected = use(served.port)
    count = counter.seen
    assert count > 25
    failed = 0
    for at in range(0, count, 4 if kind in SLOW else 1):
        fault = Fault(kind, at)
        with serving(make(), fault) as served:
            try:
                assert use(served.port, LIMIT_S) == expected, (kind, at)
            except LinkError as error:
                failed += 1
                assert exit_code(error) in (3, 4), (kind, at)
                assert f"gdb:localhost:{served.port}: " in error.message, (kind, at)
    if kind == "unplug":  # the greeting is tried again, and after the last nothing is expected
        assert failed >= count - 2


def test_a_refused_packet_is_sent_again(chip: FakeChip) -> None:
    server = FakeGdb(chip, acknowledges=True)
    feed, refusals = server.feed, [2]

    def refuse(data: bytes) -> Iterator[bytes]:
        if refusals[0] and b"$m" in data:
            refusals[0] -= 1
            yield b"-"
            return
        yield from feed(data)

    server.feed = refuse  # type: ignore[method-assign]
    with serving(server) as served, open_link(served.port) as link:
        assert link.read(FLASH, 4) == bytes((0, 7, 14, 21))
        refusals[0] = 99
        with pytest.raises(LinkError, match="refused a packet 3 times as garbled"):
            link.read(FLASH, 4)


def test_a_garbled_answer_is_asked_for_again(chip: FakeChip) -> None:
    server = FakeGdb(chip, acknowledges=True)
    feed, spoilt = server.feed, [False]

    def garble(data: bytes) -> Iterator[bytes]:
        if data == b"-":
            spoilt[0] = True
            yield b"$00070e15#c2"
            return
        for answer in feed(data):
            yield answer.replace(b"$00070e15", b"$00070e16")

    server.feed = garble  # type: ignore[method-assign]
    with serving(server) as served, open_link(served.port) as link:
        assert link.read(FLASH, 4) == bytes((0, 7, 14, 21))
        assert spoilt[0]


def test_a_server_busy_with_its_last_client_is_tried_again(chip: FakeChip) -> None:
    fault = Fault("unplug", 0)
    with serving(FakeGdb(chip), fault) as served, open_link(served.port) as link:
        assert link.read(FLASH, 4) == bytes((0, 7, 14, 21))
        assert served.connections == 2


def test_an_interrupt_leaves_the_core_running() -> None:
    """Ctrl-C at any moment: the exchange is ended, and the core runs on."""
    rng, interrupted = random.Random(7), 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(40):
            chip = FakeChip()
            with serving(FakeGdb(chip)) as served:
                link = open_link(served.port)
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0005, 0.02))
                try:
                    for _ in range(100):
                        link.halted(lambda link=link: link.read(FLASH, 2000))  # type: ignore[misc]
                except KeyboardInterrupt:
                    interrupted += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                link.close()
                assert runs(chip, 5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 20
