"""Writes files as a whole or not at all: who reads meanwhile sees the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path
from typing import Final

__all__ = ["write_whole"]

#: A folder that takes no new files, or a file that is a mount of its own, as in containers.
_CANNOT_REPLACE: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)


def write_whole(path: str | Path, data: bytes) -> None:
    """Make `data` the content of a file; when that fails, the file is what it was.

    A link stays a link, a file keeps its mode and owner. Written in place are terminals, pipes and
    the like, and files that cannot be replaced where they are.

    :raises OSError: with the name of the file.
    """
    real = Path(os.path.realpath(path))
    try:
        before = real.stat() if real.exists() else None
        if before is not None and not stat.S_ISREG(before.st_mode):
            real.write_bytes(data)
            return
        try:
            _replace(real, data, before)
        except OSError as error:
            if before is None or error.errno not in _CANNOT_REPLACE:
                raise
            real.write_bytes(data)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not that of the draft
        raise


def _replace(path: Path, data: bytes, before: os.stat_result | None) -> None:
    # In the same directory, so that the rename is atomic.
    draft = path.with_name(f".{os.urandom(8).hex()}.tmp")
    with draft.open("xb") as file:
        try:
            file.write(data)
            file.close()
            if before is not None:
                if sys.platform != "win32":
                    with contextlib.suppress(PermissionError):
                        os.chown(draft, before.st_uid, before.st_gid)
                draft.chmod(stat.S_IMODE(before.st_mode))
            draft.replace(path)
        except BaseException:
            draft.unlink()
            raise
