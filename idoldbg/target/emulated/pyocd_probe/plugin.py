"""Entry point for pyOCD: the plug-in's name, its options and its probe class."""

from __future__ import annotations

import logging
from typing import Any

from pyocd.core.options import OptionInfo
from pyocd.core.plugin import Plugin

__all__ = ["BLOCK_ACCESS", "EmulatedProbePlugin"]

BLOCK_ACCESS = "emu.block_access"

log = logging.getLogger(__name__)


class EmulatedProbePlugin(Plugin):  # type: ignore[misc]  # pyOCD publishes no types
    """Offers `EmulatedProbe` under the name `emu`, as in `pyocd list -u emu:NAME`."""

    def should_load(self) -> bool:
        """Return False rather than break pyOCD when its internals have moved."""
        try:
            self.load()
        except Exception as error:  # noqa: BLE001 - whatever it is, pyOCD must go on without us
            log.warning("idoldbg's emulated probe does not fit this pyOCD: %r", error)
            return False
        return True

    def load(self) -> Any:
        from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe

        return EmulatedProbe

    @property
    def name(self) -> str:
        return "emu"

    @property
    def description(self) -> str:
        return "Emulated Hubris boards (idoldbg)"

    @property
    def options(self) -> list[Any]:
        return [
            OptionInfo(
                BLOCK_ACCESS,
                bool,
                True,
                "Access memory in blocks, as ST-Link probes do, instead of one access port "
                "register at a time. Default is True.",
            )
        ]
