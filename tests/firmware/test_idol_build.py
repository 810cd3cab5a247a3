"""`crates/idol-build` in the place of upstream's `idol`: its own tests, crates built with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import idol
from idol.options import StubOptions
from tests.conftest import ROOT
from tests.firmware.test_rebuild import builder_on_path
from tests.tools import lacking

CRATE = ROOT / "crates" / "idol-build"
EXAMPLE = Path(__file__).parent / "idol_build"
TARGET = "thumbv7em-none-eabihf"

pytestmark = [pytest.mark.firmware, pytest.mark.slow]


def find_toolchain() -> Any:
    with builder_on_path():
        from builder import BuildError
        from builder.toolchain import find_toolchain as find
    try:
        return find()
    except BuildError as error:
        lacking(str(error))


@dataclass(frozen=True)
class Workspace:
    """A copy of the example, which tests change, and what cargo made of it."""

    folder: Path
    target: Path
    idol: Path

    @property
    def interface(self) -> Path:
        return self.folder / "light.idol"

    def check(self, **variables: str | None) -> subprocess.CompletedProcess[str]:
        """Run cargo as a firmware build does, up to the code."""
        toolchain = find_toolchain()
        line = [str(toolchain.cargo), "check", "-v", "--locked", "--target", TARGET]
        line += ["--target-dir", str(self.target)]
        line += ["-Zbuild-std=core"] if toolchain.builds_core else []
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(Path.home()),
            "RUSTC": str(toolchain.rustc),
            "RUSTC_BOOTSTRAP": "1",
            "RUSTFLAGS": '--cfg=armv7m --cfg=chip="stm32f4" -Dwarnings',
            "IDOL": str(self.idol),
        }
        environment |= {name: value for name, value in variables.items() if value is not None}
        for name in [name for name, value in variables.items() if value is None]:
            del environment[name]
        return subprocess.run(
            line, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=500
        )

    def stub(self, crate: str, name: str) -> str:
        """Return the stub that the last build of a crate made."""
        paths = list(self.target.glob(f"{TARGET}/debug/build/{crate}-*/out/{name}"))
        return max(paths, key=lambda path: path.stat().st_mtime_ns).read_text()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("idol_build")
    shutil.copytree(EXAMPLE, folder / "example", ignore=shutil.ignore_patterns("target"))
    manifest = folder / "example" / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('"../../../', f'"{ROOT}/'))
    program = folder / "bin" / "idol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m idol "$@"\n')
    program.chmod(0o755)
    made = Workspace(folder / "example", folder / "target", program)
    done = made.check()
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def text(workspace: Workspace) -> Iterator[str]:
    """Return the text of the interface, which is put back."""
    text = workspace.interface.read_text()
    yield text
    workspace.interface.write_text(text)


def write(path: Path, text: str) -> None:
    """Write a file that is newer than any build before."""
    path.write_text(text)
    later = path.stat().st_mtime_ns + 2_000_000_000
    os.utime(path, ns=(later, later))


def built(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return which of the two crates cargo compiled again."""
    return set(
        re.findall(r"^ *(?:Compiling|Checking|Dirty) (light-\w+)", done.stderr, re.MULTILINE)
    )


def test_the_crate_passes_its_own_tests(tmp_path: Path) -> None:
    toolchain = find_toolchain()
    done = subprocess.run(
        [str(toolchain.cargo), "test", "--locked", "--offline", "--target-dir", str(tmp_path)],
        cwd=CRATE,
        env={**os.environ, "RUSTC": str(toolchain.rustc), "RUSTFLAGS": "-Dwarnings"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_the_stubs_are_those_of_the_command(workspace: Workspace) -> None:
    interface = idol.parse(idol.Source("light.idol", workspace.interface.read_text()))
    client = idol.client_stub(interface, StubOptions(counters=True))
    assert workspace.stub("light-api", "client_stub.rs") == client
    options = StubOptions(extra_derives=("Hash",), allowed_callers={"set": (3, 5)})
    assert workspace.stub("light-server", "server_stub.rs") == idol.server_stub(interface, options)


def test_nothing_is_built_again_without_a_reason(workspace: Workspace) -> None:
    workspace.check()
    assert built(workspace.check()) == set()


def test_a_changed_interface_is_built_again(workspace: Workspace, text: str) -> None:
    write(workspace.interface, text.replace("u16", "u32"))
    done = workspace.check()
    assert done.returncode != 0 and "expected `u32`, found `u16`" in done.stderr
    assert "u32" in workspace.stub("light-api", "client_stub.rs")
    write(workspace.interface, text)
    assert workspace.check().returncode == 0


def test_errors_of_the_interface_are_those_of_the_build(workspace: Workspace, text: str) -> None:
    write(workspace.interface, text.replace("idempotent: true", "idempotant: true"))
    done = workspace.check()
    assert done.returncode != 0
    assert "../light.idol:11:13: error: unknown field `idempotant` [unknown-field]" in done.stderr
    assert " 11 |             idempotant: true,\n" in done.stderr
    assert "hint: did you mean `idempotent`?" in done.stderr
    write(workspace.interface, text)
    assert workspace.check().returncode == 0


def test_another_idol_is_built_with_again(workspace: Workspace) -> None:
    other = workspace.idol.with_name("idol-2")
    shutil.copy(workspace.idol, other)
    assert built(workspace.check(IDOL=str(other))) == {"light-api", "light-server"}
    write(other, other.read_text() + "# newer\n")
    assert built(workspace.check(IDOL=str(other))) == {"light-api", "light-server"}


def test_idol_is_found_in_path(workspace: Workspace) -> None:
    done = workspace.check(IDOL=None, PATH=f"{workspace.idol.parent}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("named", "reason"),
    [(None, "is not in PATH"), ("/nowhere/idol", "IDOL names `/nowhere/idol`, which is not there")],
)
def test_a_missing_idol_says_how_to_get_it(
    workspace: Workspace, text: str, named: str | None, reason: str
) -> None:
    write(workspace.interface, text)  # newer than what is built
    done = workspace.check(IDOL=named)
    assert done.returncode != 0
    assert reason in done.stderr
    assert "install it with `pip install idoldbg` (Python 3.11 or later)" in done.stderr
