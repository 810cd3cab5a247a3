"""`idoldbg gdb`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from idol.printable import escape_json, one_line
from idol.records import dataclass, replace
from idol.whole_file import write_new, write_whole
from idoldbg.build.program import Program
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, options_except
from idoldbg.cli.output import say, show
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.gdb.cores import ConvertedCore, convert_dump
from idoldbg.gdb.launch import FOLDER, configuration, write_launch
from idoldbg.gdb.running import find_gdb, run_gdb
from idoldbg.gdb.script import connect, open_core, select_thread, symbol_commands
from idoldbg.gdb.symbols import SymbolFiles, write_symbol_files
from idoldbg.gdb.threads import thread_number
from idoldbg.session import choose_spec, open_program, open_session
from idoldbg.target.capability import Recorded
from idoldbg.target.open import TargetOptions

DEFAULT_PORT = 3333  # of --vscode: that of every gdb server
POLL_S = 0.2
STDOUT = "-"
LAUNCH = FOLDER / "launch.json"
SYMBOLS = FOLDER / "idoldbg"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options of the command."""

    task: str | None
    gdb: str | None
    source: Path | None
    scripts: tuple[Path, ...]
    commands: tuple[str, ...]
    batch: bool
    port: int
    halt: bool


@click.command("gdb")
@click.argument("archive_path", metavar="[ARCHIVE]", required=False)
@click.option("--task", metavar="NAME", help="Begin in this task's thread.")
@click.option("--server-only", is_flag=True, help="Start no gdb; serve until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(0, 0xFFFF),
    metavar="N",
    help=f"Port on this host. Default: any free one; {DEFAULT_PORT} for --vscode.",
)
@click.option("--halt", is_flag=True, help="Halt the core at once, and leave it halted at the end.")
@click.option("--gdb", metavar="EXE", help="The gdb to start. Default: gdb-multiarch, or another.")
@click.option("--source", metavar="DIR", help="The checkout that the image was built from.")
@click.option("--ex", "commands", metavar="COMMAND", multiple=True, help="A gdb command to run.")
@click.option("-x", "--script", "scripts", metavar="FILE", multiple=True, help="A gdb script.")
@click.option("--batch", is_flag=True, help="End after these, with gdb's exit status.")
@click.option(
    "--vscode",
    metavar="FILE",
    is_flag=False,
    flag_value=str(LAUNCH),
    help=f"Write a launch configuration for cortex-debug to FILE, or to {LAUNCH}; - prints it.",
)
@click.option("-o", "--output", metavar="FILE", help="Only convert a core dump, to FILE.")
@options_except(unused=("--record",))
def command(
    settings: Settings,
    archive_path: str | None,
    vscode: str | None,
    output: str | None,
    server_only: bool,
    port: int | None,
    scripts: Sequence[str],
    source: str | None,
    **values: object,
) -> int:
    """Start gdb with tasks as threads, on a target or a core dump.

    gdb gets the symbols of the kernel and of every task. The core is halted when gdb connects, and
    at the end it is left as it was found. `info threads` shows the tasks; the selected one's
    registers are those that the kernel keeps of it.

    \b
    Examples:
      idoldbg gdb
      idoldbg -p pyocd gdb build.zip --source ~/hubris
      idoldbg gdb hubris.core.0 --task net
      idoldbg gdb --batch --ex 'thread apply all bt'
      idoldbg -p pyocd gdb build.zip --server-only --port 3333
    """
    wishes = Wishes(
        source=None if source is None else _folder(source),
        scripts=tuple(map(Path, scripts)),
        port=port or 0,
        **values,  # type: ignore[arg-type]  # click gives them as the decorators above say
    )
    _check(settings, wishes, server_only=server_only, vscode=vscode, output=output, port=port)
    options = settings.target()
    if archive_path is not None:
        options = replace(options, archive=archive_path)
    program = open_program(options)
    if wishes.task is not None:
        program.task(wishes.task)
    if vscode is not None:
        return _write_vscode(settings, program, wishes, vscode, port or DEFAULT_PORT)
    with ending_tidily():
        spec = choose_spec(options, build=program.build)
        if spec.scheme == "dump":
            return _on_dump(settings, options, program, wishes, output, server_only=server_only)
        if output is not None:
            raise ArgumentError(f"{spec} is not a core dump: nothing to convert", name="--output")
        if server_only:
            return _serve(settings, options, program, wishes)
        return _on_target(options, program, wishes)


def _check(
    settings: Settings,
    wishes: Wishes,
    *,
    server_only: bool,
    vscode: str | None,
    output: str | None,
    port: int | None,
) -> None:
    if sum((server_only, vscode is not None, output is not None)) > 1:
        raise click.UsageError("give one of --server-only, --vscode and --output")
    starts = not server_only and vscode is None and output is None
    if not starts and (wishes.commands or wishes.scripts or wishes.batch or wishes.task):
        raise click.UsageError("--ex, --script, --batch and --task are for a gdb that is started")
    if starts and settings.is_json:
        raise click.UsageError("gdb has no JSON; --server-only, --vscode and --output have")
    if (vscode is not None or output is not None) and wishes.halt:
        raise click.UsageError("--halt is for a target")
    for script in wishes.scripts:
        if not script.is_file():
            raise ArgumentError(f"`{script}` is not a file", name="--script")
    if output is not None and port is not None:
        raise click.UsageError("--port is for a target")


def _folder(source: str) -> Path:
    path = Path(source).resolve()
    if not path.is_dir():
        raise ArgumentError(f"`{source}` is not a directory", name="--source")
    return path


# ---- gdb on a target -----------------------------------------------------------------------------


def _on_target(options: TargetOptions, program: Program, wishes: Wishes) -> int:
    gdb = find_gdb(wishes.gdb)
    from idoldbg.gdb.places import finding

    with _private_folder() as folder, finding(options, program, say) as place:
        from idoldbg.gdb.server import serving

        files = _symbols(program, folder)
        with serving(
            place.spec, place.make_driver, place.options, program, place.found,
            port=wishes.port, halt=wishes.halt, notify=say,
        ) as served:  # fmt: skip
            commands = [*symbol_commands(files, wishes.source), connect(served.port)]
            first = []
            if wishes.task is not None:
                first = [select_thread(thread_number(program.task(wishes.task).index))]
            arguments = _arguments(folder, commands, wishes, first)
            status, reason = run_gdb(gdb, arguments, served.why_ended)
    if reason:
        raise _lost(place.spec, reason)
    return status


def _lost(spec: str, reason: str) -> LinkError:
    return LinkError(f"{spec}: the target was lost: {reason}", link=spec)


def _serve(settings: Settings, options: TargetOptions, program: Program, wishes: Wishes) -> int:
    from idoldbg.gdb.places import finding

    with _private_folder() as folder, finding(options, program, say) as place:
        from idoldbg.gdb.server import serving

        files = _symbols(program, folder)
        with serving(
            place.spec, place.make_driver, place.options, program, place.found,
            port=wishes.port, halt=wishes.halt, notify=say,
        ) as served:  # fmt: skip
            commands = [*symbol_commands(files, wishes.source), connect(served.port)]
            script = _script(folder, commands)
            _show_server(settings, place.spec, served.port, script, files)
            try:
                while not (reason := served.why_ended()):
                    time.sleep(POLL_S)
            except KeyboardInterrupt:  # the way to end it
                return 0
    raise _lost(place.spec, reason)


def _show_server(
    settings: Settings, spec: str, port: int, script: Path, files: SymbolFiles
) -> None:
    start = f"gdb-multiarch -iex 'set auto-load off' -x {script}"
    facts = {
        "schema": "idoldbg.gdb/1",
        "target": spec,
        "port": port,
        "script": str(script),
        "files": [str(path) for path in (files.kernel, *files.tasks)],
    }
    show(settings, lambda: f"{spec}: gdb server on port {port}; {start}", lambda: facts)
    sys.stdout.flush()


# ---- gdb on a core dump --------------------------------------------------------------------------


def _on_dump(
    settings: Settings,
    options: TargetOptions,
    program: Program,
    wishes: Wishes,
    output: str | None,
    *,
    server_only: bool,
) -> int:
    if server_only or wishes.halt or wishes.port:
        raise ArgumentError("a core dump is not served: gdb opens it", name="--server-only")
    gdb = find_gdb(wishes.gdb) if output is None else ""
    with open_session(options, notify=say, program=program) as session:
        dump = session.target.need(Recorded).dump
        core = convert_dump(program, tuple(dump.segments), dict(dump.registers))
    for caution in core.cautions:
        say(caution)
    if output is not None:
        write_new(output, core.data)
        count = len(core.names)
        facts = {"schema": "idoldbg.gdb-core/1", "path": output, "threads": list(core.names)}
        show(settings, lambda: one_line(f"{output}: {count} threads for gdb"), lambda: facts)
        return 0
    with _private_folder() as folder:
        files = _symbols(program, folder)
        path = folder / "core"
        write_whole(path, core.data)
        commands = [*symbol_commands(files, wishes.source)]
        commands += open_core(path, core.names, _chosen(program, core, wishes.task))
        return run_gdb(gdb, _arguments(folder, commands, wishes))[0]


def _chosen(program: Program, core: ConvertedCore, task: str | None) -> int | None:
    if task is None:
        return None
    number = thread_number(program.task(task).index)
    if number not in core.numbers:
        raise ArgumentError(
            f"the registers of `{task}` are not in this dump: gdb has no thread for it",
            name="--task",
        )
    return core.numbers.index(number) + 1


# ---- files ---------------------------------------------------------------------------------------


@contextmanager
def _private_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="idoldbg-gdb-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _symbols(program: Program, folder: Path) -> SymbolFiles:
    files = write_symbol_files(program.archive, folder)
    for problem in files.problems:
        say(problem)
    return files


def _script(folder: Path, commands: Sequence[str]) -> Path:
    path = folder / "start.gdb"
    path.write_text("\n".join(commands) + "\n", encoding="utf-8")
    return path


def _arguments(
    folder: Path, commands: Sequence[str], wishes: Wishes, first: Sequence[str] = ()
) -> list[str]:
    arguments = ["-x", str(_script(folder, commands))]
    for text in first:
        arguments += ["-ex", text]
    for script in wishes.scripts:
        arguments += ["-x", str(script)]
    for text in wishes.commands:
        arguments += ["-ex", text]
    return [*(["--batch"] if wishes.batch else []), *arguments]


def _write_vscode(
    settings: Settings, program: Program, wishes: Wishes, where: str, port: int
) -> int:
    workspace = Path.cwd()
    gdb = find_gdb(wishes.gdb)
    name = program.archive.name or Path(program.archive.path).name
    folder = workspace / SYMBOLS
    folder.mkdir(parents=True, exist_ok=True)
    files = _symbols(program, folder)
    entry = configuration(name, files, workspace, gdb, port)
    if where == STDOUT:
        click.echo(escape_json(json.dumps(entry, indent=4)))
        return 0
    path = workspace / where
    is_merged = write_launch(path, entry)
    facts = {
        "schema": "idoldbg.gdb-vscode/1",
        "path": str(path),
        "files": [str(each) for each in (files.kernel, *files.tasks)],
        "merged": is_merged,
    }
    done = "merged into" if is_merged else "written to"
    text = f"configuration {done} {where}; serve with `idoldbg gdb --server-only --port {port}`"
    show(settings, lambda: one_line(text), lambda: facts)
    return 0
