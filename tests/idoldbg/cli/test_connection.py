"""Build and target, as chosen by options, environment files and Humility's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.cli.connection import Connection, connect
from idoldbg.cli.options import Settings
from idoldbg.errors import ArgumentError, NotFound
from idoldbg.opening import demo_archive

LAB = """
[targets.desk]
probe = "emu"
archive = "desk.zip"
board = "nucleo-g031"
[targets.two]
probe = "0483:374e:002F"
archive = { a = "a.zip", b = "b.zip" }
"""


@pytest.fixture
def lab(tmp_path: Path) -> str:
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return str(path)


def ask(settings: Settings, environ: dict[str, str]) -> tuple[Connection, list[str]]:
    notes: list[str] = []
    return connect(settings, environ, notes.append), notes


CASES: list[tuple[Settings, dict[str, str], Connection]] = [
    (Settings(), {}, Connection(None, None, None)),
    (Settings(), {"HUMILITY_ARCHIVE": "h.zip"}, Connection("h.zip", None, None)),
    (Settings(archive="a"), {"HUMILITY_ARCHIVE": "h.zip"}, Connection("a", None, None)),
    (Settings(probe="emu"), {"HUMILITY_ARCHIVE": "h.zip"}, Connection("h.zip", None, "emu")),
    # these know what they run
    (Settings(probe="dump:x"), {"HUMILITY_ARCHIVE": "h.zip"}, Connection(None, None, "dump:x")),
    (Settings(probe="emu"), {"HUMILITY_PROBE": "usb"}, Connection(None, None, "emu")),
    (Settings(archive="a"), {"HUMILITY_PROBE": "usb"}, Connection("a", None, "pyocd")),
    # the bundled demo image is not for a board
    (Settings(), {"HUMILITY_PROBE": "usb"}, Connection(None, None, None)),
    (Settings(archive="a"), {"HUMILITY_DUMP": "x"}, Connection("a", None, None)),
    (Settings(), {"HUMILITY_DUMP": "x"}, Connection(None, None, "dump:x")),
    (
        Settings(archive="a"),
        {"HUMILITY_ARCHIVE": "h", "HUMILITY_PROBE": "usb", "IDOLDBG_IGNORE_HUMILITY": "1"},
        Connection("a", None, None),
    ),
    (Settings(probe="0483:374e:1"), {}, Connection(None, None, "pyocd:1")),
]


@pytest.mark.parametrize(("settings", "environ", "expected"), CASES)
def test_the_connection(settings: Settings, environ: dict[str, str], expected: Connection) -> None:
    assert ask(settings, environ)[0] == expected


def test_a_named_target_brings_its_probe_build_and_board(lab: str) -> None:
    found, notes = ask(Settings(target_name="desk", environment=lab), {})
    assert found == Connection(str(Path(lab).parent / "desk.zip"), "nucleo-g031", "emu")
    assert notes == [f"target `desk` is from {lab}"]
    environ = {"HUMILITY_TARGET": "desk", "HUMILITY_ENVIRONMENT": lab}
    assert ask(Settings(), environ)[0] == found


def test_an_archive_wins_over_that_of_the_target(
    lab: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _ = ask(Settings(archive="mine.zip", target_name="desk", environment=lab), {})
    assert found.archive == "mine.zip"
    assert "mine.zip is used instead" in capsys.readouterr().err


def test_several_builds_are_chosen_from_by_name(lab: str) -> None:
    found, _ = ask(Settings(target_name="two", environment=lab, archive_name="b"), {})
    assert found == Connection(str(Path(lab).parent / "b.zip"), None, "pyocd:002F")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(target_name="desk"), "--environment"),
        (Settings(target_name="desk", probe="emu"), "not both"),
        (Settings(archive_name="a"), "--target"),
        (Settings(target_name="two", environment="LAB"), "choose one of a, b"),
        (Settings(target_name="two", environment="LAB", archive_name="c"), "has no build `c`"),
        (Settings(target_name="desk", environment="LAB", archive_name="c"), "has no name"),
        (Settings(target_name="dsk", environment="LAB"), "did you mean `desk`"),
    ],
)
def test_mistakes_are_named(settings: Settings, message: str, lab: str) -> None:
    if settings.environment is not None:
        from idol.records import replace

        settings = replace(settings, environment=lab)
    with pytest.raises((ArgumentError, NotFound), match=message):
        ask(settings, {})


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        (Settings(archive="a"), {"HUMILITY_IP": "fe80::1"}, Connection("a", None, None)),
        (Settings(), {"HUMILITY_IP": "x", "HUMILITY_ARCHIVE": "h"}, Connection("h", None, None)),
        (Settings(archive="a", probe="usb-7"), {}, Connection("a", None, "pyocd")),
        (Settings(probe="0483:374e"), {}, Connection(None, None, "pyocd")),
        (Settings(probe="nonesuch"), {}, Connection(None, None, "nonesuch")),
    ],
)
def test_a_question_about_a_build_looks_for_no_probe(
    settings: Settings, environ: dict[str, str], expected: Connection
) -> None:
    assert connect(settings, environ, lambda _: None, wants_target=False) == expected


def test_a_command_reads_its_connection_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUMILITY_DUMP", "some.core")
    archive = str(demo_archive("stm32f4-discovery"))
    assert run(["-a", archive, "call", "Sensor.get", "--id", "0"]) == 0
    assert capsys.readouterr().err.count("wins over HUMILITY_DUMP") == 1
