"""Check that a core dump and a build belong together.

A dump is only as good as the debug information that it is read with. What tells builds apart is
what tells boards apart (`idoldbg.call.opener`): the image id, where it lies, and the vector table;
the two images of a slot pair share the id alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.build.cache import sha256
from idoldbg.build.load.dump_file import DumpFile
from idoldbg.errors import ArchiveError, DebugInfoError, FaultError, MismatchError
from idoldbg.model.archive import Archive, ImageFacts
from idoldbg.model.memory import MemoryImage

__all__ = ["check_dump_build"]

VECTORS_SIZE = 8  # the initial stack pointer and the reset handler


def check_dump_build(path: str, dump: DumpFile, own: Archive | None, build: Archive) -> str:
    """Compare the dump at `path` with the build that it is to be read with.

    `own` is the build inside the dump. Returns a sentence for the user where nothing can be
    compared, else "". Raises `MismatchError`.
    """
    pairs = list(_compare(dump, own, build))
    for what, expected, actual in pairs:
        if expected != actual:
            raise MismatchError(
                f"{path} is a dump of another build than {build.path}: its {what} is {actual}, "
                f"this build's is {expected}; give the build that the dump was taken of",
                expected=expected,
                actual=actual,
            )
    if pairs or own is not None:
        return ""
    return (
        f"whether {path} is a dump of {build.path} cannot be checked: neither the build nor its "
        "image id is in the dump"
    )


def _compare(dump: DumpFile, own: Archive | None, build: Archive) -> Iterator[tuple[str, str, str]]:
    """Yield what can be compared: its name, the build's value, the dump's."""
    facts = _facts(build)
    if own is not None and own is not build:
        yield "image id", _hex(facts.image_id), _hex(_facts(own).image_id)
        yield "vector table", _vectors(build), _vectors(own)
        if facts.image_id is None:  # builds of 2020 have none
            yield "flash (SHA-256)", _digest(build), _digest(own)
    if dump.image_id is not None:
        yield "image id", _hex(facts.image_id), _hex(dump.image_id)
    memory = MemoryImage(dump.segments)
    if facts.image_id is not None and facts.image_id_address is not None:
        actual = _read(memory, facts.image_id_address, len(facts.image_id))
        if actual is not None:
            yield "image id in memory", facts.image_id.hex(), actual.hex()
    if facts.vector_table is not None:
        actual = _read(memory, facts.vector_table, VECTORS_SIZE)
        expected = None if actual is None else _flashed(build, facts.vector_table)
        if actual is not None and expected is not None:
            yield "vector table in memory", expected.hex(), actual.hex()


def _facts(build: Archive) -> ImageFacts:
    """Return what tells the build from others; nothing where its kernel's file is damaged."""
    try:
        return build.facts
    except (ArchiveError, DebugInfoError):
        return ImageFacts(None, None, None)


def _vectors(build: Archive) -> str:
    """Return where the vector table is, and how it begins."""
    address = _facts(build).vector_table
    if address is None:
        return "none"
    return f"0x{address:08x}: {_hex(_flashed(build, address))}"


def _flashed(build: Archive, address: int) -> bytes | None:
    try:
        return _read(MemoryImage(build.flash_segments()), address, VECTORS_SIZE)
    except (ArchiveError, DebugInfoError):
        return None


def _digest(build: Archive) -> str:
    digest = sha256()
    try:
        for segment in build.flash_segments():
            digest.update(b"%x:%x:" % (segment.address, len(segment.data)) + segment.data)
    except (ArchiveError, DebugInfoError):
        return "unreadable"
    found: str = digest.hexdigest()
    return found


def _hex(data: bytes | None) -> str:
    return data.hex() if data else "none"


def _read(memory: MemoryImage, address: int, size: int) -> bytes | None:
    try:
        return memory.read(address, size)
    except FaultError:
        return None
