"""Chip and board files, installed as `idoldbg._targets` and read by `idoldbg.load.target_toml`."""
