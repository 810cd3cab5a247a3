"""Checks of the user's input before a place is acquired."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from idoldbg.errors import (
    ArchiveError,
    ArgumentError,
    DebugInfoError,
    LinkError,
    NotFound,
    TargetFileError,
)
from idoldbg.farm.coordinator import FarmPlace
from idoldbg.farm.processes import POLL_S, describe_status, end_group
from idoldbg.opening import TargetOptions, open_program
from idoldbg.target.board_files import load_board
from idoldbg.target.chosen_board import find_board

__all__ = ["RESERVED", "check_archive", "check_arguments", "check_collection", "check_output"]

COLLECT_STATUS, USAGE_STATUS, NO_TESTS_STATUS = 2, 4, 5  # pytest's
RESERVED = ("--lg-env", "--idoldbg-results")
COLLECT_LIMIT_S = 300.0
SHOWN_LINES = 3


def check_archive(archive: str, places: Sequence[FarmPlace]) -> None:
    """Open the build that all boards are to run; raise `ArgumentError` where they cannot."""
    options = TargetOptions(archive=archive)
    try:
        program = open_program(options)
        board = find_board(options, program.archive)
    except (ArchiveError, DebugInfoError) as error:
        raise ArgumentError(str(error), name="--archive") from error
    except TargetFileError:
        board = None  # of a board that is not known: the image id has to do
    if not program.archive.image_id:
        raise ArgumentError(
            f"{archive}: the build has no image id, by which the board's image is told",
            name="--archive",
        )
    others = [] if board is None else [p for p in places if _has_other_chip(p, board.chip.name)]
    if board is not None and others:
        names = ", ".join(f"`{p.name}` ({', '.join(p.boards)})" for p in others)
        raise ArgumentError(
            f"{archive}: this build is for {board.chip.name}, and these places have other chips: "
            f"{names}; choose with --match or --places",
            name="--archive",
        )


def _has_other_chip(place: FarmPlace, chip: str) -> bool:
    """Return whether all boards of a place are known, and none has that chip."""
    try:
        return bool(place.boards) and all(load_board(b).chip.name != chip for b in place.boards)
    except (NotFound, TargetFileError):
        return False


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
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    why = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")][-1:]
    where = [line for line in lines if line.startswith("ImportError while loading conftest")][:1]
    shown = ": ".join([*(line.rstrip(".") for line in where), *why]) or " / ".join(
        lines[-SHOWN_LINES:]
    )
    return f"collecting the tests ended with {describe_status(status)}: {shown}"
