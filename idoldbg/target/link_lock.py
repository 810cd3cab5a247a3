"""Keeps what a link leads to, a probe or a debug server, for one idoldbg process of this host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from idoldbg.errors import LinkError
from idoldbg.target.host_lock import HostLock, LockHeld
from idoldbg.target.runtime_dir import private_dir

__all__ = ["lock_link", "lock_path"]

NAME_LIMIT = 200  # characters of an id or a SPEC in a file's name


def lock_link(spec: str, name: str, wait_s: float, on_wait: Callable[[str], None]) -> HostLock:
    """Keep other processes of this host from what has that name.

    Raises `LinkError` when another one still has it after `wait_s`; `on_wait` gets a sentence for
    the user where it has to be waited for.
    """
    try:
        return HostLock.acquire(
            lock_path(name),
            shared_name=name,
            wait_s=wait_s,
            on_wait=lambda holder: on_wait(f"{spec} is in use by {holder}; waiting for it"),
        )
    except LockHeld as error:
        waited = f", also after {wait_s:g} s" if wait_s else ""
        raise LinkError(
            f"{spec} is in use by {error.holder}{waited}; {error.holder.advice}",
            link=spec,
        ) from None


def lock_path(name: str) -> Path:
    """Return the file of a lock; ids are free-form, and a SPEC may be any bytes: both escaped."""
    quoted = quote(name.encode("utf-8", "surrogatepass"), safe="")
    return private_dir("probes") / f"{quoted[:NAME_LIMIT]}.lock"
