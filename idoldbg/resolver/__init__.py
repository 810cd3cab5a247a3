"""Finds the types of Idol operations in an image's debug information.

An interface names types as its author's crates know them (`SpiError`); what they are stands in the
debug information, if it stands there. For each role the image's own evidence comes first (see
`evidence`), then names (`lookup`). Every answer carries how it was found.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from idol.kinds import ErrorKind
from idoldbg.resolver.operation import (
    Candidate,
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)

if TYPE_CHECKING:
    from idoldbg.resolver.lookup import TypeLookup, parse_override, read_override
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

# What finds operations: not loaded for one that an index knows.
_HOMES = {
    "TypeLookup": "lookup",
    "parse_override": "lookup",
    "read_override": "lookup",
    "Resolver": "resolve",
    "DeclaredSize": "sizes",
    "SizeOf": "sizes",
    "WireSizes": "sizes",
    "names_in": "written",
    "written_names": "written",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module `idoldbg.resolver` has no attribute `{name}`")
    return getattr(import_module(f"idoldbg.resolver.{home}"), name)
