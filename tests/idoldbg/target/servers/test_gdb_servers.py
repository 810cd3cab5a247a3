"""GDB servers, told apart by what they answer to `monitor version`."""

from __future__ import annotations

import pytest

from idoldbg.target.servers.gdb_servers import PLAIN, UNKNOWN, recognise


@pytest.mark.parametrize(
    ("answer", "name", "resets"),
    [  # those of OpenOCD, QEMU and pyOCD as Debian's and ours have answered
        ("Open On-Chip Debugger 0.12.0\n", "OpenOCD", ("reset halt",)),
        ("unknown command: 'version'\r\n", "QEMU", ("system_reset",)),
        ("Error: unrecognized command 'version'\n", "pyOCD", ("reset halt",)),
        ("Black Magic Probe (Firmware v1.10.2)\n", "Black Magic Probe", ("reset",)),
        ("something else", UNKNOWN.name, ("reset halt", "reset")),
        ("", UNKNOWN.name, ("reset halt", "reset")),
        (None, PLAIN.name, ()),
    ],
)
def test_servers_are_recognised(answer: str | None, name: str, resets: tuple[str, ...]) -> None:
    kind = recognise(answer)
    assert (kind.name, kind.halting_resets) == (name, resets)
    assert kind.has_monitor == bool(resets)
