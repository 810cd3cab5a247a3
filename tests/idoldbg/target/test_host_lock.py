"""One probe, several processes: who has it, who waits, and what a dead holder leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idoldbg.errors import LinkError
from idoldbg.target.host_lock import Holder, HostLock, LockHeld, find_holder, find_user
from idoldbg.target.probe import probes as pyocd_probes
from idoldbg.target.probe.link import ProbeOptions, list_probes, open_probe, open_server
from idoldbg.target.runtime_dir import private_dir

HOLD = """
import sys
from pathlib import Path
from idoldbg.target.host_lock import HostLock
lock = HostLock.acquire(Path(sys.argv[1]), command="a long flash")
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""
LIMIT_S = 60.0  # reached by no test


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a lock until `let_go`, or to the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert find_holder(path) is None
    with holding(path) as process:
        with pytest.raises(LockHeld, match=r"a long flash.* since \d\d:\d\d:\d\d") as caught:
            HostLock.acquire(path)
        assert caught.value.holder.pid == process.pid
        assert find_holder(path) == caught.value.holder


def test_a_stale_lock_file_of_a_killed_holder_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with holding(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert json.loads(path.read_text())["pid"] == process.pid
        assert find_holder(path) is None
        with HostLock.acquire(path):
            holder = find_holder(path)
            assert holder is not None and holder.pid == os.getpid()
    assert not path.exists()


def test_waiting_gets_it_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    heard = []
    with holding(path) as process:

        def on_wait(holder: Holder) -> None:
            heard.append(holder.command)
            let_go(process)

        HostLock.acquire(path, wait_s=LIMIT_S, on_wait=on_wait).release()
    assert heard == ["a long flash"]


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    """Each increments a number in a file, slowly enough for the others to come between."""
    path, number = tmp_path / "a.lock", tmp_path / "number"
    number.write_text("0")
    code = f"""
import time
from pathlib import Path
from idoldbg.target.host_lock import HostLock
for _ in range(10):
    with HostLock.acquire(Path({str(path)!r}), wait_s=60):
        value = int(Path({str(number)!r}).read_text())
        time.sleep(0.002)
        Path({str(number)!r}).write_text(str(value + 1))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [p.wait(60) for p in processes] == [0] * 4
    assert number.read_text() == "40"


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"pid": "x"}', b"\xff" * 9000])
def test_a_holder_that_wrote_nonsense(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.lock"
    with HostLock.acquire(path):
        path.write_bytes(text)
        with pytest.raises(LockHeld, match="another process"):
            HostLock.acquire(path)


@pytest.fixture
def hardware_id(probe_id: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The emulated probe, taken for hardware."""
    monkeypatch.setattr(pyocd_probes, "EMULATED_KIND", "no such kind")
    return probe_id


def lock_of(unique_id: str) -> Path:
    return private_dir("probes") / f"{unique_id}.lock"


def test_a_probe_in_use_is_not_touched(hardware_id: str) -> None:
    with holding(lock_of(hardware_id)) as process:
        with pytest.raises(LinkError, match=rf"in use by process {process.pid} .*--wait"):
            open_probe(hardware_id)
        (info,) = (p for p in list_probes().probes if p.unique_id == hardware_id)
        assert info.used_by is not None and "a long flash" in info.used_by
        assert info.board_guess is None
    with open_probe(hardware_id):
        holder = find_holder(lock_of(hardware_id))
        assert holder is not None and holder.pid == os.getpid()
    assert find_holder(lock_of(hardware_id)) is None


def test_a_probe_that_another_user_has_is_not_touched(
    hardware_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user has another folder, which is all that is different here."""
    with HostLock.acquire(tmp_path / "a.lock", shared_name=hardware_id):
        owner = rf"process {os.getpid()} of user \w+"
        with pytest.raises(LinkError, match=rf"is in use by {owner}; .*--wait"):
            open_probe(hardware_id)
        (info,) = (p for p in list_probes().probes if p.unique_id == hardware_id)
        assert info.used_by is not None and re.fullmatch(owner, info.used_by)
    open_probe(hardware_id).close()


FORK = """
import os, sys
from pathlib import Path
from idoldbg.target.host_lock import HostLock
lock = HostLock.acquire(Path(sys.argv[1]), shared_name=sys.argv[1])
read_end, write_end = os.pipe()
if os.fork() == 0:
    os.close(write_end)
    os.read(read_end, 1)  # until the parent has ended
    os._exit(0)
lock.release()
HostLock.acquire(Path(sys.argv[1]), shared_name=sys.argv[1]).release()
print("again")
"""


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", FORK, str(tmp_path / "a.lock")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.stdout == "again\n", done.stderr


def test_waiting_for_a_probe_is_reported(hardware_id: str) -> None:
    heard: list[str] = []
    with holding(lock_of(hardware_id)) as process:

        def on_wait(notice: str) -> None:
            heard.append(notice)
            let_go(process)

        open_probe(hardware_id, ProbeOptions(wait_s=LIMIT_S, on_wait=on_wait)).close()
    assert len(heard) == 1 and "waiting for it" in heard[0]


def test_a_probe_that_cannot_be_opened_is_let_go_of(
    hardware_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyocd  # noqa: F401  # before the plug-in's own modules, see there

    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe

    def fail(self: EmulatedProbe) -> None:
        raise OSError("no")

    monkeypatch.setattr(EmulatedProbe, "open", fail)
    with pytest.raises((LinkError, OSError)):
        open_probe(hardware_id, ProbeOptions(attempts=1))
    assert find_holder(lock_of(hardware_id)) is None


def test_emulated_probes_need_no_lock(probe_id: str) -> None:
    with open_probe(probe_id):
        assert find_holder(lock_of(probe_id)) is None


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert private_dir(environment={"IDOLDBG_RUNTIME_DIR": str(folder)}) == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    with pytest.raises(LinkError, match="may be entered by others"):
        private_dir(environment={"IDOLDBG_RUNTIME_DIR": str(folder)})
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(LinkError, match="is not a directory"):
        private_dir(environment={"IDOLDBG_RUNTIME_DIR": str(link)})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(LinkError, match="belongs to user 12345"):
        private_dir(environment={"IDOLDBG_RUNTIME_DIR": str(folder)})


def test_where_the_folder_is(tmp_path: Path) -> None:
    users, temporary = tmp_path / "users", tmp_path / "tmp"
    temporary.mkdir()
    places = {"user_dirs": users, "temporary": temporary}
    assert private_dir(environment={}, **places) == temporary / f"idoldbg-{os.getuid()}"
    (users / str(os.getuid())).mkdir(parents=True)
    assert private_dir(environment={}, **places) == users / str(os.getuid()) / "idoldbg"
    session = tmp_path / "session"
    session.mkdir()
    named = {"XDG_RUNTIME_DIR": str(session)}
    assert private_dir("boards", environment=named, **places) == session / "idoldbg" / "boards"


def test_a_probe_server_has_one_of_our_processes_at_a_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with (
            holding(lock_of(f"remote%3A127.0.0.1%3A{port}")),
            pytest.raises(LinkError, match=r"remote:.* in use by .*a long flash"),
        ):
            open_server("127.0.0.1", port)


def test_a_holder_is_found_however_often_it_is_asked_for(tmp_path: Path) -> None:
    """Nobody accepts those who ask: after 129 of them the holder's backlog is full."""
    name = f"test-{tmp_path}"
    with HostLock.acquire(tmp_path / "a.lock", shared_name=name):
        found = {find_user(name) for _ in range(300)}
        assert len(found) == 1
        (holder,) = found
        assert holder is not None and holder.pid == os.getpid()
        with pytest.raises(LockHeld, match=f"process {os.getpid()} "):
            HostLock.acquire(tmp_path / "b.lock", shared_name=name)
    assert find_user(name) is None


@pytest.mark.parametrize(
    "text",
    ["[" * 4000, '{"pid": 1e400, "command": "", "since": 0}', '{"pid": 1, "command": "", "since": '
     + "9" * 400 + "}", '{"pid": 1, "command": "x", "since": 1e300}', "\xff", ""],
)  # fmt: skip
def test_other_processes_do_not_count_as_holders(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.lock"
    with holding(path):
        path.write_text(text)
        assert str(find_holder(path)) == "another process"
