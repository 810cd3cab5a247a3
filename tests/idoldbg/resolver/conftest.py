"""Operations of a build whose debug information is written in the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from idoldbg.build.program import Program
from idoldbg.model.archive import Archive, ImageFacts, TaskImage
from idoldbg.resolver import ResolvedOperation
from tests.idoldbg.conftest import Writer, make_elf
from tests.idoldbg.resolver.written import Dwarf


@pytest.fixture
def dwarf(die: Any) -> Dwarf:
    return Dwarf(die)


class Members:
    """The files of an archive: the ELF files of its tasks."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name]

    def prefetch(self, names: Sequence[str]) -> None:
        pass  # they are at hand


class NoMemory:
    def read(self, address: int, size: int) -> bytes:
        raise AssertionError((address, size))


@pytest.fixture
def open_written() -> Callable[..., Program]:
    """Open a build of tasks whose debug information is given; the first serves `Demo`."""

    def run(
        operations: str,
        objects: Mapping[str, Dwarf],
        overrides: Mapping[str, str] | None = None,
        version: int = 4,
    ) -> Program:
        files = {}
        for name, dwarf in objects.items():
            sections = Writer(version).sections([dwarf.unit()])
            if not files:
                text = f'Interface(name: "Demo", ops: {{ {operations} }})'
                sections[".idolatry"] = text.encode()
            files[name] = make_elf(sections)
        server = next(iter(files))
        tasks = tuple(
            TaskImage(i, n, n, crate="demo-server", slots={} if n == server else {"demo": server})
            for i, n in enumerate(files)
        )
        archive = Archive(
            path="test", format_version=0, name="", board="", chip="", target="", image_name="",
            git_rev="", tasks=tasks, kernel_member="", app={}, chip_description={},
            memory_description={}, members=Members(files),
            read_facts=lambda a: ImageFacts(None, None, None), read_flash=lambda a: (),
        )  # fmt: skip
        return Program(archive, NoMemory(), type_overrides=overrides)

    return run


@pytest.fixture
def resolve(open_written: Callable[..., Program]) -> Callable[..., ResolvedOperation]:
    """Resolve `Demo.op`, served by the first of some tasks, given what its Idol text says."""

    def run(
        operation: str,
        objects: Mapping[str, Dwarf],
        overrides: Mapping[str, str] | None = None,
        version: int = 4,
    ) -> ResolvedOperation:
        program = open_written(f'"op": ({operation})', objects, overrides, version)
        return program.operation("Demo.op")

    return run
