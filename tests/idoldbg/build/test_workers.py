"""Work shared out among processes: whole, once each, and without a process that stays.

A fork needs a process of one thread, which pytest's workers are not: each case is a script.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from idoldbg.build.kept import SERVER
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.build.workers import share_out
from tests.conftest import ARCHIVES, ROOT, wait_until

DEMO = ARCHIVES / "stm32f4-discovery.zip"
BEGIN = """
import os, signal, sys, time
from idoldbg.audit import audit
from idoldbg.build.kept import SERVER
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.build.workers import share_out

def fail():
    raise AssertionError("it is not known")

def open_one(path):
    build = open_build(path)
    return Program(build.archive, build)

program = open_one(sys.argv[1])
parent = os.getpid()
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script, str(DEMO), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )


def test_each_job_is_done_once_and_known_afterwards() -> None:
    done = run("""
def job(number):
    def find():
        time.sleep(0.002)  # so that each process takes some
        return f"{os.getpid()} {number}"
    return lambda: program.recall(SERVER, str(number), find)

share_out(program, [job(n) for n in range(200)], 3)
found = [program.recall(SERVER, str(n), fail).split() for n in range(200)]
assert [int(number) for _, number in found] == list(range(200))
print(len({pid for pid, _ in found}))
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_audits_are_the_same() -> None:
    builds = [*ARCHIVES.glob("*.zip"), *(ROOT / "fixtures" / "gaps" / "archives").glob("*.zip")]
    assert len(builds) > 5
    done = run(
        """
from idoldbg.render.audit import Files
from idoldbg.render.audit.json import to_json
from idoldbg.audit.verdict import judge
for path in sys.argv[1:]:
    alone, shared = (open_one(path) for _ in range(2))
    first, second = audit(alone), audit(shared, workers=3)
    assert first == second, path
    reports = [to_json(judge(report), Files(report, {})) for report in (first, second)]
    assert reports[0] == reports[1], path
""",
        *map(str, builds),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_lists_are_the_same() -> None:
    done = run("""
from idoldbg.views.interfaces import read_ahead, read_interfaces
opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event == "os.fork" else None)
for _ in range(2):
    read_ahead(program, 2)  # the second time everything is known
print(opened)
program.object = None
assert read_interfaces(program) == read_interfaces(open_one(sys.argv[1]))
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "['os.fork']\n", "")


def test_job_that_fails_is_done_again_where_its_result_is_asked_for() -> None:
    done = run("""
def job(number):
    def find():
        time.sleep(0.01)
        if number == 7:
            raise ValueError("seven")
        return str(number)
    return lambda: program.recall(SERVER, str(number), find)

jobs = [job(n) for n in range(20)]
share_out(program, jobs, 2)
print([n for n in range(20) if not program.recall(SERVER, str(n), lambda: "")])
try:
    program.forget(SERVER, "7"), jobs[7]()
except ValueError as error:
    print(error)
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[7]\nseven\n", "")


def test_child_that_is_killed_is_an_error() -> None:
    done = run("""
def job():
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)

try:
    share_out(program, [job] * 8, 2)
except ChildProcessError as error:
    print(error)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none is left")
""")
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert "was killed by SIGKILL" in first
    assert "taskset" in first
    assert second == "none is left"


def test_child_that_ends_without_an_answer_has_its_work_done_again() -> None:
    done = run("""
def job(number):
    def find():
        if os.getpid() != parent:
            os._exit(3)
        time.sleep(0.01)
        return str(number)
    return lambda: program.recall(SERVER, str(number), find)

jobs = [job(n) for n in range(8)]
share_out(program, jobs, 3)
for job in jobs:
    job()
print("done")
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_interrupt_ends_the_children() -> None:
    done = run("""
def job():
    if os.getpid() == parent:
        time.sleep(0.1)
        raise KeyboardInterrupt
    time.sleep(600)

try:
    share_out(program, [job] * 8, 4)
except KeyboardInterrupt:
    print("interrupted")
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none is left")
""")
    assert (done.stdout, done.stderr) == ("interrupted\nnone is left\n", "")


def test_children_of_a_killed_process_end() -> None:
    script = """
def job():
    if os.getpid() == parent:
        os.kill(parent, signal.SIGKILL)
    print(os.getpid(), flush=True)
    while os.getppid() == parent:
        time.sleep(0.01)

share_out(program, [job] * 100, 2)
"""
    done = run(script)
    assert done.returncode == -signal.SIGKILL
    for pid in map(int, done.stdout.split()):
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"{pid} ends")  # type: ignore[misc]


def test_silent_child_is_an_error() -> None:
    done = run("""
def job():
    while os.getpid() != parent:
        time.sleep(600)
    time.sleep(0.05)

try:
    share_out(program, [job] * 8, 2, patience_s=0.2)
except TimeoutError as error:
    print(error)
""")
    assert "has sent nothing for 0.2 s" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_forked_beside_other_threads(workers: int) -> None:
    """As in pytest's own workers, in notebooks, in servers."""
    build = open_build(DEMO)
    program = Program(build.archive, build)
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        share_out(program, [lambda: program.recall(SERVER, "a", lambda: str(os.getpid()))], workers)
        share_out(program, [lambda: os._exit(1)] * 8, workers)
    finally:
        end.set()
        thread.join()
    assert program.recall(SERVER, "a", lambda: "asked") == "asked"
