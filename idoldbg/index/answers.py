"""What has been asked of a build, and the answers: those of an index file, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from idoldbg.debuginfo.interner import TypeInterner
from idoldbg.errors import NotFound
from idoldbg.index.fields import (
    BLOCK,
    BOOL,
    BYTES,
    FACTS,
    INT,
    SEGMENT,
    SUBPROGRAM,
    TASK,
    TEXT,
    TYPE,
    VARIABLE,
    Field,
    IndexDamaged,
    many,
    numbered,
    optional,
    pair,
)
from idoldbg.index.file import IndexReader, IndexWriter
from idoldbg.index.recorded import RecordedObject

if TYPE_CHECKING:
    from idoldbg.debuginfo import ObjectInfo
    from idoldbg.types import Type

    OpenObject = Callable[[str, Callable[[int], Type]], ObjectInfo]

__all__ = ["QUESTIONS", "Answers"]

T = TypeVar("T")

#: What can be asked, and the form of the answer. Objects are asked the first group, a build the
#: rest. `idoldbg.kept` adds to these.
QUESTIONS: Mapping[str, Field] = MappingProxyType(
    {
        "types": many(TYPE),
        "type names": many(TEXT),
        "type at": TYPE,
        "variables": many(VARIABLE),
        "subprograms": many(SUBPROGRAM),
        "bodies": many(BLOCK),
        "interface": optional(TEXT),
        "has debug info": BOOL,
        "memory": optional(BYTES),
        # format; name, board, chip, target, image name, git revision, kernel's file; tasks; files
        "build": pair(INT, pair(*[TEXT] * 7), numbered(TASK), many(TEXT)),
        "description": TEXT,
        "image": FACTS,
        "flash": many(SEGMENT),
    }
)


class Answers:
    """Answers of one build; share it among everything that asks about this build.

    `data` is an index file or None; one that is damaged is as good as none, and `damage` says what
    is wrong with it. Errors are not kept: who asked gets them, and gets them again the next time.
    """

    def __init__(self, data: bytes | memoryview | None, fingerprint: bytes) -> None:
        self.interner = TypeInterner()
        self.damage = ""
        self._fingerprint = fingerprint
        self._open_object: OpenObject | None = None
        self._objects: dict[str, RecordedObject] = {}
        self._stored: IndexReader | None = None
        self._given: dict[tuple[str, str, str], Any] = {}
        self._new: set[tuple[str, str, str]] = set()
        self._fields = dict(QUESTIONS)
        if data is not None:
            try:
                self._stored = IndexReader(
                    data, fingerprint, intern=self.interner.intern, follow=self._follow
                )
            except IndexDamaged as error:
                self.damage = str(error)

    @property
    def has_news(self) -> bool:
        """Tell whether there is something that the index file lacks."""
        return bool(self._new)

    def ask(
        self,
        owner: str,
        question: str,
        argument: str,
        find: Callable[[], T],
        field: Field | None = None,
    ) -> T:
        """Return the answer to a question: the known one, else what `find` returns.

        `owner` is the name of an object, "" for the build. `field` is the answer's form, where the
        question is none of `QUESTIONS`.
        """
        if field is not None:
            self._fields[question] = field
        key = (owner, question, argument)
        if key in self._given:
            known: T = self._given[key]
            return known
        is_known, answer = self._look_up(key)
        if not is_known:
            answer = find()
            self._new.add(key)
        self._given[key] = answer
        given: T = answer
        return given

    def knows(self, owner: str, question: str, argument: str, field: Field | None = None) -> bool:
        """Tell whether the answer to a question is known; `field` as for `ask`."""
        if field is not None:
            self._fields[question] = field
        key = (owner, question, argument)
        return key in self._given or self._look_up(key)[0]

    def _look_up(self, key: tuple[str, str, str]) -> tuple[bool, Any]:
        if self._stored is None:
            return False, None
        try:
            return self._stored.find("\0".join(key), self._fields[key[1]])
        except IndexDamaged as error:
            self._drop(error)
            return False, None

    def _drop(self, error: IndexDamaged) -> None:
        """Forget the index file: it was made up, since its check sum is right."""
        self._stored = None
        self._new.update(self._given)
        self.damage = str(error)

    # ---- objects --------------------------------------------------------------------------------

    def connect(self, open_object: OpenObject) -> None:
        """Say how objects are opened when they are asked what is not known."""
        self._open_object = open_object

    def object(self, name: str) -> RecordedObject:
        """Return an object of the build by name."""
        if name not in self._objects:
            self._objects[name] = RecordedObject(name, self, self._read_object)
        return self._objects[name]

    def _read_object(self, name: str) -> ObjectInfo:
        if self._open_object is None:
            raise NotFound("object", name, where="a build that is not at hand")
        return self._open_object(name, self.object(name).type_at)

    def _follow(self, owner: str, die_offset: int) -> Type:
        return self.object(owner).type_at(die_offset)

    # ---- the file -------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return an index file of everything that is known."""
        try:
            writer = IndexWriter(self._stored)
        except IndexDamaged as error:
            self._drop(error)
            writer = IndexWriter()
        for key in sorted(self._new):
            writer.add("\0".join(key), self._fields[key[1]], self._given[key])
        return writer.to_bytes(self._fingerprint)
