"""The archives come from the sources beside them, and say nothing of where they were built."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools import lacking

FIXTURES = ROOT / "fixtures"
FIRMWARE = FIXTURES / "firmware"
ALL = [
    path.relative_to(FIXTURES)
    for folder in ("archives", "gaps/archives", "suite/archives", "toolchains")
    for path in sorted((FIXTURES / folder).glob("*.zip"))
]
# One of each kind. The suite comes before the gaps: both take crates from the firmware, and what
# cargo compiled for the one must not go into the other.
WHAT = {
    "suite": ("--suite",),
    "archives": ("--chip", "stm32f4-discovery"),
    "gaps": ("--gaps", "--chip", "gaps-no-read-write"),
    "toolchains": ("--toolchains", "--chip", "dwarf-5"),
}
# Where people and machines have their files; the build puts names of its own in their place.
LOCAL_PATH = re.compile(rb"/(?:home|root|tmp|work|build|Users|usr|var|opt)/[\w.@+/-]+")

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


@contextmanager
def builder_on_path() -> Iterator[None]:
    """Let the package `builder` be imported."""
    sys.path.insert(0, str(FIRMWARE))
    try:
        yield
    finally:
        sys.path.remove(str(FIRMWARE))


@pytest.mark.firmware
@pytest.mark.slow
@pytest.mark.parametrize("kind", WHAT)
def test_one_of_each_kind_rebuilds_to_the_same_bytes(kind: str, tmp_path: Path) -> None:
    result = run_build(*WHAT[kind], "--check")
    if NO_TOOLCHAIN in result.stderr:
        lacking(result.stderr.splitlines()[0])
    if result.returncode == OTHER_TOOLCHAIN:
        # Not comparable, but it must build all the same.
        if kind != "toolchains":
            built = run_build(*WHAT[kind], "--out", str(tmp_path))
            assert built.returncode == SAME, built.stderr
            (archive,) = tmp_path.glob("*.zip")
            assert zipfile.ZipFile(archive).testzip() is None
        pytest.skip(f"cannot be compared: {result.stdout}")
    assert result.returncode == SAME, result.stdout + result.stderr


@pytest.mark.parametrize("archive", ALL, ids=str)
def test_each_archive_is_built_from_the_present_sources(archive: Path, tmp_path: Path) -> None:
    """Compiles nothing: `git-rev` is a digest of the sources, and shows a forgotten rebuild."""
    with builder_on_path():
        from builder.sources import Sources
        from builder.variant import load_variants
    build = zipfile.ZipFile(FIXTURES / archive)
    if "git-rev" not in build.namelist():
        pytest.skip("has one program only")
    beside = archive.parts[0] in ("gaps", "suite")
    sources = Sources(FIRMWARE, FIXTURES / archive.parts[0] if beside else None)
    if archive.parts[0] == "toolchains":
        (variant,) = [v for v in load_variants(FIXTURES / "toolchains") if v.name == archive.stem]
        sources = variant.prepare(FIRMWARE, tmp_path)
    assert build.read("git-rev").decode() == sources.digest()


@pytest.mark.parametrize("archive", ALL, ids=str)
def test_none_names_a_path_of_a_machine(archive: Path) -> None:
    build = zipfile.ZipFile(FIXTURES / archive)
    for name in build.namelist():
        found = LOCAL_PATH.search(build.read(name))
        assert found is None, f"{name} contains {found.group().decode()}"


def test_an_unknown_chip_is_refused() -> None:
    """Before anything else: no toolchain is needed for it."""
    result = run_build("--chip", "lpc55", "--chip", "z80")
    assert result.returncode == 2
    assert "no app for z80; there are lpc55, lpcxpresso55s69, nucleo-g031" in result.stderr
    result = run_build("--toolchains", "--chip", "z80")
    assert result.returncode == 2
    assert "no app for z80; there are " in result.stderr
