"""The folder where this user's processes on this host find each other: boards, locks.

It is `IDOLDBG_RUNTIME_DIR` where that is set, else `idoldbg` inside `XDG_RUNTIME_DIR` or inside
`/run/user/UID`, else `/tmp/idoldbg-UID`. Only its owner may enter it. A folder of somebody else, or
one that others may enter, is refused: whoever can write there could pose as a board.

Windows has no such numbers and modes: there it is in the folder for temporary files, which is one
for each user.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from idoldbg.errors import LinkError
from idoldbg.target.peer import user_id

__all__ = ["ENVIRONMENT", "private_dir"]

ENVIRONMENT = "IDOLDBG_RUNTIME_DIR"
USER_DIRS = Path("/run/user")
TEMPORARY = Path("/tmp")


def private_dir(
    *parts: str,
    environment: Mapping[str, str] = os.environ,
    user_dirs: Path = USER_DIRS,
    temporary: Path = TEMPORARY,
) -> Path:
    """Return the folder, or a folder `parts` inside it, and make it where it is missing.

    Raises `LinkError` for a folder that is not this user's own.
    """
    folder = _choose(environment, user_dirs, temporary)
    _make(folder)
    for part in parts:
        folder /= part
        _make(folder)
    return folder


def _choose(environment: Mapping[str, str], user_dirs: Path, temporary: Path) -> Path:
    if given := environment.get(ENVIRONMENT):
        return Path(given).absolute()
    uid = user_id()
    if uid is None:
        return Path(tempfile.gettempdir()) / "idoldbg"
    session = environment.get("XDG_RUNTIME_DIR")
    # Without the variable, as in a service or over ssh, a login's folder is still the one to share.
    for parent in (Path(session) if session else None, user_dirs / str(uid)):
        if parent is not None and parent.is_absolute() and _is_own_dir(parent):
            return parent / "idoldbg"
    return temporary / f"idoldbg-{uid}"


def _is_own_dir(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user_id()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise LinkError(
            f"{folder}: cannot be used as the folder for boards and locks ({error.strerror}); "
            f"set {ENVIRONMENT} to another one"
        ) from error
    problem = None
    uid = user_id()
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a directory"
    elif uid is None:
        return  # the user's own, by the rights of the folder that it is in
    elif found.st_uid != uid:
        problem = f"belongs to user {found.st_uid}, not to you"
    elif found.st_mode & 0o077:
        problem = f"may be entered by others (mode {stat.S_IMODE(found.st_mode):o}, not 700)"
    if problem is not None:
        raise LinkError(
            f"{folder} {problem}, so it is not used for boards and locks; remove it or set "
            f"{ENVIRONMENT} to another one"
        )
