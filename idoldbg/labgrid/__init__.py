"""Hubris boards in labgrid: name this module in an environment's or exporter's `imports`.

| class | is |
| --- | --- |
| `IdoldbgProbe` | a debug probe on this host: `uid`, `board` |
| `IdoldbgEmulatedBoard` | an emulated board: `board`, `archive` |
| `NetworkIdoldbgProbe` | either of them behind an exporter: `host`, `port`, `uid`, `board` |
| `IdoldbgDriver` | the device (`.device`), with `BootstrapProtocol` and `ResetProtocol` |
| `IdoldbgStrategy` | unknown → off → flashed → booted, with the image compared |

An exporter offers the first two as the third one, with a pyOCD server that lives as long as the
place is acquired: `idoldbg farm exporter CONFIG` (labgrid's own exporter has no way to learn of
other classes).
"""

from idoldbg.labgrid.driver import IdoldbgDriver
from idoldbg.labgrid.resources import IdoldbgEmulatedBoard, IdoldbgProbe, NetworkIdoldbgProbe
from idoldbg.labgrid.strategy import IdoldbgStrategy, Status

__all__ = [
    "IdoldbgDriver",
    "IdoldbgEmulatedBoard",
    "IdoldbgProbe",
    "IdoldbgStrategy",
    "NetworkIdoldbgProbe",
    "Status",
]
