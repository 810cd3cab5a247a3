"""`idoldbg stubs`."""

from __future__ import annotations

import keyword
import os
from pathlib import Path

import click

from idol.printable import printable
from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, build_options, type_option
from idoldbg.cli.output import print_text, say
from idoldbg.errors import ArgumentError
from idoldbg.session import open_program
from idoldbg.stubs import MADE_BY, generate


@click.command("stubs")
@click.argument("build", required=False, metavar="[ARCHIVE]")
@click.option("-o", "--output", required=True, metavar="DIR", help="The package's directory.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1 where the package is not what would be written.",
)
@type_option
@build_options
def command(
    settings: Settings, build: str | None, output: str, check: bool, types: dict[str, str]
) -> None:
    """Write a Python package with the types of a build's interfaces.

    Tests that import it are checked by mypy and pyright, and completed by editors:

    \b
        idoldbg stubs build.zip -o tests/hubris_stubs
        from hubris_stubs import attach, errors, types

    The package is meant to be committed: it changes only with the interfaces and the image id.
    Attaching to a build whose interfaces are others fails and says which; a new image id alone
    does not matter. `--check` in CI tells that the package was forgotten.
    """
    directory = Path(output)
    _check_place(output, directory)
    chosen = settings.overridden_by(Settings(archive=build))
    program = open_program(chosen.build())
    program.override_types(types, option="--type")
    for task, reason in program.unreadable_interfaces:
        say(f"task `{task}` is left out: {reason}")
    files = generate(program)
    found = {name: _read(directory / name) for name in files}
    changed = [name for name, text in files.items() if found[name] != text]
    if check:
        for name in changed:
            state = "is missing" if found[name] is None else "is out of date"
            print_text(printable(f"{directory / name} {state}"), err=True)
        click.get_current_context().exit(1 if changed else 0)
    for name, text in found.items():
        if text and MADE_BY not in text:
            raise ArgumentError(
                f"`{directory / name}` was not written by `idoldbg stubs`: choose another place",
                name="-o",
            )
    directory.mkdir(parents=True, exist_ok=True)
    for name in changed:
        write_whole(directory / name, files[name].encode())
    print_text(printable(f"{directory}: {len(changed)} of {len(files)} files written"))


def _check_place(output: str, directory: Path) -> None:
    """Refuse what cannot be imported, and folders that hold something else."""
    name = Path(os.path.realpath(directory)).name
    if not output or not name.isidentifier() or keyword.iskeyword(name):
        message = f"`{output}` cannot be imported: end it in a Python name, such as hubris_stubs"
        raise ArgumentError(message, name="-o")
    is_ours = MADE_BY in (_read(directory / "__init__.py") or "")
    if directory.is_dir() and any(directory.iterdir()) and not is_ours:
        raise ArgumentError(
            f"`{directory}` holds what was not written by `idoldbg stubs`: name a folder in it",
            name="-o",
        )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
