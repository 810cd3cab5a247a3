"""The one place where builds, boards and links are wired together.

`open_program` opens a build alone, for questions that need no target; `open_session` adds the link
that a SPEC names. Everything else in idoldbg receives these as arguments.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from idol.records import replace
from idoldbg.build.load import may_be_dump, open_dump
from idoldbg.build.program import Program
from idoldbg.call.caller import Caller
from idoldbg.emulation import (
    emulate,
    emulated_board,
    find_board,
    get_board,
    refuse_processor,
)
from idoldbg.errors import (
    ArgumentError,
    LinkError,
    ProbeNotFound,
    TargetFileError,
)
from idoldbg.model.archive import Archive
from idoldbg.opening import (
    SPECS,
    Notify,
    TargetOptions,
    demo_archive,
    demo_boards,
    find_build,
    ignore,
    open_program,
)
from idoldbg.target.board_files import load_board
from idoldbg.target.counting import CountingLink, Traffic
from idoldbg.target.dump import DumpLink
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.link import Link

if TYPE_CHECKING:
    from idoldbg.target.probe.link import ProbeOptions

__all__ = [
    "Session",
    "TargetOptions",
    "attached_probe",
    "choose_spec",
    "demo_archive",
    "demo_boards",
    "emulate",
    "emulated_board",
    "find_board",
    "find_build",
    "get_board",
    "open_program",
    "open_session",
    "probe_options",
    "split_remote",
]

SETTLE_S = 0.02  # what tasks take from their start to their first receive, with some to spare
NO_PROBE = "no debug probe is connected"
# USB vendors of debug probes, and what a CMSIS-DAP probe calls itself (its specification, "USB
# Communication": the product string or an interface string contains "CMSIS-DAP").
PROBE_VENDORS = {"0483": "ST-Link", "1366": "J-Link", "0d28": "DAPLink", "1fc9": "MCU-Link"}
USB_DEVICES = Path("/sys/bus/usb/devices")


class Session:
    """A program on a target: the build's debug information over the link's memory."""

    def __init__(
        self,
        program: Program,
        link: CountingLink,
        timeout_s: float,
        notify: Notify = ignore,
    ) -> None:
        self.program = program
        self.link = link
        self.timeout_s = timeout_s
        self.notify = notify
        self.caller = Caller(program, link, timeout_s=timeout_s, notify=notify)
        """What makes the calls; it compares the images before it does anything else."""

    @property
    def traffic(self) -> Traffic:
        """What has crossed the link so far."""
        return self.link.traffic

    def close(self) -> None:
        """Let go of the target."""
        self.link.close()

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
) -> Session:
    """Open the link that the options mean; `program` saves opening the build again.

    `falls_back` is that of `choose_spec`.
    `notify` gets sentences for the user, such as that the board's MPU is not enforced.
    """
    if program is None:
        program = open_program(options)
    _check_uart(options)
    try:
        spec = choose_spec(options, notify, falls_back=falls_back)
    except ProbeNotFound:
        refuse_processor(program.archive, "pyocd")  # a probe would not help
        raise
    link = CountingLink(_open_chosen(spec, options, program, notify))
    for notice in link.notices:
        notify(notice)
    program.memory = link
    return Session(program, link, options.timeout_s, notify)


def choose_spec(options: TargetOptions, notify: Notify = ignore, *, falls_back: bool = True) -> str:
    """Return the SPEC of `--probe`, or choose one.

    A core dump is itself, an attached probe wants to be used, else emulate. Without `falls_back`,
    for what changes a board, nothing else takes a probe's place: raises `ProbeNotFound`.
    """
    if options.probe is not None:
        if not options.probe or options.probe.endswith(":"):  # as of a variable that was not set
            words = f"`{options.probe}` does not say which target; use {SPECS}"
            raise ArgumentError(words, name="--probe")
        return options.probe
    if options.archive is None and falls_back:
        return "emu"
    if options.archive is not None and may_be_dump(options.archive) and find_build(options).is_dump:
        return f"dump:{options.archive}"
    probe = attached_probe()
    if probe is None and not falls_back:
        raise ProbeNotFound(
            f"{NO_PROBE}, and nothing was changed; connect one, or name the target: --probe "
            "emu:NAME for a board of `idoldbg board start`, remote:HOST:PORT for a probe elsewhere"
        )
    if probe is None:
        return "emu"
    notify(f"using the attached {probe}; `--probe emu` runs the image on an emulated board instead")
    return "pyocd"


def _open_chosen(spec: str, options: TargetOptions, program: Program, notify: Notify) -> Link:
    """Open the link; say what runs where the user may have expected a board."""
    if options.probe is not None:
        return _open_link(spec, options, program, notify)
    is_fallback = spec == "emu" and attached_probe() is None
    find_board(options, program.archive)  # a board file with mistakes is no matter of probes
    try:
        link = _open_link(spec, options, program, notify)
    except (ArgumentError, LinkError, TargetFileError) as error:
        if not is_fallback:
            raise
        raise ProbeNotFound(f"{NO_PROBE}, and none can be emulated: {error}") from error
    if is_fallback and options.archive is not None:
        notify(
            f"{NO_PROBE}: running on an {link.description} made for this command alone "
            "(`--probe emu` asks for it)"
        )
    return link


def _check_uart(options: TargetOptions) -> None:
    if options.uart is not None and options.probe not in (None, "emu", "pyocd:emu"):
        raise ArgumentError(
            f"`{options.probe}` has no serial port that could be written to a file: that is for "
            "the emulated board in this process (--probe emu)",
            name="--uart",
        )


def _check_board(spec: str, options: TargetOptions, found: str) -> None:
    """Refuse a board that is kept running and is another one than `--board`."""
    if options.board is not None and load_board(options.board).name != found:
        raise ArgumentError(f"{spec} is a {found}, not a `{options.board}`", name="--board")


def attached_probe(devices: Path = USB_DEVICES) -> str | None:
    """Look for a debug probe in the kernel's list of USB devices, without opening any."""
    for device in sorted(devices.glob("*")):
        product = _sysfs(device / "product")
        vendor = PROBE_VENDORS.get(_sysfs(device / "idVendor"))
        if "CMSIS-DAP" in product or (vendor and vendor.split("-")[0].lower() in product.lower()):
            return product
    return None


def _sysfs(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _open_link(spec: str, options: TargetOptions, program: Program, notify: Notify) -> Link:
    kind, _, rest = spec.partition(":")
    if kind != "dump":
        refuse_processor(program.archive, spec)
    match kind:
        case "emu" if not rest:
            return _open_emulated(options, program.archive)
        case "emu":
            from idoldbg.target.emulated.socket import connect_board, open_board

            if options.board is not None:
                with connect_board(rest) as board:
                    _check_board(spec, options, str(board.status().get("board")))
            return open_board(rest)
        case "pyocd":
            return _open_probe(rest or None, options, program.archive, notify)
        case "remote":
            return _open_remote(rest, options, program.archive, notify)
        case "dump" if rest:
            build = open_dump(rest, program.archive)
            for notice in build.notices:
                notify(notice)
            return DumpLink(build.memory, build.registers, path=rest)
    raise ArgumentError(f"`{spec}` is no target: use {SPECS}", name="--probe")


def _open_emulated(options: TargetOptions, archive: Archive) -> Link:
    board = emulate(options, archive)
    return EmulatedLink(
        board, description=f"emulated {board.board.name}", notices=tuple(board.notices)
    )


def _open_probe(
    unique_id: str | None, options: TargetOptions, archive: Archive, notify: Notify
) -> Link:
    from idoldbg.target.probe.link import open_probe  # loads pyOCD, 0.3 s: only if needed

    if unique_id == "emu":
        from idoldbg.target.emulated.pyocd_probe.boards import register_board

        register_board("emu", lambda: emulate(options, archive))
    return open_probe(unique_id, probe_options(options, archive, notify))


def probe_options(
    options: TargetOptions, archive: Archive, notify: Notify = ignore
) -> ProbeOptions:
    """Return how the board's file wants to be attached to, and how long the user wants to wait."""
    from idoldbg.target.probe.link import ProbeOptions

    how = ProbeOptions(wait_s=options.wait_s, on_wait=notify)
    board = find_board(options, archive)
    if board is None:
        return how
    return replace(how, speed_hz=board.probe.speed_hz, access_port=board.probe.access_port)


def _open_remote(address: str, options: TargetOptions, archive: Archive, notify: Notify) -> Link:
    from idoldbg.target.probe.link import open_remote

    return open_remote(*split_remote(address), probe_options(options, archive, notify))


def split_remote(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raise `ArgumentError`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 0x10000:
        raise ArgumentError(f"`remote:{address}` is not remote:HOST:PORT", name="--probe")
    return host, int(port)
