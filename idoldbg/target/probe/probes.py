"""Listing of debug probes, and selection of one.

pyOCD's own helpers print, prompt on the terminal, and fail altogether when one kind of probe cannot
be looked for; hence this enumeration over its probe classes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyocd.probe.aggregator import PROBE_CLASSES

from idol.records import dataclass, replace
from idoldbg.errors import ProbeNotFound
from idoldbg.target.host_lock import Holder, HostLock, find_holder, find_user
from idoldbg.target.link_lock import lock_link, lock_path
from idoldbg.target.probe.drivers import find_drivers, place_of, refused_devices
from idoldbg.target.probe.errors import PERMISSION, Attempt, translate, translated
from idoldbg.target.probe.watchdog import Watchdog

__all__ = [
    "FoundProbe",
    "ProbeInfo",
    "ProbeListing",
    "choose_probe",
    "find_probe_holder",
    "find_probes",
    "guess_board",
    "list_probes",
    "lock_probe",
]

LIST_LIMIT_S = 30.0
EMULATED_KIND = "emu"  # the name that idoldbg.target.emulated.pyocd_probe gives to its probe class


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """One probe. `kind` is pyOCD's name for its driver, `place` where it is on the USB, if known.

    Where several have one serial number, or one has none, `unique_id` ends in `@` and the place.
    `board_guess` is what board it names, `target_guess` pyOCD's target type for that, `boards` the
    board files that may be for it. `used_by` says which process of this host has it open through
    idoldbg.
    """

    unique_id: str
    description: str
    vendor: str
    product: str
    kind: str
    board_guess: str | None = None
    target_guess: str | None = None
    boards: tuple[str, ...] = ()
    used_by: str | None = None
    place: str = ""

    @property
    def is_emulated(self) -> bool:
        """Whether this is an emulated board rather than hardware."""
        return self.kind == EMULATED_KIND


@dataclass(frozen=True, slots=True)
class ProbeListing:
    """Probes found, and messages about what could not be searched."""

    probes: tuple[ProbeInfo, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundProbe:
    """A probe's description, with pyOCD's object for it (a `DebugProbe`, which has no types)."""

    info: ProbeInfo
    driver: Any


def find_probes() -> tuple[tuple[FoundProbe, ...], tuple[str, ...]]:
    """Return every probe that is connected, hardware first, and notices as in `ProbeListing`."""
    found: list[FoundProbe] = []
    with _warnings() as notices:
        _find_into(found, notices)
    found = _tell_apart(found)
    found.sort(key=lambda probe: (probe.info.is_emulated, probe.info.unique_id))
    return tuple(found), tuple(dict.fromkeys(notices))


def _tell_apart(found: Sequence[FoundProbe]) -> list[FoundProbe]:
    """Add the USB place to ids that several probes have, or that are none."""
    ids = [probe.info.unique_id for probe in found]
    return [
        FoundProbe(replace(p.info, unique_id=f"{p.info.unique_id}@{p.info.place}"), p.driver)
        if p.info.place and (not p.info.unique_id or ids.count(p.info.unique_id) > 1)
        else p
        for p in found
    ]


def _find_into(found: list[FoundProbe], notices: list[str]) -> None:
    for kind, probe_class in PROBE_CLASSES.items():
        try:
            for driver in find_drivers(probe_class):
                found.append(FoundProbe(_describe(kind, driver), driver))
        except Exception as error:  # noqa: BLE001 - one broken driver must not hide the others
            attempt = Attempt("pyocd", f"look for {kind} probes")
            notices.append(str(translate(error, attempt) or attempt.fail(repr(error))))
    refused = list(refused_devices())
    if refused:
        notices[:] = [notice for notice in notices if "udev" not in notice]
    notices += [f"no permission to open the probe {name}; {PERMISSION}" for name in refused]


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what pyOCD logs as a warning: missing libraries, probes that it may not open."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"pyocd: {record.getMessage()}")

    handler = Collector(logging.WARNING)
    logger = logging.getLogger("pyocd")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def list_probes(*, guess_boards: bool = True) -> ProbeListing:
    """List what is connected. Guessing boards opens some probes for a moment to ask them.

    Raises `LinkTimeout` where a driver does not come back.
    """
    watchdog = Watchdog("idoldbg probes")
    try:
        with translated(Attempt("pyocd", "look for probes")):
            return watchdog.call(lambda: _list(guess_boards), LIST_LIMIT_S)
    finally:
        watchdog.stop()


def _list(guess_boards: bool) -> ProbeListing:
    found, notices = find_probes()
    infos = []
    for probe in found:
        info, holder = probe.info, find_probe_holder(probe.info)
        if guess_boards and holder is None:
            info = guess_board(probe)
        infos.append(replace(info, used_by=None if holder is None else str(holder)))
    return ProbeListing(tuple(infos), notices)


def choose_probe(
    found: Sequence[FoundProbe], unique_id: str | None, notices: Sequence[str] = ()
) -> FoundProbe:
    """Return the probe meant by `unique_id`: equal to it, else beginning with it, else holding it.

    Case does not matter. Without an id the only probe of real hardware is meant. Raises
    `ProbeNotFound` for none and, with the list of candidates, for several.
    """
    candidates = list(found)
    if not unique_id:
        matches = [p for p in candidates if not p.info.is_emulated]
    else:
        wanted = unique_id.lower()
        at_place = [p for p in candidates if p.info.place and wanted.endswith(f"@{p.info.place}")]
        ids = [(p.info.unique_id.lower(), p) for p in candidates]
        matches = (
            [p for text, p in ids if text == wanted]
            or [p for p in at_place if p.info.unique_id.lower().startswith(wanted.split("@")[0])]
            or [p for text, p in ids if text.startswith(wanted)]
            or [p for text, p in ids if wanted in text]
        )
    if len(matches) == 1:
        return matches[0]
    spec = f"pyocd:{unique_id}" if unique_id else "pyocd"
    if matches:
        raise ProbeNotFound(
            f"{spec} fits {len(matches)} probes, name one by its id: {_listed(matches)}", link=spec
        )
    raise ProbeNotFound(_none_found(spec, unique_id, candidates, notices), link=spec)


def _none_found(
    spec: str, unique_id: str | None, candidates: Sequence[FoundProbe], notices: Sequence[str]
) -> str:
    refused = [notice for notice in notices if notice.startswith("no permission")]
    if refused and not candidates:
        return f"{spec}: {refused[0]}"
    if not unique_id:
        message = (
            "no debug probe is connected; plug one in (on Linux its udev rules must allow this "
            "user to open it), or use the emulated board with `--probe emu`"
        )
    elif candidates:
        message = f"{spec}: no probe has that id; there are {_listed(candidates)}"
    else:
        message = f"{spec}: no probe is connected at all"
    return "; ".join((message, *notices))


def _listed(probes: Sequence[FoundProbe]) -> str:
    return ", ".join(f"{p.info.unique_id} ({p.info.description})" for p in probes)


def _describe(kind: str, driver: Any) -> ProbeInfo:
    return ProbeInfo(
        unique_id=str(driver.unique_id),
        description=str(driver.description),
        vendor=str(driver.vendor_name),
        product=str(driver.product_name),
        kind=kind,
        place=place_of(driver),
    )


def guess_board(probe: FoundProbe) -> ProbeInfo:
    """Ask a probe which board it is part of; some are opened for a moment for that."""
    try:
        board = probe.driver.associated_board_info
        if board is None:
            return probe.info
        return replace(probe.info, board_guess=str(board.name), target_guess=str(board.target))
    except Exception:  # noqa: BLE001 - a guess: a probe in use by another program says nothing
        return probe.info


def lock_probe(
    info: ProbeInfo, wait_s: float = 0.0, on_wait: Callable[[str], None] = lambda notice: None
) -> HostLock | None:
    """Keep other processes from a probe; None for emulated ones, which need no lock.

    Raises `LinkError` when somebody else still has it after `wait_s`; `on_wait` gets a sentence
    for the user where it has to be waited for.
    """
    if info.is_emulated:
        return None
    return lock_link(f"pyocd:{info.unique_id}", info.unique_id, wait_s, on_wait)


def find_probe_holder(info: ProbeInfo) -> Holder | None:
    """Return which process of this host has a probe open through idoldbg, if one has."""
    if info.is_emulated:
        return None
    return find_holder(lock_path(info.unique_id)) or find_user(info.unique_id)
