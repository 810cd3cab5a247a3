"""Exit codes, the same as idoldbg's: done, findings, usage, host failed."""

from __future__ import annotations

from idol.hints import Final

OK: Final = 0
FOUND: Final = 1
USAGE: Final = 2
HOST: Final = 4
INTERRUPTED: Final = 130  # Ctrl-C, as shells have it

#: The last line of each command's help.
EXIT_CODES: Final = (
    "exit codes: 0 done, 1 the interface has errors, 2 usage, 4 a file cannot be used"
)
