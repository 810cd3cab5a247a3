"""A launch configuration of Visual Studio Code, for its extension cortex-debug.

Source of the keys: `debug_attributes.md` of github.com/Marus/cortex-debug.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idol.printable import printable
from idol.whole_file import write_new, write_whole
from idoldbg.build.load.files import read_regular
from idoldbg.errors import ArgumentError
from idoldbg.gdb.symbols import SymbolFiles

__all__ = ["FOLDER", "configuration", "write_launch"]

FOLDER = Path(".vscode")
WORKSPACE = "${workspaceFolder}"
VERSION = "0.2.0"
MOST = 4 << 20  # bytes of a launch.json


def configuration(name: str, files: SymbolFiles, workspace: Path, gdb: str, port: int) -> Any:
    """Return the configuration that attaches to `idoldbg gdb --server-only --port PORT`.

    `name` is the image's, as it may be shown. Paths inside of the workspace are written as such.
    """
    symbols = [_path(path, workspace) for path in (files.kernel, *files.tasks)]
    return {
        "name": f"Hubris: {printable(name) or 'image'} (idoldbg)".replace("$", "_"),
        "type": "cortex-debug",
        "request": "attach",
        "servertype": "external",
        "gdbTarget": f"localhost:{port}",
        "gdbPath": gdb,
        "cwd": WORKSPACE,
        "executable": symbols[0],
        "symbolFiles": symbols,
        "preAttachCommands": [
            "set auto-load off",
            "set osabi none",
            "set mem inaccessible-by-default off",
        ],
    }


def _path(path: Path, workspace: Path) -> str:
    try:
        return f"{WORKSPACE}/{path.relative_to(workspace).as_posix()}"
    except ValueError:
        return str(path)


def write_launch(path: Path, entry: Mapping[str, Any]) -> bool:
    """Write a `launch.json` with the entry, or put it into one; return whether there was one.

    An entry of its name is replaced, others stay. Raises `ArgumentError` for a file that is not
    plain JSON, or no launch configuration: it is left as it is.
    """
    if not path.exists():
        document: dict[str, Any] = {"version": VERSION, "configurations": [entry]}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, _encode(document))
        return False
    document = _read(path)
    others = [c for c in document["configurations"] if c.get("name") != entry["name"]]
    place = next(
        (i for i, c in enumerate(document["configurations"]) if c.get("name") == entry["name"]),
        len(others),
    )
    document["configurations"] = [*others[:place], entry, *others[place:]]
    write_whole(path, _encode(document))
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_regular(path, MOST))
    except (ValueError, RecursionError):
        raise ArgumentError(
            f"{path} has comments, or is not JSON, and is left as it is: put the entry that "
            "`--vscode -` prints into it",
            name="--vscode",
        ) from None
    found = document.get("configurations") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ArgumentError(
            f"{path} has no list of `configurations`, and is left as it is", name="--vscode"
        )
    assert isinstance(document, dict)
    return document


def _encode(document: object) -> bytes:
    return (json.dumps(document, indent=4) + "\n").encode()
