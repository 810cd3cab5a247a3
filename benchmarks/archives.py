"""Archives to measure with: ours, a real one, and ours with more tasks."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from idoldbg.build.load import open_build
from idoldbg.session import demo_archive

__all__ = ["GIMLET", "Subject", "grow", "settle", "subjects", "unpack"]

GIMLET = "archives/build-gimlet-rot-c-image-b.zip"


class Subject(NamedTuple):
    """An archive, and an operation to call in it."""

    name: str
    path: Path
    operation: str


def subjects() -> list[Subject]:
    """Return the demo's archive, and the largest at hand if `IDOLDBG_REAL` says where it is."""
    found = [Subject("demo, 8 tasks", demo_archive("stm32f4-discovery"), "Spi.exchange")]
    real = Path(os.environ.get("IDOLDBG_REAL", "")) / GIMLET
    if real.is_file():
        found.append(Subject("gimlet-rot, 10 tasks", real, "Update.block_size"))
    return found


def grow(source: Path, target: Path, count: int) -> None:
    """Write an archive with `count` tasks: those of `source`, and copies of them.

    Copies differ in a byte of padding, so that nothing can know them for copies; the task called
    `spi` is not copied, as its interface would then have two servers.
    """
    tasks = [t.name for t in open_build(source).archive.tasks]
    copied = [t for t in tasks if t not in ("spi", "hiffy")]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        new.comment = old.comment
        app = old.read("app.toml").decode()
        extra = []
        for index in range(count - len(tasks)):
            task = copied[index % len(copied)]
            data = bytearray(old.read(f"elf/task/{task}"))
            data[9:13] = index.to_bytes(4, "little")  # e_ident[EI_PAD]
            name = f"copy{index}"
            app += f'\n[tasks.{name}]\nname = "task-{task}"\npriority = 5\nstart = true\n'
            extra.append((f"elf/task/{name}", bytes(data)))
        for item in old.infolist():
            data = app.encode() if item.filename == "app.toml" else old.read(item)
            new.writestr(item.filename, data, zipfile.ZIP_DEFLATED)
        for member, content in extra:
            new.writestr(member, content, zipfile.ZIP_DEFLATED)


def unpack(path: Path, folder: Path) -> list[str]:
    """Write the ELF files of the kernel and the tasks into a folder; return their paths."""
    archive = open_build(path).archive
    files = []
    for name in archive.object_names:
        (folder / name).write_bytes(archive.object_bytes(name))
        files.append(str(folder / name))
    return files


def settle(path: Path, folder: Path) -> Path:
    """Copy an archive and wait until its digest may be kept (see `idoldbg.build.cache`)."""
    copy = folder / f"settled-{path.name}"
    shutil.copy(path, copy)
    os.utime(copy, (1_600_000_000, 1_600_000_000))
    time.sleep(2.1)
    return copy
