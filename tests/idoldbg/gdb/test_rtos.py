"""Tasks as threads in pyOCD's own gdb server, as any pyOCD user runs it; no gdb is needed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

import pytest

from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated.server import BoardEntry, running_board
from tests.conftest import free_port
from tests.idoldbg.target.emulated.pyocd_probe.test_tools import RemoteSerial, serving

Capture = pytest.CaptureFixture[str]
BUILD = str(demo_archive("stm32f4-discovery"))
OTHER = str(demo_archive("nucleo-g031"))
GENERAL = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc")


def test_pyocd_finds_the_plug_in() -> None:
    names = {point.name: point.value for point in entry_points(group="pyocd.rtos")}
    assert names.get("hubris") == "idoldbg.gdb.rtos:HubrisPlugin", "run `make test` once more"


@pytest.fixture(scope="module")
def board() -> Iterator[BoardEntry]:
    with running_board("rtos-desk", board="stm32f4-discovery") as entry:
        yield entry


@contextmanager
def server(board: BoardEntry, *options: str, **environment: str) -> Iterator[RemoteSerial]:
    port = free_port()
    chosen = [word for option in options for word in ("-O", option)]
    arguments = ["gdbserver", "-u", f"board-{board.name}", "-t", "cortex_m", "-M", "attach"]
    own = {k: v for k, v in os.environ.items() if "_ARCHIVE" not in k}
    ports = ("-p", str(port), "-T", str(free_port()))
    with (
        serving({**own, **environment}, *arguments, *ports, *chosen, port=port),
        RemoteSerial(port) as gdb,
    ):
        gdb.ask("qSupported:multiprocess+")
        gdb.ask("?")
        answer = gdb.ask("qSymbol::")
        while answer.startswith("qSymbol:"):  # it knows no symbol
            answer = gdb.ask("qSymbol::" + answer.removeprefix("qSymbol:"))
        assert answer == "OK"
        yield gdb


def threads(gdb: RemoteSerial) -> list[tuple[int, str, str]]:
    xml = gdb.ask("qXfer:threads:read::0,f00")
    found = re.findall(r'<thread id="(\w+)"(?: name="([^"]*)")?[^>]*>([^<]*)<', xml)
    return [(int(number, 16), name, text) for number, name, text in found]


def table(board: BoardEntry, capsys: Capture) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["-p", board.spec, "tasks", "--format", "json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["tasks"]
    return found


@pytest.mark.parametrize("how", ["option", "IDOLDBG_ARCHIVE", "HUMILITY_ARCHIVE"])
def test_threads_are_the_tasks_and_have_their_registers(
    board: BoardEntry, how: str, capsys: Capture
) -> None:
    given = ((f"hubris.archive={BUILD}",), {}) if how == "option" else ((), {how: BUILD})
    with server(board, *given[0], **given[1]) as gdb:
        tasks = table(board, capsys)
        found = threads(gdb)
        assert [(number, name) for number, name, _ in found] == [
            (16 + task["index"], task["name"]) for task in tasks
        ]
        for number, name, text in found:
            assert gdb.ask(f"T{number:x}") == "OK"
            assert gdb.ask(f"Hg{number:x}") == "OK"
            answer = gdb.ask("g")
            values = [answer[8 * i : 8 * i + 8] for i in range(16)]
            if text.startswith("RUNNING"):
                continue
            capsys.readouterr()
            command = ["registers", "--task", name, "--format", "json"]
            assert run(["-p", board.spec, *command]) == 0
            expected = json.loads(capsys.readouterr().out)["registers"]
            for register, word in zip(GENERAL, values, strict=True):
                assert int.from_bytes(bytes.fromhex(word), "little") == expected[register]["value"]


def test_registers_of_a_task_that_waits_cannot_be_written(board: BoardEntry) -> None:
    with server(board, f"hubris.archive={BUILD}") as gdb:
        spi = next(number for number, name, _ in threads(gdb) if name == "spi")
        assert gdb.ask(f"Hg{spi:x}") == "OK"
        before = gdb.ask("g")
        assert gdb.ask("P4=78563412") == "E01"
        assert gdb.ask("g") == before


def test_after_a_reset_there_are_no_tasks_until_the_kernel_starts_them(board: BoardEntry) -> None:
    with server(board, f"hubris.archive={BUILD}") as gdb:
        assert len(threads(gdb)) > 1
        answer = gdb.ask("qRcmd," + b"reset halt".hex())
        assert not answer.startswith("E")
        assert [number for number, _, _ in threads(gdb)] == [1]
        assert gdb.ask("T10") != "OK"


@pytest.mark.parametrize("archive", [OTHER, "/nowhere/build.zip", __file__])
def test_another_image_or_none_gives_one_thread(board: BoardEntry, archive: str) -> None:
    with server(board, f"hubris.archive={archive}") as gdb:
        assert [number for number, _, _ in threads(gdb)] == [1]
        assert len(gdb.ask("g")) > 100


def test_no_reverse_execution_is_offered(board: BoardEntry) -> None:
    """The server knows neither `bs` nor `bc`, as docs/gdb.md says."""
    with server(board, f"hubris.archive={BUILD}") as gdb:
        assert "Reverse" not in gdb.ask("qSupported:ReverseStep+;ReverseContinue+")
        assert gdb.ask("bs") == ""
        assert gdb.ask("bc") == ""
