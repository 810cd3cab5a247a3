"""The one place where builds, boards and links are wired together.

`open_program` opens a build alone, for questions that need no target; `open_session` adds the link
that a SPEC names. Everything else in idoldbg receives these as arguments.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from idoldbg.build.learned import save_learned
from idoldbg.build.load import Build, may_be_dump
from idoldbg.build.program import Program
from idoldbg.call.opener import TransportSource, open_caller
from idoldbg.errors import (
    ArgumentError,
    LinkError,
    ProbeNotFound,
    TargetFileError,
)
from idoldbg.opening import (
    Notify,
    TargetOptions,
    demo_archive,
    demo_boards,
    emulated_board,
    find_build,
    ignore,
    open_program,
)
from idoldbg.target.chosen_board import find_board, get_board, refuse_processor
from idoldbg.target.open import Site, Wanted, find_scheme, open_target
from idoldbg.target.spec import Spec
from idoldbg.target.target import Target
from idoldbg.target.trace import Trace, Traffic
from idoldbg.target.usb import DEVICES, list_usb_devices

__all__ = [
    "Session",
    "TargetOptions",
    "attached_probe",
    "choose_spec",
    "demo_archive",
    "demo_boards",
    "emulated_board",
    "find_board",
    "find_build",
    "get_board",
    "open_program",
    "open_session",
]

EMULATED = Spec("emu")
NO_PROBE = "no debug probe is connected"


class Session:
    """A program on a target: the build's debug information over the link's memory."""

    def __init__(
        self,
        program: Program,
        target: Target,
        timeout_s: float,
        notify: Notify = ignore,
    ) -> None:
        self.program = program
        self.target = target
        self.timeout_s = timeout_s
        self.notify = notify
        source = target.need(TransportSource) if target.can(TransportSource) else target.memory
        self.caller = open_caller(program, source, timeout_s=timeout_s, notify=notify)
        """What makes the calls; it compares the images before it does anything else."""

    @property
    def link(self) -> Trace:
        """The target's memory, registers and run control."""
        return self.target.memory

    @property
    def traffic(self) -> Traffic:
        """Traffic over the link so far."""
        return self.link.traffic

    def close(self) -> None:
        """Let go of the target, and write down what was learned of the build."""
        try:
            self.target.close()
        finally:
            save_learned()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    options: TargetOptions,
    *,
    notify: Notify = ignore,
    program: Program | None = None,
    falls_back: bool = True,
    attaches: bool = True,
) -> Session:
    """Open the link that the options mean; `program` saves opening the build again.

    `falls_back` is that of `choose_spec`, `attaches` that of `Wanted`.
    `notify` gets sentences for the user, such as that the board's MPU is not enforced.
    """
    if program is None:
        program = open_program(options)
    _check_uart(options)
    try:
        spec = choose_spec(options, notify, falls_back=falls_back, build=program.build)
    except ProbeNotFound:
        refuse_processor(program.archive, "pyocd")  # a probe would not help
        raise
    target = _open_chosen(spec, Wanted(options, program.archive, notify, attaches, program.build))
    for notice in target.notices:
        notify(notice)
    if not target.can(TransportSource):  # else the build's own flash stays all there is to read
        program.memory = target.memory
        program.taken_at = target.ticks
    return Session(program, target, options.timeout_s, notify)


def choose_spec(
    options: TargetOptions,
    notify: Notify = ignore,
    *,
    falls_back: bool = True,
    build: Build | None = None,
) -> Spec:
    """Return the SPEC of `--probe`, or choose one.

    A core dump is itself, an attached probe wants to be used, else emulate. Without `falls_back`,
    for what changes a board, nothing else takes a probe's place: raises `ProbeNotFound`. `build`
    saves opening what may be a dump again.
    """
    if options.spec is not None:
        find_scheme(options.spec)
        return options.spec
    if options.archive is None and falls_back:
        return EMULATED
    if options.archive is not None:
        if build is None and may_be_dump(options.archive):
            build = find_build(options)
        if build is not None and build.is_dump:
            return Spec("dump", options.archive)
    probe = attached_probe()
    if probe is None and not falls_back:
        raise ProbeNotFound(
            f"{NO_PROBE}, and nothing was changed; connect one, or name the target: --probe "
            "board:NAME for a board of `idoldbg board start`, remote:HOST:PORT for a probe of "
            "another host"
        )
    if probe is None:
        return EMULATED
    notify(f"using the attached {probe}; `--probe emu` runs the image on an emulated board instead")
    return Spec("pyocd")


def _open_chosen(spec: Spec, wanted: Wanted) -> Target:
    """Open the target; say what runs where the user may have expected a board."""
    options, archive = wanted.options, wanted.archive
    is_fallback = options.probe is None and spec == EMULATED and attached_probe() is None
    if options.probe is None:
        find_board(options, archive)  # a board file with mistakes has nothing to do with probes
    try:
        if find_scheme(spec).site(spec) is not Site.FILE:
            refuse_processor(archive, str(spec))
        target = open_target(spec, wanted)
    except (ArgumentError, LinkError, TargetFileError) as error:
        if not is_fallback:
            raise
        raise ProbeNotFound(f"{NO_PROBE}, and none can be emulated: {error}") from error
    if is_fallback and options.archive is not None:
        wanted.notify(
            f"{NO_PROBE}: running on an {target.description} made for this command alone "
            "(`--probe emu` asks for it)"
        )
    return target


def _check_uart(options: TargetOptions) -> None:
    spec = options.spec
    if options.uart is None or spec is None or find_scheme(spec).site(spec) is Site.HERE:
        return
    raise ArgumentError(
        f"`{spec}` has no serial port that could be written to a file: that is for the emulated "
        "board in this process (--probe emu)",
        name="--uart",
    )


def attached_probe(devices: str = DEVICES) -> str | None:
    """Return the name of a debug probe among the USB devices, without opening any."""
    return next((each.name for each in list_usb_devices(devices) if each.is_probe), None)
