"""Unpack the kernel and all tasks of an archive, in memory: `unpack.py ZIP`."""

from __future__ import annotations

import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        if name == "elf/kernel" or name.startswith("elf/task/"):
            archive.read(name)
