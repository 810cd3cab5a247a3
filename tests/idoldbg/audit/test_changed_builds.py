"""The audit of builds that were spoilt after they were built: what no compiler at hand leaves out.

`tests/firmware/test_gaps.py` has what can be built.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as XmlTree

import pytest
from elftools.elf.elffile import ELFFile

from idoldbg.audit import Audit, Finding, Level
from idoldbg.audit.verdict import judge
from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.load import open_build
from idoldbg.cli import run
from idoldbg.model.types import Array, Struct
from idoldbg.render.audit import Files
from idoldbg.render.audit.junit import to_junit
from idoldbg.render.audit.text import verdict_line
from tests.idoldbg.audit.conftest import DEMO, Rebuild, audit_build, replaced

Capture = pytest.CaptureFixture[str]


def new_findings(report: Audit, demo: Audit) -> list[Finding]:
    """Return the findings that the demo does not have."""
    known = {f.fingerprint for f in demo.findings}
    return [f for f in report.findings if f.fingerprint not in known]


def only(report: Audit, demo: Audit) -> Finding:
    (finding,) = new_findings(report, demo)
    return finding


def test_server_without_debug_information_is_one_finding(rebuild: Rebuild, demo: Audit) -> None:
    path = rebuild({"elf/task/spi": replaced(b"\0.debug_info\0", b"\0.lost_bytes\0")})
    report = audit_build(path)
    finding = only(report, demo)
    assert (finding.rule, finding.level, finding.task) == ("debug-info-missing", Level.ERROR, "spi")
    # Its operations count, and none of them looks as if it had passed.
    assert report.summary.operations == demo.summary.operations
    assert report.summary.callable == demo.summary.callable - 5
    root = XmlTree.fromstring(to_junit(judge(report), Files(report)))
    cases = root.findall("testsuite[@name='spi.Spi']/testcase")
    assert [len(c.findall("failure") + c.findall("skipped")) for c in cases] == [1] * 6


def spoil(data: bytes) -> bytes:
    section = ELFFile(BytesIO(data)).get_section_by_name(".debug_abbrev")
    at, size = section["sh_offset"], section["sh_size"]
    return data[:at] + b"\xff" * size + data[at + size :]


def test_damaged_debug_information_names_the_operations(rebuild: Rebuild, demo: Audit) -> None:
    report = audit_build(rebuild({"elf/task/spi": spoil}))
    found = new_findings(report, demo)
    assert {f.rule for f in found} == {"debug-info-damaged"}
    assert {f.operation for f in found} == {"read", "write", "exchange", "lock", "release"}
    assert report.summary.callable == demo.summary.callable - 5


@pytest.mark.parametrize(
    ("member", "task"), [("elf/kernel", "kernel"), ("elf/task/hiffy", "hiffy")]
)
def test_damage_where_every_call_passes_is_an_error(
    member: str, task: str, rebuild: Rebuild, demo: Audit
) -> None:
    report = audit_build(rebuild({member: spoil}))
    finding = only(report, demo)
    assert (finding.rule, finding.task) == ("debug-info-damaged", task)
    assert report.summary.callable == 0


def test_other_commands_go_on_without_a_damaged_task(rebuild: Rebuild, capsys: Capture) -> None:
    path = str(rebuild({"elf/task/spi": spoil}))
    assert run(["-a", path, "list"]) == 0
    captured = capsys.readouterr()
    assert "Sensor.get" in captured.out
    assert "note: its types cannot be read: spi: malformed" in captured.out
    assert run(["-a", path, "list", "Spi"]) == 4
    assert capsys.readouterr().err.startswith(f"error: {path}: spi: malformed")
    assert run(["-a", path, "types", "SensorError"]) == 0
    assert "note: `spi` is left out: spi: malformed" in capsys.readouterr().err
    assert run(["-a", path, "types", "SpiError", "--task", "spi"]) == 4
    assert capsys.readouterr().err.startswith(f"error: {path}: spi: malformed")


LOST = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "a page of HTML": lambda data: b"<html><title>404</title></html>",
}


@pytest.mark.parametrize("how", LOST)
def test_one_lost_file_is_one_finding(how: str, rebuild: Rebuild, demo: Audit) -> None:
    """The rest is audited: CI shall tell all that is wrong, not the first thing."""
    report = audit_build(rebuild({"elf/task/spi": LOST[how]}))
    finding = only(report, demo)
    assert (finding.rule, finding.task) == ("debug-info-damaged", "spi")
    assert report.summary.callable == demo.summary.callable - 5
    verdict = judge(report)
    assert verdict.has_failed
    assert "those of spi are unknown; 1 error" in verdict_line(verdict)
    root = XmlTree.fromstring(to_junit(verdict, Files(report)))
    assert len(root.findall("testsuite[@name='spi.?']/testcase/failure")) == 1


@pytest.mark.parametrize(
    ("member", "task", "how"),
    [
        ("elf/kernel", "kernel", "missing"),
        ("elf/kernel", "kernel", "cut short"),
        ("elf/task/hiffy", "hiffy", "missing"),
        ("elf/task/hiffy", "hiffy", "empty"),
    ],
)
def test_lost_file_that_every_call_needs_is_one_finding(
    member: str, task: str, how: str, rebuild: Rebuild, demo: Audit
) -> None:
    report = audit_build(rebuild({member: LOST[how]}))
    finding = only(report, demo)
    assert (finding.rule, finding.task) == ("debug-info-damaged", task)
    assert report.summary.complete == demo.summary.complete
    assert report.summary.callable == 0


def spoil_symbols(data: bytes) -> bytes:
    """Fill the table of symbols, and their names, with nonsense."""
    with_nonsense = bytearray(data)
    for section in ELFFile(BytesIO(data)).iter_sections():
        if section.name in (".symtab", ".strtab"):
            start, size = section["sh_offset"], section["sh_size"]
            with_nonsense[start : start + size] = b"\xa5" * size
    return bytes(with_nonsense)


def test_a_kernel_without_readable_symbols_is_a_finding(
    rebuild: Rebuild, demo: Audit, capsys: Capture
) -> None:
    """They say where the image id is, without which no call is made."""
    path = rebuild({"elf/kernel": spoil_symbols})
    report = audit_build(path)
    finding = only(report, demo)
    assert (finding.rule, finding.task) == ("debug-info-damaged", "kernel")
    assert "the symbol names" in finding.message
    assert report.summary.callable == 0
    for command in ("call Sensor.reading --id 0", "flash"):
        assert run(["-a", str(path), "-p", "emu", *command.split()]) == 4
        assert f"error: {path}: elf/kernel: the symbol names" in capsys.readouterr().err


def test_stubs_name_the_missing_task(rebuild: Rebuild, tmp_path: Path, capsys: Capture) -> None:
    path = str(rebuild({"elf/task/spi": LOST["missing"]}))
    out = str(tmp_path / "stubs")
    for check in ([], ["--check"]):
        assert run(["-a", path, "stubs", "-o", out, *check]) == 0
        assert "task `spi` is left out: elf/task/spi: is missing" in capsys.readouterr().err


def test_other_commands_go_on_without_a_lost_file(rebuild: Rebuild, capsys: Capture) -> None:
    path = str(rebuild({"elf/task/spi": LOST["missing"]}))
    assert run(["-a", path, "-p", "emu", "call", "Sensor.reading", "--id", "0"]) == 0
    assert run(["-a", path, "types", "SensorError"]) == 0
    assert "`spi` is left out: elf/task/spi: is missing" in capsys.readouterr().err
    assert run(["-a", path, "call", "Spi.lock"]) == 2
    assert "what `spi` serves cannot be read" in capsys.readouterr().err


def test_a_hiffy_without_types_is_reported_with_the_build(
    rebuild: Rebuild, capsys: Capture
) -> None:
    path = str(rebuild({"elf/task/hiffy": replaced(b"\0.debug_info\0", b"\0.lost_bytes\0")}))
    assert run(["-a", path, "-p", "emu", "call", "Sensor.reading", "--id=0"]) == 4
    assert f"error: {path}: HIFFY_TEXT is not in the" in capsys.readouterr().err


def test_an_interface_that_is_not_utf_8_is_reported(rebuild: Rebuild, demo: Audit) -> None:
    path = rebuild({"elf/task/spi": replaced(b'name: "Spi"', b'name: "\xff\xff\xff"')})
    finding = only(audit_build(path), demo)
    assert (finding.rule, finding.task) == ("debug-info-damaged", "spi")


def test_interface_that_does_not_parse_has_its_line(rebuild: Rebuild, demo: Audit) -> None:
    path = rebuild({"elf/task/spi": replaced(b'name: "Spi"', b'name; "Spi"')})
    report = audit_build(path)
    findings = new_findings(report, demo)
    assert {(f.rule, f.task) for f in findings} == {("interface-unparsable", "spi")}
    assert findings[0].place is not None and findings[0].place.line == 4
    server = next(s for s in report.servers if s.task == "spi")
    assert server.interface is None and server.operations == ()


def test_hiffy_that_is_not_started_is_a_warning(rebuild: Rebuild, demo: Audit) -> None:
    path = rebuild({"elf/kernel": _hiffy_is_not_started})
    finding = only(audit_build(path), demo)
    assert (finding.rule, finding.level) == ("task-not-started", Level.WARNING)
    assert finding.task == "hiffy"


def _hiffy_is_not_started(data: bytes) -> bytes:
    """Clear START_AT_BOOT in hiffy's entry of the kernel's table."""
    info = ObjectInfo("kernel", data)
    (table,) = info.find_variables("HUBRIS_TASK_DESCS")
    assert isinstance(table.type, Array) and isinstance(table.type.element, Struct)
    entry = table.type.element
    flags = next(m.offset for m in entry.members if m.name == "flags")
    hiffy = next(t.index for t in open_build(DEMO).archive.tasks if t.name == "hiffy")
    address = (table.address or 0) + hiffy * entry.size + flags
    segment = next(s for s in info.elf.segments if 0 <= address - s.address < s.file_size)
    at = segment.offset + address - segment.address
    assert data[at] == 1
    return data[:at] + b"\0" + data[at + 1 :]


NETWORK = b"""
[tasks.net]
name = "task-net"
"""
SOCKET = b"""
[config.net.sockets.rpc]
kind = "udp"
owner = {name = "%s", notification = "socket"}
"""


@pytest.mark.parametrize(
    ("sockets", "rules"),
    [
        (b"", {"no-network-path"}),
        (SOCKET % b"echo", {"no-network-path"}),
        (SOCKET % b"udprpc", set()),
        (SOCKET % b"hiffy", set()),
        (b"\n[config]\nnet = 3\n", {"no-network-path"}),
    ],
)
def test_network_that_does_not_reach_hiffy(
    sockets: bytes, rules: set[str], rebuild: Rebuild, demo: Audit
) -> None:
    # A task that is in app.toml must be in the archive: the sleeper becomes the network.
    def change(data: bytes) -> bytes:
        assert b'[tasks.sleeper]\nname = "task-victim"' in data
        data = data.replace(
            b'[tasks.sleeper]\nname = "task-victim"', b'[tasks.sleeper]\nname = "task-net"'
        )
        return data + sockets

    found = new_findings(audit_build(rebuild({"app.toml": change})), demo)
    assert {f.rule for f in found} == rules
    assert all(f.level is Level.NOTE for f in found)


def test_fingerprint_survives_moved_lines(rebuild: Rebuild, demo: Audit) -> None:
    old = b'// The supervisor.\n\nInterface(\n    name: "Jefe",\n    ops: {'
    new = b'// The supervisor.\n\nInterface(name: "Jefe",\n\n\n\nops:  {     '
    assert len(old) == len(new)
    report = audit_build(rebuild({"elf/task/jefe": replaced(old, new)}))
    was = next(f for f in demo.findings if f.rule == "caller-restricted")
    now = next(f for f in report.findings if f.rule == "caller-restricted")
    assert was.place is not None and now.place is not None
    assert (was.fingerprint, was.place.line + 2) == (now.fingerprint, now.place.line)


def test_archive_path_is_not_in_fingerprints(tmp_path: Path, demo: Audit) -> None:
    copy = tmp_path / "other.zip"
    copy.write_bytes(Path(demo.archive).read_bytes())
    moved = audit_build(copy)
    assert [f.fingerprint for f in moved.findings] == [f.fingerprint for f in demo.findings]


def test_terminals_obey_nothing_from_a_build(rebuild: Rebuild, capsys: Capture) -> None:
    path = str(rebuild({"elf/task/sensor": replaced(b"The reading of", b"\x1b]0;reading\x07of")}))
    for argv in (["list", "Sensor.get"], ["call", "Sensor.get", "--help"]):
        assert run(["-a", path, *argv]) == 0
        shown = capsys.readouterr().out
        assert "\\u{1b}]0;reading\\u{7}of one channel" in shown
        assert "\x1b" not in shown
    assert run(["types", "No\x1b[31m"]) == 2
    assert "`No\\u{1b}[31m`" in capsys.readouterr().err


def without_start(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(b"start = ")]
    assert len(kept) < len(lines)
    return b"".join(kept)


def test_started_tasks_come_from_the_kernel_s_table(
    rebuild: Rebuild, demo: Audit, capsys: Capture
) -> None:
    """Archives of exhubris leave `start` out of app.toml."""
    path = rebuild({"app.toml": without_start})
    report = audit_build(path)
    assert new_findings(report, demo) == []
    assert {f.task for f in report.findings if f.rule == "task-not-started"} == {"sleeper"}
    assert [s.is_started for s in report.servers] == [s.is_started for s in demo.servers]
    assert run(["-a", str(path), "-p", "emu", "call", "Sensor.reading", "--id", "0"]) == 0
    assert "Sensor.reading() => " in capsys.readouterr().out
    # What app.toml says the other way round is not believed either.
    wrong = replaced(b"start = false", b"start = true")
    lied = audit_build(rebuild({"app.toml": wrong}))
    assert {f.task for f in lied.findings if f.rule == "task-not-started"} == {"sleeper"}


def test_started_tasks_come_from_app_toml_where_the_table_is_unreadable(rebuild: Rebuild) -> None:
    changes = {"app.toml": without_start, "elf/kernel": spoil}
    report = audit_build(rebuild(changes))
    assert {"spi", "hiffy"} <= {f.task for f in report.findings if f.rule == "task-not-started"}
