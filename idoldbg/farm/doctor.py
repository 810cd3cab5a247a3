"""Looks for what is wrong with a lab: versions, coordinator, places, exporters, probes.

Every check says what it found and, where something is wrong, what to do. Those that need an answer
which did not come are left out by name, not passed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from idol.records import dataclass
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.farm.coordinator import BOARD_CLASSES, Coordinator, FarmPlace, Offer, is_stale
from idoldbg.target.probe.link import ProbeListing, list_probes

__all__ = [
    "Check",
    "Level",
    "check_exporters",
    "check_places",
    "check_probes",
    "check_use",
    "check_versions",
    "diagnose_lab",
    "why_unreachable",
]

#: Package, oldest version that we were written against, extra that brings it.
PACKAGES = (
    ("labgrid", (26,), "labgrid"),
    ("pyocd", (0, 46), ""),
    ("pytest", (8,), "pytest"),
)
CONNECT_LIMIT_S = 5.0


class Level(StrEnum):
    """Judgement of one check."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `advice` is what to do, empty where nothing is to be done."""

    level: Level
    subject: str
    message: str
    advice: str = ""


def diagnose_lab(
    coordinator: Coordinator, *, probes: Callable[[], ProbeListing] = list_probes
) -> list[Check]:
    """Look at everything that can be seen from this host. Takes no place and changes nothing."""
    checks = check_versions()
    try:
        places, offers = coordinator.places(), coordinator.offers()
    except ArgumentError as error:
        checks.append(Check(Level.ERROR, "coordinator", str(error), "give HOST:PORT"))
    except LinkError as error:
        checks.append(why_unreachable(coordinator.address, str(error)))
    else:
        checks.append(Check(Level.OK, "coordinator", f"answers at {coordinator.address}"))
        checks += check_exporters(offers)
        checks += check_places(places)
        checks += check_use(places, offers)
    return checks + check_probes(probes)


def check_versions(find: Callable[[str], str] = version) -> list[Check]:
    """Compare the packages of this environment with what we were written against."""
    checks = []
    for name, oldest, extra in PACKAGES:
        wanted = ".".join(map(str, oldest))
        install = f"pip install 'idoldbg[{extra}]'" if extra else "pip install --upgrade idoldbg"
        try:
            found = find(name)
        except PackageNotFoundError:
            checks.append(Check(Level.ERROR, "versions", f"{name} is not installed", install))
            continue
        if _numbers(found) < oldest:
            message = f"{name} {found} is older than {wanted}"
            checks.append(Check(Level.ERROR, "versions", message, install))
        else:
            checks.append(Check(Level.OK, "versions", f"{name} {found}"))
    return checks


def _numbers(text: str) -> tuple[int, ...]:
    parts = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        parts.append(int(part))
    return tuple(parts)


def why_unreachable(address: str, message: str) -> Check:
    """Distinguish an unknown name, a port where nobody listens, and another server."""
    host, _, port = address.rpartition(":")
    host, number = (host, int(port)) if host and port.isdecimal() else (address, 20408)
    start = "on its host: labgrid-coordinator -l 0.0.0.0:20408"
    try:
        socket.create_connection((host.strip("[]"), number), CONNECT_LIMIT_S).close()
    except socket.gaierror:
        what, advice = f"the name `{host}` is unknown here", "check --coordinator (LG_COORDINATOR)"
    except ConnectionRefusedError:
        what, advice = f"nothing listens at {host}:{number}", start
    except (TimeoutError, OSError) as error:
        reason = error.strerror or "no answer"
        what, advice = f"{host}:{number} cannot be reached: {reason}", "check network and firewall"
    else:
        what = f"something listens at {host}:{number}, and is not a labgrid coordinator: {message}"
        advice = "check the port; a coordinator listens at 20408 unless told otherwise"
    return Check(Level.ERROR, "coordinator", what, advice)


def check_exporters(offers: Sequence[Offer]) -> list[Check]:
    """Judge each exporter by what it offers."""
    if not offers:
        return [
            Check(
                Level.ERROR, "exporters", "none is connected, so there are no boards",
                "on each host with boards: idoldbg farm exporter CONFIG --coordinator HOST:PORT",
            )
        ]  # fmt: skip
    checks = []
    ours = version("idoldbg")
    for name in dict.fromkeys(offer.exporter for offer in offers):
        offered = [offer for offer in offers if offer.exporter == name]
        boards = [offer for offer in offered if offer.cls in BOARD_CLASSES]
        subject = f"exporter {name}"
        for offer in offered:
            if offer.broken:
                message = f"`{offer.group}/{offer.name}` could not be started: {offer.broken}"
                advice = "see the exporter's log; then restart it"
                checks.append(Check(Level.ERROR, subject, message, advice))
        versions = {offer.version for offer in boards if offer.version}
        for other in sorted(versions - {ours}):
            message = f"runs idoldbg {other}, and this is {ours}"
            checks.append(Check(Level.WARNING, subject, message, "install the same version"))
        for host in sorted({offer.host for offer in boards if offer.host}):
            checks += _check_host(subject, host)
        if not any(check.subject == subject for check in checks):
            said = f"offers {len(boards)} boards" if boards else "offers no board of ours"
            checks.append(Check(Level.OK if boards else Level.NOTE, subject, said))
    return checks


def _check_host(subject: str, host: str) -> list[Check]:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        message = f"its host name `{host}` is unknown here, so its boards cannot be reached"
        advice = "start it with --hostname and an address that clients can reach"
        return [Check(Level.ERROR, subject, message, advice)]
    return []


def check_places(places: Sequence[FarmPlace]) -> list[Check]:
    """Judge each place by its state and by what can be found of it."""
    if not places:
        message = "the coordinator has none, so nothing can be taken"
        return [Check(Level.ERROR, "places", message, "labgrid-client -p NAME create")]
    return [check for place in places for check in _check_place(place)]


def _check_place(place: FarmPlace) -> list[Check]:
    subject = f"place {place.name}"
    client = f"labgrid-client -p {place.name}"
    if not place.matches:
        advice = f"{client} add-match EXPORTER/GROUP/CLASS"
        return [Check(Level.ERROR, subject, "names no resource", advice)]
    if place.broken:  # the exporter's own check says it with its reason
        return [Check(Level.ERROR, subject, f"is broken: {'; '.join(place.broken)}",
                      "see the exporter's log; then restart it")]  # fmt: skip
    if place.missing:
        message = f"no exporter offers {', '.join(place.missing)}"
        advice = f"start that exporter, or correct the match: {client} show"
        return [Check(Level.ERROR, subject, message, advice)]
    if place.is_foreign:
        message = f"has no board that idoldbg can use, only {', '.join(place.classes)}"
        return [Check(Level.NOTE, subject, message)]
    checks = []
    if is_stale(place.acquired_by):
        message = f"was left behind by a farm run that was killed ({place.acquired_by})"
        advice = f"the next `idoldbg farm run` here frees it, or: {client} release --kick"
        checks.append(Check(Level.WARNING, subject, message, advice))
    if not place.tags:
        message = "has no tags, so --match cannot choose it"
        checks.append(Check(Level.NOTE, subject, message, f"{client} set-tags chip=… board=…"))
    if board := place.tags.get("board"):
        others = [name for name in place.boards if name != board]
        if others:
            message = f"its tag says board={board}, and its exporter offers {', '.join(others)}"
            advice = f"{client} set-tags board={others[0]}"
            checks.append(Check(Level.WARNING, subject, message, advice))
    return checks or [Check(Level.OK, subject, place.state)]


def check_use(places: Sequence[FarmPlace], offers: Sequence[Offer]) -> list[Check]:
    """Look for exporters with boards that no place can have."""
    used = {name for place in places for name in place.exporters}
    unused = {o.exporter for o in offers if o.cls in BOARD_CLASSES} - used
    return [
        Check(Level.WARNING, f"exporter {name}", "offers boards, and no place names any of them",
              f"labgrid-client -p NAME create, then add-match '{name}/GROUP/*'")
        for name in sorted(unused)
    ]  # fmt: skip


def check_probes(probes: Callable[[], ProbeListing]) -> list[Check]:
    """Look at the probes of this host, which an exporter here could offer."""
    try:
        listing = probes()
    except LinkError as error:
        return [Check(Level.WARNING, "probes here", f"cannot be listed: {error}", "try again")]
    checks = [
        Check(Level.WARNING, "probes here", notice, "see `idoldbg probes`")
        for notice in listing.notices
    ]
    hardware = [probe for probe in listing.probes if not probe.is_emulated]
    for probe in hardware:
        state = f"in use by {probe.used_by}" if probe.used_by else "can be opened by this user"
        checks.append(Check(Level.OK, f"probe {probe.unique_id}", state))
    if not hardware:
        checks.append(Check(Level.NOTE, "probes here", "none; fine unless this host has boards"))
    return checks
