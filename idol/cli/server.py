"""`idol server`: generate the Rust stubs of servers, which may be open to some callers only."""

from __future__ import annotations

import argparse
import os

from idol.callers import (
    parse_allowance,
    parse_app_tasks,
    parse_section,
    parse_table,
    parse_task_names,
    resolve_callers,
)
from idol.cli.files import read_source
from idol.cli.generate import add_generator, generate, make_options
from idol.errors import OptionsError
from idol.hints import Final
from idol.options import FailServer, ServerStyle, StubOptions
from idol.stub import server_stub

#: Where Hubris' build tells a build script the names of all tasks, and its own task's section.
TASKS_VARIABLE: Final = "HUBRIS_TASKS"
CONFIG_VARIABLE: Final = "HUBRIS_TASK_CONFIG"


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `server`."""
    parser = add_generator(commands, "server")
    _add_server_choices(parser)
    _add_callers(parser)
    parser.set_defaults(run=_run)


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


def _run(arguments: argparse.Namespace) -> int:
    if arguments.combine_client_errors and not arguments.counters:
        raise OptionsError("--combine-client-errors needs --counters")
    common = make_options(arguments)
    # What else the output depends on is known when all of it has been read.
    dependencies: list[str] = []
    options = StubOptions(
        common.extra_derives,
        common.named_panics,
        common.is_formatted,
        common.counters,
        combine_client_errors=arguments.combine_client_errors,
        style=ServerStyle(arguments.style),
        fail_server=FailServer(arguments.fail_server),
        bare_replies=arguments.bare_replies,
        allowed_callers=_find_callers(arguments, dependencies),
    )
    if options.allowed_callers and (len(arguments.files) > 1 or os.path.isdir(arguments.files[0])):
        raise OptionsError("a table of callers is that of one server: give one FILE")
    return generate(arguments, "server", server_stub, options, dependencies)


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
