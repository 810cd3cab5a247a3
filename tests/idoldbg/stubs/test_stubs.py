"""Typed stubs: what they run like, what checkers say, when they are refused."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idoldbg import errors
from idoldbg.cli import run
from idoldbg.device import TargetEnum
from idoldbg.device.typed import StaleStubs
from idoldbg.session import TargetOptions, demo_archive, demo_boards, open_program
from idoldbg.stubs import generate
from tests.idoldbg.device.test_api_guide import guide_of_stubs

ROOT = Path(__file__).resolve().parents[3]
BOARD = "stm32f4-discovery"

# What a user writes. Lines of `WRONG` name what a checker must say about them.
RIGHT = """
from __future__ import annotations

from typing import assert_never

from idoldbg.device import Err, Ok
from idoldbg.errors import ServerDied

import hubris_stubs
from hubris_stubs import Device, attach, errors, types


def test_flash_id(dev: Device) -> bytes:
    reply = dev.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
    value, leases = reply
    assert reply.leases.sink == reply.leases["sink"] == b"\\xff\\xef\\x40\\x18"
    dev.Spi.lock(device_index=0, cs_state=types.CsState.Asserted)
    dev.Spi.release()
    return reply.leases.sink


def test_errors(dev: Device) -> types.SpiError:
    try:
        dev.Spi.exchange(device_index=7, sink=1)
    except errors.SpiError.BadDevice as error:
        assert error.error is types.SpiError.BadDevice
    except ServerDied:
        raise
    try:
        dev.Spi.exchange(device_index=7, sink=1)
    except dev.Spi.exchange.Error.BadDevice:
        pass
    try:
        dev.Sensor.configure(types.Mode.Periodic(5), None)
    except errors.ConfigError.BadInterval as interval:
        assert interval.error.lowest + interval.error.highest > interval.error.given
    match dev.Spi.exchange.try_(7, sink=1):
        case Ok(reply):
            raise AssertionError(reply.leases.sink.hex())
        case Err(error=found):
            return found


def describe(mode: types.AnyMode) -> str:
    match mode:
        case types.Mode.Off():
            return "off"
        case types.Mode.Periodic(interval_ms=interval_ms):
            return f"{interval_ms + 0} ms"
        case types.Mode.Threshold(low, high):
            return f"{low + high:.1f}"
    assert_never(mode)


def test_values(dev: Device) -> None:
    dev.Sensor.configure(mode=types.Mode.Threshold(1.5, 2), offset=-3)
    status = dev.Sensor.status().value
    assert describe(status.mode) == "3.5"
    assert status.offset is not None and status.offset + 1 == -2
    assert str(status).endswith("offset: Some(-3), enabled: true }"), status
    reading: types.Reading = dev.Sensor.reading(id=0).value
    assert reading.unit is types.Unit.Celsius
    newest = dev.Sensor.newest().value
    assert newest == Ok(reading) or not newest.is_ok
    assert dev.Sensor.sum([1, 2, 3]).value.bit_length() == 3
    low, high = dev.Sensor.range().value
    assert low <= high


def test_batch(dev: Device) -> int:
    with dev.batch() as batch:
        first = batch.Sensor.get(id=0)
        ping = batch["victim"].Victim.ping()
    assert first.value + 0.5 == 22.0
    return ping.value + dev["victim"].Victim.ping().value


async def test_aio(dev: Device) -> float:
    reply = await dev.aio.Sensor.get(id=0)
    return reply.value


def use() -> None:
    with attach(board="stm32f4-discovery", timeout_s=5) as dev:
        dev["victim"].start()
        print(dev.tasks().rows[0].name, dev.program.archive.name, hubris_stubs.STUBS.hash)
"""
WRONG = """
from hubris_stubs import Device, errors, types


def wrong(dev: Device) -> None:
    dev.Spy  # NO_ATTRIBUTE
    dev.Victim  # NO_ATTRIBUTE
    dev.Spi.exchang  # NO_ATTRIBUTE
    dev.Spi.exchange()  # MISSING
    dev.Spi.exchange(device_index="0")  # BAD_TYPE
    dev.Spi.exchange(0, b"", 4, 5)  # TOO_MANY
    dev.Spi.exchange(divice_index=0)  # UNEXPECTED
    dev.Spi.lock(0, "Asserted")  # BAD_TYPE
    dev.Spi.lock(0, types.CsState.Assertd)  # NO_ATTRIBUTE
    dev.Spi.exchange(0, sink=4).leases.source  # NO_ATTRIBUTE
    dev.Sensor.get(id=0).value.upper()  # NO_ATTRIBUTE
    dev.Sensor.last(id=0).value + 1  # NONE
    types.Mode.Periodic(interval="x")  # UNEXPECTED
    dev["nobody"]  # NO_TASK
    errors.SpiError.BadDevise  # NO_ATTRIBUTE
    dev.Spi.errors.BadInterval  # NO_ATTRIBUTE
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    for name, text in (("right", RIGHT), ("wrong", WRONG)):
        (folder / f"{name}.py").write_text(text)
    assert run(["stubs", str(demo_archive(BOARD)), "-o", str(folder / "hubris_stubs")]) == 0
    return folder


@pytest.fixture(scope="module")
def right(package: Path) -> Iterator[Any]:
    sys.path.insert(0, str(package))
    try:
        yield importlib.import_module("right")
    finally:
        sys.path.remove(str(package))


@pytest.fixture(scope="module")
def dev(right: Any) -> Iterator[Any]:
    with right.attach(board=BOARD) as device:
        yield device


def test_examples_of_users_run(right: Any, dev: Any) -> None:
    assert right.test_flash_id(dev) == b"\xff\xef\x40\x18"
    assert right.test_errors(dev) is right.types.SpiError.BadDevice
    right.test_values(dev)
    assert right.test_batch(dev) >= 2
    right.use()


def test_values_are_instances_of_the_packages_classes(right: Any, dev: Any) -> None:
    assert type(dev) is right.Device
    assert type(dev.Sensor.reading(id=0).value) is right.types.Reading
    assert issubclass(right.types.CsState, TargetEnum)
    with pytest.raises(right.errors.SpiError) as caught:
        dev.Spi.release()
    assert type(caught.value) is right.errors.SpiError.NothingToRelease
    assert isinstance(caught.value, errors.OperationError)
    assert repr(right.types.Mode.Threshold(0.1, 2.0)) == "Threshold(0.1, 2.0)"


@pytest.fixture(scope="module")
def mypy_said(package: Path, request: pytest.FixtureRequest) -> list[str]:
    """mypy accepts right use, the guide's code and every board's stubs, and refuses wrong use.

    Asked once, with a cache that is kept between runs: it reads all of idoldbg first.
    """
    (package / "guide.py").write_text(guide_of_stubs())
    targets = ["right.py", "wrong.py", "guide.py"]
    for board in demo_boards():
        targets.append(f"stubs_of_{board.replace('-', '_')}")
        (package / targets[-1]).mkdir()
        for name, text in generate(open_program(TargetOptions(board=board))).items():
            (package / targets[-1] / name).write_text(text)
    command = [sys.executable, "-P", "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--no-error-summary", "--enable-error-code=unreachable"]
    if request.config.cache is not None:
        command += ["--cache-dir", str(request.config.cache.mkdir("stubs-mypy"))]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *targets], cwd=package, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_mypy_is_content_with_stubs_and_right_use(mypy_said: list[str]) -> None:
    assert [line for line in mypy_said if not line.startswith("wrong.py:")] == []


MYPY_SAYS = {
    "NO_ATTRIBUTE": "attr-defined|union-attr",
    "MISSING": "call-arg",
    "BAD_TYPE": "arg-type",
    "TOO_MANY": "call-arg",
    "UNEXPECTED": "call-arg",
    "NONE": "operator",
    "NO_TASK": "call-overload",
}


@pytest.mark.slow
def test_mypy_rejects_wrong_use(mypy_said: list[str]) -> None:
    said = "\n".join(mypy_said)
    for number, line in enumerate(WRONG.splitlines(), 1):
        if "#" in line:
            codes = MYPY_SAYS[line.partition("# ")[2]]
            assert re.search(rf"^wrong.py:{number}: error: .*\[({codes})\]$", said, re.M), line


PYRIGHT = importlib.util.find_spec("basedpyright")


@pytest.mark.slow
@pytest.mark.skipif(PYRIGHT is None, reason="needs pyright: pip install basedpyright")
def test_pyright_agrees(package: Path) -> None:
    (package / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "include": ["right.py", "wrong.py", "hubris_stubs"], '
        f'"extraPaths": ["{ROOT}"], "pythonVersion": "3.11", "reportUnusedImport": false, '
        '"reportUnusedExpression": false, "reportUnusedVariable": false}'
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "basedpyright", "--pythonpath", sys.executable],
        cwd=package,
        capture_output=True,
        text=True,
    )
    complaints = [
        line.strip().partition(f"{package}/")[2]
        for line in done.stdout.splitlines()
        if " - error" in line
    ]
    elsewhere = [line for line in complaints if not line.startswith("wrong.py:")]
    assert elsewhere == []
    lines = {int(line.split(":")[1]) for line in complaints}
    wanted = {n for n, line in enumerate(WRONG.splitlines(), 1) if "#" in line}
    assert wanted <= lines


def test_the_package_is_the_same_every_time_and_formatted(package: Path, tmp_path: Path) -> None:
    stubs = package / "hubris_stubs"
    again = generate(open_program(TargetOptions(board=BOARD)))
    assert {p.name: p.read_text() for p in stubs.iterdir() if p.is_file()} == again
    assert (stubs / "py.typed").exists()
    for name, text in again.items():
        if text:
            assert text.startswith("# ruff: noqa\n# Made by `idoldbg stubs`")
            assert re.search(r"^# image: [0-9a-f]{16}\n# interfaces: [0-9a-f]{16}$", text, re.M), (
                name
            )
            assert not [line for line in text.splitlines() if line != line.rstrip()], name
            assert text.endswith("\n")
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is not None:
        formats = [["format", "--check", "--line-length", width] for width in ("88", "100", "120")]
        for argv in (*formats, ["check"]):
            subprocess.run([ruff, *argv, "--isolated", stubs], check=True, capture_output=True)


def test_check_names_what_was_forgotten(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s"
    argv = ["stubs", str(demo_archive(BOARD)), "-o", str(out)]
    assert run([*argv, "--check"]) == 1
    assert f"{out / 'device.pyi'} is missing" in capsys.readouterr().err
    assert not out.exists()
    assert run(argv) == 0
    assert run([*argv, "--check"]) == 0
    (out / "types.py").write_text((out / "types.py").read_text() + "\n")
    assert run([*argv, "--check"]) == 1
    assert f"{out / 'types.py'} is out of date" in capsys.readouterr().err
    assert run(argv) == 0
    assert "1 of 6 files written" in capsys.readouterr().out
    (out / "errors.py").write_text("my own work\n")
    assert run(argv) == 2
    assert "was not written by `idoldbg stubs`" in capsys.readouterr().err
    assert (out / "errors.py").read_text() == "my own work\n"
    assert run(["stubs", "/no/such.zip", "-o", str(out)]) == 4


def test_only_packages_of_their_own_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("class", "my-stubs", "1st", ""):
        out = str(tmp_path / name) if name else ""
        assert run(["stubs", str(demo_archive(BOARD)), "-o", out]) == 2
        assert "cannot be imported" in capsys.readouterr().err
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "test_mine.py").write_text("")
    assert run(["stubs", str(demo_archive(BOARD)), "-o", str(theirs)]) == 2
    assert "holds what was not written by" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*")] == ["theirs", "test_mine.py"]


def test_stubs_of_other_interfaces_are_refused_at_attach(right: Any) -> None:
    """The small image's Victim has other operations; a new image id alone changes nothing."""
    stubs = right.hubris_stubs.STUBS
    program = open_program(TargetOptions(board=BOARD))
    stubs.check(program)
    replace(stubs, image_id="0" * 16).check(program)  # rebuilt, with the same interfaces
    with pytest.raises(StaleStubs) as caught:
        right.attach(board="nucleo-g031")
    message = str(caught.value)
    for part in (stubs.image_id, stubs.hash, caught.value.actual, "Victim@sleeper (gone)"):
        assert part in message, message
    assert "idoldbg stubs " in message
    assert caught.value.expected == stubs.hash != caught.value.actual


def test_a_changed_interface_is_named(right: Any) -> None:
    stubs = right.hubris_stubs.STUBS
    program = open_program(TargetOptions(board=BOARD))
    older = replace(stubs, image_id="", interfaces={**stubs.interfaces, "Spi@spi": "0" * 16})
    with pytest.raises(StaleStubs, match=r"are not of this build: Spi@spi \(changed\)\. They"):
        older.check(program)
    fewer = {k: v for k, v in stubs.interfaces.items() if not k.startswith("Spi")}
    replace(stubs, image_id="", interfaces=fewer).check(program)
