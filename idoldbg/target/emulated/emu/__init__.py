"""The emulated board: a Cortex-M and its chip, on Unicorn, that runs an unchanged Hubris image.

`EmulatedBoard` is all that the rest of the project needs. What is inside: `engine` (Unicorn),
`calibration` (what Unicorn hides), `core` (the run loop), `exceptions`, `nvic`, `mpu`, `systick`,
`scs` and `debug` (the core's own registers), `bus` and `devices` (the chip and the board).

What is not as on silicon:

- An instruction takes one cycle, whatever it is.
- There is no TrustZone (an Arm v8-M core is secure all the time), and CPACR and stack limits set by
  a debugger have no effect; no watchpoints.
- Floating-point state is stacked at once, not lazily.
- Unaligned LDM, STM, LDRD and STRD do not fault, nor does CCR.UNALIGN_TRP exist. The v6-M core
  allows all unaligned accesses, and runs instructions that only v7-M has.
- A division by zero traps (CCR.DIV_0_TRP) in flash only: see `divisions`.
- MPU regions that a handler writes take effect when it returns; executable regions of v8-M grow to
  whole KiB unless `exact_code_regions` says otherwise.
- Peripherals without a model are memory; there is no DMA; a serial port is infinitely fast.

Unicorn is imported with this package, so import it only when a board is wanted.
"""

from idoldbg.target.emulated.emu.board import EmulatedBoard, Snapshot
from idoldbg.target.emulated.emu.core import StopReason

__all__ = ["EmulatedBoard", "Snapshot", "StopReason"]
