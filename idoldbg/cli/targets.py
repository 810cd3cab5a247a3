"""`idoldbg targets`, `idoldbg exec`: the targets of an environment file, and their commands."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import click

from idol.near import near_misses
from idoldbg.cli.options import PROBE_FLAGS, Settings, options_except
from idoldbg.cli.output import show
from idoldbg.environment import NamedTarget, get_target, read_environment
from idoldbg.errors import ArgumentError, NotFound
from idoldbg.render import targets as render

__all__ = ["command", "exec_command"]

UNUSED: tuple[str, ...] = ("--archive", "--board", "--probe", "--timeout", "--wait", *PROBE_FLAGS)
UNUSED += ("--uart", "--record")


def _environment(settings: Settings) -> str:
    path = settings.environment or os.environ.get("HUMILITY_ENVIRONMENT")
    if not path:
        raise ArgumentError(
            "give the file with --environment, or in IDOLDBG_ENVIRONMENT", name="--environment"
        )
    return path


@click.command("targets")
@options_except(unused=(*UNUSED, "--target", "--archive-name", "--no-cache"))
def command(settings: Settings) -> None:
    """List the targets of an environment file.

    The file gives names to boards: `idoldbg --environment lab.toml targets`, and then
    `idoldbg --environment lab.toml --target desk tasks`. See docs/environment.md for its form.
    """
    path = _environment(settings)
    found = list(read_environment(path).values())
    show(settings, lambda: render.text(found), lambda: render.json(path, found))


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False, metavar="[NAME[.NAME…]]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@options_except(unused=(*UNUSED, "--no-cache"))
def exec_command(settings: Settings, name: str | None, arguments: tuple[str, ...]) -> None:
    """Run a command that an environment file gives to a target.

    Such as `idoldbg --environment lab.toml --target desk exec power.on`; without NAME they are
    listed. It is run without a shell, ARGUMENTS behind its own; its exit code is that of `exec`.
    """
    path = _environment(settings)
    chosen = settings.target_name or os.environ.get("HUMILITY_TARGET")
    if not chosen:
        raise ArgumentError("name a target of the environment file", name="--target")
    target = get_target(path, chosen)
    if name is None:
        lines = [f"{key}: {line}" for key, line in _iter_commands(target.commands)]
        show(settings, lambda: "\n".join(lines), lambda: render.commands_json(target))
        return
    line = _find(target, name)
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise ArgumentError(f"`{name}`: {error}: {line}", name="NAME") from None
    if not command:
        raise ArgumentError(f"`{name}` is empty", name="NAME")
    done = subprocess.run([*command, *arguments], check=False)
    click.get_current_context().exit(done.returncode & 0xFF)


def _iter_commands(commands: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, entry in commands.items():
        if isinstance(entry, str):
            yield f"{prefix}{key}", entry
        else:
            yield from _iter_commands(entry, f"{prefix}{key}.")


def _find(target: NamedTarget, name: str) -> str:
    known = dict(_iter_commands(target.commands))
    if name in known:
        return known[name]
    inner = [key for key in known if key.startswith(f"{name}.")]
    near = inner or near_misses(name, known)
    hint = "" if near else f"it has {', '.join(known) or 'none'}"
    raise NotFound("command", name, near=near, where=f"target `{target.name}`", hint=hint)
