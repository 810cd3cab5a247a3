"""Table of device models: model name to class."""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.model.board import Peripheral
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_ctimer import Lpc55Ctimer
from idoldbg.target.emulated.emu.devices.lpc55_flash import Lpc55Flash
from idoldbg.target.emulated.emu.devices.lpc55_gpio import Lpc55Gpio
from idoldbg.target.emulated.emu.devices.lpc55_i2c import Lpc55I2c
from idoldbg.target.emulated.emu.devices.lpc55_rom_api import Lpc55RomApi
from idoldbg.target.emulated.emu.devices.lpc55_spi import Lpc55Spi
from idoldbg.target.emulated.emu.devices.lpc55_usart import Lpc55Usart
from idoldbg.target.emulated.emu.devices.register_bank import RegisterBank
from idoldbg.target.emulated.emu.devices.stm32_flash import (
    Stm32F4Flash,
    Stm32G0Flash,
    Stm32H7Flash,
)
from idoldbg.target.emulated.emu.devices.stm32_gpio import Stm32Gpio
from idoldbg.target.emulated.emu.devices.stm32_i2c import Stm32I2cV1, Stm32I2cV2
from idoldbg.target.emulated.emu.devices.stm32_spi import Stm32SpiV1, Stm32SpiV2
from idoldbg.target.emulated.emu.devices.stm32_timer import Stm32Timer
from idoldbg.target.emulated.emu.devices.stm32_usart import Stm32UsartV1, Stm32UsartV2
from idoldbg.target.emulated.emu.devices.wiring import Wiring

__all__ = ["MODELS", "make_device"]

MODELS: dict[str, Callable[[Peripheral, Wiring], Device]] = {
    "registers": lambda p, w: RegisterBank(p.registers, w.clock),
    "stm32-gpio": lambda p, w: Stm32Gpio(),
    "stm32-i2c-v1": lambda p, w: Stm32I2cV1(w.clock, w.interrupt(p), w.error_interrupt(p)),
    "stm32-i2c-v2": lambda p, w: Stm32I2cV2(w.interrupt(p)),
    "stm32-spi-v1": lambda p, w: Stm32SpiV1(w.clock, w.interrupt(p)),
    "stm32-spi-v2": lambda p, w: Stm32SpiV2(w.clock, w.interrupt(p)),
    "stm32-timer": lambda p, w: Stm32Timer(w.clock, w.interrupt(p)),
    "stm32-usart-v1": lambda p, w: Stm32UsartV1(w.clock, w.interrupt(p)),
    "stm32-usart-v2": lambda p, w: Stm32UsartV2(w.clock, w.interrupt(p)),
    "stm32f4-flash": lambda p, w: w.stm32_flash(Stm32F4Flash, p),
    "stm32g0-flash": lambda p, w: w.stm32_flash(Stm32G0Flash, p),
    "stm32h7-flash": lambda p, w: w.stm32_flash(Stm32H7Flash, p),
    "lpc55-ctimer": lambda p, w: Lpc55Ctimer(w.clock, w.interrupt(p)),
    "lpc55-gpio": lambda p, w: Lpc55Gpio(),
    "lpc55-i2c": lambda p, w: Lpc55I2c(w.interrupt(p)),
    "lpc55-spi": lambda p, w: Lpc55Spi(w.clock, w.interrupt(p)),
    "lpc55-usart": lambda p, w: Lpc55Usart(w.clock, w.interrupt(p)),
    "lpc55-flash": lambda p, w: w.flash_controller(Lpc55Flash(w.memory, w.interrupt(p))),
    "lpc55-rom-api": lambda p, w: Lpc55RomApi(w.memory, w.programmed_pages, p.address),
}
"""One entry for each of `idoldbg.model.board.PERIPHERAL_MODELS`."""


def make_device(peripheral: Peripheral, wiring: Wiring) -> Device:
    """Return the device of a peripheral, with its interrupt line connected."""
    return MODELS[peripheral.model](peripheral, wiring)
