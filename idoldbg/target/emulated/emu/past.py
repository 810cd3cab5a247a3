"""The past of an emulated board, as `rewinding` needs it: doing inputs again, watching writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from idoldbg.errors import IdoldbgError
from idoldbg.target.emulated.emu.bus import Bus
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.engine import Engine
from idoldbg.target.emulated.emu.history import History
from idoldbg.target.emulated.emu.observers import Observer
from idoldbg.target.signals import HeldSignals

__all__ = ["OnWrite", "PastOfBoard"]

_CLAIM_BYTES = 64
"""Length of code after a LDREX in which compilers put its STREX."""
OnWrite = Callable[[int, int, int | None, int | None, str], None]
"""Address, size, value if known, address of the instruction, and who: see `watch_writes`."""


class PastOfBoard:
    """A board that can do its past again."""

    history: History
    _bus: Bus
    _core: Core
    _clock: Clock
    _engine: Engine
    _on_write: tuple[int, int, OnWrite] | None

    @property
    def now(self) -> int:
        """The current cycle, also while the core executes."""
        return self._clock.now

    @property
    def is_in_past(self) -> bool:
        """Whether the board was rewound, and nothing has made it go another way."""
        return self.history.position is not None

    def peek(self, address: int, size: int) -> bytes:
        """Return bytes of memory, zeros where there is none; nothing is recorded."""
        return self._bus.find_bytes(address, size) or bytes(size)

    def do_again(self, operation: str, arguments: tuple[object, ...]) -> None:
        """Repeat an input of the past; what it raised then, it raises again, to no effect."""
        with suppress(IdoldbgError):
            getattr(self, operation)(*arguments)

    def is_between_instructions(self) -> bool:
        """Return whether a snapshot taken now can be gone on from in exactly the same way.

        It cannot between a load that claims memory (LDREX) and its store: Unicorn keeps that claim
        to itself.
        """
        pc = self._core.registers.read("pc")
        code = self._bus.find_bytes(pc, _CLAIM_BYTES) or b""
        return not any(_is_exclusive_store(code, at) for at in range(0, len(code) - 3, 2))

    def watch_writes(self, address: int, size: int, on_write: OnWrite | None) -> None:
        """Call `on_write(address, size, value, pc, by)` before each write to a range, or no more.

        `by` is `core`, `hardware` (registers that are stacked) or `debugger`.
        """
        self._on_write = None if on_write is None else (address, size, on_write)
        if on_write is None:
            self._engine.set_write_hook(0, 0, None)
            self._bus.on_store = None
            return

        def core(at: int, width: int, value: int) -> None:
            on_write(at, width, value, self._core.registers.read("pc"), "core")

        def hardware(at: int, data: bytes) -> None:
            if at < address + size and address < at + len(data):
                on_write(at, len(data), None, None, "hardware")

        self._engine.set_write_hook(address, size, core)
        self._bus.on_store = hardware

    def observe(self, make: Callable[[Core], Observer]) -> Callable[[], None]:
        """Let the observer that `make` returns watch the core; return what takes it away again."""
        core = self._core
        observer = make(core)
        with HeldSignals(core):
            core.observe(observer)

        def forget() -> None:
            with HeldSignals(core):
                core.forget(observer)

        return forget


def _is_exclusive_store(code: bytes, at: int) -> bool:
    first, second = int.from_bytes(code[at : at + 2], "little"), code[at + 2]
    return first & 0xFFF0 == 0xE840 or (first & 0xFFF0 == 0xE8C0 and second & 0xE0 in (0x40, 0xE0))
