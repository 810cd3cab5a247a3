"""Checks of hiffy itself: present, complete, and of a known version."""

from __future__ import annotations

from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.finding import Finding, make_finding
from idoldbg.audit.objects import check_object, damaged
from idoldbg.build.program import Program
from idoldbg.call.hif.ops import HIF_VERSION
from idoldbg.call.hiffy.layout import HiffyLayout, build_layout, find_variables
from idoldbg.errors import DebugInfoError, NotFound
from idoldbg.views.boot import starts_at_boot

__all__ = ["HIFFY", "Hiffy", "read_hiffy"]

HIFFY = "hiffy"
_VERSION = ("HIFFY_VERSION_MAJOR", "HIFFY_VERSION_MINOR", "HIFFY_VERSION_PATCH")


@dataclass(frozen=True, slots=True)
class Hiffy:
    """hiffy as this image has it; `version` is HIF's, None where the file does not hold it."""

    layout: HiffyLayout
    version: tuple[int, int, int] | None


def read_hiffy(program: Program) -> tuple[Hiffy | None, tuple[Finding, ...]]:
    """Return hiffy's layout, None where it cannot be used, and what is wrong with it."""
    try:
        task = program.task(HIFFY)
    except NotFound:
        return None, (_absent(),)
    found = []
    if not starts_at_boot(program, task):
        found.append(_not_started())
    effect = "no operation can be called"
    unreadable = check_object(program, HIFFY, effect)
    if unreadable is not None:
        return None, (*found, unreadable)
    try:
        info = program.object(HIFFY)
        variables = find_variables(info.find_variables)
        layout = build_layout(variables, task_names=[t.name for t in program.archive.tasks])
        version = _read_version(program, layout)
    except DebugInfoError as error:
        if error.die_offset is not None:
            return None, (*found, damaged(HIFFY, str(error), effect))
        return None, (*found, _incomplete(str(error)))
    if version is not None and version[:2] != HIF_VERSION:
        found.append(_other_version(version))
    return Hiffy(layout, version), tuple(found)


def _read_version(program: Program, layout: HiffyLayout) -> tuple[int, int, int] | None:
    """Read the initial values of HIFFY_VERSION_*; they are statics that nobody writes."""
    info = program.object(HIFFY)
    fields = [info.read_memory(address, 4) for address in layout.version_words]
    if len(fields) != len(_VERSION) or any(field is None for field in fields):
        return layout.version
    major, minor, patch = (int.from_bytes(field or b"", "little") for field in fields)
    return major, minor, patch


def _finding(
    rule: str, message: str, fix: str, *, name: str = "", level: Level | None = None
) -> Finding:
    task = "" if rule == "hiffy-absent" else HIFFY
    return make_finding(rule, message, fix, task, level=level, name=name)


def _absent() -> Finding:
    return _finding(
        "hiffy-absent",
        "the image has no task `hiffy`, which makes the calls for a debugger: none of its "
        "operations can be called",
        "Add the task to the application, as the app/*.toml of Hubris have it. Where an image is "
        "meant to go without, suppress this finding and say so.",
    )


def _not_started() -> Finding:
    return _finding(
        "task-not-started",
        "hiffy is not started at boot: no operation can be called before somebody starts it",
        "Set `start = true` for the task in app.toml.",
        level=Level.WARNING,
    )


def _incomplete(reason: str) -> Finding:
    name = next((field for field in reason.split() if field.startswith("HIFFY_")), "")
    return _finding(
        "hiffy-incomplete",
        f"hiffy's mailbox cannot be used: {reason.rstrip('.')}. No operation can be called",
        "Mark hiffy's statics `#[used]`, do not strip its ELF, and build with a rustc that Hubris "
        "supports.",
        name=name.rstrip(":,;"),
    )


def _other_version(version: tuple[int, int, int]) -> Finding:
    ours = ".".join(map(str, HIF_VERSION))
    return _finding(
        "hif-version",
        f"hiffy speaks HIF {'.'.join(map(str, version))}; only {ours} is known here, and programs "
        "of another version are not understood",
        f"Build hiffy with version {ours} of the crate `hif`.",
        name=".".join(map(str, version)),
    )
