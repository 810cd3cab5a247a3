"""An exporter for labgrid that knows our resources.

labgrid's exporter has a fixed table of classes with a way to export them, and passes all others on
as they are. `run_exporter` adds ours to the table and is labgrid's exporter otherwise: the same
configuration file, the same options.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

import attr
from labgrid.exceptions import InvalidConfigError, NoConfigFoundError
from labgrid.remote import exporter
from labgrid.util import get_free_port

from idoldbg.errors import ArgumentError
from idoldbg.farm.child import child_command
from idoldbg.labgrid.exporter_config import CLASSES, ExporterConfig
from idoldbg.labgrid.resources import IdoldbgEmulatedBoard
from idoldbg.target.emulated.pyocd_probe.boards import ENVIRONMENT

__all__ = ["BoardExport", "run_exporter"]

VERSION = version("idoldbg")
STOP_LIMIT_S = 3.0
ATTEMPTS = 3  # to start a server that ends before it is STABLE_S old
STABLE_S = 20.0


@attr.s(eq=False)
class BoardExport(exporter.ResourceExport):
    """Runs a pyOCD server for a probe or an emulated board while its place is acquired.

    Acquiring does not wait for the server to listen (the coordinator would let all other clients
    wait as well): whoever uses the place tries until it does. A server that ends meanwhile is
    started again. It ends with the exporter, also when that is killed.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.local = CLASSES[self.cls](target=None, name=None, **self.local_params)
        self.data["cls"] = "NetworkIdoldbgProbe"
        self.child: subprocess.Popen[bytes] | None = None
        self.port: int | None = None
        self.started_s = 0.0
        self.failures = 0

    def __del__(self) -> None:
        if getattr(self, "child", None) is not None:
            self._stop({})

    def _get_params(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "port": self.port,
            "uid": self._unique_id,
            "board": self.local.board,
            "extra": {"idoldbg": VERSION},  # for `idoldbg farm doctor`
        }

    @property
    def _unique_id(self) -> str | None:
        if isinstance(self.local, IdoldbgEmulatedBoard):
            return f"emu-{self.local.board}"
        uid: str | None = self.local.uid
        return uid

    def _start(self, start_params: dict[str, Any]) -> None:
        self.port = get_free_port()
        command = child_command("pyocd", "server", "--no-config", "--no-wait")
        command += ["-O", f"user_script={os.devnull}"]  # else it runs a pyocd_user.py that it finds
        command += ["--port", str(self.port)]
        command += [] if self.proxy_required else ["--allow-remote"]
        if self._unique_id is not None:
            command += ["--uid", self._unique_id]
        environment = dict(os.environ)
        if isinstance(self.local, IdoldbgEmulatedBoard):
            archive = f",{self.local.archive}" if self.local.archive else ""
            environment[ENVIRONMENT] = f"{self._unique_id}={self.local.board}{archive}"
        self.child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        self.started_s = time.monotonic()
        self.logger.info("starting pyOCD server for %s on port %d", self._unique_id, self.port)

    def _stop(self, start_params: dict[str, Any]) -> None:
        child, self.child, self.port = self.child, None, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def poll(self) -> bool:
        """Start a server that has died again, then do what all resources do.

        One that cannot even start makes the resource broken, which `idoldbg farm status` shows.
        """
        if self.child is not None and self.child.poll() is not None and not self.broken:  # type: ignore[has-type]  # labgrid's
            reason = f"pyOCD server for {self._unique_id} ended with {self.child.returncode}"
            if time.monotonic() - self.started_s < STABLE_S:
                self.failures += 1
            else:
                self.failures = 0
            self.logger.error("%s", reason)
            self.stop()
            if self.failures >= ATTEMPTS:
                self.broken = reason
        return bool(super().poll())


# What labgrid, attrs and protobuf raise for parameters of the wrong kind.
_MISFITS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class _Exporter(exporter.Exporter):
    """labgrid's exporter, which says which resource it cannot make."""

    async def add_resource(
        self, group_name: str, resource_name: str, cls: str, params: dict[str, Any]
    ) -> None:
        """Add a resource; raise `ArgumentError` for parameters that its class does not take."""
        try:
            await super().add_resource(group_name, resource_name, cls, params)
        except _MISFITS as error:
            raise ArgumentError(
                f"{self.config['resources']}: place `{group_name}`: {resource_name}: {cls} cannot "
                f"be made of {params}: {error}",
                name="configuration",
            ) from error


def run_exporter(arguments: list[str]) -> None:
    """Run labgrid's exporter with our resources; `arguments` are its command line's."""
    for name in CLASSES:
        exporter.exports[name] = BoardExport
    exporter.ResourceConfig = ExporterConfig
    exporter.Exporter = _Exporter
    sys.argv = ["idoldbg farm exporter", *arguments]
    try:
        exporter.main()
    except (NoConfigFoundError, InvalidConfigError) as error:
        raise ArgumentError(error.msg, name="configuration") from error
