"""Cost of one call and of an audit: whole processes, cold and warm."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.archives import Subject, grow, settle, subjects, unpack
from benchmarks.measure import Cost, Inside, child_cost, inside, least_cpu_s, row

__all__ = ["bench_audit", "bench_growth", "bench_setup", "bench_start"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COLUMNS = (
    "whole process: processor time, share of the first line, times `python -c pass`, elapsed time; "
    "without starting Python and imports: processor time, share; peak memory"
)
BARE = [[sys.executable, "-c", "pass"]]


def bench_start(repeat: int) -> None:
    """Start both commands, and generate stubs one by one and all in one process."""
    print(f"start-up: processor time, the least of {repeat} runs in turns")
    corpus = sorted(str(path) for path in (ROOT / "fixtures" / "idl").glob("*.idol"))
    module, bare = [sys.executable, "-m"], "`python -c pass`"
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            *BARE,
            [sys.executable, "-c", "import click"],
            *([*module, "idol", "client", file] for file in corpus),
            [*module, "idol", "server", corpus[0]],
            [*module, "idol", "client", *corpus, "-d", folder],
            [*module, "idoldbg", "--help"],
        ]
        python, click, *stubs, server, together, shown = least_cpu_s(commands, repeat)
    for file, seconds in zip(corpus, stubs, strict=True):
        row(f"idol client {Path(file).name}", seconds, python, bare)
    row(f"idol server {Path(corpus[0]).name}", server, python, bare)
    row(f"idol client, {len(corpus)} files with -d", together, python, bare)
    row(f"idol client, {len(corpus)} times", sum(stubs), together, "that")
    row("idoldbg --help", shown, click, "`python -c 'import click'`")
    print(f"  {'':<46} {(shown - click) * 1000:+9.2f} ms beside it")


def bench_setup(repeat: int) -> None:
    """Everything that one call needs, board excepted: plain pyelftools, cold, warm."""
    print(f"set-up of one call ({COLUMNS})")
    with tempfile.TemporaryDirectory() as folder:
        bare = child_cost(BARE, repeat)
        _line("`python -c pass`", bare, bare, bare)
        for subject in subjects():
            print(f" {subject.name}: {subject.operation}")
            _compare_setup(subject, Path(folder), repeat, bare)


def bench_growth(repeat: int) -> None:
    """Measure the set-up of builds with more and more tasks."""
    print(f"set-up of one call as the archive grows ({COLUMNS})")
    demo = subjects()[0]
    with tempfile.TemporaryDirectory() as folder:
        bare = child_cost(BARE, repeat)
        for count in (10, 40):
            path = Path(folder) / f"{count}.zip"
            grow(demo.path, path, count)
            print(f" {count} tasks")
            _compare_setup(demo._replace(path=path), Path(folder), repeat, bare)


def _compare_setup(subject: Subject, folder: Path, repeat: int, bare: Cost) -> None:
    path = settle(subject.path, folder)
    plain_argv = [sys.executable, str(HERE / "plain_pyelftools.py"), str(path)]
    plain = child_cost([plain_argv], max(repeat // 3, 1))
    plain_inside = inside(plain_argv, 1)
    _line("plain pyelftools, whole archive", plain, plain, bare, plain_inside, plain_inside)
    argv = [sys.executable, str(HERE / "setup_call.py"), str(path), subject.operation]
    cache = folder / f"cache-{path.stem}"
    place = {"XDG_CACHE_HOME": str(cache)}

    def forget() -> None:
        shutil.rmtree(cache, ignore_errors=True)

    alone = [*argv, "--no-cache"]
    for label, command, before in (
        ("cold, --no-cache", alone, forget),
        ("cold, and the index written", argv, forget),
        ("warm", argv, lambda: None),
    ):
        cost = child_cost([command], repeat, before=before, extra=place)
        own = inside(command, max(repeat // 2, 1), before=before, extra=place)
        _line(label, cost, plain, bare, own, plain_inside)


def bench_audit(repeat: int) -> None:
    """Audit the largest archive at hand, beside what only dumps the same ELF files."""
    subject: Subject = subjects()[-1]
    print(f"audit of {subject.name}, whole process ({COLUMNS})")
    with tempfile.TemporaryDirectory() as folder:
        path = settle(subject.path, Path(folder))
        elves = Path(folder) / "elf"
        elves.mkdir()
        files = unpack(path, elves)
        bare = child_cost(BARE, repeat)
        dumps = {
            "llvm-dwarfdump --debug-info": "--debug-info",
            "readelf --debug-dump=info": "--debug-dump=info",
        }
        beside: Cost | None = None
        for label, option in dumps.items():
            tool = label.split()[0]
            if shutil.which(tool) is None:
                print(f"  {label}: not installed")
                continue
            cost = child_cost([[tool, option, file] for file in files], repeat)
            beside = beside or cost
            _line(f"{label} > /dev/null", cost, beside, bare)
        argv = [sys.executable, str(HERE / "plain_pyelftools.py"), str(path)]
        plain = child_cost([argv], max(repeat // 3, 1))
        beside = beside or plain
        _line("plain pyelftools over the archive", plain, beside, bare)
        # What the others need not do: they are given files.
        unpacked = child_cost([[sys.executable, str(HERE / "unpack.py"), str(path)]], repeat)
        _line("unpacking the archive, and no more", unpacked, beside, bare)
        argv = [sys.executable, "-m", "idoldbg", "-a", str(path), "audit", "--fail-on", "none"]
        place = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        uncached = child_cost([[*argv, "--no-cache"]], repeat)
        _line("audit, cold, nothing kept", uncached, beside, bare)
        cold = child_cost(
            [argv], repeat, before=lambda: _remove(Path(folder) / "cache"), extra=place
        )
        _line("audit, cold, and the index written", cold, beside, bare)
        warm = child_cost([argv], repeat, extra=place)
        _line("audit, warm", warm, beside, bare)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _line(
    label: str,
    cost: Cost,
    beside: Cost,
    bare: Cost,
    own: Inside | None = None,
    own_beside: Inside | None = None,
) -> None:
    text = (
        f"  {label:<36} {cost.cpu_s * 1000:6.0f} ms {100 * cost.cpu_s / beside.cpu_s:6.1f} %"
        f" {cost.cpu_s / bare.cpu_s:6.1f} ×  {cost.wall_s * 1000:6.0f} ms"
    )
    if own is not None and own_beside is not None:
        share = 100 * own.cpu_s / own_beside.cpu_s
        text += f"  {own.cpu_s * 1000:6.0f} ms {share:6.1f} %  {own.peak_mb:5.1f} MB"
    print(text)
