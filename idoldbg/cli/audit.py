"""`idoldbg audit`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

from idol.records import replace
from idoldbg.audit import Audit, Finding, audit
from idoldbg.audit.baseline import Known, format_baseline, parse_baseline
from idoldbg.audit.rules import RULES, advise
from idoldbg.audit.suppressions import Suppression, parse_suppressions
from idoldbg.audit.verdict import FAIL_ON, Verdict, judge
from idoldbg.build.load.files import read_regular
from idoldbg.build.program import Program
from idoldbg.cli.audit_output import (
    Output,
    parse_outputs,
    read_interface_files,
    refuse_for_changes,
    write_comparison,
    write_file,
    write_outputs,
)
from idoldbg.cli.explain import explain
from idoldbg.cli.options import RUNNING_FLAGS, TARGET_FLAGS, Settings, options_except, type_option
from idoldbg.cli.output import say
from idoldbg.cli.progress import ProgressLine
from idoldbg.errors import ArgumentError
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render.audit import FORMATS, Files

_MOST_BYTES = 16 << 20  # of a baseline or of suppressions; those of the largest builds have 1 MB
OfRule = TypeVar("OfRule", Finding, Known, Suppression)
EPILOG = f"""\b
Formats: {", ".join(FORMATS)}.

\b
Examples:
  idoldbg audit build.zip
  idoldbg audit build.zip --format sarif=audit.sarif --format junit=audit.xml
  idoldbg audit build.zip -o audit.html
  idoldbg audit build.zip --baseline audit.json --fail-on warning
  idoldbg audit --diff released.zip build.zip
  idoldbg audit --explain type-ambiguous

Exit codes: 0 passed, 1 findings at or above the level of --fail-on remain, 2 usage, 4 the build
cannot be read.
"""


@click.command("audit", epilog=EPILOG)
@click.argument("archive_argument", required=False, metavar="[ARCHIVE]")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    default="error",
    show_default=True,
    help="Exit with 1 when findings of this level or a worse one remain.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help="What to write, and where; may be repeated. Without a file: standard output.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the report to FILE; its suffix says the format if --format does not.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="Findings of this file are known and fail nothing.",
)
@click.option(
    "--write-baseline", is_flag=True, help="Write the findings of now to the file of --baseline."
)
@click.option(
    "--suppressions",
    metavar="FILE",
    help="A TOML file of findings that are accepted, each with its reason.",
)
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Report this rule alone.")
@click.option(
    "--idl",
    "idl_folders",
    multiple=True,
    metavar="DIR",
    help="Where the .idol files of the build are, so that reports name them.",
)
@click.option(
    "--explain",
    "explained",
    is_flag=False,
    flag_value="",
    metavar="[RULE]",
    help="Print the page of a rule, or list all rules.",
)
@click.option(
    "--diff",
    "compared",
    nargs=2,
    metavar="OLD NEW",
    help="Compare two builds: what became uncallable, what callers of OLD get wrong.",
)
@type_option
@options_except("--format", hidden=TARGET_FLAGS, unused=RUNNING_FLAGS)
def command(
    settings: Settings,
    archive_argument: str | None,
    fail_on: str,
    formats: tuple[str, ...],
    output: str | None,
    baseline: str | None,
    write_baseline: bool,
    suppressions: str | None,
    rules: tuple[str, ...],
    idl_folders: tuple[str, ...],
    explained: str | None,
    compared: tuple[str, str] | None,
    types: dict[str, str],
) -> int:
    """Check that every operation can be called and read.

    Looks at the interfaces in the image, at the types that its debug information has for them, at
    the limits of its hiffy and at who may call what. Every finding says what is wrong and what to
    change. Needs no board.
    """
    outputs = parse_outputs(formats, output, settings)
    if explained is not None:
        explain(explained, outputs)
        return 0
    accepted = {
        "--baseline": baseline,
        "--write-baseline": write_baseline,
        "--suppressions": suppressions,
        "--rule": rules,
    }
    if compared is not None:
        _refuse("--diff compares two builds", {"ARCHIVE": archive_argument, **accepted})
        refuse_for_changes(outputs)
        return _compare(settings, compared, types, fail_on, outputs)
    if write_baseline:
        if baseline is None:
            raise click.UsageError("--write-baseline needs --baseline FILE, which it writes")
        _refuse("a baseline has the findings of all rules", {"--rule": rules})
    target = _target(settings, archive_argument)
    wanted = {_get_rule(name) for name in rules}
    known_files = read_interface_files(idl_folders)
    entries = parse_suppressions(_read(suppressions), suppressions) if suppressions else ()
    known = _read_baseline(baseline) if baseline and not write_baseline else ()
    program = open_program(target)
    program.override_types(types, option="--type")
    report = _audit(program)
    report = replace(report, findings=_of_rules(report.findings, wanted))
    verdict = judge(
        report,
        fail_on=fail_on,
        baseline=_of_rules(known, wanted),
        suppressions=_of_rules(entries, wanted),
        today=datetime.date.today(),
    )
    if baseline and write_baseline:
        _write_baseline(verdict, baseline)
        return 0
    write_outputs(verdict, Files(report, known_files), outputs, detailed=bool(settings.verbose))
    return 1 if verdict.has_failed else 0


def _compare(
    settings: Settings,
    compared: tuple[str, str],
    types: dict[str, str],
    fail_on: str,
    outputs: Sequence[Output],
) -> int:
    """Audit two builds and tell the differences."""
    from idoldbg.audit.compare import compare_builds  # brings `idol.diff`, for nobody else

    old, new = (open_program(replace(settings.target(), archive=path)) for path in compared)
    if types:  # for a type that one of them has
        old.override_types(types, also=new.written_types, option="--type")
        new.override_types(types, also=old.written_types, option="--type")
    comparison = compare_builds(_audit(old), _audit(new))
    write_comparison(comparison, fail_on, outputs)
    return 1 if comparison.has_failed(fail_on) else 0


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Refuse options that would silently do nothing."""
    names = [name for name, value in given.items() if value]
    if names:
        raise click.UsageError(f"{why}: {' and '.join(names)} cannot be given as well")


def _target(settings: Settings, archive: str | None) -> TargetOptions:
    if archive is None:
        return settings.build()
    if settings.archive not in (None, archive):
        raise click.UsageError(f"--archive {settings.archive} or {archive}? Give one build.")
    return replace(settings.target(), archive=archive)


def _get_rule(name: str) -> str:
    if name in RULES:
        return name
    raise ArgumentError(f"unknown rule `{name}`: {advise(name)}", name="--rule")


def _audit(program: Program) -> Audit:
    with ProgressLine("auditing") as line:
        report = audit(program, line.update)
    for name in program.unused_overrides:
        say(f"--type {name}: no type of {program.archive.path} is called that")
    return report


def _of_rules(items: Sequence[OfRule], wanted: set[str]) -> tuple[OfRule, ...]:
    """Return findings, or what is said about findings, of the rules that are asked for."""
    return tuple(item for item in items if not wanted or item.rule in wanted)


def _read(path: str) -> str:
    try:
        return read_regular(Path(path), _MOST_BYTES).decode()
    except UnicodeDecodeError:
        raise ArgumentError(f"{path} is not text in UTF-8") from None


def _read_baseline(path: str) -> tuple[Known, ...]:
    try:
        return parse_baseline(_read(path), path)
    except FileNotFoundError as error:
        error.strerror = f"{error.strerror}; --write-baseline makes one"
        raise


def _write_baseline(verdict: Verdict, path: str) -> None:
    kept = verdict.open
    write_file(path, format_baseline(kept))
    say(f"{path}: {len(kept)} finding{'' if len(kept) == 1 else 's'} written")
