"""Markers of a test: which boards `dut` offers, and which tasks may die on them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.pytest_plugin.attached import AttachedBoard
from idoldbg.pytest_plugin.pool import WantedBoard
from idoldbg.pytest_plugin.settings import Settings
from idoldbg.target.board_files import board_names

__all__ = ["Deaths", "UsedBoard", "describe_misuse", "read_deaths", "read_wanted"]

EXPECT_DEATH, MAY_DIE, DUT = "expect_death", "may_die", "dut"
DUT_ARGUMENTS = frozenset({"name", "chip", "board"})


@dataclass(frozen=True, slots=True)
class UsedBoard:
    """A board that a test uses; `name` is what `dut` calls it, "" for the board of `idol`."""

    name: str
    attached: AttachedBoard

    @property
    def names(self) -> frozenset[str]:
        """Names of a task's owner in a marker."""
        return frozenset({self.name, self.attached.place.name, self.attached.board_name}) - {""}

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks of its image."""
        return frozenset(task.name for task in self.attached.program.archive.tasks)


@dataclass(frozen=True, slots=True)
class Deaths:
    """Tasks of one board that must die in a test, and tasks that may."""

    expected: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def read_wanted(node: pytest.Item) -> list[WantedBoard]:
    """Read the markers `dut`, from the outermost one on; raise `pytest.UsageError`."""
    found: dict[str, WantedBoard] = {}
    for marker in reversed(list(node.iter_markers(DUT))):
        name = marker.kwargs.get("name") or (marker.args[0] if marker.args else None)
        unknown = sorted(marker.kwargs.keys() - DUT_ARGUMENTS)
        if not isinstance(name, str) or name in found or unknown or len(marker.args) > 1:
            what = f"has no argument `{unknown[0]}`" if unknown else "needs one name of its own"
            raise pytest.UsageError(f"@pytest.mark.dut {what}")
        found[name] = WantedBoard(name, marker.kwargs.get("chip"), marker.kwargs.get("board"))
    if not found:
        raise pytest.UsageError("the fixture `dut` needs @pytest.mark.dut(name=…, chip=…)")
    return list(found.values())


def describe_misuse(node: pytest.Item, used: Sequence[UsedBoard]) -> str | None:
    """Return which marker on the test does nothing because no fixture looks at it."""
    for marker in getattr(node, "own_markers", ()):
        if marker.name == DUT and not any(board.name for board in used):
            return "@pytest.mark.dut does nothing without the fixture `dut`"
        if marker.name in (EXPECT_DEATH, MAY_DIE) and not used:
            return f"@pytest.mark.{marker.name} does nothing without the fixture `idol` or `dut`"
    return None


def read_deaths(node: pytest.Item, used: Sequence[UsedBoard], settings: Settings) -> list[Deaths]:
    """Return what the markers and the option `may-die` say of each board.

    Raises `pytest.UsageError` for tasks and boards that do not exist.
    """
    expected: list[set[str]] = [set() for _ in used]
    allowed: list[set[str]] = [set() for _ in used]
    for kind, sets in ((EXPECT_DEATH, expected), (MAY_DIE, allowed)):
        for marker in node.iter_markers(kind):
            if marker.kwargs or not marker.args or not all(isinstance(a, str) for a in marker.args):
                raise pytest.UsageError(f'it is @pytest.mark.{kind}("task", …), with names')
            for text in marker.args:
                _add(text, used, sets, f"@pytest.mark.{kind}")
    for text in settings.may_die:
        owner = text.rpartition(".")[0]
        if _is_elsewhere(owner, settings) and not any(owner in board.names for board in used):
            continue  # of a board that other tests use, or this test in another place
        _add(text, used, allowed, "idoldbg_may_die")
    return [Deaths(frozenset(e), frozenset(a)) for e, a in zip(expected, allowed, strict=True)]


def _is_elsewhere(owner: str, settings: Settings) -> bool:
    places = {place.name for place in settings.places}
    return owner in places or owner in board_names()


def _add(text: str, used: Sequence[UsedBoard], sets: list[set[str]], where: str) -> None:
    """Add a task to the sets of the boards that have it: `TASK`, or `BOARD.TASK`."""
    owner, _, task = text.rpartition(".")
    chosen = [i for i, board in enumerate(used) if not owner or owner in board.names]
    if not chosen:
        names = sorted(frozenset[str]().union(*(board.names for board in used)))
        raise pytest.UsageError(f"{where}: no board `{owner}`; {_hint(owner, names)}")
    found = [i for i in chosen if task in used[i].tasks]
    if not found:
        names = sorted(frozenset[str]().union(*(used[i].tasks for i in chosen)))
        raise pytest.UsageError(f"{where}: no task `{task}`; {_hint(task, names)}")
    for index in found:
        sets[index].add(task)


def _hint(name: str, known: list[str]) -> str:
    near = " or ".join(f"`{n}`" for n in near_misses(name, known))
    return f"did you mean {near}?" if near else f"there are {', '.join(known)}"
