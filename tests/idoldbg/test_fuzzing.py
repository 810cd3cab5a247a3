"""Search for crashes: known ones are found by their smallest input, and no others."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as XmlTree

import pytest

import idoldbg
from idoldbg.call.arguments.convert import from_python
from idoldbg.call.arguments.generate import boundaries, generate, simpler
from idoldbg.cli import run
from idoldbg.fuzzing import _bind, _first_inputs
from idoldbg.model.values import format_value
from idoldbg.session import TargetOptions, demo_boards, open_program
from tests.idoldbg.typegen import U8, U32, make_clike, make_tuple

Capture = pytest.CaptureFixture[str]


def test_values_fit_their_types() -> None:
    choice = random.Random(1)
    color = make_clike("Color", [("Red", 0), ("Blue", 3)])
    for type_ in (U8, U32, color, make_tuple(U8, color, U32)):
        for value in [*boundaries(type_), *(generate(type_, choice) for _ in range(50))]:
            assert format_value(from_python(value, type_))
    assert {0, 1, 254, 255} <= set(boundaries(U8))
    assert boundaries(color) == ["Red", "Blue"]
    assert next(simpler(700)) == 0
    assert list(simpler({"a": True})) == [{"a": False}]
    assert list(simpler(0)) == []


@pytest.mark.parametrize("board", demo_boards())
def test_inputs_fit_every_operation_of_a_build(board: str) -> None:
    program = open_program(TargetOptions(board=board))
    for server in program.servers:
        for each in server.interface.operations:
            operation = program.resolve(server, each.name)
            first = _first_inputs(operation, random.Random(2))
            assert any(_bind(operation, given) is not None for given in first), operation.name


def fuzz(capsys: Capture, *arguments: str, code: int) -> Any:
    assert run(["fuzz", *arguments, "--format", "json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_panic_is_found_with_its_smallest_input(capsys: Capture, tmp_path: Path) -> None:
    junit = tmp_path / "fuzz.xml"
    arguments = ["Victim.panic", "--task", "victim", "--inputs", "12", "--seed", "5"]
    found = fuzz(capsys, *arguments, "-o", str(tmp_path), "--junit", str(junit), code=1)
    (crash,) = found["crashes"]
    assert (crash["kind"], crash["count"]) == ("server", 12)
    assert crash["command"] == "idoldbg call Victim.panic --task victim --code=0"
    assert "told to panic with code 0" in crash["message"]
    (case,) = XmlTree.parse(junit).getroot()
    assert case.get("name") == "Victim.panic"
    assert "told to panic" in str(case.find("failure").get("message"))  # type: ignore[union-attr]  # asserted so
    assert run(["replay", crash["history"], "--to", "fault of victim"]) == 0
    capsys.readouterr()
    again = fuzz(capsys, *arguments, code=1)
    assert [c | {"history": None} for c in found["crashes"]] == again["crashes"]


def test_the_death_of_hiffy_is_found(capsys: Capture) -> None:
    found = fuzz(capsys, "Victim.refuse", "--task", "victim", code=1)
    assert [c["kind"] for c in found["crashes"]] == ["hiffy"]
    assert found["inputs"] == 1


def test_nothing_is_found_where_nothing_is(capsys: Capture) -> None:
    found = fuzz(capsys, "Sensor.get", "--inputs", "30", code=0)
    assert found["crashes"] == []
    assert found["operations"][0]["blocks"] > 0


def test_the_board_is_as_before() -> None:
    from idoldbg.fuzzing import fuzz as search

    with idoldbg.attach(probe="emu") as dev:
        dev["victim"].Victim.ping()
        operation = dev.program.operation("Victim.ping", "victim")
        report = search(dev.session, [operation], seed=0, inputs=3)
        assert report.inputs == 1
        assert dev["victim"].Victim.ping().value == 2


def test_mistakes(capsys: Capture) -> None:
    assert run(["fuzz", "Sensor.got"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert run(["fuzz", "Victim"]) == 2
    assert run(["fuzz", "Sensor.get", "-p", "pyocd:emu"]) == 4
