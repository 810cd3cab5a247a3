"""Inputs of an emulated board: done whole, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.history import History
from idoldbg.target.signals import HeldSignals

__all__ = ["Recorded", "as_input", "whole"]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Recorded")


class Recorded(Protocol):
    """A board whose inputs are recorded."""

    history: History
    _core: Core
    _clock: Clock


def whole(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], T]:
    """Let a method do all of its work before a signal's handler may raise."""

    @wraps(method)
    def held(self: S, /, *arguments: P.args, **options: P.kwargs) -> T:
        with HeldSignals(self._core):
            return method(self, *arguments, **options)

    return held


def as_input(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], T]:
    """Do a method as `whole` does, and record it as an input of the board."""
    name = method.__name__

    @wraps(method)
    def noted(self: S, /, *arguments: P.args, **options: P.kwargs) -> T:
        history = self.history
        if history.is_busy:
            return method(self, *arguments, **options)
        history.note(self._clock.cycles, name, (*arguments, *options.values()))
        history.is_busy += 1
        try:
            with HeldSignals(self._core):
                return method(self, *arguments, **options)
        finally:
            history.is_busy -= 1

    return noted
