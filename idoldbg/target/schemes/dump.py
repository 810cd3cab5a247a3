"""`dump:PATH`: a core dump, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.model.archive import Archive
    from idoldbg.target.link import BaseLink


def _check_build(spec: Spec, archive: Archive) -> None:
    from idoldbg.build.load import open_dump as open_file

    open_file(spec.rest or "", archive)


@opener(
    "dump:PATH",
    site=lambda _: Site.FILE,
    build=lambda spec: spec.rest,
    check_build=_check_build,
)
def open_dump(spec: Spec, wanted: Wanted) -> BaseLink:
    """Open a core dump to be read with a build."""
    from idoldbg.build.load import open_dump as open_file
    from idoldbg.build.load.dump_file import DumpFile
    from idoldbg.target.dump import DumpLink, RegisterDumpLink

    path = spec.rest or ""
    build = open_file(path, wanted.archive)
    for notice in build.notices:
        wanted.notify(notice)
    dump = DumpFile(None, build.dump_segments, build.registers or {}, build.task, build.ticks)
    link = RegisterDumpLink if dump.registers else DumpLink
    return link(build.memory, dump, path=path, task=build.task_name)
