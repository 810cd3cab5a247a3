"""`idol client` and `idol server`: generate Rust stubs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from idol.callers import (
    parse_allowance,
    parse_app_tasks,
    parse_section,
    parse_table,
    parse_task_names,
    resolve_callers,
)
from idol.cli.codes import EXIT_CODES, FOUND, OK
from idol.cli.files import read_source, write_if_changed
from idol.errors import DiagnosedError, OptionsError
from idol.options import FailServer, ServerStyle, StubOptions
from idol.reader import parse
from idol.stub import client_stub, server_stub

#: Where Hubris' build tells a build script the names of all tasks, and its own task's section.
TASKS_VARIABLE: Final = "HUBRIS_TASKS"
CONFIG_VARIABLE: Final = "HUBRIS_TASK_CONFIG"


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `client` and `server`."""
    for name, generate in (("client", client_stub), ("server", server_stub)):
        generator = commands.add_parser(
            name,
            help=f"generate the Rust {name} stub of an interface",
            description=f"Generate the Rust {name} stub of an interface, formatted.",
            epilog=EXIT_CODES,
        )
        _add_output(generator)
        _add_choices(generator)
        if name == "server":
            _add_server_choices(generator)
            _add_callers(generator)
        generator.set_defaults(run=_run_generator, generate=generate, format="text")


def _add_output(generator: argparse.ArgumentParser) -> None:
    generator.add_argument("file", metavar="FILE", help="`-` is the standard input")
    generator.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default="-",
        help="file to write, left alone if its content is the same already; "
        "`-`, the default, is the standard output",
    )
    generator.add_argument(
        "--cargo",
        action="store_true",
        help="print the `cargo:` lines that a build script passes on (needs -o)",
    )
    generator.add_argument(
        "--no-layout", action="store_true", help="do not indent the text: for compilers only"
    )


def _add_choices(generator: argparse.ArgumentParser) -> None:
    generator.add_argument(
        "--derive",
        action="append",
        default=[],
        metavar="TRAIT",
        help="derive one more trait for the operation enum; may be repeated",
    )
    generator.add_argument(
        "--panics",
        choices=("named", "plain"),
        default="named",
        help="named (default): each panic in a function that says what went wrong; "
        "plain: smaller code",
    )
    generator.add_argument(
        "--counters",
        action="store_true",
        help="count calls and how they end, with the crate `counters`",
    )


def _add_server_choices(generator: argparse.ArgumentParser) -> None:
    generator.add_argument(
        "--combine-client-errors",
        action="store_true",
        help="with --counters: count faults of clients once, not for each operation",
    )
    generator.add_argument(
        "--style",
        choices=[str(style) for style in ServerStyle],
        default=str(ServerStyle.IN_ORDER),
        help="in-order (default): methods return the reply; "
        "pipelined: they get a token to reply with, now or later",
    )
    generator.add_argument(
        "--fail-server",
        choices=[str(choice) for choice in FailServer],
        default=str(FailServer.AUTO),
        help="whether there is a server `FailServer` that fails every call; "
        "auto (default): if all operations have the same error type",
    )
    generator.add_argument(
        "--bare-replies",
        action="store_true",
        help="methods of operations that cannot fail return the value, not a `Result`",
    )


def _add_callers(generator: argparse.ArgumentParser) -> None:
    group = generator.add_argument_group(
        "restricted servers",
        f"Names of tasks are looked up in the environment's {TASKS_VARIABLE}.",
    )
    group.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="OP=TASK,…",
        help="let only these tasks call an operation; may be repeated",
    )
    group.add_argument(
        "--allow-from",
        metavar="FILE",
        help="take such a table from TOML or JSON: the table itself, or a task's section with "
        "[config.allowed-callers]; with --task, an app description",
    )
    group.add_argument(
        "--allow-env",
        action="store_true",
        help=f"take it from the section that Hubris' build passes in {CONFIG_VARIABLE}, if it does",
    )
    group.add_argument(
        "--task", metavar="NAME", help="the server's task in an app description (--allow-from)"
    )
    group.add_argument(
        "--tasks", metavar="A,B,…", help=f"names of all tasks in order, instead of {TASKS_VARIABLE}"
    )


def _run_generator(arguments: argparse.Namespace) -> int:
    if arguments.cargo and arguments.output == "-":
        raise OptionsError("--cargo needs -o: the standard output takes the cargo lines")
    # What else the output depends on is known when all of it has been read.
    directives = [f"cargo:rerun-if-changed={arguments.file}"]
    options = _make_options(arguments, directives)
    if arguments.cargo and not all(map(str.isprintable, directives)):
        raise OptionsError("--cargo: the name of a file has line breaks or control characters")
    source = read_source(arguments.file)
    try:
        text: str = arguments.generate(parse(source), options)
    except DiagnosedError as error:
        print(error, file=sys.stderr)
        return FOUND
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        write_if_changed(Path(arguments.output), text)
    if arguments.cargo:
        print("\n".join(directives))
    return OK


def _make_options(arguments: argparse.Namespace, directives: list[str]) -> StubOptions:
    options = StubOptions(
        extra_derives=tuple(arguments.derive),
        named_panics=arguments.panics == "named",
        is_formatted=not arguments.no_layout,
        counters=arguments.counters,
    )
    if arguments.generate is client_stub:
        return options
    if arguments.combine_client_errors and not arguments.counters:
        raise OptionsError("--combine-client-errors needs --counters")
    return StubOptions(
        options.extra_derives,
        options.named_panics,
        options.is_formatted,
        options.counters,
        combine_client_errors=arguments.combine_client_errors,
        style=ServerStyle(arguments.style),
        fail_server=FailServer(arguments.fail_server),
        bare_replies=arguments.bare_replies,
        allowed_callers=_find_callers(arguments, directives),
    )


def _find_callers(
    arguments: argparse.Namespace, directives: list[str]
) -> dict[str, tuple[int, ...]]:
    """Gather the table of callers from all places; the command line has the last word."""
    if arguments.task and not arguments.allow_from:
        raise OptionsError("--task needs --allow-from: the app description that it is in")
    table: dict[str, tuple[str, ...]] = {}
    tasks: tuple[str, ...] | None = None
    if arguments.allow_env:
        directives.append(f"cargo:rerun-if-env-changed={CONFIG_VARIABLE}")
        config = os.environ.get(CONFIG_VARIABLE)
        if config is not None:
            table |= parse_section(config, f"the variable {CONFIG_VARIABLE}")
    if arguments.allow_from:
        directives.append(f"cargo:rerun-if-changed={arguments.allow_from}")
        text = read_source(arguments.allow_from).text
        table |= parse_table(text, arguments.allow_from, arguments.task)
        tasks = parse_app_tasks(text, arguments.allow_from) if arguments.task else None
    for allowance in arguments.allow:
        operation, names = parse_allowance(allowance)
        table[operation] = names
    if not table:
        return {}
    if arguments.tasks is not None:
        tasks = parse_task_names(arguments.tasks)
    elif tasks is None:
        directives.append(f"cargo:rerun-if-env-changed={TASKS_VARIABLE}")
        names_of_all = os.environ.get(TASKS_VARIABLE)
        if names_of_all is None:
            raise OptionsError(
                "callers are given by name, and nothing says which tasks there are: "
                f"set {TASKS_VARIABLE}=first,second,… or give --tasks"
            )
        tasks = parse_task_names(names_of_all)
    return resolve_callers(table, tasks)
