"""Takes places, runs pytest on each, gives them back.

A thread for each place follows its pytest process; the main thread waits, so that signals reach it.
Places are given back as soon as their process has ended. What ends the run from outside is left to
`idoldbg.farm.watchdog`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from idol.near import suggest
from idol.records import dataclass, field
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.farm.coordinator import Coordinator, FarmPlace, PlaceTaken, is_stale
from idoldbg.farm.lines import LineFollower
from idoldbg.farm.log import BoundedLog
from idoldbg.farm.preflight import (
    check_archive,
    check_arguments,
    check_collection,
    check_output,
)
from idoldbg.farm.processes import POLL_S, describe_status, end_group
from idoldbg.farm.records import FarmResult, PlaceResult, ResultReader
from idoldbg.farm.reservations import queued_place
from idoldbg.farm.watchdog import Watchdog

__all__ = ["FarmOptions", "Progress", "USAGE_STATUS", "choose_places", "run_farm"]

LOG_TAIL_BYTES = 8000
USAGE_STATUS = 4  # pytest's, as those below
OK_STATUSES = frozenset({0, 1, 5})  # passed, tests failed, no tests collected
INTERRUPTED_STATUS = 2
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

ENVIRONMENT = """\
# Made by `idoldbg farm run`: the board of the place, with the device on it.
imports: [idoldbg.labgrid]
targets:
  main:
    resources:
      RemotePlace:
        name: !template "$LG_PLACE"
    drivers:
      IdoldbgDriver: {driver}
      IdoldbgStrategy:
        flash: {flash}
"""


@dataclass(frozen=True, slots=True)
class FarmOptions:
    """Options of a farm run.

    `queue_s` is how long to wait for a place where none is free, None for not at all.
    No `environment` means one made for each place, with `archive`; `timeout_s` is then how long
    each wait for a board may take (None: the driver's own limit).
    """

    output: Path
    pytest_arguments: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    place_limit_s: float = 3600.0
    environment: Path | None = None
    archive: str | None = None
    flash: bool = False
    timeout_s: float | None = None
    queue_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one place; `state` is acquiring, running, done or lost."""

    place: str
    state: str
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]


def choose_places(places: list[FarmPlace], options: FarmOptions) -> list[FarmPlace]:
    """Return the places with the wanted names and tags, free or not; raise `ArgumentError`."""
    known = {place.name for place in places}
    for name in options.names:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise ArgumentError(
                f"the coordinator has no place `{name}`: "
                + suggest(name, known, otherwise=f"it has {names}"),
                name="--places",
            )
    chosen = [
        place
        for place in places
        if (not options.names or place.name in options.names)
        and all(place.tags.get(key) == value for key, value in options.tags.items())
    ]
    # With an environment of the user's own, a place that is named may be what that needs.
    foreign = [p for p in chosen if p.is_foreign and not (options.names and options.environment)]
    if foreign and (options.names or len(foreign) == len(chosen)):
        raise ArgumentError(
            f"place `{foreign[0].name}` has no board that idoldbg can use, only "
            f"{', '.join(foreign[0].classes)}; boards are offered by `idoldbg farm exporter`",
            name="--places" if options.names else "--match",
        )
    chosen = [place for place in chosen if place not in foreign]
    if not chosen:
        wanted = " ".join(f"{k}={v}" for k, v in options.tags.items()) or "anything"
        raise ArgumentError(f"no place matches {wanted}; see `idoldbg farm status`", name="--match")
    return chosen


def run_farm(coordinator: Coordinator, options: FarmOptions, report: Report) -> FarmResult:
    """Run the suite on every chosen place that is free.

    Raises before any place is taken: `LinkError` when none is free, or the coordinator is not
    there; `ArgumentError` for what the user asked for and cannot be.
    """
    chosen = choose_places(coordinator.places(), options)
    check_arguments(options.pytest_arguments)
    check_output(options.output)
    if options.archive is not None:
        check_archive(options.archive, chosen)
    for place in chosen:
        if is_stale(place.acquired_by):  # left behind by a run that was killed on this host
            coordinator.release(place.name, place.acquired_by)
    if any(is_stale(place.acquired_by) for place in chosen):
        names = {place.name for place in chosen}
        chosen = [place for place in coordinator.places() if place.name in names]
    free = [place for place in chosen if place.is_free]
    if not free and options.queue_s is None:
        states = ", ".join(f"{p.name} is {p.state}" for p in chosen)
        raise LinkError(
            f"no matching place is free: {states}; --queue SECONDS waits for one",
            link=coordinator.address,
        )
    with tempfile.TemporaryDirectory() as folder:
        command = _pytest_command(options, Path(folder))
        check_collection(command, _variables(coordinator, chosen[0].name))
    if free:
        return _Run(coordinator, options, report).run(free)
    with queued_place(coordinator, options.tags, options.names, chosen, options.queue_s) as place:
        return _Run(coordinator, options, report).run([place])


class _Run:
    """One run; everything that must be undone is undone in `finally`, or by the watchdog."""

    def __init__(self, coordinator: Coordinator, options: FarmOptions, report: Report) -> None:
        self._coordinator = coordinator
        self._options = options
        self._report = report
        self._stop = threading.Event()
        self._stop_reason = ""
        self._ended_by: int | None = None
        self._asking = threading.Lock()  # one question to the coordinator at a time
        holder = coordinator.holder
        self._watchdog = Watchdog(coordinator.address, holder.host, holder.user)

    def run(self, places: list[FarmPlace]) -> FarmResult:
        started, begin_s = time.time(), time.monotonic()
        results = [PlaceResult(place.name, dict(place.tags)) for place in places]
        threads = [
            threading.Thread(target=self._follow_place, args=(result,), name=result.name)
            for result in results
        ]
        try:
            with self._ended_by_signals():
                for thread in threads:
                    thread.start()
                for thread in threads:
                    while thread.is_alive():  # in slices: a signal is seen between two of them
                        thread.join(POLL_S)
                        self._watchdog.check()
        finally:
            self._stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._watchdog.close()
        duration_s = time.monotonic() - begin_s
        command = ["pytest", *self._options.pytest_arguments]
        problem = self._stop_reason or self._watchdog.problem
        return FarmResult(results, started, duration_s, command, problem, self._ended_by)

    @contextlib.contextmanager
    def _ended_by_signals(self) -> Iterator[None]:
        def stop(number: int, _frame: FrameType | None) -> None:
            self._stop_reason = f"the farm run was ended by {signal.Signals(number).name}"
            self._ended_by = number
            self._stop.set()

        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may have handlers
            return
        old = {number: signal.signal(number, stop) for number in ENDING_SIGNALS}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    # -- one place

    def _follow_place(self, result: PlaceResult) -> None:
        result.started, begin_s = time.time(), time.monotonic()
        try:
            self._run_place(result)
        except Exception as error:  # noqa: BLE001  # whatever it was, it is reported
            # Not even a bug on one place may lose the report of the others, or pass for success.
            result.problem = result.problem or f"idoldbg farm failed here: {error!r}"
        result.duration_s = time.monotonic() - begin_s
        state = "lost" if result.problem else "done"
        self._report(Progress(result.name, state, len(result.tests), len(result.tests)))

    def _run_place(self, result: PlaceResult) -> None:
        self._report(Progress(result.name, "acquiring"))
        try:
            self._watchdog.tell("acquire", result.name)
        except LinkError as error:
            result.problem = error.message
            return
        try:
            with self._asking:
                if not self._stop.is_set():
                    self._coordinator.acquire(result.name)
        except PlaceTaken as error:
            result.problem = error.message
        except LinkError as error:
            result.problem = error.message
            self._release(result)
        else:
            try:
                self._run_pytest(result)
            except OSError as error:
                result.problem = f"pytest could not be run: {error}"
            except LinkError as error:  # nobody would end pytest if this run were killed
                result.problem = error.message
            finally:
                self._release(result)

    def _release(self, result: PlaceResult) -> None:
        try:
            with self._asking:
                self._coordinator.release(result.name)
        except LinkError as error:  # the watchdog tries on
            problem = f"the place is not given back yet: {error.message}"
            result.problem = result.problem or problem
        else:
            self._watchdog.tell("released", result.name)

    def _run_pytest(self, result: PlaceResult) -> None:
        result.folder = f"places/{_folder_name(result.name)}"
        folder = self._options.output / result.folder
        folder.mkdir(parents=True, exist_ok=True)
        lines = folder / "results.jsonl"
        lines.unlink(missing_ok=True)
        reader = ResultReader()
        with BoundedLog(folder / "pytest.log") as log:
            process = subprocess.Popen(
                self._command(folder, lines),
                env={**os.environ, **_variables(self._coordinator, result.name)},
                stdin=subprocess.DEVNULL,
                stdout=log.writer,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self._watchdog.tell("started", process.pid)
                result.problem = self._follow(process, lines, reader, result.name)
            finally:
                end_group(process)
                self._watchdog.tell("ended", process.pid)
        result.exit_status = process.returncode
        log_tail = _tail(folder / "pytest.log")
        result.problem = result.problem or reader.lab_problem
        end = "" if result.problem else _describe_end(process.returncode, reader.exit_status)
        result.tests = reader.finish(result.problem, end)
        if result.problem or end:
            result.log_tail = log_tail

    def _follow(
        self, process: subprocess.Popen[bytes], path: Path, reader: ResultReader, place: str
    ) -> str:
        """Read results until pytest ends; return why it was not waited for, "" if it was."""
        end_s = time.monotonic() + self._options.place_limit_s
        with contextlib.ExitStack() as stack:
            file = None
            shown = (-1, -1)
            while True:
                has_ended = process.poll() is not None
                if file is None and path.exists():
                    file = LineFollower(stack.enter_context(path.open("rb")))
                if file is not None:
                    reader.feed(file.read(is_last=has_ended))
                if (reader.done, len(reader.tests)) != shown:
                    shown = (reader.done, len(reader.tests))
                    self._report(Progress(place, "running", *shown))
                if has_ended:
                    return ""
                if self._stop.is_set():
                    return self._stop_reason or "the farm run was ended"
                if time.monotonic() > end_s:
                    return f"not done after {self._options.place_limit_s:g} s (--place-timeout)"
                time.sleep(POLL_S)

    def _command(self, folder: Path, lines: Path) -> list[str]:
        return [
            *_pytest_command(self._options, folder),
            f"--idoldbg-results={lines.absolute()}",
            f"--idoldbg-evidence={folder.absolute() / 'evidence'}",
        ]


def _pytest_command(options: FarmOptions, folder: Path) -> list[str]:
    """Return the command that runs pytest on a place, with `folder` for its files."""
    environment = options.environment
    said = []
    if environment is None:
        environment = folder / "environment.yaml"
        environment.write_text(_environment(options))
    else:  # what it leaves open
        if options.archive is not None:
            said.append(f"--idoldbg-archive={Path(options.archive).absolute()}")
        if options.timeout_s is not None:
            said.append(f"--idoldbg-timeout={options.timeout_s}")
    return [
        # Like the command `pytest`, which does not import from the current directory either.
        *(sys.executable, "-P", "-m", "pytest"),
        *("-o", f"cache_dir={folder.absolute() / 'cache'}"),
        f"--lg-env={environment.absolute()}",
        *said,
        *options.pytest_arguments,
    ]


def _variables(coordinator: Coordinator, place: str) -> dict[str, str]:
    return {
        "LG_COORDINATOR": coordinator.address,
        "LG_PLACE": place,
        "LG_HOSTNAME": coordinator.holder.host,
        "LG_USERNAME": coordinator.holder.user,
    }


def _describe_end(status: int, said: int | None) -> str:
    """Describe how pytest ended, "" if normally; `said` is the status it announced."""
    how = f"{'was killed by' if status < 0 else 'had'} {describe_status(status)}"
    if said is None:
        return f"pytest's process {how}"
    if status != said:
        return f"pytest's process {how} after the last test"
    if status in OK_STATUSES:
        return ""
    reasons = {INTERRUPTED_STATUS: "the tests were interrupted", 3: "pytest had an internal error"}
    return reasons.get(status, f"pytest's process {how}")


def _environment(options: FarmOptions) -> str:
    """Return labgrid's environment for a place."""
    driver: dict[str, str | float] = {}
    if options.archive is not None:
        driver["archive"] = str(Path(options.archive).absolute())
    if options.timeout_s is not None:
        driver["timeout_s"] = options.timeout_s
    # JSON's strings are YAML's, whatever a path has in it.
    return ENVIRONMENT.format(driver=json.dumps(driver), flash=json.dumps(options.flash))


def _folder_name(place: str) -> str:
    """Return a name for a place's files: labgrid allows any text for places, slashes as well."""
    if re.fullmatch(r"[\w-][\w.-]{0,79}", place, re.ASCII):
        return place
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', place)[:80]}-{digest}"


def _tail(path: Path) -> str:
    """Read the end of a log, however long it is."""
    with path.open("rb") as file:
        file.seek(-min(LOG_TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read(LOG_TAIL_BYTES).decode(errors="replace")
