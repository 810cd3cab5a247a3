"""Images that lack something: each lacks it indeed, and the audit says that and nothing else.

What is missing is looked up with other tools than ours. The sources are in `fixtures/gaps`.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from idoldbg.audit import RULES, Audit, Finding, audit
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.calls import prepare_call
from idoldbg.cli import run
from idoldbg.errors import (
    EncodeError,
    HiffyFailure,
    IdoldbgError,
    LimitExceeded,
    NotCallable,
    OperationError,
)
from idoldbg.render.json import reply
from idoldbg.session import Session, TargetOptions, open_program, open_session
from tests.tools import need

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
GAPS = FIXTURES / "gaps"
ARCHIVES = sorted((GAPS / "archives").glob("*.zip"))

# level, rule, task, operation, role, name
FINDINGS: dict[str, list[tuple[str, str, str, str, str, str]]] = {
    "gaps-types": [
        ("error", "args-missing", "arguments", "tune", "", "Arguments_tune_ARGS"),
        ("error", "type-missing", "arguments", "tune", "argument", "tuning"),
        ("error", "type-missing", "replies", "reading", "ok", ""),
        ("error", "type-missing", "replies", "repair", "error", ""),
        ("error", "type-missing", "replies", "fill", "lease", "samples"),
        ("error", "type-ambiguous", "twins", "status", "ok", ""),
        ("error", "error-code-range", "codes", "judge", "error", ""),
        ("error", "error-code-range", "codes", "weigh", "error", ""),
        ("warning", "custom-serialization", "custom", "stamp", "ok", ""),
        ("note", "serialization-skips", "skips", "choose", "argument", "gaps::types::Shape"),
        ("error", "serialization-skips", "skips", "store", "", ""),
        ("warning", "custom-serialization", "skips", "swap", "argument", "pair"),
        ("warning", "custom-serialization", "skips", "convert", "argument", "level"),
        ("error", "args-disagree", "stale", "resize", "", "Stale_resize_ARGS"),
        ("error", "size-disagrees", "sizes", "roomy", "", "idol_reply of the server's handle"),
        ("warning", "args-missing", "lean", "store", "", "Lean_store_ARGS"),
        ("warning", "args-missing", "lean", "switch", "", "Lean_switch_ARGS"),
        ("warning", "type-missing", "lean", "switch", "argument", "mode"),
        ("warning", "type-missing", "lean", "switch", "error", ""),
        ("error", "type-missing", "lean", "position", "ok", ""),
        ("error", "interface-unparsable", "unparsable", "", "", '"'),
        ("warning", "interface-unknown-field", "unknown", "ping", "", "idempotnet"),
    ],
    "gaps-limits": [
        ("error", "arguments-too-large", "limits", "long", "", ""),
        ("error", "reply-too-large", "limits", "wide", "", ""),
        ("error", "lease-too-large", "limits", "feed", "lease", "bytes"),
        ("error", "lease-too-large", "limits", "drain", "lease", "bytes"),
        ("error", "lease-shape", "shapes", "compare", "", "left, right"),
        ("error", "lease-shape", "shapes", "invert", "", "bytes"),
        ("note", "caller-restricted", "private", "secret", "", ""),
        ("note", "task-not-started", "dormant", "", "", ""),
    ],
    "gaps-hif-0-2": [("error", "hif-version", "hiffy", "", "", "0.2.0")],
    "gaps-no-read-write": [
        ("error", "hiffy-send-missing", "echo", "copy", "", "SendLeaseReadWrite"),
    ],
    "gaps-no-data": [
        ("error", "hiffy-send-missing", "echo", "first", "", "SendLeaseRead"),
        ("error", "hiffy-send-missing", "echo", "copy", "", "SendLeaseReadWrite"),
    ],
    "gaps-no-hiffy-types": [
        ("error", "hiffy-incomplete", "hiffy", "", "", "HIFFY_TEXT"),
        ("error", "debug-info-missing", "kernel", "", "", ""),
    ],
}
# Rules for which rustc makes no image that breaks them.
NOT_SEEDED = {
    # tests/idoldbg/audit/test_changed_builds.py
    "debug-info-damaged", "no-network-path", "processor-unsupported",
    "hiffy-absent",  # fixtures/archives/stm32f4-discovery-no-hiffy.zip
    # Compiled by LLVM alone: tests/idoldbg/audit/test_compiled.py
    "type-incomplete", "variant-without-discriminant", "encoding-unsupported",
}  # fmt: skip


@cache
def read(name: str) -> tuple[Program, Audit]:
    program = open_program(TargetOptions(archive=str(GAPS / "archives" / f"{name}.zip")))
    return program, audit(program)


def key(finding: Finding) -> tuple[str, str, str, str, str, str]:
    return (
        str(finding.level),
        finding.rule,
        finding.task,
        finding.operation,
        str(finding.role or ""),
        finding.name,
    )


@pytest.mark.parametrize("name", FINDINGS)
def test_each_gap_gives_its_finding_and_nothing_else(name: str) -> None:
    _, report = read(name)
    assert Counter(map(key, report.findings)) == Counter(FINDINGS[name])


def test_every_image_and_every_program_is_in_the_table() -> None:
    apps = {path.stem for path in (GAPS / "app").glob("*.toml")}
    assert {path.stem for path in ARCHIVES} == apps == set(FINDINGS)
    tasks = {t.crate for path in ARCHIVES for t in open_build(path).archive.tasks}
    programs = {path.stem for path in (GAPS / "src" / "bin").glob("*.rs")}
    assert programs <= tasks


def test_every_rule_is_seeded_or_excused() -> None:
    seeded = {rule for rows in FINDINGS.values() for _, rule, *_ in rows}
    assert seeded | NOT_SEEDED == set(RULES)
    assert not seeded & NOT_SEEDED


def test_candidates_of_the_ambiguous_type_are_both() -> None:
    _, report = read("gaps-types")
    (finding,) = (f for f in report.findings if f.rule == "type-ambiguous")
    assert [(c.name, c.size) for c in finding.candidates] == [
        ("gaps::types::twins::first::Status", 1),
        ("gaps::types::twins::second::Status", 8),
    ]


# ---- the gaps are real ---------------------------------------------------------------------------

# Task, names of types or variables that are not in its debug information, and some that are.
ABSENT = [
    ("gaps-types", "arguments", ["Arguments_tune_ARGS", "Tuning"], ["RecvMessage"]),
    ("gaps-types", "replies", ["Reading", "Trouble", "Sample"], ["Refusal"]),
    ("gaps-types", "lean", ["Lean_store_ARGS", "Mode", "ModeError", "Position"], ["TaskId"]),
    ("gaps-no-hiffy-types", "hiffy", ["HIFFY_TEXT", "HIFFY_READY", "Functions"], ["Failure"]),
    ("gaps-no-read-write", "hiffy", ["SendLeaseReadWrite"], ["SendLeaseRead", "SendLeaseWrite"]),
    ("gaps-types", "sizes", [], ["Roomy", "Sizes_roomy_ARGS"]),
]


def dwarfdump(archive: str, task: str, folder: Path, *options: str) -> str:
    """Return what llvm-dwarfdump says about one program."""
    tool = need("llvm-dwarfdump", of="llvm")
    program = folder / task
    build = open_build(GAPS / "archives" / f"{archive}.zip").archive
    program.write_bytes(build.object_bytes(task))
    command = [tool, *options, str(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def entries(dump: str, name: str) -> Iterator[str]:
    """Yield the entries of types and variables of a name; parameters of generics are none."""
    for entry in dump.split("\n\n"):
        if f'DW_AT_name\t("{name}")' in entry and "DW_TAG_template" not in entry:
            yield entry


@pytest.mark.parametrize(("archive", "task", "absent", "present"), ABSENT)
def test_missing_entries_are_missing_for_llvm_too(
    archive: str, task: str, absent: list[str], present: list[str], tmp_path: Path
) -> None:
    dump = dwarfdump(archive, task, tmp_path, "--debug-info")
    assert {name for name in absent if any(entries(dump, name))} == set()
    assert {name for name in present if not any(entries(dump, name))} == set()


def test_twins_differ_for_llvm_too(tmp_path: Path) -> None:
    dump = dwarfdump("gaps-types", "twins", tmp_path, "--debug-info")
    sizes = [re.search(r"DW_AT_byte_size\t\((\w+)\)", e) for e in entries(dump, "Status")]
    assert sorted(int(size[1], 0) for size in sizes if size) == [1, 8]


def test_error_codes_are_out_of_range_for_llvm_too(tmp_path: Path) -> None:
    dump = dwarfdump("gaps-types", "codes", tmp_path, "--debug-info")
    for name, value in (("Harmless", 0), ("TooMuch", 0x10001)):
        (entry,) = entries(dump, name)
        found = re.search(r"DW_AT_const_value\t\((\w+)\)", entry)
        assert found and int(found[1], 0) == value


def test_a_variant_has_no_discriminant_and_needs_none(tmp_path: Path) -> None:
    """rust-lang/rust#104625: what has no number is what none of the numbers says."""
    dump = dwarfdump("gaps-types", "variants", tmp_path, "--debug-info")
    start = dump.index('DW_AT_name\t("Trace")')
    part = dump[start : dump.index("DW_TAG_structure_type", start)]
    variants = part.split("DW_TAG_variant\n")[1:]
    assert len(variants) == 3
    assert sum("DW_AT_discr_value" not in variant for variant in variants) == 1


# ---- and they are what stands in the way ---------------------------------------------------------


@pytest.fixture(scope="module")
def types() -> Iterator[Session]:
    yield from running("gaps-types")


@pytest.fixture(scope="module")
def limits() -> Iterator[Session]:
    yield from running("gaps-limits")


def running(name: str) -> Iterator[Session]:
    archive = str(GAPS / "archives" / f"{name}.zip")
    with open_session(TargetOptions(archive=archive, probe="emu")) as session:
        yield session


def call(session: Session, operation: str, **arguments: str) -> object:
    prepared = prepare_call(session.program.operation(operation), arguments)
    return reply(session.caller.call(prepared))["ok"]


def test_every_variant_arrives(types: Session) -> None:
    assert call(types, "Variants.trace", number="0") == "Nothing"
    assert call(types, "Variants.trace", number="5") == {"Inner": ["Lone", {"hex": "010203"}, 5]}
    assert call(types, "Variants.trace", number="15") == {
        "Inner": ["Paired", {"hex": "040506"}, 15]
    }
    assert call(types, "Variants.trace", number="300") == {"Count": 300}


def test_operations_with_warnings_can_be_called(types: Session) -> None:
    assert call(types, "Lean.store", number="7") is None
    assert call(types, "Lean.switch", mode="1") is None
    assert call(types, "Unknown.ping") is None


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("Arguments.tune", {"tuning": "{}"}, "gaps::Tuning"),
        ("Replies.reading", {}, "gaps::Reading"),
        ("Replies.fill", {"samples": "1"}, "gaps::Sample"),
        ("Twins.status", {}, "Status"),
        ("Lean.position", {}, "Position"),
        ("Skips.store", {"record": "{ id: 1, cached: 2, value: 3 }"}, "without its field `cached`"),
        ("Sizes.roomy", {"scale": "1"}, "40 bytes for the ok value, which takes 4"),
    ],
)
def test_operations_with_errors_cannot(
    types: Session, operation: str, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(NotCallable, match=message):
        call(types, operation, **arguments)


def test_variants_that_are_skipped_are_numbered_as_each_end_does(types: Session) -> None:
    """The server tells which variant arrived; what it sends is numbered otherwise."""
    assert call(types, "Skips.choose", shape="Dot") == 0
    assert call(types, "Skips.choose", shape="Line(7)") == 2 + 7 * 10
    assert call(types, "Skips.choose", shape="Box { width: 1, height: 2 }") == 3 + 3 * 10
    for hidden in ("Hidden(1)", "Last"):
        with pytest.raises(EncodeError, match=r"serde\(skip\)"):
            call(types, "Skips.choose", shape=hidden)
    assert call(types, "Skips.give", number="0") == "Dot"
    assert call(types, "Skips.give", number="2") == {"Line": 513}
    assert call(types, "Skips.give", number="9") == {"Box": {"width": 7, "height": 9}}


@pytest.mark.parametrize(
    ("bound", "number"), [("Unbounded", "0000"), ("Included(3)", "0103"), ("Excluded(4)", "0204")]
)
def test_the_standard_library_s_types_travel(types: Session, bound: str, number: str) -> None:
    address = "{ ip: { octets: hex:010203040000000000000000000000ff }, port: 8080 }"
    span = f"{{ bound: {bound}, from: {address} }}"
    assert call(types, "Skips.span", span=span) == {
        "ip": {"octets": {"hex": f"01020304{number}000000000000000000ff"}},
        "port": 8081,
        "flowinfo": 0,
        "scope_id": 0,
    }


def test_an_error_of_zero_looks_like_success(types: Session) -> None:
    assert call(types, "Codes.judge", fatal="false") is None
    with pytest.raises(OperationError):
        call(types, "Codes.judge", fatal="true")


def test_a_wide_error_arrives_as_another(types: Session) -> None:
    with pytest.raises(IdoldbgError) as caught:
        call(types, "Codes.weigh", amount="1000")
    assert "TooMuch" not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("Limits.long", {"bytes": "hex:" + "00" * 29}, LimitExceeded),
        ("Limits.wide", {}, LimitExceeded),
        ("Limits.feed", {"bytes": "hex:" + "00" * 257}, LimitExceeded),
        ("Limits.drain", {}, LimitExceeded),
        ("Shapes.compare", {"left": "hex:00", "right": "hex:00"}, NotCallable),
        ("Shapes.invert", {"bytes": "hex:00"}, NotCallable),
        ("Private.secret", {}, NotCallable),
        ("Echo.same", {"number": "1"}, NotCallable),
    ],
)
def test_limits_hold_before_anything_is_written(
    limits: Session, operation: str, arguments: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(limits, operation, **arguments)
    assert call(limits, "Private.open") == 4  # the way is clear


@pytest.mark.parametrize("name", ["gaps-hif-0-2", "gaps-no-hiffy-types"])
def test_a_hiffy_that_is_not_understood_is_not_used(name: str) -> None:
    for session in running(name):
        with pytest.raises((NotCallable, HiffyFailure, IdoldbgError)):
            call(session, "Echo.same", number="1")


def test_a_hiffy_without_use_for_data_makes_the_other_calls() -> None:
    """The linker has dropped HIFFY_DATA, as in the images of Hubris's own test suites."""
    program, _ = read("gaps-no-data")
    hiffy = program.object("hiffy")
    assert hiffy.symbols.find("HIFFY_DATA") is None
    assert hiffy.symbols.find("HIFFY_TEXT") is not None
    for session in running("gaps-no-data"):
        assert session.caller.transport.mailbox.layout.data is None
        assert call(session, "Echo.same", number="7") == 7
        assert call(session, "Echo.zero", sink="4") is None
        with pytest.raises(NotCallable, match="has no SendLeaseRead"):
            call(session, "Echo.first", source="hex:2a")


@pytest.mark.parametrize("name", ["gaps-no-data", "gaps-no-hiffy-types"])
def test_commands_that_need_no_hiffy_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = ["-a", str(GAPS / "archives" / f"{name}.zip"), "-p", "emu"]
    assert run([*target, "list", "Echo.same"]) == 0
    assert run([*target, "reset"]) == 0
    captured = capsys.readouterr()
    is_known = name == "gaps-no-data"
    assert ("emu: reset; up" in captured.out) == is_known
    assert ("whether the tasks have started is unknown" in captured.err) != is_known
    assert run([*target, "tasks"]) == (0 if is_known else 4)
    output = capsys.readouterr()
    if is_known:
        assert "echo          0    3  recv" in output.out
    else:
        assert "kern::task::Task" in output.err  # of the kernel, not of hiffy


def test_calls_within_the_limits_of_a_small_hiffy_work() -> None:
    for session in running("gaps-no-read-write"):
        assert call(session, "Echo.same", number="7") == 7
        assert call(session, "Echo.first", source="hex:2a00") == 0x2A
        with pytest.raises(NotCallable, match="SendLeaseReadWrite"):
            call(session, "Echo.copy", source="hex:2a", sink="1")
