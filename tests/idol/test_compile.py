"""Stubs of every construct and style, compiled for the chips that they are meant for.

The programs in `compile/` serve and call `everything.idol`, and `styles.idol` in every style,
against the fixture firmware's own `userlib`, `idol-runtime` and `counters`, with warnings denied.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

import idol
from idol.options import FailServer, ServerStyle, StubOptions
from tests.firmware.test_rebuild import FIRMWARE, builder_on_path
from tests.tools import lacking

HERE = Path(__file__).parent
TARGETS = ("thumbv6m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf")

pytestmark = [pytest.mark.firmware, pytest.mark.slow]


@dataclass(frozen=True)
class Build:
    """Compiles as the firmware is compiled, and in the same place: what takes long is shared."""

    target: str
    compiler: Any
    """The `builder.compile.Compiler` of an app for this target."""
    work: Path

    @property
    def target_dir(self) -> Path:
        folder: Path = self.compiler.target_of(FIRMWARE)
        return folder

    def run(self, client: str, server: str) -> Path:
        return self.compile("everything", {"client": client, "server": server})

    def compile(self, program: str, stubs_by_name: Mapping[str, str]) -> Path:
        self.cargo("build", ["--bin", program], stubs_by_name)
        linked = self.work / program
        line = [
            *self.compiler.toolchain.linker, "-m", "armelf", "--gc-sections", "--entry=main",
            str(self.target_dir / self.target / "release" / program),
            "-o", str(linked),
        ]  # fmt: skip
        subprocess.run(line, check=True, timeout=100)
        return linked

    def cargo(self, command: str, what: Sequence[str], stubs_by_name: Mapping[str, str]) -> None:
        for name, text in stubs_by_name.items():
            (self.work / f"{name}.rs").write_text(text)
        toolchain = self.compiler.toolchain
        line = [
            str(toolchain.cargo), command, "--release", "--locked", "--quiet", *what,
            "--manifest-path", str(HERE / "compile" / "Cargo.toml"),
            "--target", self.target, "--target-dir", str(self.target_dir),
            *(["-Zbuild-std=core"] if toolchain.builds_core else []),
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(Path.home()),
            "CARGO_INCREMENTAL": "0",
            "RUSTC": str(toolchain.rustc),
            "RUSTC_BOOTSTRAP": "1",
            "RUSTFLAGS": " ".join(self.compiler.flags(self.target_dir)),
            "IDOL_STUBS": str(self.work),
        }
        result = subprocess.run(
            line, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert result.returncode == 0, result.stderr


@pytest.fixture(params=TARGETS)
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Build:
    with builder_on_path():
        from builder import BuildError
        from builder.app import load_apps
        from builder.compile import Compiler
        from builder.sources import Sources
        from builder.toolchain import find_toolchain
    try:
        toolchain = find_toolchain()
    except BuildError as error:
        lacking(str(error))
    sources = Sources(FIRMWARE)
    app = next(app for app in load_apps(sources) if app.target == request.param)
    return Build(request.param, Compiler(sources, toolchain, app, tmp_path), tmp_path)


@pytest.fixture
def interface() -> idol.Interface:
    return read("everything.idol")


def read(name: str) -> idol.Interface:
    return idol.parse(idol.Source(name, (HERE / name).read_text()))


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


def stubs_of_every_style() -> dict[str, str]:
    """Return pipelined, bare, restricted, counted and failing servers, and a client that counts."""
    styles, uniform = read("styles.idol"), read("uniform.idol")
    pipelined = StubOptions(counters=True, style=ServerStyle.PIPELINED)
    bare = StubOptions(
        counters=True,
        combine_client_errors=True,
        bare_replies=True,
        allowed_callers={"plain": (1, 3), "sure": (), "touch": (0, 1, 2, 3, 4)},
    )
    failing = StubOptions(counters=True, fail_server=FailServer.ALWAYS)
    return {
        "styles_client": idol.client_stub(styles, StubOptions(counters=True)),
        "styles_bare": idol.server_stub(styles, bare),
        "styles_pipelined": idol.server_stub(styles, pipelined),
        "uniform_client": idol.client_stub(uniform),
        "uniform_server": idol.server_stub(uniform, failing),
        "uniform_pipelined": idol.server_stub(uniform, pipelined),
    }


def test_stubs_are_accepted(interface: idol.Interface, build: Build) -> None:
    """Types and warnings alone, in a fraction of the time of a build."""
    everything = {"client": idol.client_stub(interface), "server": idol.server_stub(interface)}
    build.cargo("check", ["--bins"], everything | stubs_of_every_style())


STEP = """Interface(name: "NAME", ops: {
    "step": (args: {"by": "u8"}, reply: Result(ok: "u8", err: CLike("StepError"))),
})"""


def test_stubs_are_accepted_by_crates_of_the_upstream_generator(build: Build) -> None:
    """With warnings denied: crates that import what upstream needs, or need what it imports.

    Another interface has names that generated code could mistake for its own.
    """
    step, stride = (idol.parse(STEP.replace("NAME", name)) for name in ("Step", "Stride"))
    names = read("names.idol")
    restricted = StubOptions(allowed_callers={"new": (0, 1, 2, 3, 4), "clone": (1,)})
    bare = StubOptions(counters=True, combine_client_errors=True, bare_replies=True)
    pipelined = StubOptions(counters=True, style=ServerStyle.PIPELINED)
    stubs = {
        "step_client": idol.client_stub(step),
        "step_server": idol.server_stub(step),
        "stride_server": idol.server_stub(stride),
        "names_client": idol.client_stub(names),
        "names_counted_client": idol.client_stub(names, StubOptions(counters=True)),
        "names_server": idol.server_stub(names, restricted),
        "names_counted_server": idol.server_stub(names, bare),
        "names_pipelined": idol.server_stub(names, pipelined),
    }
    build.cargo("check", ["--example", "drop_in"], stubs)


def test_every_style_compiles(build: Build) -> None:
    program = build.compile("styles", stubs_of_every_style())
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
