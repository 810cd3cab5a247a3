"""`idol client` and `idol server` as a step of a build: files, cargo directives, restrictions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from idol.cli import main
from tests.tools import lacking

ROOT = Path(__file__).resolve().parents[3]
JEFE = ROOT / "fixtures" / "idl" / "jefe.idol"
UNIFORM = ROOT / "tests" / "idol" / "uniform.idol"
TASKS = "jefe,hiffy,net"


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HUBRIS_TASKS", "HUBRIS_TASK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def restriction(path: Path) -> list[str]:
    return re.findall(
        r"if (idol_sender != .*|!IDOL_CALLERS.*|rm\.sender != .*) \{", path.read_text()
    )


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--allow", "set_state=hiffy,net"], ["idol_sender != 1 && idol_sender != 2"]),
        (["--allow", "set_state="], ["rm.sender != userlib::TaskId::KERNEL"]),
        (["--allow", "set_state=net", "--tasks", "net,jefe"], ["idol_sender != 0"]),
        ([], []),
    ],
)
def test_callers_on_the_command_line(
    argv: list[str], expected: list[str], clean: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean.setenv("HUBRIS_TASKS", TASKS)
    out = tmp_path / "server.rs"
    assert main(["server", str(JEFE), "-o", str(out), *argv]) == 0
    assert restriction(out) == expected


def test_callers_from_an_app_description(
    clean: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It also says which tasks there are, in order; the command line has the last word."""
    app = tmp_path / "app.toml"
    app.write_text(
        '[tasks.jefe]\n[tasks.jefe.config.allowed-callers]\nset_state = ["net"]\n'
        'get_state = ["net"]\n[tasks.hiffy]\n[tasks.net]\n'
    )
    out = tmp_path / "server.rs"
    argv = ["--allow-from", str(app), "--task", "jefe", "--allow", "get_state=hiffy"]
    assert main(["server", str(JEFE), "--cargo", "-o", str(out), *argv]) == 0
    assert restriction(out) == ["idol_sender != 1", "idol_sender != 2"]
    assert capsys.readouterr().out.splitlines() == [
        f"cargo:rerun-if-changed={JEFE}",
        f"cargo:rerun-if-changed={app}",
    ]


def test_callers_from_the_build_of_hubris(
    clean: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "server.rs"
    command = ["server", str(JEFE), "--allow-env", "--cargo", "-o", str(out)]
    assert main(command) == 0
    assert restriction(out) == []
    clean.setenv("HUBRIS_TASKS", TASKS)
    clean.setenv("HUBRIS_TASK_CONFIG", '[config.allowed-callers]\nset_state = ["net"]\n')
    assert main(command) == 0
    assert restriction(out) == ["idol_sender != 2"]
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"cargo:rerun-if-changed={JEFE}",
        "cargo:rerun-if-env-changed=HUBRIS_TASK_CONFIG",
        "cargo:rerun-if-env-changed=HUBRIS_TASKS",
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--allow", "set_state=net"], "set HUBRIS_TASKS=first,second"),
        (["--allow", "set_state"], "write `set_state=hiffy,net`"),
        (["--allow", "set_state=nett", "--tasks", TASKS], "did you mean `net`?"),
        (["--allow", "set_stat=net", "--tasks", TASKS], "did you mean `set_state`?"),
        (["--task", "jefe"], "--task needs --allow-from"),
        (["--combine-client-errors"], "needs --counters"),
        (["--fail-server", "always"], "do not all have the same error type"),
        (["--cargo"], "--cargo needs -o"),
    ],
)
def test_bad_choices(
    argv: list[str],
    message: str,
    clean: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["server", str(JEFE), *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err


def test_choices_reach_the_stub(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--style", "pipelined", "--counters", "--no-layout", "--derive", "serde::Serialize"]
    assert main(["server", str(UNIFORM), *argv]) == 0
    server = capsys.readouterr().out
    assert "\npub trait PipelinedUniformImpl: idol_runtime::NotificationHandler {\n" in server
    assert "\ncounters::counters!(__UNIFORM_SERVER_COUNTERS, UniformEvent);\n" in server
    assert "serde::Serialize" in server
    assert "\n    " not in server
    assert main(["client", str(UNIFORM), "--counters"]) == 0
    assert "__UNIFORM_CLIENT_COUNTERS" in capsys.readouterr().out


def test_an_unchanged_file_keeps_its_time(tmp_path: Path) -> None:
    out = tmp_path / "client.rs"
    command = ["client", str(JEFE), "-o", str(out)]
    assert main(command) == 0
    os.utime(out, (1, 1))
    assert main(command) == 0
    assert out.stat().st_mtime == 1
    assert main([*command, "--panics", "plain"]) == 0
    assert out.stat().st_mtime > 1
    assert list(tmp_path.iterdir()) == [out]


def test_the_build_script_of_the_guide_runs(tmp_path: Path) -> None:
    rustc = shutil.which("rustc", path="/usr/bin") or shutil.which("rustc")
    if rustc is None:
        lacking("needs rustc (Debian: apt install rustc-web)")
    guide = (ROOT / "docs" / "idol-stubs.md").read_text()
    (script,) = re.findall(r"```rust\n(fn main\(\) \{\n.*?\n\}\n)```", guide, re.DOTALL)
    crate = tmp_path / "drv" / "spi"
    crate.mkdir(parents=True)
    idl = tmp_path / "idl"
    idl.mkdir()
    shutil.copy(ROOT / "fixtures" / "idl" / "spi.idol", idl / "spi.idol")
    (crate / "build.rs").write_text(script)
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "idol"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m idol "$@"\n')
    command.chmod(0o755)
    result = subprocess.run(
        [rustc, "--edition", "2021", "-Dwarnings", "build.rs"],
        cwd=crate,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OUT_DIR": str(tmp_path),
    }
    ran = subprocess.run(
        [str(crate / "build")],
        cwd=crate,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "cargo:rerun-if-changed=../../idl/spi.idol\n" * 2
    assert "pub trait InOrderSpiImpl" in (tmp_path / "server_stub.rs").read_text()
    assert "pub struct Spi {" in (tmp_path / "client_stub.rs").read_text()
