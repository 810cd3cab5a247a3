"""Chip and board files: the package `idoldbg._targets`, read by `idoldbg.target.board_files`."""
