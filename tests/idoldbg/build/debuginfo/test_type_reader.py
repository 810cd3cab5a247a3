"""Types as rustc writes them, from its DWARF entries to `idoldbg.model.types`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo import constants as dw
from idoldbg.call.codec import image
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
from idoldbg.model.values import EnumValue, format_value

Write = Callable[..., ObjectInfo]
U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)
I8 = Scalar("i8", 1, ScalarKind.SIGNED)


def named(name: str) -> tuple[int, int, str]:
    return (dw.DW_AT_name, dw.DW_FORM_strp, name)


def sized(size: int) -> tuple[int, int, int]:
    return (dw.DW_AT_byte_size, dw.DW_FORM_data1, size)


def typed(target: Any) -> tuple[int, int, Any]:
    return (dw.DW_AT_type, dw.DW_FORM_ref4, target)


def base(die: Any, name: str, size: int, encoding: int) -> Any:
    return die(
        dw.DW_TAG_base_type,
        [named(name), sized(size), (dw.DW_AT_encoding, dw.DW_FORM_data1, encoding)],
    )


def member(die: Any, name: str, offset: int, target: Any) -> Any:
    at = (dw.DW_AT_data_member_location, dw.DW_FORM_data1, offset)
    return die(dw.DW_TAG_member, [named(name), typed(target), at])


def read(write_object: Write, die: Any, *children: Any) -> list[Type]:
    info = write_object([die(0x11, [], list(children))])
    return [t for _, t in info.iter_types()]


@pytest.mark.parametrize(
    ("name", "size", "code", "encoding"),
    [
        ("u128", 16, dw.DW_ATE_unsigned, ScalarKind.UNSIGNED),
        ("isize", 4, dw.DW_ATE_signed, ScalarKind.SIGNED),
        ("i8", 1, dw.DW_ATE_signed_char, ScalarKind.SIGNED),
        ("u8", 1, dw.DW_ATE_unsigned_char, ScalarKind.UNSIGNED),
        ("f32", 4, dw.DW_ATE_float, ScalarKind.FLOAT),
        ("bool", 1, dw.DW_ATE_boolean, ScalarKind.BOOL),
        ("char", 4, dw.DW_ATE_UTF, ScalarKind.CHAR),
        ("()", 0, dw.DW_ATE_unsigned, ScalarKind.UNSIGNED),
        ("!", 0, dw.DW_ATE_unsigned, ScalarKind.UNSIGNED),
    ],
)
def test_scalars(
    name: str, size: int, code: int, encoding: ScalarKind, die: Any, write_object: Write
) -> None:
    assert read(write_object, die, base(die, name, size, code)) == [Scalar(name, size, encoding)]


def test_scalar_of_another_language(die: Any, write_object: Write) -> None:
    (type_,) = read(write_object, die, base(die, "complex float", 8, 3))
    assert type_ == Opaque("complex float", "a scalar of no known encoding", 8)


@pytest.mark.parametrize(("form", "value"), [(dw.DW_FORM_data1, 255), (dw.DW_FORM_sdata, -1)])
def test_negative_enumerators_of_all_compilers(
    form: int, value: int, die: Any, write_object: Write
) -> None:
    """rustc 1.67 gives `Less` of an i8 as 255, later ones as -1."""
    i8 = base(die, "i8", 1, dw.DW_ATE_signed)
    less = die(dw.DW_TAG_enumerator, [named("Less"), (dw.DW_AT_const_value, form, value)])
    enum = die(dw.DW_TAG_enumeration_type, [named("Ordering"), sized(1), typed(i8)], [less])
    assert read(write_object, die, i8, enum)[1] == CEnum(
        "Ordering", 1, True, (Enumerator("Less", -1),)
    )


def option(die: Any, tag_type: Any, payload: Any, discriminant: tuple[int, int, Any]) -> Any:
    """`Option<T>` with a niche: Some has no discriminant, None has the one that T cannot be."""
    none = die(dw.DW_TAG_structure_type, [named("None"), sized(4)])
    some = die(
        dw.DW_TAG_structure_type, [named("Some"), sized(4)], [member(die, "__0", 0, payload)]
    )
    tag = die(
        dw.DW_TAG_member,
        [typed(tag_type), (dw.DW_AT_data_member_location, dw.DW_FORM_data1, 0)],
    )
    variants = [
        die(dw.DW_TAG_variant, [discriminant], [member(die, "None", 0, none)]),
        die(dw.DW_TAG_variant, [], [member(die, "Some", 0, some)]),
    ]
    part = die(dw.DW_TAG_variant_part, [(dw.DW_AT_discr, dw.DW_FORM_ref4, tag)], [tag, *variants])
    return die(dw.DW_TAG_structure_type, [named("Option<T>"), sized(4)], [part, none, some])


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (dw.DW_FORM_data4, 1114112, 1114112),  # just above the last char
        (dw.DW_FORM_sdata, -1, 0xFFFFFFFF),
        # LLVM writes what does not fit 64 bits as a block.
        (dw.DW_FORM_block1, bytes([2, *bytes(15)]), 2),
    ],
)
def test_niches(form: int, value: Any, expected: int, die: Any, write_object: Write) -> None:
    u32 = base(die, "u32", 4, dw.DW_ATE_unsigned)
    char = base(die, "char", 4, dw.DW_ATE_UTF)
    enum = option(die, u32, char, (dw.DW_AT_discr_value, form, value))
    types = read(write_object, die, u32, char, enum)
    none = Struct("Option<T>::None", 4, ())
    scalar = Scalar("char", 4, ScalarKind.CHAR)
    some = Struct("Option<T>::Some", 4, (Member("__0", 0, scalar),))
    tag = Member("", 0, Scalar("u32", 4, ScalarKind.UNSIGNED))
    assert types[2] == Enum(
        "Option<T>",
        4,
        tag,
        (Variant("None", expected, 0, none), Variant("Some", None, 0, some)),
    )


# LLVM writes a constant in the smallest form of fixed size that holds it (DW_FORM_data*), GCC and
# DWARF 5 producers in others. (form, value as written, bytes of the tag, signed value, unsigned)
CONSTANTS = [
    (dw.DW_FORM_data1, 0xFD, 4, -3, 0xFD),
    (dw.DW_FORM_data1, 0x7D, 4, 0x7D, 0x7D),
    (dw.DW_FORM_data2, 0x00FD, 4, 0xFD, 0xFD),
    (dw.DW_FORM_data2, 0xFED4, 4, -300, 0xFED4),
    (dw.DW_FORM_data4, 0xFFFFFFFD, 8, -3, 0xFFFFFFFD),
    (dw.DW_FORM_data4, 0xFFFEEE90, 4, -70000, 0xFFFEEE90),
    (dw.DW_FORM_data8, 1 << 63, 8, -(1 << 63), 1 << 63),
    (dw.DW_FORM_data8, (1 << 64) - 3, 2, -3, 0xFFFD),
    (dw.DW_FORM_data16, (1 << 128) - 3, 16, -3, (1 << 128) - 3),
    (dw.DW_FORM_data1, 0xFD, 16, -3, 0xFD),
    (dw.DW_FORM_data1, 0xFD, 1, -3, 0xFD),
    (dw.DW_FORM_sdata, -3, 4, -3, 0xFFFFFFFD),
    (dw.DW_FORM_sdata, 253, 4, 253, 253),
    (dw.DW_FORM_udata, 253, 4, 253, 253),
    (dw.DW_FORM_udata, (1 << 64) - 3, 4, -3, 0xFFFFFFFD),
    (dw.DW_FORM_implicit_const, -3, 4, -3, 0xFFFFFFFD),
    (dw.DW_FORM_block1, b"\xfd\xff", 16, -3, 0xFFFD),
]


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(("form", "value", "size", "signed", "unsigned"), CONSTANTS)
def test_discriminants_have_the_sign_of_their_tag(
    version: int,
    form: int,
    value: Any,
    size: int,
    signed: int,
    unsigned: int,
    die: Any,
    write_object: Write,
) -> None:
    """Read, and written again: the tag's bytes are those of the value in the tag's own size."""
    for encoding, expected in ((dw.DW_ATE_signed, signed), (dw.DW_ATE_unsigned, unsigned)):
        number = base(die, "number", size, encoding)
        enum = tagged(die, number, size, (dw.DW_AT_discr_value, form, value))
        info = write_object([die(0x11, [], [number, enum])], version)
        type_ = info.find_types("Tagged")[0]
        assert isinstance(type_, Enum)
        assert [v.discriminant for v in type_.variants] == [expected]
        raw = expected.to_bytes(size, "little", signed=expected < 0)
        read_back = image.decode_strict(type_, raw)
        assert isinstance(read_back, EnumValue)
        assert (read_back.variant, read_back.code) == ("Only", expected)
        assert image.encode(read_back) == raw


def tagged(die: Any, number: Any, size: int, discriminant: tuple[int, int, Any]) -> Any:
    only = die(dw.DW_TAG_structure_type, [named("Only"), sized(size)])
    at = (dw.DW_AT_data_member_location, dw.DW_FORM_data1, 0)
    tag = die(dw.DW_TAG_member, [typed(number), at])
    variant = die(dw.DW_TAG_variant, [discriminant], [member(die, "Only", 0, only)])
    part = die(dw.DW_TAG_variant_part, [(dw.DW_AT_discr, dw.DW_FORM_ref4, tag)], [tag, variant])
    return die(dw.DW_TAG_structure_type, [named("Tagged"), sized(size)], [part, only])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([(dw.DW_FORM_data1, 0xFD), (dw.DW_FORM_data2, 0x00FD)], [-3, 253]),
        ([(dw.DW_FORM_sdata, -3), (dw.DW_FORM_sdata, 253)], [-3, 253]),
        # GCC, in C: what is not negative has a form without a sign.
        ([(dw.DW_FORM_sdata, -3), (dw.DW_FORM_data1, 0xFD)], [-3, 253]),
        ([(dw.DW_FORM_implicit_const, -3), (dw.DW_FORM_udata, 7)], [-3, 7]),
    ],
)
def test_enumerators_have_the_sign_of_their_type(
    written: list[tuple[int, Any]], expected: list[int], die: Any, write_object: Write
) -> None:
    number = base(die, "i32", 4, dw.DW_ATE_signed)
    names = [
        die(dw.DW_TAG_enumerator, [named(f"V{i}"), (dw.DW_AT_const_value, form, value)])
        for i, (form, value) in enumerate(written)
    ]
    enum = die(dw.DW_TAG_enumeration_type, [named("Level"), sized(4), typed(number)], names)
    type_ = read(write_object, die, number, enum)[1]
    assert isinstance(type_, CEnum)
    assert [e.value for e in type_.enumerators] == expected


def test_states_of_coroutines_go_by_the_names_of_their_structs(
    die: Any, write_object: Write
) -> None:
    u8 = base(die, "u8", 1, dw.DW_ATE_unsigned)
    names = ["Unresumed", "Returned", "Panicked", "Suspend0"]
    states = [die(dw.DW_TAG_structure_type, [named(name), sized(1)]) for name in names]
    tag = die(
        dw.DW_TAG_member,
        [named("__state"), typed(u8), (dw.DW_AT_data_member_location, dw.DW_FORM_data1, 0)],
    )
    variants = [
        die(
            dw.DW_TAG_variant,
            [(dw.DW_AT_discr_value, dw.DW_FORM_data1, index)],
            [member(die, str(index), 0, state)],
        )
        for index, state in enumerate(states)
    ]
    part = die(dw.DW_TAG_variant_part, [(dw.DW_AT_discr, dw.DW_FORM_ref4, tag)], [tag, *variants])
    future = die(dw.DW_TAG_structure_type, [named("{async_fn_env#0}"), sized(1)], [part, *states])
    info = write_object([die(0x11, [], [u8, future])])
    (type_,) = info.find_types("{async_fn_env#0}")
    assert isinstance(type_, Enum)
    assert [v.name for v in type_.variants] == names
    shown = image.decode(type_, b"\3")
    assert format_value(shown) == "Suspend0"


def test_enum_of_one_variant_has_no_tag(die: Any, write_object: Write) -> None:
    only = die(dw.DW_TAG_structure_type, [named("Only"), sized(0)])
    variant = die(dw.DW_TAG_variant, [], [member(die, "Only", 0, only)])
    part = die(dw.DW_TAG_variant_part, [], [variant])
    enum = die(dw.DW_TAG_structure_type, [named("One"), sized(0)], [part, only])
    (type_, _) = read(write_object, die, enum)
    assert type_ == Enum("One", 0, None, (Variant("Only", None, 0, Struct("One::Only", 0, ())),))


def test_unions_arrays_and_functions(die: Any, write_object: Write) -> None:
    u8 = base(die, "u8", 1, dw.DW_ATE_unsigned)

    def count(number: int) -> Any:
        return die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, dw.DW_FORM_data1, number)])

    grid = die(dw.DW_TAG_array_type, [typed(u8)], [count(2), count(3)])
    bounds = [
        (dw.DW_AT_lower_bound, dw.DW_FORM_data1, 0),
        (dw.DW_AT_upper_bound, dw.DW_FORM_data1, 4),
    ]
    c_array = die(dw.DW_TAG_array_type, [typed(u8)], [die(dw.DW_TAG_subrange_type, bounds)])
    unknown = die(dw.DW_TAG_array_type, [typed(u8)], [die(dw.DW_TAG_subrange_type)])
    union = die(dw.DW_TAG_union_type, [named("Either"), sized(5)], [member(die, "a", 0, c_array)])
    function = die(
        dw.DW_TAG_subroutine_type,
        [typed(u8)],
        [die(dw.DW_TAG_formal_parameter, [typed(c_array)])],
    )
    pointer = die(dw.DW_TAG_pointer_type, [typed(function)])
    types = read(write_object, die, u8, grid, c_array, unknown, union, function, pointer)
    row, five = Array("[u8; 3]", U8, 3), Array("[u8; 5]", U8, 5)
    assert types[1:] == [
        Array("[[u8; 3]; 2]", row, 2),
        five,
        Opaque("[u8]", "an array whose length is not constant"),
        Union("Either", 5, (Member("a", 0, five),)),
        Subroutine("fn([u8; 5]) -> u8"),
        Pointer("*fn([u8; 5]) -> u8", 4, "fn([u8; 5]) -> u8"),
    ]
    assert types[1].size == 6


def test_qualified_c_types_resolve_to_the_unqualified(die: Any, write_object: Write) -> None:
    u8 = base(die, "u8", 1, dw.DW_ATE_unsigned)
    constant = die(dw.DW_TAG_const_type, [typed(u8)])
    alias = die(dw.DW_TAG_typedef, [named("byte"), typed(constant)])
    array = die(
        dw.DW_TAG_array_type,
        [typed(alias)],
        [die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, dw.DW_FORM_data1, 2)])],
    )
    void = die(dw.DW_TAG_pointer_type, [])
    types = read(write_object, die, u8, constant, alias, array, void)
    assert types == [U8, U8, U8, Array("[u8; 2]", U8, 2), Pointer("*()", 4, "()")]


def test_declarations_are_marked_and_definitions_preferred(die: Any, write_object: Write) -> None:
    flag = (dw.DW_AT_declaration, dw.DW_FORM_flag_present, None)
    declared = die(dw.DW_TAG_structure_type, [named("Far"), flag])
    info = write_object([die(0x11, [], [declared])])
    assert info.find_types("Far") == (Opaque("Far", "only declared here, not defined"),)
    defined = die(dw.DW_TAG_structure_type, [named("Far"), sized(0)])
    info = write_object([die(0x11, [], [declared]), die(0x11, [], [defined])])
    assert info.find_types("Far") == (Struct("Far", 0, ()),)


def test_names_in_functions(die: Any, write_object: Write) -> None:
    """A type inside a function has the function's path, which stands at its declaration."""
    closure = die(dw.DW_TAG_structure_type, [named("{closure_env#0}"), sized(0)])
    declaration = die(dw.DW_TAG_subprogram, [named("run")])
    impl = die(dw.DW_TAG_namespace, [named("{impl#0}")], [declaration])
    block = die(0x0B, [], [closure])
    body = die(
        dw.DW_TAG_subprogram,
        [(dw.DW_AT_specification, dw.DW_FORM_ref4, declaration)],
        [block],
    )
    app = die(dw.DW_TAG_namespace, [named("app")], [impl])
    (type_,) = read(write_object, die, app, body)
    assert type_ == Struct("app::{impl#0}::run::{closure_env#0}", 0, ())


def test_equal_types_are_one_object(die: Any, write_object: Write) -> None:
    units = [die(0x11, [], [base(die, "u8", 1, dw.DW_ATE_unsigned)]) for _ in range(2)]
    info = write_object(units)
    first, second = (t for _, t in info.iter_types())
    assert first is second
    assert info.find_types("u8") == (U8,)


def test_functions(die: Any, write_object: Write) -> None:
    u8 = base(die, "u8", 1, dw.DW_ATE_unsigned)
    linkage = (dw.DW_AT_linkage_name, dw.DW_FORM_strp, "_ZN3app3runE")
    function = die(
        dw.DW_TAG_subprogram,
        [linkage, named("run"), typed(u8)],
        [
            die(dw.DW_TAG_formal_parameter, [named("level"), typed(u8)]),
            die(0x0B, [], [die(dw.DW_TAG_formal_parameter, [named("inlined"), typed(u8)])]),
        ],
    )
    info = write_object([die(0x11, [], [u8, die(dw.DW_TAG_namespace, [named("app")], [function])])])
    for name in ("run", "app::run", "_ZN3app3runE"):
        (found,) = info.find_subprograms(name)
        assert (found.full_name, found.result) == ("app::run", U8)
        assert found.parameters == (("level", U8),)
    assert info.find_variables("run") == () and info.find_types("run") == ()
