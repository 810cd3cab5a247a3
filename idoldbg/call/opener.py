"""Opens what makes calls on a target: its own transport, or hiffy's mailbox in its memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from idoldbg.build.kept import LAYOUT
from idoldbg.build.program import Program
from idoldbg.call.caller import Caller
from idoldbg.call.forensics import Forensics
from idoldbg.call.hiffy import HiffyLayout, build_layout
from idoldbg.call.hiffy.layout import find_variables
from idoldbg.call.hiffy.mailbox import Mailbox, random_tag
from idoldbg.call.hiffy.status import ImageMark
from idoldbg.call.hiffy.transport import HIFFY, HiffyTransport, LiveTarget
from idoldbg.call.transport import Transport
from idoldbg.errors import DebugInfoError, NotCallable, NotFound
from idoldbg.model.archive import Archive, TaskImage
from idoldbg.model.memory import MemoryImage, TagSource
from idoldbg.views.tasks import table_address, task_type

__all__ = ["TransportSource", "find_layout", "open_caller", "open_hiffy"]


@runtime_checkable
class TransportSource(Protocol):
    """A target that carries messages itself, such as a task that listens on a network."""

    def open_transport(self, program: Program) -> Transport:
        """Return its transport for this build."""


def open_caller(
    program: Program,
    target: LiveTarget | TransportSource,
    *,
    timeout_s: float,
    notify: Callable[[str], None] = lambda _: None,
) -> Caller:
    """Return what makes calls on a target; nothing is read, or looked up in the build, yet.

    A target that carries messages itself needs no memory: there is nothing to read after a failure.
    """
    if isinstance(target, TransportSource):
        transport = target.open_transport(program)
        return Caller(program, transport, None, timeout_s=timeout_s, notify=notify)
    hiffy = open_hiffy(program, target)
    forensics = Forensics(program, hiffy)
    return Caller(program, hiffy, forensics, timeout_s=timeout_s, notify=notify)


def open_hiffy(program: Program, target: LiveTarget) -> HiffyTransport:
    """Return the transport through the image's hiffy; its debug information is read later."""

    def open_mailbox(mark: ImageMark | None) -> Mailbox:
        return Mailbox(
            find_layout(program),
            mark=mark,
            ticks=program.kernel_address("TICKS"),
            make_tag=target.make_tag if isinstance(target, TagSource) else random_tag,
        )

    return HiffyTransport(target, partial(_find_marks, program.archive), open_mailbox)


def _find_marks(archive: Archive) -> list[ImageMark]:
    marks = []
    if archive.image_id is not None and archive.image_id_address is not None:
        marks.append(ImageMark("image id", archive.image_id_address, archive.image_id))
    if archive.vector_table is not None:
        vectors = MemoryImage(archive.flash_segments()).read(archive.vector_table, 8)
        marks.append(ImageMark("vector table", archive.vector_table, vectors))
    return marks


def find_layout(program: Program) -> HiffyLayout:
    """Return hiffy's layout in a build; raise `NotCallable`, `DebugInfoError`."""
    processor = program.archive.other_processor
    if processor:
        raise NotCallable(
            f"this build is for {processor}: calls are made on Arm processors only, and of "
            "other builds no more than types, interfaces and core dumps can be read"
        )
    try:
        task = program.task(HIFFY)
    except NotFound:
        raise NotCallable(
            "this image has no task called hiffy, which is what makes calls for a debugger; "
            "add it to the application (see Hubris's app/*.toml)"
        ) from None
    return program.recall(LAYOUT, "", lambda: _read_layout(program, task))


def _read_layout(program: Program, task: TaskImage) -> HiffyLayout:
    variables = find_variables(program.object(HIFFY).find_variables)
    entry = task_type(program)
    address = table_address(program) + task.index * entry.size
    try:
        return build_layout(
            variables,
            task_entry=(address, entry),
            task_names=[t.name for t in program.archive.tasks],
        )
    except DebugInfoError as error:
        error.archive = program.archive.path  # which the layout knows nothing of
        raise
