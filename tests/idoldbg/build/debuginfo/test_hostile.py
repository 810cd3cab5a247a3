"""ELF and DWARF from anywhere: a result or a `DebugInfoError`, soon and in bounded memory."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo import constants as dw
from idoldbg.errors import DebugInfoError

TIME_LIMIT_S = 30.0  # of CPU: a tenth of a second is usual, and what explodes takes for ever


def use_everything(data: bytes) -> None:
    info = ObjectInfo("test", data)
    info.find_types("Reading")
    info.find_types("sensor::Option<u8>")
    info.find_type_names("Option<")
    info.find_variables("COUNT")
    info.find_subprograms("main")
    for _ in info.iter_types():
        pass
    for _ in info.iter_variables():
        pass
    assert len(info.symbols) >= 0
    assert info.idolatry is None


def survives(data: bytes) -> bool:
    """Use everything of an object; return whether that went without the documented error."""
    start = time.process_time()
    try:
        use_everything(data)
    except DebugInfoError as error:
        assert str(error).startswith("test: ")
        assert error.object == "test"
        return False
    finally:
        assert time.process_time() - start < TIME_LIMIT_S
    return True


def rich_unit(die: Any) -> Any:
    """A unit with an entry of every kind."""

    def name(text: str) -> tuple[int, int, str]:
        return (dw.DW_AT_name, dw.DW_FORM_strp, text)

    def size(value: int) -> tuple[int, int, int]:
        return (dw.DW_AT_byte_size, dw.DW_FORM_data1, value)

    def type_(target: Any) -> tuple[int, int, Any]:
        return (dw.DW_AT_type, dw.DW_FORM_ref4, target)

    def member(text: str, offset: int, target: Any) -> Any:
        at = (dw.DW_AT_data_member_location, dw.DW_FORM_udata, offset)
        return die(dw.DW_TAG_member, [name(text), type_(target), at])

    u8 = die(dw.DW_TAG_base_type, [name("u8"), size(1), (dw.DW_AT_encoding, dw.DW_FORM_data1, 7)])
    count = die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, dw.DW_FORM_udata, 4)])
    array = die(dw.DW_TAG_array_type, [type_(u8)], [count])
    reading = die(dw.DW_TAG_structure_type, [name("Reading"), size(4)], [member("raw", 0, array)])
    pointer = die(dw.DW_TAG_pointer_type, [name("&Reading"), type_(reading)])
    some = die(dw.DW_TAG_structure_type, [name("Some"), size(2)], [member("__0", 1, u8)])
    none = die(dw.DW_TAG_structure_type, [name("None"), size(2)])
    tag = member("tag", 0, u8)
    variants = [
        die(
            dw.DW_TAG_variant,
            [(dw.DW_AT_discr_value, dw.DW_FORM_sdata, -1)],
            [member("None", 0, none)],
        ),
        die(dw.DW_TAG_variant, [], [member("Some", 0, some)]),
    ]
    part = die(dw.DW_TAG_variant_part, [(dw.DW_AT_discr, dw.DW_FORM_ref4, tag)], [tag, *variants])
    option = die(dw.DW_TAG_structure_type, [name("Option<u8>"), size(2)], [part, none, some])
    value = (dw.DW_AT_const_value, dw.DW_FORM_sdata, 3)
    colour = die(
        dw.DW_TAG_enumeration_type,
        [name("Colour"), size(1), type_(u8)],
        [die(dw.DW_TAG_enumerator, [name("Red"), value])],
    )
    union = die(dw.DW_TAG_union_type, [name("Either"), size(4)], [member("a", 0, array)])
    callback = die(
        dw.DW_TAG_subroutine_type, [], [die(dw.DW_TAG_formal_parameter, [type_(option)])]
    )
    where = (dw.DW_AT_location, dw.DW_FORM_exprloc, b"\x03\x10\x00\x00\x20")
    static = die(dw.DW_TAG_variable, [name("COUNT"), type_(colour), where])
    main = die(
        dw.DW_TAG_subprogram,
        [name("main"), type_(option)],
        [die(dw.DW_TAG_formal_parameter, [name("a"), type_(pointer)])],
    )
    space = die(
        dw.DW_TAG_namespace,
        [name("sensor")],
        [reading, option, colour, union, callback, static, main],
    )
    return die(0x11, [name("unit")], [u8, array, pointer, space])


@pytest.fixture
def rich(die: Any, write_elf: Callable[..., bytes]) -> dict[int, bytes]:
    return {version: write_elf([rich_unit(die), rich_unit(die)], version) for version in (4, 5)}


def test_rich_object_is_whole(rich: dict[int, bytes]) -> None:
    for data in rich.values():
        assert survives(data)
        info = ObjectInfo("test", data)
        (option,) = info.find_types("sensor::Option<u8>")
        assert [v.discriminant for v in option.variants] == [255, None]  # type: ignore[union-attr] # an Enum


@pytest.mark.parametrize(
    ("form", "offset"),
    [(dw.DW_FORM_strp, "three"), (dw.DW_FORM_sdata, -1)],
    ids=["text", "negative"],
)
def test_a_member_at_an_offset_that_is_none(
    form: int, offset: object, die: Any, write_elf: Callable[..., bytes]
) -> None:
    u8 = die(
        dw.DW_TAG_base_type,
        [
            (dw.DW_AT_name, dw.DW_FORM_strp, "u8"),
            (dw.DW_AT_byte_size, dw.DW_FORM_data1, 1),
            (dw.DW_AT_encoding, dw.DW_FORM_data1, 7),
        ],
    )
    member = die(
        dw.DW_TAG_member,
        [(dw.DW_AT_type, dw.DW_FORM_ref4, u8), (dw.DW_AT_data_member_location, form, offset)],
    )
    struct = die(
        dw.DW_TAG_structure_type,
        [(dw.DW_AT_name, dw.DW_FORM_strp, "S"), (dw.DW_AT_byte_size, dw.DW_FORM_data1, 4)],
        [member],
    )
    unit = die(0x11, [(dw.DW_AT_name, dw.DW_FORM_strp, "unit")], [u8, struct])
    with pytest.raises(DebugInfoError, match="a member whose offset is not a number"):
        ObjectInfo("test", write_elf([unit], 4)).find_types("S")


@pytest.mark.parametrize("version", [4, 5])
def test_truncated_at_every_length(version: int, rich: dict[int, bytes]) -> None:
    data = rich[version]
    for size in range(0, len(data), 3):
        assert not survives(data[:size])


@pytest.mark.parametrize("version", [4, 5])
def test_mutations(version: int, rich: dict[int, bytes]) -> None:
    """4,000 objects with up to six bytes changed."""
    good = rich[version]
    rng = random.Random(version)
    refused = 0
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 7)):
            value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            data[rng.randrange(len(data))] = value
        refused += not survives(bytes(data))
    assert refused > 200


@pytest.mark.parametrize("section", [".debug_info", ".debug_abbrev", ".debug_str"])
def test_sections_of_noise(section: str, rich: dict[int, bytes]) -> None:
    data = bytearray(rich[4])
    found = ObjectInfo("test", bytes(data)).elf.find_section(section)
    assert found is not None
    rng = random.Random(section)
    for _ in range(200):
        start = rng.randrange(found.size)
        end = rng.randrange(start, found.size)
        noise = bytearray(data)
        noise[found.offset + start : found.offset + end] = rng.randbytes(end - start)
        survives(bytes(noise))


def test_types_that_contain_themselves(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    name = (dw.DW_AT_name, dw.DW_FORM_strp, "Loop")
    loop = die(dw.DW_TAG_structure_type, [name])
    loop.children = [die(dw.DW_TAG_member, [(dw.DW_AT_type, dw.DW_FORM_ref4, loop)])]
    info = write_object([die(0x11, [], [loop])])
    with pytest.raises(DebugInfoError, match="contains itself") as error:
        info.find_types("Loop")
    assert error.value.die_offset is not None


def test_deep_nesting(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    inner = die(dw.DW_TAG_structure_type, [(dw.DW_AT_name, dw.DW_FORM_strp, "S")])
    types = [inner]
    for _ in range(300):
        member = die(dw.DW_TAG_member, [(dw.DW_AT_type, dw.DW_FORM_ref4, types[-1])])
        types.append(
            die(dw.DW_TAG_structure_type, [(dw.DW_AT_name, dw.DW_FORM_strp, "T")], [member])
        )
    info = write_object([die(0x11, [], types)])
    assert info.find_types("S")
    with pytest.raises(DebugInfoError, match="nested deeper"):
        info.type_at(max(o for o in info._names.find("T")))


@pytest.mark.parametrize(
    ("tag", "part"),
    [
        (dw.DW_TAG_structure_type, dw.DW_TAG_member),
        (dw.DW_TAG_union_type, dw.DW_TAG_member),
        (dw.DW_TAG_enumeration_type, dw.DW_TAG_enumerator),
    ],
)
def test_types_of_very_many_parts(
    die: Any, write_object: Callable[..., ObjectInfo], tag: int, part: int
) -> None:
    number = die(
        dw.DW_TAG_base_type,
        [
            (dw.DW_AT_name, dw.DW_FORM_strp, "u8"),
            (dw.DW_AT_byte_size, dw.DW_FORM_data1, 1),
            (dw.DW_AT_encoding, dw.DW_FORM_data1, dw.DW_ATE_unsigned),
        ],
    )

    def wide(count: int) -> Any:
        parts = [die(part, [(dw.DW_AT_type, dw.DW_FORM_ref4, number)]) for _ in range(count)]
        return die(tag, [(dw.DW_AT_name, dw.DW_FORM_strp, f"Wide{count}")], parts)

    info = write_object([die(0x11, [], [number, wide(8192), wide(8193)])])
    assert len(info.find_types("Wide8192")) == 1
    with pytest.raises(DebugInfoError, match="more than 8192 parts") as error:
        info.find_types("Wide8193")
    assert error.value.object == "test"
    assert error.value.die_offset is not None


def test_very_many_types_of_many_parts(
    die: Any, write_object: Callable[..., ObjectInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work for one object is limited, also where each type is allowed."""
    monkeypatch.setattr("idoldbg.build.debuginfo.type_reader.MAX_PARTS_READ", 100)
    u8 = die(dw.DW_TAG_base_type, [(dw.DW_AT_name, dw.DW_FORM_strp, "u8")])
    types = [
        die(
            dw.DW_TAG_structure_type,
            [(dw.DW_AT_name, dw.DW_FORM_strp, f"T{number}")],
            [die(dw.DW_TAG_member, [(dw.DW_AT_type, dw.DW_FORM_ref4, u8)]) for _ in range(30)],
        )
        for number in range(5)
    ]
    info = write_object([die(0x11, [], [u8, *types])])
    for _ in range(2):  # what was read once is not read again
        assert [len(info.find_types(f"T{number}")) for number in range(3)] == [1, 1, 1]
    with pytest.raises(DebugInfoError, match="more than 100 parts"):
        info.find_types("T3")
    assert info.find_types("T0")


def test_types_that_double_at_each_level(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    """Two members of the type below, fifty times: as a tree this has 2^50 leaves."""

    def level(below: Any, index: int) -> Any:
        members = [
            die(
                dw.DW_TAG_member,
                [
                    (dw.DW_AT_name, dw.DW_FORM_strp, n),
                    (dw.DW_AT_type, dw.DW_FORM_ref4, below),
                ],
            )
            for n in "ab"
        ]
        name = (dw.DW_AT_name, dw.DW_FORM_strp, f"Level{index}")
        return die(dw.DW_TAG_structure_type, [name], members)

    types = [die(dw.DW_TAG_structure_type, [(dw.DW_AT_name, dw.DW_FORM_strp, "Bottom")])]
    for index in range(50):
        types.append(level(types[-1], index))
    copies = [die(dw.DW_TAG_structure_type, [(dw.DW_AT_name, dw.DW_FORM_strp, "Bottom")])]
    for index in range(50):
        copies.append(level(copies[-1], index))
    info = write_object([die(0x11, [], [*types, *copies])])
    start = time.process_time()
    assert len(info.find_types("Level49")) == 1  # the copies are equal, and found to be
    assert time.process_time() - start < TIME_LIMIT_S


def header(**changes: int) -> bytes:
    fields = {
        "type": 2, "machine": 40, "version": 1, "entry": 0, "phoff": 0, "shoff": 52, "flags": 0,
        "ehsize": 52, "phentsize": 32, "phnum": 0, "shentsize": 40, "shnum": 1, "shstrndx": 0,
    }  # fmt: skip
    fields.update(changes)
    return b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", *fields.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF", "cut short"),
        (b"\x7fELF\x02" + header()[5:], "32-bit little-endian"),
        (header(shentsize=0, shnum=65535), "0 bytes each"),
        (header(shnum=65535), "reach beyond the file"),
        (header(phnum=9, phoff=52), "reach beyond the file"),
        (header(shoff=0xFFFFFFFF), "reach beyond the file"),
        (header(shstrndx=7) + bytes(40), "should hold the section names"),
    ],
)
def test_headers(data: bytes, message: str) -> None:
    with pytest.raises(DebugInfoError, match=message):
        ObjectInfo("test", data)


def with_compressed_info(size: int, packed: bytes) -> bytes:
    section = struct.pack("<III", 1, size, 1) + packed
    names = b"\0.debug_info\0.names\0"
    at = 52
    body = section + names
    table = bytes(40)
    table += struct.pack("<10I", 1, 1, 0x800, 0, at, len(section), 0, 0, 1, 0)
    table += struct.pack("<10I", 13, 3, 0, 0, at + len(section), len(names), 0, 0, 1, 0)
    return header(shoff=at + len(body), shnum=3, shstrndx=2) + body + table


def test_compressed_sections() -> None:
    plain = bytes(range(256)) * 8
    info = ObjectInfo("test", with_compressed_info(len(plain), zlib.compress(plain)))
    assert info.section(".debug_info") == plain


def test_compressed_bombs() -> None:
    """A section's size is refused when it is too large, and kept to otherwise."""
    bomb = zlib.compress(bytes(80 << 20))
    with pytest.raises(DebugInfoError, match="claims 83886080 bytes"):
        ObjectInfo("test", with_compressed_info(80 << 20, bomb)).section(".debug_info")
    with pytest.raises(DebugInfoError, match="should be 2048"):
        packed = zlib.compress(bytes(100))
        ObjectInfo("test", with_compressed_info(2048, packed)).section(".debug_info")
    with pytest.raises(DebugInfoError, match="does not decompress"):
        ObjectInfo("test", with_compressed_info(2048, b"noise")).section(".debug_info")
    tracemalloc.start()
    info = ObjectInfo("test", with_compressed_info(1 << 20, bomb))
    assert info.section(".debug_info") == bytes(1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_missing_debug_information_is_tolerated() -> None:
    info = ObjectInfo("test", header(shnum=0, shoff=0))
    assert not info.has_debug_info
    assert info.find_types("u8") == () and info.find_variables("X") == ()
    assert list(info.iter_types()) == [] and len(info.symbols) == 0


def with_sections(*sections: tuple[bytes, dict[str, int], bytes]) -> bytes:
    """Lay out sections of (name, header fields, contents); `.names` comes last."""
    names = b"\0" + b"".join(name + b"\0" for name, _, _ in sections) + b".names\0"
    body, table = b"", bytes(40)
    for name, changes, data in (*sections, (b".names", {"type": 3}, names)):
        fields = {
            "name": names.index(b"\0" + name + b"\0") + 1, "type": 1, "flags": 0, "address": 0,
            "offset": 52 + len(body), "size": len(data), "link": 0, "info": 0, "align": 1,
            "entry": 0,
        }  # fmt: skip
        body += data
        table += struct.pack("<10I", *(fields | changes).values())
    count = len(sections) + 2
    return header(shoff=52 + len(body), shnum=count, shstrndx=count - 1) + body + table


def refused(data: bytes) -> str:
    """Use everything of an object that must be refused; return why it was."""
    start = time.process_time()
    with pytest.raises(DebugInfoError) as error:
        use_everything(data)
    assert time.process_time() - start < TIME_LIMIT_S
    return str(error.value)


def test_a_compressed_section_of_no_size_is_not_expanded() -> None:
    """zlib takes 0 for no limit."""
    bomb = zlib.compress(bytes(80 << 20))
    tracemalloc.start()
    assert ObjectInfo("test", with_compressed_info(0, bomb)).section(".debug_info") == b""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_other_compressions() -> None:
    section = struct.pack("<III", 2, 2048, 1) + b"zstd"  # ELFCOMPRESS_ZSTD
    data = with_sections((b".debug_info", {"flags": 0x800}, section))
    assert "--compress-debug-sections=none" in refused(data)
    data = with_sections((b".debug_info", {"flags": 0x800}, b"short"))
    assert "has no header" in refused(data)


def test_tables_that_repeat_the_file() -> None:
    """Each entry is inside the file; together they would fill the memory."""
    data = bytes(100_000)
    whole = {"offset": 0, "size": len(data)}
    sections = [(b".data%d" % i, whole, b"") for i in range(1000)]
    assert "the sections overlap" in refused(with_sections(*sections, (b".data", {}, data)))
    segment = struct.pack("<8I", 1, 0, 0, 0, len(data), len(data), 4, 1)
    headers = header(shoff=0, shnum=0, phoff=52, phnum=1000) + segment * 1000
    assert "the segments overlap" in refused(headers + data)
    many = header(shnum=0, phoff=52, phnum=10_000) + bytes(32 * 10_000)
    assert "10000 program headers: more than any build has" in refused(many)


def test_long_names_of_sections() -> None:
    """Eight thousand names of four megabytes, ends of one another, take no time."""
    name = b".text." + b"a" * (4 << 20)
    data = with_sections((name, {}, b"code"))
    assert ObjectInfo("test", data).elf.sections[1].name == name[:256].decode()
    at = len(data) - 3 * 40
    table = data[at : at + 40] + data[at + 40 : at + 80] * 8000 + data[at + 80 :]
    many = header(shoff=at, shnum=8002, shstrndx=8001) + data[52:at] + table
    start = time.process_time()
    assert len(ObjectInfo("test", many).elf.sections) == 8002
    assert time.process_time() - start < TIME_LIMIT_S


def with_units(info: bytes, abbreviations: bytes) -> bytes:
    return with_sections((b".debug_info", {}, info), (b".debug_abbrev", {}, abbreviations))


def unit_header(version: int = 4, table: int = 0, address_size: int = 4) -> bytes:
    body = struct.pack("<HIB", version, table, address_size) + b"\0"
    return struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("info", "abbreviations", "message"),
    [
        (unit_header(version=9), b"\0", "DWARF version 9"),
        (unit_header(address_size=3), b"\0", "addresses of 3 bytes"),
        (unit_header(address_size=8), b"\0", "addresses of 8 bytes"),
        (unit_header() * 20_000, b"\0", "more units than any build has"),
        (struct.pack("<IHBBIxxx", 11, 5, 0x77, 4, 0), b"\0", "a unit's header makes no sense"),
        (struct.pack("<IHBBIxxx", 11, 5, 2, 4, 0), b"\0", "a unit's header"),
        (struct.pack("<IQxxx", 0xFFFFFFFF, 1 << 60), b"\0", "reaches beyond .debug_info"),
        (unit_header(table=5), b"\0", "abbreviation table at 0x5"),
        (unit_header(), b"", "abbreviation table at 0x0"),
        (unit_header(), b"\x01\x11\x00\x03\x08", "abbreviation table"),
        # Numbers that pyelftools would read to the end of, each byte slower than the one before.
        (unit_header(), b"\x01" + b"\xff" * 500_000, "abbreviation table"),
        (unit_header(), b"\x01\x11\x00" + b"\x03\x21" + b"\xff" * 500_000, "abbreviation table"),
        # Declarations without end: too many attributes, too many of them.
        (unit_header(), b"\x01\x11\x00" + b"\x03\x08" * 200_000, "abbreviation table"),
        (unit_header(), b"\x01\x11\x00\x03\x08\x00\x00" * 50_000 + b"\0", "abbreviation table"),
        # Tables inside each other.
        (
            b"".join(unit_header(table=7 * i) for i in range(8000)),
            b"\x01\x11\x00\x03\x08\x00\x00" * 8000 + b"\0",
            "tables overlap",
        ),
    ],
)
def test_units_and_abbreviations(info: bytes, abbreviations: bytes, message: str) -> None:
    assert message in refused(with_units(info, abbreviations))


def test_unknown_numbers_of_tags_and_attributes_are_kept(
    die: Any, write_object: Callable[..., ObjectInfo]
) -> None:
    """Vendors' own ones have no names in pyelftools; they must not disturb the rest."""
    size = (dw.DW_AT_byte_size, dw.DW_FORM_data1, 4)
    own = die(0x4ABC, [(0x3ABC, dw.DW_FORM_udata, 300), (0x3ABD, dw.DW_FORM_implicit_const, -5)])
    name = (dw.DW_AT_name, dw.DW_FORM_strp, "Reading")
    info = write_object([die(0x11, [], [own, die(dw.DW_TAG_structure_type, [name, size])])], 5)
    (type_,) = info.find_types("Reading")
    assert type_.size == 4


def symbols(table: bytes, strings: bytes, **changes: int) -> bytes:
    kind = {"type": 2, "link": 2, "entry": 16} | changes
    return with_sections((b".symtab", kind, table), (b".strtab", {"type": 3}, strings))


def test_symbols_by_name() -> None:
    rows = [(0, 0, 0, 0, 0), (1, 0x101, 4, 0x12, 1), (6, 0x200, 8, 1, 0xFFF1), (1, 0, 0, 0x10, 0)]
    table = b"".join(struct.pack("<IIIBBH", a, b, c, d, 0, e) for a, b, c, d, e in rows)
    info = ObjectInfo("test", symbols(table, b"\0main\0END\0"))
    (main,) = info.elf.find_symbols("main")
    assert (main.address, main.size, main.kind, main.section) == (0x100, 4, "function", ".symtab")
    (end,) = info.elf.find_symbols("END")
    assert (end.address, end.is_global, end.section) == (0x200, False, "")
    assert list(info.symbols) == [main, end]
    assert info.elf.find_symbols("") == info.elf.find_symbols("ain") == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (symbols(bytes(16 << 17), b"\0"), "a symbol table of 2097152 bytes"),
        (
            symbols(
                struct.pack("<III", 1, 16 << 17, 1) + zlib.compress(bytes(16 << 17)),
                b"\0",
                flags=0x800,
            ),
            "a symbol table of 2097152 bytes",
        ),
        (symbols(bytes(16), b"\0", link=9), "has no string table"),
        (symbols(b"\x01" + bytes(15), b"\0main"), "make no sense"),
        (symbols(b"\x01" + bytes(15), b"\0" + b"a" * 20_000 + b"\0"), "make no sense"),
        (symbols((b"\x01" + bytes(15)) * 60_000, b"\0" + b"a" * 9000 + b"\0"), "make no sense"),
    ],
)
def test_symbol_tables(data: bytes, message: str) -> None:
    assert message in refused(data)
    with pytest.raises(DebugInfoError, match=message):
        ObjectInfo("test", data).elf.find_symbols("main")
