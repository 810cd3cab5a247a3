"""Manifest of a build: everything that its archive says about the image, without a target."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict
from typing import Any

from idol.records import dataclass
from idoldbg.build.cache import sha256_hex
from idoldbg.build.kept import PROGRAM_SIZES
from idoldbg.build.program import Program
from idoldbg.errors import ArchiveError, DebugInfoError, IdoldbgError
from idoldbg.model.archive import KERNEL, TaskImage
from idoldbg.views.devices import Devices, read_devices

__all__ = ["Change", "Manifest", "TaskFacts", "compare_manifests", "read_manifest"]


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task; `size` is what its program takes in memory, in bytes, None where that is unknown."""

    index: int
    name: str
    crate: str
    priority: int | None
    start: bool
    size: int | None
    stack_size: int | None
    interface: str | None
    features: tuple[str, ...]
    uses: tuple[str, ...]
    notifications: tuple[str, ...]
    slots: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A build. `format_version` is 0 for builds that are not archives; "" is unknown.

    `total_size` and `kernel_size` are in bytes of memory. `members` are name, size and SHA-256 of
    each file.
    """

    format_version: int
    git_rev: str
    image_id: str
    board: str
    chip: str
    name: str
    image_name: str
    target: str
    features: tuple[str, ...]
    total_size: int | None
    kernel_size: int | None
    tasks: tuple[TaskFacts, ...]
    devices: Devices
    members: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs between two builds; None where one of them lacks it."""

    what: str
    before: Any
    after: Any


def read_manifest(program: Program, *, with_members: bool = False) -> Manifest:
    """Read the manifest; `with_members` reads every file of the build."""
    archive = program.archive
    sizes = program.recall(PROGRAM_SIZES, "", lambda: _sizes(program))
    known = [size for size in sizes.values() if size is not None]
    try:
        image_id = archive.image_id
    except (ArchiveError, DebugInfoError):
        image_id = None
    interfaces = {s.task.name: s.interface.name for s in program.servers}
    kernel = archive.app.get("kernel")
    features = kernel.get("features") if isinstance(kernel, Mapping) else None
    return Manifest(
        archive.format_version,
        archive.git_rev,
        image_id.hex() if image_id else "",
        archive.board,
        archive.chip,
        archive.name,
        archive.image_name,
        archive.target,
        tuple(map(str, features)) if isinstance(features, list) else (),
        sum(known) if len(known) == len(sizes) else None,
        sizes.get(KERNEL),
        tuple(_task(task, sizes, interfaces) for task in archive.tasks),
        read_devices(archive),
        tuple(_members(program)) if with_members else (),
    )


def _sizes(program: Program) -> dict[str, int | None]:
    program.archive.prefetch(program.archive.object_names)
    sizes: dict[str, int | None] = {}
    for name in program.archive.object_names:
        try:
            segments = program.object(name).elf.segments
        except IdoldbgError:
            sizes[name] = None
            continue
        sizes[name] = sum(s.memory_size for s in segments if s.type == "PT_LOAD")
    return sizes


def _task(
    task: TaskImage, sizes: Mapping[str, int | None], interfaces: Mapping[str, str]
) -> TaskFacts:
    return TaskFacts(
        task.index,
        task.name,
        task.crate,
        task.priority,
        task.start,
        sizes.get(task.name),
        task.stack_size,
        interfaces.get(task.name),
        task.features,
        task.uses,
        task.notifications,
        task.slots,
    )


def _members(program: Program) -> list[tuple[str, int, str]]:
    found = []
    for name in program.archive.members.names():
        data = program.archive.members.read(name)
        found.append((name, len(data), sha256_hex(data)))
    return found


# ---- two builds ----------------------------------------------------------------------------------


def compare_manifests(before: Manifest, after: Manifest) -> tuple[Change, ...]:
    """Return what differs, in the order of a manifest: tasks and sockets by name, not by place."""
    common = {t.name for t in before.tasks} & {t.name for t in after.tasks}
    old, new = dict(_facts(before, common)), dict(_facts(after, common))
    return tuple(
        Change(what, old.get(what), new.get(what))
        for what in dict.fromkeys([*old, *new])
        if old.get(what) != new.get(what)
    )


def _facts(manifest: Manifest, common: Set[str]) -> list[tuple[str, Any]]:
    """Name all facts; a task that is not `common` to both builds is one."""
    plain = ("tasks", "devices", "members")
    head = asdict(manifest)
    facts = [(name, value) for name, value in head.items() if name not in plain]
    for task in head["tasks"]:
        name = f"task {task['name']}"
        if task["name"] in common:
            facts += [(f"{name} {n}", v) for n, v in task.items() if n != "name"]
        else:
            facts.append((name, {n: task[n] for n in ("index", "priority", "size", "interface")}))
    devices = head["devices"]
    for socket in devices["sockets"]:
        facts += [(f"socket {socket['name']} {n}", v) for n, v in socket.items() if n != "name"]
    for kind in ("buses", "i2c_devices", "sensors"):
        facts += [(f"{kind} {index}", each) for index, each in enumerate(devices[kind])]
    facts.append(("aux_flash", devices["aux_flash"]))
    return facts
