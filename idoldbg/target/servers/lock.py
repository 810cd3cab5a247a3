"""Keeps a debug server for one idoldbg process of this host: two would halt each other's core."""

from __future__ import annotations

from urllib.parse import quote

from idoldbg.errors import LinkError
from idoldbg.target.host_lock import HostLock, LockHeld
from idoldbg.target.open import Notify
from idoldbg.target.runtime_dir import private_dir

__all__ = ["lock_server"]

NAME_LIMIT = 200  # characters of a SPEC in a file's name


def lock_server(spec: str, wait_s: float, notify: Notify) -> HostLock:
    """Keep other processes from the server; `notify` hears where it has to be waited for.

    Raises `LinkError` when another one still has it after `wait_s`.
    """
    quoted = quote(spec.encode("utf-8", "surrogatepass"), safe="")
    try:
        return HostLock.acquire(
            private_dir("probes") / f"{quoted[:NAME_LIMIT]}.lock",
            shared_name=spec,
            wait_s=wait_s,
            on_wait=lambda holder: notify(f"{spec} is in use by {holder}; waiting for it"),
        )
    except LockHeld as error:
        waited = f", also after {wait_s:g} s" if wait_s else ""
        raise LinkError(
            f"{spec} is in use by {error.holder}{waited}; {error.holder.advice}",
            link=spec,
        ) from None
