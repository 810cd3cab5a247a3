"""Types of a workspace: where Idol texts name them, where Rust defines them.

A look at the text alone: `struct Name` and the like at the beginning of a line, the crate by the
nearest `Cargo.toml`. What macros make is not found.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

from idol.hints import Final
from idol.records import dataclass
from idol.source import Span

#: Most files and longest file that are looked at; Hubris has 1500 of which the longest has 300 kB.
MAX_FILES: Final = 20_000
MAX_SIZE: Final = 1024 * 1024
#: Most folders that are entered.
MAX_FOLDERS: Final = 50_000

#: Folders that hold nothing that people write.
_PASSED: Final = frozenset({"target", "node_modules", "__pycache__", "venv"})

_DEFINITION = re.compile(
    r"^[ \t]*(?P<pub>pub(?:\([^)\n]{0,80}\))?[ \t]+)?(?P<kind>struct|enum|union|type)[ \t]+"
    r"(?P<name>(?:r#)?[^\W\d]\w*)",
    re.MULTILINE,
)
_CRATE = re.compile(r'^\[package\][^\[]*?^name[ \t]*=[ \t]*"([^"\n]{1,200})"', re.MULTILINE)
#: Longest piece of a definition that is shown, in lines.
_SHOWN_LINES: Final = 24


@dataclass(frozen=True, slots=True)
class Definition:
    """A type that Rust code defines."""

    name: str
    kind: str
    #: Name of the crate as paths have it, or "" where no `Cargo.toml` says it.
    crate: str
    path: str
    is_public: bool
    #: Place of the name, in characters.
    span: Span

    @property
    def qualified(self) -> str:
        """The name with its crate."""
        return f"{self.crate}::{self.name}" if self.crate else self.name


class RustIndex:
    """Definitions by name, of the folders that a workspace has."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Definition, ...]] = {}
        self._names: dict[str, list[Definition]] | None = None
        #: Idol files that were met on the way.
        self.idol_files: set[str] = set()
        #: Why the search ended early, if it did.
        self.limit: str | None = None

    def scan(self, folders: list[str], is_cancelled: Callable[[], bool] = lambda: False) -> None:
        """Look through folders; `is_cancelled` is asked at each file."""
        crates: dict[str, str] = {}
        count = 0
        for path in self._iter_files(folders):
            if is_cancelled():
                return
            if path.endswith(".rs"):
                count += 1
                if count > MAX_FILES:
                    self.limit = f"more than {MAX_FILES} Rust files: the rest is not searched"
                    return
                self.update(path, crates)
            else:
                self.idol_files.add(path)

    def update(self, path: str, crates: dict[str, str] | None = None) -> None:
        """Read a Rust file again, or for the first time."""
        text = read_text(path)
        self._names = None
        if text is None:
            self._files.pop(path, None)
            return
        found = tuple(_find_definitions(text, path))
        if found:
            crate = find_crate(path, {} if crates is None else crates)
            found = tuple(
                Definition(d.name, d.kind, crate, d.path, d.is_public, d.span) for d in found
            )
        self._files[path] = found

    def forget(self, path: str) -> None:
        """Drop a file that is gone."""
        self._files.pop(path, None)
        self.idol_files.discard(path)
        self._names = None

    @property
    def names(self) -> dict[str, list[Definition]]:
        """Definitions by bare name."""
        names = self._names
        if names is None:
            names = {}
            for found in list(self._files.values()):
                for definition in found:
                    names.setdefault(definition.name, []).append(definition)
            self._names = names
        return names

    def find(self, segments: tuple[str, ...]) -> list[Definition]:
        """Return the definitions that a path may mean; those of its crate alone if there are any.

        Names beyond crate and last segment are not compared: re-exports shorten paths.
        """
        found = self.names.get(segments[-1], []) if segments else []
        if len(segments) > 1:
            own = [d for d in found if d.crate == segments[0]]
            found = own or found
        public = [d for d in found if d.is_public]
        return sorted(public or found, key=lambda d: (d.path, d.span.start))

    def _iter_files(self, folders: list[str]) -> Iterator[str]:
        entered = 0
        seen: set[str] = set()
        for folder in folders:
            for place, inner, files in os.walk(folder):
                inner[:] = sorted(n for n in inner if n not in _PASSED and not n.startswith("."))
                entered += 1
                if entered > MAX_FOLDERS:
                    self.limit = f"more than {MAX_FOLDERS} folders: the rest is not searched"
                    return
                if place in seen:
                    continue
                seen.add(place)
                for file in sorted(files):
                    if file.endswith((".rs", ".idol", ".idl")):
                        yield str(FilePath(place) / file)


def read_text(path: str) -> str | None:
    """Return the text of a regular file of a bearable size, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return None
    try:
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE:
                return None
            return file.read(MAX_SIZE).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def find_crate(path: str, known: dict[str, str]) -> str:
    """Return the crate of a file, as paths spell it; `known` remembers folders."""
    folder = FilePath(path).parent
    passed: list[str] = []
    name = ""
    for place in (folder, *folder.parents):
        if str(place) in known:
            name = known[str(place)]
            break
        passed.append(str(place))
        text = read_text(str(place / "Cargo.toml"))
        match = _CRATE.search(text) if text else None
        if match:
            name = match[1].replace("-", "_")
            break
    known.update(dict.fromkeys(passed, name))
    return name


def show_definition(definition: Definition) -> tuple[str, str]:
    """Return the doc comment and the text of a definition, both possibly empty."""
    text = read_text(definition.path) or ""
    if text[definition.span.start : definition.span.end].removeprefix("r#") != definition.name:
        return "", ""  # the file has changed since
    lines = text.split("\n")
    at = text.count("\n", 0, definition.span.start)
    doc: list[str] = []
    first = at
    while first and lines[first - 1].strip().startswith(("///", "#[", "#!", "//")):
        first -= 1
        line = lines[first].strip()
        if line.startswith("///"):
            doc.insert(0, line[3:].removeprefix(" "))
        if at - first > 60:
            break
    body: list[str] = []
    depth = 0
    for line in lines[at : at + _SHOWN_LINES]:
        body.append(line.rstrip())
        depth += sum(line.count(c) for c in "{([") - sum(line.count(c) for c in "})]")
        if depth <= 0:
            break
    else:
        body.append("    …")
    return "\n".join(doc), "\n".join(body)


def _find_definitions(text: str, path: str) -> Iterator[Definition]:
    for match in _DEFINITION.finditer(text):
        name = match["name"].removeprefix("r#")
        span = Span(match.start("name"), match.end("name"))
        # `type` in a block is an associated type, which nobody names by itself.
        if match["kind"] == "type" and match[0][0] in " \t" and not match["pub"]:
            continue
        yield Definition(name, match["kind"], "", path, match["pub"] is not None, span)
