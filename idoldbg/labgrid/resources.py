"""labgrid resources: a debug probe or an emulated board, on this host or behind an exporter."""

from __future__ import annotations

import attr
from labgrid.exceptions import InvalidConfigError
from labgrid.factory import target_factory
from labgrid.resource.common import NetworkResource, Resource

__all__ = ["IdoldbgEmulatedBoard", "IdoldbgProbe", "NetworkIdoldbgProbe"]


def _text(resource: Resource, attribute: attr.Attribute[str], value: object) -> None:
    """Refuse numbers: YAML has lost how they were written, and with it leading zeros."""
    where = f"{type(resource).__name__}: `{attribute.name}`"
    if isinstance(value, int | float):
        raise InvalidConfigError(
            f"{where} is the number {str(value)[:40]} for YAML: write it in quotes, as it is "
            "printed on the probe (one that begins with 0 is another number, in octal)"
        )
    if not isinstance(value, str):
        raise InvalidConfigError(f"{where} should be a string, not {str(value)[:60]!r}")


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
