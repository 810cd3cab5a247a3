"""Which debug probes are there, and which one is meant.

pyOCD's own helpers print, prompt on the terminal, and fail altogether when one kind of probe cannot
be looked for; hence this enumeration over its probe classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyocd.probe.aggregator import PROBE_CLASSES

from idoldbg.errors import ProbeNotFound
from idoldbg.link.pyocd_errors import Attempt, translate, translated
from idoldbg.link.watchdog import Watchdog

__all__ = ["FoundProbe", "ProbeInfo", "ProbeListing", "choose_probe", "find_probes", "list_probes"]

LIST_LIMIT_S = 30.0
EMULATED_KIND = "emu"  # the name that idoldbg.pyocd_plugin gives to its probe class


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """One probe. `kind` is pyOCD's name for its driver, `board_guess` what board it names."""

    unique_id: str
    description: str
    vendor: str
    product: str
    kind: str
    board_guess: str | None = None

    @property
    def is_emulated(self) -> bool:
        """Whether this is an emulated board rather than hardware."""
        return self.kind == EMULATED_KIND


@dataclass(frozen=True, slots=True)
class ProbeListing:
    """What was found, and sentences about what could not be looked for or looked at."""

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
    found.sort(key=lambda probe: (probe.info.is_emulated, probe.info.unique_id))
    return tuple(found), tuple(dict.fromkeys(notices))


def _find_into(found: list[FoundProbe], notices: list[str]) -> None:
    for kind, probe_class in PROBE_CLASSES.items():
        try:
            for driver in probe_class.get_all_connected_probes(None, False):
                found.append(FoundProbe(_describe(kind, driver), driver))
        except Exception as error:  # noqa: BLE001 - one broken driver must not hide the others
            attempt = Attempt("pyocd", f"look for {kind} probes")
            notices.append(str(translate(error, attempt) or attempt.fail(repr(error))))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what pyOCD logs as a warning: missing libraries, probes that it may not open."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(f"pyocd: {record.getMessage()}")

    handler = Collector(logging.WARNING)
    logger = logging.getLogger("pyocd")
    logger.addHandler(handler)
    try:
        yield texts
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
        guess = _guess_board(probe.driver) if guess_boards else None
        info = probe.info
        infos.append(
            ProbeInfo(info.unique_id, info.description, info.vendor, info.product, info.kind, guess)
        )
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
        ids = [(p.info.unique_id.lower(), p) for p in candidates]
        matches = (
            [p for text, p in ids if text == wanted]
            or [p for text, p in ids if text.startswith(wanted)]
            or [p for text, p in ids if wanted in text]
        )
    if len(matches) == 1:
        return matches[0]
    spec = f"pyocd:{unique_id}" if unique_id else "pyocd"
    if matches:
        raise ProbeNotFound(
            f"{spec} fits {len(matches)} probes, name one by its id:{_table(matches)}", link=spec
        )
    raise ProbeNotFound(_none_found(spec, unique_id, candidates, notices), link=spec)


def _none_found(
    spec: str, unique_id: str | None, candidates: Sequence[FoundProbe], notices: Sequence[str]
) -> str:
    if not unique_id:
        message = (
            "no debug probe is connected; plug one in (on Linux its udev rules must allow this "
            "user to open it), or use the emulated board with `--probe emu`"
        )
    elif candidates:
        message = f"{spec}: no probe has that id; there are:{_table(candidates)}"
    else:
        message = f"{spec}: no probe is connected at all"
    return "\n".join((message, *notices))


def _table(probes: Sequence[FoundProbe]) -> str:
    return "".join(f"\n  {p.info.unique_id}  {p.info.description}" for p in probes)


def _describe(kind: str, driver: Any) -> ProbeInfo:
    return ProbeInfo(
        unique_id=str(driver.unique_id),
        description=str(driver.description),
        vendor=str(driver.vendor_name),
        product=str(driver.product_name),
        kind=kind,
    )


def _guess_board(driver: Any) -> str | None:
    try:
        board = driver.associated_board_info
        return str(board.name) if board is not None else None
    except Exception:  # noqa: BLE001 - a guess: a probe in use by another program says nothing
        return None
