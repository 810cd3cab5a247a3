"""Asks labgrid's coordinator for places, takes them and gives them back.

Each operation has a connection of its own: labgrid ties a place to a name (`HOST/USER`), not to a
connection, so that a place stays acquired when its holder dies. Hence the names that `holder_name`
makes: they tell which process it was, so that another can see that it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from getpass import getuser
from typing import Any, TypeVar

import grpc
from labgrid.remote import common as remote
from labgrid.remote.client import ClientSession, ServerError
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.util.proxy import proxymanager

from idol.printable import printable
from idol.records import dataclass
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.farm.processes import start_time

__all__ = [
    "Coordinator",
    "FarmPlace",
    "Holder",
    "Offer",
    "PlaceTaken",
    "Reservation",
    "is_stale",
]

DEFAULT_ADDRESS = "127.0.0.1:20408"
DEFAULT_PORT = 20408
CONNECT_LIMIT_S = 10.0
# The coordinator gives each exporter 10 s for each resource.
OPERATION_LIMIT_S = 60.0
# What `idoldbg farm exporter` offers; labgrid's own exporter passes the other two on as they are.
BOARD_CLASSES = frozenset({"NetworkIdoldbgProbe", "IdoldbgProbe", "IdoldbgEmulatedBoard"})
_FARM_USER = re.compile(r"(?P<user>.*)-farm-(?P<pid>\d+)-(?P<start>\d+)$")
T = TypeVar("T")


class PlaceTaken(LinkError):
    """Somebody else was faster, or a resource of the place is gone."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Identity of a farm run for labgrid: `host` and `user` are LG_HOSTNAME and LG_USERNAME."""

    host: str
    user: str

    @classmethod
    def of_this_process(cls) -> Holder:
        """Make a name that no other process has, also after this one has died."""
        pid = os.getpid()
        host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
        user = os.environ.get("LG_USERNAME") or getuser()
        return cls(host, f"{user}-farm-{pid}-{start_time(pid)}")

    @classmethod
    def of_this_user(cls) -> Holder:
        """Make the name that labgrid-client has for the same user."""
        host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
        return cls(host, os.environ.get("LG_USERNAME") or getuser())

    def __str__(self) -> str:
        return f"{self.host}/{self.user}"


def is_stale(acquired_by: str | None) -> bool:
    """Return whether a killed farm run on this host has left the place acquired."""
    host, _, user = (acquired_by or "").partition("/")
    match = _FARM_USER.match(user)
    if match is None or host != Holder.of_this_process().host:
        return False
    return start_time(int(match["pid"])) != int(match["start"])


@dataclass(frozen=True, slots=True)
class FarmPlace:
    """One place. `changed` is when it was acquired or released last, in Unix seconds.

    `missing` tells of matches without a resource (an exporter is away), `broken` of resources that
    an exporter could not start. `classes` are those of its resources, `boards` the names of board
    files that they give.
    """

    name: str
    tags: dict[str, str]
    acquired_by: str | None
    changed: float
    comment: str = ""
    reservation: str | None = None
    exporters: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether its exporters offer something, and no board that idoldbg can use."""
        return bool(self.classes) and BOARD_CLASSES.isdisjoint(self.classes)

    @property
    def is_free(self) -> bool:
        """Return whether the place can be acquired now."""
        return not (self.acquired_by or self.missing or self.broken or self.reservation)

    @property
    def state(self) -> str:
        """One word for people and programs."""
        if self.broken:
            return "broken"
        if self.missing:
            return "away"
        if self.acquired_by:
            return "stale" if is_stale(self.acquired_by) else "in use"
        return "reserved" if self.reservation else "free"


@dataclass(frozen=True, slots=True)
class Offer:
    """One resource that an exporter offers. `place` is the one that has it acquired.

    `version` is that of the exporter's idoldbg, empty where labgrid's own exporter offers it.
    """

    exporter: str
    group: str
    name: str
    cls: str
    is_available: bool
    place: str | None
    host: str = ""
    version: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place in the queue for a place with these tags. Times are Unix seconds.

    `state` is labgrid's: waiting, allocated, acquired, expired or invalid. Nobody who asks for it
    for a minute lets it expire.
    """

    token: str
    owner: str
    state: str
    tags: dict[str, str]
    places: tuple[str, ...]
    created: float
    priority: float = 0.0


class _Session(ClientSession):
    """A client under a holder's name."""

    holder: Holder

    def gethostname(self) -> str:
        return self.holder.host

    def getuser(self) -> str:
        return self.holder.user


class Coordinator:
    """A coordinator at HOST[:PORT]; every method may raise `LinkError`."""

    def __init__(self, address: str | None = None, holder: Holder | None = None) -> None:
        self.address = address or os.environ.get("LG_COORDINATOR") or DEFAULT_ADDRESS
        self.holder = holder or Holder.of_this_process()

    def places(self) -> list[FarmPlace]:
        """Return all places, in the order of their names."""

        async def ask(session: _Session) -> list[FarmPlace]:
            return [_describe(p, session.resources) for _, p in sorted(session.places.items())]

        return self._run(ask)

    def offers(self) -> list[Offer]:
        """Return what all exporters offer, in the order of their names."""

        async def ask(session: _Session) -> list[Offer]:
            return [
                _offer(exporter, group, name, entry)
                for exporter, groups in sorted(session.resources.items())
                for group, entries in sorted(groups.items())
                for name, entry in sorted(entries.items())
                if entry.data
            ]

        return self._run(ask, "list what is offered")

    def reserve(self, tags: Mapping[str, str], priority: float = 0.0) -> Reservation:
        """Queue for one place that has all these tags (`name` is the place's own name)."""

        async def ask(session: _Session) -> Reservation:
            request = messages.CreateReservationRequest(
                filters={"main": messages.Reservation.Filter(filter=dict(tags))}, prio=priority
            )
            answer = await session.stub.CreateReservation(request)
            return _reservation(answer.reservation)

        return self._run(ask, "reserve a place")

    def poll_reservation(self, token: str) -> Reservation:
        """Ask for a reservation, which keeps it from expiring for a minute."""

        async def ask(session: _Session) -> Reservation:
            request = messages.PollReservationRequest(token=token)
            return _reservation((await session.stub.PollReservation(request)).reservation)

        return self._run(ask, f"ask for reservation {printable(token)}")

    def cancel_reservation(self, token: str) -> None:
        """Leave the queue, or give the allocated place back to it."""

        async def ask(session: _Session) -> None:
            await session.stub.CancelReservation(messages.CancelReservationRequest(token=token))

        self._run(ask, f"cancel reservation {printable(token)}")

    def reservations(self) -> list[Reservation]:
        """Return the queue: by priority, then by age."""

        async def ask(session: _Session) -> list[Reservation]:
            answer = await session.stub.GetReservations(messages.GetReservationsRequest())
            found = [_reservation(one) for one in answer.reservations]
            return sorted(found, key=lambda one: (-one.priority, one.created))

        return self._run(ask, "list the reservations")

    def acquire(self, name: str) -> None:
        """Take a place; raise `PlaceTaken` when it cannot be had."""

        async def ask(session: _Session) -> None:
            await session.stub.AcquirePlace(messages.AcquirePlaceRequest(placename=name))

        self._run(ask, f"acquire {name}")

    def release(self, name: str, acquired_by: str | None = None) -> None:
        """Give a place back, if this holder (or `acquired_by`) has it; else do nothing."""
        owner = acquired_by or str(self.holder)

        async def ask(session: _Session) -> None:
            request = messages.ReleasePlaceRequest(placename=name, fromuser=owner)
            await session.stub.ReleasePlace(request)

        self._run(ask, f"release {name}")

    def _run(self, ask: Callable[[_Session], Awaitable[T]], what: str = "list the places") -> T:
        # labgrid logs to the root logger, which would print; the error below says it all.
        logging.getLogger().addHandler(logging.NullHandler())
        return asyncio.run(self._ask(ask, what))

    async def _ask(self, ask: Callable[[_Session], Awaitable[T]], what: str) -> T:
        try:
            address = proxymanager.get_grpc_address(self.address, default_port=DEFAULT_PORT)
        except ValueError as error:
            raise ArgumentError(
                f"`{self.address}` is not HOST:PORT", name="--coordinator or LG_COORDINATOR"
            ) from error
        session = _Session(address, asyncio.get_running_loop())
        session.holder = self.holder
        try:
            try:
                await asyncio.wait_for(session.start(), CONNECT_LIMIT_S)
            except (TimeoutError, ServerError) as error:
                raise LinkError(
                    f"no labgrid coordinator answers at {self.address}; give --coordinator "
                    "HOST:PORT, or set LG_COORDINATOR",
                    link=f"labgrid:{self.address}",
                ) from error
            return await asyncio.wait_for(ask(session), OPERATION_LIMIT_S)
        except grpc.aio.AioRpcError as error:
            raise PlaceTaken(
                f"cannot {what}: {error.details()}", link=f"labgrid:{self.address}"
            ) from error
        except TimeoutError as error:
            raise LinkError(
                f"cannot {what}: the coordinator at {self.address} did not answer within "
                f"{OPERATION_LIMIT_S:g} s",
                link=f"labgrid:{self.address}",
            ) from error
        finally:
            session.stopping.set()
            await session.stop()
            await session.close()


def _offer(exporter: str, group: str, name: str, entry: Any) -> Offer:
    return Offer(
        exporter=exporter,
        group=group,
        name=name,
        cls=str(entry.cls),
        is_available=bool(entry.avail),
        place=entry.acquired or None,
        host=str(entry.params.get("host") or ""),
        version=str(entry.extra.get("idoldbg") or ""),
        broken=str(entry.extra.get("broken") or ""),
    )


def _reservation(message: Any) -> Reservation:
    found = remote.Reservation.from_pb2(message)
    return Reservation(
        token=found.token,
        owner=found.owner,
        state=found.state.name,
        tags=dict(found.filters.get("main", {})),
        places=tuple(name for group in found.allocations.values() for name in group),
        created=found.created,
        priority=found.prio,
    )


def _describe(place: Any, resources: dict[str, Any]) -> FarmPlace:
    missing: list[str] = []
    broken: list[str] = []
    exporters: set[str] = set()
    classes: set[str] = set()
    boards: set[str] = set()
    for match in place.matches:
        fitting = [
            (exporter, entry)
            for exporter, groups in resources.items()
            for group, entries in groups.items()
            for name, entry in entries.items()
            if entry.data and match.ismatch((exporter, group, entry.cls, name))
        ]
        exporters.update(exporter for exporter, _ in fitting)
        classes.update(str(entry.cls) for _, entry in fitting)
        ours = (entry.params for _, entry in fitting if entry.cls in BOARD_CLASSES)
        boards.update(str(params["board"]) for params in ours if params.get("board"))
        if not any(entry.avail or entry.acquired for _, entry in fitting):
            missing.append(repr(match))
        broken += [
            f"{exporter}: {entry.extra.get('broken')}"
            for exporter, entry in fitting
            if entry.extra.get("broken")
        ]
    return FarmPlace(
        name=place.name,
        tags=dict(place.tags),
        acquired_by=place.acquired or None,
        changed=place.changed,
        comment=place.comment,
        reservation=place.reservation,
        exporters=tuple(sorted(exporters)),
        missing=tuple(missing),
        broken=tuple(broken),
        classes=tuple(sorted(classes)),
        boards=tuple(sorted(boards)),
        matches=tuple(repr(match) for match in place.matches),
    )
