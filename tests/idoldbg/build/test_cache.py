"""The cache directory: what is kept, when it is believed, and that no state of it does harm."""

from __future__ import annotations

import gc
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.build import cache as cache_module
from idoldbg.build.cache import Cache, cache_directory, fingerprint, sha256_hex
from idoldbg.build.index import Results
from idoldbg.build.learned import save_learned
from idoldbg.build.load import open_build
from idoldbg.build.load.sources import code_version
from idoldbg.cli import run
from idoldbg.errors import ArchiveError
from idoldbg.session import TargetOptions, open_program
from tests.conftest import ARCHIVES

ARCHIVE = ARCHIVES / "stm32f4-discovery.zip"
DIGEST = sha256_hex(ARCHIVE.read_bytes())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of one's own, and the archive at a path that is old enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "idoldbg"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "build.zip"
    shutil.copy(ARCHIVE, path)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe digests of files that were only just written."""
    monkeypatch.setattr(cache_module, "RACY_NS", 0)


def resolve(path: Path, notes: list[str] | None = None) -> str:
    """Ask for what a call asks for, and let go of the build."""
    told = [] if notes is None else notes
    program = open_program(TargetOptions(archive=str(path), notify=told.append))
    operation = program.operation("Spi.exchange")
    answer = f"{operation.message} {operation.ok.type} {program.archive.image_id!r}"
    save_learned()
    return answer


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("the archive was read")

    monkeypatch.setattr("idoldbg.build.load.read_file", refuse)


def test_second_look_reads_no_archive(
    home: Path, archive: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = resolve(archive)
    forbid_reading(monkeypatch)
    assert resolve(archive) == first


def test_warm_start_loads_little(home: Path, archive: Path) -> None:
    """Modules that read archives are not loaded: they take longer than the answer."""
    argv = ["-a", str(archive), "list", "Spi.exchange"]
    assert run(argv) == 0
    unwanted = ("elftools", "zipfile", "bz2", "_hashlib", "tomllib", "unicorn", "pyocd", "socket")
    code = (
        "import sys, idoldbg.cli\n"
        f"code = idoldbg.cli.run({argv!r})\n"
        f"print(code, [m for m in {unwanted} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Spi.exchange" in done.stdout
    assert done.stderr.strip() == "0 []"


def test_files_are_the_users_own(home: Path, archive: Path, settled: None) -> None:
    resolve(archive)
    assert (home / "index" / DIGEST).is_file()
    for path in home.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_no_cache_keeps_nothing(home: Path, archive: Path) -> None:
    program = open_program(TargetOptions(archive=str(archive), use_cache=False))
    program.operation("Spi.exchange")
    save_learned()
    assert not home.exists()


@pytest.mark.parametrize("argv", [["--no-cache"], []])
def test_command_without_cache(
    argv: list[str],
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not argv:
        monkeypatch.setenv("IDOLDBG_NO_CACHE", "1")
    assert run([*argv, "list", "Spi.exchange"]) == 0
    assert not home.exists()


# ---- which archive ------------------------------------------------------------------------------


def test_fresh_file_is_read_each_time(home: Path, archive: Path) -> None:
    """It could change once more within the same tick of the file system's clock."""
    resolve(archive)
    assert not list((home / "digest").glob("*")) if (home / "digest").exists() else True


@pytest.mark.parametrize("keep_time", [False, True])
def test_changed_archive_is_read_anew(
    keep_time: bool, home: Path, archive: Path, settled: None
) -> None:
    resolve(archive)
    assert Cache().find_digest(str(archive)) == DIGEST
    before = archive.stat()
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 2] ^= 1
    archive.write_bytes(raw)
    if keep_time:
        os.utime(archive, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Cache().find_digest(str(archive)) is None


def test_archive_replaced_while_it_is_used(home: Path, archive: Path, settled: None) -> None:
    resolve(archive)
    build = open_build(archive, cache=Cache())
    archive.write_bytes((ARCHIVES / "nucleo-g031.zip").read_bytes())
    with pytest.raises(ArchiveError, match="replaced meanwhile"):
        build.archive.get_member("app.toml")


def test_copies_share_an_index(home: Path, archive: Path, tmp_path: Path, settled: None) -> None:
    resolve(archive)
    shutil.copy(archive, tmp_path / "copy.zip")
    resolve(tmp_path / "copy.zip")
    assert [e.digest for e in Cache().entries()] == [DIGEST]


# ---- damage -------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 4
    path.write_bytes(raw)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_version(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[8:24] = bytes(16)
    path.write_bytes(raw)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def shared(path: Path) -> None:
    path.chmod(0o622)


def other_archive(path: Path) -> None:
    """Another build's index under this name: its check sum is right, its fingerprint is not."""
    resolve(ARCHIVES / "nucleo-g031.zip")
    other = next(e.path for e in Cache().entries() if e.digest != DIGEST)
    path.write_bytes(Path(other).read_bytes())


@pytest.mark.parametrize(
    "damage", [cut, flip, empty, other_version, other_archive, directory, link, pipe, shared]
)
def test_damaged_index_is_rebuilt(
    damage: Callable[[Path], None], home: Path, archive: Path, settled: None
) -> None:
    expected = resolve(archive)
    index = home / "index" / DIGEST
    good = index.read_bytes()
    damage(index)
    notes: list[str] = []
    assert resolve(archive, notes) == expected
    assert notes
    if damage is not directory:  # that stays, in nobody's way
        assert index.read_bytes() == good
        assert not index.is_symlink()


@pytest.mark.parametrize("text", [b"", b"nonsense", b"1 2 3 4 5 " + b"0" * 64, b"\xff" * 2000])
def test_damaged_digest_is_not_believed(
    text: bytes, home: Path, archive: Path, settled: None
) -> None:
    resolve(archive)
    (kept,) = (home / "digest").iterdir()
    kept.write_bytes(text)
    assert Cache().find_digest(str(archive)) is None
    resolve(archive)
    assert Cache().find_digest(str(archive)) == DIGEST


# ---- places that cannot be used -----------------------------------------------------------------


def test_directory_that_is_a_link_is_not_used(home: Path, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    home.parent.mkdir()
    home.symlink_to(tmp_path / "theirs")
    notes: list[str] = []
    resolve(archive, notes)
    assert any("not a directory of this user alone" in n for n in notes)
    assert not list((tmp_path / "theirs").iterdir())


def test_directory_that_others_can_write_is_not_used(home: Path, archive: Path) -> None:
    home.mkdir(parents=True)
    home.chmod(0o777)
    resolve(archive)
    assert not list(home.iterdir())


def test_place_that_is_a_file(home: Path, archive: Path) -> None:
    home.parent.write_text("not a directory")
    notes: list[str] = []
    resolve(archive, notes)
    assert any("cannot be" in n for n in notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_read_only_place(home: Path, archive: Path) -> None:
    home.parent.mkdir()
    home.parent.chmod(0o500)
    notes: list[str] = []
    resolve(archive, notes)
    assert any("cannot be written" in n for n in notes)


def test_failures_are_shown_with_verbose_only(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.parent.write_text("not a directory")
    assert run(["list", "Spi.exchange"]) == 0
    gc.collect()
    assert capsys.readouterr().err == ""
    assert run(["-v", "list", "Spi.exchange"]) == 0
    gc.collect()
    assert "note: cache: " in capsys.readouterr().err


def test_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == "/somewhere/idoldbg"
    monkeypatch.setenv("HOME", "/home/someone")
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_directory() == "/home/someone/.cache/idoldbg"


def test_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    assert cache_directory() is None
    cache = Cache()
    assert cache.open_index(DIGEST) is None
    assert cache.find_digest(str(ARCHIVE)) is None
    cache.store_index(DIGEST, b"data")
    assert cache.entries() == ()
    assert cache.clear() == (0, 0)


# ---- many ---------------------------------------------------------------------------------------


def test_least_recently_used_files_go_first(home: Path) -> None:
    cache = Cache(max_total_size=3000)
    names = [f"{i:064x}" for i in range(6)]
    for age, name in enumerate(names):
        cache.store_index(name, bytes(1000))
        if (home / "index" / name).exists():
            os.utime(home / "index" / name, (1000 + age, 1000 + age))
        if age == 2:  # the first is used once more
            assert cache.open_index(names[0]) is not None
    kept = {e.digest for e in cache.entries()}
    assert kept == {names[0], names[4], names[5]}


def test_too_large_an_index_is_not_kept(home: Path) -> None:
    notes: list[str] = []
    Cache(notify=notes.append, max_file_size=100).store_index(DIGEST, bytes(101))
    assert "too large" in notes[0]
    assert not home.exists()


def test_unfinished_files_are_ignored(home: Path) -> None:
    cache = Cache()
    cache.store_index(DIGEST, b"data")
    old, new = home / "index" / ".1-aa", home / "index" / ".2-bb"
    for draft in (old, new):
        draft.write_bytes(b"half")
        draft.chmod(0o600)
    os.utime(old, (1000, 1000))
    assert [e.digest for e in cache.entries()] == [DIGEST]
    cache.store_index("0" * 64, b"data")
    assert not old.exists()
    assert new.exists()  # another process may be writing it
    assert cache.clear()[0] == 2
    assert not list((home / "index").iterdir())


def test_processes_at_the_same_time(home: Path, archive: Path) -> None:
    """Each answers as if it were alone, and what is left is whole."""
    argv = [sys.executable, "-P", "-m", "idoldbg", "-a", str(archive), "--format", "json", "list"]
    expected = subprocess.run([*argv, "--no-cache"], capture_output=True, check=True).stdout
    operations = ["Spi", "Jefe", "Sensor", "Spi.exchange"]
    running = [
        subprocess.Popen([*argv, *more], stdout=subprocess.PIPE)
        for more in ([], [operations[0]], [operations[1]], [operations[3]])
    ]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    assert outputs[0] == expected
    data = Cache().open_index(DIGEST)
    assert data is not None
    version = code_version(Cache())
    assert version is not None
    assert not Results(data, fingerprint(DIGEST, version)).damage
    assert not [p for p in (home / "index").iterdir() if p.name.startswith(".")]


# ---- commands -----------------------------------------------------------------------------------


def test_cache_commands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "list"]) == 0
    assert "no index" in capsys.readouterr().out
    resolve(ARCHIVE)
    assert run(["cache", "list"]) == 0
    out = capsys.readouterr().out
    assert DIGEST[:12] in out
    assert "stm32f4-discovery" in out
    assert run(["cache", "list", "--format", "json"]) == 0
    (index,) = json.loads(capsys.readouterr().out)["indices"]
    assert index["archive_sha256"] == DIGEST
    assert index["board"] == "stm32f4-discovery"
    assert run(["--format", "json", "cache", "clear"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"]["indices"] == 1
    assert Cache().entries() == ()
    assert run(["cache", "clear"]) == 0


def test_list_shows_indices_of_other_versions(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resolve(ARCHIVE)
    other_version(home / "index" / DIGEST)
    assert run(["cache", "list"]) == 0
    assert "(of another version)" in capsys.readouterr().out


def test_commands_answer_the_same_from_the_index(
    home: Path, archive: Path, settled: None, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for argv in (["--no-cache"], [], []):
        for command in (["list"], ["list", "--format", "json"], ["tasks", "-p", "emu"]):
            assert run([*argv, "-a", str(archive), *command]) == 0
            gc.collect()
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] == outputs[2]


def test_core_dumps_use_the_index_of_their_archive(home: Path, real_hubris: Path) -> None:
    path = real_hubris / "cores" / "hubris.core.v6"
    outputs = []
    for use_cache in (False, True, True):
        options = TargetOptions(archive=str(path), use_cache=use_cache)
        program = open_program(options)
        outputs.append([(t.name, program.object(t.name).idolatry) for t in program.archive.tasks])
        assert program.archive.members.names()
        del program
        gc.collect()
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(Cache().entries()) == 1
