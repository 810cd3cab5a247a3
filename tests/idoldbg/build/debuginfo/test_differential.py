"""The reader against plain pyelftools: all types of whole builds, and all names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.die import DIE
from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG
from elftools.elf.elffile import ELFFile

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo.interner import TypeInterner
from idoldbg.build.debuginfo.units import UnitReader
from idoldbg.build.load import open_build
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Subroutine,
    Type,
    Union,
    Variant,
)

ARCHIVES = Path(__file__).parents[4] / "fixtures" / "archives"
REAL = (
    "archives/build-gimlet-rot-c-image-b.zip",
    "cores/hubris.core.inheritance.0",
    "cores/hubris.core.new-compiler",
    "cores/hubris.core.new-sensors",
    "cores/hubris.core.v6",
)
ENCODINGS = {
    2: ScalarKind.BOOL,
    4: ScalarKind.FLOAT,
    5: ScalarKind.SIGNED,
    6: ScalarKind.SIGNED,
    7: ScalarKind.UNSIGNED,
    8: ScalarKind.UNSIGNED,
    16: ScalarKind.CHAR,
}
TYPES = {
    "array", "enumeration", "pointer", "structure", "subroutine", "union", "base", "typedef",
    "const",
}  # fmt: skip


class Plain:
    """Types by pyelftools alone, in the plainest way; it trusts its input."""

    def __init__(self, info: ObjectInfo) -> None:
        self.dwarf = ELFFile(BytesIO(info.elf.data)).get_dwarf_info()
        self.types: dict[int, Type] = {}
        self.interner = TypeInterner()

    def iter_types(self) -> Iterator[tuple[int, Type]]:
        for cu in self.dwarf.iter_CUs():
            for die in cu.iter_DIEs():
                if kind(die) in TYPES:
                    yield die.offset, self.type(die)

    def type(self, die: DIE) -> Type:
        if die.offset not in self.types:
            self.types[die.offset] = self.interner.intern(self.make(self.defined(die)))
        return self.types[die.offset]

    def defined(self, die: DIE) -> DIE:
        """Follow a type's signature to the unit that it is in."""
        if "DW_AT_signature" not in die.attributes:
            return die
        signature = die.attributes["DW_AT_signature"].value
        for cu in self.dwarf.iter_CUs():
            if cu.header.get("type_signature") == signature:
                return cu.get_DIE_from_refaddr(cu.cu_offset + cu.header["type_offset"])
        raise AssertionError(f"no unit of signature 0x{signature:x}")

    def target(self, die: DIE) -> Type:
        if "DW_AT_type" not in die.attributes:
            return self.interner.intern(Scalar("()", 0, ScalarKind.UNSIGNED))
        return self.type(die.get_DIE_from_attribute("DW_AT_type"))

    def name(self, die: DIE) -> str:
        die = self.defined(die)
        own = text(die, "DW_AT_name")
        if kind(die) in ("typedef", "const"):
            own = None
        inner = (
            self.name(die.get_DIE_from_attribute("DW_AT_type"))
            if "DW_AT_type" in die.attributes and own is None
            else "()"
        )
        if kind(die) in ("typedef", "const"):
            return inner
        if own is None and kind(die) == "pointer":
            return "*" + inner
        if own is None and kind(die) == "array":
            for count in reversed(self.counts(die)):
                inner = f"[{inner}; {count}]"
            return inner
        if own is None and kind(die) == "subroutine":
            parameters = [
                self.name(c.get_DIE_from_attribute("DW_AT_type"))
                for c in die.iter_children()
                if c.tag == "DW_TAG_formal_parameter"
            ]
            result = f" -> {inner}" if "DW_AT_type" in die.attributes else ""
            return f"fn({', '.join(parameters)})" + result
        return self.path(die)

    def path(self, die: DIE) -> str:
        die = self.defined(die)
        own = text(die, "DW_AT_name")
        for link in ("DW_AT_specification", "DW_AT_abstract_origin"):
            if own is None and link in die.attributes:
                return self.path(die.get_DIE_from_attribute(link))
        parent = die.get_parent()
        while parent is not None and parent.tag not in (
            "DW_TAG_namespace",
            "DW_TAG_structure_type",
            "DW_TAG_enumeration_type",
            "DW_TAG_union_type",
            "DW_TAG_subprogram",
        ):
            parent = parent.get_parent()
        return (self.path(parent) + "::" if parent is not None else "") + (own or "{anonymous}")

    def counts(self, die: DIE) -> list[int]:
        return [number(c, "DW_AT_count") or 0 for c in die.iter_children()]

    def make(self, die: DIE) -> Type:
        if kind(die) in ("typedef", "const"):
            return self.target(die)
        name, size = self.name(die), number(die, "DW_AT_byte_size") or 0
        match kind(die):
            case "base":
                encoding = ENCODINGS.get(number(die, "DW_AT_encoding") or 0)
                if encoding is None:  # C's `complex float`, from compiler-builtins
                    return Opaque(name, "a scalar of no known encoding", size)
                return Scalar(name, size, encoding)
            case "pointer":
                target = "()"
                if "DW_AT_type" in die.attributes:
                    target = self.name(die.get_DIE_from_attribute("DW_AT_type"))
                return Pointer(name, number(die, "DW_AT_byte_size") or 4, target)
            case "subroutine":
                return Subroutine(name, size)
            case "array":
                type_ = self.target(die)
                for count in reversed(self.counts(die)):
                    type_ = self.interner.intern(Array(f"[{type_.name}; {count}]", type_, count))
                return type_
            case "enumeration":
                return self.c_enum(die, name, size)
            case "union":
                return Union(name, size, self.members(die))
        parts = [c for c in die.iter_children() if c.tag == "DW_TAG_variant_part"]
        return self.enum(parts[0], name, size) if parts else Struct(name, size, self.members(die))

    def members(self, die: DIE) -> tuple[Member, ...]:
        return tuple(
            Member(
                text(c, "DW_AT_name") or "",
                number(c, "DW_AT_data_member_location") or 0,
                self.target(c),
            )
            for c in die.iter_children()
            if c.tag == "DW_TAG_member"
        )

    def c_enum(self, die: DIE, name: str, size: int) -> Type:
        base = self.target(die)
        signed = isinstance(base, Scalar) and base.encoding is ScalarKind.SIGNED
        return CEnum(
            name,
            size,
            signed,
            tuple(
                Enumerator(
                    text(c, "DW_AT_name") or "",
                    as_read(number(c, "DW_AT_const_value") or 0, size, signed),
                )
                for c in die.iter_children()
                if c.tag == "DW_TAG_enumerator"
            ),
        )

    def enum(self, part: DIE, name: str, size: int) -> Type:
        tag = None
        if "DW_AT_discr" in part.attributes:
            die = part.get_DIE_from_attribute("DW_AT_discr")
            offset = number(die, "DW_AT_data_member_location") or 0
            tag = Member(text(die, "DW_AT_name") or "", offset, self.target(die))
        variants = []
        for child in part.iter_children():
            if child.tag != "DW_TAG_variant":
                continue
            (member,) = self.members(child)
            value = number(child, "DW_AT_discr_value")
            if value is not None and tag is not None:
                signed = isinstance(tag.type, Scalar) and tag.type.encoding is ScalarKind.SIGNED
                value = as_read(value, tag.type.size, signed)
            assert isinstance(member.type, Struct)
            variants.append(Variant(member.name, value, member.offset, member.type))
        return Enum(name, size, tag, tuple(variants))


def kind(die: DIE) -> str:
    return str(die.tag).removeprefix("DW_TAG_").removesuffix("_type")


def text(die: DIE, attribute: str) -> str | None:
    value = die.attributes.get(attribute)
    return None if value is None else value.value.decode()


def number(die: DIE, attribute: str) -> int | None:
    value = die.attributes.get(attribute)
    if value is not None and isinstance(value.value, list):  # a block: more than 64 bits
        return int.from_bytes(bytes(value.value), "little")
    return None if value is None else int(value.value)


def as_read(value: int, size: int, signed: bool) -> int:
    if not size:
        return value
    return int.from_bytes(
        (value % (1 << 8 * size)).to_bytes(size, "little"), "little", signed=signed
    )


def shallow(type_: Type) -> tuple[Any, ...]:
    """One level of a type, parts by name: comparing every type so compares all levels."""

    def members(of: Any) -> Any:
        return tuple((m.name, m.offset, m.type.name) for m in of)

    match type_:
        case Struct() | Union():
            return (type(type_), type_.name, type_.size, members(type_.members))
        case Enum():
            tag = members([type_.tag]) if type_.tag else None
            variants = tuple(
                (v.name, v.discriminant, v.offset, v.type.name) for v in type_.variants
            )
            return (Enum, type_.name, type_.size, tag, variants)
        case Array():
            return (Array, type_.name, type_.element.name, type_.count)
    return (type(type_), type_)


def compare(path: Path, objects: tuple[str, ...] | None = None) -> int:
    archive = open_build(path).archive
    names = archive.object_names if objects is None else objects
    return sum(compare_object(name, archive.object_bytes(name)) for name in names)


def compare_object(name: str, data: bytes) -> int:
    info = ObjectInfo(name, data)
    ours, theirs = dict(info.iter_types()), dict(Plain(info).iter_types())
    assert ours.keys() == theirs.keys()
    for offset, type_ in ours.items():
        assert shallow(type_) == shallow(theirs[offset]), f"{name}: 0x{offset:x}"
    return len(ours)


@pytest.mark.parametrize("build", [p.stem for p in sorted(ARCHIVES.glob("*.zip"))])
def test_types_of_fixtures_equal_pyelftools(build: str) -> None:
    assert compare(ARCHIVES / f"{build}.zip", ("jefe",)) > 200


@pytest.mark.slow
@pytest.mark.parametrize("build", [p.stem for p in sorted(ARCHIVES.glob("*.zip"))])
def test_all_types_of_fixtures_equal_pyelftools(build: str) -> None:
    assert compare(ARCHIVES / f"{build}.zip") > 2000


@pytest.mark.parametrize("build", REAL)
def test_types_of_real_builds_equal_pyelftools(build: str, real_hubris: Path) -> None:
    assert compare(real_hubris / build) > 1000


def check_names(path: Path, objects: tuple[str, ...], sample: int) -> None:
    archive = open_build(path).archive
    for name in objects:
        check_object(name, archive.object_bytes(name), sample)


def check_object(object_name: str, data: bytes, sample: int) -> None:
    """Looking a name up must find what reading everything finds."""
    everything = ObjectInfo(object_name, data)
    by_name: dict[str, set[int]] = {}
    payloads: set[str] = set()  # of variants: Rust has no such types, and none are found
    for _, type_ in everything.iter_types():
        if isinstance(type_, Enum):
            payloads |= {variant.type.name for variant in type_.variants}
        if not isinstance(type_, Array | Subroutine):
            by_name.setdefault(type_.name, set()).add(id(type_))
    statics: dict[str, int] = {}
    for variable in everything.iter_variables():
        statics[variable.full_name] = statics.get(variable.full_name, 0) + 1
    chosen = random.Random(object_name).sample(sorted(by_name), min(sample, len(by_name)))
    fresh = ObjectInfo(object_name, data, everything.interner)
    for name in chosen:
        if not name.startswith(("*", "fn(")):
            wanted = set() if name in payloads else by_name[name]
            assert {id(t) for t in fresh.find_types(name)} == wanted, name
    for name, times in statics.items():
        assert len(fresh.find_variables(name)) == times, name


@pytest.mark.parametrize("build", [p.stem for p in sorted(ARCHIVES.glob("*.zip"))])
def test_names_of_fixtures_are_found(build: str) -> None:
    check_names(ARCHIVES / f"{build}.zip", ("kernel", "jefe"), 150)


@pytest.mark.parametrize("build", REAL)
def test_names_of_real_builds_are_found(build: str, real_hubris: Path) -> None:
    check_names(real_hubris / build, ("kernel", "jefe"), 2000)


@pytest.mark.parametrize("build", [p.stem for p in sorted(ARCHIVES.glob("*.zip"))])
def test_abbreviations_are_those_of_pyelftools(build: str) -> None:
    archive = open_build(ARCHIVES / f"{build}.zip").archive
    for name in archive.object_names:
        compare_abbreviations(ObjectInfo(name, archive.object_bytes(name)))


def compare_abbreviations(info: ObjectInfo) -> None:
    sections = (info.section(".debug_info") or b"", info.section(".debug_abbrev") or b"")
    reader = UnitReader(*sections)
    plain = ELFFile(BytesIO(info.elf.data)).get_dwarf_info()
    for unit in {unit.abbreviations_at: unit for unit in reader.read_units()}.values():
        table = plain.get_abbrev_table(unit.abbreviations_at)
        for code, ours in reader.read_abbreviations(unit).items():
            theirs = table.get_abbrev(code)
            assert ours.tag == ENUM_DW_TAG[theirs["tag"]]
            assert ours.has_children == theirs.has_children()
            assert [(s.attribute, s.form, s.constant) for s in ours.specs] == [
                (ENUM_DW_AT[s["name"]], ENUM_DW_FORM[s["form"]], s["value"] or 0)
                for s in theirs["attr_spec"]
            ]
