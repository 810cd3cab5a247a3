"""The audit of a server that is compiled here, from LLVM's intermediate code: `types.ll`.

What rustc gives to LLVM can be written so, and with it debug information that the rustc at hand
does not make. LLVM makes the forms of it that linkers and debuggers differ about.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.audit import Finding
from idoldbg.call.calls import bind_call, build_message, decode_reply
from idoldbg.call.message import RawReply
from idoldbg.model.types import Enum
from idoldbg.model.values import EnumValue, to_json
from idoldbg.opening import TargetOptions, open_program
from tests.idoldbg.audit.conftest import audit_build
from tests.tools import need

HERE = Path(__file__).parent
TOOLS = ("llc", "ld.lld", "llvm-objcopy")
INTERFACE = """
Interface(
    name: "Odd",
    ops: {
        "level": (reply: Simple("odd::Level")),
        "declared": (reply: Simple("odd::Declared")),
        "holder": (reply: Simple("odd::Holder")),
        "lend": (leases: {"to": (type: "odd::Declared", read: true)}, reply: Simple("()")),
        "choice": (reply: Simple("odd::Choice")),
        "packed": (reply: Simple("odd::Choice"), encoding: Hubpack),
        "bits": (reply: Simple("odd::Bits"), encoding: Hubpack),
        "raw_bits": (reply: Simple("odd::Bits")),
        "signed": (
            args: {"value": "odd::Signed"},
            leases: {"to": (type: "[odd::Signed]", read: true)},
            reply: Simple("odd::Signed"),
        ),
    },
)
"""
FINDINGS = {
    ("error", "type-incomplete", "declared", "ok", ""),
    ("error", "type-incomplete", "holder", "ok", ""),
    ("error", "type-incomplete", "lend", "lease", "to"),
    ("warning", "variant-without-discriminant", "choice", "ok", ""),
    ("note", "variant-without-discriminant", "packed", "ok", ""),
    ("error", "encoding-unsupported", "bits", "ok", ""),
    ("warning", "args-missing", "signed", "", "Odd_signed_ARGS"),
}

SIGNED = {"Minus": -3, "Byte": 253, "Far": -70000}

Compile = Callable[..., Path]


@pytest.fixture
def compile_server(tmp_path: Path) -> Compile:
    """Return what compiles `types.ll` with options of llc, and of objcopy for what llc wrote."""
    need(*TOOLS, of="llvm lld")

    def compile_(*options: str, after: str = "") -> Path:
        (tmp_path / "interface").write_text(INTERFACE)
        for line in (
            f"llc -filetype=obj {' '.join(options)} {HERE}/types.ll -o server.o",
            "ld.lld server.o -o server",
            f"llvm-objcopy --add-section .idolatry=interface {after} server",
        ):
            command = line.split()
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
            )
            assert not done.returncode, f"{line}\n{done.stderr}"
        return tmp_path / "server"

    return compile_


def audit_server(server: Path) -> list[Finding]:
    """Return what is found of a server, but for the lack of all the rest of an image."""
    return [finding for finding in audit_build(server).findings if finding.task == "server"]


def key(finding: Finding) -> tuple[str, str, str, str, str]:
    return (
        str(finding.level),
        finding.rule,
        finding.operation,
        str(finding.role or ""),
        finding.name,
    )


@pytest.mark.parametrize(
    "options",
    [
        "-dwarf-version=4",
        "-dwarf-version=5",
        "-dwarf-version=5 -accel-tables=Dwarf",  # .debug_names
        "-dwarf-version=4 -accel-tables=Apple",
        "-dwarf-version=5 -generate-type-units",
        "-dwarf-version=4 -dwarf-inlined-strings=Enable",
    ],
)
def test_each_lack_is_its_finding(options: str, compile_server: Compile) -> None:
    found = audit_server(compile_server(*options.split()))
    assert {key(f) for f in found} == FINDINGS
    assert len(found) == len(FINDINGS)


def test_findings_name_the_declaration(compile_server: Compile) -> None:
    found = {f.operation: f for f in audit_server(compile_server())}
    assert "`odd::Declared` without a layout" in found["declared"].message
    assert "`odd::Holder.inner` is a `odd::Declared`" in found["holder"].message
    assert "static KEEP: Option<fn() -> odd::Declared> = None;" in found["holder"].fix
    assert "First, Second of `odd::Choice`. Its value cannot" in found["choice"].message
    assert "Calls are not affected" in found["packed"].message


@pytest.mark.parametrize("options", ["-dwarf-version=4", "-dwarf-version=5"])
def test_signed_tags_are_read_and_written(options: str, compile_server: Compile) -> None:
    """In replies, arguments and elements of leases."""
    operation = open_program(TargetOptions(archive=str(compile_server(options)))).operation(
        "Odd.signed"
    )
    type_ = operation.ok.type
    assert isinstance(type_, Enum)
    assert {v.name: v.discriminant for v in type_.variants} == SIGNED
    raw = b"".join(struct.pack("<iB3x", code, 7) for code in SIGNED.values())
    call = bind_call(operation, {"value": {"Far": 7}, "to": [{name: 7} for name in SIGNED]})
    assert call.sent == {"to": raw}
    request = build_message(call, 0)
    assert request.payload == raw[16:]
    assert request.reply_size == 8
    for index, (name, code) in enumerate(SIGNED.items()):
        value = decode_reply(call, RawReply(raw[8 * index : 8 * index + 8])).value
        assert to_json(value) == {name: 7}
        assert isinstance(value, EnumValue)
        assert value.code == code


@pytest.mark.parametrize(
    ("options", "after", "why"),
    [
        ("", "--compress-debug-sections=zlib", ""),
        ("-dwarf-version=4 -generate-type-units", "", "build with -Zdwarf-version=5, or without"),
        ("-split-dwarf-file=server.dwo", "", "build with -Csplit-debuginfo=off"),
    ],
)
def test_other_forms_are_read_or_refused(
    options: str, after: str, why: str, compile_server: Compile
) -> None:
    """Each finding about a refused operation names what to build instead."""
    found = audit_server(compile_server(*options.split(), after=after))
    if not why:
        assert {key(f) for f in found} == FINDINGS
        return
    assert {f.rule for f in found} == {"debug-info-damaged"}
    assert len(found) == INTERFACE.count("reply:")
    assert all(why in f.message for f in found)
