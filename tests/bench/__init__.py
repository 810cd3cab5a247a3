"""A bench without hardware: emulated USB probes beneath pyUSB, in front of the emulated boards.

    host (pyOCD, idoldbg, OpenOCD)
      `backend`        pyUSB's libusb1, in this process or, through `inject/`, in any other Python
      `bus`            devices, claims, handles; `remote` serves it on a socket
      `device`         transfers, descriptors, faults at the n-th transfer, counters
      `stlink`, `cmsis_dap`   what a probe's firmware makes of commands
      `wires`          SWD: acknowledgements, retries, and the target's states
    board (idoldbg's emulator)

Round trips and SWD transfers are counted exactly. Their milliseconds are modelled (`latency`): the
board's clock goes on by them, nobody waits for them, unless the bench is told to.

Tests use the fixture `bench` (`plugin`), and from `tests.bench.bench` what it takes. From a shell

    python -m tests.bench stlink-v2-1=stm32f4-discovery mcu-link=lpcxpresso55s69 -- COMMAND

runs a command, `idoldbg` or `pyocd`, that sees these probes and no others, and prints its counts.

Nothing is imported here: a child process loads the backend alone.
"""
