"""Checks of the user's input before a place is acquired."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from idoldbg.errors import ArchiveError, ArgumentError, LinkError
from idoldbg.farm.processes import POLL_S, describe_status, end_group
from idoldbg.opening import TargetOptions, open_program

__all__ = ["RESERVED", "check_archive", "check_arguments", "check_collection", "check_output"]

COLLECT_STATUS, USAGE_STATUS, NO_TESTS_STATUS = 2, 4, 5  # pytest's
RESERVED = ("--lg-env", "--idoldbg-results")
COLLECT_LIMIT_S = 300.0
SHOWN_LINES = 12


def check_archive(archive: str) -> None:
    """Open the build that all boards are to run; raise `ArchiveError`."""
    program = open_program(TargetOptions(archive=archive))
    if not program.archive.image_id:
        raise ArchiveError(
            f"{archive}: the build has no image id, by which the board's image is told",
            path=archive,
        )


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise `ArgumentError` for options of pytest that the farm run gives itself."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in RESERVED:
            instead = "; give it before the --" if name == "--lg-env" else ""
            raise ArgumentError(
                f"{name} is what `farm run` gives to each pytest itself{instead}", name="pytest"
            )


def check_output(folder: Path) -> None:
    """Make the folder of the report; raise `LinkError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LinkError(f"--output {folder}: {error.strerror}", link="output") from error


def check_collection(command: Sequence[str], environment: dict[str, str]) -> None:
    """Let pytest collect the tests, without a board; raise `ArgumentError` where it cannot.

    Errors in the tests themselves are for the report: they are left to the run.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*command, "--collect-only", "-q"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end_s = time.monotonic() + COLLECT_LIMIT_S
        try:
            while process.poll() is None and time.monotonic() < end_s:
                time.sleep(POLL_S)
            has_ended = process.poll() is not None
        finally:
            end_group(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if not has_ended:
        raise ArgumentError(f"pytest did not collect the tests in {COLLECT_LIMIT_S:g} s", name="--")
    status = process.returncode
    if status not in (0, COLLECT_STATUS):
        raise ArgumentError(_describe(status, text), name="pytest")


def _describe(status: int, text: str) -> str:
    if status == NO_TESTS_STATUS:
        return "no tests are collected with these arguments"
    if status == USAGE_STATUS:
        said = re.findall(r"^(?:ERROR|.*: error): (.+)", text, re.MULTILINE)
        if said:
            return str(said[-1])
    lines = [line for line in text.splitlines() if line.strip()][-SHOWN_LINES:]
    return "\n".join([f"collecting the tests ended with {describe_status(status)}:", *lines])
