"""Choice of target and build: options, environment files, and Humility's variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from idol.printable import one_line
from idol.records import dataclass, replace
from idoldbg.cli import humility
from idoldbg.errors import ArgumentError
from idoldbg.target.open import find_scheme, is_spec
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.cli.options import Settings

__all__ = ["Connection", "connect"]

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Connection:
    """`--archive`, `--board` and `--probe` after everything that may stand for them."""

    archive: str | None
    board: str | None
    probe: str | None


def connect(
    settings: Settings, environ: Mapping[str, str], note: Note, *, wants_target: bool = True
) -> Connection:
    """Return the connection that options and environment describe.

    A probe or a named target of an option wins, then one of Humility's variables counts. `note`
    is told what came from where. Without `wants_target` no probe is looked for: its SPEC is then
    good for asking which build it runs alone. Raises `ArgumentError`, and as reading an environment
    file does.
    """
    archive, board, probe = settings.archive, settings.board, settings.probe
    name, path = settings.target_name, settings.environment
    if name is not None and probe is not None:
        raise ArgumentError("name a target or a probe, not both", name="--target")
    if any(key.startswith("HUMILITY_") for key in environ):
        said = None
        if probe is None and name is None:
            said = humility.read_variables(environ, wants_target=wants_target)
        path = path or environ.get("HUMILITY_ENVIRONMENT") or None
        if said is not None:
            name, probe = _follow(said, archive, note)
        if archive is None and not _has_build(probe) and not environ.get(humility.IGNORE):
            archive = environ.get("HUMILITY_ARCHIVE") or None
            if archive is not None:
                note("the archive is that of HUMILITY_ARCHIVE")
    if name is not None:
        found = _named(settings, name, path, archive, note)
        return replace(found, probe=_to_spec(found.probe, wants_target=wants_target))
    if settings.archive_name is not None:
        raise ArgumentError("only a target of `--target` has builds by name", name="--archive-name")
    return Connection(archive, board, _to_spec(probe, wants_target=wants_target))


def _follow(
    said: humility.Variables, archive: str | None, note: Note
) -> tuple[str | None, str | None]:
    """Return the target's name and the probe of Humility's variables, as far as they count."""
    if said.origin == "HUMILITY_DUMP" and archive is not None:
        _warn(f"--archive {archive} wins over HUMILITY_DUMP")
        return None, None
    if said.origin == "HUMILITY_PROBE" and archive is None and said.archive is None:
        note("HUMILITY_PROBE does not count: no build is named for it")
        return None, None
    if said.origin:
        note(f"the target is that of {said.origin}")
    return said.target, said.probe


def _named(
    settings: Settings, name: str, path: str | None, archive: str | None, note: Note
) -> Connection:
    """Return the connection to a target of an environment file, its probe as it is written."""
    from idoldbg.environment import get_target

    if path is None:
        raise ArgumentError(
            f"`{name}` is a name in an environment file: give the file with --environment, or in "
            "IDOLDBG_ENVIRONMENT",
            name="--target",
        )
    target = get_target(path, name)
    note(f"target `{name}` is from {path}")
    if archive is None:
        archive = target.archive(settings.archive_name)
    elif target.archives:
        _warn(f"{archive} is used instead of the build of target `{name}` in {path}")
    return Connection(archive, settings.board or target.board, target.probe)


def _has_build(probe: str | None) -> bool:
    """Return whether a SPEC says by itself what runs there."""
    if probe is None:
        return False
    spec = Spec.parse(probe)
    try:
        return spec.rest is not None and find_scheme(spec).build is not None
    except ArgumentError:  # whoever opens it says what is wrong with it
        return False


def _to_spec(probe: str | None, *, wants_target: bool) -> str | None:
    if probe is None or is_spec(probe):
        return probe
    from idoldbg.environment import is_probe_text, to_spec

    return "pyocd" if is_probe_text(probe) and not wants_target else to_spec(probe)


def _warn(message: str) -> None:
    click.echo(one_line(f"warning: {message}"), err=True)
