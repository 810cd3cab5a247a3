"""The Hubris build archive: a zip whose comment gives its format, read strictly and in memory.

Formats: PKWARE APPNOTE 6.3.10 (4.3.7 local header, 4.3.12 central directory, 4.3.16 end record);
Hubris `build/xtask/src/dist.rs` for what is inside (bzip2 members, deflate in some versions).
Archives come from anywhere. Nothing is ever written to disk, each member expands to a bounded
size whatever its header says, and whatever two tools could read differently is refused: members
that overlap, names twice or with `..`, sizes or check sums that do not fit.
"""

from __future__ import annotations

import bz2
import os
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any, Protocol

from idol.bounded_toml import load_toml
from idol.records import dataclass
from idoldbg.build.load.elf_files import read_facts, read_flash
from idoldbg.errors import ArchiveError
from idoldbg.model.archive import Archive, Members, TaskImage

__all__ = ["ZipMembers", "describe_build", "read_archive"]

NEWEST_FORMAT = 11
MAX_MEMBER_SIZE = 32 << 20  # bytes one member may expand to
MAX_TOTAL_SIZE = 128 << 20  # bytes all members read may expand to
MAX_MEMBERS = 4096
MAX_TASKS = 1024  # Hubris numbers tasks with ten bits (`TaskId::INDEX_BITS` of `sys/abi`)

_END = struct.Struct("<4s4H2IH")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_ENCRYPTED, _UTF8 = 0x1, 0x800
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    header_at: int


class ZipMembers:
    """The members of a zip held in memory; see `idoldbg.model.archive.Members`."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._data = data
        self._left = MAX_TOTAL_SIZE
        self._coming: dict[str, Event] = {}  # what workers expand, until it is read
        self._expanded: dict[str, bytes] = {}
        end_at, end = self._find_end()
        _, _, _, _, count, size, offset, _ = end
        self.comment = data[end_at + _END.size :]
        # Bytes before the zip move everything: offsets count from its own start.
        self._start = end_at - size - offset
        if count > MAX_MEMBERS:
            raise self._error(f"has {count} members, more than the {MAX_MEMBERS} of a build")
        if self._start < 0:
            raise self._error("its directory makes no sense: the file is damaged")
        self._entries = self._read_directory(end_at - size, end_at, count)
        self._refuse_overlaps(end_at - size)

    def _error(self, message: str, member: str = "") -> ArchiveError:
        where = f"{self._path}: {member}" if member else self._path
        return ArchiveError(f"{where}: {message}", path=self._path, member=member)

    def _find_end(self) -> tuple[int, tuple[Any, ...]]:
        at = len(self._data)
        lowest = max(0, len(self._data) - _END.size - 0xFFFF)
        while (at := self._data.rfind(b"PK\x05\x06", lowest, at)) >= 0:
            if at + _END.size <= len(self._data):
                end = _END.unpack_from(self._data, at)
                if at + _END.size + end[7] == len(self._data):
                    return at, end
        raise self._error(
            "not a whole zip file; it may be cut short: copy or build the archive again"
        )

    def _read_directory(self, at: int, end: int, count: int) -> dict[str, _Entry]:
        entries: dict[str, _Entry] = {}
        for index in range(count):
            if at + _ENTRY.size > end or self._data[at : at + 4] != b"PK\x01\x02":
                raise self._error(f"directory entry {index} is damaged")
            raw = _ENTRY.unpack_from(self._data, at)
            flags, method, crc, packed, size, name_size, extra_size, comment_size = (
                raw[3], raw[4], raw[7], raw[8], raw[9], raw[10], raw[11], raw[12],
            )  # fmt: skip
            name_at = at + _ENTRY.size
            at = name_at + name_size + extra_size + comment_size
            if at > end:
                raise self._error(f"directory entry {index} is damaged")
            name = self._name(self._data[name_at : name_at + name_size], flags)
            if name.endswith("/"):
                continue
            if name in entries:
                raise self._error("is in the archive twice", name)
            entries[name] = _Entry(name, flags, method, crc, packed, size, self._start + raw[16])
        return entries

    def _name(self, raw: bytes, flags: int) -> str:
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
        except UnicodeDecodeError as e:
            raise self._error(f"a member's name is not text: {raw!r}") from e
        parts = name.rstrip("/").split("/")
        if "\\" in name or not name.isprintable() or any(p in ("", ".", "..") for p in parts):
            raise self._error("a name no build gives a member; not a Hubris archive", repr(name))
        return name

    def _refuse_overlaps(self, directory_at: int) -> None:
        last = ""
        end = self._start
        for entry in sorted(self._entries.values(), key=lambda e: e.header_at):
            if entry.header_at < end:
                raise self._error(
                    f"overlaps `{last}`: the archive is forged or damaged", entry.name
                )
            end = entry.header_at + _LOCAL.size + entry.packed_size
            last = entry.name
        if end > directory_at:
            raise self._error("reaches beyond the archive's members: it is cut short", last)

    def names(self) -> Sequence[str]:
        return tuple(self._entries)

    def prefetch(self, names: Sequence[str]) -> None:
        """Begin to expand several members, on as many cores as there are, for `read` to give out.

        Expanding is most of what a look through all tasks takes, and it does not hold Python's
        lock: meanwhile the first can be looked at. What goes wrong is left for `read` to find.
        """
        pending = [n for n in names if n in self._entries and n not in self._coming]
        count = min(len(pending), _cores())
        if count < 2 or sum(self._entries[n].size for n in [*pending, *self._coming]) > self._left:
            return
        self._coming.update((name, Event()) for name in pending)

        def work() -> None:
            while True:
                try:
                    name = pending.pop(0)
                except IndexError:  # the last was taken
                    return
                try:
                    self._expanded[name] = self._expand(self._entries[name], MAX_MEMBER_SIZE)
                except ArchiveError:
                    continue
                finally:
                    self._coming[name].set()

        for _ in range(count):
            Thread(target=work).start()

    def read(self, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise self._error("is missing from the archive: was the build finished?", name)
        coming = self._coming.get(name)
        if coming is not None:
            coming.wait()  # ends: what a member expands to is limited
            del self._coming[name]
        data = self._expanded.pop(name, None)
        if data is None:
            data = self._expand(entry, self._left)
        self._left -= len(data)
        return data

    def _expand(self, entry: _Entry, most: int) -> bytes:
        """Expand a member to `most` bytes at most."""
        name = entry.name
        packed = self._packed(entry)
        limit = min(entry.size, MAX_MEMBER_SIZE, most)
        if entry.size > limit:
            raise self._error(
                f"expands to {entry.size} bytes, more than the {limit} that a build may need", name
            )
        try:
            data = _expand(entry.method, packed, limit + 1)
        except (OSError, zlib.error, EOFError, ValueError) as e:
            raise self._error(f"does not decompress ({e}): the archive is damaged", name) from e
        if data is None:
            raise self._error(
                f"is compressed with method {entry.method}; Hubris uses bzip2 or deflate", name
            )
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise self._error("has a wrong size or check sum: the archive is damaged", name)
        return data

    def _packed(self, entry: _Entry) -> bytes:
        if entry.flags & _ENCRYPTED:
            raise self._error("is encrypted; give an archive as Hubris builds it", entry.name)
        at = entry.header_at
        local = self._data[at : at + _LOCAL.size]
        if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
            raise self._error("has no local header: the archive is damaged", entry.name)
        raw = _LOCAL.unpack(local)
        start = at + _LOCAL.size + raw[9] + raw[10]
        packed = self._data[start : start + entry.packed_size]
        if len(packed) != entry.packed_size:
            raise self._error("is cut short", entry.name)
        return packed


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _expand(method: int, packed: bytes, limit: int) -> bytes | None:
    """Expand to at most `limit` bytes; None for a method that is not known."""
    if method == _STORED:
        return packed[:limit]
    if method == _DEFLATED:
        return zlib.decompressobj(-15).decompress(packed, limit)
    if method == _BZIP2:
        return _expand_bzip2(packed, limit)
    return None


def _expand_bzip2(packed: bytes, limit: int) -> bytes:
    """Expand in steps: a few bytes of bzip2 can hold hundreds of megabytes."""
    decompressor = bz2.BZ2Decompressor()
    out = bytearray()
    data = packed
    while not decompressor.eof and len(out) < limit:
        part = decompressor.decompress(data, min(_CHUNK, limit - len(out)))
        data = b""
        if not part and decompressor.needs_input:
            break
        out += part
    return bytes(out)


def read_archive(path: str, data: bytes) -> Archive:
    """Read a Hubris archive from its bytes; `path` is for messages."""
    members = ZipMembers(path, data)
    # The first format, until 2022, was `v1.0.0`.
    match = re.fullmatch(rb"hubris build archive v(\d{1,6})(?:\.0\.0)?", members.comment)
    if match is None:
        raise ArchiveError(
            f"{path}: a zip file, but not a Hubris build archive (its comment does not say so); "
            "give the build-*.zip that `cargo xtask dist` made",
            path=path,
        )
    version = int(match[1])
    if version > NEWEST_FORMAT:
        raise ArchiveError(
            f"{path}: archive format {version}; formats up to {NEWEST_FORMAT} are known: "
            "update idoldbg",
            path=path,
        )
    return describe_build(path, members, version)


# ---- the descriptions inside --------------------------------------------------------------------


def describe_build(path: str, members: Members, version: int) -> Archive:
    """Make the `Archive` of an archive's files, however these are stored."""
    reader = _Reader(path, members)
    app = reader.toml("app.toml", required=True)
    tasks = reader.tasks(app)
    board, chip = reader.word(app, "board"), reader.word(app, "chip")
    if not tasks:
        raise ArchiveError(
            f"{path}: app.toml: names no tasks; build the archive again",
            path=path,
            member="app.toml",
        )
    return Archive(
        path=path,
        format_version=version,
        name=reader.patched_name(app),
        board=board,
        chip=chip,
        target=reader.word(app, "target"),
        image_name=reader.text("image-name"),
        git_rev=reader.text("git-rev"),
        tasks=tasks,
        kernel_member="elf/kernel",
        app=app,
        # Some versions name the file after the chip instead.
        chip_description=reader.toml("chip.toml") or reader.toml(chip.rsplit("/", 1)[-1]),
        memory_description=reader.toml("memory.toml"),
        members=members,
        read_facts=read_facts,
        read_flash=read_flash,
    )


class _Reader:
    """Turns the small text files of a build into values; wrong kinds are `ArchiveError`s."""

    def __init__(self, path: str, members: Members) -> None:
        self._path = path
        self._members = members
        self._names = frozenset(members.names())

    def _error(self, member: str, message: str) -> ArchiveError:
        return ArchiveError(f"{self._path}: {member}: {message}", path=self._path, member=member)

    def text(self, member: str) -> str:
        if member not in self._names:
            return ""
        try:
            return self._members.read(member).decode("utf-8").strip()
        except UnicodeDecodeError as e:
            raise self._error(member, "is not UTF-8 text") from e

    def toml(self, member: str, *, required: bool = False) -> Mapping[str, Any]:
        if member not in self._names and not required:
            return {}
        data = self._members.read(member)
        try:
            return load_toml(data.decode("utf-8"))
        except ValueError as e:
            raise self._error(member, f"is not valid TOML: {e}") from e

    def word(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            raise self._error("app.toml", f"`{key}` should be a string, not {value!r:.60}")
        return value

    def patched_name(self, app: Mapping[str, Any]) -> str:
        """The build's name; formats up to 7 put a changed one in `patches.toml`."""
        patches = self.toml("patches.toml")
        return self.word(patches, "name") or self.word(app, "name")

    def tasks(self, app: Mapping[str, Any]) -> tuple[TaskImage, ...]:
        tables = self._table(app, "tasks", "")
        extra = self._table(self.toml("patches.toml"), "features", "")
        if len(tables) > MAX_TASKS:
            raise self._error("app.toml", f"has {len(tables)} tasks; Hubris allows {MAX_TASKS}")
        return tuple(
            self._task(index, name, self._table(tables, name, "tasks."), extra)
            for index, name in enumerate(tables)
        )

    def _task(
        self, index: int, name: str, table: Mapping[str, Any], extra: Mapping[str, Any]
    ) -> TaskImage:
        where = f"tasks.{name}"
        callers = self._table(self._table(table, "config", where), "allowed-callers", where)
        return TaskImage(
            index=index,
            name=name,
            member=f"elf/task/{name}",
            crate=self.word(table, "name"),
            priority=self._integer(table, "priority", where),
            start=bool(table.get("start", False)),
            stack_size=self._integer(table, "stacksize", where),
            features=self._list_names(table, "features", where)
            + self._list_names(extra, name, "features"),
            uses=self._list_names(table, "uses", where),
            notifications=self._list_names(table, "notifications", where),
            slots=self._slots(table, where),
            allowed_callers={op: self._list_names(callers, op, where) for op in callers},
        )

    def _table(self, table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise self._error("app.toml", f"`{where}{key}` should be a table")
        return value

    def _integer(self, table: Mapping[str, Any], key: str, where: str) -> int | None:
        value = table.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._error("app.toml", f"`{where}.{key}` should be an integer")
        return value

    def _list_names(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self._error("app.toml", f"`{where}.{key}` should be a list of strings")
        return tuple(value)

    def _slots(self, table: Mapping[str, Any], where: str) -> Mapping[str, str]:
        """Task slots: `"sys"` binds slot `sys` to task `sys`, `{spi = "spi2"}` to another.

        The first builds that had slots have one table of them.
        """
        slots: dict[str, str] = {}
        value = table.get("task-slots", [])
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                slots[item] = item
            elif isinstance(item, dict) and all(isinstance(v, str) for v in item.values()):
                slots.update(item)
            else:
                raise self._error("app.toml", f"`{where}.task-slots` should be a list of names")
        return slots
