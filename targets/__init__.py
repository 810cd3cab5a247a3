"""Chip and board descriptions; installed as `idoldbg._targets`, read by `idoldbg.load.target_toml`."""
