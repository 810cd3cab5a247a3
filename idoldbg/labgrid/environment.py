"""Targets of a labgrid environment file, for the command line."""

from __future__ import annotations

from labgrid import Environment
from labgrid.exceptions import InvalidConfigError, NoDriverFoundError

from idol.near import near_misses
from idoldbg.build.load.files import read_regular
from idoldbg.errors import NotFound, TargetFileError
from idoldbg.labgrid.driver import IdoldbgDriver
from idoldbg.target.open import TargetOptions

__all__ = ["list_targets", "read_target"]

MAX_SIZE = 1 << 20  # bytes


def list_targets(path: str) -> tuple[str, ...]:
    """Return the names of the targets in their order; raise `TargetFileError`, `OSError`."""
    return tuple(_open(path).config.get_targets())


def read_target(path: str, name: str) -> TargetOptions:
    """Return the options of a target that has an `IdoldbgDriver`.

    A place of a coordinator must be acquired by this user. Raises `NotFound`, `TargetFileError`,
    `OSError`, and `LinkError` where the place has no server.
    """
    environment = _open(path)
    known = sorted(environment.config.get_targets())
    if name not in known:
        hint = f"it has {', '.join(known) or 'none'}"
        near = near_misses(name, known)
        raise NotFound("target", name, near=near, where=path, hint="" if near else hint)
    try:
        target = environment.get_target(name)
        if target is None:  # one without anything in it
            raise NoDriverFoundError(name)
        driver = target.get_driver(IdoldbgDriver)
        options: TargetOptions = driver.options
    except NoDriverFoundError:
        raise TargetFileError(
            f"{path}: target `{name}` has no IdoldbgDriver; add `IdoldbgDriver: {{}}` to its "
            "drivers",
            path=path,
        ) from None
    except InvalidConfigError as error:
        raise TargetFileError(f"{path}: target `{name}`: {error}", path=path) from None
    return options


def _open(path: str) -> Environment:
    read_regular(path, MAX_SIZE)  # raises OSError where labgrid raises others
    try:
        environment = Environment(path)
    except InvalidConfigError as error:
        raise TargetFileError(f"{path}: {error!s:.300}", path=path) from None
    except (AttributeError, KeyError, TypeError):  # labgrid expects tables, and does not look
        raise TargetFileError(f"{path}: not an environment of labgrid", path=path) from None
    return environment
