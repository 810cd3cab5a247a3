"""Everything that the commands do with a build, and what a hostile one may cost.

Whatever is wrong with a build: a result or an `IdoldbgError`, in bounded time and memory, and
nothing written but to the cache.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from elftools.elf import elffile
from elftools.elf.structs import ELFStructs

from idoldbg.audit import audit
from idoldbg.audit.verdict import judge
from idoldbg.build.cache import Cache, cache_directory, fingerprint, sha256_hex
from idoldbg.build.load import Build, list_cached, open_build
from idoldbg.build.load.sources import code_version
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.render import (
    json,
    layout,
    manifest,
    memory_map,
    ring_buffers,
    stack_use,
    task_calls,
    task_details,
    text,
    variables,
)
from idoldbg.render.audit import Files
from idoldbg.render.audit.html import to_html
from idoldbg.render.audit.json import to_json as audit_to_json
from idoldbg.render.audit.sarif import to_sarif
from idoldbg.render.audit.text import to_text as audit_to_text
from idoldbg.render.map_page import to_html as map_to_html
from idoldbg.views.counters import find_counters, read_counters
from idoldbg.views.interfaces import read_interfaces
from idoldbg.views.manifest import read_manifest
from idoldbg.views.memory_map import read_memory_map
from idoldbg.views.parts import evaluate
from idoldbg.views.regions import find_place
from idoldbg.views.ring_buffers import read_ring_buffers
from idoldbg.views.source import read_source
from idoldbg.views.stack_use import read_stack_use
from idoldbg.views.task_calls import read_task_calls
from idoldbg.views.task_details import TaskParts, read_task_report
from idoldbg.views.tasks import read_tasks
from idoldbg.views.types import read_types
from idoldbg.views.variables import list_variables
from tests.idoldbg.hostile import builds, mutations

TIME_LIMIT_S = 2.0
MEMORY_LIMIT = 256 << 20

# -- what is done ------------------------------------------------------------------------------


def use_objects(program: Program) -> None:
    """Read all types, variables and symbols of every object."""
    for name in program.archive.object_names:
        info = program.object(name)
        for _ in info.iter_types():
            pass
        for variable in islice(info.iter_variables(), 20):
            if variable.address is not None:
                data = program.memory.read(variable.address, variable.type.size)
                image.decode(variable.type, data, address=variable.address)
        assert len(info.symbols) >= 0
        for symbol in islice(info.symbols, 20):
            info.find_frames(symbol.address)


def show_lists(program: Program) -> None:
    """List what can be called, with the types of it."""
    servers = read_interfaces(program)
    text.interfaces(servers, True, explain=True)
    json.dumps(json.interfaces(servers, read_source(program, "archive")))


def show_audit(program: Program) -> None:
    """Audit the build in a few formats."""
    report = audit(program)
    verdict = judge(report, fail_on="warning")
    files = Files(report, {})
    audit_to_text(verdict, files)
    json.dumps(audit_to_json(verdict, files))


def show_page(program: Program) -> None:
    """Audit the build and write what is looked at elsewhere."""
    report = audit(program)
    verdict = judge(report, fail_on="warning")
    files = Files(report, {})
    json.dumps(to_sarif(verdict, files))
    to_html(verdict, files)


def show_tasks(program: Program) -> None:
    """Read the task table and the stacks from whatever memory there is."""
    table = read_tasks(program)
    text.tasks(table)
    names = [row.name for row in table.rows[:3]]
    report = read_task_report(program, names, TaskParts(True, True, True, guess=True))
    task_details.text(report, sources=True)
    json.dumps(task_details.json(report, read_source(program, "dump")))


def show_types(program: Program) -> None:
    """Lay types out."""
    for name in ("Block", "Tree", "Task", "Option", "[Block; 3]", "T", "Demo_get_TYPES"):
        try:
            report = read_types(program, name)
        except IdoldbgError:
            continue
        layout.types(report, show_all=True)
        json.dumps(json.types(report, read_source(program, "archive")))


def show_statics(program: Program) -> None:
    """Read counters and ring buffers."""
    read_counters(program, find_counters(program))
    ring_buffers.text(read_ring_buffers(program), totals="all")
    found = list_variables(program)
    variables.list_text(found)
    for static in found.statics[:20]:
        with suppress(IdoldbgError):
            variables.text(evaluate(program, static.path))
    task_calls.text(read_task_calls(program))


def show_memory(program: Program) -> None:
    """Show regions, stacks, and what addresses and the manifest mean."""
    manifest.text(read_manifest(program))
    for address in (0, 0x0800_0000, 0x2000_0000, 0xFFFF_FFFF):
        find_place(program, address)
    found = read_memory_map(program)
    memory_map.text(found)
    uses = read_stack_use(program)
    stack_use.text(uses)
    map_to_html(found, uses, read_source(program, "dump"), "x")


USES: tuple[Callable[[Program], None], ...] = (
    *(use_objects, show_lists, show_audit, show_page, show_tasks, show_types, show_statics),
    show_memory,
)
#: How often of 20 cases.
_WEIGHTS = (6, 3, 2, 1, 4, 2, 2, 2)


def use_build(build: Build, uses: Iterable[Callable[[Program], None]]) -> set[str]:
    """Do these things with a build; return the classes of errors that came."""
    program = Program(build.archive, build, results=build.results)
    errors = set()
    for use in uses:
        try:
            use(program)
        except IdoldbgError as error:
            assert str(error), error
            errors.add(type(error).__name__)
    try:
        assert build.archive.flash_segments() is not None
        assert build.archive.image_id is None or build.archive.image_id
    except IdoldbgError as error:
        errors.add(type(error).__name__)
    build.save()
    return errors


# -- what may be written -----------------------------------------------------------------------

_CHANGING = ("os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.chmod", "os.rmdir")
_FORBIDDEN = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.chown")
_watch: list[tuple[tuple[str, ...], list[str]]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watch:
        return
    allowed, found = _watch[-1]
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        writes = writes or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        writes = writes and not isinstance(path, int)  # that was heard when it was opened
        if writes and not _is_below(path, allowed):
            found.append(f"{event} {path}")
    elif event in _CHANGING:
        if not _is_below(arguments[0], allowed):
            found.append(f"{event} {arguments[0]}")
    elif event in _FORBIDDEN:
        found.append(f"{event} {arguments[:1]}")


def _is_below(path: Any, folders: tuple[str, ...]) -> bool:
    # No pathlib here: what it does would be heard, too.
    full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # see above
    return any(full == folder or full.startswith(folder + os.sep) for folder in folders)


sys.addaudithook(_hear)


@contextmanager
def watch_writes(*allowed: str | Path) -> Iterator[list[str]]:
    """Collect everything that is written, removed or started outside of some directories.

    Compiled files of modules that are only now imported would be, too: they are not written.
    """
    found: list[str] = []
    writes_bytecode, sys.dont_write_bytecode = not sys.dont_write_bytecode, True
    _watch.append((tuple(map(str, allowed)), found))
    try:
        yield found
    finally:
        _watch.pop()
        sys.dont_write_bytecode = not writes_bytecode


# -- speed -------------------------------------------------------------------------------------


class _SharedStructs(ELFStructs):  # type: ignore[misc] # pyelftools has no types
    """pyelftools' parsers, made once: it makes them for each file, in half the time of a case.

    They hold nothing of what they parse.
    """

    _made: ClassVar[dict[tuple[Any, ...], dict[str, Any]]] = {}

    def create_basic_structs(self) -> None:
        self._share(("basic",), super().create_basic_structs)

    def create_advanced_structs(self, *arguments: Any) -> None:
        create = super().create_advanced_structs
        self._share(arguments, lambda: create(*arguments))

    def _share(self, kind: tuple[Any, ...], create: Callable[[], None]) -> None:
        key = (self.little_endian, self.elfclass, *kind)
        if key not in self._made:
            create()
            self._made[key] = dict(self.__dict__)
        self.__dict__.update(self._made[key])


def share_parsers() -> None:
    """Make pyelftools faster, for the whole process."""
    elffile.ELFStructs = _SharedStructs


# -- cases -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a case: `result`, or the classes of the errors; seconds of CPU."""

    kind: str
    end: str
    seconds: float


@dataclass
class Fuzzer:
    """Makes and examines cases in a directory of its own."""

    directory: Path
    #: More builds to damage the ELF files of: real ones, which take longer.
    large: tuple[dict[str, bytes], ...] = ()
    _parts: dict[int, dict[str, bytes]] = field(default_factory=dict)
    _index: bytes = b""

    def __post_init__(self) -> None:
        self._file = self.directory / "case"
        self._cache = Cache(self.directory / "cache")
        self._parts = {version: builds.parts(version) for version in (4, 5)}
        self._whole = mutations.archive(self._parts[4])

    def make_index(self) -> bytes:
        """Return the index that using the whole build leaves."""
        if not self._index:
            self._file.write_bytes(self._whole)
            build = open_build(self._file, cache=self._cache)
            use_build(build, USES)
            assert build.results is not None
            version = code_version(self._cache)
            assert version is not None
            self._index = build.results.to_bytes(fingerprint(sha256_hex(self._whole), version))
        return self._index

    def prepare(self, number: int) -> tuple[str, bytes, bytes | None]:
        """Make case `number`: its kind, the file, and the index to find in the cache."""
        generator = random.Random(f"build {number}")
        draw = generator.randrange(100)
        parts = self._parts[generator.choice((4, 5))]
        if self.large and generator.randrange(100) < 1:
            large = generator.choice(self.large)
            return "large", mutations.damage_elf(generator, large), None
        for kind, (share, damage) in mutations.KINDS.items():
            draw -= share
            if draw < 0:
                return kind, damage(generator, parts), None
        return "index", self._whole, mutations.damage_index(generator, self.make_index())

    def run(self, number: int) -> Outcome:
        """Make and examine case `number`; raise what is a bug."""
        kind, data, index = self.prepare(number)
        self._file.write_bytes(data)
        with_cache = index is not None or number % 4 == 0
        self._cache.clear()
        if index is not None:
            digest = open_build(self._file, cache=self._cache)
            digest.save()
            for entry in self._cache.entries():
                Path(entry.path).write_bytes(index)
        # The user's cache too: a program of an earlier test may be given up, and saved, now.
        own = cache_directory()
        with watch_writes(self.directory / "cache", *([own] if own else [])) as written:
            started = time.process_time()
            end = self._examine(number, with_cache)
            seconds = time.process_time() - started
        assert not written, written
        return Outcome(kind, end, seconds)

    def _examine(self, number: int, with_cache: bool) -> str:
        # One of the uses: they are independent, and all of them take long.
        chosen = random.Random(number).choices(USES, _WEIGHTS)
        try:
            if with_cache:
                build = open_build(self._file, cache=self._cache)
                list_cached(self._cache)
            else:
                build = open_build(self._file)
            errors = use_build(build, chosen)
        except IdoldbgError as error:
            assert str(error), error
            errors = {type(error).__name__}
        return " ".join(sorted(errors)) or "result"
