"""`openocd:HOST:PORT`: the Tcl port of a running OpenOCD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


@opener("openocd:HOST:PORT", site=lambda _: Site.ELSEWHERE)
def open_openocd(spec: Spec, wanted: Wanted) -> BaseLink:
    """Connect to the server, which has attached to the target already."""
    from idoldbg.target.link_lock import lock_link
    from idoldbg.target.servers.address import split_address
    from idoldbg.target.servers.openocd import OpenocdLink

    host, port = split_address(spec)
    lock = lock_link(str(spec), str(spec), wanted.options.wait_s, wanted.notify)
    try:
        return OpenocdLink(str(spec), host, port, lock)
    except BaseException:
        lock.release()
        raise
