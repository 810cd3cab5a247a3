"""Stubs of every construct and style, compiled for the chips that they are meant for.

The programs in `compile/` serve and call `everything.idol`, and `styles.idol` in every style,
against the fixture firmware's own `userlib`, `idol-runtime` and `counters`, with warnings denied.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

import idol
from idol.options import FailServer, ServerStyle, StubOptions

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
        return self.compile("everything", {"client": client, "server": server})

    def compile(self, program: str, stubs_by_name: Mapping[str, str]) -> Path:
        stubs = self.work / "stubs"
        stubs.mkdir(parents=True, exist_ok=True)
        for name, text in stubs_by_name.items():
            (stubs / f"{name}.rs").write_text(text)
        toolchain = find_toolchain()
        flags = [
            f"-Clinker={toolchain.linker}",
            "-Clinker-flavor=ld.lld",
            "-Clink-arg=--entry=main",
            f"--cfg={TARGETS[self.target]}",
            "-Dwarnings",
        ]
        command = [
            str(toolchain.cargo), "build", "--release", "--locked", "--quiet", "--bin", program,
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
        return self.work / "target" / self.target / "release" / program


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
    return read("everything.idol")


def read(name: str) -> idol.Interface:
    return idol.parse(idol.Source(name, (HERE / name).read_text()))


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


def read_sections(program: Path) -> dict[str, bytes]:
    """Return what is loaded, by section."""
    with program.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC]
        return {section.name: section.data() for section in sections}


def test_compiles_and_keeps_types_for_nothing(interface: idol.Interface, build: Build) -> None:
    client, server = idol.client_stub(interface), idol.server_stub(interface)
    with_types = build.run(client, server)
    names = set(iter_types(with_types))
    assert names >= {"Everything_optional_ARGS_mode", "Everything_get_wide_REPLY_value"}
    sizes, loaded = measure_sections(with_types), read_sections(with_types)
    for operation in interface.operations:
        for suffix in ("ARGS", "REPLY", "TYPES"):
            assert f"Everything_{operation.name}_{suffix}" in names
    assert names >= {"PlainError", "ComplexError", "Mode", "Wrapped", "Range"}
    assert names >= {"Option<(f32, u64)>", "Everything_TYPES"}

    static = re.compile(r"/// Keeps the types.*?= None;\n", re.DOTALL)
    assert len(static.findall(server)) == 1
    without = build.run(client, static.sub("", server))
    assert "Everything_TYPES" not in set(iter_types(without))
    # Not only as large: the same bytes.
    assert read_sections(without) == loaded
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


def test_every_style_compiles(build: Build) -> None:
    """Pipelined, bare, restricted, counted and failing servers, and a client that counts."""
    styles, uniform = read("styles.idol"), read("uniform.idol")
    pipelined = StubOptions(counters=True, style=ServerStyle.PIPELINED)
    bare = StubOptions(
        counters=True,
        combine_client_errors=True,
        bare_replies=True,
        allowed_callers={"plain": (1, 3), "sure": (), "touch": (0, 1, 2, 3, 4)},
    )
    failing = StubOptions(counters=True, fail_server=FailServer.ALWAYS)
    program = build.compile(
        "styles",
        {
            "styles_client": idol.client_stub(styles, StubOptions(counters=True)),
            "styles_bare": idol.server_stub(styles, bare),
            "styles_pipelined": idol.server_stub(styles, pipelined),
            "uniform_client": idol.client_stub(uniform),
            "uniform_server": idol.server_stub(uniform, failing),
            "uniform_pipelined": idol.server_stub(uniform, pipelined),
        },
    )
    with program.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        names = [symbol.name for symbol in symbols.iter_symbols()]
    # Debuggers find counters by these names.
    for name in ("__STYLES_CLIENT_COUNTERS", "__STYLES_SERVER_COUNTERS"):
        assert any(name in symbol for symbol in names)
    assert {"StylesEventCounts", "RequestErrorCounts"} <= {
        name.partition("<")[0] for name in iter_types(program)
    }
    # Dropping an answer is possible in one operation only, and shows.
    dropped = {n for s in names for n in re.findall(r"styles_\w+?_was_not_answered", s)}
    assert "styles_dies_was_not_answered" in dropped
    assert "styles_sure_was_not_answered" not in dropped
    print(f"{build.target}: styles {measure_sections(program)}")
