"""Waits in labgrid's queue until a place with the wanted tags is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from idoldbg.errors import ArgumentError, LinkError, LinkTimeout
from idoldbg.farm.coordinator import Coordinator, FarmPlace, Reservation

__all__ = ["queued_place", "wait_for_place"]

POLL_S = 1.0
WAITING, GRANTED = "waiting", ("allocated", "acquired")


def wait_for_place(
    coordinator: Coordinator,
    tags: Mapping[str, str],
    limit_s: float,
    *,
    on_wait: Callable[[Reservation], None] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Reservation:
    """Queue for a place and return the reservation when it has one.

    Raises `LinkTimeout` after `limit_s`; the reservation is cancelled then, and on every other way
    out but a return. `on_wait` hears it once, when there is nothing yet.
    """
    end = time.monotonic() + limit_s
    reservation = coordinator.reserve(tags)
    is_kept = False
    try:
        while reservation.state == WAITING:
            on_wait(reservation)
            on_wait = lambda _: None  # noqa: E731  once is enough
            if time.monotonic() >= end or is_stopped():
                wanted = " ".join(f"{k}={v}" for k, v in sorted(tags.items()))
                raise LinkTimeout(
                    f"no place with {wanted} became free within {limit_s:g} s",
                    timeout_s=limit_s,
                    link=f"labgrid:{coordinator.address}",
                )
            time.sleep(min(POLL_S, max(0.0, end - time.monotonic())))
            reservation = coordinator.poll_reservation(reservation.token)
        if reservation.state not in GRANTED or not reservation.places:
            raise LinkError(
                f"reservation {reservation.token} is {reservation.state}: try again",
                link=f"labgrid:{coordinator.address}",
            )
        is_kept = True
        return reservation
    finally:
        if not is_kept:
            _cancel(coordinator, reservation.token)


def _cancel(coordinator: Coordinator, token: str) -> None:
    try:
        coordinator.cancel_reservation(token)
    except LinkError:  # gone already; else it expires within a minute
        pass


@contextmanager
def queued_place(
    coordinator: Coordinator,
    tags: Mapping[str, str],
    names: Sequence[str],
    fitting: Sequence[FarmPlace],
    limit_s: float | None,
) -> Iterator[FarmPlace]:
    """Wait for one of the places that fit, and keep its reservation until the end of the block.

    Raises `ArgumentError` where the queue could give another place, `LinkTimeout` after `limit_s`.
    """
    wanted = {**tags, "name": names[0]} if len(names) == 1 else dict(tags)
    if not wanted or len(names) > 1:
        raise ArgumentError(
            "labgrid's queue is for tags or for one place: give --match TAG=VALUE, or --places "
            "with one name",
            name="--queue",
        )
    found = wait_for_place(coordinator, wanted, limit_s or 0.0)
    try:
        for place in fitting:
            if place.name == found.places[0]:
                yield place
                return
        raise LinkError(
            f"the queue gave place `{found.places[0]}`, which has no board of ours or is new; see "
            "`idoldbg farm status`",
            link=f"labgrid:{coordinator.address}",
        )
    finally:
        _cancel(coordinator, found.token)
