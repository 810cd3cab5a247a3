"""Debian's OpenOCD as a second opinion: it drives the emulated ST-Links by its own driver."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.stlink_server import StLinkServer
from tests.tools import need

__all__ = ["Judgement", "ask_openocd"]

TARGETS = {"stm32f4": "stm32f4x", "stm32g0": "stm32g0x", "stm32h7": "stm32h7x"}
LIMIT_S = 300
MARK = re.compile(r"^@ (\d+) (-?\d+) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Judgement:
    """Answers to the commands in their order, whether each failed, and the whole log."""

    answers: list[str]
    failed: list[bool]
    log: str

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings in the log."""
        return [x for x in self.log.splitlines() if x.startswith(("Error", "Warn"))]


def ask_openocd(bench: Bench, folder: Path, commands: list[str]) -> Judgement:
    """Let OpenOCD attach to the first probe of the bench, and run Tcl commands one by one.

    A command that fails does not end it. Each answer is in one line.
    """
    program = need("openocd", of="openocd")
    chip = bench.probes[0].board.board.chip.name
    script = folder / "commands.tcl"
    lines = ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled", "init"]
    for number, command in enumerate(commands):
        lines.append(f"set code [catch {{uplevel #0 {{{command}}}}} answer]")
        lines.append(f'echo "@ {number} $code [string map {{\\n |}} $answer]"')
    script.write_text("\n".join([*lines, "shutdown", ""]))
    server = StLinkServer(bench.bus)
    arguments = ["-f", "interface/stlink-dap.cfg", "-c", f"st-link backend tcp {server.port}"]
    arguments += ["-c", "set DUAL_BANK 1"]  # for the STM32H7
    arguments += ["-c", "transport select dapdirect_swd", "-f", f"target/{TARGETS[chip]}.cfg"]
    try:
        done = subprocess.run(
            [program, *arguments, "-f", str(script)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    finally:
        server.close()
    found = {int(n): (code != "0", answer) for n, code, answer in MARK.findall(done.stderr)}
    assert len(found) == len(commands), done.stderr
    failed, answers = zip(*(found[n] for n in range(len(commands))), strict=True)
    return Judgement(list(answers), list(failed), done.stderr)
