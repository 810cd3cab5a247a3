"""labgrid resources: a debug probe or an emulated board, on this host or behind an exporter."""

from __future__ import annotations

import attr
from labgrid.factory import target_factory
from labgrid.resource.common import NetworkResource, Resource

__all__ = ["IdoldbgEmulatedBoard", "IdoldbgProbe", "NetworkIdoldbgProbe"]

_text = attr.validators.instance_of(str)
_optional_text = attr.validators.optional(_text)


@target_factory.reg_resource
@attr.s(eq=False)
class IdoldbgProbe(Resource):
    """A debug probe on this host.

    `uid` is its unique id, or part of it (None: the only probe); `board` names a file of
    `idoldbg boards`, where the archive does not say.
    """

    uid: str | None = attr.ib(default=None, validator=_optional_text)
    board: str | None = attr.ib(default=None, validator=_optional_text)


@target_factory.reg_resource
@attr.s(eq=False)
class IdoldbgEmulatedBoard(Resource):
    """An emulated board; `archive` is what it runs (None: the bundled demo image)."""

    board: str = attr.ib(validator=_text)
    archive: str | None = attr.ib(default=None, validator=_optional_text)


@target_factory.reg_resource
@attr.s(eq=False)
class NetworkIdoldbgProbe(NetworkResource):
    """A pyOCD server for a probe or an emulated board; `port` is None while none is running."""

    port: int | None = attr.ib(
        default=None, validator=attr.validators.optional(attr.validators.instance_of(int))
    )
    uid: str | None = attr.ib(default=None, validator=_optional_text)
    board: str | None = attr.ib(default=None, validator=_optional_text)
