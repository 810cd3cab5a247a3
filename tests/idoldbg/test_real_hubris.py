"""Real Hubris builds that a developer has at hand (`IDOLDBG_REAL`): nothing of them is kept here.

The folder is laid out like Humility's own tests (`humility-bin/tests/cmd`), whose expected outputs
are the peer that these answers are compared with.
"""

from __future__ import annotations

import re
from json import loads
from pathlib import Path
from typing import Any

import pytest

from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.calls import prepare_call
from idoldbg.cli import run
from idoldbg.model.types import short_name
from idoldbg.render import json
from idoldbg.render.tasks import describe_state
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
        squeeze(f"{r.index} {r.name} {r.generation} {r.priority} {describe_state(r)}")
        for r in table.rows
    ]
    text = (real_hubris / "tasks" / f"tasks.{name}.stdout").read_text()
    expected = [squeeze(x) for x in text.splitlines() if not x.startswith(("humility", "ID TASK"))]
    assert found == [line for line in expected if line]


LISTED = {**{name: f"cores/hubris.core.{name}" for name in CORES}, "gimlet-rot-c-image-b.zip": ROT}


def listing_of(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """Read Humility's listing: task, operation, and the type in each of its rows."""
    found: list[tuple[str, str, dict[str, str]]] = []
    task = ""
    lines = iter(text.splitlines())
    for line in lines:
        fields = line.replace("|", " ", 1).split(None, 1)
        if fields[:1] == ["INTERFACE"]:
            task = next(lines).split()[1]
        elif fields[:1] == ["+-->"]:
            found.append((task, fields[1], {}))
        elif fields:
            found[-1][2][fields[0]] = fields[1]
    return found


@pytest.mark.parametrize(("name", "build"), LISTED.items())
def test_list_agrees_with_humility(
    real_hubris: Path, name: str, build: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All interfaces, operations, arguments and types, and nothing that it warns about is missing.

    Where it cannot find a type, it leaves both types of the reply out.
    """
    folder = real_hubris / "hiffy-list"
    expected = listing_of((folder / f"hiffy-list.{name}.stdout").read_text())
    warned = (folder / f"hiffy-list.{name}.stderr").read_text().splitlines()
    assert run(["list", "--format", "json", "-a", str(real_hubris / build)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    document = loads(output.out)
    operations = {
        (server["task"], f"{server['interface']}.{operation['name']}"): operation
        for server in document["interfaces"]
        for operation in server["operations"]
    }
    assert list(operations) == [(task, operation) for task, operation, _ in expected]
    unresolved = []
    for task, operation, rows in expected:
        ours = operations[task, operation]
        shown = {a["name"]: a["type"] for a in ours["args"]}
        replies = {"<ok>": ours["ok"]} | ({"<error>": ours["error"]} if ours["error"] else {})
        assert None not in [*shown.values(), *replies.values()]
        assert None not in [lease["type"] for lease in ours["leases"]]
        if "<ok>" in rows:
            shown |= replies
        else:
            unresolved.append(f"couldn't find type {ours['ok']} for {operation}")
        assert {n: short_name(t) for n, t in shown.items()} == {
            n: short_name(t) for n, t in rows.items()
        }
    assert [w.rpartition("WARNING: ")[2] for w in warned] == unresolved


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
        for name, arguments, value in rot_calls:
            call = prepare_call(session.program.operation(name), arguments)
            assert json.reply(session.caller.call(call))["ok"] == value
        states = {r.name: describe_state(r) for r in read_tasks(session.program).rows}
    assert states.pop("sp_measure") == "not started"
    assert not [s for s in states.values() if "FAULT" in s]
