"""Results of questions about one build: those of an index file, and new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from idoldbg.build.debuginfo.interner import TypeInterner
from idoldbg.build.index.fields import Field, IndexDamaged
from idoldbg.build.index.file import IndexReader, IndexWriter
from idoldbg.errors import NotFound
from idoldbg.model.types import Type

__all__ = ["Kind", "Results"]

T = TypeVar("T")


class Kind(Generic[T]):
    """One kind of result: its name in index files, and how results of it are written."""

    __slots__ = ("field", "name")

    def __init__(self, name: str, field: Field) -> None:
        self.name = name
        self.field = field


class Results:
    """Results about one build; share it among everything that asks about this build.

    `data` is an index file or None; one that is damaged, or has another fingerprint, is as good as
    none, and `damage` says what is wrong with it. Errors are not kept: whoever asks again gets them
    again.
    """

    def __init__(
        self, data: bytes | memoryview | None = None, fingerprint: bytes = bytes(16)
    ) -> None:
        self.interner = TypeInterner()
        self.damage = ""
        self._type_at: Callable[[str, int], Type] | None = None
        self._stored: IndexReader | None = None
        self._given: dict[str, Any] = {}
        self._new: dict[str, Field] = {}
        if data is not None:
            try:
                self._stored = IndexReader(
                    data, fingerprint, intern=self.interner.intern, follow=self._follow
                )
            except IndexDamaged as error:
                self.damage = str(error)

    @property
    def news_count(self) -> int:
        """Number of reasons to write the index file; it goes up with each result that is found."""
        return len(self._new) + bool(self.damage)

    def recall(self, kind: Kind[T], argument: str, find: Callable[[], T]) -> T:
        """Return a result: the known one, else what `find` returns, which is kept from now on."""
        if not self.knows(kind, argument):
            key = _key(kind, argument)
            self._given[key] = find()
            self._new[key] = kind.field
        found: T = self._given[_key(kind, argument)]
        return found

    def knows(self, kind: Kind[T], argument: str) -> bool:
        """Return whether a result is known."""
        key = _key(kind, argument)
        if key not in self._given and self._stored is not None:
            try:
                is_known, result = self._stored.find(key, kind.field)
            except IndexDamaged as error:
                self._drop(error)
            else:
                if is_known:
                    self._given[key] = result
        return key in self._given

    def forget(self, kind: Kind[T], argument: str) -> None:
        """Do not keep a result that was just found."""
        for known in (self._given, self._new):
            known.pop(_key(kind, argument), None)

    def _drop(self, error: IndexDamaged) -> None:
        """Forget the index file and what came from it: made up, since its checksum is right."""
        self._stored = None
        self._given = {key: self._given[key] for key in self._new}
        self.damage = str(error)

    # ---- pointers -------------------------------------------------------------------------------

    def connect(self, type_at: Callable[[str, int], Type]) -> None:
        """Set what pointers find their targets with, from object and offset of the entry."""
        self._type_at = type_at

    def _follow(self, owner: str, die_offset: int) -> Type:
        if self._type_at is None:
            raise NotFound("object", owner, where="a build that is not open")
        return self._type_at(owner, die_offset)

    # ---- the file -------------------------------------------------------------------------------

    def to_bytes(self, fingerprint: bytes) -> bytes:
        """Return an index file of everything that is known."""
        try:
            writer = IndexWriter(self._stored)
        except IndexDamaged as error:
            self._drop(error)
            writer = IndexWriter()
        return self._write(writer, fingerprint)

    def _write(self, writer: IndexWriter, fingerprint: bytes) -> bytes:
        for key in sorted(self._new):
            writer.add(key, self._new[key], self._given[key])
        return writer.to_bytes(fingerprint)


def _key(kind: Kind[Any], argument: str) -> str:
    return f"{kind.name}\0{argument}"
