"""Builds for processors that are not an Arm: what can be read is, and the rest says why not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.audit import audit
from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.errors import DebugInfoError
from idoldbg.model.types import Member, Struct, Type
from idoldbg.render.tasks import describe_end, describe_state
from idoldbg.session import Session, TargetOptions, demo_archive, open_session
from idoldbg.startup import settle
from idoldbg.views.backtrace import read_backtrace
from idoldbg.views.tasks import read_tasks, task_type
from tests.idoldbg.audit.conftest import Rebuild, audit_build, rebuild, replaced

__all__ = ["rebuild"]

Capture = pytest.CaptureFixture[str]
DEMO = demo_archive("stm32f4-discovery")


@pytest.fixture
def riscv(rebuild: Rebuild) -> Path:
    """The demo's archive, which says that it is for RISC-V."""
    old, new = b'"thumbv7em-none-eabihf"', b'"riscv32imac-unknown-none-elf"'
    return rebuild({"app.toml": replaced(old, new)})


def test_no_target_runs_it(riscv: Path, capsys: Capture) -> None:
    for command in ("tasks", "call Sensor.reading --id 0", "reset", "flash"):
        for probe in ([], ["-p", "emu"], ["-p", "pyocd"], ["-b", "stm32f4-discovery"]):
            assert run(["-a", str(riscv), *probe, *command.split()]) != 0
            output = capsys.readouterr()
            assert output.out == ""
            assert "RISC-V" in output.err
            assert "stripped" not in output.err
    for command in ("list Sensor", "types SensorError"):
        assert run(["-a", str(riscv), *command.split()]) == 0


def test_the_audit_reports_it_without_advice_on_hiffy(riscv: Path) -> None:
    report = audit_build(riscv)
    errors = [(f.rule, f.name) for f in report.findings if f.rule.startswith(("hif", "proc"))]
    assert errors == [("processor-unsupported", "RISC-V")]
    assert not report.is_usable
    assert report.summary.callable == 0


def test_elf_files_alone_are_reported_too(tmp_path: Path, capsys: Capture) -> None:
    with zipfile.ZipFile(DEMO) as archive:
        for name in ("elf/kernel", "elf/task/jefe"):
            data = archive.read(name)
            assert data[18:20] == b"\x28\0"
            (tmp_path / name.rsplit("/", 1)[-1]).write_bytes(data[:18] + b"\xf3\0" + data[20:])
    assert open_build(tmp_path).archive.other_processor == "RISC-V"
    assert run(["-a", str(tmp_path), "-p", "emu", "tasks"]) != 0
    assert "RISC-V" in capsys.readouterr().err
    wide = b"\x7fELF\2\1\1".ljust(18, b"\0") + b"\xf3\0" + bytes(44)
    with pytest.raises(DebugInfoError, match=r"not a 32-bit .*\(it is for RISC-V\)"):
        ElfFile("kernel", wide)


def test_stripping_is_blamed_where_it_may_be_the_cause() -> None:
    for target, message in (("riscv32imac-unknown-none-elf", "it is for RISC-V"), ("", "stripped")):
        program = Program(open_build(DEMO).archive, open_build(DEMO))
        vars(program.archive)["target"] = target
        program.object("kernel").find_types = lambda _: ()  # type: ignore[method-assign]
        with pytest.raises(DebugInfoError, match=message):
            task_type(program)


# ---- registers by other names --------------------------------------------------------------------


class Renamed:
    """A kernel whose tasks save registers of other names."""

    def __init__(self, inner: object, names: dict[str, str]) -> None:
        self._inner, self._names = inner, names

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def find_types(self, name: str) -> tuple[Type, ...]:
        return tuple(self._rename(t) for t in self._inner.find_types(name))  # type: ignore[attr-defined]

    def _rename(self, type_: Type) -> Type:
        if not isinstance(type_, Struct):
            return type_
        members = tuple(
            Member(m.name, m.offset, self._saved(m.type)) if m.name == "save" else m
            for m in type_.members
        )
        return Struct(type_.name, type_.size, members)

    def _saved(self, type_: Type) -> Type:
        assert isinstance(type_, Struct)
        members = (Member(self._names.get(m.name, m.name), m.offset, m.type) for m in type_.members)
        return Struct(type_.name, type_.size, tuple(members))


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session(TargetOptions(archive=str(DEMO), probe="emu")) as session:
        settle(session)
        yield session


def renamed(session: Session, names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(session.program.archive, session.link)
    find = program.object
    kernel = Renamed(find("kernel"), names)
    monkeypatch.setattr(program, "object", lambda name: kernel if name == "kernel" else find(name))
    return program


RISCV = {"r4": "a0", "r5": "a1", "r6": "a2", "r7": "a3", "r8": "a4", "psp": "pc"}


def test_notification_masks_are_found_under_other_names(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_tasks(session.program)
    assert any("notif: " in describe_state(row) for row in expected.rows)
    assert read_tasks(renamed(session, RISCV, monkeypatch)) == expected
    unknown = renamed(session, {name: f"x{name}" for name in RISCV}, monkeypatch)
    waiting = {row.name for row in expected.rows if row.scheduler_state == "InRecv"}
    for row in read_tasks(unknown).rows:
        assert ("[its mask is in a register" in describe_state(row)) == (row.name in waiting)


def test_stacks_of_others_are_not_guessed_at(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = renamed(session, RISCV, monkeypatch)
    trace = read_backtrace(program, program.task("spi").index)
    assert len(trace.frames) == 1
    assert "are not unwound" in describe_end(trace)


def test_demo_is_for_arm() -> None:
    build = open_build(DEMO)
    assert build.archive.other_processor == ""
    assert "processor-unsupported" not in {
        f.rule for f in audit(Program(build.archive, build)).findings
    }
