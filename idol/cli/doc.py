"""`idol doc`: interfaces as documentation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from idol.cli.codes import EXIT_CODES, OK
from idol.cli.files import (
    FILES_HELP,
    HostError,
    expand_folders,
    make_folder,
    read_source,
    write_if_changed,
)
from idol.document import FORMATS, Format, describe, describe_entry
from idol.errors import DiagnosedError, InterfaceError, OptionsError
from idol.reader import parse
from idol.source import Diagnostic
from idol.syntax import Interface


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doc`."""
    parser = commands.add_parser(
        "doc",
        help="write documentation of interfaces",
        description="Write a page about each interface: operations with their codes, arguments, "
        "leases, replies and errors. HTML pages need nothing besides themselves.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        help="default: html if OUT ends in .html, else markdown",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default="-",
        help="file to write; with several FILEs, a folder that gets a page for each and an index; "
        "`-`, the default, is the standard output",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    name = arguments.format or ("html" if output.suffix in (".html", ".htm") else "markdown")
    form = FORMATS[name]
    names = []
    for found in expand_folders(arguments.files):
        if isinstance(found, HostError):
            raise found
        names.append(found)
    to_folder = len(names) > 1 or (arguments.output != "-" and output.is_dir())
    if to_folder and arguments.output == "-":
        raise OptionsError("several files need a folder for their pages: -o FOLDER")
    files = _choose_names(names, form) if to_folder else [""]
    interfaces = _read_all(names)
    if to_folder:
        _write_folder(output, form, files, interfaces)
        return OK
    text = form.render_page(describe(interfaces[0]))
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        write_if_changed(output, text)
    return OK


def _choose_names(files: Sequence[str], form: Format) -> list[str]:
    """Name the page of each file after it; interfaces may share a name, as Hubris's do."""
    names: dict[str, str] = {f"index{form.suffix}": "the index"}
    for file in files:
        name = ("stdin" if file == "-" else Path(file).stem) + form.suffix
        if name in names:
            raise OptionsError(f"{file} and {names[name]} would both be {name} in the folder")
        names[name] = file
    return list(names)[1:]


def _read_all(files: Sequence[str]) -> list[Interface]:
    """Read all files, or say everything that is wrong in any of them."""
    interfaces: list[Interface] = []
    errors: list[Diagnostic] = []
    for file in files:
        try:
            interface = parse(read_source(file))
        except DiagnosedError as error:
            errors += error.diagnostics
            continue
        errors += interface.errors
        interfaces.append(interface)
    if errors:
        raise InterfaceError(errors)
    return interfaces


def _write_folder(
    folder: Path, form: Format, files: Sequence[str], interfaces: Sequence[Interface]
) -> None:
    make_folder(folder)
    index = f"index{form.suffix}"
    entries = []
    for file, interface in zip(files, interfaces, strict=True):
        write_if_changed(folder / file, form.render_page(describe(interface, index)))
        entries.append(describe_entry(interface, file))
    entries.sort(key=lambda entry: (entry.name.lower(), entry.file))
    write_if_changed(folder / index, form.render_index(tuple(entries)))
