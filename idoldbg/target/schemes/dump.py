"""`dump:PATH`: a core dump, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.build.load import Build
    from idoldbg.model.archive import Archive
    from idoldbg.target.link import BaseLink


def _open_with(spec: Spec, archive: Archive) -> Build:
    from idoldbg.build.load import open_dump as open_file

    return open_file(spec.rest or "", archive)


@opener(
    "dump:PATH",
    site=lambda _: Site.FILE,
    build=lambda spec: spec.rest,
    open_with=_open_with,
)
def open_dump(spec: Spec, wanted: Wanted) -> BaseLink:
    """Open a core dump to be read with a build."""
    from idoldbg.build.load.dump_file import DumpFile
    from idoldbg.target.dump import DumpLink, RegisterDumpLink

    path = spec.rest or ""
    build = wanted.build
    if build is None or build.dump_path != path:
        build = _open_with(spec, wanted.archive)
    for notice in build.notices:
        wanted.notify(notice)
    dump = DumpFile(None, build.dump_segments, build.registers or {}, build.task, build.ticks)
    link = RegisterDumpLink if dump.registers else DumpLink
    return link(build.memory, dump, path=path, task=build.task_name)
