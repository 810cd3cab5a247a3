"""A board that is kept running as a pyOCD probe server, for any pyOCD client.

Of pyOCD's own server the protocol is used. There each client shares one probe with the others: the
first to leave takes the debug port's power with it, and one that dies with the probe's lock hangs
the rest. Here each has a probe of its own, and the board keeps them apart.
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

from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.probe.tcp_probe_server import DebugProbeRequestHandler, TCPProbeServer

from idoldbg.errors import LinkError
from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
from idoldbg.target.emulated.pyocd_probe.boards import OfferedBoard
from idoldbg.target.emulated.socket import connect_board
from idoldbg.target.probe.remote import LOCK_CALLS, UNLOCK_CALLS

__all__ = ["serving_board"]

LOCK_LIMIT_S = 10.0
SWITCH_INTERVAL_S = 0.0005

log = logging.getLogger(__name__)


class _Server(TCPProbeServer):  # type: ignore[misc]  # pyOCD publishes no types
    """Serves a board on this host."""

    daemon_threads = True

    def __init__(self, port: int, offer: OfferedBoard) -> None:
        self._offer = offer
        session = Session(
            probe=None,
            options={"no_config": True, "user_script": os.devnull, "serve_local_only": True},
        )
        super().__init__(("127.0.0.1", port), session, None)  # a bare root has no /etc/hosts
        self.RequestHandlerClass = _Handler

    @property
    def probe(self) -> EmulatedProbe:
        """A new probe, for the client that asks."""
        return EmulatedProbe(self._offer)


class _Handler(DebugProbeRequestHandler):  # type: ignore[misc]  # pyOCD publishes no types
    """One client's thread. Whatever it had ends with it."""

    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._REQUEST_HANDLERS[LOCK_CALLS] = (self._lock_calls, 1)
        self._REQUEST_HANDLERS[UNLOCK_CALLS] = (self._probe.unlock_calls, 0)

    def _lock_calls(self, limit_s: object) -> bool:
        if not isinstance(limit_s, (int, float)) or not 0 <= limit_s <= LOCK_LIMIT_S:
            raise exceptions.Error(f"give 0 to {LOCK_LIMIT_S:g} seconds to wait for the lock")
        return bool(self._probe.lock_calls(float(limit_s)))

    def finish(self) -> None:
        with suppress(OSError):  # what the client has not read is of no use any more
            super().finish()
        with suppress(Exception):  # the board may have gone first
            self._probe.close()


@contextmanager
def serving_board(name: str, board_name: str, port: int) -> Iterator[int]:
    """Serve the board of that name on a port of this host, 0 for any free one; give the port."""
    offer = OfferedBoard(
        name, board_name, partial(connect_board, name, clock="wall"), stays_up=True
    )
    server: Any = _Server(port, offer)
    try:
        server.server_bind()
        server.server_activate()
    except OSError as error:
        server.server_close()
        raise LinkError(
            f"cannot serve on port {port}: {error.strerror}; give another one, or 0 for any",
            link=f"emu:{name}",
        ) from error
    # Emulation and clients' threads take turns; Python's 5 ms would be felt in every access.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    thread = threading.Thread(target=server.serve_forever, name=f"probe server of {name}")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
