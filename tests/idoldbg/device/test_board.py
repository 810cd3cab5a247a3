"""The board around the firmware, from Python: devices, ports and buses by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import idoldbg
from idoldbg.device import Device
from idoldbg.errors import ArgumentError, LinkError, NotFound, Unsupported
from idoldbg.session import demo_archive

BOARD = """
name = "bench"
description = "bench"
chip = "stm32f4"
part = "STM32F407VG"
archive_names = []
[emulation]
[[emulation.device]]
name = "lamp"
model = "lamp:Lamp"
i2c = { bus = "i2c1", address = 0x20 }
"""
MODEL = """
from idoldbg.devices import I2cDevice


class Lamp(I2cDevice):
    def __init__(self) -> None:
        self.level = 3

    def write(self, value: int) -> bool:
        self.level = value
        return value < 0x80

    def double(self, times: int = 1) -> int:
        self.level *= 2**times
        return self.level
"""


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder: Path = tmp_path_factory.mktemp("bench")
    (folder / "bench.toml").write_text(BOARD)
    (folder / "lamp.py").write_text(MODEL)
    archive = str(demo_archive("stm32f4-discovery"))
    with idoldbg.attach(archive, board=folder / "bench.toml", probe="emu") as device:
        yield device


def test_a_device_is_read_set_and_called(dev: Device) -> None:
    lamp = dev.board.device("lamp")
    lamp.level = 5
    assert lamp.double() == 10
    assert lamp.double(times=2) == 40
    assert repr(lamp) == "<lamp: Lamp(level=40)>"
    with pytest.raises(AttributeError, match="has no `lvel`; it has level"):
        lamp.lvel = 1
    with pytest.raises(LinkError, match="`lamp` failed in `double`: TypeError"):
        lamp.double("x")
    with pytest.raises(NotFound, match="did you mean `lamp`"):
        dev.board.device("lmap")


def test_a_bus_is_reached_without_firmware(dev: Device) -> None:
    bus = dev.board.i2c("i2c1")
    assert bus.probe(0x20)
    assert not bus.probe(0x21)
    bus.transfer(0x20, b"\x11")
    assert dev.board.device("lamp").level == 0x11
    with pytest.raises(LinkError, match="0x20 did not acknowledge"):
        bus.transfer(0x20, b"\x80")
    with pytest.raises(NotFound, match="known: i2c1, i2c2, i2c3"):
        dev.board.i2c("i2c7").probe(0x20)
    with pytest.raises(ArgumentError, match="0x00 to 0x7f"):
        bus.probe(0x90)


def test_ports_and_pins_by_name(dev: Device) -> None:
    dev.board.uart("usart1").send("hello")
    assert dev.board.uart("usart1").sent() == b""
    with pytest.raises(NotFound, match="known: usart2, usart1"):
        dev.board.uart("console")
    assert dev.board.pin("gpioa", 0) is False
    with pytest.raises(NotFound, match="GPIO port"):
        dev.board.pin("gpioz", 0)


def test_other_targets_have_no_board() -> None:
    with idoldbg.attach(probe="pyocd:emu") as dev, pytest.raises(Unsupported, match="not in this"):
        dev.board.device("lamp")
