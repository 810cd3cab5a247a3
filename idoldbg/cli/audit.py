"""`idoldbg audit`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from idoldbg.audit import RULES, Audit, audit, find_near_rule
from idoldbg.audit.baseline import format_baseline, parse_baseline
from idoldbg.audit.suppressions import parse_suppressions
from idoldbg.audit.verdict import FAIL_ON, Standing, Verdict, judge
from idoldbg.cli.audit_output import (
    Output,
    parse_outputs,
    read_interface_files,
    write_comparison,
    write_outputs,
)
from idoldbg.cli.explain import explain
from idoldbg.cli.options import Settings, options_except, type_option
from idoldbg.cli.output import say
from idoldbg.cli.progress import ProgressLine
from idoldbg.errors import ArgumentError
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render.audit import FORMATS, Files

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
@options_except("--format")
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
    if compared is not None:
        return _compare(settings, compared, types, fail_on, outputs)
    target = _target(settings, archive_argument)
    wanted = {_get_rule(name) for name in rules}
    known_files = read_interface_files(idl_folders)
    report = _only(_audit(target, types), wanted)
    if write_baseline:
        return _write_baseline(report, baseline, suppressions)
    verdict = _judge(report, fail_on, baseline, suppressions)
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

    old, new = (_audit(replace(settings.target(), archive=path), types) for path in compared)
    comparison = compare_builds(old, new)
    write_comparison(comparison, fail_on, outputs)
    return 1 if comparison.has_failed(fail_on) else 0


def _target(settings: Settings, archive: str | None) -> TargetOptions:
    if archive is None:
        return settings.target()
    if settings.archive not in (None, archive):
        raise click.UsageError(f"--archive {settings.archive} or {archive}? Give one build.")
    return replace(settings.target(), archive=archive)


def _get_rule(name: str) -> str:
    if name in RULES:
        return name
    near = find_near_rule(name)
    advice = f"did you mean `{near}`?" if near else "`idoldbg audit --explain` lists them all"
    raise ArgumentError(f"there is no rule `{name}`: {advice}", name="--rule")


def _audit(target: TargetOptions, types: dict[str, str]) -> Audit:
    program = open_program(target)
    program.type_overrides.update(types)
    with ProgressLine("auditing") as line:
        return audit(program, line.update)


def _only(report: Audit, rules: set[str]) -> Audit:
    if not rules:
        return report
    return replace(report, findings=tuple(f for f in report.findings if f.rule in rules))


def _judge(report: Audit, fail_on: str, baseline: str | None, suppressions: str | None) -> Verdict:
    return judge(
        report,
        fail_on=fail_on,
        baseline=parse_baseline(_read(baseline), baseline) if baseline else (),
        suppressions=(
            parse_suppressions(_read(suppressions), suppressions) if suppressions else ()
        ),
        today=datetime.date.today(),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ArgumentError(f"{path} is not text in UTF-8") from None


def _write_baseline(report: Audit, path: str | None, suppressions: str | None) -> int:
    if path is None:
        raise click.UsageError("--write-baseline needs --baseline FILE, which is what it writes")
    verdict = _judge(report, "none", None, suppressions)
    kept = [j.finding for j in verdict.judged if j.standing is Standing.OPEN]
    Path(path).write_text(format_baseline(kept), encoding="utf-8")
    say(f"{path}: {len(kept)} finding{'' if len(kept) == 1 else 's'} written")
    return 0
