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
from idoldbg.cli.commands import COMMANDS, SECTIONS
from idoldbg.cli.groups import Group
from idoldbg.cli.interrupts import Ended, hearing_ctrl_c
from idoldbg.cli.options import Settings, global_options, output_format

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "EXIT_CODES", "exit_code", "idoldbg", "main"]

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
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(n.ljust(width), text) for n, (_, text) in commands.items()])


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
    message = re.sub(r"\b(a number|an integer) range$", r"\1", message)
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
