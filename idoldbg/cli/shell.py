"""`idoldbg shell`."""

from __future__ import annotations

import ast
import code
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as Offer
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

import idoldbg
from idoldbg import errors
from idoldbg.cli.options import Settings, command_options, type_option
from idoldbg.cli.output import print_text, say
from idoldbg.cli.progress import ProgressLine
from idoldbg.device import Device, Err, Ok, open_device_session
from idoldbg.device.completion import complete
from idoldbg.device.operation import BoundOperation
from idoldbg.device.shown import is_shown
from idoldbg.errors import ArgumentError, IdoldbgError
from idoldbg.render.printable import join_lines, one_line, printable
from idoldbg.session import Session

FAILED = 1
BANNER = """{device}
`dev` is the device: dev.Spi.exchange(…), dev["task"].Iface; also here: {names}.
An operation's name alone says what it takes. Tab completes, Ctrl-D leaves."""


@click.command("shell")
@click.option("-c", "command_", metavar="CODE", help="Run CODE, print its last value, and leave.")
@click.argument("script", required=False, metavar="[SCRIPT]")
@type_option
@command_options
def command(
    settings: Settings, command_: str | None, script: str | None, types: dict[str, str]
) -> None:
    """Start Python with the target in it, as `dev`.

    \b
        idoldbg shell
        >>> Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
        Reply((), sink: hex:ffef4018)

    Interfaces that one task alone serves also go by their own names. With completion of names,
    parameters and enum variants, and a history that is kept (in $XDG_STATE_HOME/idoldbg). `-c`, a
    SCRIPT or a program on standard input run without all that. Errors of the target end these with
    the exit codes of `call`, others with 1.
    """
    if command_ is not None and script is not None:
        raise ArgumentError("give -c CODE or a SCRIPT, not both", name="SCRIPT")
    text = None if script is None else Path(script).read_bytes()
    options = settings.target()
    session = open_device_session(
        options.archive,
        board=options.board,
        probe=options.probe,
        timeout_s=settings.timeout_s,
        type_overrides=types,
        uart=settings.uart,
        notify=say,
        wait_s=settings.wait or 0.0,
        record=settings.record,
        speed_hz=settings.speed,
        connect=settings.connect,
        use_cache=not settings.no_cache,
    )
    with Device(session) as dev:
        names = make_namespace(dev)
        if script is not None:
            sys.path.insert(0, str(Path(script).resolve().parent))
        else:  # last: a `json.py` of the current directory is not to take the place of Python's
            sys.path.append("")
        if command_ is not None:
            status = _run(command_, "<command>", names, shows_last=True)
        elif script is not None and text is not None:
            sys.argv = [script]
            status = _run(text, script, names | {"__file__": script})
        elif not sys.stdin.isatty():
            status = _run(sys.stdin.buffer.read(), "<stdin>", names)
        else:
            status = _interact(dev, names)
    click.get_current_context().exit(status)


def start_in(session: Session) -> int:
    """Start Python with a target that is open already; return the exit status."""
    dev = Device(session)
    names = make_namespace(dev)
    if not sys.stdin.isatty():
        return _run(sys.stdin.buffer.read(), "<stdin>", names)
    return _interact(dev, names)


def make_namespace(dev: Device) -> dict[str, Any]:
    """Return the names that programs begin with."""
    names = {name: getattr(dev, name) for name in _interfaces(dev) if hasattr(dev, name)}
    own = {"dev": dev, "idoldbg": idoldbg, "errors": errors, "Ok": Ok, "Err": Err}
    return {"__name__": "__main__", "__doc__": None, **names, **own}


def _interfaces(dev: Device) -> list[str]:
    return [name for name in dir(dev) if not hasattr(type(dev), name)]


def _run(text: str | bytes, name: str, names: dict[str, Any], *, shows_last: bool = False) -> int:
    """Run a program; return the exit code. Errors of the target are for the command line."""
    try:
        tree = ast.parse(text, name)
        last = tree.body[-1] if tree.body and shows_last else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), names)
        if isinstance(last, ast.Expr):
            _display(eval(compile(ast.Expression(last.value), name, "eval"), names))
    except (IdoldbgError, KeyboardInterrupt, BrokenPipeError):
        raise
    except SystemExit as stop:
        return _status(stop)
    except BaseException as error:  # noqa: BLE001  the program's own, whatever it is
        _show_traceback(error)
        return FAILED
    return 0


def _status(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print_text(str(stop.code), err=True)
    return FAILED


def _show_traceback(error: BaseException) -> None:
    """Print a traceback without the frames of the shell itself."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, ast.__file__):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    print_text("".join(lines).expandtabs().rstrip("\n"), err=True)


def _display(value: Any) -> None:
    """Show a value as the prompt does: operations as their help, tasks as a table, None not."""
    if isinstance(value, BoundOperation):
        print_text(value.__doc__ or "")
    elif is_shown(value):
        print_text(str(value))
    elif value is not None:
        print_text(repr(value))


class _Console(code.InteractiveConsole):
    """Python's own loop, with lines from prompt_toolkit and errors of the target in one line."""

    def __init__(self, names: dict[str, Any], prompt: PromptSession[str], dev: Device) -> None:
        super().__init__(names, "<shell>")
        self._prompt = prompt
        self._link = dev.session.link

    def raw_input(self, prompt: str = "") -> str:
        return self._prompt.prompt(prompt)

    def runcode(self, code: CodeType) -> None:
        """Run a line; show how long the target is waited for, as `call` does."""
        begin_s = self._link.monotonic()
        with ProgressLine("waiting for the target") as line:

            def show_time() -> None:
                line.update(round(self._link.monotonic() - begin_s, 1), None, "s of its time")

            before, self._link.on_wait = self._link.on_wait, show_time
            try:
                super().runcode(code)
            finally:
                self._link.on_wait = before

    def showtraceback(self) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, KeyboardInterrupt):
            self.write("; ".join(["interrupted", *map(one_line, _notes(error))]) + "\n")
        elif isinstance(error, IdoldbgError):
            notes = [f"  {note}" for note in _notes(error)]
            self.write(join_lines([f"{type(error).__name__}: {error}", *notes]) + "\n")
        else:
            super().showtraceback()


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


class _Completer(Completer):
    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Offer]:
        for found in complete(document.text_before_cursor, self._names):
            yield Offer(found.text, -found.length, display_meta=found.meta)


def make_banner(dev: Device, names: Mapping[str, Any]) -> str:
    """Return the first lines of a session, with the interfaces that have names of their own."""
    here = [name for name in _interfaces(dev) if name in names]
    return BANNER.format(device=printable(str(dev)), names=printable(", ".join(here) or "nothing"))


def _interact(dev: Device, names: dict[str, Any]) -> int:
    session: PromptSession[str] = PromptSession(
        history=_history(), completer=_Completer(names), complete_while_typing=False
    )
    banner = make_banner(dev, names)
    hook, sys.displayhook = sys.displayhook, _remember(names)
    try:
        _Console(names, session, dev).interact(banner, exitmsg="")
    except SystemExit as stop:
        return _status(stop)
    finally:
        sys.displayhook = hook
    return 0


def _remember(names: dict[str, Any]) -> Any:
    def hook(value: Any) -> None:
        _display(value)
        if value is not None:
            names["_"] = value

    return hook


def _history() -> History:
    """Open the history file; where that cannot be, remember this session alone."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(home) / "idoldbg" / "shell_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
