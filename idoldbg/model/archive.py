"""A Hubris build: what its archive says about the image, and the ELF files inside.

Layout after Hubris's `build/xtask/src/dist.rs` (format 11) and older archives, down to the first
format: `app.toml` describes the tasks in the order of their indices, `elf/kernel` and
`elf/task/NAME` hold the programs, `img/final.elf` what is flashed. An `Archive` holds values only;
the files behind it come from a `Members` (a zip, the zip inside a core dump, a directory), which
reads each at its first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from idol.near import near_misses
from idol.records import dataclass, field
from idoldbg.errors import ArchiveError, NotFound
from idoldbg.model.memory import Segment

__all__ = [
    "ARM",
    "KERNEL",
    "RISC_V",
    "Archive",
    "ImageFacts",
    "Members",
    "TaskImage",
    "other_machine",
]

KERNEL = "kernel"


ARM, RISC_V = 40, 243
"""Processors that ELF files are for (`e_machine`)."""


def other_machine(header: bytes) -> str:
    """Return the processor of an ELF file's header where that is not an Arm; else ""."""
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return ""
    machine = int.from_bytes(header[18:20], "little")
    names = {ARM: "", RISC_V: "RISC-V"}
    return names.get(machine, f"another processor (ELF machine {machine})")


class Members(Protocol):
    """The files of a build by their names inside it, always with forward slashes."""

    def names(self) -> Sequence[str]:
        """Return the names in the order that the build has them."""

    def prefetch(self, names: Sequence[str]) -> None:
        """Be told that these are read next; it may be quicker to get them all at once."""

    def read(self, name: str) -> bytes:
        """Return one file; raise `ArchiveError` where it is missing, damaged or too large."""


@dataclass(frozen=True, slots=True)
class TaskImage:
    """One task, as `app.toml` describes it.

    `start` tells whether the kernel starts it at boot, `slots` maps each task slot to the name of
    the task that it is bound to, `notifications` names the bits from bit 0 upwards,
    `allowed_callers` maps operations to the only tasks that may call them.
    """

    index: int
    name: str
    member: str
    crate: str = ""
    priority: int | None = None
    start: bool = True
    stack_size: int | None = None
    features: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    notifications: tuple[str, ...] = ()
    slots: Mapping[str, str] = field(default_factory=dict)
    allowed_callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts about the image as a whole from its ELF files."""

    image_id: bytes | None
    image_id_address: int | None
    vector_table: int | None


@dataclass(frozen=True)
class Archive:
    """A Hubris build.

    `path` is what the user gave, `format_version` 0 for builds that are not archives. `app`,
    `chip_description` and `memory_description` are `app.toml`, `chip.toml` and `memory.toml` as
    they are (empty where the build has none). `board` and `chip` are Hubris's names ("" unknown).
    """

    path: str
    format_version: int
    name: str
    board: str
    chip: str
    target: str
    image_name: str
    git_rev: str
    tasks: tuple[TaskImage, ...]
    kernel_member: str
    app: Mapping[str, Any]
    chip_description: Mapping[str, Any]
    memory_description: Mapping[str, Any]
    members: Members
    read_facts: Callable[[Archive], ImageFacts] = field(repr=False)
    read_flash: Callable[[Archive], tuple[Segment, ...]] = field(repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def other_processor(self) -> str:
        """The processor that the build is for where that is not an Arm, such as `RISC-V`; else "".

        `app.toml` names the compiler's target; without it, the ELF files' headers tell.
        """
        architecture = self.target.partition("-")[0].lower()
        if architecture.startswith("thumb"):
            return ""
        if architecture.startswith("riscv"):
            return "RISC-V"
        try:
            header = self.object_bytes(self.object_names[0])[:20] if self.object_names else b""
        except ArchiveError:
            return ""
        return other_machine(header)

    @cached_property
    def object_names(self) -> tuple[str, ...]:
        """The names that `object_bytes` takes: `kernel` (if there is one) and each task."""
        kernel = (KERNEL,) if self.kernel_member else ()
        return kernel + tuple(t.name for t in self.tasks)

    def object_bytes(self, name: str) -> bytes:
        """Return the ELF file of `kernel` or of a task; raise `NotFound` for other names."""
        if name == KERNEL and self.kernel_member:
            return self._member(self.kernel_member)
        return self._member(self.get_task(name).member)

    def prefetch(self, names: Sequence[str]) -> None:
        """Be told that the ELF files of these objects are wanted next."""
        tasks = {t.name: t.member for t in self.tasks}
        members = [tasks.get(n, self.kernel_member) for n in names]
        self.members.prefetch([m for m in members if m and m not in self._kept])

    def _member(self, member: str) -> bytes:
        data: bytes | None = self._kept.get(member)
        if data is None:
            data = self._kept[member] = self.members.read(member)
        return data

    @cached_property
    def _tasks_by_name(self) -> dict[str, TaskImage]:
        return {t.name: t for t in reversed(self.tasks)}  # the first of a name

    def get_task(self, name: str) -> TaskImage:
        """Return a task by name; raise `NotFound` with the names that resemble it."""
        task = self._tasks_by_name.get(name)
        if task is not None:
            return task
        names = [t.name for t in self.tasks]
        raise NotFound("task", name, near=near_misses(name, names), where=self.path or "this build")

    @property
    def facts(self) -> ImageFacts:
        """Facts about the image from the kernel's ELF file (read at first use)."""
        if "facts" not in self._kept:
            self._kept["facts"] = self.read_facts(self)
        facts: ImageFacts = self._kept["facts"]
        return facts

    @property
    def image_id(self) -> bytes | None:
        """The id that tells this image from others, as it lies in flash; None where it has none."""
        return self.facts.image_id

    @property
    def image_id_address(self) -> int | None:
        """Address of the image id in flash."""
        return self.facts.image_id_address

    @property
    def vector_table(self) -> int | None:
        """Address of the vector table: initial stack pointer, then the reset handler."""
        return self.facts.vector_table

    def flash_segments(self) -> tuple[Segment, ...]:
        """Return what is flashed, in address order; raise `ArchiveError` when it is not there."""
        if "flash" not in self._kept:
            self._kept["flash"] = self.read_flash(self)
        segments: tuple[Segment, ...] = self._kept["flash"]
        return segments

    def find_member(self, name: str) -> bytes | None:
        """Return any file of the build, None when it has none of that name."""
        return self._member(name) if name in self.members.names() else None

    def get_member(self, name: str) -> bytes:
        """Return any file of the build; raise `ArchiveError` when it has none of that name."""
        data = self.find_member(name)
        if data is None:
            raise ArchiveError(
                f"{self.path}: `{name}` is missing; rebuild the archive with a current Hubris",
                path=self.path,
                member=name,
            )
        return data
