"""Completion in bash, zsh and fish: names of the build, boards, probes, files.

click asks with what was typed so far. Everything comes from the build and its index, nothing from a
target, and what cannot be read completes to nothing: a shell has no place for errors.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from idol.records import field_names
from idoldbg.build.learned import save_learned
from idoldbg.cli.options import Settings

if TYPE_CHECKING:
    from idoldbg.build.program import Program
    from idoldbg.resolver.operation import ResolvedOperation

__all__ = ["equip"]

MOST = 500  # items of one answer: more cannot be read by anybody
Items = Iterable[str | CompletionItem]
Find = Callable[[click.Context], Items]


def equip(command: click.Command, name: str) -> None:
    """Give the parameters of a command, and of those inside it, their completion."""
    add_completion_class(Bash, "bash")
    for inner in getattr(command, "commands", {}).values():
        equip(inner, f"{name} {inner.name}")
    for parameter in command.params:
        find = PARAMETERS.get((name, str(parameter.name)), ANYWHERE.get(str(parameter.name)))
        if find is not None:
            parameter.shell_complete = partial(_answer, find)  # type: ignore[method-assign]
    if name == "call":
        command.shell_complete = partial(_complete_call)  # type: ignore[method-assign]


def _answer(find: Find, context: click.Context, typed: str) -> list[CompletionItem]:
    return _ask(lambda: find(context), typed)


def _complete_call(context: click.Context, typed: str) -> list[CompletionItem]:
    """Complete options of a `call`: before the operation those of the command, then also its."""
    operation = context.params.get("operation")
    return _ask(lambda: _options(context) if operation else _own_options(context), typed)


class Bash(BashComplete):
    """Completion for bash, which takes `emu:desk` for three words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        typed = os.environ.get("COMP_WORDS", "").split("\n")  # as click's script joins them
        count = int(os.environ.get("COMP_CWORD", "0")) + 1
        joined: list[str] = []
        for index, part in enumerate([*typed, ""][:count]):
            if joined and (part == ":" or (index and typed[index - 1] == ":")):
                joined[-1] += part
            else:
                joined.append(part)
        self._hidden = joined[-1].rpartition(":")[:2] if joined else ("", "")
        return [_unquote(part) for part in joined[1:-1]], joined[-1]

    def format_completion(self, item: CompletionItem) -> str:
        hidden = "".join(self._hidden)
        return f"{item.type},{str(item.value).removeprefix(hidden)}"


def _unquote(text: str) -> str:
    try:
        return "".join(shlex.split(text, posix=True)) if text[:1] in "\"'" else text
    except ValueError:  # a quote that is not closed
        return text


def _ask(find: Callable[[], Items], typed: str) -> list[CompletionItem]:
    found = []
    try:
        for item in find():
            each = CompletionItem(item) if isinstance(item, str) else item
            if each.type != "plain" or str(each.value).startswith(typed):
                found.append(each)
            if len(found) == MOST:
                break
        save_learned()
    except Exception:  # noqa: BLE001  a prompt shows no errors, whatever they are
        return []
    # click's script for bash forgets the others where files are among them.
    return [item for item in found if item.type == "plain"] or found


def _settings(context: click.Context) -> Settings:
    settings = Settings()
    for where in (context.find_root(), context):
        given = {name: where.params.get(name) for name in field_names(Settings)}
        settings = settings.overridden_by(Settings(**given))
    return settings


def _program(context: click.Context) -> Program:
    from idoldbg.opening import open_program

    return open_program(_settings(context).target())


def _interfaces(context: click.Context) -> Items:
    for server in _program(context).servers:
        yield server.interface.name


def _operations(context: click.Context) -> Items:
    for server in _program(context).servers:
        for operation in server.interface.operations:
            yield CompletionItem(f"{server.interface.name}.{operation.name}", help=server.task.name)


def _interfaces_and_operations(context: click.Context) -> Items:
    yield from _interfaces(context)
    yield from _operations(context)


def _tasks(context: click.Context) -> Items:
    for task in _program(context).archive.tasks:
        yield task.name


def _tasks_and_kernel(context: click.Context) -> Items:
    yield from _tasks(context)
    yield "kernel"


def _places(context: click.Context) -> Items:
    """Yield what `readmem` takes: statics, peripherals, stacks."""
    from idoldbg.views.regions import peripherals

    program = _program(context)
    yield from peripherals(program.archive)
    yield from (f"task:{task.name}:stack" for task in program.archive.tasks)
    yield from _statics(context)


def _statics(context: click.Context) -> Items:
    """Return the statics of all tasks, by `TASK/NAME` where a name is not the only one."""
    from idoldbg.views.variables import iter_statics

    statics = list(iter_statics(_program(context)))
    names = Counter(static.variable.name for static in statics)
    for static in statics:
        name = static.variable.name
        shown = name if names[name] == 1 else f"{static.task}/{name}"
        yield CompletionItem(shown, help=static.task)


def _ring_buffers(context: click.Context) -> Items:
    yield from _tasks(context)
    for item in _statics(context):
        name = item if isinstance(item, str) else item.value
        if "RING" in name:
            yield item


def _functions(context: click.Context) -> Items:
    from idoldbg.call.functions import read_functions

    for signature in read_functions(_program(context)).signatures:
        yield signature.name


def _members(context: click.Context) -> Items:
    yield from _program(context).archive.members.names()


def _boards(_context: click.Context) -> Items:
    from idoldbg.target.board_files import board_names

    yield from board_names()
    yield CompletionItem("", type="file")


def _specs(_context: click.Context) -> Items:
    from idoldbg.target.emulated.entries import read_board_entries
    from idoldbg.target.open import list_schemes

    for scheme in list_schemes():
        yield from (form for form in scheme.forms if form.islower())
        yield from (form.partition(":")[0] + ":" for form in scheme.forms if not form.islower())
    for board in read_board_entries():
        yield CompletionItem(board.spec, help=board.board)
    yield from (f"pyocd:{serial}" for serial in _probe_serials())


def _running_boards(_context: click.Context) -> Items:
    from idoldbg.target.emulated.entries import read_board_entries

    for board in read_board_entries():
        yield CompletionItem(board.name, help=board.board)


def _probe_serials() -> Iterator[str]:
    """Yield the serial numbers of USB devices by vendors of probes."""
    from idoldbg.target.usb import PROBE_VENDORS, list_usb_devices

    for device in list_usb_devices():
        if device.vendor in PROBE_VENDORS and device.serial:
            yield device.serial


def _targets(context: click.Context) -> Items:
    from idoldbg.environment import YAML, read_environment

    path = _settings(context).environment or os.environ.get("HUMILITY_ENVIRONMENT")
    if path and not path.endswith(YAML):  # labgrid takes a second to load
        for target in read_environment(path).values():
            yield CompletionItem(target.name, help=target.description)


def _files(_context: click.Context) -> Items:
    return [CompletionItem("", type="file")]


# -- the operation of a `call`


def _operation(context: click.Context) -> ResolvedOperation:
    from idoldbg.views.interfaces import first_server

    program = _program(context)
    name, task = context.params.get("operation") or "", context.params.get("task")
    return program.operation(name, task or first_server(program, name))


def _options(context: click.Context) -> Items:
    operation = _operation(context)
    for argument in operation.arguments:
        yield CompletionItem(f"--{argument.name.replace('_', '-')}", help=argument.type_name)
    for lease in operation.leases:
        yield CompletionItem(f"--{lease.name.replace('_', '-')}", help=f"lease {lease.type_name}")
    yield from _own_options(context)


def _own_options(context: click.Context) -> Items:
    for parameter in context.command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield CompletionItem(max(parameter.opts, key=len), help=parameter.help)


def _values(context: click.Context) -> Items:
    given: Sequence[str] = context.params.get("options") or ()
    last = given[-1] if given else ""
    if not last.startswith("--") or "=" in last:
        return ()
    name = last.removeprefix("--").replace("-", "_")
    operation = _operation(context)
    for argument in operation.arguments:
        if argument.name == name:
            return _variants(argument.type)
    for lease in operation.leases:
        if lease.name == name:
            return _files(context)
    return ()


def _variants(type_: object) -> Items:
    """Return values of a type as far as they are few: variants, true and false."""
    from idoldbg.model.types import Enum, Scalar, ScalarKind

    match type_:
        case Enum():
            # A variant with fields goes on: `Periodic {`, `Some(`.
            return [variant.name for variant in type_.variants]
        case Scalar(encoding=ScalarKind.BOOL):
            return ["true", "false"]
    return ()


ANYWHERE: dict[str, Find] = {
    "archive": _files,
    "archive_argument": _files,
    "archive_path": _files,
    "board": _boards,
    "build": _files,
    "environment": _files,
    "output": _files,
    "probe": _specs,
    "record": _files,
    "script": _files,
    "target_name": _targets,
    "task": _tasks_and_kernel,
    "uart": _files,
}
"""By the name of a parameter."""

PARAMETERS: dict[tuple[str, str], Find] = {
    ("board start", "name"): _boards,
    ("board status", "name"): _running_boards,
    ("board stop", "names"): _running_boards,
    ("call", "operation"): _operations,
    ("call", "options"): _values,
    ("counters ipc", "clients"): _tasks,
    ("counters ipc", "interfaces"): _interfaces,
    ("counters ipc", "servers"): _tasks,
    ("counters", "filters"): _tasks,
    ("dump diff", "after"): _files,
    ("dump diff", "before"): _files,
    ("dump info", "path"): _files,
    ("extract", "folder"): _files,
    ("extract", "member"): _members,
    ("hiffy", "function"): _functions,
    ("list", "what"): _interfaces_and_operations,
    ("manifest", "other"): _files,
    ("map", "html"): _files,
    ("readmem", "what"): _places,
    ("readvar", "expressions"): _statics,
    ("registers", "task"): _tasks,
    ("ringbuf", "filters"): _ring_buffers,
    ("stackmargin", "names"): _tasks,
    ("task fault", "name"): _tasks,
    ("task hold", "name"): _tasks,
    ("task release", "name"): _tasks,
    ("task restart", "name"): _tasks,
    ("tasks", "names"): _tasks,
    ("vars", "pattern"): _statics,
    ("writemem", "what"): _places,
}
"""By command and parameter."""
