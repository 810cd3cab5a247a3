"""Checks of sizes: those that follow from the types against those that the image itself shows.

What an image shows are the lengths of the buffers in generated code, see `idoldbg.resolver.sizes`.
The server's count: it is the one that refuses. (To search every client would double the time.)
Zerocopy messages are compared field by field in `messages`, so only what is serialized is here.
"""

from __future__ import annotations

from collections.abc import Iterator

from idol.findings.region import Region
from idoldbg.audit.finding import Finding, make_finding
from idoldbg.audit.image import Image
from idoldbg.audit.subject import Subject
from idoldbg.build.program import ServedInterface
from idoldbg.errors import DebugInfoError

__all__ = ["check_incoming", "check_sizes"]

_FIX = (
    "Build from clean. If the sizes still differ, look for a type whose serialization, or whose "
    "maximum size, is written by hand."
)


def check_sizes(subject: Subject) -> Iterator[Finding]:
    """Report buffers of the image's code that are larger or smaller than an operation needs."""
    if not subject.is_serialized:
        return
    try:
        sizes = subject.program.declared_sizes(subject.resolved, in_clients=False)
    except DebugInfoError:
        return  # of another object, whose own findings say so: nothing to compare with
    for declared in sizes:
        if not declared.agrees:
            name = declared.where.replace("`", "")
            yield subject.finding("size-disagrees", declared.message, _FIX, name=name)


def check_incoming(image: Image, server: ServedInterface) -> Iterator[Finding]:
    """Report a server whose receive buffer is not as long as the longest message."""
    declared = image.program.incoming_size(server)
    if declared is not None and not declared.agrees:
        yield make_finding(
            "size-disagrees",
            declared.message,
            _FIX,
            server.task.name,
            server.interface.name,
            name=declared.where,
            place=Region.of(server.interface.source, server.interface.span),
        )
