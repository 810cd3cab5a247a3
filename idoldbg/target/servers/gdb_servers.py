"""Kinds of GDB servers, recognised by how they answer, and their own commands. Pure.

Their own commands (`monitor …`, on the wire `qRcmd`) are in their manuals: OpenOCD's user's
guide, J-Link GDB Server's "Remote commands", pyOCD's `monitor`, the Black Magic Probe's usage
pages, QEMU's and Renode's monitors.
"""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["ASK_VERSION", "OPENOCD", "PLAIN", "UNKNOWN", "ServerKind", "recognise"]

ASK_VERSION = "version"
OPENOCD = "OpenOCD"


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A kind of server. `marks` are in its answer to `monitor version`.

    `halting_resets` are its commands that reset and halt, best first.
    """

    name: str
    marks: tuple[str, ...]
    halting_resets: tuple[str, ...]

    @property
    def has_monitor(self) -> bool:
        """Whether it has commands of its own."""
        return bool(self.halting_resets)


KINDS = (
    ServerKind(OPENOCD, ("Open On-Chip Debugger",), ("reset halt",)),
    ServerKind("QEMU", ("unknown command: 'version'",), ("system_reset",)),
    ServerKind("pyOCD", ("Error: unrecognized command",), ("reset halt",)),
    ServerKind("Black Magic Probe", ("Black Magic",), ("reset",)),
    ServerKind("Renode", ("Renode",), ("machine Reset",)),
    ServerKind("J-Link GDB Server", ("J-Link", "SEGGER"), ("reset",)),
)
UNKNOWN = ServerKind("GDB server", (), ("reset halt", "reset"))
PLAIN = ServerKind("GDB server without commands of its own", (), ())


def recognise(answer: str | None) -> ServerKind:
    """Return the kind of a server by its answer to `monitor version`; None is for no answer."""
    if answer is None:
        return PLAIN
    for kind in KINDS:
        if any(mark.lower() in answer.lower() for mark in kind.marks):
            return kind
    return UNKNOWN
