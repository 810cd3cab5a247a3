"""Other compilers and other forms of debug information: the same answers, and the same calls.

`fixtures/toolchains` holds the firmware of the Nucleo-G031 as another compiler made it, or with
other options; `fixtures/archives/nucleo-g031.zip` is what they are compared with.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.enums import ENUM_DW_FORM
from elftools.elf.elffile import ELFFile

from idoldbg.audit import audit
from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.load import open_build
from idoldbg.call.calls import prepare_call
from idoldbg.errors import DebugInfoError, OperationError, ServerDied
from idoldbg.model.types import Struct
from idoldbg.render.json import operation_error, reply
from idoldbg.session import Session, TargetOptions, open_program, open_session
from idoldbg.views.tasks import read_task
from tests.conftest import ARCHIVES, ROOT
from tests.idoldbg.build.debuginfo.test_differential import check_object, compare_object
from tests.idoldbg.test_calls_on_boards import ERRORS, OK
from tests.tools import need

TOOLCHAINS = ROOT / "fixtures" / "toolchains"
USUAL = ARCHIVES / "nucleo-g031.zip"
VARIANTS = sorted(TOOLCHAINS.glob("*.zip"))
SPLIT = TOOLCHAINS / "split-dwarf.zip"
READABLE = [path for path in VARIANTS if path != SPLIT]
WHOLE = [path for path in READABLE if "elf/kernel" in zipfile.ZipFile(path).namelist()]


@pytest.fixture(scope="module", params=WHOLE, ids=lambda path: path.stem)
def variant(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture(scope="module")
def session(variant: Path) -> Iterator[Session]:
    with open_session(TargetOptions(archive=str(variant), probe="emu")) as opened:
        yield opened


def program(archive: Path) -> bytes:
    """Return one program of an archive: the sensor, if it has that."""
    build = zipfile.ZipFile(archive)
    tasks = [name for name in build.namelist() if name.startswith("elf/task/")]
    return build.read("elf/task/sensor" if "elf/task/sensor" in tasks else tasks[0])


def elf(archive: Path) -> ELFFile:
    return ELFFile(io.BytesIO(program(archive)))


# ---- what they are -------------------------------------------------------------------------------


def test_each_is_made_by_the_toolchain_of_its_description() -> None:
    described = {path.stem: tomllib.loads(path.read_text()) for path in TOOLCHAINS.glob("*.toml")}
    assert {path.stem for path in VARIANTS} == set(described)
    versions = set()
    for path in VARIANTS:
        text = zipfile.ZipFile(path).read("info/toolchain.txt").decode()
        one = described[path.stem]
        assert text.splitlines() == [one["identity"], *one.get("flags", [])]
        versions.add(text.split()[1])
        producers = {
            die.attributes["DW_AT_producer"].value.decode()
            for die in (unit.get_top_DIE() for unit in elf(path).get_dwarf_info().iter_CUs())
            if "DW_AT_producer" in die.attributes
        }
        assert all(text.split()[1] in producer for producer in producers)
        assert producers or path == SPLIT  # where it stands in the other files
    assert len(versions) >= 2


# Version of the format, forms of attributes and sections that have to be there.
EXPECTED = {
    "rustc-1.85": (4, {"strp", "ref4", "ref_addr", "exprloc"}, set()),
    "dwarf-5": (
        5,
        {"strx1", "strx2", "addrx", "rnglistx", "loclistx", "exprloc"},
        {"str_offsets", "addr", "loclists", "rnglists", "line_str"},
    ),
    "type-units": (5, {"strx1", "ref_sig8"}, {"str_offsets"}),
    "split-dwarf": (5, {"strx1"}, {"str_offsets", "addr"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_forms_and_sections(name: str) -> None:
    version, forms, sections = EXPECTED[name]
    file = elf(TOOLCHAINS / f"{name}.zip")
    dwarf = file.get_dwarf_info()
    found = set()
    for unit in dwarf.iter_CUs():
        assert unit["version"] == version
        for code in range(1, 400):
            try:
                declaration = unit.get_abbrev_table().get_abbrev(code)
            except KeyError:
                break
            found |= {spec.form.removeprefix("DW_FORM_") for spec in declaration["attr_spec"]}
    assert forms <= found
    assert found <= {form.removeprefix("DW_FORM_") for form in ENUM_DW_FORM}
    assert all(file.get_section_by_name(f".debug_{each}") for each in sections)


def test_dwarf_5_is_about_the_same_program() -> None:
    """Then image ids are the same too, and either archive does for the board."""
    one, other = (zipfile.ZipFile(path) for path in (USUAL, TOOLCHAINS / "dwarf-5.zip"))
    assert one.read("img/final.bin") == other.read("img/final.bin")


# ---- what is read of them ------------------------------------------------------------------------


@cache
def list_operations(archive: Path) -> Any:
    command = [
        sys.executable,
        "-P",
        "-m",
        "idoldbg",
        "-a",
        str(archive),
        "list",
        "--format",
        "json",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    del found["source"]  # it names the build
    return found


def test_the_list_is_the_same(variant: Path) -> None:
    assert list_operations(variant) == list_operations(USUAL)


def test_the_audit_finds_the_same(variant: Path) -> None:
    one, other = (
        audit(open_program(TargetOptions(archive=str(path)))) for path in (USUAL, variant)
    )
    assert one.findings == other.findings
    assert one.summary == other.summary
    fits = [[o.fit for s in each.servers for o in s.operations] for each in (one, other)]
    assert fits[0] == fits[1]


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_types_equal_pyelftools(path: Path) -> None:
    assert compare_object("sensor", program(path)) > 200


def test_type_units_hold_the_same_types() -> None:
    """All but what only code refers to: with units of their own, types that nothing needs go."""
    one, other = (
        {t.name for _, t in ObjectInfo("sensor", program(TOOLCHAINS / name)).iter_types()}
        for name in ("dwarf-5.zip", "type-units.zip")
    )
    assert other <= one
    assert {
        name for name in one - other if name.startswith(("task_sensor", "idol_runtime"))
    } == set()


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_names_are_found(path: Path) -> None:
    check_object("sensor", program(path), 50)


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_structs_equal_those_of_llvm(path: Path, tmp_path: Path) -> None:
    tool = need("llvm-dwarfdump", of="llvm")
    data = program(path)
    (tmp_path / "sensor").write_bytes(data)
    command = [tool, "--debug-info", str(tmp_path / "sensor")]
    dump = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    theirs = set()
    for entry in dump.split("\n\n"):
        size = re.search(r"DW_AT_byte_size\t\((\w+)\)", entry)
        if "DW_TAG_structure_type" in entry and size:
            name = re.search(r'DW_AT_name\t\("(.*)"\)', entry)
            theirs.add((name[1] if name else "", int(size[1], 0)))
    ours = [t for _, t in ObjectInfo("sensor", data).iter_types() if isinstance(t, Struct)]
    assert len(ours) > 50
    for type_ in ours:
        # Paths come from the entries around: a name is what remains after some `::`.
        starts = [0, *(found.end() for found in re.finditer("::", type_.name))]
        assert any((type_.name[at:], type_.size) in theirs for at in starts), type_.name


# ---- what they do --------------------------------------------------------------------------------


def call(session: Session, operation: str, arguments: dict[str, str]) -> dict[str, object]:
    return reply(session.caller.call(prepare_call(session.program.operation(operation), arguments)))


def test_calls_work(session: Session) -> None:
    for operation, arguments, value, leases in OK:
        found = call(session, operation, arguments)
        assert found["ok"] == value, operation
        assert {k: v["hex"] for k, v in found["leases"].items()} == leases, operation


def test_errors_arrive(session: Session) -> None:
    for operation, arguments, variant, code, value in ERRORS:
        prepared = prepare_call(session.program.operation(operation), arguments)
        with pytest.raises(OperationError) as caught:
            session.caller.call(prepared)
        found = operation_error(prepared.operation, caught.value)["err"]
        assert found == {"variant": variant, "code": code, "value": value}, operation


def test_a_panic_is_reported(session: Session) -> None:
    victim = session.program.task("victim").index
    before = read_task(session.program, victim).generation
    assert before is not None
    with pytest.raises(ServerDied, match="task `victim` died"):
        call(session, "Victim.panic", {"code": "42"})
    assert read_task(session.program, victim).generation == before + 1


# ---- forms that only linkers and strippers make --------------------------------------------------


@pytest.mark.parametrize("kind", ["zlib", "zlib-gnu", "zstd"])
@pytest.mark.parametrize("name", ["usual", "dwarf-5"])
def test_compressed_sections(name: str, kind: str, tmp_path: Path) -> None:
    """The same types, or a refusal that says what to do."""
    archive = USUAL if name == "usual" else TOOLCHAINS / f"{name}.zip"
    data = open_build(archive).archive.object_bytes("victim")
    compressed = objcopy(data, tmp_path, f"--compress-debug-sections={kind}")
    assert len(compressed) < len(data)
    plain = ObjectInfo("victim", data)
    if kind == "zlib":
        packed = ObjectInfo("victim", compressed)
        assert [t.name for _, t in packed.iter_types()] == [t.name for _, t in plain.iter_types()]
        return
    try:
        types = [t.name for _, t in ObjectInfo("victim", compressed).iter_types()]
    except DebugInfoError as error:
        assert "compress" in str(error)
    else:
        assert types == [t.name for _, t in plain.iter_types()]


def objcopy(data: bytes, folder: Path, *options: str) -> bytes:
    """Return what some objcopy makes of an ELF file; skip where none is new enough for it."""
    need("objcopy", of="binutils")
    need("llvm-objcopy", of="llvm")
    (folder / "in").write_bytes(data)
    for tool in ("llvm-objcopy", "objcopy", "arm-none-eabi-objcopy"):
        path = shutil.which(tool)
        if path is not None:
            command = [path, *options, str(folder / "in"), str(folder / "out")]
            result = subprocess.run(command, capture_output=True, timeout=60, check=False)
            if result.returncode == 0:
                return (folder / "out").read_bytes()
    pytest.skip(f"no objcopy here that knows {options[0]}")


def test_split_debug_information_is_refused() -> None:
    data = program(SPLIT)
    with pytest.raises(DebugInfoError, match=r"split: .* build with -Csplit-debuginfo=off"):
        list(ObjectInfo("victim", data).iter_types())


def test_type_units_of_dwarf_4_are_refused(tmp_path: Path) -> None:
    """They have a section of their own, `.debug_types`."""
    data = open_build(USUAL).archive.object_bytes("victim")
    (tmp_path / "types").write_bytes(bytes(16))
    added = objcopy(data, tmp_path, "--add-section", f".debug_types={tmp_path / 'types'}")
    with pytest.raises(DebugInfoError, match="without type units"):
        list(ObjectInfo("victim", added).iter_types())
