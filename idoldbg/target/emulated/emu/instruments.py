"""The instruments of a board by name: who started which, and what they have recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from idoldbg.errors import ArgumentError, NotFound
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.coverage_recorder import CoverageRecorder
from idoldbg.target.emulated.emu.observers import Observer
from idoldbg.target.emulated.emu.sampler import Sampler
from idoldbg.target.emulated.emu.trace_recorder import TraceRecorder

__all__ = ["InstrumentSet"]


class _Recorder(Protocol):
    def take(self) -> bytes: ...


Observe = Callable[[Callable[[Core], Observer]], Callable[[], None]]


class InstrumentSet:
    """Instruments on one board. Each belongs to an owner, so that several users have their own.

    The layout of the kernel's tables is in `settings["layout"]`, as `KernelLayout.to_json` writes
    it; a trace needs it, the others say less without.
    """

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._running: dict[tuple[object, str], tuple[_Recorder, Callable[[], None]]] = {}

    def start(self, name: str, settings: Mapping[str, Any], *, owner: object = None) -> None:
        """Start `trace`, `coverage` or `profile`; one that runs is started anew.

        Raises `NotFound` for another name, `ArgumentError` for settings that make no sense.
        """
        make = self._maker(name, settings)
        self.stop(name, owner=owner)
        made: list[Any] = []

        def attach(core: Core) -> Observer:
            made.append(make(core))
            observer: Observer = made[0]
            return observer

        forget = self._observe(attach)
        self._running[owner, name] = (made[0], forget)

    def take(self, name: str, *, owner: object = None) -> bytes:
        """Return what it has recorded since the last time; raise `NotFound` if it does not run."""
        running = self._running.get((owner, name))
        if running is None:
            raise NotFound("running instrument", name)
        return running[0].take()

    def stop(self, name: str, *, owner: object = None) -> bytes:
        """End an instrument; return what was not taken yet, nothing if it does not run."""
        recorder, forget = self._running.pop((owner, name), (None, None))
        if recorder is None or forget is None:
            return b""
        data = recorder.take()
        forget()
        return data

    def stop_all(self, owner: object) -> None:
        """End all instruments of an owner, who has gone."""
        for running_owner, name in list(self._running):
            if running_owner == owner:
                self.stop(name, owner=owner)

    def _maker(self, name: str, settings: Mapping[str, Any]) -> Callable[[Core], Observer]:
        given = settings.get("layout")
        layout = KernelLayout.from_json(given) if isinstance(given, Mapping) else None
        match name:
            case "trace":
                if layout is None:
                    raise ArgumentError("a trace needs the layout of the kernel's task table")
                return lambda core: TraceRecorder(core, layout)
            case "coverage":
                return lambda core: CoverageRecorder(core, layout)
            case "profile":
                rate = settings.get("rate_hz")
                if not isinstance(rate, (int, float)) or isinstance(rate, bool):
                    raise ArgumentError("a profile needs `rate_hz`, samples a second")
                return lambda core: Sampler(core, layout, rate)
        raise NotFound("instrument", name, hint="there are trace, coverage and profile")
