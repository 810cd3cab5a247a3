"""An index gives the results that the debug information does, for whole builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idoldbg.audit import audit
from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.index import FINGERPRINT_SIZE, Kind, Results
from idoldbg.build.index.fields import TYPE
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.opener import open_hiffy
from idoldbg.errors import IdoldbgError
from idoldbg.model.archive import Archive
from idoldbg.model.types import Array, Enum, Pointer, Struct, Type, Union
from idoldbg.views.code import find_code
from idoldbg.views.holds import find_states
from idoldbg.views.interfaces import read_interfaces
from idoldbg.views.manifest import read_manifest
from idoldbg.views.regions import read_regions
from idoldbg.views.tasks import task_type
from idoldbg.views.types import read_types
from idoldbg.views.variables import read_statics
from tests.conftest import ARCHIVES

GAPS = ARCHIVES.parent / "gaps" / "archives"
BUILDS = [p.name for p in sorted(ARCHIVES.glob("*.zip"))]
REAL = [
    "archives/build-gimlet-rot-c-image-b.zip",
    "cores/hubris.core.inheritance.0",
    "cores/hubris.core.new-compiler",
    "cores/hubris.core.new-sensors",
    "cores/hubris.core.v6",
]
FINGERPRINT = bytes(FINGERPRINT_SIZE)


TYPE_AT: Kind[Type] = Kind("type at", TYPE)


def parts(type_: Type) -> tuple[object, ...]:
    """One level of a type; its parts by identity, which an interner gives to equal types."""
    match type_:
        case Struct() | Union():
            made_of: object = [(m.name, m.offset, id(m.type)) for m in type_.members]
        case Enum():
            tag = type_.tag and (type_.tag.name, type_.tag.offset, id(type_.tag.type))
            made_of = (
                tag,
                [(v.name, v.discriminant, v.offset, id(v.type)) for v in type_.variants],
            )
        case Array():
            made_of = (id(type_.element), type_.count)
        case Pointer():
            made_of = type_.target_name
        case _:
            made_of = type_
    return type(type_), type_.name, type_.size, made_of


def compare_types(archive: Archive) -> int:
    """Put every type into an index; read it back, and read the object itself beside it."""
    first = Results(None, FINGERPRINT)
    offsets: dict[str, list[int]] = {}
    for name in archive.object_names:
        info = ObjectInfo(name, archive.object_bytes(name), first.interner)
        offsets[name] = []
        for offset, type_ in info.iter_types():
            offsets[name].append(offset)
            first.recall(TYPE_AT, f"{name} {offset}", lambda type_=type_: type_)  # type: ignore[misc]
    second = Results(first.to_bytes(FINGERPRINT), FINGERPRINT)
    for name in archive.object_names:
        info = ObjectInfo(name, archive.object_bytes(name), second.interner)
        for offset in offsets[name]:
            from_index = second.recall(TYPE_AT, f"{name} {offset}", refuse)
            from_elf = info.type_at(offset)
            assert from_index is from_elf, f"{name}: 0x{offset:x} {from_elf.name}"
            assert parts(from_index) == parts(from_elf)
    assert second.news_count == 0
    return sum(map(len, offsets.values()))


def refuse() -> Type:
    raise AssertionError("the index does not know this")


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
def test_types_of_fixtures(build: str) -> None:
    assert compare_types(open_build(ARCHIVES / build).archive) > 1000


@pytest.mark.parametrize("build", REAL)
def test_types_of_real_builds(build: str, real_hubris: Path) -> None:
    assert compare_types(open_build(real_hubris / build).archive) > 2000


def ask_everything(program: Program) -> dict[str, object]:
    """Ask all that `list`, `call`, `map`, `tasks`, `types`, `vars`, `ringbuf` and `audit` ask."""
    found: dict[str, object] = {}
    for server in program.servers:
        for operation in server.interface.operations:
            resolved = program.resolve(server, operation.name)
            found[f"{server.task.name} {resolved.name}"] = resolved
            assert program.operation(resolved.name, server.task.name) == resolved
    try:
        found["hiffy"] = open_hiffy(program, NO_TARGET).mailbox.layout
    except IdoldbgError as error:
        found["hiffy"] = str(error)
    try:
        found["task"] = task_type(program)
    except IdoldbgError as error:
        found["task"] = str(error)
    found["holds"] = find_states(program)
    try:
        found["regions"] = read_regions(program)
    except IdoldbgError as error:
        found["regions"] = str(error)
    found["manifest"] = read_manifest(program)
    try:
        found["code"] = find_code(program, "kernel", program.kernel.elf.entry & ~1)
    except IdoldbgError as error:
        found["code"] = str(error)
    for name in ("HUBRIS_TASK_TABLE_SPACE", "TICKS", "KERNEL_EPITAPH", "NOTHING"):
        found[name] = program.kernel_address(name)
    for name in program.archive.object_names:
        try:
            found[f"statics {name}"] = read_statics(program, name)
        except IdoldbgError as error:
            found[f"statics {name}"] = str(error)
    for name in ("Task", "Option", "[u8; 2]"):
        try:
            found[f"type {name}"] = read_types(program, name, depth=3)
        except IdoldbgError as error:
            found[f"type {name}"] = str(error)
    found["audit"] = audit(program)
    return found


def compare_results(archive: Archive) -> int:
    plain = ask_everything(Program(archive, NO_MEMORY))
    learning = Results(None, FINGERPRINT)
    assert ask_everything(Program(archive, NO_MEMORY, results=learning)) == plain
    known = Results(learning.to_bytes(FINGERPRINT), FINGERPRINT)
    program = Program(archive, NO_MEMORY, results=known)
    assert ask_everything(program) == plain
    assert known.news_count == 0
    return len(plain)


class _NoMemory:
    def read(self, address: int, size: int) -> bytes:
        raise AssertionError(f"0x{address:x} was read")


NO_MEMORY = _NoMemory()
NO_TARGET: Any = None


def make_known(archive: Archive, *commands: Callable[[Program], object]) -> Program:
    """Use one program, and return another that knows its results and cannot open objects."""
    learning = Results(None, FINGERPRINT)
    program = Program(archive, NO_MEMORY, results=learning)
    for command in commands:
        command(program)
    known = Program(
        archive, NO_MEMORY, results=Results(learning.to_bytes(FINGERPRINT), FINGERPRINT)
    )
    known.object = lambda name: pytest.fail(f"{name} was opened")  # type: ignore[method-assign]
    return known


DEMO = ARCHIVES / "stm32f4-discovery.zip"


def test_known_calls_need_no_resolver() -> None:
    archive = open_build(DEMO).archive
    resolved = Program(archive, NO_MEMORY).operation("Spi.exchange")
    program = make_known(archive, lambda program: program.operation("Spi.exchange"))
    assert program.operation("Spi.exchange") == resolved
    assert program.parameter_names("Spi.exchange") == {"device_index", "source", "sink"}
    assert "_resolver" not in vars(program)


def test_list_makes_calls_known() -> None:
    archive = open_build(DEMO).archive
    resolved = Program(archive, NO_MEMORY).operation("Spi.exchange")
    program = make_known(archive, read_interfaces)
    assert program.operation("Spi.exchange") == resolved
    assert program.operation("Spi.exchange", "spi") == resolved
    assert "_resolver" not in vars(program)


def test_audit_makes_audits_and_calls_known() -> None:
    archive = open_build(DEMO).archive
    report = audit(Program(archive, NO_MEMORY))
    program = make_known(archive, audit)
    assert audit(program) == report
    for server in report.servers:
        for covered in server.operations:
            assert program.operation(covered.resolved.name, server.task) == covered.resolved
    assert "_resolver" not in vars(program)


def test_audit_with_overrides_is_not_kept_and_gets_no_kept_result() -> None:
    archive = open_build(DEMO).archive
    overrides = {"Status": "task_sensor::Sample"}
    plain = audit(Program(archive, NO_MEMORY))
    changed = audit(Program(archive, NO_MEMORY, type_overrides=overrides))
    assert changed.servers != plain.servers
    program = make_known(archive, audit)
    del program.object
    program.override_types(overrides)
    assert audit(program) == changed
    learning = Results(None, FINGERPRINT)
    assert audit(Program(archive, NO_MEMORY, type_overrides=overrides, results=learning)) == changed
    known = Results(learning.to_bytes(FINGERPRINT), FINGERPRINT)
    assert audit(Program(archive, NO_MEMORY, results=known)) == plain


def test_overrides_are_not_kept_and_get_no_kept_result() -> None:
    archive = open_build(DEMO).archive
    program = make_known(archive, read_interfaces, lambda program: read_types(program, "Status"))
    del program.object
    plain = program.operation("Sensor.status")
    program.override_types({"Status": "task_sensor::Sample"})
    changed = program.operation("Sensor.status")
    assert changed == Program(
        archive, NO_MEMORY, type_overrides={"Status": "task_sensor::Sample"}
    ).operation("Sensor.status")
    assert Program(archive, NO_MEMORY).operation("Sensor.status") == plain
    assert [t.candidate.name for t in read_types(program, "Status").types] == [
        "task_sensor::Sample"
    ]


@pytest.mark.parametrize("build", BUILDS)
def test_operations_of_fixtures(build: str) -> None:
    assert compare_results(open_build(ARCHIVES / build).archive) > 10


def test_types_that_differ_in_skipped_variants_alone_stay_apart() -> None:
    """A message's own type has all variants; that of the argument is read without some."""
    assert compare_results(open_build(GAPS / "gaps-types.zip").archive) > 10


@pytest.mark.parametrize("build", REAL)
def test_operations_of_real_builds(build: str, real_hubris: Path) -> None:
    assert compare_results(open_build(real_hubris / build).archive) > 5
