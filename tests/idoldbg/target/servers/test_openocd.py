"""The link through OpenOCD's Tcl port, on a server that is a fake, and spoilt to order.

Debian's OpenOCD itself is in `tests/idoldbg/target/schemes/test_openocd.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idoldbg.cli import exit_code
from idoldbg.errors import FaultError, LinkError, Unsupported
from idoldbg.target.servers.openocd import OpenocdLink
from tests.idoldbg.target.conftest import DHCSR, FLASH, RAM, TICKS, FakeChip
from tests.idoldbg.target.servers.peers import LINES, FakeOpenocd, Fault, serving

LIMIT_S = 0.2
SLOW = ("silence", "short", "garbage")
"""Kinds that end a wait at its limit: a sample of the answers is enough."""


def open_link(port: int, limit_s: float = 60) -> OpenocdLink:
    return OpenocdLink(f"openocd:localhost:{port}", "127.0.0.1", port, limit_s=limit_s)


@pytest.fixture
def server(chip: FakeChip) -> FakeOpenocd:
    return FakeOpenocd(chip)


@pytest.fixture
def link(server: FakeOpenocd) -> Iterator[OpenocdLink]:
    with serving(server) as served, open_link(served.port) as link:
        yield link


def test_memory_is_read_and_written_while_the_core_runs(
    link: OpenocdLink, chip: FakeChip, server: FakeOpenocd
) -> None:
    for address, size in ((FLASH, 4), (FLASH + 1, 2), (FLASH + 3, 5000), (FLASH + 2, 1)):
        expected = bytes((address - FLASH + n) * 7 & 0xFF for n in range(size))
        assert link.read(address, size) == expected
    link.write(RAM + 1, bytes(range(100)) * 60)
    assert link.read(RAM, 6002) == b"\0" + bytes(range(100)) * 60 + b"\0"
    assert not chip.is_halted
    assert chip.debug_writes() == []
    assert link.read(TICKS, 0) == b""


def test_several_reads_are_one_request(link: OpenocdLink) -> None:
    before = link.requests
    found = link.read_many([(FLASH + n * 100, 10) for n in range(40)])
    assert link.requests - before == 1
    assert found[3] == bytes((300 + n) * 7 & 0xFF for n in range(10))
    link.read(FLASH, 0x10000)  # more than one request may ask for
    assert link.requests - before == 3


def test_holes_are_faults_at_their_address(link: OpenocdLink, chip: FakeChip) -> None:
    with pytest.raises(FaultError, match="failed to read memory") as caught:
        link.read_many([(FLASH, 4), (0x90000000, 8), (FLASH, 4)])
    assert (caught.value.address, caught.value.size) == (0x90000000, 8)
    with pytest.raises(FaultError) as caught:
        link.write(0x90000000, b"12345")
    assert caught.value.address == 0x90000000
    with pytest.raises(FaultError, match="beyond"):
        link.read(0xFFFFFFFC, 8)


def test_a_lost_target_is_a_link_error(link: OpenocdLink, server: FakeOpenocd) -> None:
    server.is_lost = True
    with pytest.raises(LinkError, match="cannot reach the target any more"):
        link.read(FLASH, 4)
    server.is_lost = False
    assert link.read(FLASH, 1) == b"\0"


def test_registers_are_those_of_a_halted_core(link: OpenocdLink, chip: FakeChip) -> None:
    assert link.read_register("pc") == chip.registers["pc"]
    assert not chip.is_halted

    def look() -> tuple[int, bool]:
        return link.read_register("SP"), chip.is_halted

    assert link.halted(lambda: link.halted(look)) == (chip.registers["sp"], True)
    assert not chip.is_halted
    for name in ("r16", "s3", "control"):  # none at all, none here, none here
        with pytest.raises(Unsupported):
            link.read_register(name)


def test_a_core_that_stood_still_is_left_so(link: OpenocdLink, chip: FakeChip) -> None:
    link.halt()
    assert link.halted(lambda: link.read_register("pc")) == chip.registers["pc"]
    assert chip.is_halted
    link.resume()
    assert not chip.is_halted


def test_resets(link: OpenocdLink, chip: FakeChip, server: FakeOpenocd) -> None:
    link.reset()
    assert (chip.resets, chip.is_halted) == (1, False)
    link.reset_with(halt=True, line=False)
    assert (chip.resets, chip.is_halted) == (2, True)
    with pytest.raises(Unsupported, match="without a reset line"):
        link.check_reset(line=True)
    with pytest.raises(Unsupported, match="without a reset line"):
        link.reset_with(halt=False, line=True)
    server.reset_config = "srst_only separate srst_gates_jtag"
    link.reset_with(halt=False, line=True)
    assert chip.resets == 3


def test_the_target_is_described(chip: FakeChip, server: FakeOpenocd) -> None:
    chip.halt()
    server.targets = "one.cpu two.cpu"
    with serving(server) as served, open_link(served.port) as link:
        assert link.description == "target one.cpu of Open On-Chip Debugger 0.12.0"
        assert "OpenOCD has 2 targets" in link.notices[0]
        assert "the core is halted" in link.notices[1]


@pytest.mark.parametrize(
    ("version", "targets", "problem"),
    [
        ("Open On-Chip Debugger 0.11.0", "chip.cpu", "0.11.0 cannot read memory"),
        ("Open On-Chip Debugger 0.12.0", " ", "has no target"),
    ],
)
def test_servers_that_cannot_be_used(
    server: FakeOpenocd, version: str, targets: str, problem: str
) -> None:
    server.version, server.targets = version, targets
    with serving(server) as served, pytest.raises(LinkError, match=problem):
        open_link(served.port)


def use(port: int, limit_s: float = 60) -> list[object]:
    """Return what a session sees that uses every kind of request."""
    seen: list[object] = []
    with open_link(port, limit_s) as link:
        seen.append(link.read(FLASH, 64))
        link.write(RAM + 64, b"written!!")
        seen.append(link.read(RAM + 64, 9))
        seen.append(link.halted(lambda: link.read_register("pc")))
        link.reset()
        seen.append(link.read(DHCSR, 4)[2] >> 1 & 1)
    return seen


@pytest.mark.parametrize("kind", LINES)
def test_an_answer_that_is_spoilt_is_an_error_and_never_a_wrong_result(kind: str) -> None:
    """Each answer of a session in turn."""
    server = FakeOpenocd(FakeChip())
    with serving(server) as served:
        expected = use(served.port)
    count = len(server.requests)
    assert count > 12
    for at in range(0, count, 4 if kind in SLOW else 1):
        fault = Fault(kind, at)
        with serving(FakeOpenocd(FakeChip()), fault) as served:
            try:
                assert use(served.port, LIMIT_S) == expected, (kind, at)
                assert kind == "twice" and at == count - 1, (kind, at)
            except LinkError as error:
                assert exit_code(error) == 4, (kind, at)
                assert error.message.startswith(f"openocd:localhost:{served.port}: "), (kind, at)
        assert fault.seen > at


def test_a_server_that_trickles_is_waited_for(server: FakeOpenocd) -> None:
    with serving(server, slowly=True) as served, open_link(served.port) as link:
        assert link.read(FLASH, 8) == bytes(n * 7 & 0xFF for n in range(8))


def test_after_a_failure_the_link_says_why_it_is_closed() -> None:
    with serving(FakeOpenocd(FakeChip()), Fault("unplug", 8)) as served:
        link = open_link(served.port)
        for _ in range(2):
            with pytest.raises(LinkError, match="has closed the connection"):
                for _ in range(9):
                    link.read(FLASH, 4)
        link.close()
        link.close()
