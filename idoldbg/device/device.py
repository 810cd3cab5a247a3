"""A target whose operations are attributes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from idol.printable import one_line, printable
from idoldbg.device.aio import AioDevice, Worker
from idoldbg.device.base import BaseDevice, BaseTask
from idoldbg.device.batch import Batch
from idoldbg.device.classes import Classes
from idoldbg.device.core import Core
from idoldbg.device.failures import Failures
from idoldbg.device.operation import Operation, Space
from idoldbg.errors import ArgumentError
from idoldbg.model.seconds import check_seconds
from idoldbg.resolver import ResolvedOperation
from idoldbg.session import Session, TargetOptions, open_program, open_session
from idoldbg.startup import check_image
from idoldbg.target.open import CONNECT_MODES

__all__ = ["Device", "TaskSpace", "attach", "open_device_session"]

_log = logging.getLogger("idoldbg")


def _inform(message: str) -> None:
    _log.info("%s", one_line(message))


def _warn(message: str) -> None:
    _log.warning("%s", one_line(message))


def open_device_session(
    archive: str | os.PathLike[str] | None = None,
    *,
    board: str | os.PathLike[str] | None = None,
    probe: str | None = None,
    timeout_s: float = 5.0,
    type_overrides: Mapping[str, str] | None = None,
    uart: str | os.PathLike[str] | None = None,
    recover: bool = True,
    notify: Callable[[str], None] | None = None,
    wait_s: float = 0.0,
    use_cache: bool = True,
    record: str | os.PathLike[str] | None = None,
    speed_hz: int | None = None,
    connect: str | None = None,
) -> Session:
    """Open a build and the link to its target, and compare the two; see `attach`."""
    check_seconds("timeout_s", timeout_s)
    if connect not in (None, *CONNECT_MODES):
        known = ", ".join(CONNECT_MODES)
        raise ArgumentError(f"`{connect}` is not one of {known}", name="connect")
    options = TargetOptions(
        archive=None if archive is None else os.fspath(archive),
        board=None if board is None else os.fspath(board),
        probe=probe,
        timeout_s=timeout_s,
        uart=None if uart is None else os.fspath(uart),
        notify=notify or _inform,
        wait_s=wait_s,
        use_cache=use_cache,
        record=None if record is None else os.fspath(record),
        speed_hz=speed_hz,
        connect=connect,
    )
    program = open_program(options)
    program.override_types(type_overrides or {})
    session = open_session(options, notify=notify or _warn, program=program)
    session.caller.notify = notify or _warn
    session.caller.recovers = recover
    try:
        check_image(session)
    except BaseException:
        session.close()
        raise
    return session


def attach(
    archive: str | os.PathLike[str] | None = None,
    *,
    board: str | os.PathLike[str] | None = None,
    probe: str | None = None,
    timeout_s: float = 5.0,
    type_overrides: Mapping[str, str] | None = None,
    uart: str | os.PathLike[str] | None = None,
    recover: bool = True,
    notify: Callable[[str], None] | None = None,
    record: str | os.PathLike[str] | None = None,
    speed_hz: int | None = None,
    connect: str | None = None,
) -> Device:
    """Open a build and the link to its target.

    The options are those of the command line: `archive` is a path (default: a bundled demo image),
    `board` a name or the path of a board file, `probe` a SPEC such as `emu`, `pyocd`, `pyocd:UID`,
    `board:NAME`. `timeout_s` bounds the wait for each call. `type_overrides` settles types
    that are ambiguous, from the name in the interface to the full path. `recover` lets a hiffy that
    waits for ever be restarted through the supervisor. `record` is a file for what crosses the
    link; `probe="replay:FILE"` answers from it. `speed_hz` is a probe's debug clock, `connect` how
    it attaches: "attach", "under-reset" or "awake" (`docs/probes.md`).

    `notify` gets sentences for a person: notices of the link, and what was done to the target
    besides calls. Without it they go to the logger `idoldbg`, at the levels INFO and WARNING.

    Raises what opening files and links raises (`idoldbg.errors`), and `MismatchError` when the
    target runs another image.
    """
    return Device(
        open_device_session(
            archive,
            board=board,
            probe=probe,
            timeout_s=timeout_s,
            type_overrides=type_overrides,
            uart=uart,
            recover=recover,
            notify=notify,
            record=record,
            speed_hz=speed_hz,
            connect=connect,
        )
    )


class TaskSpace(Space[Operation], BaseTask):
    """The interfaces of one task, and how it is."""

    def _operation(self, resolved: ResolvedOperation) -> Operation:
        return Operation(self._core, resolved)

    def __repr__(self) -> str:
        return printable(
            f"<task `{self._task}`: {', '.join(self._interface_names()) or 'no interface'}>"
        )


class Device(Space[Operation], BaseDevice):
    """A target: `dev.Spi.exchange(…)` makes a call, `dev["task"].Iface` chooses among servers.

    A context manager that lets go of the target at its end. May be used from several threads; calls
    wait for each other. `known_classes` and `known_errors` are those of stubs, by full type names.
    """

    def __init__(
        self,
        session: Session,
        *,
        known_classes: Mapping[str, Any] | None = None,
        known_errors: Mapping[str, Any] | None = None,
    ) -> None:
        classes = Classes(known_classes)
        super().__init__(Core(session, classes, Failures(classes, known_errors)))
        self._worker = Worker(self._core)
        self._core.stop = self._worker.close

    def _operation(self, resolved: ResolvedOperation) -> Operation:
        return Operation(self._core, resolved)

    def __getitem__(self, task: str) -> TaskSpace:
        return TaskSpace(self._core, self._known_task(task))

    @property
    def aio(self) -> AioDevice:
        """The same operations for `await`."""
        return AioDevice(self._core, self._worker)

    def batch(self) -> Batch:
        """Return a `with` block that records calls and makes them together at its end."""
        return Batch(self._core)

    def _follow(self, other: Device) -> None:
        """Go on as `other`, which was attached to the board after this device had lost it."""
        if self._core is not other._core:
            self._core.why_closed = (
                "the connection was lost, and the board attached again: take interfaces, "
                "operations and tasks anew from the device"
            )
            self._core, self._worker = other._core, other._worker
            self._interfaces.clear()

    def __repr__(self) -> str:
        return printable(f"<device {self.link.description} (`{self.link.spec}`)>")
