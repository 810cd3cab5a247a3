"""Writing down what was learned of builds, at moments that are chosen.

Not in a finalizer: what a signal's handler raises there, Ctrl-C's among them, Python drops.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable

__all__ = ["keep_later", "save_learned"]

_pending: list[tuple[weakref.ref[object], Callable[[], None]]] = []


def keep_later(program: object, save: Callable[[], None]) -> None:
    """Have `save` called by `save_learned`, for the last time after the program is gone."""
    _save_gone()
    _pending.append((weakref.ref(program), save))


def save_learned() -> None:
    """Write the index files of all builds that are open, or were."""
    _save_gone()
    for _, save in list(_pending):
        save()


def _save_gone() -> None:
    for entry in list(_pending):
        program, save = entry
        if program() is None:
            save()
            _pending.remove(entry)


atexit.register(save_learned)
