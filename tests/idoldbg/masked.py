"""Run `idol` or `idoldbg` as on Windows, as far as that can be played on Linux.

    python masked.py PROGRAM [ARGUMENT…]

Modules, functions, signals and flags that only Unix has are gone, and so are the kernel's files.
What is left of Linux (paths with `/`, descriptors, the loader of Unicorn's library) cannot be taken
away: this shows what is missing, not that all is there.
"""

from __future__ import annotations

import asyncio  # noqa: F401  the standard library chooses its way when it is loaded
import importlib
import multiprocessing  # noqa: F401
import os
import selectors  # noqa: F401
import shutil  # noqa: F401
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401

MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline")
FUNCTIONS = (
    *("getuid", "geteuid", "getgid", "getegid", "getppid", "fork", "register_at_fork", "killpg"),
    *("setsid", "pread", "pwrite", "fchmod", "fchown", "chown", "pidfd_open", "pipe2"),
    *("sched_getaffinity", "mkfifo", "statvfs"),
    *("O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY", "O_NONBLOCK", "O_PATH"),
)
SIGNALS = (
    *("SIGHUP", "SIGKILL", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGQUIT"),
    *("pidfd_send_signal", "setitimer", "alarm", "pthread_sigmask", "sigwait"),
)
FILES = ("/proc/", "/run/", "/sys/", "/dev/shm")


def mask() -> None:
    # These have ways of their own on each system. Not pyOCD: it would load our probe as a plug-in.
    for name in ("psutil", "prompt_toolkit.shortcuts"):
        importlib.import_module(name)
    assert not any(name.split(".")[0] in ("idol", "idoldbg") for name in sys.modules)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
    for module, names in ((os, FUNCTIONS), (signal, SIGNALS), (socket, ("AF_UNIX", "SO_PEERCRED"))):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.addaudithook(_hide)


def _hide(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir"):
        path = str(arguments[0])
        if path.startswith(FILES):
            raise FileNotFoundError(2, "No such file or directory", path)


def main() -> None:
    _, program, *arguments = sys.argv
    mask()
    sys.argv = [program, *arguments]
    if program == "idol":
        from idol.cli import main as run
    else:
        from idoldbg.__main__ import main as run
    sys.exit(run())


if __name__ == "__main__":
    main()
