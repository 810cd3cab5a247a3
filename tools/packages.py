"""Build sdist and wheel, look into them, and install each where there is nothing else.

    python3 -m tools.packages [-o DIR] [PYTHON…]    default: every Python that this machine has

The wheel is built from the sdist, as installers do. In an empty virtual environment of each Python,
and in an empty folder, the installed commands make a call and format an Idol file. Nothing is
uploaded.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SUPPORTED", "compare_sdist", "compare_wheel", "find_pythons", "main"]

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 600
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
CALL = ["call", "Spi.exchange", "--device-index", "0", "--source", "hex:9f000000", "--sink", "4"]
REPLY = "ff ef 40 18"
INTERFACE = 'Interface(name:"Led",ops:{"on":(reply:Simple("()"))})\n'
#: Hints of `idol explain` and of the pages, so that package data is looked at too.
EXPLAINED = "no-access"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Build sdist and wheel, and try both.")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="keep the two in DIR")
    parser.add_argument("pythons", metavar="PYTHON", nargs="*", help="default: every one here")
    options = parser.parse_args(arguments)
    pythons: list[str] = options.pythons or find_pythons()
    unfit = [python for python in pythons if version_of(python) not in SUPPORTED]
    if unfit:
        sys.exit(f"`{unfit[0]}` is not a Python of {', '.join(SUPPORTED)} that can make a venv")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        tools = make_venv(scratch / "tools", sys.executable)
        install(tools, "--require-hashes", "-r", str(ROOT / "requirements" / "release.txt"))
        dist = scratch / "dist" if options.output is None else options.output.absolute()
        if dist.exists() and any(dist.iterdir()):
            sys.exit(f"{dist}: is not empty; give a new folder")
        run([tools / "python", "-m", "build", "--outdir", dist, ROOT])
        (sdist,), (wheel,) = list(dist.glob("*.tar.gz")), list(dist.glob("*.whl"))
        run([tools / "python", "-m", "twine", "check", "--strict", sdist, wheel])
        problems = [*compare_sdist(sdist, tracked()), *compare_wheel(wheel, tracked())]
        if problems:
            sys.exit("\n".join(problems))
        print(
            f"{sdist.name} ({size(sdist)}) and {wheel.name} ({size(wheel)}) hold what they should"
        )
        for index, python in enumerate(pythons):
            for package in (wheel, sdist):
                try_package(scratch / f"{index}{package.suffix}", python, package)
            try_bare(scratch / f"{index}-bare", python, wheel)
    missing = [v for v in SUPPORTED if v not in {version_of(python) for python in pythons}]
    print(f"tried on {', '.join(version_of(python) for python in pythons)}", end="")
    why = "not asked for" if options.pythons else "this machine lacks them"
    print(f"; not on {', '.join(missing)}: {why}" if missing else "")


def find_pythons() -> list[str]:
    """Return one interpreter for each version of ours: of the system, then of pyenv."""
    found: dict[str, str] = {}
    places = ["/usr/bin/python3.*", "/usr/local/bin/python3.*"]
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    places.append(f"{root}/versions/3.*/bin/python3.*")
    for path in [sys.executable, *(p for place in places for p in sorted(glob.glob(place)))]:
        if not path.endswith("-config") and (version := version_of(path)) in SUPPORTED:
            found.setdefault(version, path)
    return [found[version] for version in SUPPORTED if version in found]


def version_of(python: str) -> str:
    """Return `3.12`, or an empty string where that is not an interpreter that can make a venv."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


# -- what is in them


def tracked() -> list[str]:
    """Return the files of the checkout, [] outside of one (in an unpacked sdist)."""
    if not (ROOT / ".git").exists():
        return []
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def compare_sdist(sdist: Path, files: Sequence[str]) -> list[str]:
    """Return what the sdist lacks of the checkout, one sentence each."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return [
        f"{sdist.name} lacks {name}: add it to MANIFEST.in"
        for name in files
        if name not in names and name not in UNPACKED
    ]


#: Symbolic links in the checkout, folders in the sdist.
UNPACKED = {
    "fixtures/gaps/firmware",
    "fixtures/suite/firmware",
    "idoldbg/_images",
    "idoldbg/_targets",
}


def compare_wheel(wheel: Path, files: Sequence[str]) -> list[str]:
    """Return what the wheel lacks of the packages, one sentence each."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = [name for name in files if name.split("/")[0] in ("idol", "idoldbg") and "/" in name]
    wanted = [name for name in wanted if name not in UNPACKED]
    for link, folder in (("idoldbg/_images", "fixtures/archives"), ("idoldbg/_targets", "targets")):
        inside = [name for name in files if name.startswith(f"{folder}/")]
        wanted += [name.replace(folder, link, 1) for name in inside]
    return [
        f"{wheel.name} lacks {name}: add it to `package-data` or `packages` of pyproject.toml"
        for name in wanted
        if name not in names
    ]


# -- trying them


def try_package(folder: Path, python: str, package: Path) -> None:
    """Install a package in an empty environment and use it in an empty folder."""
    programs = make_venv(folder, python)
    install(programs, f"idoldbg[emu] @ {package.as_uri()}")
    run([programs / "python", "-m", "pip", "check"])
    home = folder / "home"
    home.mkdir()
    version = run([programs / "idoldbg", "--version"], home).split()[-1]
    assert version == declared_version(), f"idoldbg --version says {version}"
    said = run([programs / "idoldbg", *CALL], home)
    assert REPLY in said, said
    reply = json.loads(run([programs / "idoldbg", *CALL, "--format", "json"], home))
    assert reply["schema"].startswith("idoldbg.call/"), reply
    run([programs / "idoldbg", "map", "--html", "map.html"], home)
    run([programs / "idol", "explain", EXPLAINED], home)
    (home / "led.idol").write_text(INTERFACE)
    run([programs / "idol", "fmt", "led.idol"], home)
    run([programs / "idol", "check", "led.idol"], home)
    print(f"  Python {version_of(python)}: {package.name} installs, calls, formats", flush=True)


def try_bare(folder: Path, python: str, package: Path) -> None:
    """Without extras, what is missing is named by its extra."""
    programs = make_venv(folder, python)
    install(programs, str(package))
    home = folder / "home"
    home.mkdir()
    for command, extra in (([*CALL], "emu"), (["farm", "status"], "labgrid")):
        done = subprocess.run(
            [programs / "idoldbg", *command], cwd=home, env=clean_environment(home), text=True,
            capture_output=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 4, (command, done.stdout, done.stderr)
        assert f"'idoldbg[{extra}]'" in done.stderr, (command, done.stderr)
    run([programs / "idol", "explain", EXPLAINED], home)
    print(f"  Python {version_of(python)}: without extras, each is named", flush=True)


def make_venv(folder: Path, python: str) -> Path:
    """Make a virtual environment; return the folder of its programs."""
    run([python, "-m", "venv", folder])
    return folder / ("Scripts" if os.name == "nt" else "bin")


def install(programs: Path, *what: str) -> None:
    run([programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q", *what])


def clean_environment(home: Path) -> dict[str, str]:
    """Return this environment without what would reach the checkout or somebody's settings."""
    mine = ("IDOLDBG_", "HUMILITY_", "PYTHON", "LG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return {**kept, "XDG_CACHE_HOME": str(home / "cache"), "PYTHONSAFEPATH": "1"}


def run(command: Sequence[str | Path], folder: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, text=True, timeout=LIMIT_S, check=False,
        env=None if folder is None else clean_environment(folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        shown = " ".join(str(part) for part in command)
        sys.exit(f"`{shown}` exits with {done.returncode}:\n{done.stdout}")
    return done.stdout


def declared_version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    main(sys.argv[1:])
