"""`remote:HOST:PORT`: a pyOCD probe server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


@opener("remote:HOST:PORT", site=lambda _: Site.ELSEWHERE)
def open_remote(spec: Spec, wanted: Wanted) -> BaseLink:
    """Attach through a probe server."""
    from idoldbg.target.servers.address import split_address

    host, port = split_address(spec)
    from idoldbg.target.probe.link import open_server  # loads pyOCD
    from idoldbg.target.probe.settings import probe_options

    options = probe_options(wanted.options, wanted.archive, wanted.notify)
    return open_server(host, port, options, attaches=wanted.attaches)
