"""Completion in real shells: what stands on the line after the tab key."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import need

SCRIPTS = Path(sys.executable).parent
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("IDOLDBG_", "HUMILITY_"))},
    "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
}


def run(command: list[str], **more: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **more},
        check=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout


def bash(line: str) -> list[str]:
    """Let bash complete a line, split as bash splits it; return what it would offer."""
    program = f"""
eval "$(_IDOLDBG_COMPLETE=bash_source idoldbg)"
COMP_LINE={shlex.quote(line)}
COMP_WORDS=()
rest=$COMP_LINE
read -r -a parts <<< "${{COMP_LINE//:/ : }}"
COMP_WORDS=("${{parts[@]}}")
[[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
compopt() {{ printf '%s\\n' compopt "$@"; }}
_idoldbg_completion idoldbg
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return run(["bash", "--norc", "--noprofile", "-c", program]).split("\n")[:-1]


CASES: list[tuple[str, list[str]]] = [
    ("idoldbg prob", ["probes"]),
    ("idoldbg call Spi.ex", ["Spi.exchange"]),
    ("idoldbg call Spi.exchange --dev", ["--device-index"]),
    ("idoldbg call Sensor.configure --mode ", ["Off", "Periodic", "Threshold"]),
    ("idoldbg -b nucleo-g031 call Victim.pi", ["Victim.ping"]),
    ("idoldbg call Victim.ping --task vic", ["victim"]),
    ("idoldbg -b nucleo-g", ["nucleo-g031"]),
    ("idoldbg -p pyoc", ["pyocd", "pyocd:emu", "pyocd:"]),
    ("idoldbg -p pyocd:e", ["emu"]),
    ("idoldbg -a ", ["compopt", "-o", "default", ""]),
    ("idoldbg call Spi.write --source ", ["compopt", "-o", "default", ""]),
    ("idoldbg list Spi.r", ["Spi.read", "Spi.release"]),
    ("idoldbg readmem usa", ["usart2"]),
    ("idoldbg readmem KERNEL_E", ["KERNEL_EPITAPH"]),
    ("idoldbg extract elf/k", ["elf/kernel"]),
    ("idoldbg call Nonesuch.", [""]),
    ("idoldbg -a /nowhere call ", [""]),
]


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_bash(line: str, expected: list[str]) -> None:
    need("bash", of="bash")
    assert bash(line) == expected


@pytest.mark.parametrize(("line", "expected"), [case for case in CASES if ":" not in case[0]][:7])
def test_fish(line: str, expected: list[str], tmp_path: Path) -> None:
    need("fish", of="fish")
    script = f"_IDOLDBG_COMPLETE=fish_source idoldbg | source; complete -C {shlex.quote(line)}"
    offered = run(["fish", "--no-config", "-c", script], HOME=str(tmp_path)).split("\n")[:-1]
    assert [item.partition("\t")[0] for item in offered] == expected


@pytest.mark.parametrize(
    ("line", "expected"), [("idoldbg call Spi.exch", "Spi.exchange"), ("idoldbg prob", "probes")]
)
def test_zsh(line: str, expected: str, tmp_path: Path) -> None:
    need("zsh", of="zsh")
    pexpect = pytest.importorskip("pexpect")
    shell = pexpect.spawn(
        "zsh", ["-f", "-i"], env={**ENVIRONMENT, "HOME": str(tmp_path), "PS1": "$ "}, timeout=60
    )
    try:
        shell.sendline("autoload -Uz compinit; compinit -u; unsetopt beep")
        shell.sendline('eval "$(_IDOLDBG_COMPLETE=zsh_source idoldbg)"; echo rea""dy')
        shell.expect_exact("ready")
        shell.send(f"{line}\t")
        shell.expect_exact(expected)
    finally:
        shell.close(force=True)


def test_unrelated_commands_are_not_loaded() -> None:
    code = (
        "import sys, json\nfrom idoldbg.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('idoldbg.cli.')]))"
    )
    out = run(
        [sys.executable, "-c", code],
        _IDOLDBG_COMPLETE="bash_complete",
        COMP_WORDS="idoldbg\nta",
        COMP_CWORD="1",
    )
    first, *_, last = out.strip().split("\n")
    assert first == "plain,tasks"
    assert not {"idoldbg.cli.tasks", "idoldbg.cli.call"} & set(json.loads(last))
