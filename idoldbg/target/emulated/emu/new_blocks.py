"""Tells which code is executed for the first time: the guide of a search."""

from __future__ import annotations

from idoldbg.target.emulated.emu.observers import Observer

__all__ = ["NewBlocks"]


class NewBlocks(Observer):
    """Collects the addresses of blocks of code as they are translated."""

    wants_blocks = True

    def __init__(self) -> None:
        self.blocks: set[int] = set()

    def translated(self, address: int, size: int, previous: tuple[int, int] | None) -> None:
        self.blocks.add(address)
