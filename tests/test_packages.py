"""Published names and versions, the lock of CI, the contents of sdist and wheel."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tools import lock, packages

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# -- version and changelog


def test_version_is_written_in_one_place() -> None:
    said = [
        path
        for top in ("idol", "idoldbg")
        for path in (ROOT / top).rglob("*.py")
        if re.search(rf"\b{re.escape(PROJECT['version'])}\b", path.read_text())
    ]
    assert said == []
    done = subprocess.run(
        [sys.executable, "-P", "-m", "idoldbg", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    # An editable install has the version that it was made with.
    assert re.fullmatch(r"idoldbg \d+\.\d+\S*\n", done.stdout)


def test_changelog_has_the_form_of_keepachangelog() -> None:
    releases = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    for release in releases[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", release), release
    for name in re.findall(r"^## \[(.*?)\]", CHANGELOG, re.MULTILINE):
        home = PROJECT["urls"]["Repository"]
        assert re.search(rf"^\[{re.escape(name)}\]: {re.escape(home)}/", CHANGELOG, re.MULTILINE)
    for part in re.split(r"^## .*$", CHANGELOG, flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.*)$", part, re.MULTILINE)
        assert set(headings) <= SECTIONS
        assert len(headings) == len(set(headings))


def test_every_extra_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for extra in PROJECT["optional-dependencies"].keys() - {"test"}:
        assert f"`idoldbg[{extra}]`" in readme


# -- the lock


def pins(name: str) -> dict[str, Version]:
    """Return packages with their versions."""
    found = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)", line):
            found[match[1].lower().replace("_", "-")] = Version(match[2])
    return found


def wanted(name: str) -> Iterator[Requirement]:
    for source in lock.LOCKS[name]:
        if source == "pyproject.toml":
            yield from map(Requirement, PROJECT["dependencies"])
        elif source.startswith("--extra="):
            extra = source.removeprefix("--extra=")
            yield from map(Requirement, PROJECT["optional-dependencies"][extra])
        else:
            for line in (ROOT / source).read_text().splitlines():
                if line and not line.startswith("#"):
                    yield Requirement(line)


@pytest.mark.parametrize("name", lock.LOCKS)
def test_lock_pins_all_that_is_asked_for(name: str) -> None:
    """After a change of pyproject.toml: `make lock`."""
    have = pins(name)
    for requirement in wanted(name):
        version = have.get(requirement.name.lower().replace("_", "-"))
        assert version is not None, f"{requirement.name} is not in requirements/{name}.txt"
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked"


def test_lock_has_every_extra() -> None:
    assert set(lock.EXTRAS) == set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", lock.LOCKS)
def test_lock_has_a_hash_for_each_file_and_names_no_place(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "http" not in text and "-index" not in text
    for block in re.split(r"\n(?=[a-z])", text.strip()):
        assert re.match(r"\S+==\S+", block)
        assert "--hash=sha256:" in block


# -- sdist and wheel

FILES = ["idol/a.py", "idol/rules/x.md", "targets/chips/c.toml", "idoldbg/_targets", "docs/d.md"]


def sdist(path: Path, names: Sequence[str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"idoldbg-1/{name}"), io.BytesIO())
    return path


def wheel(path: Path, names: Sequence[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def test_sdist_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    assert packages.compare_sdist(sdist(tmp_path / "1.tar.gz", FILES), FILES) == []
    (problem,) = packages.compare_sdist(sdist(tmp_path / "2.tar.gz", FILES[:-1]), FILES)
    assert problem == "2.tar.gz lacks docs/d.md: add it to MANIFEST.in"


def test_wheel_that_lacks_data_is_refused(tmp_path: Path) -> None:
    installed = ["idol/a.py", "idol/rules/x.md", "idoldbg/_targets/chips/c.toml"]
    assert packages.compare_wheel(wheel(tmp_path / "1.whl", installed), FILES) == []
    for missing in installed:
        rest = [name for name in installed if name != missing]
        (problem,) = packages.compare_wheel(wheel(tmp_path / "2.whl", rest), FILES)
        assert f"lacks {missing}: add it" in problem


def test_an_interpreter_that_cannot_make_a_venv_is_passed_over(tmp_path: Path) -> None:
    assert packages.version_of(str(tmp_path / "none")) == ""
    assert packages.version_of("/bin/false") == ""
    assert packages.version_of(sys.executable) in packages.SUPPORTED


def test_supported_versions_are_those_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: "
    listed = [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert set(listed) <= set(packages.SUPPORTED)
    assert PROJECT["requires-python"] == f">={packages.SUPPORTED[0]}"
