"""A debugging companion for Hubris firmware: Idol calls over SWD, or on an emulated board.

    import idoldbg

    with idoldbg.attach("build.zip", probe="emu") as dev:
        reply = dev.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
        print(reply.leases.sink.hex())

`attach` is in `idoldbg.device`; what it is made of, for programs that work with strings or many
builds, is `open_program`, `open_session` and `prepare_call`.

Names load when they are used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from idoldbg.errors import IdoldbgError

if TYPE_CHECKING:
    from idoldbg.build.program import Program
    from idoldbg.call.calls import Call, Reply, prepare_call
    from idoldbg.device import Device, attach
    from idoldbg.model.types import Type
    from idoldbg.model.values import Value, format_value, to_json, to_python
    from idoldbg.session import Session, TargetOptions, open_program, open_session

__all__ = [
    # a target as a Python object
    "attach",
    "Device",
    # opening
    "open_program",
    "open_session",
    "Program",
    "Session",
    "TargetOptions",
    # calling
    "prepare_call",
    "Call",
    "Reply",
    # types and values
    "Type",
    "Value",
    "format_value",
    "to_json",
    "to_python",
    # errors: the whole tree is in `idoldbg.errors`
    "IdoldbgError",
]

_HOMES = {
    "attach": "device",
    "Device": "device",
    "open_program": "session",
    "open_session": "session",
    "Session": "session",
    "TargetOptions": "session",
    "Program": "build.program",
    "prepare_call": "call.calls",
    "Call": "call.calls",
    "Reply": "call.calls",
    "Type": "model.types",
    "Value": "model.values",
    "format_value": "model.values",
    "to_json": "model.values",
    "to_python": "model.values",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module `idoldbg` has no attribute `{name}`")
    return getattr(importlib.import_module(f"idoldbg.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "errors"])
