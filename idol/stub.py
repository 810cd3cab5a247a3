"""The two generators as functions: interface in, Rust text out."""

from __future__ import annotations

from idol.checks import CLIENT_ERRORS
from idol.lower import lower
from idol.options import StubOptions
from idol.syntax import Interface


def client_stub(interface: Interface, options: StubOptions | None = None) -> str:
    """Return the Rust client stub, formatted as rustfmt would.

    :raises InterfaceError: the interface breaks a rule, or has an operation that a client cannot
        offer; all findings are attached.
    """
    from idol.rust.client import emit_client

    return emit_client(lower(interface, options or StubOptions(), CLIENT_ERRORS))


def server_stub(interface: Interface, options: StubOptions | None = None) -> str:
    """Return the Rust server stub, formatted as rustfmt would.

    :raises InterfaceError: the interface breaks a rule; all findings are attached.
    """
    from idol.rust.server import emit_server

    return emit_server(lower(interface, options or StubOptions()))
