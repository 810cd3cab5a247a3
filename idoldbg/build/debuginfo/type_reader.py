"""Makes `idoldbg.model.types` values of type entries (DWARF 5, chapter 5; variant parts: 5.7.10).

Names are full paths: the name in an entry is short, its namespaces and enclosing types make the
path. What rustc versions write differently comes out the same: discriminants are normalised by the
type that holds them (rustc 1.67 gives -1 in an i8 as 255, later ones as -1). Where that type is
signed, a constant in a form of fixed size is extended from the size of the form: LLVM chooses the
smallest one that holds the value (`DIEInteger::BestForm`), so -3 in an i32 is one byte, 0xfd. The
tag of a niche has an unsigned type, whatever it is a part of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.dies import TYPE_TAGS, Die, DieReader
from idoldbg.build.debuginfo.interner import TypeInterner
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import read_uleb
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
    TypeAt,
    Union,
    Variant,
    short_name,
)

__all__ = ["TypeReader"]

MAX_DEPTH = 64  # of types inside types; of scopes around them (well inside Python's own limit)
MAX_NAME = 65536  # characters of a full path
MAX_PARTS = 8192  # members, variants or enumerators of a type, and what else stands in it
# Of all types of an object that are read: the largest task of a real build has 13,000 (LPC55 RoT,
# `sprot`), of which an audit needs a part.
MAX_PARTS_READ = 1 << 17
MAX_NUMBER_SIZE = 16  # bytes: those of a u128

_ENCODINGS = {
    dw.DW_ATE_boolean: ScalarKind.BOOL,
    dw.DW_ATE_float: ScalarKind.FLOAT,
    dw.DW_ATE_signed: ScalarKind.SIGNED,
    dw.DW_ATE_signed_char: ScalarKind.SIGNED,
    dw.DW_ATE_unsigned: ScalarKind.UNSIGNED,
    dw.DW_ATE_unsigned_char: ScalarKind.UNSIGNED,
    dw.DW_ATE_UTF: ScalarKind.CHAR,
}
_POINTERS = {
    dw.DW_TAG_pointer_type: "*",
    dw.DW_TAG_reference_type: "&",
    dw.DW_TAG_rvalue_reference_type: "&&",
    dw.DW_TAG_ptr_to_member_type: "*",
}
# C's; Rust writes none of them. They stand for the type that they qualify.
_TRANSPARENT = frozenset(
    {
        dw.DW_TAG_typedef,
        dw.DW_TAG_const_type,
        dw.DW_TAG_volatile_type,
        dw.DW_TAG_restrict_type,
        dw.DW_TAG_atomic_type,
    }
)


def _normalise(value: int, size: int, signed: bool) -> int:
    """Return the number that `size` bytes holding `value` are read as."""
    bits = 8 * size
    if not bits:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _origin(die: Die) -> int | None:
    """Return the entry that has the name of one without: it may be in a unit of types."""
    for link in (dw.DW_AT_specification, dw.DW_AT_abstract_origin, dw.DW_AT_signature):
        offset = die.get_int(link)
        if offset:
            return offset
    return None


class TypeReader:
    """Reads the types of one object; each entry is read once, equal ones become one value.

    `target_at` makes what a pointer finds its target with.
    """

    def __init__(
        self, reader: DieReader, interner: TypeInterner, target_at: Callable[[int], TypeAt]
    ) -> None:
        self._reader = reader
        self._interner = interner
        self._target_at = target_at
        self._types: dict[int, Type] = {}
        self._open: set[int] = set()
        self._paths: dict[int, str] = {0: ""}
        self._names: dict[int, str] = {}
        self._parts_read = 0

    # ---- names ----------------------------------------------------------------------------------

    def path(self, offset: int, depth: int = 0) -> str:
        """Return the full path of a namespace, subprogram, variable or named type."""
        path = self._paths.get(offset)
        if path is None:
            if depth > MAX_DEPTH:
                raise Malformed("scopes are nested deeper than in any build", offset)
            die = self._reader.die(offset)
            origin = None if die.name is not None else _origin(die)
            if origin is not None:
                path = self.path(origin, depth + 1)
            else:
                around = self.path(self._reader.scope_of(offset), depth + 1)
                name = die.name or "{anonymous}"
                path = f"{around}::{name}" if around else name
            if len(path) > MAX_NAME:
                raise Malformed("a name longer than in any build", offset)
            self._paths[offset] = path
        return path

    def name(self, offset: int, depth: int = 0) -> str:
        """Return the full name of a type without reading what is in it."""
        name = self._names.get(offset)
        if name is None:
            if depth > MAX_DEPTH:
                raise Malformed("types are nested deeper than in any build", offset)
            name = self._names[offset] = self._name(self._reader.die(offset), depth)
            if len(name) > MAX_NAME:
                raise Malformed("a name longer than in any build", offset)
        return name

    def _name(self, die: Die, depth: int) -> str:
        target = die.get_int(dw.DW_AT_type)
        if die.tag in _TRANSPARENT:
            return "()" if target is None else self.name(target, depth + 1)
        if die.name is not None or dw.DW_AT_signature in die.attributes:
            return self.path(die.offset)
        inner = "()" if target is None else self.name(target, depth + 1)
        if die.tag in _POINTERS:
            return _POINTERS[die.tag] + inner
        if die.tag == dw.DW_TAG_array_type:
            for count in reversed(self._counts(die)):
                inner = f"[{inner}]" if count is None else f"[{inner}; {count}]"
            return inner
        if die.tag == dw.DW_TAG_subroutine_type:
            parameters = [
                self.name(p, depth + 1)
                for c in self._reader.iter_children(die)
                if c.tag == dw.DW_TAG_formal_parameter
                and (p := c.get_int(dw.DW_AT_type)) is not None
            ]
            return f"fn({', '.join(parameters)})" + ("" if target is None else f" -> {inner}")
        return self.path(die.offset)

    # ---- types ----------------------------------------------------------------------------------

    def type_at(self, offset: int) -> Type:
        """Return the type whose entry is at an offset of `.debug_info`."""
        type_ = self._types.get(offset)
        if type_ is None:
            if offset in self._open:
                raise Malformed("a type that contains itself", offset)
            if len(self._open) > MAX_DEPTH:
                raise Malformed("types are nested deeper than in any build", offset)
            self._open.add(offset)
            try:
                type_ = self._types[offset] = self._interner.intern(self._read(offset))
            finally:
                self._open.discard(offset)
        return type_

    def _target(self, die: Die) -> Type:
        target = die.get_int(dw.DW_AT_type)
        if target is None:
            return self._interner.intern(Scalar("()", 0, ScalarKind.UNSIGNED))
        return self.type_at(target)

    def _read(self, offset: int) -> Type:
        die = self._reader.die(offset)
        if die.tag not in TYPE_TAGS:
            raise Malformed(f"a type was expected, not an entry with tag 0x{die.tag:x}", offset)
        if die.tag in _TRANSPARENT:
            return self._target(die)
        signature = die.get_int(dw.DW_AT_signature)
        if signature is not None:
            return self.type_at(signature)
        name = self.name(offset)
        size = die.get_int(dw.DW_AT_byte_size)
        if die.attributes.get(dw.DW_AT_declaration):
            return Opaque(name, "only declared here, not defined")
        read = _READERS.get(die.tag)
        if read is None:
            return Opaque(name, "a type of no known kind", size or 0)
        return read(self, die, name, 0 if size is None else size)

    def _scalar(self, die: Die, name: str, size: int) -> Type:
        encoding = _ENCODINGS.get(die.get_int(dw.DW_AT_encoding) or 0)
        if encoding is None:
            return Opaque(name, "a scalar of no known encoding", size)
        return Scalar(name, size, encoding)

    def _pointer(self, die: Die, name: str, size: int) -> Type:
        target = die.get_int(dw.DW_AT_type)
        size = size if dw.DW_AT_byte_size in die.attributes else 4
        if target is None:
            return Pointer(name, size, "()")
        return Pointer(name, size, self.name(target), self._target_at(target))

    def _counts(self, die: Die) -> list[int | None]:
        """The lengths of an array's dimensions, outermost first; None where not constant."""
        counts: list[int | None] = []
        for child in self._reader.iter_children(die):
            if child.tag != dw.DW_TAG_subrange_type:
                continue
            count = child.get_int(dw.DW_AT_count)
            upper = child.get_int(dw.DW_AT_upper_bound)
            if count is None and upper is not None:
                count = upper + 1 - (child.get_int(dw.DW_AT_lower_bound) or 0)
            counts.append(count)
            if len(counts) > MAX_DEPTH:
                raise Malformed("an array of more dimensions than in any build", die.offset)
        return counts

    def _array(self, die: Die, name: str, size: int) -> Type:
        type_ = self._target(die)
        counts = self._counts(die)
        if not counts or any(c is None or c < 0 for c in counts):
            return Opaque(name, "an array whose length is not constant", size)
        for count in reversed(counts):
            type_ = self._interner.intern(Array(f"[{type_.name}; {count}]", type_, count or 0))
        return type_

    def _iter_parts(self, die: Die) -> Iterator[Die]:
        for count, child in enumerate(self._reader.iter_children(die)):
            if count == MAX_PARTS:
                raise Malformed(f"a type of more than {MAX_PARTS} parts", die.offset)
            self._parts_read += 1
            if self._parts_read > MAX_PARTS_READ:
                raise Malformed(
                    f"the types of an object have more than {MAX_PARTS_READ} parts", die.offset
                )
            yield child

    def _c_enum(self, die: Die, name: str, size: int) -> Type:
        enumerators: list[tuple[Die, int]] = []
        for child in self._iter_parts(die):
            value = child.get_constant(dw.DW_AT_const_value)
            if child.tag == dw.DW_TAG_enumerator and value is not None:
                enumerators.append((child, value))
        has_negative = any(v < 0 for _, v in enumerators)
        signed = has_negative
        if dw.DW_AT_type in die.attributes:
            base = self._target(die)
            signed = _is_signed(base)
            size = size or base.size
        # A compiler with a form for negative numbers (GCC, in C) has the others for the rest.
        extends = signed and not has_negative
        values = [
            (c.name or "", c.get_constant(dw.DW_AT_const_value, signed=True) or 0)
            if extends
            else (c.name or "", v)
            for c, v in enumerators
        ]
        if size > MAX_NUMBER_SIZE:
            return Opaque(name, "an enum larger than any number", size)
        return CEnum(
            name, size, signed, tuple(Enumerator(n, _normalise(v, size, signed)) for n, v in values)
        )

    def _struct(self, die: Die, name: str, size: int) -> Type:
        members: list[Member] = []
        for child in self._iter_parts(die):
            if child.tag == dw.DW_TAG_variant_part:
                return self._enum(child, name, size)
            if child.tag != dw.DW_TAG_member or dw.DW_AT_external in child.attributes:
                continue
            if dw.DW_AT_bit_size in child.attributes:
                return Opaque(name, "has bit fields, which Rust does not make", size)
            members.append(self._member(child))
        return Struct(name, size, tuple(members))

    def _union(self, die: Die, name: str, size: int) -> Type:
        children = self._iter_parts(die)
        members = tuple(self._member(c) for c in children if c.tag == dw.DW_TAG_member)
        return Union(name, size, members)

    def _member(self, die: Die) -> Member:
        location = die.attributes.get(dw.DW_AT_data_member_location, 0)
        if isinstance(location, bytes):  # DWARF 2: an expression that adds to the address
            if not location or location[0] != dw.DW_OP_plus_uconst:
                raise Malformed("a member at no constant offset", die.offset)
            location, _ = read_uleb(location + b"\0", 1)
        if not isinstance(location, int) or location < 0:
            raise Malformed("a member whose offset is not a number", die.offset)
        return Member(die.name or "", location, self._target(die))

    def _enum(self, part: Die, name: str, size: int) -> Type:
        discriminant_at = part.get_int(dw.DW_AT_discr)
        tag: Member | None = None
        variants: list[Variant] = []
        raw: list[Die] = []
        for child in self._iter_parts(part):
            if child.tag == dw.DW_TAG_member and child.offset == discriminant_at:
                tag = self._member(child)
            elif child.tag == dw.DW_TAG_variant:
                if dw.DW_AT_discr_list in child.attributes:
                    return Opaque(name, "has variants chosen by lists of discriminants", size)
                raw.append(child)
        is_signed = tag is not None and _is_signed(tag.type)
        for child in raw:
            value = child.get_constant(dw.DW_AT_discr_value, signed=is_signed)
            members = [m for m in self._iter_parts(child) if m.tag == dw.DW_TAG_member]
            if len(members) != 1:
                return Opaque(name, "has a variant without exactly one member", size)
            member = self._member(members[0])
            if not isinstance(member.type, Struct):
                return Opaque(name, "has a variant that is not a struct", size)
            if value is not None and tag is not None:
                if tag.type.size > MAX_NUMBER_SIZE:
                    return Opaque(name, "has a discriminant larger than any number", size)
                value = _normalise(value, tag.type.size, is_signed)
            variants.append(Variant(_variant_name(member), value, member.offset, member.type))
        return Enum(name, size, tag, tuple(variants))


def _variant_name(member: Member) -> str:
    """Return what a variant is called: the states of coroutines have numbers for members.

    Of these, the struct of the fields has the name: `Unresumed`, `Returned`, `Suspend0`.
    """
    if not member.name.isdecimal():
        return member.name
    return short_name(member.type.name) or member.name


def _is_signed(type_: Type) -> bool:
    if isinstance(type_, CEnum):
        return type_.signed
    return isinstance(type_, Scalar) and type_.encoding is ScalarKind.SIGNED


_READERS: dict[int, Callable[[TypeReader, Die, str, int], Type]] = {
    dw.DW_TAG_base_type: TypeReader._scalar,
    dw.DW_TAG_structure_type: TypeReader._struct,
    dw.DW_TAG_class_type: TypeReader._struct,
    dw.DW_TAG_union_type: TypeReader._union,
    dw.DW_TAG_enumeration_type: TypeReader._c_enum,
    dw.DW_TAG_array_type: TypeReader._array,
    dw.DW_TAG_subroutine_type: lambda reader, die, name, size: Subroutine(name, size),
    **dict.fromkeys(_POINTERS, TypeReader._pointer),
}
