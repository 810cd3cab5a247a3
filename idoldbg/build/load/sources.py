"""Version of an index's results: a hash of all the sources that they depend on.

These are the modules that results are found in, and all that they import, directly or not, at once
or inside a function, pyelftools included; the Python that runs stands for the standard library.
Imports are read from the sources, since most of these modules are not loaded where results are
known.

Reading them takes some 20 ms. So the cache keeps the hash, with the identity (inode, size, times)
of each file that it was made of, and it is believed while these are the same: 0.3 ms. A process
whose code was changed on disk since it began has no version, and neither uses an index nor writes
one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from zlib import adler32, crc32

from idoldbg.build.cache import RACY_NS, Cache, file_identity, sha256_hex

__all__ = ["ROOTS", "code_version", "find_modules"]

#: Where results are found: the modules that call `recall`.
ROOTS = (
    "idoldbg.audit.run",
    "idoldbg.call.opener",
    "idoldbg.build.load",
    "idoldbg.build.program",
    "idoldbg.views.boot",
    "idoldbg.views.manifest",
    "idoldbg.views.memory_map",
    "idoldbg.views.regions",
    "idoldbg.views.tasks",
    "idoldbg.views.types",
    "idoldbg.views.variables",
)
_PACKAGES = ("idol", "idoldbg", "elftools")
_INIT = "/__init__.py"

_BEGAN_NS = time.time_ns()
_TICK_NS = 10_000_000  # a clock that files get their times from may be so late


def code_version(cache: Cache, folders: Sequence[str] | None = None) -> str | None:
    """Return the version of the code that this process runs; None where the code has changed.

    `folders` are where the packages lie, by default those of this process.
    """
    folders = _find_folders() if folders is None else folders
    note = sha256_hex("\n".join([sys.version, *folders]).encode())
    kept = cache.read_note("code", note)
    head, _, listed = kept.partition("\n")
    version = head.partition(" ")[0]
    identities, latest_ns = _identify(line.rpartition("\t")[2] for line in listed.splitlines())
    if not kept or kept != _compose(version, identities):
        version, paths = _hash_sources(folders)
        identities, latest_ns = _identify(paths)
        if time.time_ns() - latest_ns > RACY_NS:
            cache.write_note("code", note, _compose(version, identities))
    return version if latest_ns < _BEGAN_NS - _TICK_NS else None


def _compose(version: str, identities: str) -> str:
    checksum = crc32(f"{version}\n{identities}".encode("utf-8", "surrogateescape"))
    return f"{version} {checksum:08x}\n{identities}"


def _find_folders() -> list[str]:
    """Return the folder that this package lies in, and that of pyelftools."""
    own = os.path.abspath(__file__)
    for _ in __name__.split("."):
        own = os.path.dirname(own)
    places = (os.path.abspath(place) for place in sys.path)
    other = next((p for p in places if os.path.isdir(os.path.join(p, "elftools"))), own)
    return [own, other]


def _identify(paths: Iterable[str]) -> tuple[str, int]:
    """Return a line for each file, and when the last one changed (ns); no line for a lost file."""
    lines = []
    latest_ns = 0
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        lines.append(f"{file_identity(status)}\t{path}")
        latest_ns = max(latest_ns, status.st_ctime_ns)
    return "\n".join(lines), latest_ns


def _hash_sources(folders: Sequence[str]) -> tuple[str, list[str]]:
    """Read all modules; return the hash and their paths."""
    modules = find_modules(folders)
    lines = [sys.version]
    for name, (_, source) in sorted(modules.items()):
        # Two checksums: SHA-256 of it all would take as long as all the rest.
        lines.append(f"{name} {len(source)} {crc32(source)} {adler32(source)}")
    return sha256_hex("\n".join(lines).encode()), [path for path, _ in modules.values()]


def find_modules(
    folders: Sequence[str], roots: Iterable[str] = ROOTS
) -> dict[str, tuple[str, bytes]]:
    """Return path and source of all modules that `roots` need, themselves included."""
    finder = _Finder(folders)
    found: dict[str, tuple[str, bytes]] = {}
    seen = set(roots)
    pending = list(seen)
    while pending:
        name = pending.pop()
        path = finder.find(name)
        if path is None:
            continue
        with open(path, "rb") as file:
            source = file.read()
        found[name] = (path, source)
        parent = name.rpartition(".")[0]
        needed = {parent}  # which is imported first
        if name != "idoldbg":  # its names, loaded when they are used, are the fronts'
            package = name if path.endswith(_INIT) else parent
            for module, names in _imported(source, package):
                needed.add(module)
                if (finder.find(module) or "").endswith(_INIT):
                    needed.update(f"{module}.{n}" for n in names)
        pending += needed - seen
        seen |= needed
    return found


class _Finder:
    """Finds modules in folders, each of which is listed once."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._listed: dict[str, frozenset[str]] = {}
        self._found: dict[str, str | None] = {}

    def find(self, name: str) -> str | None:
        """Return the path of a module, None for what is none, or none of ours."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> str | None:
        parent, _, last = name.rpartition(".")
        for folder in self._folders:
            place = f"{folder}/{parent.replace('.', '/')}" if parent else folder
            files = self._list(place)
            if last in files and "__init__.py" in self._list(f"{place}/{last}"):
                return f"{place}/{last}{_INIT}"
            if f"{last}.py" in files:
                return f"{place}/{last}.py"
        return None

    def _list(self, folder: str) -> frozenset[str]:
        files = self._listed.get(folder)
        if files is None:
            try:
                files = frozenset(os.listdir(folder))
            except OSError:
                files = frozenset()
            self._listed[folder] = files
        return files


def _imported(source: bytes, package: str) -> Iterator[tuple[str, list[str]]]:
    """Yield modules that the import statements of a module name, and what of each."""
    import re  # a call does without: patterns would take longer to compile than all else here

    importing = re.compile(rb"import[ \t]+(\([^)]*\)|[^\n]*)")  # begins with a constant: faster
    before_it = re.compile(rb"[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+)?")
    for match in importing.finditer(source):
        start = source.rfind(b"\n", 0, match.start()) + 1
        before = before_it.fullmatch(source, start, match.start())
        if before is None:
            continue
        base = (before[2] or b"").decode()
        if before[1]:  # from ..x
            up = package.split(".")[: len(package.split(".")) - len(before[1]) + 1]
            base = ".".join([*up, base] if base else up)
        if base and base.partition(".")[0] not in _PACKAGES:
            continue
        text = re.sub(rb"#[^\n]*", b"", match[1]).decode("utf-8", "replace").strip("()")
        names = [part.split()[0] for part in text.split(",") if part.split()]
        if base:
            yield base, names
        else:  # import a, b
            yield from ((n, []) for n in names if n.partition(".")[0] in _PACKAGES)
