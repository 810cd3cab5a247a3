"""Run a command that sees the probes of a bench: `python -m tests.bench KIND=BOARD… -- COMMAND`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.bench.bench import Bench, FaultKind
from tests.bench.probes import KINDS


def main() -> int:
    """Plug the probes in, run the command, print what it cost; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "probes",
        nargs="+",
        metavar="KIND[:SERIAL]=BOARD[,ARCHIVE]",
        help=f"kinds: {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@N",
        help=f"at the N-th transfer of the first probe: {', '.join(k.name for k in FaultKind)}",
    )
    parser.add_argument(
        "--real-time", action="store_true", help="let transfers take the time that they are given"
    )
    arguments, _, command = _split(sys.argv[1:])
    options = parser.parse_args(arguments)
    if not command:
        parser.error("give a command after `--`")
    with Bench(is_real=options.real_time) as bench:
        for text in options.probes:
            what, _, board = text.partition("=")
            kind, _, serial = what.partition(":")
            name, _, archive = board.partition(",")
            if kind not in KINDS or not name:
                parser.error(f"{text}: not KIND[:SERIAL]=BOARD[,ARCHIVE]")
            bench.plug(kind, name, serial=serial or None, archive=archive or None)
        for text in options.fault:
            kind, _, after = text.partition("@")
            bench.probes[0].fail(FaultKind[kind.upper()], int(after or 0))
        begin = time.monotonic()
        code = subprocess.run(command, env=bench.env, check=False).returncode
        _print_costs(bench, time.monotonic() - begin)
    return code


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], "--", arguments[at + 1 :]


def _print_costs(bench: Bench, seconds: float) -> None:
    modelled = bench.clock.modelled_s * 1000
    print(f"{seconds:.2f} s, of which USB and SWD, modelled: {modelled:.1f} ms", file=sys.stderr)
    for probe in bench.probes:
        counts = probe.counts
        commands = ", ".join(f"{n} {name}" for name, n in counts.commands.most_common())
        print(
            f"{probe.device.serial}: {counts.round_trips} round trips, {counts.bytes_written} "
            f"bytes to and {counts.bytes_read} from it, {probe.wires.transfers} SWD transfers; "
            f"{commands or 'no commands'}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
