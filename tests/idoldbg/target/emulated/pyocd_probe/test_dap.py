"""The debug port and access port, register by register."""

from __future__ import annotations

import pytest

from idoldbg.errors import FaultError
from idoldbg.target.emulated.pyocd_probe.dap import AccessFault, Dap

M0PLUS, M4, M7, M33 = 0x410CC601, 0x410FC241, 0x411FC272, 0x410FD214
ABORT, CTRL_STAT, SELECT, RDBUFF = 0x0, 0x4, 0x8, 0xC
CSW, TAR, DRW, BD0, BASE, IDR = 0x00, 0x04, 0x0C, 0x10, 0xF8, 0xFC
POWER = 0x50000000
BYTE, HALF, WORD, INCREMENT, PACKED = 0, 1, 2, 0x10, 0x20


class Ram:
    """64 KiB from address 0."""

    def __init__(self) -> None:
        self.data = bytearray(range(256)) * 256

    def read(self, address: int, size: int) -> bytes:
        if address + size > len(self.data):
            raise FaultError("hole", address=address, size=size)
        return bytes(self.data[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        self.read(address, len(data))
        self.data[address : address + len(data)] = data


class Port:
    """A powered `Dap` with its memory, addressed at access port 0."""

    def __init__(self, cpuid: int = M4) -> None:
        self.dap, self.ram = Dap(cpuid), Ram()
        self.dap.write_dp(CTRL_STAT, POWER)

    def read(self, register: int, port: int = 0) -> int:
        return self.dap.read_ap(self.ram, port, register)

    def write(self, register: int, value: int, port: int = 0) -> None:
        self.dap.write_ap(self.ram, port, register, value)


@pytest.mark.parametrize(
    ("cpuid", "dpidr", "idr"),
    [
        (M0PLUS, 0x0BC11477, 0x04770031),
        (M4, 0x2BA01477, 0x24770011),
        (M7, 0x6BA02477, 0x84770001),
        (M33, 0x6BA02477, 0x84770001),
    ],
)
def test_identification(cpuid: int, dpidr: int, idr: int) -> None:
    port = Port(cpuid)
    assert port.dap.read_dp(0) == dpidr
    assert port.read(IDR) == idr
    assert port.read(BASE) == 0xE00FF003
    assert port.read(IDR, port=1) == 0, "there is one access port"
    assert bool(port.read(CSW) & 1 << 23) == (cpuid == M33), "secure debug is enabled on v8-M"


def test_power_is_acknowledged_and_needed() -> None:
    port = Port()
    assert port.dap.read_dp(CTRL_STAT) & 0xF0000000 == 0xF0000000
    port.dap.write_dp(CTRL_STAT, 0x10000000)
    assert port.dap.read_dp(CTRL_STAT) & 0xF0000000 == 0x30000000
    with pytest.raises(AccessFault, match="power"):
        port.read(IDR)


@pytest.mark.parametrize(
    ("size", "address", "value"),
    [
        (WORD, 0x10, 0x13121110),
        (HALF, 0x10, 0x1110),
        (HALF, 0x12, 0x13120000),
        (BYTE, 0x10, 0x10),
        (BYTE, 0x11, 0x1100),
        (BYTE, 0x13, 0x13000000),
    ],
)
def test_byte_lanes(size: int, address: int, value: int) -> None:
    port = Port()
    port.write(CSW, size)
    port.write(TAR, address)
    assert port.read(DRW) == value
    before = bytes(port.ram.data)
    port.write(DRW, value ^ 0xFFFFFFFF)
    width = 1 << size
    assert port.ram.data[address : address + width] == bytes(
        b ^ 0xFF for b in before[address : address + width]
    )
    port.ram.data[address : address + width] = before[address : address + width]
    assert port.ram.data == before, "no neighbour was touched"


@pytest.mark.parametrize(("cpuid", "wrap"), [(M4, 0x1000), (M33, 0x400), (M0PLUS, 0x400)])
def test_address_increment_wraps(cpuid: int, wrap: int) -> None:
    port = Port(cpuid)
    port.write(CSW, WORD | INCREMENT)
    port.write(TAR, 3 * wrap - 4)
    port.read(DRW)
    assert port.read(TAR) == 2 * wrap
    port.write(DRW, 0)
    assert port.read(TAR) == 2 * wrap + 4
    port.write(CSW, WORD)
    port.read(DRW)
    assert port.read(TAR) == 2 * wrap + 4, "only with ADDRINC"


@pytest.mark.parametrize("size", [BYTE, HALF])
@pytest.mark.parametrize("start", [0x10, 0x11, 0x12])
def test_packed_transfers_move_a_whole_word(size: int, start: int) -> None:
    """Each part is in the lane of its own address (IHI 0031E, C2.2.6)."""
    start &= ~((1 << size) - 1)
    port = Port(M4)
    port.write(CSW, size | PACKED)
    assert port.read(CSW) & 0x30 == PACKED
    port.write(TAR, start)
    expected = sum(a << 8 * (a & 3) for a in range(start, start + 4))  # memory holds addresses
    assert port.read(DRW) == expected
    assert port.read(TAR) == start + 4
    port.write(TAR, start)
    port.write(DRW, expected ^ 0xFFFFFFFF)
    written = bytes(~a & 0xFF for a in range(start, start + 4))
    assert port.ram.data[start : start + 4] == written
    assert port.ram.data[start - 1] == start - 1
    assert port.ram.data[start + 4] == start + 4


@pytest.mark.parametrize("cpuid", [M33, M0PLUS])
def test_an_access_port_without_packed_transfers_says_so(cpuid: int) -> None:
    port = Port(cpuid)
    port.write(CSW, BYTE | PACKED)
    assert port.read(CSW) & 0x30 == 0


def test_banked_data_registers() -> None:
    port = Port()
    port.write(TAR, 0x48)
    assert port.read(BD0 + 4) == 0x47464544
    port.write(BD0 + 8, 0xDDCCBBAA)
    assert port.ram.data[0x48:0x4C] == b"\xaa\xbb\xcc\xdd"


def test_unsupported_size_reads_back_as_a_supported_one() -> None:
    port = Port()
    port.write(CSW, 5)
    assert port.read(CSW) & 7 == WORD


def test_read_buffer() -> None:
    port = Port()
    port.write(TAR, 0x10)
    port.read(DRW)
    assert port.dap.read_dp(RDBUFF) == 0x13121110


def test_a_fault_sticks_until_aborted() -> None:
    port = Port()
    port.write(TAR, 0x20000)
    with pytest.raises(AccessFault) as caught:
        port.read(DRW)
    assert caught.value.address == 0x20000
    assert port.dap.read_dp(CTRL_STAT) & 1 << 5
    with pytest.raises(AccessFault, match="STICKYERR"):
        port.read(IDR)
    port.dap.write_dp(ABORT, 1 << 2)
    assert not port.dap.read_dp(CTRL_STAT) & 1 << 5
    assert port.read(IDR)
    with pytest.raises(AccessFault):
        port.write(DRW, 0)


def test_dp_banks_other_than_0_read_as_zero() -> None:
    port = Port()
    port.dap.write_dp(SELECT, 2)
    assert port.dap.read_dp(CTRL_STAT) == 0
    port.dap.write_dp(CTRL_STAT, 0)
    port.dap.write_dp(SELECT, 0)
    assert port.dap.is_powered
