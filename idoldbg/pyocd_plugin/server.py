"""A board that is kept running as a pyOCD probe server, for any pyOCD client.

pyOCD's own server, with its known traps taken out: a client that dies while it holds the probe's
lock lets go of it, and threads that serve clients do not outlive the process.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from pyocd.core.session import Session
from pyocd.probe.tcp_probe_server import DebugProbeRequestHandler, DebugProbeServer

from idoldbg.errors import LinkError
from idoldbg.link.board_socket import connect_board
from idoldbg.pyocd_plugin._probe import EmulatedProbe
from idoldbg.pyocd_plugin.boards import OfferedBoard

__all__ = ["serving_board"]

SWITCH_INTERVAL_S = 0.0005

log = logging.getLogger(__name__)


class _Handler(DebugProbeRequestHandler):  # type: ignore[misc]  # pyOCD publishes no types
    """One client's thread. What it has taken and not given back is given back at its end."""

    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._locks = 0
        self._opens = 0
        for name, change in (("lock", self._lock), ("unlock", self._unlock)):
            self._REQUEST_HANDLERS[name] = (change, 0)
        self._REQUEST_HANDLERS["open"] = (self._open, 0)
        self._REQUEST_HANDLERS["close"] = (self._close, 0)

    def _lock(self) -> None:
        self._probe.lock()
        self._locks += 1

    def _unlock(self) -> None:
        self._probe.unlock()
        self._locks -= 1

    def _open(self) -> None:
        self._probe.open()
        self._opens += 1

    def _close(self) -> None:
        self._probe.close()
        self._opens -= 1

    def finish(self) -> None:
        # In the thread that took them: the probe's lock is reentrant and belongs to a thread.
        for _ in range(self._locks):
            self._probe.unlock()
        for _ in range(self._opens):
            with suppress(Exception):  # the board may have gone first
                self._probe.close()
        with suppress(OSError):  # what the client has not read is of no use any more
            super().finish()


@contextmanager
def serving_board(name: str, board_name: str, port: int) -> Iterator[int]:
    """Serve the board of that name on a port of this host, 0 for any free one; give the port."""
    session = Session(
        probe=None,
        options={"no_config": True, "user_script": os.devnull, "serve_local_only": True},
    )
    offer = OfferedBoard(
        name, board_name, partial(connect_board, name, clock="wall"), stays_up=True
    )
    try:
        server: Any = DebugProbeServer(session, EmulatedProbe(offer), port)
    except OSError as error:
        raise LinkError(
            f"cannot serve on port {port}: {error.strerror}; give another one, or 0 for any",
            link=f"emu:{name}",
        ) from error
    server._server.RequestHandlerClass = _Handler
    server._server.daemon_threads = True
    # Emulation and clients' threads take turns; Python's 5 ms would be felt in every access.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    server.start()
    # Set by the server's thread, which `start` waits for only up to its first line.
    while server.port == 0:
        threading.Event().wait(0.005)
    try:
        yield server.port
    finally:
        server.stop()
        server._server.server_close()
