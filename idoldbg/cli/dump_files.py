"""Core dumps that commands take as files, without a target."""

from __future__ import annotations

from idol.records import dataclass
from idoldbg.build.load import open_build, open_dump, read_dump_file
from idoldbg.build.load.archive_zip import read_archive
from idoldbg.build.load.dump_file import DumpFile
from idoldbg.build.program import Program
from idoldbg.cli.options import RUNNING_FLAGS, Settings, options_except
from idoldbg.errors import ArchiveError, MismatchError
from idoldbg.model.memory import MemoryImage
from idoldbg.opening import TargetOptions, open_program
from idoldbg.views.dump_info import DumpInfo, read_info
from idoldbg.views.source import Caution, Source

__all__ = ["FILES", "OpenedDump", "open_dump_file"]

FILES = options_except(unused=("--board", "--probe", *RUNNING_FLAGS))


@dataclass(frozen=True, slots=True)
class OpenedDump:
    """A dump, and the build that it is read with, None where none is at hand.

    `doubt` and `mismatch` are as in `DumpInfo`.
    """

    path: str
    dump: DumpFile
    program: Program | None
    doubt: str = ""
    mismatch: str = ""

    def info(self) -> DumpInfo:
        """Describe the dump."""
        program = self.program
        is_inside = program is not None and program.archive.path == self.path
        return read_info(
            self.path, self.dump, program, is_inside=is_inside, doubt=self.doubt,
            mismatch=self.mismatch,
        )  # fmt: skip

    def source(self) -> Source:
        """Return the origin of answers about it."""
        info = self.info()
        problems = [("unchecked-build", self.doubt), ("image-mismatch", self.mismatch)]
        return Source(
            "dump" if self.dump.task is None else "task-dump",
            self.path if info.build is None else info.build.path,
            "" if info.build is None else info.build.image_id,
            info.ticks,
            True,
            tuple(Caution(code, message) for code, message in problems if message),
        )

    def same_build(self, other: OpenedDump) -> Program:
        """Return the build of both; raise `MismatchError` where there are two."""
        for each in (self, other):
            if each.program is None:
                raise ArchiveError(
                    f"{each.path}: has no build inside; give it with --archive", path=each.path
                )
            if each.mismatch:
                raise MismatchError(each.mismatch, expected="", actual="")
        assert self.program is not None and other.program is not None
        ids = [each.program.archive.image_id for each in (self, other) if each.program]
        tables = [each.program.archive.vector_table for each in (self, other) if each.program]
        if len({*ids}) > 1 or len({*tables}) > 1:
            shown = [each.hex() if each else "none" for each in ids]
            raise MismatchError(
                f"{self.path} and {other.path} are dumps of different builds: their image ids are "
                f"{shown[0]} and {shown[1]}",
                expected=shown[0],
                actual=shown[1],
            )
        return self.program


def open_dump_file(settings: Settings, path: str) -> OpenedDump:
    """Open a dump with the build of `--archive`, else with its own, else with none."""
    dump = read_dump_file(path)
    archive = None if settings.archive is None else open_build(settings.archive).archive
    if archive is None and dump.archive is None:
        return OpenedDump(path, dump, None)
    try:
        if archive is None:
            return OpenedDump(path, dump, open_program(_options(settings, path)))
        build = open_dump(path, archive)
    except MismatchError as error:
        archive = archive or read_archive(path, dump.archive or b"")
        memory = MemoryImage(dump.segments)
        return OpenedDump(path, dump, Program(archive, memory), mismatch=str(error))
    doubt = "; ".join(n for n in build.notices if "cannot be checked" in n)
    return OpenedDump(path, dump, Program(archive, build.memory), doubt)


def _options(settings: Settings, path: str) -> TargetOptions:
    return TargetOptions(archive=path, use_cache=not settings.no_cache)
