"""Stubs of every construct, compiled for the chips that they are meant for.

The program in `compile/` serves and calls `everything.idol` against the fixture firmware's own
`userlib` and `idol-runtime`, with warnings denied.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import idol

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "fixtures" / "firmware"
TARGETS = {
    "thumbv6m-none-eabi": "armv6m",
    "thumbv7em-none-eabihf": "armv7m",
    "thumbv8m.main-none-eabihf": "armv8m",
}

pytestmark = [pytest.mark.firmware, pytest.mark.slow]


@dataclass(frozen=True)
class Build:
    """Runs cargo for one target; outputs stay in pytest's cache, since `core` takes long."""

    target: str
    work: Path

    def run(self, client: str, server: str) -> Path:
        stubs = self.work / "stubs"
        stubs.mkdir(parents=True, exist_ok=True)
        (stubs / "client.rs").write_text(client)
        (stubs / "server.rs").write_text(server)
        toolchain = find_toolchain()
        flags = [
            f"-Clinker={toolchain.linker}",
            "-Clinker-flavor=ld.lld",
            "-Clink-arg=--entry=main",
            f"--cfg={TARGETS[self.target]}",
            "-Dwarnings",
        ]
        command = [
            str(toolchain.cargo), "build", "--release", "--locked", "--quiet",
            "--manifest-path", str(HERE / "compile" / "Cargo.toml"),
            "--target", self.target, "--target-dir", str(self.work / "target"),
            *(["-Zbuild-std=core"] if toolchain.builds_core else []),
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(Path.home()),
            "RUSTC": str(toolchain.rustc),
            "RUSTC_BOOTSTRAP": "1",
            "RUSTFLAGS": " ".join(flags),
            "IDOL_STUBS": str(stubs),
        }
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=500
        )
        assert result.returncode == 0, result.stderr
        return self.work / "target" / self.target / "release" / "everything"


@dataclass(frozen=True)
class Toolchain:
    rustc: Path
    cargo: Path
    linker: str
    builds_core: bool


def find_toolchain() -> Toolchain:
    """Use the toolchain that the fixture firmware is built with."""
    sys.path.insert(0, str(FIRMWARE))
    try:
        from builder import BuildError, toolchain
    finally:
        sys.path.remove(str(FIRMWARE))
    try:
        found = toolchain.find_toolchain()
    except BuildError as error:
        pytest.skip(str(error))
    linker = found.linker[0] if len(found.linker) == 1 else shutil.which("ld.lld")
    if linker is None:
        pytest.skip("needs ld.lld")
    return Toolchain(found.rustc, found.cargo, linker, found.builds_core)


@pytest.fixture
def interface() -> idol.Interface:
    path = HERE / "everything.idol"
    return idol.parse(idol.Source(path.name, path.read_text()))


@pytest.fixture(params=TARGETS)
def build(request: pytest.FixtureRequest) -> Build:
    cache = request.config.cache
    assert cache is not None
    return Build(request.param, cache.mkdir("idol-compile"))


def iter_types(program: Path) -> Iterator[str]:
    """Yield the names of all structs and enums in the debug information."""
    with program.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            for entry in unit.iter_DIEs():
                is_type = entry.tag in ("DW_TAG_structure_type", "DW_TAG_enumeration_type")
                if is_type and "DW_AT_name" in entry.attributes:
                    yield entry.attributes["DW_AT_name"].value.decode()


def measure_sections(program: Path) -> dict[str, int]:
    """Return the bytes of code, constants and variables."""
    sizes = {".text": 0, ".rodata": 0, ".data": 0, ".bss": 0}
    with program.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            for name in sizes:
                if section.name == name or section.name.startswith(f"{name}."):
                    sizes[name] += section["sh_size"]
    return sizes


def test_compiles_and_keeps_types_for_nothing(interface: idol.Interface, build: Build) -> None:
    client, server = idol.client_stub(interface), idol.server_stub(interface)
    with_types = build.run(client, server)
    names = set(iter_types(with_types))
    sizes = measure_sections(with_types)
    for operation in interface.operations:
        for suffix in ("ARGS", "REPLY", "TYPES"):
            assert f"Everything_{operation.name}_{suffix}" in names
    assert names >= {"PlainError", "ComplexError", "Mode", "Wrapped", "Range"}
    assert names >= {"Option<(f32, u64)>", "Everything_TYPES"}

    static = re.compile(r"/// Keeps the types.*?= None;\n", re.DOTALL)
    assert len(static.findall(server)) == 1
    without = build.run(client, static.sub("", server))
    assert "Everything_TYPES" not in set(iter_types(without))
    assert measure_sections(without) == sizes
    print(f"{build.target}: {sizes}")


def test_named_panics_stay_apart(interface: idol.Interface, build: Build) -> None:
    """The panic handler ignores messages here, so that nothing but their names differs."""
    client = idol.client_stub(interface)
    named = build.run(client, idol.server_stub(interface))
    with named.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        names = " ".join(symbol.name for symbol in symbols.iter_symbols())
    # Those that cannot happen, such as a buffer that is too small for its own type, are gone.
    lease_checks = [n for n in re.findall(r"fn (\w+)\(\) -> !", client) if "is_longer_than" in n]
    assert len(lease_checks) == 3
    for name in lease_checks:
        assert name in names
    sizes = measure_sections(named)

    options = idol.StubOptions(named_panics=False)
    plain = build.run(idol.client_stub(interface, options), idol.server_stub(interface, options))
    assert measure_sections(plain)[".text"] < sizes[".text"]
    print(f"{build.target}: plain {measure_sections(plain)}")
