"""Packages of typed stubs: the interfaces of a build for mypy, pyright and editors.

A package holds `types.py` (dataclasses and enums), `errors.py` (exceptions), `device.py` (what
runs: `idoldbg.device` with these classes) and `device.pyi` (every operation with its types). The
texts are a function of the build's interfaces and image id alone.
"""

from __future__ import annotations

from idol.printable import printable
from idoldbg.build.program import Program
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
    """Return the files of the package by name; raise `NotFound` where nothing is served.

    Names and documentation of the build are not trusted: they appear in literals and comments, and
    in code as the identifiers that `idoldbg.device.names` makes of them. Each file is compiled.
    """
    plan = make_plan(program)
    app = program.archive.name or "this build"
    files = {
        "__init__.py": write_init(plan, app),
        "device.py": write_device(plan),
        "device.pyi": write_device_types(plan),
        "errors.py": write_errors(plan),
        "types.py": write_types(plan),
        "py.typed": "",
    }
    for name, text in files.items():
        _check(name, text)
    return files


def _check(name: str, text: str) -> None:
    """Compile a file, which executes nothing; raise `RuntimeError` if it is not Python."""
    try:
        compile(text, name, "exec", dont_inherit=True)
        text.encode()
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        place = name if line is None else f"{name}, line {line}"
        reason = printable(str(getattr(error, "msg", None) or error))
        raise RuntimeError(
            f"`{place}` of these stubs would not be Python: {reason}; nothing was written"
        ) from error
