"""The emulated board (`emu`) and the ways to it: direct, by a socket, as a pyOCD probe."""
