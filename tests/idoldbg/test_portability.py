"""Commands without the modules, functions and files that only Linux has.

Tried on Linux with those masked (`masked.py`): nothing here has seen a Mac or Windows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from idoldbg.target import file_lock, host_lock, peer, runtime_dir
from idoldbg.target.host_lock import Holder, HostLock, LockHeld, find_holder
from tests.idoldbg import masked
from tests.tools import lacking

ROOT = Path(__file__).resolve().parents[2]
MASKED = [sys.executable, "-P", masked.__file__]
CALL = "idoldbg call Spi.exchange --device-index 0 --source hex:9f000000 --sink 4"
#: Command lines, and what they must print.
WORKING = {
    "idol check idl": "nothing to report",
    "idol fmt --check idl": "",
    "idol client idl/spi.idol -o client.rs": "",
    "idol explain no-access": "no-access",
    "idoldbg list Spi": "Spi.exchange",
    "idoldbg audit": "operations can be called",
    "idoldbg audit --format html -o page.html": "",
    "idoldbg types ResetReason": "variants told apart by",
    CALL: "ff ef 40 18",
    f"{CALL} --format json": '"hex": "ffef4018"',
    "idoldbg tasks": "user_leds",
    "idoldbg diagnose": "findings",
    "idoldbg ringbuf": "",
    "idoldbg map --html map.html": "",
    "idoldbg dump -o core.elf": "core.elf",
    "idoldbg boards": "nucleo-g031",
    "idoldbg cache list": "",
    "idoldbg shell -c dev.Sensor.reading(0)": "",
    "idoldbg board list": "no board is running",
}
#: What needs Linux says so, with what to do instead.
REFUSED = {
    "idoldbg board start bench": "need Linux; `-p emu` has one in the same process",
    "idoldbg -p emu:bench tasks": "need Linux; `-p emu` has one in the same process",
    "idoldbg farm status": "needs Linux; `pytest` with `--idoldbg-probe` runs tests here",
}
PROBES = {
    "idoldbg probes": "emu-stm32f4-discovery",
    "idoldbg -p pyocd:emu tasks": "user_leds",
}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if not (folder / "idl").exists():
        (folder / "idl").symlink_to(ROOT / "fixtures" / "idl")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("IDOLDBG_", "XDG_", "LG_"))}
    environment = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(folder), "TMPDIR": str(folder)}
    environment["PYTHONIOENCODING"] = "cp1252"  # as where output goes into a pipe on Windows
    return subprocess.run(
        [*MASKED, *command.split()],
        cwd=folder, env=environment, capture_output=True, timeout=300, check=False,
        encoding="cp1252",
    )  # fmt: skip


@pytest.mark.parametrize("command", WORKING)
def test_works_without_what_only_linux_has(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert WORKING[command] in done.stdout
    if "call" in command:  # what the platform lacks is said, not hidden
        assert "the MPU cannot be reached on this platform" in done.stderr


@pytest.mark.parametrize("command", REFUSED)
def test_commands_that_need_linux_are_refused(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert done.returncode == 4, done.stderr
    assert REFUSED[command] in done.stderr


@pytest.mark.parametrize("command", PROBES)
def test_probes_work_without_what_only_linux_has(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert PROBES[command] in done.stdout


def test_masks_are_worn(tmp_path: Path) -> None:
    """Without them, all of the above would show nothing."""
    script = "import masked; masked.mask(); import os; print(hasattr(os, 'getuid')); import fcntl"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(masked.__file__).parent)}, check=False,
    )  # fmt: skip
    assert done.stdout == "False\n"
    assert "import of fcntl halted" in done.stderr


@pytest.mark.parametrize("command", [*WORKING, *PROBES])
def test_no_file_is_read_in_the_encoding_of_the_machine(command: str, tmp_path: Path) -> None:
    """UTF-8 is said wherever text is read or written: Windows has another default."""
    program, *arguments = command.split()
    (tmp_path / "idl").symlink_to(ROOT / "fixtures" / "idl")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-P", "-X", "warn_default_encoding", "-m", program, *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = [
        line
        for line in done.stderr.splitlines()
        if re.search(rf"^{re.escape(str(ROOT))}[\\/](idol|idoldbg)[\\/].*EncodingWarning", line)
    ]
    assert ours == []


# -- locks by the library


@pytest.fixture
def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks as on Windows: by portalocker, who holds one is said in a file beside it."""
    try:
        import portalocker  # noqa: F401
    except ImportError:
        lacking("needs the package portalocker")
    monkeypatch.setattr(file_lock, "_flock", None)
    monkeypatch.setattr(host_lock, "IS_READABLE", False)


@pytest.mark.usefixtures("without_flock")
def test_a_lock_of_the_library_excludes_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with HostLock.acquire(path, command="a long flash") as first:
        with pytest.raises(LockHeld, match="a long flash"):
            HostLock.acquire(path)
        holder = find_holder(path)
        assert holder is not None and holder.pid == os.getpid()
        assert first.path.read_bytes() == b""  # nobody could read it there
    assert list(tmp_path.iterdir()) == []
    assert find_holder(path) is None
    HostLock.acquire(path).release()


@pytest.mark.usefixtures("without_flock")
def test_a_lock_of_the_library_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from idoldbg.target import file_lock, host_lock\n"
        "file_lock._flock, host_lock.IS_READABLE = None, False\n"
        f"lock = host_lock.HostLock.acquire(Path({str(path)!r}))\n"
        "print('held', flush=True)\nsys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=rf"process {process.pid} "):
            HostLock.acquire(path)
        process.kill()
        process.wait()
        assert find_holder(path) is None
        HostLock.acquire(path).release()


def test_without_abstract_names_a_lock_is_one_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "HAS_ABSTRACT_NAMES", False)
    with HostLock.acquire(tmp_path / "a.lock", shared_name="probe 1"):
        assert host_lock.find_user("probe 1") is None
        with pytest.raises(LockHeld):
            HostLock.acquire(tmp_path / "a.lock", shared_name="probe 1")


# -- users


def test_runtime_folder_without_user_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_dir, "user_id", lambda: None)
    monkeypatch.setattr(runtime_dir.tempfile, "gettempdir", lambda: str(tmp_path))
    assert runtime_dir.private_dir("probes", environment={}) == tmp_path / "idoldbg" / "probes"
    assert runtime_dir.private_dir(environment={runtime_dir.ENVIRONMENT: str(tmp_path / "mine")})


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peer.user_name(0) == "root"
    assert peer.user_name(4_000_000_000) == "4000000000"
    monkeypatch.setitem(sys.modules, "pwd", None)
    assert peer.user_name(0) == "0"
    assert str(Holder(7, "", 0.0, peer.user_name(0))) == "process 7 of user 0"
