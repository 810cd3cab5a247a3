"""Hubris for pyOCD's gdb server (entry point group `pyocd.rtos`).

With it gdb's `info threads` shows the tasks of any target that pyOCD drives. The build is the
session option `hubris.archive`, or `IDOLDBG_ARCHIVE`, or `HUMILITY_ARCHIVE` of the environment.

pyOCD loads every plug-in without protection against one that fails. Hence this module imports
nothing of pyOCD; the plug-in class is made when pyOCD asks for it by name.
"""

from __future__ import annotations

__all__ = ["HubrisPlugin"]


def __getattr__(name: str) -> object:
    if name == "HubrisPlugin":
        from idoldbg.gdb.rtos.plugin import HubrisPlugin

        return HubrisPlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
