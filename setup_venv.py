"""Set up the virtual environment that the Makefile's targets run in.

    python3 setup_venv.py FOLDER EXTRA... [--locked]

Does nothing where the folder holds all that is asked for. Makes it anew where it is half-made, was
made by another interpreter or for another checkout; adds to it where extras are missing or
`pyproject.toml` has changed. `make` has checked the version of Python before. With `--locked`
everything else comes from `requirements/ci.txt`, each file with its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent
PYPROJECT = CHECKOUT / "pyproject.toml"
LOCK = CHECKOUT / "requirements" / "ci.txt"
STAMP = ".installed"  # written last: a folder without it is half-made
BASE = getattr(sys, "_base_executable", sys.executable)  # not the venv's own, which may go away
SHOWN = ("Collecting", "Downloading", "Building", "Installing")


def main() -> None:
    folder, wanted = Path(sys.argv[1]), sorted(set(sys.argv[2:]) - {"--locked"})
    with PYPROJECT.open() as lock:  # `make -j demo test` sets up one after the other
        fcntl.flock(lock, fcntl.LOCK_EX)
        set_up(folder, wanted, is_locked="--locked" in sys.argv)


def set_up(folder: Path, wanted: list[str], *, is_locked: bool = False) -> None:
    """Bring the folder to hold the extras; exit with a sentence where that is not possible."""
    fault = find_fault(folder)
    stamp = {} if fault is not None else read_stamp(folder)
    have = set(stamp.get("extras", ()))
    if fault is None and have.issuperset(wanted) and stamp.get("pyproject") == digest():
        return
    if fault is not None:
        remove(folder, fault)
        create(folder)
    install(folder, sorted(have.union(wanted)), is_locked=is_locked)


def find_fault(folder: Path) -> str | None:
    """Return why the folder has to be made anew, "" where there is none yet, None to keep it."""
    if not os.path.lexists(folder):
        return ""
    home, version = read_config(folder)
    if Path(home).resolve() != Path(BASE).parent.resolve() or version != platform.python_version():
        if not version:
            return "is half-made"
        return f"is of Python {version} in {home}, not of {platform.python_version()} ({BASE})"
    if not (folder / STAMP).is_file():
        return "is half-made"
    if read_stamp(folder).get("checkout", str(CHECKOUT)) != str(CHECKOUT):
        return "is from another checkout"
    return None if has_pip(folder) else "does not work"


def has_pip(folder: Path) -> bool:
    """Return whether its interpreter runs and finds pip: its base may be gone."""
    command = [python_of(folder), "-c", "import pip"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def read_config(folder: Path) -> tuple[str, str]:
    """Return the folder of the interpreter that made it and its version, from `pyvenv.cfg`."""
    try:
        text = (folder / "pyvenv.cfg").read_text(errors="replace")
    except OSError:
        return "", ""
    pairs = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return pairs.get("home", ""), pairs.get("version", "")


def read_stamp(folder: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def digest() -> str:
    return hashlib.sha256(PYPROJECT.read_bytes()).hexdigest()


def python_of(folder: Path) -> str:
    return str(folder.absolute() / "bin" / "python")


def remove(folder: Path, fault: str) -> None:
    """Remove a virtual environment, and nothing that may be something else."""
    if not fault:
        return
    is_ours = folder.name == ".venv" or (folder / "pyvenv.cfg").is_file()
    if folder.is_symlink() or not folder.is_dir() or (not is_ours and any(folder.iterdir())):
        sys.exit(f"`{folder}` is not a virtual environment: remove it, or give another VENV")
    print(f"`{folder}` {fault}: making it anew", flush=True)
    shutil.rmtree(folder)


def create(folder: Path) -> None:
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{BASE} lacks the module `{missing[0]}` (Debian: apt install python3-venv)")
    if subprocess.run([BASE, "-m", "venv", str(folder)], check=False).returncode:
        sys.exit(f"`{BASE} -m venv {folder}` failed, see above")


def install(folder: Path, extras: list[str], *, is_locked: bool = False) -> None:
    """Install the checkout with pip, and show what it is doing."""
    what = f".[{','.join(extras)}]"
    print(f"Installing idoldbg, {what}, into {folder}: about a minute", flush=True)
    stamp = folder / STAMP
    before = stamp.read_bytes() if stamp.exists() else None
    stamp.unlink(missing_ok=True)
    begin_s = time.monotonic()
    code, output = 0, list[str]()
    if is_locked:
        code, output = run_pip(folder, ["install", "--require-hashes", "-r", str(LOCK)])
    if not code:
        # What the lock lacks of `pyproject.toml` is an error: nothing is fetched for it.
        last = ["--no-index", "--no-build-isolation", "-e", what] if is_locked else ["-e", what]
        code, output = run_pip(folder, ["install", *last])
    if code:
        print("".join(output), file=sys.stderr)
        if before is not None:  # pip changes nothing before it has everything
            stamp.write_bytes(before)
        sys.exit(f"pip could not install {what} into `{folder}`: see above; then run make again")
    print(f"Installed in {time.monotonic() - begin_s:.0f} s", flush=True)
    facts = {"checkout": str(CHECKOUT), "extras": extras, "pyproject": digest()}
    stamp.write_text(json.dumps(facts) + "\n")


def run_pip(folder: Path, arguments: list[str]) -> tuple[int, list[str]]:
    """Run pip, showing its steps: on a terminal in one line. Return exit code and output."""
    command = [python_of(folder), "-m", "pip", "--disable-pip-version-check", *arguments]
    command += ["--progress-bar", "off"]
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns - 1
    output: list[str] = []
    with subprocess.Popen(
        command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            output.append(line)
            if not line.strip().startswith(SHOWN):
                continue
            shown = "  " + line.strip()[:76]
            print(f"\r\x1b[K{shown[:width]}" if is_terminal else shown, end="", flush=True)
            if not is_terminal:
                print(flush=True)
    if is_terminal:
        print("\r\x1b[K", end="", flush=True)
    return pip.returncode, output


if __name__ == "__main__":
    main()
