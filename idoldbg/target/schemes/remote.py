"""`remote:HOST:PORT`: a pyOCD probe server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


@opener("remote:HOST:PORT", site=lambda _: Site.ELSEWHERE)
def open_remote(spec: Spec, wanted: Wanted) -> BaseLink:
    """Attach through a probe server."""
    host, port = _split_address(spec)
    from idoldbg.target.probe.link import open_server  # loads pyOCD
    from idoldbg.target.probe.settings import probe_options

    options = probe_options(wanted.options, wanted.archive, wanted.notify)
    return open_server(host, port, options, attaches=wanted.attaches)


def _split_address(spec: Spec) -> tuple[str, int]:
    """Return host and port of `remote:HOST:PORT`; raise `ArgumentError`."""
    host, _, port = (spec.rest or "").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 0x10000:
        raise ArgumentError(f"`{spec}` is not remote:HOST:PORT", name="--probe")
    try:
        host.encode("idna")  # as the look-up does
    except UnicodeError as error:
        raise ArgumentError(
            f"`{spec}`: `{host}` is not a host name: {error}", name="--probe"
        ) from None
    return host, int(port)
