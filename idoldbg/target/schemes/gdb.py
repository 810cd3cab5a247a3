"""`gdb:HOST:PORT`: a server of the GDB remote protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


@opener("gdb:HOST:PORT", site=lambda _: Site.ELSEWHERE)
def open_gdb(spec: Spec, wanted: Wanted) -> BaseLink:
    """Connect to the server as gdb would."""
    from idoldbg.target.link_lock import lock_link
    from idoldbg.target.servers.address import split_address
    from idoldbg.target.servers.gdb import GdbLink

    host, port = split_address(spec)
    lock = lock_link(str(spec), str(spec), wanted.options.wait_s, wanted.notify)
    try:
        return GdbLink(str(spec), host, port, lock, notify=wanted.notify)
    except BaseException:
        lock.release()
        raise
