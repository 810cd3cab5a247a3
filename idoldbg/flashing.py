"""Programs a board with a build, by whatever link it has: checks, programs, verifies, sees it boot.

`flash_board` is what `idoldbg flash` and labgrid's driver do. Whatever fails before the flash is
touched raises as elsewhere; from then on it is a `FlashError` that says what the board has now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from idol.records import dataclass, replace
from idoldbg.errors import (
    ArchiveError,
    ArgumentError,
    CallError,
    FaultError,
    FlashError,
    IdoldbgError,
    LinkError,
    MismatchError,
    ProbeNotFound,
    Unsupported,
)
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board, Core, MemoryKind, match_boards
from idoldbg.model.memory import Segment, read_u32
from idoldbg.session import (
    Session,
    TargetOptions,
    choose_spec,
    get_board,
    open_program,
    open_session,
)
from idoldbg.startup import has_handoff, reset, wait_until_up
from idoldbg.target.board_files import board_names, load_board
from idoldbg.target.capability import Flash, FlashImage, Identity, Progress
from idoldbg.target.chosen_board import refuse_processor
from idoldbg.target.emulated.entries import read_board_entries
from idoldbg.target.emulated.pyocd_probe.boards import RUNNING_PREFIX
from idoldbg.target.emulated.socket import connect_board
from idoldbg.target.open import Site, find_scheme
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from idoldbg.build.program import Program

__all__ = ["Compared", "Flashed", "compare_board", "flash_board"]

Notify = Callable[[str], None]
VERIFY_CHUNK = 16 << 10
COMPARE_PIECE = 1 << 10  # bytes that a page of erased flash may cost
CPUID = 0xE000ED00
# CPUID.PartNo (Armv7-M ARM B3.2.3 and the processors' manuals).
PARTS = {
    0xC60: Core.CORTEX_M0PLUS,
    0xC24: Core.CORTEX_M4,
    0xC27: Core.CORTEX_M7,
    0xD21: Core.CORTEX_M33,
}
LOCAL_HOSTS = ("localhost", "127.0.0.1")


def _ignore(_notice: str) -> None:
    """Drop what nobody asked for."""


def _no_progress(_phase: str, _fraction: float) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class Flashed:
    """Result of flashing. `image_id` is hexadecimal, "" for builds without; `size` is in bytes.

    `written` is False where the board had the image already, and only that was asked for.
    """

    spec: str
    board: str
    archive: str
    image_id: str
    size: int
    seconds: float
    written: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """A board's flash beside a build: how many of the build's `size` bytes differ there.

    `first` is the address of the first that does, None where all are the same. Bytes that cannot be
    read, as of flash that is erased, differ.
    """

    spec: str
    board: str
    archive: str
    image_id: str
    size: int
    different: int
    first: int | None


@dataclass(frozen=True, slots=True)
class _Job:
    """Image to program, and how strict to be."""

    options: TargetOptions
    program: Program
    board: Board
    segments: tuple[Segment, ...]
    force: bool
    under_reset: bool
    notify: Notify
    progress: _Phases

    @property
    def archive(self) -> Archive:
        return self.program.archive

    @property
    def size(self) -> int:
        return sum(len(segment.data) for segment in self.segments)

    @property
    def path(self) -> str:
        return str(Path(self.archive.path).absolute())

    @property
    def image_id(self) -> str:
        return (self.archive.image_id or b"").hex()


def flash_board(
    options: TargetOptions,
    *,
    force: bool = False,
    under_reset: bool = False,
    if_different: bool = False,
    notify: Notify = _ignore,
    progress: Progress = _no_progress,
) -> Flashed:
    """Program the build of the options onto the target that they mean, and wait until it is up.

    `force` goes on where build, board and chip do not seem to belong together. `under_reset`
    connects a probe while it holds the reset line. With `if_different` nothing is written, and the
    target goes on as it is, where its flash holds every byte of the build.

    Raises `MismatchError` where they do not, `Unsupported` where the link cannot or pyOCD lacks
    the chip's flash algorithm, `FlashError` once the flash has been touched.
    """
    begin = time.monotonic()
    job = _prepare(options, force, under_reset, notify, progress)
    try:
        used, is_written = _flash(job, if_different=if_different)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(job.progress.description())
        raise
    return Flashed(
        spec=used,
        board=job.board.name,
        archive=job.archive.path,
        image_id=job.image_id,
        size=job.size,
        seconds=time.monotonic() - begin,
        written=is_written,
    )


def compare_board(
    options: TargetOptions,
    *,
    force: bool = False,
    notify: Notify = _ignore,
    progress: Progress = _no_progress,
) -> Compared:
    """Compare a target's flash with the build, writing nothing; errors as `flash_board`."""
    job = _prepare(options, force, False, notify, progress)
    with open_session(job.options, notify=notify, program=job.program) as session:
        flash = session.target.need(Flash)
        _check_core(job, session)
        _check_identity(job, flash.identify())
        different, first = _compare(job, session)
        spec = str(session.target.spec)
    archive = job.archive.path
    return Compared(spec, job.board.name, archive, job.image_id, job.size, different, first)


def _prepare(
    options: TargetOptions, force: bool, under_reset: bool, notify: Notify, progress: Progress
) -> _Job:
    """Choose target, build and board; raise `MismatchError` where they do not belong together."""
    try:
        spec = choose_spec(options, notify, falls_back=False)
    except ProbeNotFound:
        _refuse_processor(options)  # a probe would not help
        raise
    scheme = find_scheme(spec)
    if scheme.site(spec) is Site.FILE:
        raise Unsupported(
            f"{spec} cannot be flashed; use a probe or an emulated board",
            capability="flash",
            link=str(spec),
        )
    if options.archive is None and options.board is None and not scheme.knows_build(spec):
        raise ArgumentError("give the build to flash", name="ARCHIVE")
    program = open_program(options)
    job = _Job(
        replace(options, probe=str(spec)),
        program,
        get_board(options, program.archive),
        program.archive.flash_segments(),
        force,
        under_reset,
        notify,
        _Phases(progress),
    )
    _check_fits(job)
    return job


class _Phases:
    """Passes progress on, and remembers how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._phase = ""
        self.is_atomic = False
        """Whether all of an image is programmed or nothing."""

    def __call__(self, phase: str, fraction: float) -> None:
        self._phase = phase
        self._progress(phase, fraction)

    def look(self, fraction: float) -> None:
        """Pass on how much was compared, while nothing is changed."""
        self._progress("compare", fraction)

    def description(self) -> str:
        """Describe what the board has now."""
        match self._phase:
            case "":
                return "nothing was changed on the board"
            case "erase" | "program" if self.is_atomic:
                return "the board has its old image, or all of the new one"
            case "erase" | "program":
                return (
                    "the flash is partly written, and the board does not run until it is flashed "
                    "again"
                )
            case "verify":
                return "the image was programmed, but not verified"
        return "the image is in the flash, verified, but was not seen to come up"


# ---------------------------------------------------------------------- checks


def _check_fits(job: _Job) -> None:
    """Refuse a build with bytes where the board has no flash, and one for another board."""
    if not job.segments:
        raise ArgumentError(f"`{job.archive.path}` has nothing to flash", name="ARCHIVE")
    regions = [r for r in job.board.memory() if r.kind is MemoryKind.FLASH]
    spans = [(start, start + r.size) for r in regions for start in (r.address, *r.aliases)]
    for segment in job.segments if job.board.chip.is_modelled else ():
        if not any(low <= segment.address and segment.end <= high for low, high in spans):
            raise MismatchError(
                f"the build has {len(segment.data)} bytes at 0x{segment.address:08x}, where "
                f"`{job.board.name}` has no flash; it is for another board",
                expected=job.board.name,
                actual=job.archive.board,
            )
    own = job.archive.board
    if own and own not in (job.board.name, *job.board.archive_names):
        _refuse(job, f"the build is for board `{own}`", own)


def _check_identity(job: _Job, found: Identity | None) -> None:
    """Refuse where the target says that it is, or is part of, another board."""
    if found is None:
        return
    if found.is_certain:
        is_other = found.board != job.board.name
    else:
        known = [load_board(name) for name in board_names()]
        boards = match_boards(known, found.board, found.pyocd_target)
        chips = {board.chip.name for board in known if board.name in boards}
        is_other = bool(boards) and job.board.name not in boards
        is_other = is_other and job.board.chip.name not in chips
    if is_other:
        _refuse(job, f"{found.description} {found.board}", found.board)


def _check_core(job: _Job, session: Session) -> None:
    """Refuse where the processor is another one than the board's."""
    part = PARTS.get(read_u32(session.link, CPUID) >> 4 & 0xFFF)
    if part is not None and job.board.chip.core not in (None, part):
        _refuse(job, f"the target is a {part}, not a {job.board.chip.core}", str(part))


def _refuse_processor(options: TargetOptions) -> None:
    """Raise `Unsupported` for a build that no target runs; a build that cannot be read is none."""
    with suppress(ArchiveError):
        refuse_processor(open_program(options).archive, "pyocd")


def _refuse(job: _Job, what: str, actual: str) -> None:
    if job.force:
        job.notify(f"{what}, and is flashed all the same")
        return
    raise MismatchError(
        f"{what}, and the board to flash is `{job.board.name}`; nothing was changed. Give the "
        "right --board or build, or --force if you know better",
        expected=job.board.name,
        actual=actual,
    )


# ---------------------------------------------------------------------- programming


def _flash(job: _Job, *, if_different: bool) -> tuple[str, bool]:
    """Program, verify, see it boot; return the SPEC that was used, and whether it was needed."""
    with open_session(
        job.options, notify=job.notify, program=job.program, attaches=not job.under_reset
    ) as session:
        flash = session.target.need(Flash)
        job.progress.is_atomic = flash.is_atomic
        if not job.under_reset:
            _check_core(job, session)
        _check_identity(job, flash.identify())
        if if_different and _compare(job, session) == (0, None):
            return str(session.target.spec), False
        image = FlashImage(job.segments, job.board, job.path, job.image_id, job.under_reset)
        flash.flash(image, job.progress)
        _verify(job, session)
        _name_image(job, session.target.spec)
        _see_it_boot(job, session)
        return str(session.target.spec), True


def _compare(job: _Job, session: Session) -> tuple[int, int | None]:
    """Return how many bytes of the build the flash does not hold, and the address of the first."""
    different, first, done = 0, None, 0
    for address, data in _chunks(job.segments):
        at = _differences(session, address, data)
        different += len(at)
        if first is None and at:
            first = address + at[0]
        done += len(data)
        job.progress.look(done / job.size)
    return different, first


def _differences(session: Session, address: int, data: bytes) -> list[int]:
    """Return the offsets of bytes that differ; where a piece cannot be read, all of it does."""
    found: list[int] = []
    for offset in range(0, len(data), COMPARE_PIECE):
        piece = data[offset : offset + COMPARE_PIECE]
        try:
            held = session.link.read(address + offset, len(piece))
        except FaultError:
            found += range(offset, offset + len(piece))
            continue
        if held != piece:
            pairs = enumerate(zip(held, piece, strict=True), offset)
            found += [at for at, (a, b) in pairs if a != b]
    return found


@contextmanager
def _after_flashing(spec: str) -> Iterator[None]:
    try:
        yield
    except IdoldbgError as error:
        raise FlashError(
            f"{error}; the image was programmed, but could not be verified",
            state="unverified",
            link=spec,
        ) from error


# ---------------------------------------------------------------------- afterwards


def _verify(job: _Job, session: Session) -> None:
    """Read back every byte."""
    total, done = sum(len(s.data) for s in job.segments), 0
    for address, data in _chunks(job.segments):
        with _after_flashing(session.link.spec):
            found = session.link.read(address, len(data))
        if found != data:
            at = next(i for i, (a, b) in enumerate(zip(found, data, strict=True)) if a != b)
            raise FlashError(
                f"{session.link.spec}: the flash holds 0x{found[at]:02x} at "
                f"0x{address + at:08x}, where the build has 0x{data[at]:02x}; flash it again, and "
                "if that does not help, the flash is worn out or protected",
                state="unverified",
                link=session.link.spec,
            )
        done += len(data)
        job.progress("verify", done / total)


def _chunks(segments: Sequence[Segment]) -> Iterator[tuple[int, bytes]]:
    for segment in segments:
        for offset in range(0, len(segment.data), VERIFY_CHUNK):
            yield segment.address + offset, segment.data[offset : offset + VERIFY_CHUNK]


def _name_image(job: _Job, spec: Spec) -> None:
    """Name the new image to a running board that was flashed through pyOCD."""
    kind, rest = spec.scheme, spec.rest or ""
    if kind == "pyocd" and rest.startswith(RUNNING_PREFIX):
        name = rest.removeprefix(RUNNING_PREFIX)
    else:
        name = _name_behind(kind, rest)
    if name:
        with suppress(LinkError), connect_board(name) as board:  # it just went: nothing to tell
            segments = [(s.address, s.data) for s in job.segments]
            board.name_image(segments, archive=job.path, image_id=job.image_id)


def _name_behind(kind: str, address: str) -> str:
    """Return the running board whose own probe server that is, "" for none."""
    host, _, port = address.rpartition(":")
    if kind != "remote" or host not in LOCAL_HOSTS:
        return ""
    return next((e.name for e in read_board_entries() if str(e.pyocd_port) == port), "")


def _see_it_boot(job: _Job, session: Session) -> None:
    job.progress("boot", 0.0)
    if has_handoff(job.archive):
        reset(session)  # once more, with its token: the reset of programming had none
    try:
        wait_until_up(session)
    except (CallError, MismatchError, FaultError, LinkError) as error:
        raise FlashError(
            f"{error}; the image is in the flash, verified, but did not come up",
            state="not-running",
            link=session.link.spec,
        ) from error
    job.progress("boot", 1.0)
