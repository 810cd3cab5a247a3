"""Finds the types of Idol operations in an image's debug information.

An interface names types as its author's crates know them (`SpiError`); what they are stands in the
debug information, if it stands there. For each role the image's own evidence comes first (see
`evidence`), then names (`lookup`). Every answer carries how it was found.
"""

from __future__ import annotations

from idol import ErrorKind
from idoldbg.resolver.candidates import Candidate
from idoldbg.resolver.lookup import How, TypeLookup, parse_override, read_override
from idoldbg.resolver.operation import (
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)
from idoldbg.resolver.resolve import Resolver
from idoldbg.resolver.sizes import DeclaredSize, SizeOf, WireSizes
from idoldbg.resolver.written import names_in, written_names

__all__ = [
    "Candidate",
    "DeclaredSize",
    "ErrorKind",
    "How",
    "Resolution",
    "ResolvedArgument",
    "ResolvedLease",
    "ResolvedOperation",
    "Resolver",
    "SizeOf",
    "TypeLookup",
    "WireSizes",
    "names_in",
    "parse_override",
    "read_override",
    "written_names",
]
