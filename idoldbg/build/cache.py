"""Location of index files: `idoldbg` in the user's cache (XDG Base Directory 0.8).

`index/<SHA-256 of the archive>` is an index file (`idoldbg.build.index.file`), `digest/<SHA-256 of
a path>` says which archive lay at that path, `code/…` which version the code of an installation is
(`idoldbg.build.load.sources`). Every file is written beside its name and renamed, so a reader sees
a whole file or none; two processes that write the same name both write the truth, and the later one
wins. Nothing needs a lock. The directory and its files are the user's alone (0700, 0600); what is
owned by others, writable for them, or a symbolic link is not used.

A digest is believed while the file's device, inode, size and both times (changed and modified, in
nanoseconds) are what they were. As for git's index, this would miss a change within one tick of the
file system's clock; so the digest of a file that was changed less than two seconds ago is not kept.
The inode's change time cannot be set back by ordinary means, so a copy that keeps its modification
time is noticed too.

Every failure here costs time and nothing else: the answer is then read from the archive. `notify`
is told.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from idol.records import dataclass
from idoldbg.build.index import FINGERPRINT_SIZE

try:  # the module behind `hashlib` that does not bring OpenSSL, which takes 8 ms to load
    from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from hashlib import sha256

__all__ = [
    "RACY_NS",
    "Cache",
    "CacheEntry",
    "cache_directory",
    "file_identity",
    "fingerprint",
    "sha256",
    "sha256_hex",
]

MAX_FILE_SIZE = 64 << 20  # bytes of one index; larger ones are not kept
MAX_TOTAL_SIZE = 256 << 20  # bytes of all
MAX_FILES = 4096  # of each kind
RACY_NS = 2_000_000_000  # the coarsest clock of a file system (FAT) ticks every two seconds
DRAFT_NS = 60_000_000_000  # no write takes a minute
USED_NS = 3_600_000_000_000  # how exactly it is known when a file was last used: an hour

_NOTES = ("digest", "code")  # kinds of small files
MAX_NOTE_SIZE = 1 << 18  # bytes

Notify = Callable[[str], None]
_NO_FOLLOW = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def cache_directory() -> str | None:
    """Return where the index files of this user belong, None where there is no such place."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the specification: to be ignored
        base = os.path.expanduser("~/.cache")
        if not os.path.isabs(base):  # a user without a home
            return None
    return os.path.join(base, "idoldbg")


def sha256_hex(data: bytes | memoryview) -> str:
    """Return the SHA-256 of some bytes as 64 digits."""
    digest: str = sha256(data).hexdigest()
    return digest


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One index file: the digest of its archive, its size in bytes, when it was last used (s)."""

    digest: str
    size: int
    used_s: float
    path: str


class Cache:
    """The index files of one directory; None for a machine that has no place for them."""

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        notify: Notify = lambda _message: None,
        max_file_size: int = MAX_FILE_SIZE,
        max_total_size: int = MAX_TOTAL_SIZE,
    ) -> None:
        """Limits are in bytes: of one index, and of all together."""
        self.directory = cache_directory() if directory is None else os.fspath(directory)
        self.notify = notify
        self._max_file_size = max_file_size
        self._max_total_size = max_total_size
        self._is_usable: bool | None = None
        if sys.byteorder != "little":  # words are read as they lie
            self.directory = None

    # ---- index files ----------------------------------------------------------------------------

    def open_index(self, digest: str, *, touch: bool = True) -> memoryview | None:
        """Map the index file of an archive; None where there is none that can be used.

        It counts as used now, unless not `touch`.
        """
        path = self._path("index", digest)
        if path is None:
            return None
        try:
            file = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell("cannot be read", path, error)
            return None
        try:
            status = os.fstat(file)
            if not _is_ours(status) or not 0 < status.st_size <= self._max_file_size:
                self.notify(f"cache: {path} is not a file of this user: it is not used")
                return None
            if touch and time.time_ns() - status.st_mtime_ns > USED_NS:
                os.utime(path, follow_symlinks=False)  # for eviction: it was used just now
            return memoryview(mmap.mmap(file, status.st_size, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            self._tell("cannot be read", path, error)
            return None
        finally:
            os.close(file)

    def store_index(self, digest: str, data: bytes) -> None:
        """Keep an index file, and let those go that were not used for longest."""
        if len(data) > self._max_file_size:
            self.notify(f"cache: an index of {len(data)} bytes is too large to be kept")
        elif self._write(self._path("index", digest), data):
            self._evict("index")

    def entries(self) -> tuple[CacheEntry, ...]:
        """Return the index files, last used first."""
        return tuple(
            CacheEntry(os.path.basename(path), status.st_size, status.st_mtime, path)
            for path, status in reversed(self._files("index"))
        )

    def clear(self) -> tuple[int, int]:
        """Remove everything that is kept; return how many index files, and bytes, that were."""
        count = size = 0
        for kind in ("index", *_NOTES):
            for path, status in self._files(kind) + self._files(kind, drafts=True):
                try:
                    os.unlink(path)
                except OSError as error:
                    self._tell("cannot be removed", path, error)
                    continue
                size += status.st_size
                count += kind == "index" and not os.path.basename(path).startswith(".")
        return count, size

    # ---- digests --------------------------------------------------------------------------------

    def find_digest(self, path: str) -> str | None:
        """Return the digest of the file at a path, None where it is not known or not believed."""
        note = self.read_note("digest", _path_digest(path))
        identity, _, digest = note.rpartition(" ")
        try:
            wanted = file_identity(os.stat(path)) if note else ""
        except OSError:
            return None
        is_digest = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        return digest if is_digest and identity == wanted else None

    def keep_digest(self, path: str, before: os.stat_result, digest: str) -> None:
        """Note the digest of a file, whose status was `before` when it was about to be read."""
        changed_ns = max(before.st_mtime_ns, before.st_ctime_ns)
        try:
            is_same = file_identity(os.stat(path)) == file_identity(before)
        except OSError:
            return
        if is_same and time.time_ns() - changed_ns > RACY_NS:
            self.write_note("digest", _path_digest(path), f"{file_identity(before)} {digest}")

    # ---- notes ----------------------------------------------------------------------------------

    def read_note(self, kind: str, name: str) -> str:
        """Return a small file's text, "" where there is none that can be used."""
        path = self._path(kind, name)
        if path is None:
            return ""
        try:
            file = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        except OSError:
            return ""
        try:
            raw = os.read(file, MAX_NOTE_SIZE) if _is_ours(os.fstat(file)) else b""
        except OSError:
            return ""
        finally:
            os.close(file)
        return raw.decode("utf-8", "surrogateescape")

    def write_note(self, kind: str, name: str, text: str) -> None:
        """Keep a small file; `kind` is one of `digest` and `code`."""
        if self._write(self._path(kind, name), text.encode("utf-8", "surrogateescape")):
            self._evict(kind)

    # ---- files ----------------------------------------------------------------------------------

    def _tell(self, what: str, path: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self.notify(f"cache: {path} {what}: {reason}; going on without it")

    def _path(self, kind: str, name: str) -> str | None:
        """Return a file's path, None where the directory may not be used."""
        if self.directory is None:
            return None
        if self._is_usable is None:
            self._is_usable = self._check_directory()
        return os.path.join(self.directory, kind, name) if self._is_usable else None

    def _check_directory(self) -> bool:
        """Return whether the directory is the user's own, or is not there yet."""
        if self.directory is None:
            return False
        folders = (os.path.join(self.directory, kind) for kind in ("index", *_NOTES))
        for directory in (self.directory, *folders):
            try:
                status = os.lstat(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._tell("cannot be used", directory, error)
                return False
            if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
                self.notify(
                    f"cache: {directory} is not a directory of this user alone: it is not used"
                )
                return False
        return True

    def _write(self, path: str | None, data: bytes) -> bool:
        """Write a whole file or none; return whether it was written."""
        if path is None:
            return False
        folder = os.path.dirname(path)
        draft = os.path.join(folder, f".{os.getpid()}-{os.urandom(8).hex()}")
        try:
            os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._is_usable = self._check_directory()
            if not self._is_usable:
                return False
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
            try:
                with os.fdopen(file, "wb") as stream:
                    stream.write(data)
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise
        except OSError as error:
            self._tell("cannot be written", path, error)
            return False
        return True

    def _files(self, kind: str, *, drafts: bool = False) -> list[tuple[str, os.stat_result]]:
        """Return the files of one kind, least recently used first; what is not ours is left out.

        With `drafts`, those that were not finished instead.
        """
        folder = self._path(kind, "")
        if folder is None:
            return []
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if _is_ours(status) and entry.name.startswith(".") == drafts:
                        found.append((entry.path, status))
        except OSError:
            pass  # it is not there yet, or another process has removed a file
        return sorted(found, key=lambda item: item[1].st_mtime_ns)

    def _evict(self, kind: str) -> None:
        self._remove_drafts(kind)
        files = self._files(kind)
        size = sum(status.st_size for _, status in files)
        count = len(files)
        for path, status in files:
            if size <= self._max_total_size and count <= MAX_FILES:
                return
            try:
                os.unlink(path)
            except OSError:
                continue
            size, count = size - status.st_size, count - 1

    def _remove_drafts(self, kind: str) -> None:
        """Remove what processes left that ended while they were writing."""
        for path, status in self._files(kind, drafts=True):
            if time.time_ns() - status.st_mtime_ns > DRAFT_NS:
                with suppress(OSError):
                    os.unlink(path)


def _is_private(status: os.stat_result) -> bool:
    """Return whether a file belongs to this user and nobody else can write it."""
    owner = os.geteuid() if hasattr(os, "geteuid") else status.st_uid
    return status.st_uid == owner and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_ours(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and _is_private(status)


def file_identity(status: os.stat_result) -> str:
    """Return what changes when a file does."""
    return (
        f"{status.st_dev} {status.st_ino} {status.st_size} "
        f"{status.st_mtime_ns} {status.st_ctime_ns}"
    )


def _path_digest(path: str) -> str:
    return sha256_hex(os.fsencode(os.path.realpath(path)))


def fingerprint(digest: str, version: str) -> bytes:
    """Return what stands in an index file: of which archive it is, and which code made it."""
    return bytes(sha256(f"{digest}\n{version}".encode()).digest()[:FINGERPRINT_SIZE])
