"""The labgrid driver: a device to call, to flash and to reset."""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar

import attr
from labgrid.driver import Driver
from labgrid.exceptions import InvalidConfigError
from labgrid.factory import target_factory
from labgrid.protocol import BootstrapProtocol, ResetProtocol
from labgrid.resource.remote import RemotePlace
from labgrid.step import step
from labgrid.util.proxy import proxymanager

from idol.records import replace
from idoldbg import startup
from idoldbg.device import Device, attach
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.flashing import flash_board
from idoldbg.labgrid.resources import IdoldbgEmulatedBoard, IdoldbgProbe, NetworkIdoldbgProbe
from idoldbg.model.seconds import read_seconds
from idoldbg.session import TargetOptions

__all__ = ["IdoldbgDriver"]

POLL_S = 0.2


def _seconds(value: Any) -> float:
    """Return a number of seconds of the environment; raise `InvalidConfigError` for any other."""
    try:
        return read_seconds("timeout_s or start_limit_s", value)
    except ArgumentError as error:
        raise InvalidConfigError(f"IdoldbgDriver: {error}") from None


@target_factory.reg_driver
@attr.s(eq=False)
class IdoldbgDriver(Driver, BootstrapProtocol, ResetProtocol):
    """A Hubris device on a probe, a pyOCD server or an emulated board.

    `archive` is the build: a key of the environment's `images`, or a path (None: what the board
    has bundled). `timeout_s` is how long each wait for the target may take, `start_limit_s` that
    for a server that its exporter has just started, if that is longer.
    """

    bindings: ClassVar[dict[str, Any]] = {
        "probe": {IdoldbgProbe, IdoldbgEmulatedBoard, NetworkIdoldbgProbe}
    }
    archive: str | None = attr.ib(
        default=None, validator=attr.validators.optional(attr.validators.instance_of(str))
    )
    timeout_s: float = attr.ib(default=5.0, converter=_seconds)
    start_limit_s: float = attr.ib(default=30.0, converter=_seconds)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._device: Device | None = None

    def on_deactivate(self) -> None:
        """Let go of the board."""
        self.disconnect()

    # -- the device

    @property
    def place_name(self) -> str:
        """The labgrid place, or the target's name where there is none."""
        for resource in self.target.resources:
            if isinstance(resource, RemotePlace):
                return str(resource.name)
        return str(self.target.name)

    @property
    def archive_path(self) -> str | None:
        """The path of the build."""
        if self.archive is None or self.target.env is None:
            return self.archive
        config = self.target.env.config
        images: dict[str, str] = config.get_images()
        if self.archive in images:
            return str(config.get_image_path(self.archive))
        return str(config.resolve_path(self.archive))

    @property
    def options(self) -> TargetOptions:
        """Options that the session is opened with."""
        probe = self.probe
        archive = self.archive_path
        if isinstance(probe, IdoldbgEmulatedBoard):
            spec, archive = "emu", archive or probe.archive
        elif isinstance(probe, IdoldbgProbe):
            spec = f"pyocd:{probe.uid}" if probe.uid else "pyocd"
        else:
            host, port = self._await_server()
            spec = f"remote:{host}:{port}"
        return TargetOptions(archive, probe.board, spec, timeout_s=self.timeout_s)

    @property
    @Driver.check_active
    def device(self) -> Device:
        """The device, attached at first use; raises what `idoldbg.attach` raises."""
        if self._device is None:
            self.target.await_resources([self.probe])
            options = self.options
            self._device = attach(
                options.archive,
                board=options.board,
                probe=options.probe,
                timeout_s=options.timeout_s,
                notify=self.logger.info,
            )
        return self._device

    def _await_server(self) -> tuple[str, int]:
        """Return where the board's server listens, once it does."""
        end_s = time.monotonic() + max(self.start_limit_s, self.timeout_s)
        reason = "its exporter runs no server for the board"
        while True:
            if self.probe.port:
                host, port = proxymanager.get_host_and_port(self.probe)
                try:
                    socket.create_connection((host, port), timeout=self.timeout_s).close()
                except OSError as error:
                    reason = f"no server answers at {host}:{port}: {error.strerror or error}"
                else:
                    return host, port
            is_gone = self._has_lost_coordinator()
            if is_gone:
                reason += "; the coordinator is gone as well"
            if is_gone or time.monotonic() >= end_s:
                raise LinkError(
                    f"place {self.place_name}: {reason}", link=f"labgrid:{self.place_name}"
                )
            time.sleep(POLL_S)
            self.target.update_resources()  # the port changes when a server is started again

    def _has_lost_coordinator(self) -> bool:
        """Return whether nothing new will be heard of the place in this process."""
        places = [r for r in self.target.resources if isinstance(r, RemotePlace)]
        sessions = [place.manager.session for place in places]
        return any(session is not None and session.stopping.is_set() for session in sessions)

    def disconnect(self) -> None:
        """Let go of the board; the next use attaches anew."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    # -- labgrid's protocols

    @Driver.check_active
    @step(args=["filename"])
    def load(self, filename: str | None = None) -> None:
        """Flash a build (default: this driver's archive) and verify it."""
        path = self.archive_path if filename is None else filename
        self.disconnect()
        flash_board(replace(self.options, archive=path), notify=self.logger.info)

    @Driver.check_active
    @step()
    def reset(self) -> None:
        """Reset the chip and let it run."""
        self.device.reset()

    @Driver.check_active
    @step()
    def check_image(self) -> None:
        """Compare the image on the board with the build; raise `MismatchError`."""
        startup.check_image(self.device.session)

    @Driver.check_active
    @step()
    def wait_until_booted(self) -> None:
        """Wait until the firmware serves calls, or has at least started its tasks."""
        self.device.tasks()
