"""`idoldbg call`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idol.near import near_misses
from idol.whole_file import write_whole
from idoldbg.build.program import Program
from idoldbg.call.calls import Call, Reply, find_parameter, prepare_call
from idoldbg.cli.call_options import GivenOption, own_names, own_values, split_options
from idoldbg.cli.data import read_data
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, command_options, type_option
from idoldbg.cli.output import print_text, say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.errors import ArgumentError, IdoldbgError, OperationError
from idoldbg.opening import open_program
from idoldbg.render import json, text
from idoldbg.resolver import ResolvedOperation

if TYPE_CHECKING:
    from idoldbg.session import Session

# Options of the command that must be known before the operation can be looked up.
LOADING = frozenset({"archive", "board", "probe"})


@click.command(
    "call",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--task", metavar="NAME", help="Which server, where an interface has several.")
@click.option("-o", "--output", metavar="FILE", help="Write what the server leaves in its lease.")
@click.option("--hex", "hexadecimal", is_flag=True, help="Print integers in hexadecimal.")
@type_option
@click.option(
    "--no-recover",
    is_flag=True,
    help="Do not restart hiffy when it waits for ever; look at the tasks as they are.",
)
@click.argument("operation", metavar="IFACE.OP")
@click.argument(
    "options", nargs=-1, type=click.UNPROCESSED, metavar="[--ARG VALUE]... [--LEASE DATA]..."
)
@command_options
def command(settings: Settings, operation: str, options: tuple[str, ...], **own: Any) -> None:
    """Make one Idol call and print the reply.

    Arguments and leases of the operation become options (`device_index` is --device-index). Values:
    numbers in any base, true/false, names of enum variants, Some(3)/None, (1, 2), [1, 2],
    `Point { x: 1, y: 2 }` or JSON; byte arrays also as hex:…, @FILE or str:TEXT. A lease that the
    server reads takes a list of its elements, or bytes: hex:…, @FILE, str:TEXT or - (standard
    input); one that it writes takes a number of elements. Leases left out are empty.

    `idoldbg call IFACE.OP -h` (--help) says what an operation takes. Options of this command may
    also stand after IFACE.OP. Where the operation has an argument of that name (`help`, `hex`),
    --hex is the argument there: the command's stands before (`call --hex IFACE.OP --hex 3`), or
    is written short (-h, -o FILE, -v), which is always the command's.

    Without a probe, each command runs on a fresh emulated board and what a call changes is gone
    afterwards; `idoldbg board start NAME` and --probe emu:NAME keep one running.

    Exit codes: 0 done, 1 the operation answered with an error, 2 usage, 3 the target failed, 4 the
    probe or this machine failed.
    """
    if operation.startswith("-"):
        name = operation.lstrip("-").partition("=")[0]
        _refuse_option(name, near_misses(name, own_names(command)))
        raise click.UsageError(f"no option `{operation}`: those of the operation follow IFACE.OP")
    settings, program, taken = _open(settings, operation, split_options(options, command, None))
    parsed = split_options(options, command, taken)
    _refuse_near_misses(parsed, taken)
    mine = own_names(command) - taken
    opened = [o for o in parsed if o.name in LOADING and o.value is not None]
    later = own_values([o for o in parsed if o.is_own(mine) and o not in opened], command)
    wants_help = later.pop("help", False)
    program.override_types({**own["types"], **later.pop("types", {})}, option="--type")
    own.update({name: later.pop(name) for name in own if name in later})
    settings = settings.overridden_by(Settings(**later))
    task = own["task"]
    if wants_help and task is None:
        from idoldbg.views.interfaces import first_server  # not for calls

        task = first_server(program, operation)
    resolved = program.operation(operation, task)
    for name in program.unused_overrides:
        say(f"--type {name}: {operation} has no type of that name")
    if wants_help:
        print_text(text.operation_help(resolved))
        return
    arguments = _arguments(resolved, [o for o in parsed if not o.is_own(mine)])
    if own["output"] is not None and not any(lease.write for lease in resolved.leases):
        raise click.UsageError(f"-o: no lease of {resolved.name} is written by its server")
    call = prepare_call(resolved, arguments, read_data=read_data)
    if own["output"] is not None:
        _check_output(Path(own["output"]))
    _make(settings, program, call, own)


def _open(
    settings: Settings, operation: str, options: tuple[GivenOption, ...]
) -> tuple[Settings, Program, frozenset[str]]:
    """Open the build; return also the names that the operation takes."""
    # One without a value may be an argument; if it is not, `command` says so.
    given = [o for o in options if o.name in LOADING and o.value is not None]
    loading = own_values(given, command)
    short = frozenset(o.name for o in options if o.is_short)  # the command's in any case
    chosen = settings.overridden_by(Settings(**loading))
    try:
        program = open_program(chosen.target())
        taken = program.parameter_names(operation)
    except IdoldbgError:
        # Perhaps `--board 3` was meant for the operation.
        if not loading:
            raise
        program = open_program(settings.target())
        taken = program.parameter_names(operation)
        if not taken - short & loading.keys():
            raise
    if taken - short & loading.keys():
        loading = {name: value for name, value in loading.items() if name not in taken - short}
        chosen = settings.overridden_by(Settings(**loading))
        program = open_program(chosen.target())
    return chosen, program, taken


def _make(settings: Settings, program: Program, call: Call, own: Mapping[str, Any]) -> None:
    from idoldbg.session import open_session  # all kinds of links: not for mistakes and --help

    with ending_tidily(), open_session(settings.target(), program=program, notify=say) as session:
        session.caller.recovers = not own["no_recover"]
        try:
            with _waiting(session, call):
                outcome: Reply | OperationError = session.caller.call(call)
        except OperationError as error:
            outcome = error
        finally:
            if settings.verbose:
                say(str(session.traffic))
    if isinstance(outcome, OperationError):
        failure = outcome
        show(
            settings,
            lambda: text.operation_error(call.operation, failure),
            lambda: json.operation_error(call.operation, failure),
        )
        click.get_current_context().exit(1)
    reply = outcome
    show(
        settings,
        lambda: text.reply(reply, hexadecimal=own["hexadecimal"]),
        lambda: json.reply(reply),
    )
    if own["output"] is not None:  # after the reply is shown: a full disk does not swallow it
        write_whole(own["output"], b"".join(reply.leases.values()))


@contextmanager
def _waiting(session: Session, call: Call) -> Iterator[None]:
    """Show on a terminal how long the target was waited for, by its own clock."""
    link = session.link
    begin_s = link.monotonic()
    with ProgressLine(f"waiting for {call.operation.name}") as line:

        def show_time() -> None:
            waited_s = round(link.monotonic() - begin_s, 1)
            limit_s = session.timeout_s  # after which others are looked at, and that waits as well
            line.update(min(waited_s, limit_s), limit_s, "s of the target's time")

        link.on_wait = show_time
        yield


def _check_output(path: Path) -> None:
    """Refuse a file that cannot be written before the call is made; raise `ArgumentError`."""
    if path.is_dir():
        why = "it is a directory"
    elif not path.parent.is_dir():
        why = f"no such directory: `{path.parent}`"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "this user may not write it"
    else:
        return
    raise ArgumentError(f"cannot write `{path}`: {why}; nothing was called", name="-o")


def _arguments(operation: ResolvedOperation, options: Collection[GivenOption]) -> dict[str, str]:
    """Return the text given for each argument and lease of the operation."""
    arguments: dict[str, str] = {}
    for option in options:
        name = find_parameter(operation, option.name)
        if name in arguments:
            raise click.UsageError(f"--{option.name} was given twice")
        if option.value is None:
            raise click.UsageError(_needs_value(operation, option.name.replace("_", "-")))
        arguments[name] = option.value
    return arguments


def _needs_value(operation: ResolvedOperation, name: str) -> str:
    said = f"--{name} needs a value"
    option = {o.opts[-1]: o.opts[0] for o in command.params}.get(f"--{name}")
    if name == "help":
        option = "-h"
    if option is None:
        return said
    short = option if not option.startswith("--") else f"--{name} before {operation.name}"
    return f"{said}: it is an argument of {operation.name}; the option of this command is {short}"


def _refuse_near_misses(options: Collection[GivenOption], taken: Collection[str]) -> None:
    """Refuse what resembles an option of the command, and nothing that the operation takes."""
    mine, taken = own_names(command), {name.replace("-", "_") for name in taken}
    for option in options:
        if option.is_own(mine) or option.name in taken or near_misses(option.name, taken):
            continue
        _refuse_option(option.name, near_misses(option.name, mine))


def _refuse_option(name: str, near: Collection[str]) -> None:
    if near:
        meant = " or ".join(f"`--{each.replace('_', '-')}`" for each in near)
        raise click.UsageError(f"no option `--{name.replace('_', '-')}`; did you mean {meant}?")
