"""Device models: what sits behind the registers of the chips, and on the boards' buses."""

from __future__ import annotations

from idoldbg.target.emulated.emu.devices.catalog import make_device
from idoldbg.target.emulated.emu.devices.wiring import Wiring, wire_board

__all__ = ["Wiring", "make_device", "wire_board"]
