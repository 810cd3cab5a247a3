"""Run a Python module in a process that the kernel ends when its parent goes.

    python -P -m idoldbg.farm.child PARENT MODULE [ARGUMENT…]

PARENT is the parent's process id. This is a program and not a `preexec_fn`, because what runs
between fork and exec in a process that uses gRPC may abort: gRPC's threads are missing there.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

__all__ = ["child_command"]

_PR_SET_PDEATHSIG = 1  # prctl(2)


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module as this process's child, for as long as it lives.

    The module comes from where this package does, not from the current directory (`-P`).
    """
    return [
        *(sys.executable, "-P", "-m", "idoldbg.farm.child"),
        *(str(os.getpid()), module, *arguments),
    ]


def _main() -> None:
    parent, module, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it went before the kernel was told
        sys.exit(1)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
