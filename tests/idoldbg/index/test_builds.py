"""An index answers as the debug information does, for whole builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idoldbg.archive import Archive
from idoldbg.caller import Caller
from idoldbg.debuginfo import ObjectInfo
from idoldbg.errors import IdoldbgError
from idoldbg.index import FINGERPRINT_SIZE, Answers
from idoldbg.load import open_build
from idoldbg.program import Program
from idoldbg.types import Array, Enum, Pointer, Struct, Type, Union
from tests.conftest import ARCHIVES

BUILDS = [p.name for p in sorted(ARCHIVES.glob("*.zip"))]
REAL = [
    "archives/build-gimlet-rot-c-image-b.zip",
    "cores/hubris.core.inheritance.0",
    "cores/hubris.core.new-compiler",
    "cores/hubris.core.new-sensors",
    "cores/hubris.core.v6",
]
FINGERPRINT = bytes(FINGERPRINT_SIZE)


def connected(data: bytes | None, archive: Archive) -> Answers:
    answers = Answers(data, FINGERPRINT)

    def read(name: str, follow: Callable[[int], Type]) -> ObjectInfo:
        assert data is None, f"{name}: the index does not know this"
        return ObjectInfo(name, archive.object_bytes(name), answers.interner, follow=follow)

    answers.connect(read)
    return answers


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
    first = connected(None, archive)
    offsets: dict[str, list[int]] = {}
    for name in archive.object_names:
        info = ObjectInfo(name, archive.object_bytes(name), first.interner)
        offsets[name] = [offset for offset, _ in info.iter_types()]
        for offset in offsets[name]:
            first.object(name).type_at(offset)
        for variable in info.iter_variables():
            first.object(name).find_variables(variable.full_name)
    answers = connected(first.to_bytes(), archive)
    for name in archive.object_names:
        info = ObjectInfo(name, archive.object_bytes(name), answers.interner)
        recorded = answers.object(name)
        for offset in offsets[name]:
            from_index, from_elf = recorded.type_at(offset), info.type_at(offset)
            assert from_index is from_elf, f"{name}: 0x{offset:x} {from_elf.name}"
            assert parts(from_index) == parts(from_elf)
        for variable in info.iter_variables():
            found = recorded.find_variables(variable.full_name)
            assert found == info.find_variables(variable.full_name)
    assert not answers.has_news
    return sum(map(len, offsets.values()))


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
def test_types_of_fixtures(build: str) -> None:
    assert compare_types(open_build(ARCHIVES / build).archive) > 1000


@pytest.mark.parametrize("build", REAL)
def test_types_of_real_builds(build: str, real_hubris: Path) -> None:
    assert compare_types(open_build(real_hubris / build).archive) > 2000


def answers_to_everything(program: Program) -> dict[str, object]:
    """What `list` and `call` ask: operations, hiffy and its variables, the task table."""
    found: dict[str, object] = {}
    for server in program.servers:
        for operation in server.interface.operations:
            resolved = program.resolve(server, operation.name)
            found[f"{server.task.name} {resolved.name}"] = resolved
            assert program.operation(resolved.name, server.task.name) == resolved
    try:
        found["hiffy"] = Caller(program, NO_TARGET, timeout_s=1).layout
    except IdoldbgError as error:
        found["hiffy"] = str(error)
    for task, name in [("hiffy", "HIFFY_FUNCTIONS"), ("kernel", "HUBRIS_TASK_TABLE_SPACE")]:
        try:
            found[name] = program.object(task).find_variables(name)
        except IdoldbgError as error:
            found[name] = str(error)
    return found


def compare_answers(archive: Archive) -> int:
    plain = answers_to_everything(Program(archive, NO_MEMORY))
    learning = Answers(None, FINGERPRINT)
    assert answers_to_everything(Program(archive, NO_MEMORY, answers=learning)) == plain
    known = Answers(learning.to_bytes(), FINGERPRINT)
    program = Program(archive, NO_MEMORY, answers=known)
    assert answers_to_everything(program) == plain
    assert not known.has_news
    return len(plain)


class _NoMemory:
    def read(self, address: int, size: int) -> bytes:
        raise AssertionError(f"0x{address:x} was read")


NO_MEMORY = _NoMemory()
NO_TARGET: Any = None


def test_known_calls_need_no_resolver() -> None:
    archive = open_build(ARCHIVES / "stm32f4-discovery.zip").archive
    learning = Answers(None, FINGERPRINT)
    resolved = Program(archive, NO_MEMORY, answers=learning).operation("Spi.exchange")
    known = Answers(learning.to_bytes(), FINGERPRINT)
    program = Program(archive, NO_MEMORY, answers=known)
    assert program.operation("Spi.exchange") == resolved
    assert program.parameter_names("Spi.exchange") == {"device_index", "source", "sink"}
    assert "_resolver" not in vars(program)


@pytest.mark.parametrize("build", BUILDS)
def test_operations_of_fixtures(build: str) -> None:
    assert compare_answers(open_build(ARCHIVES / build).archive) > 10


@pytest.mark.parametrize("build", REAL)
def test_operations_of_real_builds(build: str, real_hubris: Path) -> None:
    assert compare_answers(open_build(real_hubris / build).archive) > 5
