"""Remake `requirements/*.txt`: every package that CI installs, with the hash of each of its files.

    make lock

Uses `uv`, which is itself in `requirements/release.txt`, so that one run locks the next one's tool.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["LOCKS", "main"]

ROOT = Path(__file__).resolve().parent.parent
OLDEST = "3.11"  # of `requires-python`; newer ones are told apart by markers
EXTRAS = ("emu", "labgrid", "lsp", "pytest", "test")

#: What each file is made from.
LOCKS: dict[str, tuple[str, ...]] = {
    "ci": ("pyproject.toml", "requirements/build.in", *(f"--extra={name}" for name in EXTRAS)),
    "container": ("pyproject.toml", "--extra=emu", "--extra=pytest"),
    "docs": ("pyproject.toml", "requirements/docs.in"),
    "release": ("requirements/release.in",),
}


def main(uv: str = "uv") -> None:
    for name, sources in LOCKS.items():
        subprocess.run(
            [uv, "pip", "compile", *sources, "--universal", "--generate-hashes", "--upgrade",
             "--python-version", OLDEST, "--no-header", "--no-annotate", "--quiet",
             "--output-file", f"requirements/{name}.txt"],
            cwd=ROOT, check=True, timeout=600,
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
