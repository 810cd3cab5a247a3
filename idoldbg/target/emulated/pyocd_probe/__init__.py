"""The emulated board as a debug probe of pyOCD (entry point group `pyocd.probe`).

With it every pyOCD client sees the board: `pyocd list`, `pyocd commander -u emu-NAME`, `pyocd
gdbserver`, `pyocd server`, and our own `pyocd` link. `idoldbg.target.emulated.pyocd_probe.boards`
says which boards there are.

`import pyocd` loads every plug-in, without protection against one that fails. Hence this module
imports nothing of pyOCD, so that it may be imported before pyOCD as well as by it; the plug-in
class is made when pyOCD asks for it by name.
"""

from __future__ import annotations

__all__ = ["EmulatedProbePlugin"]


def __getattr__(name: str) -> object:
    if name == "EmulatedProbePlugin":
        from idoldbg.target.emulated.pyocd_probe.plugin import EmulatedProbePlugin

        return EmulatedProbePlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
