"""Files that are written as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest

from idol.whole_file import write_new, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "report"
    for data in (b"one", b"", b"two" * 100_000):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert names(tmp_path) == ["report"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_new_file_has_the_mode_of_any_other(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "new", b"")
        (tmp_path / "other").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    write_whole(path, b"new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("is_there", [True, False])
def test_links_stay_links(is_there: bool, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "report", tmp_path / "link"
    if is_there:
        target.write_text("old")
    link.symlink_to(Path("real", "report"))
    write_whole(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("at", ["report", "none/report", "folder"])
def test_failure_changes_nothing_and_names_the_file(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / at
    (tmp_path / "folder").mkdir()
    (tmp_path / "report").write_text("old")
    # A full disk tells when the file is closed, at the latest.
    monkeypatch.setattr("os.replace", _fail)
    with pytest.raises(OSError) as caught:
        write_whole(path, b"new")
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert names(tmp_path) == ["folder", "report"]
    assert (tmp_path / "report").read_text() == "old"


def _fail(draft: str, _target: str) -> None:
    raise OSError(28, "No space left on device", draft)


def test_file_that_cannot_be_replaced_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a file that is mounted into a container: the rename says `busy`."""

    def busy(self: Path, _target: Path) -> Path:
        raise OSError(16, "Device or resource busy", str(self))

    path = tmp_path / "report"
    path.write_text("old and long")
    monkeypatch.setattr(Path, "replace", busy)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["report"]


def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    write_whole("/dev/null", b"lost")
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"through")
    reader.join(60)
    assert got == [b"through"]
    assert pipe.is_fifo()


def test_a_new_file_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    write_new(path, b"one")
    assert path.read_bytes() == b"one"
    (tmp_path / "link").symlink_to("nowhere")
    for taken in (path, tmp_path / "link", tmp_path):
        with pytest.raises(FileExistsError) as caught:
            write_new(taken, b"two")
        assert caught.value.filename == str(taken)
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["dump", "link"]


def test_one_of_many_writers_makes_a_file(tmp_path: Path) -> None:
    path, done = tmp_path / "dump", []

    def make(number: int) -> None:
        with contextlib.suppress(FileExistsError):
            write_new(path, bytes([number]) * 100_000)
            done.append(number)

    threads = [threading.Thread(target=make, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == bytes(done) * 100_000
    assert names(tmp_path) == ["dump"]


def test_a_new_file_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "dump"
    write_new(path, b"one")
    with pytest.raises(FileExistsError):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["dump"]
