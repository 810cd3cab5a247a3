"""Coverage of the demo images: known functions, in all formats, from all processes of a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.collected import Sources, check_outputs
from idoldbg.errors import ArgumentError, OperationError
from idoldbg.render import coverage as rendered
from idoldbg.target.emulated.collecting import VARIABLE, Collection
from idoldbg.views.coverage import (
    Coverage,
    FileCoverage,
    FunctionCoverage,
    InterfaceCoverage,
    ObjectCoverage,
    OperationCoverage,
    Ranges,
    merge_coverage,
)
from tests.conftest import ARCHIVES, ROOT
from tests.tools import need

pytest_plugins = "pytester"

IMAGES = ("stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69")
each_image = pytest.mark.parametrize("image", IMAGES)
SENSOR = "/firmware/task/sensor/src/main.rs"


def archive(image: str = "stm32f4-discovery") -> str:
    return str(ARCHIVES / f"{image}.zip")


def body(name: str) -> set[int]:
    """Return the lines inside a method of the sensor's server."""
    lines = (ROOT / "fixtures" / SENSOR[1:]).read_text().splitlines()
    start = next(i for i, text in enumerate(lines, 1) if f" fn {name}(" in text)
    end = next(i for i, text in enumerate(lines, 1) if i > start and text == "    }")
    return set(range(start, end))


def hits(coverage: Coverage, path: str, lines: set[int]) -> set[bool]:
    (file,) = (f for f in coverage.files if f.path == path)
    return {is_hit for number, is_hit in file.lines.items() if number in lines}


@each_image
def test_the_code_of_a_call_is_covered_and_nothing_else(image: str) -> None:
    with idoldbg.attach(archive(image), probe="emu") as dev:
        with dev.coverage() as covered:
            dev.Sensor.multiply(a=2, b=3)
        first = covered.result
        assert hits(first, SENSOR, body("multiply")) == {True}
        for name in ("reverse", "history", "sum"):
            assert hits(first, SENSOR, body(name)) == {False}, name
        with dev.coverage() as covered:
            dev.Sensor.reverse(bytes=bytes(8))
        assert hits(covered.result, SENSOR, body("reverse")) == {True}
        assert hits(covered.result, SENSOR, body("multiply")) == {False}


@each_image
def test_operations_and_errors_that_were_seen(image: str) -> None:
    with idoldbg.attach(archive(image), probe="emu") as dev, dev.coverage() as covered:
        dev.Spi.exchange(device_index=0, source=b"\x9f", sink=1)
        with pytest.raises(OperationError):
            dev.Spi.exchange(device_index=9, source=b"\x9f", sink=1)
        dev["victim"].Victim.ping()
    interfaces = {(i.interface, i.task): i for i in covered.result.interfaces}
    spi = interfaces["Spi", "spi"]
    assert [op.name for op in spi.operations if op.is_called] == ["exchange"]
    (exchange,) = (op for op in spi.operations if op.name == "exchange")
    assert [name for name, is_seen in exchange.errors.items() if is_seen] == ["BadDevice"]
    assert len(exchange.errors) == 5
    assert interfaces["Victim", "victim"].called == 1
    assert ("Victim", "sleeper") not in interfaces or not interfaces["Victim", "sleeper"].called
    assert interfaces["Sensor", "sensor"].called == 0


def test_lines_that_a_death_does_not_reach() -> None:
    """The victim panics in the middle of `panic`; the code that would reply is not executed."""
    died = pytest.raises(idoldbg.IdoldbgError)
    with idoldbg.attach(archive(), probe="emu") as dev, dev.coverage() as covered, died:
        dev["victim"].Victim.panic(code=1)
    victim = next(o for o in covered.result.objects if o.name == "victim")
    assert 0 < victim.lines_hit < victim.lines
    names = [
        f.name
        for file in covered.result.files
        if "/userlib/" in file.path
        for f in file.functions
        if f.is_hit
    ]
    assert any("panic" in name for name in names)


def test_coverage_needs_its_block() -> None:
    with idoldbg.attach(archive(), probe="emu") as dev, pytest.raises(ValueError, match="with"):
        _ = dev.coverage().result


# ---- formats -------------------------------------------------------------------------------------

MADE = Coverage(
    (
        FileCoverage(
            "/a/x.rs",
            {1: True, 2: False, 9: True},
            (FunctionCoverage("f<T, U>", 1, True), FunctionCoverage("g", 9, False)),
        ),
        FileCoverage("/a/y.rs", {3: False}, ()),
        FileCoverage('/b/z"<&\n.rs', {4: True}, (FunctionCoverage("<h>", 4, True),)),
    ),
    (
        ObjectCoverage("demo", "kernel", 5, 3, 3, 2),
        ObjectCoverage("demo", "net", 0, 0, 0, 0, "its file is damaged"),
    ),
    (
        InterfaceCoverage(
            "Spi",
            "spi",
            (
                OperationCoverage("read", True, {"Bad": True, "Worse": False}, (77,)),
                OperationCoverage("write", False, {"Bad": False}),
            ),
        ),
    ),
)


def test_lcov_s_tracefile() -> None:
    assert rendered.lcov(MADE).split("end_of_record\n")[0] == (
        "TN:\nSF:/a/x.rs\nFN:1,f<T, U>\nFN:9,g\nFNDA:1,f<T, U>\nFNDA:0,g\nFNF:2\nFNH:1\n"
        "DA:1,1\nDA:2,0\nDA:9,1\nLF:3\nLH:2\n"
    )
    assert rendered.lcov(MADE).count("end_of_record\n") == 3


#: coverage-04.dtd: the attributes that each element must have, and its children in order.
COBERTURA: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "coverage": (
        {"line-rate", "branch-rate", "lines-covered", "lines-valid", "branches-covered",
         "branches-valid", "complexity", "version", "timestamp"},
        ("sources", "packages"),
    ),
    "sources": (set(), ("source",)),
    "source": (set(), ()),
    "packages": (set(), ("package",)),
    "package": ({"name", "line-rate", "branch-rate", "complexity"}, ("classes",)),
    "classes": (set(), ("class",)),
    "class": (
        {"name", "filename", "line-rate", "branch-rate", "complexity"},
        ("methods", "lines"),
    ),
    "methods": (set(), ("method",)),
    "method": ({"name", "signature", "line-rate", "branch-rate", "complexity"}, ("lines",)),
    "lines": (set(), ("line",)),
    "line": ({"number", "hits", "branch"}, ()),
}  # fmt: skip


def test_cobertura_s_report_is_as_its_dtd_says() -> None:
    root = ET.fromstring(rendered.cobertura(MADE, timestamp_s=12))
    for element in root.iter():
        attributes, children = COBERTURA[element.tag]
        assert set(element.attrib) == attributes
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)
    assert root.get("timestamp") == "12"
    assert (root.get("lines-covered"), root.get("lines-valid")) == ("3", "5")
    names = [each.get("filename") for each in root.iter("class")]
    assert names[:2] == ["a/x.rs", "a/y.rs"]
    lines = root.find(".//class[@filename='a/x.rs']/lines")
    assert lines is not None
    assert [(e.get("number"), e.get("hits")) for e in lines] == [("1", "1"), ("2", "0"), ("9", "1")]


def test_text_and_json() -> None:
    shown = rendered.text(MADE).splitlines()
    assert shown[0].split() == ["image", "demo", "lines", "functions"]
    assert shown[1].split() == ["kernel", "3/5", "60.0", "%", "2/3", "66.7", "%"]
    assert "its file is damaged" in shown[2]
    assert shown[-1].split("  ")[0] == "Spi"
    assert "1/2" in shown[-1] and "1/3" in shown[-1]
    assert shown[-1].endswith("write, read: Worse")
    found = rendered.json(MADE)
    assert (found["lines_hit"], found["lines"]) == (3, 5)
    assert found["interfaces"][0]["operations"][0]["other_answers"] == [77]


def test_genhtml_shows_it(tmp_path: Path) -> None:
    genhtml = need("genhtml", of="lcov")
    with idoldbg.attach(archive(), probe="emu") as dev, dev.coverage() as covered:
        dev.Sensor.multiply(a=2, b=3)
    placed = Sources(mapped=[f"/firmware={ROOT}/fixtures/firmware"]).place(covered.result)
    here = tuple(f for f in placed.files if Path(f.path).is_file())
    assert len(here) > 20
    tracefile = tmp_path / "lcov.info"
    tracefile.write_text(rendered.lcov(Coverage(here, (), ())))
    done = subprocess.run(
        [genhtml, str(tracefile), "-o", str(tmp_path / "html")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    total = sum(len(f.lines) for f in here)
    hit = sum(sum(f.lines.values()) for f in here)
    assert f"({hit} of {total} lines)" in done.stdout
    assert list((tmp_path / "html").rglob("main.rs.gcov.html"))


# ---- sums ----------------------------------------------------------------------------------------


def test_ranges() -> None:
    ranges = Ranges([(10, 20), (20, 22), (0, 2), (15, 18)])
    inside = {n for n in range(30) if ranges.overlaps(n, n + 1)}
    assert inside == {0, 1, *range(10, 22)}
    assert ranges.overlaps(2, 11) and not ranges.overlaps(2, 10) and not Ranges([]).overlaps(0, 9)


def test_images_are_joined() -> None:
    other = Coverage(
        (FileCoverage("/a/x.rs", {2: True, 5: False}, (FunctionCoverage("g", 9, True),)),),
        (ObjectCoverage("other", "kernel", 1, 1, 1, 1),),
        (
            InterfaceCoverage(
                "Spi", "spi", (OperationCoverage("write", True, {"Bad": True, "New": False}),)
            ),
        ),
    )
    joined = merge_coverage([MADE, other])
    assert joined.files[0].lines == {1: True, 2: True, 5: False, 9: True}
    assert [(f.name, f.is_hit) for f in joined.files[0].functions] == [
        ("f<T, U>", True),
        ("g", True),
    ]
    (spi,) = joined.interfaces
    assert (spi.called, spi.errors) == (2, (2, 4))
    assert len(joined.objects) == 3


def test_outputs_and_sources_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.info"):
        check_outputs(["coverage.html"])
    with pytest.raises(ArgumentError, match="directory"):
        check_outputs([str(tmp_path / "no" / "x.info")])
    with pytest.raises(ArgumentError, match="FROM=TO"):
        Sources(mapped=["/hubris"])


# ---- the command ---------------------------------------------------------------------------------


def test_command_collects_from_all_boards_of_its_children(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two boards of two processes, one of them kept running, killed, and its build gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDOLDBG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    copy = tmp_path / "copy.zip"
    shutil.copy(archive(), copy)
    script = tmp_path / "script"
    script.write_text(
        "set -e\n"
        f'idoldbg() {{ {sys.executable} -m idoldbg "$@"; }}\n'
        f"idoldbg board start covered {copy} >/dev/null\n"
        "idoldbg -p emu:covered call Sensor.multiply --a 2 --b 3\n"
        "idoldbg board list --format json > list\n"
        "kill -9 $(sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p' list)\n"
        f"rm {copy}\n"
        f"idoldbg -p emu -a {archive()} call Sensor.reverse --bytes hex:0102030405060708\n"
        "exit 3\n"
    )
    info, xml = tmp_path / "lcov.info", tmp_path / "cobertura.xml"
    code = run(
        ["coverage", "-o", str(info), "-o", str(xml), "--format", "json", "--", "sh", str(script)]
    )
    out, err = capfd.readouterr()
    assert code == 3, err
    found = json.loads(out[out.index("{\n") :])
    assert found["boards"] == 2
    (sensor,) = (i for i in found["interfaces"] if i["interface"] == "Sensor")
    called = {op["name"] for op in sensor["operations"] if op["called"]}
    assert called == {"multiply", "reverse"}
    record = re.search(rf"SF:{re.escape(SENSOR)}\n(.*?)end_of_record", info.read_text(), re.DOTALL)
    assert record is not None
    hit = {int(n) for n in re.findall(r"^DA:(\d+),1$", record[1], re.MULTILINE)}
    assert hit & body("multiply") and hit & body("reverse") and not hit & body("history")
    assert ET.parse(xml).getroot().tag == "coverage"


def test_command_without_boards_writes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "lcov.info"
    assert run(["coverage", "-o", str(info), "--", "true"]) == 0
    assert "no emulated board" in capfd.readouterr().err
    assert not info.exists()
    assert run(["coverage", "--fail-under", "10", "--", "true"]) == 1


def test_command_can_demand_a_share(capfd: pytest.CaptureFixture[str]) -> None:
    call = ("--", "idoldbg", "-a", archive(), "-p", "emu", "call", "Sensor.temperature")
    assert run(["coverage", "--fail-under", "5", *call]) == 0
    assert run(["coverage", "--fail-under", "99", *call]) == 1
    assert "less than 99 %" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a command"),
        (("-o", "x.html", "--", "true"), ".info"),
        (("--map", "x", "--", "true"), "FROM=TO"),
        (("--", "/no/such"), "cannot run"),
        (("-p", "emu", "--", "true"), "no use for"),
    ],
)
def test_mistakes_are_explained(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["coverage", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_board_flashed_with_another_image_stops_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = Collection(tmp_path / "c")
    for name, value in collection.want({"coverage": {}, "trace": {}}).items():
        monkeypatch.setenv(name, value)
    with idoldbg.attach(archive(), probe="emu") as dev:
        dev.Sensor.temperature()
        board = dev.session.target._link.board  # type: ignore[attr-defined]
        other = idoldbg.attach(archive("stm32f4-discovery-no-hiffy"), probe="emu")
        segments = [(s.address, s.data) for s in other.program.archive.flash_segments()]
        before = {c.instrument: c.data for c in collection.read() if c.data}
        board.flash(segments)
        dev.link.wait(0.1)
    found = [c for c in collection.read() if "another image" in c.problem]
    assert {c.instrument for c in found} == {"coverage", "trace"}
    assert {c.instrument: c.data for c in found} == before


def test_a_collection_that_has_gone_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no"))
    with idoldbg.attach(archive(), probe="emu") as dev:
        dev.Sensor.temperature()
    collection = Collection(tmp_path / "c")
    monkeypatch.setenv(VARIABLE, collection.want({"coverage": {}})[VARIABLE])
    with idoldbg.attach(archive(), probe="emu") as dev:
        shutil.rmtree(tmp_path / "c")
        dev.Sensor.temperature()


# ---- pytest --------------------------------------------------------------------------------------

TESTS = """
    import subprocess, sys

    def test_one(idol):
        idol.Sensor.multiply(a=2, b=3)

    def test_two(idol):
        idol.Sensor.reverse(bytes=bytes(8))

    def test_three():
        command = [sys.executable, "-P", "-m", "idoldbg", "call", "Sensor.range"]
        subprocess.run(command, check=True)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_pytest_merges_tests_workers_and_children(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(TESTS)
    options = ("--idoldbg-cov=lcov.info", "--idoldbg-cov=sum.json", "-n", workers)
    result = pytester.runpytest_subprocess(*options, "-p", "no:cacheprovider")
    assert result.ret == 0, result.outlines
    result.stdout.fnmatch_lines(["*coverage of the firmware*", "*written: lcov.info, sum.json*"])
    found = json.loads((pytester.path / "sum.json").read_text())
    (sensor,) = (i for i in found["interfaces"] if i["interface"] == "Sensor")
    called = {op["name"] for op in sensor["operations"] if op["called"]}
    assert called == {"multiply", "reverse", "range"}
    assert f"SF:{SENSOR}" in (pytester.path / "lcov.info").read_text()


def test_pytest_says_where_there_is_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("--idoldbg-cov=lcov.info", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["no test used an emulated board*"])
    assert not (pytester.path / "lcov.info").exists()
    wrong = pytester.runpytest_subprocess("--idoldbg-cov=lcov.html")
    wrong.stderr.fnmatch_lines(["*--idoldbg-cov:*.info*"])
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
