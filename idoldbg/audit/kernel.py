"""Checks of the kernel: while a call runs, hiffy's entry in its table of tasks tells how it is."""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.audit.finding import Finding, make_finding
from idoldbg.audit.image import Image
from idoldbg.audit.objects import check_object, damaged
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.views.tasks import task_type

__all__ = ["KERNEL", "check_kernel", "check_processor"]

KERNEL = "kernel"


def check_processor(image: Image) -> Iterator[Finding]:
    """Report a build that no target runs."""
    processor = image.program.archive.other_processor
    if not processor:
        return
    yield make_finding(
        "processor-unsupported",
        f"the image is for {processor}; only Arm processors are reached through probes and "
        "emulated, so none of its operations can be called",
        "Nothing in the build needs to change. Types, interfaces and core dumps of it can be read; "
        "where calls are not wanted, suppress this finding and say so.",
        name=processor,
    )


def check_kernel(image: Image) -> Iterator[Finding]:
    """Report a kernel whose table of tasks cannot be read: no call can be followed."""
    program = image.program
    if KERNEL not in program.archive.object_names:
        yield _finding(
            "the build has no ELF of a kernel",
            "Give the whole archive, or the folder that also has the kernel's ELF file.",
        )
        return
    effect = "no call can be followed, and none is made"
    unreadable = check_object(program, KERNEL, effect)
    if unreadable is not None:
        yield unreadable
        return
    try:
        task_type(program)
    except DebugInfoError as error:
        if error.die_offset is not None:
            yield damaged(KERNEL, str(error), effect)
            return
        yield _finding(
            str(error),
            "Set `debug = true` (or 2) in the profile that the image is built with, and do not "
            "strip the ELF files before they go into the archive.",
        )
        return
    try:
        program.archive.facts  # noqa: B018  reads the file's symbols
    except ArchiveError as error:
        reason = str(error).removeprefix(f"{program.archive.path}: ")
        yield damaged(KERNEL, reason, effect)


def _finding(reason: str, fix: str) -> Finding:
    message = f"{reason}. Without it no call can be followed, so none is made"
    return make_finding("debug-info-missing", message, fix, KERNEL)
