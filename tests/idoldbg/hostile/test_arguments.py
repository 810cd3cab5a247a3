"""Whatever the words of a command line are: an error of its own lines that says so, and no bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from idoldbg import cli
from tests.conftest import ROOT
from tests.idoldbg.hostile.names import check_lines

ARCHIVE = str(ROOT / "fixtures" / "archives" / "stm32f4-discovery.zip")
WORDS = {
    "commands": "x\n::error::I\x1b[2J\u202e##[error]\x9b",
    "no text": "\udcff\udc80",
    "folders": "../../x",
    "blank": " ",
    "nothing": "",
    "an option": "-x",
    "long": "n" * 100_000,
}
COMMANDS = (
    ("{}",),
    ("board", "{}"),
    ("-b", "{}", "tasks"),
    ("-p", "{}", "tasks"),
    ("-p", "emu:{}", "tasks"),
    ("-p", "dump:{}", "tasks"),
    ("-p", "replay:{}", "tasks"),
    ("-p", "remote:{}", "tasks"),
    ("-p", "remote:{}:1", "tasks"),
    ("-a", "{}", "list"),
    ("--format", "{}", "tasks"),
    ("--timeout", "{}", "tasks"),
    ("audit", "{}"),
    ("board", "start", "{}"),
    ("board", "stop", "{}"),
    ("list", "{}"),
    ("list", "Spi.{}"),
    ("types", "{}"),
    ("types", "Reading", "--task", "{}"),
    ("call", "{}"),
    ("call", "{}.exchange"),
    ("call", "--task", "{}", "Spi.exchange"),
    ("call", "--type", "{}", "Spi.exchange"),
    ("call", "--type", "Reading={}", "Spi.exchange"),
    ("call", "Spi.exchange", "--{}", "1"),
    ("call", "Spi.exchange", "--device-index", "{}"),
    ("call", "Spi.exchange", "--device-index", "0", "--source", "[{}]"),
    ("call", "Spi.exchange", "--device-index", "0", "--source", "hex:{}0"),
    ("call", "Spi.exchange", "--device-index", "0", "--source", "@{}"),
    ("call", "Spi.exchange", "--device-index", "0", "--sink", "{}"),
    ("stubs", ARCHIVE, "-o", "/dev/null/{}"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_any_arguments(
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, word in WORDS.items():
        code = cli.run([part.replace("{}", word) for part in command])
        said = capsys.readouterr()
        assert code in (0, 1, 2, 3, 4), (name, said.err)
        assert "Traceback" not in said.err, name
        check_lines(said.out + said.err)
        assert code < 2 or said.err.strip(), name
        assert len(said.out + said.err) < 3 * cli.LONGEST_MESSAGE, name
