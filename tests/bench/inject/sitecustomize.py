"""Shows the probes of a bench to any Python program that has this folder on its PYTHONPATH.

With `IDOLDBG_TEST_USB=SOCKET` in the environment, pyUSB's backend for libusb1 is that of the bench,
and Linux's list of USB devices, where idoldbg looks without opening any, is `SOCKET.devices`. For
tests only: nothing of this is part of idoldbg.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SOCKET = os.environ.get("IDOLDBG_TEST_USB", "")
ROOT = Path(__file__).parents[3]

_made: list[Any] = []


def _get_backend(find_library: object = None) -> Any:
    if not _made:
        from tests.bench.backend import make_backend

        _made.append(make_backend(SOCKET))
    return _made[0]


def _replace_backend(module: Any) -> None:
    module.get_backend = _get_backend


def _replace_device_list(module: Any) -> None:
    assert module.list_usb_devices.__defaults__ == (module.DEVICES,)
    module.DEVICES = SOCKET + ".devices"  # others import it, as a default of their own
    module.list_usb_devices.__defaults__ = (SOCKET + ".devices",)


CHANGES: dict[str, Callable[[Any], None]] = {
    "usb.backend.libusb1": _replace_backend,
    "idoldbg.target.usb": _replace_device_list,
}


class _Loader(importlib.abc.Loader):
    """Loads a module as another loader does, then changes it."""

    def __init__(self, inner: Any, change: Callable[[Any], None]) -> None:
        self._inner, self._change = inner, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._inner.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `CHANGES` where they are."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = CHANGES.pop(name, None)  # `find_spec` below asks here again
        spec = importlib.util.find_spec(name) if change else None
        if spec is None or change is None:
            return None
        spec.loader = _Loader(spec.loader, change)
        return spec


if SOCKET:
    sys.meta_path.insert(0, _Finder())
    # At the end: nothing here may hide a module of the program's own.
    sys.path.append(str(ROOT))
