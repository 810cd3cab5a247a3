"""Every attribute form that can carry a name, a number, a reference or an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo import constants as dw
from idoldbg.errors import DebugInfoError
from idoldbg.model.types import Array, Member, Pointer, Scalar, ScalarKind, Struct, Type

U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)


def strp(text: str) -> tuple[int, int, str]:
    return (dw.DW_AT_name, dw.DW_FORM_strp, text)


def base(die: Any, name: str = "u8", size: int = 1, encoding: int = dw.DW_ATE_unsigned) -> Any:
    return die(
        dw.DW_TAG_base_type,
        [
            strp(name),
            (dw.DW_AT_encoding, dw.DW_FORM_data1, encoding),
            (dw.DW_AT_byte_size, dw.DW_FORM_data1, size),
        ],
    )


def unit(die: Any, *children: Any, attributes: Any = ()) -> Any:
    return die(0x11, [strp("unit"), *attributes], children)


@pytest.mark.parametrize(
    ("version", "form"),
    [
        *((4, f) for f in (dw.DW_FORM_strp, dw.DW_FORM_string)),
        *(
            (5, f)
            for f in (
                dw.DW_FORM_strp,
                dw.DW_FORM_string,
                dw.DW_FORM_line_strp,
                dw.DW_FORM_strx,
                dw.DW_FORM_strx1,
                dw.DW_FORM_strx2,
                dw.DW_FORM_strx3,
                dw.DW_FORM_strx4,
            )
        ),
    ],
)
def test_names(version: int, form: int, die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    named = die(
        dw.DW_TAG_structure_type,
        [(dw.DW_AT_name, form, "Reading"), (dw.DW_AT_byte_size, dw.DW_FORM_data1, 0)],
    )
    space = die(dw.DW_TAG_namespace, [(dw.DW_AT_name, form, "sensor_api")], [named])
    bases = (
        (dw.DW_AT_str_offsets_base, dw.DW_FORM_sec_offset, 8),
        (dw.DW_AT_addr_base, dw.DW_FORM_sec_offset, 8),
    )
    info = write_object([unit(die, space, attributes=bases if version == 5 else ())], version)
    (type_,) = [t for _, t in info.iter_types()]
    assert type_ == Struct("sensor_api::Reading", 0, ())
    # line_strp names are not names that look-ups have to find: no compiler gives them to types.
    if form != dw.DW_FORM_line_strp:
        for name in ("Reading", "sensor_api::Reading"):
            assert info.find_types(name) == (type_,)
        assert info.find_types("api::Reading") == ()


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (dw.DW_FORM_data1, 200, 200),
        (dw.DW_FORM_data2, 40000, 40000),
        (dw.DW_FORM_data4, 70000, 70000),
        (dw.DW_FORM_data8, 1 << 40, 1 << 40),
        (dw.DW_FORM_data16, 1 << 100, 1 << 100),
        (dw.DW_FORM_udata, 300, 300),
        (dw.DW_FORM_sdata, 300, 300),
        (dw.DW_FORM_implicit_const, 77, 77),
        (dw.DW_FORM_indirect, (dw.DW_FORM_udata, 129), 129),
        (dw.DW_FORM_indirect, (dw.DW_FORM_data2, 515), 515),
    ],
)
def test_numbers(
    form: int, value: Any, expected: int, die: Any, write_object: Callable[..., ObjectInfo]
) -> None:
    u8 = base(die)
    count = die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, form, value)])
    array = die(dw.DW_TAG_array_type, [(dw.DW_AT_type, dw.DW_FORM_ref4, u8)], [count])
    info = write_object([unit(die, u8, array)], 5)
    types = [t for _, t in info.iter_types()]
    assert types[1] == Array(f"[u8; {expected}]", U8, expected)


@pytest.mark.parametrize(
    "form",
    [
        dw.DW_FORM_ref1,
        dw.DW_FORM_ref2,
        dw.DW_FORM_ref4,
        dw.DW_FORM_ref8,
        dw.DW_FORM_ref_udata,
        dw.DW_FORM_ref_addr,
    ],
)
def test_references(form: int, die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    u8 = base(die)
    member = die(
        dw.DW_TAG_member,
        [
            strp("a"),
            (dw.DW_AT_type, form, u8),
            (dw.DW_AT_data_member_location, dw.DW_FORM_data1, 3),
        ],
    )
    pair = die(
        dw.DW_TAG_structure_type,
        [strp("Pair"), (dw.DW_AT_byte_size, dw.DW_FORM_data1, 4)],
        [member],
    )
    other = unit(die, base(die, "u16", 2))
    # ref_addr reaches other units, the rest their own.
    units = [other, unit(die, u8), unit(die, pair)] if form == dw.DW_FORM_ref_addr else []
    info = write_object(units or [other, unit(die, u8, pair)])
    assert info.find_types("Pair") == (Struct("Pair", 4, (Member("a", 3, U8),)),)


@pytest.mark.parametrize(
    ("version", "location", "address", "pieces"),
    [
        (4, b"\x03\x10\x00\x00\x20", 0x20000010, ((0x20000010, 8),)),
        (4, b"\x03\x10\x00\x00\x20\x23\x04", 0x20000014, ((0x20000014, 8),)),
        (
            4,
            b"\x03\x10\x00\x00\x20\x93\x04\x03\x14\x00\x00\x20\x93\x04",
            0x20000010,
            ((0x20000010, 4), (0x20000014, 4)),
        ),
        (
            4,
            b"\x03\x10\x00\x00\x20\x93\x04\x03\x34\x00\x00\x20\x93\x04",
            None,
            ((0x20000010, 4), (0x20000034, 4)),
        ),
        # Half of it was optimised away.
        (4, b"\x03\x10\x00\x00\x20\x93\x04", None, ((0x20000010, 4),)),
        (4, b"\x93\x04\x03\x10\x00\x00\x20\x93\x04", None, ()),
        (4, b"\x03\x00\x00\x00\x00", None, ()),  # dropped by the linker
        (5, b"\xa1\x00", 0x20000700, ((0x20000700, 8),)),
    ],
)
def test_locations(
    version: int,
    location: bytes,
    address: int | None,
    pieces: tuple[tuple[int, int], ...],
    die: Any,
    write_object: Callable[..., ObjectInfo],
) -> None:
    u64 = base(die, "u64", 8)
    attributes = [
        strp("COUNT"),
        (dw.DW_AT_type, dw.DW_FORM_ref4, u64),
        (dw.DW_AT_location, dw.DW_FORM_exprloc, location),
    ]
    static = die(dw.DW_TAG_variable, attributes)
    # Something has to put the address into .debug_addr.
    code = die(dw.DW_TAG_subprogram, [(dw.DW_AT_low_pc, dw.DW_FORM_addrx, 0x20000700)])
    space = die(dw.DW_TAG_namespace, [strp("app")], [static])
    children = (u64, code, space) if version == 5 else (u64, space)
    info = write_object([unit(die, *children)], version)
    (variable,) = info.find_variables("app::COUNT")
    assert (variable.address, variable.pieces) == (address, pieces)
    assert (variable.type.name, variable.full_name) == ("u64", "app::COUNT")
    assert [v.full_name for v in info.iter_variables()] == ["app::COUNT"]


def test_pointers_resolve_when_asked(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    """A list node that points to itself is the one recursion there is."""
    node = die(dw.DW_TAG_structure_type, [])
    pointer = die(
        dw.DW_TAG_pointer_type,
        [strp("&Node"), (dw.DW_AT_type, dw.DW_FORM_ref4, node)],
    )
    node.attributes = [strp("Node"), (dw.DW_AT_byte_size, dw.DW_FORM_data1, 4)]
    node.children = [
        die(dw.DW_TAG_member, [strp("next"), (dw.DW_AT_type, dw.DW_FORM_ref4, pointer)])
    ]
    info = write_object([unit(die, node, pointer)])
    (type_,) = info.find_types("Node")
    assert isinstance(type_, Struct)
    link: Type = type_.members[0].type
    assert link == Pointer("&Node", 4, "Node")
    assert isinstance(link, Pointer) and link.resolve_target is not None
    assert link.resolve_target() is type_


def test_tails_of_strings_are_found(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    """Linkers may keep `Error` only as the end of `SpiError`."""
    long = base(die, "SpiError")
    info = write_object([unit(die, long, base(die, "XX"))])
    data = bytearray(info.elf.data)
    strings = info.elf.find_section(".debug_str")
    section = info.elf.find_section(".debug_info")
    assert strings is not None and section is not None
    whole = info.elf.section_data(strings)
    old = whole.index(b"XX\0").to_bytes(4, "little")
    new = (whole.index(b"SpiError\0") + 3).to_bytes(4, "little")
    at = data.index(old, section.offset)
    data[at : at + 4] = new
    info = ObjectInfo("test", bytes(data))
    assert info.find_types("Error") == (Scalar("Error", 1, ScalarKind.UNSIGNED),)
    assert "Error" in info.find_type_names("Err")


def test_ends_that_many_strings_share(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    """Then it is not told by the string which one an entry means."""
    bases = [base(die, f"Type{i}Id") for i in range(100)]
    info = write_object([unit(die, *bases, base(die, "XX"))])
    data = bytearray(info.elf.data)
    strings = info.elf.find_section(".debug_str")
    section = info.elf.find_section(".debug_info")
    assert strings is not None and section is not None
    whole = info.elf.section_data(strings)
    old = whole.index(b"XX\0").to_bytes(4, "little")
    new = (whole.index(b"Type77Id\0") + 6).to_bytes(4, "little")
    at = data.index(old, section.offset)
    data[at : at + 4] = new
    info = ObjectInfo("test", bytes(data))
    assert info.find_types("Id") == (Scalar("Id", 1, ScalarKind.UNSIGNED),)


def test_names_by_their_beginning(die: Any, write_object: Callable[..., ObjectInfo]) -> None:
    names = ["Option<u8>", "Option<(u8, fn(u8) -> u8)>", "&core::option::Option<i8>", "Optional"]
    names.append("Result<core::option::Option<u16>, u8>")
    info = write_object([unit(die, *(base(die, n) for n in names))])
    found = info.find_type_names("Option<")
    assert set(found) == {"Option<u8>", "Option<(u8, fn(u8) -> u8)>", "Option<i8>"}
    assert info.find_types("Option<i8>") == ()


def test_split_debug_information_of_dwarf_4_is_refused(
    die: Any, write_object: Callable[..., ObjectInfo]
) -> None:
    """Of DWARF 5 there is a whole build in `fixtures/toolchains`."""
    split = (dw.DW_AT_GNU_dwo_name, dw.DW_FORM_strp, "sensor.dwo")
    info = write_object([unit(die, attributes=[split])], 4)
    with pytest.raises(DebugInfoError, match=r"split: .* build with -Csplit-debuginfo=off"):
        list(info.iter_types())
