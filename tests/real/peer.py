"""Expected outputs of Humility and the dumps that they are about; comparison fact by fact.

A fact is a name and a value, such as `"0x20001000 owners": ("net",)`. Facts that differ must be
listed in `differences/COMMAND.toml`:

    [[difference]]
    objects = "ouray.*"              # pattern of the dumps' names
    facts = "* owners"               # pattern of the facts' names
    theirs = "0"                     # pattern of Humility's value as Python writes it; default: any
    ours = "None"                    # the same for ours
    reason = "why ours is right"
"""

from __future__ import annotations

import io
import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from json import loads
from pathlib import Path
from typing import Any, NoReturn

import pytest

from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.errors import IdoldbgError
from idoldbg.opening import TargetOptions
from idoldbg.session import open_session

__all__ = ["Differences", "Peer", "find_peers"]

MISSING = "(missing)"
BUG = 70  # exit code


class CommandFailed(Exception):
    """A command ended with an error that it explained."""


@dataclass
class Difference:
    """Facts that are meant to differ; `used` counts those that did."""

    objects: str
    facts: str
    reason: str
    theirs: str = "*"
    ours: str = "*"
    used: int = 0

    def fits(self, name: str, fact: str, theirs: object, ours: object) -> bool:
        pairs = (
            (name, self.objects),
            (fact, self.facts),
            (repr(theirs), self.theirs),
            (repr(ours), self.ours),
        )
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


@dataclass
class Differences:
    """The differences listed for one command, and the figures of this run."""

    command: str
    listed: list[Difference]
    objects: set[str] = field(default_factory=set)
    agreed: int = 0
    differed: int = 0

    @classmethod
    def load(cls, command: str) -> Differences:
        path = Path(__file__).parent / "differences" / f"{command}.toml"
        rows = tomllib.loads(path.read_text())["difference"] if path.exists() else []
        return cls(command, [Difference(**row) for row in rows])

    @property
    def unused(self) -> list[Difference]:
        """Those that nothing differed by: no longer true."""
        return [d for d in self.listed if not d.used]

    def compare(self, name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
        """Count what agrees, and return what differs without a reason."""
        self.objects.add(name)
        unexplained = []
        for fact in dict.fromkeys([*theirs, *ours]):
            expected, found = theirs.get(fact, MISSING), ours.get(fact, MISSING)
            if expected == found:
                self.agreed += 1
                continue
            reasons = [d for d in self.listed if d.fits(name, fact, expected, found)]
            self.differed += bool(reasons)
            for reason in reasons[:1]:
                reason.used += 1
            if not reasons:
                unexplained.append(f"{fact}: {expected!r} in Humility, {found!r} here")
        return unexplained

    def summary(self) -> str:
        return (
            f"{self.command}: {len(self.objects)} objects, {self.agreed} facts agree, "
            f"{self.differed} differ with a reason"
        )


@dataclass
class Peer:
    """One object and what Humility printed about it. `failure` is its error, "" if none."""

    command: str
    name: str
    path: Path
    stdout: str
    stderr: str
    differences: Differences

    @property
    def failure(self) -> str:
        return self.stderr if " failed: " in self.stderr else ""

    @cached_property
    def program(self) -> Program:
        """The build with the dump's memory, or its own flash; raises as `open_session`."""
        probe = None if self.path.suffix != ".zip" else "archive"
        options = TargetOptions(archive=str(self.path), probe=probe)
        try:
            return open_session(options).program
        except IdoldbgError as error:
            if not self.name.endswith(".fails"):  # dumps that are cut short
                raise
            pytest.skip(f"is not read: {error}")

    def json(self, *arguments: str) -> Any:
        """Run one of our commands on the object, and return its JSON.

        Raises `CommandFailed`.
        """
        probe = ["-p", "archive"] if self.path.suffix == ".zip" else []
        out = io.StringIO()
        with redirect_stdout(out):
            code = run([*arguments, "-a", str(self.path), *probe, "--format", "json"])
        assert code != BUG, f"{arguments} ended with a bug"
        if code:
            raise CommandFailed(f"{arguments} ended with {code}")
        return loads(out.getvalue())

    def output_of(self, command: str) -> str:
        """Return what Humility printed for another command about the object; "" for nothing."""
        folder = Path(os.environ["IDOLDBG_REAL"]) / command
        path = folder / f"{command}.{self.name}.stdout"
        return path.read_text(errors="replace") if path.is_file() else ""

    def may_fail(self, answer: Callable[[], Any]) -> NoReturn:
        """Skip, where Humility has no answer: ours answers, or fails with an error of its own."""
        try:
            answer()
        except (IdoldbgError, CommandFailed) as error:
            pytest.skip(f"neither reads it: {error}")
        pytest.skip("Humility fails, and there is nothing to compare with")

    def compare(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        """Fail with all facts that differ without a reason."""
        unexplained = self.differences.compare(self.name, theirs, ours)
        assert not unexplained, "\n".join(unexplained[:40])


def find_peers(command: str, differences: Differences) -> list[Peer]:
    """Return the objects that are at hand and have an expected output of `command`."""
    folder = Path(os.environ.get("IDOLDBG_REAL", "")) / command
    found = []
    for stdout in sorted(folder.glob(f"{command}.*.stdout")):
        name = stdout.name.removeprefix(f"{command}.").removesuffix(".stdout")
        described = tomllib.loads(stdout.with_suffix(".toml").read_text())
        arguments = shlex.split(described["args"])
        path = (
            folder
            / described["fs"]["base"]
            / arguments[arguments.index("-d" if "-d" in arguments else "-a") + 1]
        )
        if path.is_file():
            stderr = stdout.with_suffix(".stderr").read_text(errors="replace")
            text = stdout.read_text(errors="replace")
            found.append(Peer(command, name, path.resolve(), text, stderr, differences))
    return found
