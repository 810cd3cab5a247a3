"""The Idol interface language of Hubris: read, check, and generate Rust stubs.

    interface = idol.parse(idol.Source("spi.idol", text))
    for finding in idol.check(interface):
        print(finding.format())
    stub = idol.client_stub(interface)

Needs nothing but Python, so that a build script can use it. Names load when they are
used: a debugger does not generate, and does not even read what it knows already. (So no module may
have the name of a function here.)
"""

from __future__ import annotations

import sys

from idol.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idol.checks import check
    from idol.errors import (
        DiagnosedError,
        FormatError,
        IdolError,
        InterfaceError,
        OptionsError,
        RonError,
        TypeSyntaxError,
    )
    from idol.findings import Rule
    from idol.format import format_text
    from idol.kinds import Encoding, ErrorKind, RecvKind
    from idol.options import StubOptions
    from idol.reader import parse
    from idol.rules import RULES
    from idol.rust_type import RustType, format_type, parse_type
    from idol.source import (
        Diagnostic,
        Location,
        Related,
        Severity,
        Source,
        Span,
        format_diagnostics,
    )
    from idol.stub import client_stub, server_stub
    from idol.syntax import (
        Argument,
        AttributedType,
        Interface,
        Lease,
        Operation,
        Recv,
        Reply,
        ReplyError,
        TypeText,
    )

__all__ = [
    # reading
    "parse",
    "check",
    "format_text",
    "RULES",
    "Rule",
    # generating
    "client_stub",
    "server_stub",
    "StubOptions",
    # the tree
    "Interface",
    "Operation",
    "Argument",
    "Lease",
    "Reply",
    "ReplyError",
    "AttributedType",
    "TypeText",
    "Recv",
    "Encoding",
    "ErrorKind",
    "RecvKind",
    # Rust types
    "RustType",
    "parse_type",
    "format_type",
    # places and findings
    "Source",
    "Span",
    "Location",
    "Diagnostic",
    "Related",
    "Severity",
    "format_diagnostics",
    # errors
    "IdolError",
    "DiagnosedError",
    "RonError",
    "InterfaceError",
    "TypeSyntaxError",
    "OptionsError",
    "FormatError",
]

_HOMES = {
    "parse": "reader",
    "check": "checks",
    "format_text": "format",
    "RULES": "rules",
    "Rule": "findings",
    "client_stub": "stub",
    "server_stub": "stub",
    "StubOptions": "options",
    "Interface": "syntax",
    "Operation": "syntax",
    "Argument": "syntax",
    "Lease": "syntax",
    "Reply": "syntax",
    "ReplyError": "syntax",
    "AttributedType": "syntax",
    "TypeText": "syntax",
    "Recv": "syntax",
    "Encoding": "kinds",
    "ErrorKind": "kinds",
    "RecvKind": "kinds",
    "RustType": "rust_type",
    "parse_type": "rust_type",
    "format_type": "rust_type",
    "Source": "source",
    "Span": "source",
    "Location": "source",
    "Diagnostic": "source",
    "Related": "source",
    "Severity": "source",
    "format_diagnostics": "source",
    "IdolError": "errors",
    "DiagnosedError": "errors",
    "RonError": "errors",
    "InterfaceError": "errors",
    "TypeSyntaxError": "errors",
    "OptionsError": "errors",
    "FormatError": "errors",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module `idol` has no attribute `{name}`")
    __import__(f"idol.{home}")  # `importlib` would bring `warnings`
    value = globals()[name] = getattr(sys.modules[f"idol.{home}"], name)
    return value
