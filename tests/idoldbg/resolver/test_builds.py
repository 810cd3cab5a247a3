"""Resolution of Idol operations, against what is known of real builds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import idol
from idol.rust_type import parse_type
from idol.sizes import is_optional_number
from idoldbg.build.debuginfo import ObjectInfo, TypeInterner
from idoldbg.build.load import open_build
from idoldbg.model.archive import TaskImage
from idoldbg.model.types import Type
from idoldbg.resolver import How, Resolution, ResolvedOperation, Resolver
from idoldbg.resolver.candidates import has_same_layout
from idoldbg.resolver.evidence import (
    Shown,
    collect,
    find_client,
    find_handlers,
    read_handler,
)
from idoldbg.resolver.names import Match, match_names, parse_name
from idoldbg.resolver.optional import find_held

ARCHIVES = Path(__file__).parents[3] / "fixtures" / "archives"
FIXTURES = [p.stem for p in sorted(ARCHIVES.glob("*.zip"))]
REAL = (
    "archives/build-gimlet-rot-c-image-b.zip",
    "cores/hubris.core.inheritance.0",
    "cores/hubris.core.new-compiler",
    "cores/hubris.core.new-sensors",
    "cores/hubris.core.v6",
)


class OpenBuild:
    """A build with its objects and its resolver."""

    def __init__(self, path: Path) -> None:
        self.archive = open_build(path).archive
        self.interner = TypeInterner()
        self.objects: dict[str, ObjectInfo] = {}
        self.resolver = Resolver(self.archive, self.object_info)

    def object_info(self, name: str) -> ObjectInfo:
        if name not in self.objects:
            data = self.archive.object_bytes(name)
            self.objects[name] = ObjectInfo(name, data, self.interner)
        return self.objects[name]

    def servers(self) -> Iterator[tuple[TaskImage, idol.Interface]]:
        for task in self.archive.tasks:
            text = self.object_info(task.name).idolatry
            if text is not None:
                yield task, idol.parse(idol.Source(f"{task.name}.idol", text))


@cache
def opened(path: Path) -> OpenBuild:
    """Open a build once for all tests: reading its objects takes most of the time."""
    return OpenBuild(path)


def resolve_all(path: Path) -> Iterator[ResolvedOperation]:
    build = opened(path)
    for task, interface in build.servers():
        for operation in interface.operations:
            yield build.resolver.resolve(interface, operation.name, task)


def resolutions(operation: ResolvedOperation) -> list[Resolution]:
    error = [operation.error] if operation.error else []
    return [*operation.arguments, *operation.leases, operation.ok, *error]


def declared(
    operation: idol.Operation, place: Resolution | None, type_: Type | None
) -> Type | None:
    """Return a type as the program has it, of the place where it was found.

    A reply that is an `Option` without serialization travels in a form of its own
    (`resolver/optional.py`), which differs from the program's in all but what it holds.
    """
    in_own_form = place is not None and place.text == operation.reply.ok.type.text
    return find_held(type_) if in_own_form and is_optional_number(operation.reply.ok) else type_


# ---- our own builds ------------------------------------------------------------------------------


@pytest.mark.parametrize("build", FIXTURES)
def test_own_builds_are_complete(build: str) -> None:
    """Our stubs keep all types of an interface, so nothing is left to names."""
    operations = list(resolve_all(ARCHIVES / f"{build}.zip"))
    assert operations
    for operation in operations:
        assert len(operation.wire_members) == len(operation.arguments)
        assert not operation.arguments or operation.message is not None
        for resolution in resolutions(operation):
            assert resolution.type is not None, (operation.name, resolution)
            assert resolution.how in (How.KEPT, How.REPLY, How.BASE), (operation.name, resolution)


@pytest.mark.parametrize("build", FIXTURES)
def test_names_alone_lead_to_the_same_types(build: str) -> None:
    """Types that the stubs keep show that the look-up by name is right."""
    known = opened(ARCHIVES / f"{build}.zip")
    compared = 0
    for task, interface in known.servers():
        lookup = known.resolver.lookup(task)
        for operation in interface.operations:
            resolved = known.resolver.resolve(interface, operation.name, task)
            for resolution in (*resolved.arguments, resolved.ok, resolved.error):
                if resolution is None:
                    continue
                written = parse_type(resolution.text)
                found = lookup.find(written, may_build_tuples=operation.encoding != "Zerocopy")
                if found.how is How.BUILT:  # the parts are the same, the layout is not known
                    assert found.type is not None and found.type.name == resolution.type_name
                else:
                    as_found = declared(operation, resolution, found.type)
                    as_resolved = declared(operation, resolution, resolution.type)
                    assert as_found == as_resolved, (resolved.name, resolution, found)
                compared += 1
    assert compared > 10


def shown_by_image(
    build: OpenBuild, task: TaskImage, interface: idol.Interface, operation: idol.Operation
) -> list[Shown]:
    """All that a build shows of one operation, in every task."""
    info = build.object_info(task.name)
    evidence = collect(info, interface, operation)
    shown = [evidence.kept, evidence.reply, evidence.signature]
    shown.append(read_handler(info, interface, operation, find_handlers(info)))
    clients = (build.object_info(t.name) for t in build.archive.tasks)
    return [*shown, *(find_client(client, interface, operation) for client in clients)]


def check_evidence(path: Path, least: int) -> None:
    """Whatever shows the type of an argument, a lease or a reply, shows the one that was found."""
    build = opened(path)
    compared = 0
    for task, interface in build.servers():
        for operation in interface.operations:
            resolved = build.resolver.resolve(interface, operation.name, task)
            for shown in shown_by_image(build, task, interface, operation):
                pairs: list[tuple[Resolution | None, Type | None]] = [
                    *zip(resolved.arguments, shown.arguments or (), strict=False),
                    *zip(resolved.leases, shown.leases or (), strict=False),
                    (resolved.ok, shown.ok),
                    (resolved.error, shown.error),
                ]
                for found, type_ in pairs:
                    if found is not None and type_ is not None:
                        here = declared(operation, found, found.type)
                        there = declared(operation, found, type_)
                        assert here is not None, (resolved.name, found)
                        assert there is not None, (resolved.name, found)
                        assert has_same_layout(here, there), (resolved.name, found, type_)
                        compared += 1
    assert compared >= least


@pytest.mark.parametrize("build", FIXTURES)
def test_all_that_own_builds_show_agrees(build: str) -> None:
    check_evidence(ARCHIVES / f"{build}.zip", 30)


@pytest.mark.parametrize(("build", "least"), list(zip(REAL, (200, 5, 80, 5, 50), strict=True)))
def test_all_that_real_builds_show_agrees(build: str, least: int, real_hubris: Path) -> None:
    check_evidence(real_hubris / build, least)


def check_sizes(path: Path) -> list[str]:
    """Compare the computed sizes with those of the image's buffers; return what these were of."""
    build = opened(path)
    found = []
    for task, interface in build.servers():
        names = [o.name for o in interface.operations]
        operations = [build.resolver.resolve(interface, name, task) for name in names]
        incoming = build.resolver.incoming_size(operations)
        assert incoming is not None and incoming.agrees, incoming
        found.append(incoming)
        for operation in operations:
            for declared in build.resolver.declared_sizes(operation):
                assert declared.computed is not None and declared.agrees, declared
                found.append(declared)
    return [declared.of.value for declared in found]


@pytest.mark.parametrize("build", FIXTURES)
def test_sizes_are_those_of_own_builds(build: str) -> None:
    kinds = check_sizes(ARCHIVES / f"{build}.zip")
    assert {"arguments", "longest message of the interface"} <= set(kinds)


@pytest.mark.parametrize(("build", "least"), list(zip(REAL, (90, 5, 30, 5, 15), strict=True)))
def test_sizes_are_those_of_real_builds(build: str, least: int, real_hubris: Path) -> None:
    assert len(check_sizes(real_hubris / build)) >= least


# ---- humility's `hiffy --list` -------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """One operation as `humility hiffy --list` shows it: (name, type) of arguments and replies."""

    task: str
    name: str
    rows: tuple[tuple[str, str], ...]


def parse_listing(text: str) -> list[Listed]:
    operations: list[Listed] = []
    task = ""
    lines = iter(text.splitlines())
    for line in lines:
        fields = line.split(None, 2)
        if fields[:1] == ["INTERFACE"]:
            task = next(lines).split()[1]
        elif fields[:1] == ["+-->"]:
            operations.append(Listed(task, fields[1], ()))
        elif fields and fields != ["|"] and operations:
            row = line.strip().removeprefix("|").strip().split(None, 1)
            last = operations[-1]
            operations[-1] = Listed(last.task, last.name, (*last.rows, (row[0], row[1])))
    return operations


@pytest.mark.parametrize("build", REAL)
def test_real_builds_list_as_humility_does(build: str, real_hubris: Path) -> None:
    """Every interface, operation, argument and type; where humility found none, we do."""
    name = Path(build).name.removeprefix("hubris.core.").removeprefix("build-")
    listing = real_hubris / "hiffy-list" / f"hiffy-list.{name}.stdout"
    expected = parse_listing(listing.read_text())
    actual = list(resolve_all(real_hubris / build))

    assert [(o.task, o.name) for o in actual] == [(o.task, o.name) for o in expected]
    assert expected
    for ours, theirs in zip(actual, expected, strict=True):
        rows = [(a.name, a) for a in ours.arguments]
        replies = [("<ok>", ours.ok)] + ([("<error>", ours.error)] if ours.error else [])
        # Humility leaves both replies out where it cannot find one: it warns instead.
        shown = dict(theirs.rows)
        if "<ok>" in shown:
            rows += replies
        assert [n for n, _ in rows] == [n for n, _ in theirs.rows], ours.name
        for row, resolution in rows:
            assert resolution.type_name is not None, (ours.name, row, resolution)
            full = parse_name(resolution.type_name)
            assert match_names(parse_type(shown[row]), full) is not Match.NONE, (ours.name, row)


@pytest.mark.parametrize("build", REAL)
def test_real_builds_are_complete(build: str, real_hubris: Path) -> None:
    for operation in resolve_all(real_hubris / build):
        assert all(r.type is not None for r in resolutions(operation)), operation
        assert len(operation.wire_members) == len(operation.arguments)


def test_array_that_humility_cannot_name(real_hubris: Path) -> None:
    operations = {o.name: o for o in resolve_all(real_hubris / REAL[2])}
    assert operations["Sys.read_uid"].ok.type_name == "[u32; 3]"
