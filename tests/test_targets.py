"""Every chip and board file; and that a wrong one is refused with its place and a hint."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from idoldbg.errors import NotFound, TargetFileError
from idoldbg.model.board import (
    PERIPHERAL_MODELS,
    SPI_DEVICE_MODELS,
    Board,
    ChipSelect,
    Core,
    Led,
    validate_board,
    validate_chip,
)
from idoldbg.target.board_files import (
    board_names,
    chip_names,
    find_board_for_archive,
    load_board,
    load_chip,
    parse_board,
    parse_chip,
)

TARGETS = Path(__file__).resolve().parent.parent / "targets"

HUBRIS_BOARDS = """
cosmo-a cosmo-b donglet-g030 donglet-g031 gemini-bu-1 gimlet-b gimlet-c gimlet-d gimlet-e gimlet-f
gimletlet-1 gimletlet-2 grapefruit-a grapefruit-b lpcxpresso55s69 medusa-a minibar-a minibar-b
nucleo-h743zi2 nucleo-h753zi observer-a oxcon2023g0 oxide-rot-1 oxide-rot-1-selfsigned psc-b psc-c
rot-carrier-1 rot-carrier-2 sidecar-b sidecar-c sidecar-d stm32f3-discovery stm32f4-discovery
stm32g031-nucleo stm32g070-nucleo stm32g0b1-nucleo
"""
"""Names in `boards/` of oxidecomputer/hubris."""


def board_text(name: str) -> str:
    return (TARGETS / "boards" / f"{name}.toml").read_text()


def chip_text(name: str) -> str:
    return (TARGETS / "chips" / f"{name}.toml").read_text()


def test_names_are_the_files() -> None:
    assert set(board_names()) == {p.stem for p in TARGETS.glob("boards/*.toml")}
    assert set(chip_names()) == {p.stem for p in TARGETS.glob("chips/*.toml")}


@pytest.mark.parametrize("name", chip_names())
def test_chip_file(name: str) -> None:
    chip = load_chip(name)
    assert chip.name == name
    assert validate_chip(chip) == []


@pytest.mark.parametrize("name", board_names())
def test_board_file(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert name in board.archive_names
    assert validate_board(board) == []
    assert board.probe.pyocd_target == "cortex_m" or not board.probe.pack


HUBRIS_APPS = {
    "lpc55": "lpcxpresso55s69 oxide-rot-1 oxide-rot-1-selfsigned rot-carrier-1 rot-carrier-2",
    "stm32f3": "stm32f3-discovery",
    "stm32f4": "stm32f4-discovery",
    "stm32g0": "donglet-g031 oxcon2023g0 stm32g031-nucleo stm32g070-nucleo stm32g0b1",
    "stm32h7": """
        cosmo-a cosmo-b gemini-bu-1 gimlet-b gimlet-c gimlet-d gimlet-e gimlet-f gimletlet-1
        gimletlet-2 grapefruit-a grapefruit-b medusa-a minibar-a minibar-b nucleo-h743zi2
        nucleo-h753zi observer-a psc-b psc-c sidecar-b sidecar-c sidecar-d
    """,
}
"""Every `board = "…"` of `app/` and `test/` of oxidecomputer/hubris, by the chip."""

FORMER_NAMES = {
    "lpc55": "gimlet-rot-1 gimlet-rot-b gimlet-rot-c",
    "stm32g0": "donglet-g030 stm32g031 stm32g070",
    "stm32h7": """
        gimlet-1 gimlet-a gimletlet-front-io grapefruit minibar psc-1 psc-a sidecar-1 sidecar-a
    """,
}
"""Boards that its history names."""

FLASH_SIZES = {"G030": 32 << 10, "G031": 64 << 10, "G070": 128 << 10, "G0B1": 512 << 10}
RAM_SIZES = {"G030": 8 << 10, "G031": 8 << 10, "G070": 36 << 10, "G0B1": 144 << 10}


@pytest.mark.parametrize("name", HUBRIS_BOARDS.split())
def test_every_board_of_hubris_is_known(name: str) -> None:
    board = find_board_for_archive(name)
    assert board is not None
    assert board.name == name
    assert board.probe.flash_target


@pytest.mark.parametrize(
    ("chip", "name"),
    [(c, n) for known in (HUBRIS_APPS, FORMER_NAMES) for c in known for n in known[c].split()],
)
def test_every_board_of_hubris_is_emulated(chip: str, name: str) -> None:
    from idoldbg.target.emulated.emu import EmulatedBoard

    board = find_board_for_archive(name)
    assert board is not None and board.emulation is not None
    assert board.chip.name == chip
    EmulatedBoard(board, []).close()


@pytest.mark.parametrize("name", [n for n in board_names() if load_board(n).chip.name == "stm32g0"])
def test_memory_is_that_of_the_part(name: str) -> None:
    board = load_board(name)
    sizes = {region.name: region.size for region in board.memory()}
    part = board.part.removeprefix("STM32")[:4]
    assert (sizes["flash"], sizes["ram"]) == (FLASH_SIZES[part], RAM_SIZES[part])


@pytest.mark.parametrize(
    ("archive_name", "name"),
    [("gimlet-rot-c", "oxide-rot-1"), ("stm32g070", "stm32g070-nucleo"), ("grapefruit", None)],
)
def test_former_names_of_boards(archive_name: str, name: str | None) -> None:
    board = find_board_for_archive(archive_name)
    assert board is not None
    assert board.name == (name or "grapefruit-a")


def test_archive_names_are_of_one_board_each() -> None:
    names = [a for n in board_names() for a in load_board(n).archive_names]
    assert len(names) == len(set(names))
    assert find_board_for_archive("toaster") is None


def test_models_have_devices() -> None:
    from idoldbg.target.emulated.emu.core_model import CORE_MODELS
    from idoldbg.target.emulated.emu.devices.catalog import MODELS
    from idoldbg.target.emulated.emu.devices.wiring import SPI_PEERS

    assert set(MODELS) == PERIPHERAL_MODELS
    assert set(SPI_PEERS) == SPI_DEVICE_MODELS
    assert set(CORE_MODELS) == set(Core)


@pytest.mark.parametrize("name", [n for n in board_names() if load_board(n).emulation])
def test_board_can_be_emulated(name: str) -> None:
    from idoldbg.target.emulated.emu import EmulatedBoard, StopReason

    board = EmulatedBoard(load_board(name), [])
    assert board.run(0.001) is StopReason.LOCKUP  # there is no image
    assert not any(board.leds.values())
    board.close()


F4 = "stm32f4-discovery"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chip = ", "chop = ", r"unknown key `chop`; did you mean `chip`\?|`chip` is missing"),
        ('chip = "stm32f4"', 'chip = "stm32f5"', r"no chip named `stm32f5`.*`stm32f4`"),
        ('part = "STM32F407VG"', "part = 4", r"`part` must be a text, not 4"),
        ("pin = 12", 'pin = "12"', r"\[emulation.led.green\]: `pin` must be a number"),
        ("pin = 12", "pin = true", r"`pin` must be a number, not True"),
        ("pin = 12", "pin = -1", r"`pin` must be from 0 to 0xffffffff, not -1"),
        ("pin = 12", "pni = 12", r"`pin` is missing"),
        ("pin = 12", "pin = 12\ncolour = 3", r"\[emulation.led.green\]: unknown key `colour`"),
        ('model = "loopback"', 'model = "loopbock"', r"unknown model `loopbock`"),
        ('bus = "spi1"', 'bus = "gpioa"', r"SPI device `nor-flash` needs a .* is stm32-gpio"),
        ('bus = "spi1"', 'bus = "spi9"', r"names `spi9`, which chip `stm32f4` lacks"),
        ('port = "gpiod"', 'port = "spi1"', r"LED `green` needs a"),
        ('peripheral = "usart2"', 'peripheral = "usart9"', r"UART `console` names `usart9`"),
        ("size = 0x100_0000", "size = 1000", r"power of two"),
        ("jedec_id = 0xEF4018", "jedec_id = 0", r"24-bit `jedec_id`"),
        ("select = {", "select = { line = 0,", r"either `line`, or `port` and `pin`"),
        ("[probe]", "[probe]\nzzz = 1", r"\[probe\]: unknown key `zzz`; known keys: pyocd"),
        ("[probe]", "[probe", r"not valid TOML"),
    ],
)
def test_wrong_board_is_refused(old: str, new: str, message: str) -> None:
    text = board_text(F4)
    assert old in text
    with pytest.raises(TargetFileError, match=message) as caught:
        parse_board(text.replace(old, new, 1), "my.toml")
    assert str(caught.value).startswith("my.toml")
    assert caught.value.path == "my.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'core = "cortex-m4"',
            'core = "cortex-m5"',
            r"`core` is `cortex-m5`; known: cortex-m0plus",
        ),
        ('kind = "flash"', 'kind = "flesh"', r"\[memory.flash\]: `kind` is `flesh`; known: flash"),
        ("size = 0x1_0000", "size = 0xF000_0000", r"overlap"),
        ("size = 0x1_0000", "size = 0", r"memory `ccm`: address and size must be multiples"),
        ("interrupts = 82", "interrupts = 30", r"peripheral `usart2`: no such interrupt: 38"),
        ("address = 0x4001_3000", "address = 0x7001_3000", r"`spi1` .* is in no io window"),
        ("address = 0x4001_3000", "address = 0x4001_1000", r"`spi1` .*overlap"),
        ('model = "stm32-spi-v1"', 'model = "stm32-spi-v7"', r"unknown model `stm32-spi-v7`"),
        ("offset = 0x74", "offset = 0x72", r"register `CSR` is at no word of it"),
        ("offset = 0x74", "offset = 0x08", r"two registers at offset 0x8"),
        ("bits = 0x3, shift = 2", "bits = 0x3, shift = 31", r"`follows` past bit 31"),
        ("vector_table = 0x0000_0000", "vector_table = 0x0000_0010", r"multiple of 128"),
        ("vector_table = 0x0000_0000", "vector_table = 0x7000_0000", r"is in no memory"),
        ("value = 0x8", "value = 0x1", r"clock rule at 0x40023808 can never apply"),
        ('name = "gpiob"', 'name = "gpioa"', r"the name `gpioa` is used twice"),
    ],
)
def test_wrong_chip_is_refused(old: str, new: str, message: str) -> None:
    text = chip_text("stm32f4")
    assert old in text
    with pytest.raises(TargetFileError, match=message):
        parse_chip(text.replace(old, new, 1), "my.toml")


def test_unknown_board_names_the_near_ones() -> None:
    with pytest.raises(NotFound) as caught:
        load_board("stm32f4-discovry")
    assert "stm32f4-discovery" in caught.value.near


NORDIC = """
name = "nrf52840-dk"
description = "Nordic nRF52840 DK"
chip = "nrf52840"
part = "nRF52840"
archive_names = ["nrf52840-dk"]

[probe]
flash_target = "nrf52840"
"""


@pytest.mark.parametrize("text", [NORDIC, NORDIC.replace('chip = "nrf52840"\n', "")])
def test_a_chip_that_is_not_modelled_can_be_flashed(text: str) -> None:
    board = parse_board(text, "my.toml")
    assert not board.chip.is_modelled and board.emulation is None
    assert board.probe.flash_target == "nrf52840"
    assert board.memory() == () and validate_board(board) == []
    from idoldbg.target.emulated.emu import EmulatedBoard

    with pytest.raises(TargetFileError, match="`nrf52840-dk` cannot be emulated"):
        EmulatedBoard(board, [])


def test_a_chip_that_is_not_modelled_cannot_be_emulated() -> None:
    with pytest.raises(TargetFileError, match=r"no chip named `nrf52840`.*drop .emulation"):
        parse_board(NORDIC + "[emulation]\n", "my.toml")
    with pytest.raises(TargetFileError, match="did you mean `stm32f4`"):
        parse_board(board_text(F4).replace('"stm32f4"', '"stm32f44"'), "my.toml")
    with pytest.raises(TargetFileError, match="`chip` is missing"):
        parse_board(board_text(F4).replace('chip = "stm32f4"', ""), "my.toml")


def test_own_board_beside_its_chip(tmp_path: Path) -> None:
    (tmp_path / "stm32f4.toml").write_text(chip_text("stm32f4").replace("82", "90", 1))
    path = tmp_path / "mine.toml"
    path.write_text(re.sub('name = ".*"', 'name = "mine"', board_text(F4), count=1))
    board = load_board(str(path))
    assert (board.name, board.chip.interrupts) == ("mine", 90)


@pytest.mark.parametrize(
    "write", [lambda p: None, lambda p: p.write_bytes(b"\xff\xfe"), lambda p: p.mkdir(), os.mkfifo]
)
def test_unreadable_file(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "mine.toml"
    write(path)
    with pytest.raises((TargetFileError, NotFound), match=re.escape(str(path))):
        load_board(str(path))


def test_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(TargetFileError, match="more than 1 MiB"):
        load_board(str(path))


def emulated(board: Board) -> Board:
    assert board.emulation is not None
    return board


def test_validation_looks_at_values_too() -> None:
    """Boards made in Python are checked by the same rules as those of files."""
    board = emulated(load_board(F4))
    assert board.emulation is not None
    twice = replace(board.emulation, spi_devices=board.emulation.spi_devices * 2)
    assert "two devices are called `nor-flash`" in " ".join(
        validate_board(replace(board, emulation=twice))
    )
    led = replace(board.emulation, leds=(Led("l", "gpioz", 1),))
    assert validate_board(replace(board, emulation=led))
    unselected = replace(board.emulation.spi_devices[0], select=ChipSelect())
    wrong = replace(board.emulation, spi_devices=(unselected,))
    assert validate_board(replace(board, emulation=wrong))
    sized = replace(board.emulation, memory=(("flesh", 1024), ("ram", 0x800_0000)))
    problems = " ".join(validate_board(replace(board, emulation=sized)))
    assert "`flesh`" in problems
