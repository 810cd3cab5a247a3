"""Setting variables on the emulated board."""

from __future__ import annotations

import json

import pytest

from idoldbg.cli import run
from idoldbg.session import TargetOptions, open_session
from idoldbg.startup import settle
from idoldbg.views.expressions import parse_expression
from idoldbg.views.parts import evaluate, find_parts
from idoldbg.writing import set_variable

Capture = pytest.CaptureFixture[str]
REQUESTS = "user_leds/__USERLEDS_SERVER_COUNTERS"


def test_a_number_in_an_atomic_is_written_and_read_back() -> None:
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
        (part,) = find_parts(session.program, parse_expression(f"{REQUESTS}.led_on.Ok"))
        read = set_variable(session, part, "0x1234")
        assert read.raw == b"\x34\x12\0\0"
        (again,) = evaluate(session.program, f"{REQUESTS}.led_on.Ok")
        assert again.raw == read.raw


REFUSED = [
    (["HUBRIS_IMAGE_ID", "--set", "1"], 2, "is in flash"),
    (["sensor/MESSAGE", "--set", "1"], 2, ""),
    (["HUBRIS_TASK_TABLE_SPACE[0].priority", "--set", "300"], 2, "u8"),
    (["HUBRIS_TASK_DESCS[0].priority", "--set", "1"], 2, "is in flash"),
    ([f"{REQUESTS}.led_onn", "--set", "1"], 2, "did you mean `led_on`"),
    (["TICKS", "--set", "[1, 2]"], 2, "give --force, or halt the core first"),
    (["TICKS", "TICKS", "--set", "1"], 2, "--set takes one EXPR"),
    (["MESSAGE", "--set", "1"], 2, "is ambiguous; choose one of `"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_refused_input(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(["readvar", *arguments]) == code
    assert message in capsys.readouterr().err


def test_force_writes_more_than_one_store(capsys: Capture) -> None:
    assert run(["readvar", "TICKS", "--set", "[9, 1]", "--force", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["variables"]
    assert int.from_bytes(bytes.fromhex(found["raw"]["hex"])[4:], "little") == 1


def test_a_dump_cannot_be_written(tmp_path: object, capsys: Capture) -> None:
    assert run(["-p", "archive", "readvar", "TICKS", "--set", "1"]) == 4
    assert "cannot be written" in capsys.readouterr().err
