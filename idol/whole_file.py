"""Writes files as a whole or not at all: who reads meanwhile sees the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys

from idol.hints import Final

__all__ = ["write_new", "write_whole"]

#: A folder that takes no new files, or a file that is a mount of its own, as in containers.
_CANNOT_REPLACE: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)

#: File systems without hard links, such as those of USB sticks.
_CANNOT_LINK: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EMLINK)


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the content of a file; when that fails, the file is what it was.

    A link stays a link, a file keeps its mode and owner. Written in place are terminals, pipes and
    the like, and files that cannot be replaced where they are.

    :raises OSError: with the name of the file.
    """
    real = os.path.realpath(path)
    try:
        before = os.stat(real) if os.path.exists(real) else None
        if before is not None and not stat.S_ISREG(before.st_mode):
            _write(real, data)
            return
        try:
            _replace(real, data, before)
        except OSError as error:
            if before is None or error.errno not in _CANNOT_REPLACE:
                raise
            _write(real, data)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None  # not that of the draft
        raise


def write_new(path: str | os.PathLike[str], data: bytes) -> None:
    """Make a file with `data` in it, which appears as a whole; nothing is ever overwritten.

    :raises FileExistsError: where there is something of that name, also a broken link.
    :raises OSError: with the name of the file.
    """
    target = os.fspath(path)
    draft = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.tmp")
    try:
        with open(draft, "xb") as file:
            try:
                file.write(data)
                file.close()
                _link(draft, target)
            finally:
                os.unlink(draft)
    except OSError as error:
        error.filename, error.filename2 = target, None
        raise


def _link(draft: str, target: str) -> None:
    try:
        if os.link in os.supports_follow_symlinks:
            os.link(draft, target, follow_symlinks=False)  # fails where the name is taken
        else:
            os.link(draft, target)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        with open(draft, "rb") as source, open(target, "xb") as file:
            try:
                file.write(source.read())
            except BaseException:
                os.unlink(target)
                raise


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _replace(path: str, data: bytes, before: os.stat_result | None) -> None:
    # In the same directory, so that the rename is atomic.
    draft = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.tmp")
    with open(draft, "xb") as file:
        try:
            file.write(data)
            file.close()
            if before is not None:
                if sys.platform != "win32":
                    with contextlib.suppress(PermissionError):
                        os.chown(draft, before.st_uid, before.st_gid)
                os.chmod(draft, stat.S_IMODE(before.st_mode))
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
