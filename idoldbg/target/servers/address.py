"""HOST:PORT of a SPEC."""

from __future__ import annotations

from idoldbg.errors import ArgumentError
from idoldbg.target.spec import Spec

__all__ = ["split_address"]


def split_address(spec: Spec) -> tuple[str, int]:
    """Return host and port of `SCHEME:HOST:PORT`, also of `SCHEME:[IPv6]:PORT`.

    Raises `ArgumentError`.
    """
    host, _, port = (spec.rest or "").rpartition(":")
    is_number = port.isascii() and port.isdecimal() and len(port) <= 5
    if not host or not is_number or not 0 < int(port) < 0x10000:
        raise ArgumentError(f"`{spec}` is not {spec.scheme}:HOST:PORT", name="--probe")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        host.encode("idna")  # as the look-up does
    except UnicodeError as error:
        raise ArgumentError(
            f"`{spec}`: `{host}` is not a host name: {error}", name="--probe"
        ) from None
    return host, int(port)
