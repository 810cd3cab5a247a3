"""The folders and open texts of one editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from idol.editor.document import MAX_LENGTH, Document
from idol.editor.index import Definition, RustIndex, read_text
from idol.editor.places import Encoding
from idol.editor.types import TypeName, document_names
from idol.hints import Final

#: Most Idol files that a question is asked of; Hubris has 60.
MAX_IDOL_FILES: Final = 2000
#: Most characters that they may have together.
MAX_CHARACTERS: Final = 4_000_000


class Workspace:
    """Open documents by name, and the files beside them.

    Names of documents are what the editor calls them; `paths` has where they lie.
    """

    def __init__(self) -> None:
        self.encoding = Encoding.UTF16
        self.documents: dict[str, Document] = {}
        #: Where open documents lie on disk, by their names.
        self.paths: dict[str, str] = {}
        self.index = RustIndex()
        self._closed: dict[str, tuple[tuple[int, int], Document]] = {}

    def open(self, name: str, text: str, version: int, path: str | None = None) -> None:
        """Take a text over from the editor."""
        self.documents[name] = Document(name, text, version, self.encoding)
        if path is not None:
            self.paths[name] = path

    def close(self, name: str) -> None:
        """Forget a text: the file counts again."""
        self.documents.pop(name, None)
        self.paths.pop(name, None)

    def idol_documents(self) -> Iterator[Document]:
        """Yield the open texts, then the other Idol files; those are named by their path."""
        yield from list(self.documents.values())
        opened = set(self.paths.values())
        neighbours = {
            str(found)
            for path in opened
            for suffix in ("*.idol", "*.idl")
            for found in FilePath(path).parent.glob(suffix)
        }
        files = sorted((self.index.idol_files | neighbours) - opened)
        total = 0
        for path in files[:MAX_IDOL_FILES]:
            document = self._read(path)
            if document is not None:
                total += len(document.text)
                if total > MAX_CHARACTERS:
                    return
                yield document

    def _read(self, path: str) -> Document | None:
        """Return a file as a document; it is read again only when it has changed."""
        try:
            status = FilePath(path).stat()
        except (OSError, ValueError):
            return None
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._closed.get(path)
        if known and known[0] == stamp:
            return known[1]
        text = read_text(path) if status.st_size <= 4 * MAX_LENGTH else None
        if text is None:
            return None
        document = Document(path, text, 0, self.encoding)
        self._closed[path] = (stamp, document)
        return document

    def known_types(self) -> Iterator[tuple[str, str]]:
        """Yield names of types and where they are from: those in use first, then Rust's."""
        seen: set[str] = set()
        for document in self.idol_documents():
            for name in document_names(document):
                if name.text not in seen:
                    seen.add(name.text)
                    yield name.text, FilePath(document.name).name
        for name_, found in sorted(self.index.names.items()):
            for definition in found:
                if definition.is_public and definition.qualified not in seen:
                    seen.add(definition.qualified)
                    yield definition.qualified, f"{definition.kind} {name_}"

    def find_definitions(self, name: TypeName) -> list[Definition]:
        """Return where Rust code of the workspace defines a type."""
        return self.index.find(name.segments)
