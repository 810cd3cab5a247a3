"""`make bench`: what a call costs, beside something to compare it with.

Times are medians on this machine; read the ratios. Nothing here fails on a slow machine.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import idol
from benchmarks.calls import bench_calls, flash_id_call, quiet_session
from benchmarks.instruments import bench_instruments
from benchmarks.links import bench_links
from benchmarks.measure import median_s, process, row
from benchmarks.peer import bench_peer
from benchmarks.scaling import bench_scaling
from benchmarks.startup import bench_audit, bench_growth, bench_setup, bench_start
from benchmarks.usb import bench_usb
from idoldbg.build.load import open_build
from idoldbg.session import demo_archive, demo_boards
from idoldbg.startup import settle

ROOT = Path(__file__).resolve().parent.parent
CLI_WORDS = [
    *("call", "Spi.exchange", "--device-index", "0"),
    *("--source", "hex:9f000000", "--sink", "4"),
]


def plain_pyelftools(board: str) -> None:
    """Read every DIE of the three objects that a call needs, with pyelftools alone."""
    from elftools.elf.elffile import ELFFile

    archive = open_build(demo_archive(board)).archive
    for name in ("kernel", "hiffy", "spi"):
        info = ELFFile(io.BytesIO(archive.object_bytes(name))).get_dwarf_info()
        for unit in info.iter_CUs():
            for die in unit.iter_DIEs():
                _ = die.attributes


def bench_boot(repeat: int) -> None:
    """From power-on to hiffy waiting for work."""
    print("boot to hiffy-ready")
    bare = median_s(lambda: process([sys.executable, "-c", "pass"]), repeat)

    for board in demo_boards():

        def boot(board: str = board) -> None:
            with quiet_session(board, "emu") as session:
                settle(session)

        row(board, median_s(boot, repeat), bare, "`python -c pass`")


def bench_process(repeat: int) -> None:
    """One call, from the shell's view."""
    print("one call as a whole process (booting included)")
    bare = median_s(lambda: process([sys.executable, "-c", "pass"]), repeat)
    pyocd = median_s(lambda: process([sys.executable, "-c", "import pyocd"]), repeat)
    for board in demo_boards():
        argv = [sys.executable, "-m", "idoldbg", "-b", board]
        seconds = median_s(lambda w=argv: process([*w, "-p", "emu", *CLI_WORDS]), repeat)
        row(f"{board}, emu", seconds, bare, "`python -c pass`")
        seconds = median_s(lambda w=argv: process([*w, "-p", "pyocd:emu", *CLI_WORDS]), repeat)
        row(f"{board}, pyocd:emu", seconds, pyocd, "`import pyocd`")


def bench_debug_info(repeat: int) -> None:
    """Everything that one call needs from the debug information."""
    print("debug information for one call, nothing cached")
    for board in demo_boards():
        plain = median_s(lambda b=board: plain_pyelftools(b), max(repeat // 4, 1))

        def resolve(board: str = board) -> None:
            with quiet_session(board, "emu") as session:
                flash_id_call(session)
                _ = session.caller.transport.limits

        row(board, median_s(resolve, repeat), plain, "plain pyelftools over the same objects")


def bench_stubs(repeat: int) -> None:
    """Generate the client and the server stub of every interface of the corpus."""
    print("Idol: read, check, generate client and server")
    corpus = [ROOT / "tests" / "idol" / "everything.idol"]
    corpus += sorted((ROOT / "fixtures" / "idl").glob("*.idol"))
    bare = median_s(lambda: process([sys.executable, "-c", "pass"]), repeat)
    total = 0.0
    for path in corpus:
        text = path.read_text()

        def generate(name: str = path.name, text: str = text) -> None:
            interface = idol.parse(idol.Source(name, text))
            idol.client_stub(interface)
            idol.server_stub(interface)

        seconds = median_s(generate, repeat)
        total += seconds
        row(path.name, seconds, bare, "`python -c pass`")
    row(f"on average, of {len(corpus)}", total / len(corpus), bare, "`python -c pass`")


def main() -> None:
    """Run all groups, or those named."""
    groups = {
        "boot": (bench_boot, 5),
        "process": (bench_process, 5),
        "calls": (bench_calls, 200),
        "links": (bench_links, 200),
        "usb": (bench_usb, 40),
        "scaling": (bench_scaling, 1),
        "debug-info": (bench_debug_info, 5),
        "stubs": (bench_stubs, 9),
        "start": (bench_start, 30),
        "setup": (bench_setup, 7),
        "growth": (bench_growth, 5),
        "audit": (bench_audit, 5),
        "peer": (bench_peer, 5),
        "instruments": (bench_instruments, 7),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"which of: {', '.join(groups)}")
    for name in parser.parse_args().groups or groups:
        if name not in groups:
            parser.error(f"no group `{name}`: {', '.join(groups)}")
        function, repeat = groups[name]
        function(repeat)


if __name__ == "__main__":
    main()
