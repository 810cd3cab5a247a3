"""Probes for gdb's server: where the target of a SPEC is, and how it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, FaultError, Unsupported
from idoldbg.model.memory import read_u32
from idoldbg.session import Session, choose_spec, open_session
from idoldbg.startup import check_image, settle
from idoldbg.target.chosen_board import refuse_processor
from idoldbg.target.open import Notify, TargetOptions
from idoldbg.target.spec import Spec
from idoldbg.target.target import Target
from idoldbg.views.tasks import is_halted

if TYPE_CHECKING:
    from idoldbg.gdb.server import Found
    from idoldbg.target.host_lock import HostLock
    from idoldbg.target.probe.settings import ProbeOptions

__all__ = ["Place", "finding"]

DEMCR = 0xE000EDFC  # Debug Exception and Monitor Control Register
EMULATED = (Spec("emu"), Spec("pyocd", "emu"))
RUNNING = ("emu", "board")  # schemes of boards that another process keeps


@dataclass(frozen=True, slots=True)
class Place:
    """A target that nobody has open here, whose image was compared with the build."""

    spec: str
    make_driver: Callable[[], Any]
    options: ProbeOptions
    found: Found


@contextmanager
def finding(options: TargetOptions, program: Program, notify: Notify) -> Iterator[Place]:
    """Find the target of `--probe`, and keep other idoldbg processes from it.

    Raises what opening a session does, `MismatchError` for another image, `Unsupported` for what
    does not run.
    """
    spec = choose_spec(options, notify, build=program.build)
    if spec in EMULATED:
        with _emulated(options, program, notify) as place:
            yield place
        return
    if spec.scheme not in ("pyocd", "remote", *RUNNING):
        raise _refusal(spec)
    with open_session(options, notify=notify, program=program) as session:
        check_image(session)
        settle(session)
        found, link_spec = _look(session), session.target.spec
    if spec.scheme in RUNNING:
        yield _running(spec, options, program, found)
        return
    place, lock = _probe(link_spec, options, program, notify, found)
    try:
        yield place
    finally:
        if lock is not None:
            lock.release()


def _refusal(spec: Spec) -> Exception:
    if spec.scheme in ("gdb", "openocd"):
        return ArgumentError(
            f"{spec} has a gdb server of its own: connect gdb to that one (`target remote`); "
            "threads of tasks need a probe that pyOCD drives",
            name="--probe",
        )
    return Unsupported(
        f"{spec} is not a running core: gdb needs a probe (`--probe pyocd`), the emulated board "
        "(`--probe emu`), or a core dump (`idoldbg gdb FILE`)",
        capability="run",
        link=str(spec),
    )


def _look(session: Session) -> Found:
    from idoldbg.gdb.server import Found

    try:
        demcr = read_u32(session.link, DEMCR)
    except FaultError:
        demcr = 0
    return Found(is_halted(session.link), demcr)


@contextmanager
def _emulated(options: TargetOptions, program: Program, notify: Notify) -> Iterator[Place]:
    """Make a board, and let it start its tasks; it lives as long as the block."""
    from idoldbg.target.emulated.making import emulate
    from idoldbg.target.probe.link import open_driver  # pyOCD, before its plug-ins

    # isort: split
    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
    from idoldbg.target.emulated.pyocd_probe.boards import OfferedBoard
    from idoldbg.target.probe.settings import probe_options

    refuse_processor(program.archive, "emu")
    made = emulate(options, program.archive)
    if options.probe is None and options.archive is not None:
        notify(f"no debug probe is connected: running on an emulated {made.board.name}")
    for notice in made.notices:
        notify(notice)
    offer = OfferedBoard("emu", made.board.name, lambda: made)
    how = probe_options(options, program.archive, notify)
    make_driver = partial(EmulatedProbe, offer)
    target = Target(open_driver("emu", make_driver, how))
    program.memory = target.memory
    with Session(program, target, options.timeout_s, notify) as session:
        settle(session)
        found = _look(session)
    yield Place("emu", make_driver, how, found)


def _running(spec: Spec, options: TargetOptions, program: Program, found: Found) -> Place:

    # isort: split
    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
    from idoldbg.target.emulated.pyocd_probe.boards import OfferedBoard
    from idoldbg.target.emulated.socket import connect_board
    from idoldbg.target.probe.settings import probe_options

    name = spec.rest or ""
    offer = OfferedBoard(name, name, partial(connect_board, name, clock="wall"), stays_up=True)
    how = probe_options(options, program.archive)
    return Place(str(spec), partial(EmulatedProbe, offer), how, found)


def _probe(
    spec: Spec, options: TargetOptions, program: Program, notify: Notify, found: Found
) -> tuple[Place, HostLock | None]:
    from idoldbg.target.link_lock import lock_link
    from idoldbg.target.probe.probes import choose_probe, find_probes, lock_probe
    from idoldbg.target.probe.remote import RemoteProbe
    from idoldbg.target.probe.settings import probe_options

    how = probe_options(options, program.archive, notify)
    if spec.scheme == "remote":
        host, _, port = (spec.rest or "").rpartition(":")
        lock: HostLock | None = lock_link(str(spec), str(spec), how.wait_s, how.on_wait)
        make_driver: Callable[[], Any] = lambda: RemoteProbe(host, int(port), how.limit_s)  # noqa: E731
        return Place(str(spec), make_driver, how, found), lock
    chosen = choose_probe(find_probes()[0], spec.rest)
    lock = lock_probe(chosen.info, how.wait_s, how.on_wait)
    return Place(str(spec), lambda: chosen.driver, how, found), lock
