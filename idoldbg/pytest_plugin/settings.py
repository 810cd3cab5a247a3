"""Settings from the plug-in's options; an option without effect is an error."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from idol.records import dataclass
from idoldbg.errors import ArgumentError
from idoldbg.model.seconds import read_seconds
from idoldbg.pytest_plugin.options import Said, read_labgrid, read_said
from idoldbg.pytest_plugin.places import Place, parse_board_list, read_places
from idoldbg.target.open import CONNECT_MODES

__all__ = ["FlashWhen", "Reset", "Settings", "read_settings", "worker_count", "worker_name"]

DEFAULT_TIMEOUT_S, DEFAULT_WAIT_S = 5.0, 60.0
NAMES = (
    *("archive", "board", "probe", "timeout", "env", "boards", "wait", "evidence"),
    *("hold", "reset", "flash", "may-die", "speed", "connect"),
)


class Reset(StrEnum):
    """When a board is reset; one that this process emulates is made as it was after its boot."""

    NEVER = "never"
    MODULE = "module"
    TEST = "test"
    ON_FAILURE = "on-failure"


class FlashWhen(StrEnum):
    """When a board is flashed before the first test that uses it."""

    NEVER = "never"
    IF_DIFFERENT = "if-different"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of the options.

    `is_listed` tells boards that were listed from a single one, `is_chosen` that one from the
    board by default. `archive` and `timeout_s` are None where nothing was said; `labgrid` is where
    an environment of labgrid was named, "" where none was.
    """

    places: tuple[Place, ...]
    is_listed: bool
    is_chosen: bool
    archive: str | None
    said_timeout_s: float | None
    wait_s: float
    evidence: Path | None
    may_die: tuple[str, ...]
    labgrid: str
    holds: bool = True
    reset: Reset = Reset.NEVER
    flash: FlashWhen = FlashWhen.NEVER
    speed_hz: int | None = None
    connect: str | None = None

    @property
    def timeout_s(self) -> float:
        """Seconds that each wait for a target may take."""
        return DEFAULT_TIMEOUT_S if self.said_timeout_s is None else self.said_timeout_s


def _seconds(said: Said | None) -> float | None:
    if said is None:
        return None
    try:
        return read_seconds(said.source, said.value, allow_zero=True)
    except ArgumentError as error:
        raise pytest.UsageError(str(error)) from None


def read_settings(config: pytest.Config) -> Settings:
    """Read all options; raise `pytest.UsageError` for what makes no sense."""
    said = {name: read_said(config, name) for name in NAMES}
    values = {name: None if one is None else one.value for name, one in said.items()}
    labgrid = read_labgrid(config)
    if labgrid is not None:
        _check_labgrid(said, labgrid)
    default = Place(
        values["probe"] or values["board"] or "emu",
        values["archive"],
        values["board"],
        values["probe"],
    )
    listed = _list_places(said, default)
    wait_s = _seconds(said["wait"])
    evidence = values["evidence"]
    return Settings(
        places=listed or (default,),
        is_listed=bool(listed),
        is_chosen=any(values[name] is not None for name in ("archive", "board", "probe")),
        archive=values["archive"],
        said_timeout_s=_seconds(said["timeout"]),
        wait_s=DEFAULT_WAIT_S if wait_s is None else wait_s,
        evidence=None if evidence is None else Path(evidence).absolute(),
        may_die=tuple(_entries(values["may-die"])),
        labgrid="" if labgrid is None else labgrid.source,
        holds=_choice(said["hold"], ("yes", "no"), "yes") == "yes",
        reset=Reset(_choice(said["reset"], tuple(Reset), Reset.NEVER)),
        flash=_flash(said, labgrid),
        speed_hz=_hertz(said["speed"]),
        connect=_choice(said["connect"], CONNECT_MODES, "") or None,
    )


def _hertz(said: Said | None) -> int | None:
    if said is None:
        return None
    text = said.value.replace("_", "")
    if not (text.isascii() and text.isdecimal()) or not 0 < len(text) < 10 or int(text) == 0:
        raise pytest.UsageError(f"{said.source}: `{said.value}` is not a number of hertz")
    return int(text)


def _choice(said: Said | None, known: tuple[str, ...], default: str) -> str:
    if said is None:
        return default
    if said.value not in known:
        raise pytest.UsageError(f"{said.source}: `{said.value}` is not one of {', '.join(known)}")
    return said.value


def _flash(said: dict[str, Said | None], labgrid: Said | None) -> FlashWhen:
    flash = said["flash"]
    when = FlashWhen(_choice(flash, tuple(FlashWhen), FlashWhen.NEVER))
    if flash is None or when is FlashWhen.NEVER:
        return when
    if labgrid is not None:
        raise pytest.UsageError(
            f"{flash.source} has no effect with {labgrid.source}: its strategy flashes"
        )
    if said["archive"] is None and said["env"] is None:
        raise pytest.UsageError(f"{flash.source}: name the build to flash, --idoldbg-archive")
    return when


def _entries(text: str | None) -> list[str]:
    return re.findall(r"[^,\s]+", text or "")


def _list_places(said: dict[str, Said | None], default: Place) -> tuple[Place, ...]:
    """Return the boards of `env` and `boards`."""
    environment, boards = said["env"], said["boards"]
    try:
        known = [] if environment is None else read_places(environment.value)
        if boards is None:
            if environment is not None:
                _check_idle(said, ("archive", "board", "probe"), environment, "each target has its")
            return tuple(known)
        entries = _entries(boards.value)
        if not entries:
            raise pytest.UsageError(f"{boards.source} has no board in it")
        places = parse_board_list(entries, known, default)
    except ArgumentError as error:
        raise pytest.UsageError(str(error)) from None
    _check_idle(said, ("probe",), boards, "each entry has its")
    from_file = [place for place in places if place in known]
    if environment is not None and not from_file:
        raise pytest.UsageError(
            f"{environment.source} has no effect: {boards.source} names none of its targets"
        )
    if environment is not None and len(from_file) == len(places):
        _check_idle(said, ("archive", "board"), environment, "each target has its")
    return tuple(places)


def _check_idle(
    said: dict[str, Said | None], names: tuple[str, ...], other: Said, why: str
) -> None:
    """Raise for options that another one leaves without effect."""
    for name in names:
        one = said[name]
        if one is not None:
            raise pytest.UsageError(
                f"{one.source} has no effect with {other.source}: {why} {name}; leave one of the "
                "two out"
            )


def _check_labgrid(said: dict[str, Said | None], labgrid: Said) -> None:
    """Raise for what labgrid's environment decides: which boards, and who may use them."""
    _check_idle(said, ("board", "probe", "env", "boards"), labgrid, "its targets have their")
    wait = said["wait"]
    _check_idle(said, ("speed", "connect"), labgrid, "its targets have their")
    if wait is not None and wait.is_argument:  # in an ini file it is for other runs
        raise pytest.UsageError(
            f"{wait.source} has no effect with {labgrid.source}: acquire the place before the tests"
        )


def worker_name(config: pytest.Config) -> str:
    """Return the name of this worker of pytest-xdist, "" where there are no workers.

    Not from its environment, which other runs inherit that a worker's tests start.
    """
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


def worker_count(config: pytest.Config) -> int:
    """Return how many workers of pytest-xdist there are, 1 where there are none."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))
