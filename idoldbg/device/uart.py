"""The serial ports of a target, as tests use them: read what came, send, wait for a text."""

from __future__ import annotations

import re

from idoldbg.errors import LinkTimeout, NotFound
from idoldbg.session import Session
from idoldbg.target.capability import SerialPorts

__all__ = ["Uart"]

POLL_S = 0.005  # of the target's time
OVERLAP = 16  # bytes
SHOWN = 200  # characters of what came instead of what was expected


class Uart:
    """Serial ports of an emulated board, the only targets whose ports are seen here.

    A port is chosen by its name in the board file; a board with a single port needs none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: dict[str, bytes] = {}

    def read(self, port: str | None = None) -> bytes:
        """Return what the target has sent since the last `read`, at most the last 64 KiB.

        That much is kept, and no count of what went before: where output repeats itself for 64 KiB,
        what is new cannot be told from what was read, and counts as read.
        Raises `NotFound` for a port that the board does not have, `Unsupported` for other targets.
        """
        name, sent = self._output(port)
        before = self._seen.get(name, b"")
        self._seen[name] = sent
        return sent[_overlap(before, sent) :]

    def send(self, data: bytes | str, port: str | None = None) -> None:
        """Let the target receive bytes, or a text in UTF-8; errors as `read`."""
        name, _ = self._output(port)
        content = data.encode() if isinstance(data, str) else data
        self._session.target.need(SerialPorts).uart_feed(name, content)

    def expect(
        self, pattern: str, port: str | None = None, *, timeout_s: float = 1.0
    ) -> re.Match[str]:
        """Let the target run until it sends a text that fits a regular expression.

        Returns the match in what came since the last `read`, as UTF-8; what follows the match is
        left for the next one. Raises `LinkTimeout` after `timeout_s` of the target's time.
        """
        link = self._session.link
        end_s = link.monotonic() + timeout_s
        while True:
            name, sent = self._output(port)
            before = self._seen.get(name, b"")
            new = sent[_overlap(before, sent) :]
            text = new.decode(errors="replace")
            match = re.search(pattern, text)
            if match is not None:
                taken = len(text[: match.end()].encode(errors="replace"))
                self._seen[name] = sent[: len(sent) - len(new) + taken]
                return match
            if link.monotonic() >= end_s:
                raise LinkTimeout(
                    f"port `{name}` sent nothing that fits {pattern!r} within {timeout_s:g} s; it "
                    f"sent {text[-SHOWN:]!r}",
                    timeout_s=timeout_s,
                )
            link.wait(POLL_S)

    def _output(self, port: str | None) -> tuple[str, bytes]:
        sent = self._session.target.need(SerialPorts).uart_output()
        if port is None and len(sent) == 1:
            port = next(iter(sent))
        if port is None or port not in sent:
            raise NotFound("serial port", port or "", hint=f"known: {', '.join(sent) or 'none'}")
        return port, sent[port]


def _overlap(before: bytes, now: bytes) -> int:
    """Return how much of `now` was in `before` already; old bytes may be gone from its start."""
    if now.startswith(before):
        return len(before)
    start = now[:OVERLAP]  # the port keeps 64 KiB: what it begins with now was seen, if it all was
    at = before.find(start)
    return len(before) - at if at >= 0 and now.startswith(before[at:]) else 0
