"""The committed archives are what debuggers expect. No toolchain needed."""

from __future__ import annotations

import io
import struct
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
ARCHIVES = sorted((FIXTURES / "archives").glob("*.zip"))
WITH_HIFFY = [path for path in ARCHIVES if "no-hiffy" not in path.name]

SERVERS = {
    "jefe": "jefe",
    "spi": "spi",
    "sensor": "sensor",
    "user_leds": "user-leds",
    "victim": "victim",
}


class Build:
    """An opened archive."""

    def __init__(self, path: Path) -> None:
        self.zip = zipfile.ZipFile(path)
        self.app: dict[str, Any] = tomllib.loads(self.zip.read("app.toml").decode())
        self.tasks = list(self.app["tasks"])

    def elf(self, name: str) -> ELFFile:
        return ELFFile(io.BytesIO(self.zip.read(f"elf/{name}")))

    def task(self, name: str) -> ELFFile:
        return self.elf(f"task/{name}")


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def build(request: pytest.FixtureRequest) -> Build:
    return Build(request.param)


@pytest.fixture(params=WITH_HIFFY, ids=lambda path: path.stem)
def callable_build(request: pytest.FixtureRequest) -> Build:
    return Build(request.param)


def symbol(elf: ELFFile, name: str) -> tuple[int, int]:
    """Return address and size."""
    found = elf.get_section_by_name(".symtab").get_symbol_by_name(name)
    assert found, f"no symbol {name}"
    return found[0]["st_value"], found[0]["st_size"]


def loaded_bytes(elf: ELFFile, address: int, size: int) -> bytes:
    for segment in elf.iter_segments():
        offset = address - segment["p_vaddr"]
        if segment["p_type"] == "PT_LOAD" and 0 <= offset <= segment["p_filesz"] - size:
            return bytes(segment.data()[offset : offset + size])
    raise AssertionError(f"nothing loaded at {address:#x}")


def version_of(hiffy: ELFFile, part: str) -> int:
    """Return a part of the version; a variable that starts as 0 takes no place in the file."""
    address, size = symbol(hiffy, f"HIFFY_VERSION_{part}")
    bss = hiffy.get_section_by_name(".bss")
    if bss["sh_addr"] <= address < bss["sh_addr"] + bss["sh_size"]:
        return 0
    return int.from_bytes(loaded_bytes(hiffy, address, size), "little")


def named_dies(elf: ELFFile, tag: str) -> Iterator[tuple[str, DIE]]:
    """Yield types or variables with their paths, such as `kern::task::Task`."""
    for unit in elf.get_dwarf_info().iter_CUs():
        yield from walk(unit.get_top_DIE(), "", tag)


def walk(die: DIE, path: str, tag: str) -> Iterator[tuple[str, DIE]]:
    for child in die.iter_children():
        name = child.attributes.get("DW_AT_name")
        if name is None:
            continue
        full = path + name.value.decode()
        if child.tag == tag and "DW_AT_declaration" not in child.attributes:
            yield full, child
        if child.tag in ("DW_TAG_namespace", "DW_TAG_structure_type"):
            yield from walk(child, f"{full}::", tag)


def structures(elf: ELFFile) -> dict[str, DIE]:
    return dict(named_dies(elf, "DW_TAG_structure_type"))


def member_names(die: DIE) -> list[str]:
    return [
        child.attributes["DW_AT_name"].value.decode()
        for child in die.iter_children()
        if child.tag == "DW_TAG_member"
    ]


def variant_names(die: DIE) -> list[str]:
    (part,) = [child for child in die.iter_children() if child.tag == "DW_TAG_variant_part"]
    return [
        member.attributes["DW_AT_name"].value.decode()
        for variant in part.iter_children()
        if variant.tag == "DW_TAG_variant"
        for member in variant.iter_children()
    ]


def test_there_is_an_archive_for_every_app() -> None:
    apps = {path.stem for path in (FIXTURES / "firmware" / "app").glob("*.toml")}
    assert {path.stem for path in ARCHIVES} == apps


def test_members_and_comment(build: Build) -> None:
    names = build.zip.namelist()
    assert build.zip.comment == b"hubris build archive v11"
    tasks = [name.removeprefix("elf/task/") for name in names if name.startswith("elf/task/")]
    assert tasks == build.tasks, "debuggers number tasks by their order in the archive"
    for needed in (
        "git-rev", "image-name", "chip.toml", "memory.toml", "elf/kernel",
        "img/final.elf", "img/final.bin", "img/flash.ron",
    ):  # fmt: skip
        assert needed in names


def test_app_description_is_the_one_in_the_sources(build: Build) -> None:
    path = FIXTURES / "firmware" / "app" / f"{build.app['name']}.toml"
    assert build.zip.read("app.toml").decode() == path.read_text()


def test_image_ids_differ() -> None:
    ids = set()
    for path in ARCHIVES:
        kernel = Build(path).elf("kernel")
        ids.add(loaded_bytes(kernel, *symbol(kernel, "HUBRIS_IMAGE_ID")))
    assert len(ids) == len(ARCHIVES)


def test_final_image_holds_every_program(build: Build) -> None:
    final = ELFFile(io.BytesIO(build.zip.read("img/final.elf")))
    (segment,) = [s for s in final.iter_segments() if s["p_type"] == "PT_LOAD"]
    flat = build.zip.read("img/final.bin")
    assert segment.data() == flat
    for name in ("kernel", *(f"task/{task}" for task in build.tasks)):
        for part in build.elf(name).iter_segments():
            if part["p_type"] == "PT_LOAD" and part["p_filesz"]:
                at = part["p_paddr"] - segment["p_paddr"]
                assert flat[at : at + part["p_filesz"]] == part.data(), name


def test_image_header(build: Build) -> None:
    kernel = build.elf("kernel")
    magic, size = struct.unpack("<II", loaded_bytes(kernel, symbol(kernel, "HEADER")[0], 8))
    assert magic == 0x64CED6CA
    assert 0 < size <= len(build.zip.read("img/final.bin"))


def test_kernel_types_and_variables(build: Build) -> None:
    kernel = build.elf("kernel")
    types = structures(kernel)
    fields = ["save", "priority", "state", "timer", "generation", "notifications", "descriptor"]
    assert sorted(member_names(types["kern::task::Task"])) == sorted(fields)
    assert variant_names(types["abi::TaskState"]) == ["Healthy", "Faulted"]
    assert variant_names(types["abi::SchedState"]) == [
        "Stopped", "Runnable", "InSend", "InReply", "InRecv",
    ]  # fmt: skip
    assert variant_names(types["abi::FaultInfo"]) == [
        "MemoryAccess", "StackOverflow", "BusError", "DivideByZero", "IllegalText",
        "IllegalInstruction", "InvalidOperation", "SyscallUsage", "Panic", "Injected",
        "FromServer",
    ]  # fmt: skip
    registers = member_names(types["kern::arch::arm_m::SavedState"])
    assert [f"r{number}" for number in range(4, 12)] == registers[:8]
    assert {"psp", "exc_return"} <= set(registers)
    assert {"regions", "entry_point", "initial_stack"} <= set(
        member_names(types["kern::descs::TaskDesc"])
    )
    variables = {path.split("::")[-1] for path, _ in named_dies(kernel, "DW_TAG_variable")}
    assert {
        "HUBRIS_TASK_TABLE_SPACE", "HUBRIS_TASK_DESCS", "HUBRIS_REGION_DESCS",
        "HUBRIS_IMAGE_ID", "CURRENT_TASK_PTR", "TICKS", "KERNEL_HAS_FAILED", "KERNEL_EPITAPH",
    } <= variables  # fmt: skip


def test_interfaces_match_their_sources(build: Build) -> None:
    for task in build.tasks:
        section = build.task(task).get_section_by_name(".idolatry")
        text = section.data() if section else b""
        stem = "victim" if task == "sleeper" else SERVERS.get(task)
        expected = (FIXTURES / "idl" / f"{stem}.idol").read_bytes() if stem else b""
        assert text == expected, task


def test_hiffy_interface(callable_build: Build) -> None:
    hiffy = callable_build.task("hiffy")
    for name in ("READY", "KICK", "REQUESTS", "ERRORS"):
        assert symbol(hiffy, f"HIFFY_{name}")[1] == 4
    assert [version_of(hiffy, part) for part in ("MAJOR", "MINOR")] == [0, 3]
    types = structures(hiffy)
    (functions,) = [die for path, die in types.items() if path.endswith("::Functions")]
    assert variant_names(functions) == [
        "Sleep", "Send", "SendLeaseRead", "SendLeaseReadWrite", "SendLeaseWrite",
    ]  # fmt: skip
    assert variant_names(types["hif::Failure"]) == [
        "IllegalOp", "Fault", "Invalid", "FunctionError",
    ]  # fmt: skip
    (scratch,) = [die for path, die in types.items() if path.startswith("static_cell::StaticCell<")]
    assert sorted(member_names(scratch)) == ["borrowed", "cell"]


def test_argument_and_reply_types_are_in_the_debug_information(callable_build: Build) -> None:
    types = structures(callable_build.task("sensor"))
    for name in ("Reading", "Mode", "ConfigError", "Status", "NoData"):
        assert f"task_sensor_api::{name}" in types
    types = structures(callable_build.task("jefe"))
    assert "task_jefe_api::ResetReason" in types


def test_task_slots_are_bound(callable_build: Build) -> None:
    sensor = callable_build.task("sensor")
    table = sensor.get_section_by_name(".task_slot_table").data()
    address, length = struct.unpack_from("<II", table)
    assert table[8 : 8 + length] == b"spi"
    (index,) = struct.unpack("<H", loaded_bytes(sensor, address, 2))
    assert callable_build.tasks[index] == "spi"
