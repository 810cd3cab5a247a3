"""Entry point for pyOCD: the plug-in's name, its option and its class."""

from __future__ import annotations

import logging
from typing import Any

from pyocd.core.options import OptionInfo
from pyocd.core.plugin import Plugin

__all__ = ["ARCHIVE", "NAME", "HubrisPlugin"]

NAME = "hubris"
ARCHIVE = "hubris.archive"

log = logging.getLogger(__name__)


class HubrisPlugin(Plugin):  # type: ignore[misc]  # pyOCD publishes no types
    """Offers `HubrisThreads` under the name `hubris`."""

    def should_load(self) -> bool:
        """Return False rather than break pyOCD when its internals have moved."""
        try:
            self.load()
        except Exception as error:  # noqa: BLE001 - whatever it is, pyOCD must go on without us
            log.warning("idoldbg's threads of Hubris do not fit this pyOCD: %r", error)
            return False
        return True

    def load(self) -> Any:
        from idoldbg.gdb.rtos._provider import HubrisThreads

        return HubrisThreads

    @property
    def name(self) -> str:
        return NAME

    @property
    def description(self) -> str:
        return "Hubris (idoldbg)"

    @property
    def options(self) -> list[Any]:
        return [
            OptionInfo(
                ARCHIVE,
                str,
                None,
                "Path of the Hubris archive (build-*.zip) whose tasks gdb sees as threads. Default "
                "is IDOLDBG_ARCHIVE, then HUMILITY_ARCHIVE of the environment.",
            )
        ]
