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
from idoldbg.startup import wait_until_up
from idoldbg.target.capability import Flash
from idoldbg.target.chosen_board import refuse_processor
from idoldbg.target.emulated.entries import read_board_entries
from idoldbg.target.emulated.making import emulate
from idoldbg.target.emulated.pyocd_probe.boards import (
    RUNNING_PREFIX,
    register_board,
    unregister_board,
)
from idoldbg.target.emulated.socket import connect_board
from idoldbg.target.schemes.remote import split_address
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from idoldbg.build.program import Program
    from idoldbg.target.probe.probes import ProbeInfo

__all__ = ["Flashed", "flash_board"]

Notify = Callable[[str], None]
Progress = Callable[[str, float], None]
"""Gets `erase`, `program`, `verify` or `boot`, and how much of it is done, from 0 to 1."""

VERIFY_CHUNK = 16 << 10
CPUID = 0xE000ED00
# CPUID.PartNo (Armv7-M ARM B3.2.3 and the processors' manuals).
PARTS = {
    0xC60: Core.CORTEX_M0PLUS,
    0xC24: Core.CORTEX_M4,
    0xC27: Core.CORTEX_M7,
    0xD21: Core.CORTEX_M33,
}
LOCAL_HOSTS = ("localhost", "127.0.0.1")
OWN_PROBE = "emu-flashed"  # the probe of the board that `pyocd:emu` means, for as long as it takes


def _ignore(_notice: str) -> None:
    """Drop what nobody asked for."""


def _no_progress(_phase: str, _fraction: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was done. `image_id` is hexadecimal, "" for builds without one; `size` is in bytes."""

    spec: str
    board: str
    archive: str
    image_id: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Job:
    """What to program and how strict to be."""

    options: TargetOptions
    program: Program
    board: Board
    segments: tuple[Segment, ...]
    force: bool
    under_reset: bool
    notify: Notify
    progress: Progress

    @property
    def archive(self) -> Archive:
        return self.program.archive

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
    notify: Notify = _ignore,
    progress: Progress = _no_progress,
) -> Flashed:
    """Program the build of the options onto the target that they mean, and wait until it is up.

    `force` goes on where build, board and chip do not seem to belong together. `under_reset`
    connects a probe while it holds the reset line.

    Raises `MismatchError` where they do not, `Unsupported` where the link cannot or pyOCD lacks
    the chip's flash algorithm, `FlashError` once the flash has been touched.
    """
    begin = time.monotonic()
    try:
        spec = choose_spec(options, notify, falls_back=False)
    except ProbeNotFound:
        _refuse_processor(options)  # a probe would not help
        raise
    kind, rest = spec.scheme, spec.rest or ""
    if kind not in ("emu", "pyocd", "remote"):
        raise Unsupported(
            f"{spec} cannot be flashed; use a probe or an emulated board",
            capability="flash",
            link=str(spec),
        )
    if kind in ("pyocd", "remote") and options.archive is None and options.board is None:
        raise ArgumentError("give the build to flash", name="ARCHIVE")
    program = open_program(options)
    phases = _Phases(progress)
    job = _Job(
        replace(options, probe=str(spec)),
        program,
        get_board(options, program.archive),
        program.archive.flash_segments(),
        force,
        under_reset,
        notify,
        phases,
    )
    _check_fits(job)
    try:
        used = _flash(job, kind, rest)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(phases.words(is_atomic=kind == "emu"))
        raise
    return Flashed(
        spec=used,
        board=job.board.name,
        archive=program.archive.path,
        image_id=job.image_id,
        size=sum(len(s.data) for s in job.segments),
        seconds=time.monotonic() - begin,
    )


class _Phases:
    """Passes progress on, and remembers how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._phase = ""

    def __call__(self, phase: str, fraction: float) -> None:
        self._phase = phase
        self._progress(phase, fraction)

    def words(self, *, is_atomic: bool) -> str:
        """Say what the board has now; `is_atomic` programs all of the image or nothing."""
        match self._phase:
            case "":
                return "nothing was changed on the board"
            case "erase" | "program" if is_atomic:
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


def _check_probe(job: _Job, info: ProbeInfo) -> None:
    """Refuse where the probe says that it is part of another board."""
    from idoldbg.target.board_files import board_names, load_board

    known = [load_board(name) for name in board_names()]
    boards = match_boards(known, info.board_guess, info.target_guess)
    if (
        boards
        and job.board.name not in boards
        and job.board.chip.name not in {b.chip.name for b in known if b.name in boards}
    ):
        name = info.board_guess or info.target_guess or ""
        _refuse(job, f"probe {info.unique_id} is part of a {name}", name)


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


def _flash(job: _Job, kind: str, rest: str) -> str:
    """Program, verify, see it boot; return the SPEC that was used."""
    spec = f"{kind}:{rest}" if rest else kind
    if kind == "emu":
        session = _flash_emulated(job, rest)
    else:
        session = _flash_through_pyocd(job, kind, rest)
    with session as opened:
        _verify(job, opened)
        _name_image(job, opened.link.spec)
        _see_it_boot(job, opened)
        return spec if OWN_PROBE in opened.link.spec else opened.link.spec


@contextmanager
def _flash_emulated(job: _Job, where: str) -> Iterator[Session]:
    """Program an emulated board directly: its flash takes what is written."""
    segments = [(s.address, s.data) for s in job.segments]
    job.progress("program", 0.0)
    if where:
        with connect_board(where) as board:
            found = str(board.status().get("board"))
            if found != job.board.name:
                _refuse(job, f"emu:{where} is a {found}", found)
            board.lock()  # not in the middle of somebody's call
            board.flash(segments, archive=job.path, image_id=job.image_id)
    with open_session(job.options, notify=job.notify, program=job.program) as session:
        if not where:
            session.target.need(Flash).flash(segments)
        job.progress("program", 1.0)
        yield session


@contextmanager
def _flash_through_pyocd(job: _Job, kind: str, rest: str) -> Iterator[Session]:
    from idoldbg.target.probe.flash import FlashPlan, flash_local, flash_remote
    from idoldbg.target.probe.settings import probe_options

    if (kind, rest) == ("pyocd", "emu"):
        with _own_probe(job) as unique_id:
            own = replace(job, options=replace(job.options, probe=f"pyocd:{unique_id}"))
            with _flash_through_pyocd(own, kind, unique_id) as session:
                yield session
        return
    if not job.under_reset:
        with open_session(job.options, notify=job.notify, program=job.program) as session:
            _check_core(job, session)
    plan = FlashPlan(job.board, job.segments, job.under_reset)
    how = probe_options(job.options, job.archive, job.notify)
    if kind == "remote":
        spec = flash_remote(*split_address(Spec(kind, rest)), plan, how, progress=job.progress)
    else:
        spec = flash_local(
            rest or None,
            plan,
            how,
            check=lambda info: _check_probe(job, info),
            progress=job.progress,
        )
    with _after_flashing(spec):
        session = open_session(replace(job.options, probe=spec), program=job.program)
    with session:
        yield session


@contextmanager
def _own_probe(job: _Job) -> Iterator[str]:
    """Offer the board of this process as a probe: one board to flash and to look at afterwards."""
    register_board(OWN_PROBE, lambda: emulate(job.options, job.archive), board_name=job.board.name)
    try:
        yield OWN_PROBE
    finally:
        unregister_board(OWN_PROBE)


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


def _name_image(job: _Job, spec: str) -> None:
    """Tell a board that is kept running, and was flashed through pyOCD, what it runs now."""
    kind, rest = Spec.parse(spec).scheme, Spec.parse(spec).rest or ""
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
    try:
        wait_until_up(session)
    except (CallError, MismatchError, FaultError, LinkError) as error:
        raise FlashError(
            f"{error}; the image is in the flash, verified, but did not come up",
            state="not-running",
            link=session.link.spec,
        ) from error
    job.progress("boot", 1.0)
