"""Layouts of types, compared with the debug information and with themselves."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.errors import NotFound
from idoldbg.model.types import Array, CEnum, Enum, Opaque, Scalar, Struct, Type, Union, shown_field
from idoldbg.render import layout as drawing
from idoldbg.views.layout import Part, PartKind, alignment_of, find_padding, lay_out
from idoldbg.views.types import TypeReport, read_types
from tests.conftest import ARCHIVES
from tests.idoldbg.typegen import (
    BOOL,
    U8,
    U16,
    U32,
    make_array,
    make_niche_option,
    make_option,
    make_struct,
    make_tagged,
)

TAGS = {"DW_TAG_structure_type", "DW_TAG_union_type", "DW_TAG_enumeration_type"}
DEMO = ARCHIVES / "stm32f4-discovery.zip"


def objects(path: Path, limit: int | None = None) -> Iterator[ObjectInfo]:
    archive = open_build(path).archive
    for name in archive.object_names[:limit]:
        yield ObjectInfo(name, archive.object_bytes(name))


def alignments(path: Path) -> Iterator[tuple[Type, int]]:
    """Yield the types that say what their alignment is, each once; read by pyelftools."""
    for info in objects(path, 3):  # pyelftools takes its time
        seen = set()
        for unit in ELFFile(BytesIO(info.elf.data)).get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                if "DW_AT_alignment" not in entry.attributes or entry.tag not in TAGS:
                    continue
                parent = entry.get_parent()
                if parent is None or parent.tag == "DW_TAG_structure_type":
                    continue  # what a variant holds is aligned as its enum
                type_ = info.type_at(entry.offset)
                if id(type_) not in seen and not isinstance(type_, Opaque):
                    seen.add(id(type_))
                    yield type_, entry.attributes["DW_AT_alignment"].value


def check_alignments(path: Path) -> None:
    """Computed layouts equal rustc's, but for types that are packed without need."""
    equal = packed = 0
    for type_, said in alignments(path):
        computed = alignment_of(type_)
        if computed == said:
            equal += 1
        elif said < computed:
            assert isinstance(type_, Struct | Union), (type_.name, computed, said)
            packed += 1
        else:
            assert said % computed == 0, (type_.name, computed, said)  # #[repr(align)]
    assert equal > 300
    assert packed < equal // 20


def test_alignments_of_a_fixture() -> None:
    check_alignments(DEMO)


@pytest.mark.parametrize("build", ["cores/hubris.core.v6", "cores/hubris.core.new-compiler"])
def test_alignments_of_real_builds(build: str, real_hubris: Path) -> None:
    check_alignments(real_hubris / build)


def test_the_image_s_word_counts() -> None:
    """A message is packed, which its own layout does not show."""
    build = open_build(DEMO)
    (found,) = read_types(Program(build.archive, build.memory), "Sensor_multiply_ARGS").types
    assert (found.alignment, alignment_of(found.candidate.type)) == (1, 8)


def check_layout(type_: Type) -> None:
    """The parts of a struct, and of each variant of an enum, cover every byte once."""
    part = lay_out(type_, 1)
    if part.hidden:
        return  # too many
    match type_:
        case Struct(members=members, size=size):
            # What a variant without values holds has no size, whatever its fields.
            if all(m.offset + m.type.size <= size for m in members):
                check_cover(part.parts, size, ())
        case Enum(tag=tag):
            tag_bytes = () if tag is None else range(tag.offset, tag.offset + tag.type.size)
            assert [p.name for p in part.parts] == [v.name for v in type_.variants]
            for variant in part.parts:
                if variant.parts:
                    check_cover(variant.parts, type_.size, tag_bytes)
        case CEnum():
            assert len(part.parts) == len(type_.enumerators)


def check_cover(parts: tuple[Part, ...], size: int, tag: range | tuple[int, ...]) -> None:
    covered = sorted(at for p in parts for at in range(p.offset, p.offset + p.size))
    padding = {
        at for p in parts if p.kind is PartKind.PADDING for at in range(p.offset, p.offset + p.size)
    }
    assert len(covered) == len(set(covered))
    assert set(covered) | set(tag) == set(range(size))
    assert not padding & set(tag)


def test_every_byte_is_accounted_for() -> None:
    checked = 0
    for info in objects(DEMO):
        for _, type_ in info.iter_types():
            check_layout(type_)
            checked += isinstance(type_, Struct | Enum)
    assert checked > 2000


def test_every_type_can_be_drawn() -> None:
    build = open_build(DEMO)
    program = Program(build.archive, build.memory)
    types = (t for _, t in program.object("sensor").iter_types())
    names = {t.name for t in types if not isinstance(t, Array | Union)}
    drawn = 0
    for name in sorted(names)[::12]:
        try:
            report = read_types(program, name, task="sensor", depth=3)
        except LookupError:
            continue  # what variants hold, functions
        text = drawing.types(report)
        assert all(line == line.rstrip() for line in text.splitlines()), name
        drawn += 1
    assert drawn > 40


@pytest.mark.parametrize(
    ("type_", "niche"),
    [
        (make_option(U32), None),
        (make_niche_option(BOOL, make_struct("t", [("tag", U8)]).members[0], 2), "Some.0"),
    ],
)
def test_niches_are_named(type_: Type, niche: str | None) -> None:
    tag = lay_out(type_).tag
    assert tag is not None
    assert tag.niche == niche


def test_padding_is_counted_in_parts_too() -> None:
    inner = make_struct("app::Inner", [("a", U8), ("b", U16)], gap=1)
    outer = make_array(inner, 3)
    assert isinstance(inner, Struct) and find_padding(inner) == inner.size - 3
    assert find_padding(outer) == 3 * find_padding(inner)
    assert find_padding(make_tagged("app::E", [("A", []), ("B", [("x", U32)])])) == 0


def test_types_of_many_parts_are_cut_short() -> None:
    """Made-up debug information has pairs of pairs: 2 ** 60 parts."""
    type_: Type = U8
    for level in range(60):
        type_ = make_struct(f"p::P{level}", [("a", type_), ("b", type_)])
    part = lay_out(type_, 16)
    assert part.size == 1 << 60
    assert alignment_of(type_) == 1
    assert find_padding(type_) == 0


def test_generic_types_are_found_by_short_names() -> None:
    build = open_build(DEMO)
    program = Program(build.archive, build.memory)

    def names(report: TypeReport) -> set[str]:
        return {found.candidate.name for found in report.types}

    assert names(read_types(program, "Result<Reading, NoData>")) == {
        "core::result::Result<task_sensor_api::Reading, task_sensor_api::NoData>"
    }
    assert names(read_types(program, "sensor_api::Reading")) == {"task_sensor_api::Reading"}
    options = names(read_types(program, "Option", task="sensor"))
    assert "core::option::Option<i16>" in options and len(options) > 10
    assert names(read_types(program, "[Reading; 2]")) == {"[task_sensor_api::Reading; 2]"}
    (candidate_,) = read_types(program, "[u32; 3]").types  # built, one for all objects
    assert {"kernel", "sensor"} <= set(candidate_.candidate.objects)
    with pytest.raises(NotFound, match=r"did you mean `Option`\?"):
        read_types(program, "Optoin")
    assert names(read_types(program, "u8")) == {"u8"}
    (found,) = read_types(program, "TaskId").types
    assert set(found.candidate.objects) >= {"kernel", "jefe", "sensor"}


def test_scalars_have_no_parts() -> None:
    part = lay_out(U32, 5)
    assert (part.size, part.parts, part.tag) == (4, (), None)
    assert isinstance(part.type, Scalar)


def test_names_are_shown_as_they_are_written() -> None:
    """Of `__0` in a tuple Rust says `0`; `__field0` is a name."""
    assert [shown_field(name) for name in ("__0", "__12", "__field0", "__", "x")] == [
        "0",
        "12",
        "__field0",
        "__",
        "x",
    ]
    build = open_build(DEMO)
    program = Program(build.archive, build.memory)
    (found,) = read_types(program, "&dyn core::fmt::Debug", task="sensor").types
    assert [part.name for part in found.layout.parts] == ["pointer", "vtable"]
    (found,) = read_types(program, "<&str as core::fmt::Debug>::{vtable_type}", task="sensor").types
    text = drawing.types(TypeReport("", (found,), ()))
    assert "__method3" in text
