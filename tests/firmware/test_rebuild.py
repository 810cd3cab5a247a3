"""The archives come from the sources beside them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "fixtures" / "firmware"
# The smallest of each kind.
WHAT = {
    "archives": ("--chip", "stm32g0"),
    "toolchains": ("--toolchains", "--chip", "dwarf-5"),
}

SAME, OTHER_TOOLCHAIN = 0, 3
NO_TOOLCHAIN = "no Rust toolchain for bare-metal Arm"


def run_build(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FIRMWARE / "build.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.firmware
@pytest.mark.slow
@pytest.mark.parametrize("kind", WHAT)
def test_one_of_each_kind_rebuilds_to_the_same_bytes(kind: str, tmp_path: Path) -> None:
    result = run_build(*WHAT[kind], "--check")
    if NO_TOOLCHAIN in result.stderr:
        pytest.skip(result.stderr.splitlines()[0])
    if result.returncode == OTHER_TOOLCHAIN:
        # Not comparable, but it must build all the same.
        if kind != "toolchains":
            built = run_build(*WHAT[kind], "--out", str(tmp_path))
            assert built.returncode == SAME, built.stderr
            (archive,) = tmp_path.glob("*.zip")
            assert zipfile.ZipFile(archive).testzip() is None
        pytest.skip(f"cannot be compared: {result.stdout}")
    assert result.returncode == SAME, result.stdout + result.stderr


def test_an_unknown_chip_is_refused() -> None:
    result = run_build("--chip", "z80")
    assert result.returncode == 2
    assert "no app for z80; there are lpc55, lpcxpresso55s69, nucleo-g031" in result.stderr


@pytest.mark.firmware
@pytest.mark.slow
def test_an_image_that_lacks_something_rebuilds(tmp_path: Path) -> None:
    """Not compared: crates outside their workspace get names that depend on the checkout's path."""
    result = run_build("--gaps", "--chip", "gaps-no-read-write", "--out", str(tmp_path))
    if NO_TOOLCHAIN in result.stderr:
        pytest.skip(result.stderr.splitlines()[0])
    assert result.returncode == SAME, result.stdout + result.stderr
    (archive,) = tmp_path.glob("*.zip")
    assert zipfile.ZipFile(archive).testzip() is None
