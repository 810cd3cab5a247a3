"""The options that every command shares, before the command's name or after it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from idol.printable import one_line
from idol.records import dataclass, field_names, replace
from idoldbg.errors import ArgumentError
from idoldbg.model.seconds import LONGEST_S
from idoldbg.target.open import CONNECT_MODES, TargetOptions, find_scheme, spec_forms

if TYPE_CHECKING:
    from idoldbg.cli.connection import Connection

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "GLOBAL_OPTIONS",
    "RUNNING_FLAGS",
    "TARGET_FLAGS",
    "Settings",
    "build_options",
    "command_options",
    "global_options",
    "hostwide_options",
    "options_except",
    "output_format",
    "parse_seconds",
    "parse_types",
    "type_option",
]

DEFAULT_TIMEOUT_S = 5.0
SPEC_DEFAULT = "Default: the attached probe when an archive is given, else emu."
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of the global options; None where not given. `target_name` is `--target`."""

    archive: str | None = None
    board: str | None = None
    probe: str | None = None
    timeout: float | None = None
    format: str | None = None
    verbose: bool | None = None
    uart: str | None = None
    no_cache: bool | None = None
    wait: float | None = None
    record: str | None = None
    speed: int | None = None
    connect: str | None = None
    target_name: str | None = None
    environment: str | None = None
    archive_name: str | None = None

    def overridden_by(self, later: Settings) -> Settings:
        """Return these settings with whatever `later` says in their place."""
        said = {name: getattr(later, name) for name in field_names(Settings)}
        return replace(self, **{name: value for name, value in said.items() if value is not None})

    @property
    def timeout_s(self) -> float:
        """Seconds to wait for the target."""
        return DEFAULT_TIMEOUT_S if self.timeout is None else self.timeout

    def target(self) -> TargetOptions:
        """Target options for `idoldbg.session`; raise as `connect`."""
        return self._options(wants_target=True)

    def _options(self, *, wants_target: bool) -> TargetOptions:
        note = _note if self.verbose else _ignore
        chosen = self._connection(note, wants_target=wants_target)
        return TargetOptions(
            chosen.archive,
            chosen.board,
            chosen.probe,
            self.timeout_s,
            self.uart,
            use_cache=not self.no_cache,
            notify=note,
            wait_s=self.wait or 0.0,
            record=self.record,
            speed_hz=self.speed,
            connect=self.connect,
        )

    def _connection(self, note: Callable[[str], None], *, wants_target: bool) -> Connection:
        """Choose the connection, once in a command: files are read and notes printed once."""
        from idoldbg.cli.connection import connect

        context = click.get_current_context(silent=True)
        known = {} if context is None else context.find_root().meta
        chosen_by = (self.archive, self.board, self.probe)
        named_by = (self.target_name, self.environment, self.archive_name)
        key = f"idoldbg connection {(*chosen_by, *named_by, wants_target)}"
        if key not in known:
            known[key] = connect(self, os.environ, note, wants_target=wants_target)
        found: Connection = known[key]
        return found

    def build(self) -> TargetOptions:
        """Options for a build alone; raise `ArgumentError` where `--probe` names none."""
        target = self._options(wants_target=False)
        spec = target.spec if target.probe else None
        if target.archive is None and spec and not find_scheme(spec).knows_build(spec):
            raise ArgumentError(
                f"{spec} says where a target is, not what it runs: give its build",
                name="--archive",
            )
        return target

    @property
    def is_json(self) -> bool:
        """Whether programs read the output."""
        return self.format == "json"


def _note(message: str) -> None:
    click.echo(one_line(f"note: {message}"), err=True)


def _ignore(_message: str) -> None:
    """Drop what is told with --verbose only."""


def parse_seconds(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Check an option's number of seconds."""
    if value is not None and not 0 < value <= LONGEST_S:
        raise click.BadParameter("give seconds, more than 0 and at most 86400 (a day)", ctx, param)
    return value


class SpecOption(click.Option):
    """An option whose help lists the SPECs; they are looked up when help is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = f"{spec_forms()}. {SPEC_DEFAULT}"
        return super().get_help_record(ctx)


# (flags, keywords of click.Option). `--verbose` takes no value.
GLOBAL_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("-a", "--archive"),
        {
            "metavar": "PATH",
            "envvar": "IDOLDBG_ARCHIVE",
            "help": "Hubris archive (zip), core dump, or directory of ELFs.",
        },
    ),
    (
        ("-b", "--board"),
        {
            "metavar": "NAME",
            "envvar": "IDOLDBG_BOARD",
            "help": "A board of `idoldbg boards`, or the path of a board file. "
            "Default: the one that the archive names.",
        },
    ),
    (
        ("-p", "--probe"),
        {
            "metavar": "SPEC",
            "envvar": "IDOLDBG_PROBE",
            "help": "SPEC of the target.",  # replaced by the list of SPECs when it is shown
            "cls": SpecOption,
        },
    ),
    (
        ("--target", "target_name"),
        {
            "metavar": "NAME",
            "envvar": "IDOLDBG_TARGET",
            "help": "A target of the environment file, instead of --probe and --archive.",
        },
    ),
    (
        ("--environment",),
        {
            "metavar": "FILE",
            "envvar": "IDOLDBG_ENVIRONMENT",
            "help": "Names of targets: TOML, Humility's JSON, or labgrid's YAML.",
        },
    ),
    (
        ("--archive-name",),
        {
            "metavar": "NAME",
            "help": "The build, where the target of --target has several.",
        },
    ),
    (
        ("--timeout",),
        {
            "metavar": "SECONDS",
            "type": float,
            "callback": parse_seconds,
            "envvar": "IDOLDBG_TIMEOUT",
            "help": f"How long to wait for the target. Default: {DEFAULT_TIMEOUT_S:g}.",
        },
    ),
    (
        ("--wait",),
        {
            "metavar": "SECONDS",
            "type": float,
            "callback": parse_seconds,
            "envvar": "IDOLDBG_WAIT",
            "help": "How long to wait for a probe that another process has open. Default: no wait.",
        },
    ),
    (
        ("--speed",),
        {
            "metavar": "HZ",
            "type": click.IntRange(1000, 50_000_000),
            "envvar": "IDOLDBG_SPEED",
            "help": "Debug clock of a probe. Default: that of the board's file, else 1000000.",
        },
    ),
    (
        ("--connect",),
        {
            "type": click.Choice(CONNECT_MODES),
            "envvar": "IDOLDBG_CONNECT",
            "help": "How a probe attaches: to the running board (attach, the default); while it "
            "holds the board in reset, which then boots; or insisting where a sleeping core "
            "seldom answers (awake).",
        },
    ),
    (
        ("--uart",),
        {
            "metavar": "FILE",
            "envvar": "IDOLDBG_UART",
            "help": "Write to FILE what an emulated board sends on its serial port.",
        },
    ),
    (
        ("--record",),
        {
            "metavar": "FILE",
            "envvar": "IDOLDBG_RECORD",
            "help": "Write to FILE what crosses the link; `--probe replay:FILE` answers from it.",
        },
    ),
    (
        ("--no-cache",),
        {
            "is_flag": True,
            "default": None,
            "envvar": "IDOLDBG_NO_CACHE",
            "help": "Read the archive itself, and keep nothing of it (see `idoldbg cache`).",
        },
    ),
    (
        ("--format",),
        {
            "type": click.Choice(["text", "json"]),
            "envvar": "IDOLDBG_FORMAT",
            "help": "Text for people (default) or JSON for programs.",
        },
    ),
    (
        ("-v", "--verbose"),
        {
            "is_flag": True,
            "default": None,
            "envvar": "IDOLDBG_VERBOSE",
            "help": "Say more, on standard error.",
        },
    ),
)


NAMED_FLAGS = ("--target", "--environment", "--archive-name")
PROBE_FLAGS = ("--speed", "--connect")
TARGET_FLAGS: tuple[str, ...] = ("--board", "--probe", *NAMED_FLAGS, "--timeout", "--wait")
TARGET_FLAGS += (*PROBE_FLAGS, "--uart", "--record")
"""What questions about a build do not need; `--board` chooses among the demo images, though, and
`--probe` names a dump or a board that knows what it runs."""
RUNNING_FLAGS = ("--timeout", "--wait", *PROBE_FLAGS, "--uart", "--record")


def global_options(function: F) -> F:
    """Add the global options to the group itself."""
    for flags, keywords in reversed(GLOBAL_OPTIONS):
        function = click.option(*flags, **keywords)(function)
    return function


def options_except(
    *left_out: str, hidden: Collection[str] = (), unused: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a command take the global options too, and pass it the resulting `Settings` first.

    `left_out` are flags that the command gives a meaning of its own, such as `--format`; those of
    `hidden` are taken, but not in its help; those of `unused` mean nothing to it and are refused
    where they are written (the environment is for all commands).
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = {flag.removeprefix("--").replace("-", "_") for flag in left_out}
        names = set(field_names(Settings)) - own

        @functools.wraps(function)
        def wrapper(*args: Any, **values: Any) -> Any:
            _refuse_unused(unused)
            later = Settings(**{name: values.pop(name) for name in names})
            before: Settings = click.get_current_context().obj or Settings()
            return function(before.overridden_by(later), *args, **values)

        for flags, keywords in reversed(GLOBAL_OPTIONS):
            if not set(flags) & set(left_out):
                # The environment was read by the group; a second reading would win over its flags.
                quiet = {k: v for k, v in keywords.items() if k != "envvar"}
                is_hidden = not set(flags).isdisjoint({*hidden, *unused})
                wrapper = click.option(*flags, **quiet, hidden=is_hidden)(wrapper)
        return wrapper

    return decorate


def _refuse_unused(flags: Collection[str]) -> None:
    context = click.get_current_context()
    for flag in flags:
        for where in (context, context.find_root()):
            name = flag.removeprefix("--").replace("-", "_")
            source = where.get_parameter_source("target_name" if name == "target" else name)
            if source is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"`{context.command_path}` has no use for {flag}")


def command_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take the global options too, and pass it the resulting `Settings` first."""
    return options_except()(function)


def build_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Do as `command_options` for a question about a build: help is silent about targets."""
    return options_except(hidden=TARGET_FLAGS, unused=RUNNING_FLAGS)(function)


def hostwide_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Do as `command_options` for a question that is about no build and no target."""
    return options_except(unused=("--archive", *TARGET_FLAGS, "--no-cache"))(function)


def parse_types(
    _ctx: click.Context | None, _param: click.Parameter | None, values: Sequence[str]
) -> dict[str, str]:
    """Read what `--type` gives: from names in interfaces to full paths."""
    from idoldbg.resolver import parse_override  # not every command needs it

    try:
        return dict(parse_override(value) for value in values)
    except ValueError as error:
        raise click.UsageError(f"--type: {error}") from None


def type_option(function: F) -> F:
    """Let a command take `--type NAME=PATH`, as often as needed; it is passed as `types`."""
    return click.option(
        "--type",
        "types",
        metavar="NAME=PATH",
        multiple=True,
        callback=parse_types,
        help="Settle an ambiguous type: its name in the interface, and the full path that is "
        "meant. May be given several times.",
    )(function)


def output_format(arguments: list[str]) -> str:
    """Find the output format in raw arguments, for errors that come before these are parsed."""
    found = os.environ.get("IDOLDBG_FORMAT", "text")
    for index, argument in enumerate(arguments):
        if argument == "--format" and index + 1 < len(arguments):
            found = arguments[index + 1]
        elif argument.startswith("--format="):
            found = argument.partition("=")[2]
    return found
