"""Commands that run another one, and collect what its emulated boards have recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idol.printable import one_line
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.errors import ArgumentError
from idoldbg.target.emulated.collecting import Collection

__all__ = ["collecting", "run_command"]

NOT_FOUND = 127
"""Exit code of a command that is not there, as of shells."""


@contextmanager
def collecting(
    instruments: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[Collection, dict[str, str]]]:
    """Give a collection, and the environment of a command that records into it."""
    with tempfile.TemporaryDirectory(prefix="idoldbg-") as folder:
        collection = Collection(Path(folder))
        yield collection, {**os.environ, **collection.want(instruments)}


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end and return its exit code; raise `ArgumentError` if there is none.

    `idoldbg` is this very program, also where it is not on the path.
    """
    if command[0] == "idoldbg":
        command = [sys.executable, "-P", "-m", "idoldbg", *command[1:]]
    with ending_tidily():
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            why = one_line(f"{command[0]}: {error.strerror or error}")
            raise ArgumentError(f"cannot run {why}", name="COMMAND") from error
        while True:
            try:
                code = process.wait()
                return 128 - code if code < 0 else code  # as shells say it
            except KeyboardInterrupt:  # it heard Ctrl-C itself, and may have something to do
                if process.poll() is None:
                    continue
                raise
