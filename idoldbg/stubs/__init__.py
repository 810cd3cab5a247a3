"""Packages of typed stubs: the interfaces of a build for mypy, pyright and editors.

A package holds `types.py` (dataclasses and enums), `errors.py` (exceptions), `device.py` (what
runs: `idoldbg.device` with these classes) and `device.pyi` (every operation with its types). The
texts are a function of the build's interfaces and image id alone.
"""

from __future__ import annotations

from idoldbg.program import Program
from idoldbg.stubs.emit import (
    MADE_BY,
    write_device,
    write_device_types,
    write_errors,
    write_init,
    write_types,
)
from idoldbg.stubs.plan import make_plan

__all__ = ["MADE_BY", "generate"]


def generate(program: Program) -> dict[str, str]:
    """Return the files of the package by name; raise `NotFound` where nothing is served."""
    plan = make_plan(program)
    app = program.archive.name or "this build"
    return {
        "__init__.py": write_init(plan, app),
        "device.py": write_device(plan),
        "device.pyi": write_device_types(plan),
        "errors.py": write_errors(plan),
        "types.py": write_types(plan),
        "py.typed": "",
    }
