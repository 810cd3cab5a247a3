"""The Idol interface language of Hubris: read, check, and generate Rust stubs.

    interface = idol.parse(idol.Source("spi.idol", text))
    for finding in idol.check(interface):
        print(finding.format())
    stub = idol.client_stub(interface)

Needs nothing but Python, so that a build script can use it. The generators load when they are used:
a debugger only reads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from idol.check import check
from idol.errors import (
    DiagnosedError,
    FormatError,
    IdolError,
    InterfaceError,
    OptionsError,
    RonError,
    TypeSyntaxError,
)
from idol.parse import parse
from idol.rules import RULES, Rule
from idol.rust_type import RustType, format_type, parse_type
from idol.source import Diagnostic, Location, Related, Severity, Source, Span, format_diagnostics
from idol.syntax import (
    Argument,
    AttributedType,
    Encoding,
    ErrorKind,
    Interface,
    Lease,
    Operation,
    Recv,
    RecvKind,
    Reply,
    ReplyError,
    TypeText,
)

if TYPE_CHECKING:
    from idol.format import format_text
    from idol.options import StubOptions
    from idol.stub import client_stub, server_stub

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

_GENERATORS = {
    "client_stub": "idol.stub",
    "server_stub": "idol.stub",
    "StubOptions": "idol.options",
    "format_text": "idol.format",
}


def __getattr__(name: str) -> Any:
    home = _GENERATORS.get(name)
    if home is None:
        raise AttributeError(f"module `idol` has no attribute `{name}`")
    return getattr(importlib.import_module(home), name)
