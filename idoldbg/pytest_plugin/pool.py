"""The boards of one pytest process: attached when a test wants one, watched while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from idol.records import dataclass, replace
from idoldbg.device import Device, attach
from idoldbg.errors import ArgumentError, IdoldbgError, LinkError, MismatchError, Unsupported
from idoldbg.flashing import flash_board
from idoldbg.model.board import Board
from idoldbg.pytest_plugin.attached import AttachedBoard
from idoldbg.pytest_plugin.places import Place, PlaceLock, iter_rotated
from idoldbg.pytest_plugin.settings import FlashWhen, Settings
from idoldbg.session import (
    TargetOptions,
    choose_spec,
    demo_boards,
    find_board,
    open_program,
)
from idoldbg.target.board_files import load_board

__all__ = [
    "BoardPool",
    "BoardUnavailable",
    "WantedBoard",
    "infrastructure_reason",
    "BoardTaken",
]

RETRY_S = 0.25
CAUSE_LIMIT = 8
MAIN_TARGET = "main"  # labgrid's own word for the target of its fixture `target`


class BoardUnavailable(LinkError):
    """There is no board for a test: the lab's fault, not the firmware's."""


class BoardTaken(BoardUnavailable):
    """Others have all boards; the next test may find one."""


def infrastructure_reason(error: BaseException) -> str | None:
    """Return words for a failure of the lab (probe, link, wrong image); None for one of the test.

    A failure that was caused by the lab counts as well.
    """
    cause: BaseException | None = error
    for _ in range(CAUSE_LIMIT):
        if isinstance(cause, (LinkError, MismatchError)) and not isinstance(cause, Unsupported):
            return str(cause)
        if cause is None or cause.__cause__ is None:
            return None
        cause = cause.__cause__
    return None


@dataclass(frozen=True, slots=True)
class WantedBoard:
    """A board that a test wants under a name."""

    name: str
    chip: str | None = None
    board: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Requirements on the board."""
        said = {"chip": self.chip, "board": self.board}
        return {what: value for what, value in said.items() if value is not None}


class BoardPool:
    """Attaches boards on request. `notify` gets sentences about what takes long.

    `labgrid` returns the driver of a target of labgrid's environment, where there is one: all
    boards are then its targets.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        holder: str,
        start: int = 0,
        notify: Callable[[str], None],
        labgrid: Callable[[str], Any] | None = None,
    ) -> None:
        self.settings = settings
        self._holder = holder
        self._start = start
        self._notify = notify
        self._labgrid = labgrid
        self._boards: dict[str, AttachedBoard] = {}
        self._first: dict[str, Device] = {}  # session fixtures may have kept them
        self._refused: dict[str, str] = {}
        self._patience_s = settings.wait_s

    @property
    def attached(self) -> tuple[AttachedBoard, ...]:
        """The boards that are in use."""
        return tuple({id(board): board for board in self._boards.values()}.values())

    def main(self, taken: Collection[AttachedBoard] = ()) -> AttachedBoard:
        """Return the board of this process, the same one each time.

        Raises `BoardUnavailable` where there is none, or others have them all. `taken` are the
        boards that the test uses under other names.
        """
        if self._labgrid is not None:
            return self._target(MAIN_TARGET)
        return self._get("", list(self.settings.places), taken)

    def find(self, wanted: WantedBoard, taken: Collection[AttachedBoard] = ()) -> AttachedBoard:
        """Return a board for one name of a test with several, the same one each time.

        Raises as `main` does, and `ArgumentError` where the test asks for more than there is.
        """
        if self._labgrid is not None:
            return self._fit(self._target(wanted.name), wanted)
        return self._get(str(wanted), self._fitting(wanted), taken)

    def _get(
        self, key: str, places: list[Place], taken: Collection[AttachedBoard]
    ) -> AttachedBoard:
        return self._keep(key, lambda: self._claim(places, taken), taken)

    def _target(self, name: str) -> AttachedBoard:
        return self._keep(name, lambda: self._attach_labgrid(name), ())

    def _keep(
        self, key: str, make: Callable[[], AttachedBoard], taken: Collection[AttachedBoard]
    ) -> AttachedBoard:
        found = self._boards.get(key)
        if found is not None and found.lost is None and found not in taken:
            return found
        if found is not None and found.lost is not None:
            self._notify(f"{found.place.name}: attaching again after: {found.lost}")
            self._drop(found)
        if key in self._refused:  # one more attempt for each test would take for ever
            raise BoardUnavailable(self._refused[key])
        try:
            made = make()
        except IdoldbgError as error:
            if infrastructure_reason(error) is None or isinstance(error, BoardTaken):
                raise
            self._refused[key] = str(error)
            raise BoardUnavailable(str(error)) from error
        self._boards[key] = made
        self._first.setdefault(key, made.device)._follow(made.device)
        return made

    def _drop(self, board: AttachedBoard) -> None:
        board.close()
        self._boards = {key: other for key, other in self._boards.items() if other is not board}

    # -- which board

    def scarcest_first(self, wanted: Sequence[WantedBoard]) -> list[WantedBoard]:
        """Put first what fewest places are: those must not be taken by a name that has a choice."""
        if self._labgrid is not None:
            return list(wanted)
        return sorted(wanted, key=lambda w: len(self._fitting(w)))

    def _fitting(self, wanted: WantedBoard) -> list[Place]:
        """Return the places that have such a board: the one of that name, if one has it.

        Without options that say what there is, emulated boards are made.
        """
        places = list(self.settings.places)
        if not self.settings.is_listed and not self._is_chosen:
            places = [Place(demo, None, demo, self._demo_probe) for demo in demo_boards()]
        named = [place for place in places if place.name == wanted.name]
        found = []
        for place in named or places:
            target = _target_of(place)
            facts = {} if target is None else {"chip": target.chip.name, "board": target.name}
            if all(facts.get(what) == value for what, value in wanted.facts.items()):
                found.append(place)
        if not found:
            unmet = " and ".join(f"{what} {value}" for what, value in wanted.facts.items())
            names = ", ".join(place.name for place in named or places)
            raise BoardUnavailable(f"no place has {unmet}; there are {names}")
        return found

    @property
    def _is_chosen(self) -> bool:
        """Whether the options name one board, and not just the way to emulate any."""
        (place, *_) = self.settings.places
        only_how = place.archive is None and place.board is None and place.is_private
        return self.settings.is_chosen and not only_how

    @property
    def _demo_probe(self) -> str:
        return self.settings.places[0].probe or "emu"

    def _fit(self, attached: AttachedBoard, wanted: WantedBoard) -> AttachedBoard:
        """Return a board that is what a marker says; raise `ArgumentError` for another one."""
        facts = attached.facts
        for what, value in wanted.facts.items():
            if facts[what] != value:
                raise ArgumentError(
                    f"labgrid's target `{wanted.name}` has the {what} {facts[what]}, and the test "
                    f"wants {value}",
                    name="@pytest.mark.dut",
                )
        return attached

    def _claim(self, places: list[Place], taken: Collection[AttachedBoard]) -> AttachedBoard:
        """Take the first place that nobody uses, waiting if need be."""
        places = [self._resolve(place) for place in places]
        for board in self.attached:
            if board.lost is not None:
                self._drop(board)
        own = {b.place: b for b in self.attached if not b.place.is_private}
        for place in iter_rotated(places, self._start):
            if place in own and own[place] not in taken:
                return own[place]  # it has another name in other tests
        left = [place for place in places if place not in own]
        if not left:
            names = ", ".join(place.name for place in places)
            raise ArgumentError(
                f"the test wants more boards than there are: all that fit ({names}) have another "
                "name in it; list one more with --idoldbg-boards",
                name="@pytest.mark.dut",
            )
        end_s = time.monotonic() + self._patience_s
        has_waited = False
        while True:
            for place in iter_rotated(left, self._start):
                lock = None
                if not place.is_private:
                    lock = PlaceLock.try_acquire(place, self._holder)
                    if lock is None:
                        continue
                return self._attach(place, lock)
            if time.monotonic() >= end_s:
                break
            if not has_waited:
                self._notify(f"waiting for a board: {self._holders(left)}")
            has_waited = True
            time.sleep(RETRY_S)
        self._patience_s = 0.0  # the next test looks again, but does not wait for so long again
        raise BoardTaken(
            f"no board is free after {self.settings.wait_s:g} s (--idoldbg-wait): "
            f"{self._holders(left)}"
        )

    def _resolve(self, place: Place) -> Place:
        """Choose the probe where none was named: an attached one is there once, and is locked."""
        if place.probe is not None or place.archive is None:
            return place
        options = TargetOptions(archive=place.archive, board=place.board)
        return replace(place, probe=str(choose_spec(options, self._notify)))

    @staticmethod
    def _holders(places: list[Place]) -> str:
        return "; ".join(f"{p.name} is used by {PlaceLock.describe_holder(p)}" for p in places)

    # -- attaching

    def _attach(self, place: Place, lock: PlaceLock | None) -> AttachedBoard:
        self._notify(f"{place.name}: attaching to {place.probe or 'the target'}")
        try:
            self._flash(place)
            device = attach(
                place.archive,
                board=place.board,
                probe=place.probe,
                timeout_s=self.settings.timeout_s,
                notify=self._notify,
                speed_hz=self.settings.speed_hz,
                connect=self.settings.connect,
            )
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        attached = AttachedBoard(
            place, device, lock, holds=self.settings.holds, reset=self.settings.reset
        )
        try:
            device.tasks()  # waits until they have been started
        except BaseException:
            attached.close()
            raise
        return attached

    def _flash(self, place: Place) -> None:
        """Program a board that is not made for the tests, where that is wanted."""
        when = self.settings.flash
        if when is FlashWhen.NEVER or place.is_private:
            return
        options = TargetOptions(
            place.archive,
            place.board,
            place.probe,
            timeout_s=self.settings.timeout_s,
            wait_s=self.settings.wait_s,
            speed_hz=self.settings.speed_hz,
            connect=self.settings.connect,
        )
        done = flash_board(
            options, if_different=when is FlashWhen.IF_DIFFERENT, notify=self._notify
        )
        if done.written:
            self._notify(f"{place.name}: flashed with {place.archive}")

    def _attach_labgrid(self, name: str) -> AttachedBoard:
        """Take the device of a labgrid target's driver; the coordinator does the locking."""
        assert self._labgrid is not None
        try:
            driver = self._labgrid(name)
            device = driver.device
            device.tasks()  # waits until they have been started
        except (IdoldbgError, pytest.UsageError) as error:
            if infrastructure_reason(error) is None:
                raise  # a file that is missing, a target that does not exist
            raise BoardUnavailable(f"labgrid gave no board: {error}") from error
        except Exception as error:
            cause = infrastructure_reason(error)
            raise BoardUnavailable(f"labgrid gave no board: {cause or error}") from error
        place = Place(driver.place_name, device.program.archive.path, None, device.link.spec)
        return AttachedBoard(
            place,
            device,
            detach=driver.disconnect,
            holds=self.settings.holds,
            reset=self.settings.reset,
        )

    def close(self) -> None:
        """Let go of all boards."""
        boards, self._boards = self.attached, {}
        for board in boards:
            board.close()


def _target_of(place: Place) -> Board | None:
    if place.board is not None:
        return load_board(place.board)
    options = TargetOptions(archive=place.archive, probe=place.probe)
    return find_board(options, open_program(options).archive)
