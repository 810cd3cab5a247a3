"""Device models of the user: how they are found, what they are given, what they may not break."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from idoldbg.devices import I2cDevice
from idoldbg.errors import IdoldbgError, LinkError, NotFound, TargetFileError
from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.emu.devices import own

from .machines import V7M

MODELS = """
from idoldbg.devices import BoardDevice, I2cDevice, MappedDevice, SpiDevice, UartDevice


class Echo(SpiDevice):
    def __init__(self, mask: int = 0xFF) -> None:
        self.mask = mask
        self.last = 0
        self.edges = []

    def select(self) -> None:
        self.edges.append("down")

    def deselect(self) -> None:
        self.edges.append("up")

    def exchange(self, value: int) -> int:
        self.last, answer = value, self.last
        return answer ^ self.mask


class Modem(UartDevice):
    def __init__(self) -> None:
        self.line = ""

    def received(self, value: int) -> None:
        self.line += chr(value)
        if value == 13:
            self.send(b"OK" + self.line.encode())
            self.line = ""


class Alarm(MappedDevice):
    def __init__(self, delay_s: float = 0.001) -> None:
        self.delay_s = delay_s
        self.count = 0

    def reset(self) -> None:
        self.count = 0
        self.interrupt(False)

    def read_word(self, offset: int) -> int:
        return self.count

    def write_word(self, offset: int, value: int) -> None:
        self.interrupt(False)
        self.wake_after(self.delay_s if value else None)

    def woken(self) -> None:
        self.count += 1
        self.interrupt(True)


class Button(BoardDevice):
    def __init__(self) -> None:
        self.seen = []

    def press(self, down: bool) -> None:
        self.drive("key", not down)

    def pin_changed(self, pin: str, level) -> None:
        self.seen.append((pin, level))


class Wrong(I2cDevice):
    def __init__(self) -> None:
        self.answer = 7

    def read(self) -> int:
        return self.answer

    def write(self, value: int) -> bool:
        return 1 // (value - 1) >= 0


class NoModel:
    pass
"""

HEAD = """
name = "bench"
description = "bench"
chip = "stm32f4"
part = "STM32F407VG"
archive_names = []
[emulation]
"""

DEVICES = """
[[emulation.device]]
name = "echo"
model = "models:Echo"
spi = "spi1"
select = "cs"
pins = { cs = { port = "gpioe", pin = 3 } }
options = { mask = 0x0f }

[[emulation.device]]
name = "modem"
model = "models:Modem"
uart = "usart1"

[[emulation.device]]
name = "alarm"
model = "models:Alarm"
memory = { address = 0x4001_2C00, size = 0x400, interrupt = 25 }

[[emulation.device]]
name = "button"
model = "models:Button"
pins = { key = { port = "gpioa", pin = 0 }, light = { port = "gpioa", pin = 1 } }

[[emulation.device]]
name = "wrong"
model = "models:Wrong"
i2c = { bus = "i2c2", address = 0x20 }
"""

Make = Callable[[str], EmulatedBoard]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a board of a file with the models beside it."""
    (tmp_path / "models.py").write_text(MODELS)

    def build(devices: str) -> EmulatedBoard:
        file = tmp_path / "bench.toml"
        file.write_text(HEAD + devices)
        program = V7M.program()
        program.idle()
        return EmulatedBoard(load_board(str(file)), program.build())

    return build


def poke(board: EmulatedBoard, address: int, value: int) -> None:
    board.write(address, value.to_bytes(4, "little"))


def peek(board: EmulatedBoard, address: int) -> int:
    return int.from_bytes(board.read(address, 4), "little")


def test_spi_with_a_pin_as_select(make: Make) -> None:
    board = make(DEVICES)
    spi, port = 0x40013000, 0x40021000
    poke(board, port, 1 << 6)  # PE3 is an output, and low
    poke(board, spi, 0x344)
    board.write(spi + 0x0C, b"\x55")
    board.run(0.001)
    board.read(spi + 0x0C, 1)
    board.write(spi + 0x0C, b"\x00")
    board.run(0.001)
    assert board.read(spi + 0x0C, 1) == bytes([0x55 ^ 0x0F])
    poke(board, port + 0x18, 1 << 3)
    assert board.device("echo").edges == ["down", "up"]  # type: ignore[attr-defined]  # a model


def test_serial_port_both_ways(make: Make) -> None:
    board = make(DEVICES)
    usart = 0x40011000
    poke(board, usart + 0x0C, 1 << 13 | 1 << 3 | 1 << 2)
    for byte in b"AT\r":
        poke(board, usart + 4, byte)
    assert board.uart_sent("usart1") == b"AT\r"
    received = bytes(peek(board, usart + 4) for _ in range(5))
    assert received == b"OKAT\r"
    board.uart_feed("usart1", b"!")
    assert peek(board, usart + 4) == ord("!")
    with pytest.raises(NotFound, match="usart1"):
        board.uart_sent("usart9")


def test_mapped_peripheral_with_interrupt_and_alarm(make: Make) -> None:
    board = make(DEVICES)
    alarm = 0x40012C00
    poke(board, alarm, 1)
    board.run(0.0009)
    assert peek(board, alarm) == 0
    before = board.snapshot()
    board.run(0.0002)
    assert peek(board, alarm) == 1
    assert peek(board, 0xE000E200) >> 25 & 1  # pending
    board.restore(before)
    assert peek(board, alarm) == 0
    board.run(0.0002)
    assert peek(board, alarm) == 1
    board.reset()
    assert peek(board, alarm) == 0


def test_pins_both_ways(make: Make) -> None:
    board = make(DEVICES)
    port = 0x40020000
    poke(board, port, 0)
    button = board.device("button")
    assert not peek(board, port + 0x10) & 1
    board.call_device("button", "press", [False], {})
    assert peek(board, port + 0x10) & 1
    assert board.pin_level("gpioa", 0)
    saved = board.snapshot()
    board.call_device("button", "press", [True], {})
    assert not peek(board, port + 0x10) & 1
    board.restore(saved)
    assert peek(board, port + 0x10) & 1
    poke(board, port, 1 << 2)  # PA1 is an output now
    poke(board, port + 0x18, 1 << 1)
    assert button.seen == [("light", False), ("light", True)]  # type: ignore[attr-defined]  # a model
    with pytest.raises(NotFound, match="did you mean `key`"):
        board.device("button").drive("kye", True)


def test_a_model_that_fails_is_named_with_its_line(make: Make) -> None:
    board = make(DEVICES)
    assert board.i2c_transfer("i2c2", 0x20, b"\x02", 1) == b"\x07"
    with pytest.raises(LinkError, match=r"`wrong` failed in `write`: ZeroDivision.*models.py:\d+"):
        board.i2c_transfer("i2c2", 0x20, b"\x01", 0)
    board.set_device("wrong", "answer", 300)
    with pytest.raises(LinkError, match="returned 300, which is not a byte"):
        board.i2c_transfer("i2c2", 0x20, b"\x02", 1)
    board.set_device("wrong", "answer", sys.stdout)
    with pytest.raises(LinkError, match="`wrong` cannot be kept in a snapshot"):
        board.snapshot()


WRONG = {
    'model = "models:Eco"\nspi = "spi1"\nselect = 0': "did you mean `Echo`",
    'model = "nothing:Echo"\nspi = "spi1"\nselect = 0': "no file nothing.py beside",
    'model = "models:NoModel"\nuart = "usart1"': "not a class derived from idoldbg.devices.Uart",
    'model = "models:Modem"\ni2c = { bus = "i2c1", address = 8 }': "derived from .*I2cDevice",
    'model = "models:Echo"\nspi = "spi1"\nselect = 0\noptions = { mask = "x" }': "of type int",
    'model = "models:Echo"\nspi = "spi1"\nselect = 0\noptions = { maks = 1 }': "`mask`",
    'model = "../models:Echo"\nuart = "usart1"': "must be `module:Class`",
    'model = "models:Echo"\nspi = "spi1"': "`spi` and `select` go together",
    'model = "models:Echo"\nspi = "spi1"\nselect = "cs"': "names the pin `cs`",
    'model = "models:Modem"\nuart = "usart1"\nspi = "spi1"\nselect = 0': "one bus",
    'model = "models:Modem"': "needs one of",
    'model = "models:Modem"\nuart = "spi1"': "needs a lpc55-usart or",
    'model = "models:Wrong"\ni2c = { bus = "i2c1", address = 0x90 }': "7 bits",
    'model = "models:Alarm"\nmemory = { address = 0x4001_1000, size = 0x400 }': "overlap",
    'model = "models:Alarm"\nmemory = { address = 0x7000_0000, size = 0x400 }': "no io window",
    'model = "models:Button"\npins = { key = { port = "gpioa" } }': "`pin` is missing",
    'model = "models:Button"\npins = { key = 3 }': "must be a table",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_in_a_board_file(make: Make, text: str) -> None:
    with pytest.raises(IdoldbgError, match=WRONG[text]):
        make(f'[[emulation.device]]\nname = "x"\n{text}\n')


def test_two_devices_at_one_address(make: Make) -> None:
    again = DEVICES[DEVICES.rindex("[[") :].replace('"wrong"', '"again"')
    with pytest.raises(TargetFileError, match="two devices on `i2c2` have the address 0x20"):
        make(DEVICES + again)
    with pytest.raises(TargetFileError, match="two devices are called `wrong`"):
        make(DEVICES + DEVICES[DEVICES.rindex("[[") :])


def test_a_module_that_cannot_be_imported(make: Make, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    with pytest.raises(TargetFileError, match=r"cannot be imported: ModuleNotFound.*broken.py:1"):
        make('[[emulation.device]]\nname = "x"\nmodel = "broken:X"\nuart = "usart1"\n')


def test_entry_points_of_packages(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("acme-dummy", f"{__name__}:Dummy", own.GROUP)
    monkeypatch.setattr(own, "entry_points", lambda group: [entry] if group == own.GROUP else [])
    for model in ("acme-dummy", f"{__name__}:Dummy"):
        board = make(
            f'[[emulation.device]]\nname = "x"\nmodel = "{model}"\n'
            'i2c = { bus = "i2c1", address = 9 }\n'
        )
        assert isinstance(board.device("x"), Dummy)


class Dummy(I2cDevice):
    """A model of an installed package."""


def test_only_files_beside_a_board_file_that_was_named(make: Make, tmp_path: Path) -> None:
    """Neither the current folder nor the import path leads to a model."""
    board = load_board("stm32f4-discovery")
    assert board.folder == ""
    spec = load_board(str(_file(tmp_path, "pathlib:Path"))).emulation
    assert spec is not None
    for folder in ("", str(tmp_path)):
        with pytest.raises(TargetFileError, match="no model `pathlib:Path`"):
            own.make_own_device(spec.devices[0], folder)


def _file(folder: Path, model: str) -> Path:
    file = folder / "named.toml"
    file.write_text(
        HEAD + f'[[emulation.device]]\nname = "x"\nmodel = "{model}"\nuart = "usart1"\n'
    )
    return file
