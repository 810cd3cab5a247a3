"""An archive described from an index: the file itself is opened when something else is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from idoldbg.build.index import Kind, Results
from idoldbg.build.index.fields import (
    BOOL,
    BYTES,
    INT,
    TEXT,
    inline,
    many,
    mapping,
    numbered,
    optional,
    pair,
)
from idoldbg.model.archive import Archive, ImageFacts, TaskImage
from idoldbg.model.memory import Segment

__all__ = ["BUILD", "FACTS", "FLASH", "TABLE", "recorded_archive"]

_TASK = inline(
    TaskImage,
    index=INT,
    name=TEXT,
    member=TEXT,
    crate=TEXT,
    priority=optional(INT),
    start=BOOL,
    stack_size=optional(INT),
    features=many(TEXT),
    uses=many(TEXT),
    notifications=many(TEXT),
    slots=mapping(TEXT),
    allowed_callers=mapping(many(TEXT)),
)
#: Format; name, board, chip, target, image name, git revision, kernel's file; tasks; files.
BUILD: Kind[tuple[Any, ...]] = Kind(
    "build", pair(INT, pair(*[TEXT] * 7), numbered(_TASK), many(TEXT))
)
#: By name: one of the build's TOML tables, as JSON.
TABLE: Kind[str] = Kind("description", TEXT)
FACTS: Kind[ImageFacts] = Kind(
    "image",
    inline(
        ImageFacts,
        image_id=optional(BYTES),
        image_id_address=optional(INT),
        vector_table=optional(INT),
    ),
)
FLASH: Kind[tuple[Segment, ...]] = Kind("flash", many(inline(Segment, address=INT, data=BYTES)))

_TABLES = ("app", "chip_description", "memory_description")


def recorded_archive(path: str, results: Results, read: Callable[[], Archive]) -> Archive:
    """Make an `Archive` of `results`; `read` opens it itself, for what these lack.

    Raises what `read` raises.
    """
    version, strings, tasks, names = results.recall(BUILD, "", lambda: _describe(read()))
    name, board, chip, target, image_name, git_rev, kernel_member = strings
    app, chip_description, memory_description = (_Table(t, results, read) for t in _TABLES)
    return Archive(
        path=path,
        format_version=version,
        name=name,
        board=board,
        chip=chip,
        target=target,
        image_name=image_name,
        git_rev=git_rev,
        tasks=tasks,
        kernel_member=kernel_member,
        app=app,
        chip_description=chip_description,
        memory_description=memory_description,
        members=_Members(names, read),
        read_facts=lambda _: results.recall(FACTS, "", lambda: read().facts),
        read_flash=lambda _: results.recall(FLASH, "", lambda: read().flash_segments()),
    )


def _describe(archive: Archive) -> tuple[Any, ...]:
    strings = (
        archive.name,
        archive.board,
        archive.chip,
        archive.target,
        archive.image_name,
        archive.git_rev,
        archive.kernel_member,
    )
    return archive.format_version, strings, archive.tasks, tuple(archive.members.names())


class _Members:
    """The files of the build; only their names are at hand."""

    def __init__(self, names: tuple[str, ...], read: Callable[[], Archive]) -> None:
        self._names = names
        self._read = read

    def names(self) -> Sequence[str]:
        return self._names

    def prefetch(self, names: Sequence[str]) -> None:
        self._read().members.prefetch(names)

    def read(self, name: str) -> bytes:
        return self._read().members.read(name)


class _Table(Mapping[str, Any]):
    """One of the build's descriptions, kept as JSON and decoded when it is looked into."""

    def __init__(self, name: str, results: Results, read: Callable[[], Archive]) -> None:
        self._name = name
        self._results = results
        self._read = read

    @cached_property
    def _items(self) -> Mapping[str, Any]:
        import json  # a call looks into none of them

        def write() -> str:
            return json.dumps(dict(getattr(self._read(), self._name)))

        try:
            items = json.loads(self._results.recall(TABLE, self._name, write))
        except (TypeError, ValueError, RecursionError):  # it has a date, which JSON has not
            items = None
        if not isinstance(items, dict):
            table: Mapping[str, Any] = getattr(self._read(), self._name)
            return table
        return items

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
