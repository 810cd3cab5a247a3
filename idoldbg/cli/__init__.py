"""The command line: `idoldbg COMMAND`.

Each command is a module of its own that joins a question (`idoldbg.views`, `idoldbg.call.calls`)
with a renderer. This file lists them, and is the one place where errors become messages and exit
codes.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from idol.printable import escape_json, join_lines
from idol.streams import use_surrogateescape
from idoldbg import errors
from idoldbg.build.learned import save_learned
from idoldbg.cli.groups import Group
from idoldbg.cli.interrupts import Ended, hearing_ctrl_c
from idoldbg.cli.options import Settings, global_options, output_format

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "EXIT_CODES", "exit_code", "idoldbg", "main"]

# name → (module, one line for the overview). Modules load when their command runs; of one that has
# several commands, `module:function`.
COMMANDS: dict[str, tuple[str, str]] = {
    "call": ("idoldbg.cli.call", "Make one Idol call and print the reply."),
    "list": ("idoldbg.cli.list_", "List interfaces, operations and their types."),
    "audit": ("idoldbg.cli.audit", "Check that every operation can be called and read."),
    "types": ("idoldbg.cli.types_", "Show how a type lies in memory, and its size on the wire."),
    "shell": ("idoldbg.cli.shell", "Start Python with the target in it, as `dev`."),
    "stubs": (
        "idoldbg.cli.stubs",
        "Write a Python package with the types of a build's interfaces.",
    ),
    "tasks": ("idoldbg.cli.tasks", "Show the tasks and what each is doing."),
    "map": ("idoldbg.cli.map_", "Show who may touch what memory, or what is at an address."),
    "manifest": (
        "idoldbg.cli.manifest",
        "Show what a build says of itself: versions, tasks, devices, sensors, sockets.",
    ),
    "extract": (
        "idoldbg.cli.extract",
        "List the files of a build, or write one: to standard output, or to --output.",
    ),
    "readmem": ("idoldbg.cli.readmem", "Read memory: bytes, with the symbols in them."),
    "writemem": ("idoldbg.cli.writemem", "Write memory, and show it before and after."),
    "stackmargin": (
        "idoldbg.cli.stackmargin",
        "Show how far the stack of each task has been used.",
    ),
    "hiffy": (
        "idoldbg.cli.hiffy",
        "Call one of hiffy's own functions, or list those of the image.",
    ),
    "gpio": ("idoldbg.cli.gpio", "Read or drive pins, through hiffy's GPIO functions."),
    "i2c": ("idoldbg.cli.i2c", "Look at I2C buses, through hiffy's functions."),
    "sensors": ("idoldbg.cli.sensors", "Show sensors and their last readings."),
    "test": ("idoldbg.cli.test", "Run Hubris's own test suite on a target."),
    "task": ("idoldbg.cli.task", "Hold, release, restart or fault a task, through the supervisor."),
    "halt": ("idoldbg.cli.halt", "Halt the core, and leave it so when the command ends."),
    "resume": ("idoldbg.cli.resume", "Let a halted core run on."),
    "registers": ("idoldbg.cli.registers", "Show the core's registers and what they point to."),
    "ringbuf": ("idoldbg.cli.ringbuf", "Show the ring buffers of the firmware."),
    "counters": ("idoldbg.cli.counters", "Show event counters, and who calls whom."),
    "readvar": ("idoldbg.cli.readvar", "Read statics or parts of them, or set one."),
    "watch": ("idoldbg.cli.watch", "Repeat a command that reads the target's state."),
    "vars": ("idoldbg.cli.vars_", "List the statics of a build."),
    "dump": ("idoldbg.cli.dump", "Write a core dump of a target."),
    "hydrate": (
        "idoldbg.cli.hydrate",
        "Make a core dump of what a service processor sent about a crashed task.",
    ),
    "diagnose": (
        "idoldbg.cli.diagnose",
        "Look for what is wrong with a target, and say what to do.",
    ),
    "flash": ("idoldbg.cli.flash", "Program a board with a build, verify it, and see it boot."),
    "reset": ("idoldbg.cli.reset", "Reset a board and wait until it is up."),
    "probes": ("idoldbg.cli.probes", "List debug probes and emulated boards."),
    "boards": ("idoldbg.cli.boards", "List the boards that are known by name."),
    "targets": ("idoldbg.cli.targets", "List the targets of an environment file."),
    "exec": (
        "idoldbg.cli.targets:exec_command",
        "Run a command that an environment file gives to a target.",
    ),
    "board": ("idoldbg.cli.board", "Keep emulated boards running."),
    "cache": ("idoldbg.cli.cache", "Show or empty the index of archives."),
    "farm": ("idoldbg.cli.farm", "Run tests on many boards of a labgrid lab at a time."),
    "demo": ("idoldbg.cli.demo", "Walk through the main job on an emulated board."),
}

# The contract that scripts and CI rely on. The first class that fits decides.
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.OperationError, 1),
    (errors.LimitExceeded, 2),
    (errors.ArgumentError, 2),
    (errors.NotFound, 2),
    (errors.CallError, 3),
    (errors.MismatchError, 3),
    (errors.FaultError, 3),
    (errors.DecodeError, 3),
    (errors.EncodeError, 3),
    (errors.LinkTimeout, 3),
    (errors.FlashError, 3),
    (errors.LinkError, 4),
    (errors.ArchiveError, 4),
    (errors.DebugInfoError, 4),
    (errors.TargetFileError, 4),
    (OSError, 4),
)
BUG = 70
COMPLETE = "_IDOLDBG_COMPLETE"  # set by the shells that ask for completion
LONGEST_MESSAGE = 10_000  # characters


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error: 1 operation, 2 usage, 3 target, 4 link or host, 70 bug."""
    for kind, code in EXIT_CODES:
        if isinstance(error, kind):
            return code
    return BUG


class LazyGroup(Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        if COMPLETE in os.environ:
            from idoldbg.cli.completion import equip

            equip(command, cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete without loading all commands for their help."""
        from click.shell_completion import CompletionItem

        own = click.Command.shell_complete(self, ctx, incomplete)
        found = [(n, t) for n, (_, t) in COMMANDS.items() if n.startswith(incomplete)]
        return [*(CompletionItem(name, help=text) for name, text in found), *own]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="idoldbg", message="%(prog)s %(version)s")
@global_options
@click.pass_context
def idoldbg(ctx: click.Context, /, **values: Any) -> None:
    """Debug Hubris firmware: make Idol calls, look at tasks, with a board or without.

    With no options at all, commands work on the bundled demo image, which runs on an emulated
    stm32f4-discovery. The global options may also stand after the command; each can be set by an
    environment variable IDOLDBG_<NAME>.
    """
    ctx.obj = Settings(**values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process with the contract's code."""
    use_surrogateescape()
    if COMPLETE in os.environ:
        from idoldbg.cli.completion import equip

        equip(idoldbg, "")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    with hearing_ctrl_c():
        code = _run(arguments)
        try:
            save_learned()
        except KeyboardInterrupt as interrupt:
            return _report_interrupt(arguments, interrupt)
        return code


def _run(arguments: list[str]) -> int:
    try:
        result = idoldbg.main(arguments, prog_name="idoldbg", standalone_mode=False)
        if sys.stdout is not None:  # None: the caller closed it (`>&-`)
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort as abort:
        return _report_interrupt(arguments, abort.__cause__)
    except click.ClickException as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":  # of click 8.2: the message is the help
            click.echo(error.format_message(), err=True)
            return 2
        message = _click_message(error)
        hint = _usage_hint(error, arguments) if isinstance(error, click.UsageError) else ""
        return _report(arguments, "Usage", message, 2, hint)
    except BrokenPipeError:
        # The reader went away (`idoldbg list | head`): nothing is left to say, nor where.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except errors.IdoldbgError as error:
        message = _message(error)
        return _report(arguments, type(error).__name__, message, exit_code(error), error=error)
    except OSError as error:
        return _report(arguments, type(error).__name__, _os_message(error), exit_code(error))
    except Exception:  # noqa: BLE001  whatever else escapes is a bug, and says so
        import traceback

        _print_lines(traceback.format_exc().expandtabs().rstrip("\n").split("\n"))
        click.echo("This is a bug in idoldbg: please report it with the lines above.", err=True)
        return BUG


def _report_interrupt(arguments: list[str], cause: BaseException | None) -> int:
    """Report the interrupt and what the command leaves behind; return 128 + the signal."""
    number = cause.number if isinstance(cause, Ended) else signal.SIGINT
    first = cause.__cause__ if isinstance(cause, Ended) else cause
    notes = getattr(first, "__notes__", [])
    if notes:
        return _report(arguments, "Interrupted", "; ".join(["interrupted", *notes]), 128 + number)
    click.echo("interrupted", err=True)
    return 128 + number


def _message(error: errors.IdoldbgError) -> str:
    """Return an error's message, with the build where the message does not name it."""
    if isinstance(error, errors.DebugInfoError) and error.archive:
        return f"{error.archive}: {error}"
    return str(error)


def _os_message(error: OSError) -> str:
    """Return a file's name and its error, as Unix tools do."""
    what = error.strerror or str(error)
    return what if error.filename is None else f"{error.filename}: {what}"


def _click_message(error: click.ClickException) -> str:
    """Return click's message in our form: one line, lower case, backquotes, no full stop."""
    if isinstance(error, click.NoSuchOption):
        near = error.possibilities or ()
        names = " or ".join(f"`{name}`" for name in near)
        return f"no option `{error.option_name}`" + (f"; did you mean {names}?" if near else "")
    if isinstance(error, click.BadOptionUsage):
        takes_none = "does not take" in error.message
        return f"{error.option_name} {'takes no value' if takes_none else 'needs a value'}"
    message = " ".join(error.format_message().split())  # click's own have several lines
    if isinstance(error, click.MissingParameter):
        return _reworded(message)
    if isinstance(error, click.BadParameter):
        found = re.fullmatch(r"Invalid value for (?:'.*' / )?'([^']*)': (.*)", message)
        return message if found is None else f"{found[1]}: {_reworded(found[2])}"
    extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", message)
    return message if extra is None else f"unexpected `{extra[1]}`"


def _reworded(message: str) -> str:
    message = re.sub(r"'([^']*)'", r"`\1`", message).removesuffix(".")
    message = message.replace("a valid float", "a number").replace("a valid integer", "an integer")
    return message[:1].lower() + message[1:]


def _usage_hint(error: click.UsageError, arguments: list[str]) -> str:
    if error.ctx is not None:
        return f"Try `{error.ctx.command_path} --help`."
    command = next((f" {name}" for name in arguments if name in COMMANDS), "")
    return f"Try `idoldbg{command} --help`."


def _report(
    arguments: list[str],
    kind: str,
    message: str,
    code: int,
    hint: str = "",
    error: BaseException | None = None,
) -> int:
    if len(message) > LONGEST_MESSAGE:  # names of a build can have megabytes
        half = LONGEST_MESSAGE // 2
        message = f"{message[:half]} … {message[-half:]}"
    if output_format(arguments) == "json":
        import json

        facts = {"kind": kind, "message": message, **_facts(error)}
        post_mortem = getattr(error, "post_mortem", None)
        if post_mortem is not None:
            from idoldbg.render.json import post_mortem as as_json

            facts["post_mortem"] = as_json(post_mortem)
        click.echo(escape_json(json.dumps({"error": facts}, sort_keys=True)), err=True)
    else:
        notes = [f"  {note}" for note in getattr(error, "__notes__", [])]
        _print_lines([f"error: {message}", *notes, *([hint] if hint else [])])
    return code


def _print_lines(lines: list[str]) -> None:
    click.echo(join_lines(lines), err=True)


def _facts(error: BaseException | None) -> dict[str, Any]:
    """Return an error's attributes as far as JSON can hold them."""
    if not isinstance(error, errors.IdoldbgError):
        return {}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(error).items()
        if name != "message" and isinstance(value, str | int | float | tuple) and value != ""
    }
