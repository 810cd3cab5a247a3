"""Hostile names in every place of every value: renderers show them and do not obey them."""

from __future__ import annotations

import contextlib
import io
import json
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from idol.printable import escape_json, join_lines, one_line, printable, xml_text
from idoldbg import cli, errors
from idoldbg.cli import farm as farm_command
from idoldbg.cli import output, progress
from idoldbg.farm.coordinator import FarmPlace
from idoldbg.farm.html import to_html
from idoldbg.farm.junit_xml import to_junit
from idoldbg.farm.records import FarmResult, Outcome, PlaceResult, TestRecord
from idoldbg.model.symbols import Variable
from idoldbg.model.types import CEnum, Member, Opaque, Struct
from idoldbg.model.values import EnumValue, StructValue, Text, Unreadable
from idoldbg.pytest_plugin import evidence
from idoldbg.render import (
    cache,
    counters,
    ring_buffers,
    running_boards,
    task_calls,
    text,
    variables,
)
from idoldbg.render import json as render_json
from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.entries import BoardEntry
from idoldbg.target.probe.probes import ProbeInfo
from idoldbg.views.backtrace import Backtrace, End, Frame
from idoldbg.views.counters import CounterKind, CounterLeaf, CounterStatic
from idoldbg.views.parts import Part, VarRead
from idoldbg.views.regions import Place
from idoldbg.views.ring_buffers import NewEntries, RingBuffer, RingEntry
from idoldbg.views.source import Source
from idoldbg.views.task_calls import CallCount, Edge, ServerCount, TaskCalls
from idoldbg.views.tasks import TaskRow, TaskTable
from idoldbg.views.variables import Static, VariableList
from tests.idoldbg.hostile import names
from tests.idoldbg.hostile.names import EVIL, MARK

pytest_plugins = ["pytester"]
EXAMPLES = settings(max_examples=100, deadline=None)


def in_utf_16(value: Any) -> Any:
    """Return what JSON can say, whose strings are UTF-16: two lone surrogates may be a pair."""
    if isinstance(value, dict):
        return {in_utf_16(name): in_utf_16(each) for name, each in value.items()}
    if isinstance(value, list):
        return [in_utf_16(each) for each in value]
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@EXAMPLES
@given(evil=EVIL)
def test_the_functions_that_all_outputs_use(evil: str) -> None:
    for made in (printable(evil), one_line(evil), join_lines([evil])):
        assert made.isprintable()
    names.check_lines(join_lines([f"{evil}{n}" for n in range(3)]), may_wrap=True)
    assert len(join_lines([evil, evil]).split("\n")) == 2
    for value in (evil, {evil: [evil]}):
        document = escape_json(json.dumps(value, ensure_ascii=False))
        assert document.isprintable() and json.loads(document) == in_utf_16(value)
        assert names.check_json(render_json.dumps({"x": value}))["x"] == in_utf_16(value)
    shown = xml_text(evil, "")
    assert names.check_xml(f"<a b={json.dumps('x')}/>").attrib == {"b": "x"}
    assert shown.isprintable() and shown == xml_text(shown, "")


@EXAMPLES
@given(evil=EVIL)
def test_tables(evil: str) -> None:
    row = TaskRow(0, f"jefe{evil}", 1, 2, problem=f"panicked: {evil}")
    names.check_lines(text.tasks(TaskTable(1, (row, row), f"epitaph {evil}")))
    probe = ProbeInfo(
        f"1{evil}", f"a{evil}", evil, evil, "cmsisdap", f"b{evil}", used_by=f"c{evil}"
    )
    shown = text.probes([probe, probe])
    assert len(shown.split("\n")) == 3
    names.check_lines(shown)
    names.check_json(render_json.dumps(render_json.probes([probe], [evil])))
    entry = asdict(BoardEntry(*[f"x{evil}"] * 1, 1, *[f"y{evil}"] * 5, 0.0, f"z{evil}", 5))
    names.check_lines(running_boards.boards_text([entry, entry], True))
    names.check_lines(running_boards.started_text(entry))
    names.check_lines(running_boards.stopped_text([entry, entry]))
    status = {
        **entry, "leds": {f"l{evil}": True}, "time_s": 1.0, "lockup": f"m{evil}", "clients": 1,
        "notices": [f"n{evil}"], "held_by": 0, "halted": False,
    }  # fmt: skip
    names.check_lines(running_boards.status_text(status))
    board = load_board("nucleo-g031")
    known = _Like(board, name=f"b{evil}", part=f"p{evil}")
    names.check_lines(text.boards([known, known], True), may_wrap=True)  # type: ignore[list-item]  # like one
    build = _Like(board, digest="0" * 64, size=1, used_s=0.0, name=f"n{evil}", board=f"b{evil}")
    names.check_lines(cache.to_text(f"/d{evil}", [build, build]))  # type: ignore[list-item]
    names.check_lines(cache.to_text(f"/d{evil}", []))
    names.check_lines(cache.cleared_to_text(f"/d{evil}", 1, 1))
    names.check_lines(cache.cleared_to_text(f"/d{evil}", 0, 0))


class _Like:
    """Has some attributes of its own, and those of another object."""

    def __init__(self, other: object, **own: Any) -> None:
        self.__dict__.update(own)
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


def test_an_endless_name_does_not_break_a_table() -> None:
    rows = [["A", "B"], ["x" * 1_000_000, "y"], *[["a", "b"]] * 1000]
    shown = text.table(rows)
    assert len(shown) < 1_100_000
    assert shown.split("\n")[-1] == "a  b"


@EXAMPLES
@given(evil=EVIL)
def test_errors(evil: str) -> None:
    for make in (
        lambda: errors.ArchiveError(f"a {evil}", path=evil),
        lambda: errors.DebugInfoError(f"a {evil}", object=evil, archive=evil),
        lambda: errors.NotFound("task", evil, near=(evil,), where=evil, hint=evil),
        lambda: errors.ArgumentError(evil, name=evil),
        lambda: errors.DecodeError(evil, type=evil),
        lambda: errors.LinkError(evil, link=evil),
        lambda: errors.TargetFileError(evil, path=evil),
    ):
        error: errors.IdoldbgError = make()
        error.add_note(f"note {evil}")
        # What pytest, the shell and a traceback show.
        for line in traceback.format_exception_only(error):
            assert line.rstrip("\n").isprintable()
        for argv, check in ((["tasks"], names.check_lines), (["--format=json"], _check_error)):
            with contextlib.redirect_stderr(io.StringIO()) as shown:
                cli._report(argv, "X", cli._message(error), 4, f"hint {evil}", error=error)
            check(shown.getvalue())
    for bad in (OSError(2, f"no {evil}", f"/{evil}"), OSError(evil)):
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            cli._report([], "X", cli._os_message(bad), 4)
        names.check_lines(shown.getvalue())
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        output.say(f"said {evil}")
    names.check_lines(shown.getvalue())


def _check_error(shown: str) -> None:
    assert "error" in names.check_json(shown.rstrip("\n"))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@EXAMPLES
@given(evil=EVIL)
def test_a_terminals_line_of_progress(evil: str) -> None:
    with contextlib.redirect_stderr(_Terminal()) as shown:
        line = progress.ProgressLine(f"reading {evil}")
        line._next_s = 0.0
        line.update(1, 2, evil)
    said = shown.getvalue()
    assert said.startswith("\r\x1b[K") and said[4:].isprintable() and len(said) < 300


@EXAMPLES
@given(evil=EVIL)
def test_evidence_of_failed_tests(evil: str) -> None:
    entry = RingEntry(0, 1, 2, 3, EnumValue(CEnum("T", 1, False, ()), f"V{evil}", 1), f"p{evil}")
    leaf = CounterLeaf((f"a{evil}", f"b{evil}"), 3)
    ring = RingBuffer(
        f"task{evil}", f"ring{evil}", f"ring{evil}", f".x{evil}", f"file{evil}", 0, 2, 0,
        (entry, entry), (leaf, leaf), f"problem {evil}",
    )  # fmt: skip
    names.check_lines(ring_buffers.text([ring, ring], totals="all"))
    names.check_lines(ring_buffers.listing([ring]))
    for line in ring_buffers.news(ring, NewEntries((entry,), 1, 1, True)):
        names.check_lines(line)
    static = CounterStatic(
        f"t{evil}",
        f"n{evil}",
        f"f{evil}",
        CounterKind.CLIENT,
        f"i{evil}",
        0,
        4,
        (leaf,),
        f"p{evil}",
    )
    names.check_lines(counters.text([static, static], full=True))
    names.check_lines(counters.listing([static, static]))


@EXAMPLES
@given(evil=EVIL)
def test_statics_and_calls(evil: str) -> None:
    kind = Struct(f"T{evil}", 4, (Member(f"m{evil}", 0, Opaque(f"O{evil}", evil, 4)),))
    variable = Variable(f"n{evil}", f"a::n{evil}", evil, 0, 4, kind, 0)
    static = Static(f"t{evil}", variable, "ram", f"f{evil}", (f"b{evil}",))
    part = Part(static, f"{static.path}.x{evil}", kind, 0)
    value = StructValue(kind, ((f"m{evil}", Text(kind, evil)), ("u", Unreadable(kind, evil))))
    read = VarRead(part, value, evil.encode("utf-8", "replace") or b"x", (f"n{evil}",))
    for shown in (
        variables.text([read, read]),
        variables.text([read], raw=True),
        variables.list_text(VariableList((static, static))),
    ):
        names.check_lines(shown, may_wrap=True)  # a struct begins with the end of its type's path
    source = Source("dump", f"a{evil}", "", None, None)
    names.check_json(render_json.dumps(variables.json(source, [read])))
    names.check_json(render_json.line(variables.list_json(source, VariableList((static,)))))
    call = CallCount(f"I{evil}", f"o{evil}", f"c{evil}", (f"s{evil}",), 1, {f"E{evil}": 2}, 1, 1)
    end = ServerCount(f"I{evil}", f"o{evil}", f"s{evil}", 3, 4)
    found = TaskCalls((call, call), (end,), 5, ((f"p{evil}", f"q{evil}"),))
    names.check_lines(task_calls.text(found))
    names.check_lines(task_calls.matrix(found))
    edges = [Edge(f"c{evil}", f"s{evil}", evil, f"I{evil}", 1)] * 2
    for graph in (task_calls.mermaid(edges), task_calls.dot(edges)):
        assert len({line.count('"') for line in graph.split("\n") if '"' in line}) == 1
        names.check_lines(graph)
    place = Place(0, None, f"f{evil}", 4, f"/{evil}", 3)
    frames = (
        Frame(place, f"f{evil}"),
        Frame(place, f"g{evil}", is_inlined=True),
        Frame(place, None),
    )
    trace = Backtrace(f"task{evil}", frames, End.UNREADABLE, reason=f"why {evil}")
    names.check_lines(join_lines(evidence._trace_lines(0, trace)))


def farm_result(evil: str, folder: Path | None = None) -> FarmResult:
    record = TestRecord(
        f"test_{evil}.py::test_{evil}[{evil}]",
        Outcome.FAILED,
        1.0,
        f"message {evil}",
        f"E   text {evil}\n> more {evil}",
        f"output {evil}",
        {"board": f"b{evil}", "chip": f"c{evil}", f"key{evil}": evil, "image_id": evil},
    )
    if folder is not None:
        path = folder / "evidence.json"
        board = {"board": evil, "sections": [[f"tasks{evil}", evil]], "problems": [evil]}
        path.write_text(json.dumps({"boards": [board, board]}))
        record.properties["evidence"] = str(path)
    lost = TestRecord(f"lost{evil}", Outcome.INFRASTRUCTURE, message=f"lost {evil}", text=evil)
    place = PlaceResult(f"place{evil}", {f"tag{evil}": evil}, [record, lost])
    place.problem, place.log_tail = f"problem {evil}", f"log {evil}"
    other = PlaceResult(f"other{evil}", tests=[TestRecord("::run", Outcome.PASSED)])
    return FarmResult([place, other], 0.0, 1.0, ["pytest", evil], f"stopped {evil}")


@EXAMPLES
@given(evil=EVIL)
def test_the_report_of_a_farm_run(evil: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("evidence")
    result = farm_result(evil, folder)
    plain = to_html(farm_result("x", tmp_path_factory.mktemp("plain")))
    names.check_html(to_html(result), plain, is_multiline=True)
    suites = names.check_xml(to_junit(result), is_multiline=True)
    assert [s.get("name") for s in suites] == [xml_text(p.name) for p in result.places]
    assert suites.get("tests") == "3"
    names.check_lines(farm_command._summary(result, Path(f"out{printable(evil)}")))
    names.check_json(render_json.dumps(farm_command._as_json(result)))
    place = FarmPlace(
        f"p{evil}", {f"t{evil}": evil}, f"h/{evil}", 0.0, evil, evil, (f"e{evil}",), (), ()
    )
    broken = FarmPlace(f"p{evil}", {}, None, 0.0, broken=(f"x: {evil}",))
    away = FarmPlace(f"p{evil}", {}, None, 0.0, missing=(f"x: {evil}",))
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        output.print_text(farm_command._status_text([place, broken, away]))
    assert len(shown.getvalue().split("\n")) == 5
    names.check_lines(shown.getvalue())


SUITE = """
import pytest

EVIL = "\\x1b[2J\\n::error::x\\x07\\u202e\\ud800 <b>'\\"`"

def test_fails(idol):
    raise __import__("idoldbg").errors.LinkError(f"lost {EVIL}", link=EVIL)

def test_is_wrong(idol):
    assert idol.Sensor.nothing(EVIL)

@pytest.mark.expect_death(EVIL)
def test_marks(idol):
    pass
"""


def test_output_of_pytest(pytester: pytest.Pytester) -> None:
    """The name of a place reaches properties of JUnit's file, of which pytest escapes no key."""
    pytester.makepyfile(SUITE)
    place = f"desk\x1b[2J\x07{MARK}"
    options = ["--idoldbg-boards", f"{place}=emu", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    done = pytester.runpytest_subprocess(*options, "--idoldbg-results=results.jsonl")
    # pytest's own words aside: the tests' source, and `assert` with its operands.
    names.check_lines(
        "\n".join(line for line in done.outlines if "\x1b" not in line), may_wrap=True
    )
    assert not [line for line in done.outlines if "\x1b[2J" in line or "\x07" in line]
    root = names.check_xml((pytester.path / "junit.xml").read_text(), is_multiline=True)
    keys = {p.get("name") for p in root.iter("property")}
    assert "board" in keys
    for line in (pytester.path / "results.jsonl").read_text().splitlines():
        json.loads(line)
