"""The emulated board: a Cortex-M and its chip, on Unicorn, that runs an unchanged Hubris image.

`EmulatedBoard` is all that the rest of the project needs. What is inside: `engine` (Unicorn),
`calibration` (what Unicorn hides), `core` (the run loop), `exceptions`, `nvic`, `mpu`, `systick`,
`scs` and `debug` (the core's own registers), `bus` and `devices` (the chip and the board).

What is not as on silicon: an instruction takes one cycle, whatever it is; there is no TrustZone
(an Arm v8-M core is secure all the time); FP state is stacked at once, not lazily; DMA, CRC and the
like have no models; the v6-M core also runs instructions that only v7-M has, and allows unaligned
accesses; writes of MPU regions by a handler take effect when it returns.

Unicorn is imported with this package, so import it only when a board is wanted.
"""

from idoldbg.emu.board import EmulatedBoard, Snapshot
from idoldbg.emu.core import StopReason

__all__ = ["EmulatedBoard", "Snapshot", "StopReason"]
