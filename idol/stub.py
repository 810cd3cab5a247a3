"""The two generators as functions: interface in, Rust text out."""

from __future__ import annotations

from collections.abc import Sequence

from idol.check import CLIENT_ERRORS
from idol.lower import lower
from idol.rust.client import emit_client
from idol.rust.server import emit_server
from idol.syntax import Interface


def client_stub(interface: Interface, extra_derives: Sequence[str] = ()) -> str:
    """Return the Rust client stub, formatted; `extra_derives` are paths for the operation enum.

    :raises InterfaceError: the interface breaks a rule; all findings are attached.
    """
    return emit_client(lower(interface, CLIENT_ERRORS), extra_derives)


def server_stub(interface: Interface, extra_derives: Sequence[str] = ()) -> str:
    """Return the Rust server stub, formatted; `extra_derives` are paths for the operation enum.

    :raises InterfaceError: the interface breaks a rule; all findings are attached.
    """
    return emit_server(lower(interface), extra_derives)
