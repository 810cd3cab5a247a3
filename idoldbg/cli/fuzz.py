"""`idoldbg fuzz`."""

from __future__ import annotations

from pathlib import Path

import click

from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.progress import ProgressLine
from idoldbg.cli.reading import reading
from idoldbg.fuzzing import fuzz
from idoldbg.render import fuzz as shown

__all__ = ["command"]


@click.command("fuzz")
@click.argument("what", metavar="IFACE[.OP]")
@click.option("--task", help="The server, where an interface has several.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Which inputs to make up (0).")
@click.option(
    "--inputs", type=click.IntRange(1), default=500, help="Inputs of each operation (500)."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for histories of crashes, for `idoldbg replay`.",
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@command_options
def command(
    settings: Settings,
    what: str,
    *,
    task: str | None,
    seed: int,
    inputs: int,
    output: Path | None,
    junit: Path | None,
) -> None:
    """Make up inputs of operations, and report those that bring the firmware down.

    On an emulated board, each from the same state: values of the right types, boundaries first,
    then what reached new code, changed a little. A crash is the death of a server or another task,
    of hiffy, of the kernel, or a call without an answer for 0.3 s; each is shown once, by the
    smallest input that was found, as a command line. The same seed tries the same inputs. Exits
    with 1 if there is a crash.

    \b
    idoldbg -a build.zip fuzz Spi --inputs 2000 -o found
    """
    with reading(settings) as found, ProgressLine("inputs") as line:
        program = found.program
        interface, dot, _ = what.partition(".")
        server = program.find_server(interface, task)
        names = [what] if dot else [f"{interface}.{o.name}" for o in server.interface.operations]
        operations = [program.operation(name, server.task.name) for name in names]
        report = fuzz(
            found.session,
            operations,
            seed=seed,
            inputs=inputs,
            histories=output,
            progress=lambda done, name: line.update(done, None, name),
        )
    if junit is not None:
        write_whole(junit, shown.junit(report).encode())
    show(settings, lambda: shown.text(report), lambda: shown.json(report))
    if report.crashes:
        click.get_current_context().exit(1)
