"""Real Hubris builds that a developer has at hand (`IDOLDBG_REAL`): nothing of them is kept here.

The folder is laid out like Humility's own tests (`humility-bin/tests/cmd`), whose expected outputs
are the peer that these answers are compared with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from idoldbg.calls import prepare_call
from idoldbg.load import open_build
from idoldbg.program import Program
from idoldbg.render import json
from idoldbg.session import TargetOptions, open_session
from idoldbg.views.tasks import read_tasks

CORES = ["inheritance.0", "new-compiler", "new-sensors", "v6"]
ROT = "archives/build-gimlet-rot-c-image-b.zip"


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize("name", CORES)
def test_tasks_agree_with_humility(real_hubris: Path, name: str) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{name}")
    table = read_tasks(Program(build.archive, build.memory))
    found = [f"system time = {table.time_ms}"] + [
        squeeze(f"{r.index} {r.name} {r.generation} {r.priority} {r.state}") for r in table.rows
    ]
    text = (real_hubris / "tasks" / f"tasks.{name}.stdout").read_text()
    expected = [squeeze(x) for x in text.splitlines() if not x.startswith(("humility", "ID TASK"))]
    assert found == [line for line in expected if line]


@pytest.fixture(scope="module")
def rot_calls() -> list[tuple[str, dict[str, str], Any]]:
    return [
        ("Jefe.get_state", {}, 0),
        ("Update.block_size", {}, 512),
        ("Jefe.set_state", {"state": "0xabcd1234"}, None),
        ("Jefe.get_state", {}, 0xABCD1234),
    ]


def test_the_rot_image_boots_and_answers(
    real_hubris: Path, rot_calls: list[tuple[str, dict[str, str], Any]]
) -> None:
    options = TargetOptions(archive=str(real_hubris / ROT), probe="emu")
    with open_session(options) as session:
        for name, texts, value in rot_calls:
            call = prepare_call(session.program.operation(name), texts)
            assert json.reply(session.call(call))["ok"] == value
        states = {r.name: r.state for r in read_tasks(session.program).rows}
    assert states.pop("sp_measure") == "not started"
    assert not [s for s in states.values() if "FAULT" in s]
