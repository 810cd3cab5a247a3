"""Debug information of Idol servers and clients, written out entry by entry.

`Dwarf` makes entries by full names, with real sizes and offsets, and keeps what they are called.
The functions that idolatry generates (`handle`, trait methods, clients) have a method each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idoldbg.build.debuginfo import constants as dw

Variables = Mapping[str, Any]


class Dwarf:
    """Builds the entries of one object; `die` is the class that describes an entry."""

    def __init__(self, die: Any) -> None:
        self.die = die
        self.top: list[Any] = []
        self.spaces: dict[str, Any] = {}
        self.sizes: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.u8 = self.base("u8", 1, dw.DW_ATE_unsigned)
        self.u16 = self.base("u16", 2, dw.DW_ATE_unsigned)
        self.u32 = self.base("u32", 4, dw.DW_ATE_unsigned)
        self.u64 = self.base("u64", 8, dw.DW_ATE_unsigned)
        self.f32 = self.base("f32", 4, dw.DW_ATE_float)
        self.unit_type = self.base("()", 0, dw.DW_ATE_unsigned)

    # ---- entries --------------------------------------------------------------------------------

    def add(self, path: str, tag: int, attributes: Sequence[Any], children: Sequence[Any]) -> Any:
        spaces, name = _split(path)
        made = self.die(tag, [(dw.DW_AT_name, dw.DW_FORM_strp, name), *attributes], list(children))
        self._around(spaces).append(made)
        self.names[id(made)] = path
        return made

    def _around(self, spaces: Sequence[str]) -> list[Any]:
        around = self.top
        for index, space in enumerate(spaces):
            key = "::".join(spaces[: index + 1])
            if key not in self.spaces:
                attribute = (dw.DW_AT_name, dw.DW_FORM_strp, space)
                self.spaces[key] = self.die(dw.DW_TAG_namespace, [attribute], [])
                around.append(self.spaces[key])
            around = self.spaces[key].children
        return around

    def unit(self) -> Any:
        return self.die(0x11, [], self.top)

    # ---- types ----------------------------------------------------------------------------------

    def base(self, name: str, size: int, encoding: int) -> Any:
        attributes = [
            (dw.DW_AT_encoding, dw.DW_FORM_data1, encoding),
            (dw.DW_AT_byte_size, dw.DW_FORM_data1, size),
        ]
        return self._sized(self.add(name, dw.DW_TAG_base_type, attributes, []), size)

    def struct(self, path: str, members: Variables | None = None, size: int | None = None) -> Any:
        children, end = self._members(members or {}, 0)
        size = end if size is None else size
        attributes = [(dw.DW_AT_byte_size, dw.DW_FORM_data1, size)]
        return self._sized(self.add(path, dw.DW_TAG_structure_type, attributes, children), size)

    def declare(self, path: str) -> Any:
        attribute = (dw.DW_AT_declaration, dw.DW_FORM_flag_present, 1)
        return self.add(path, dw.DW_TAG_structure_type, [attribute], [])

    def enum(self, path: str, *names: str, first: int = 1) -> Any:
        children = [
            self.die(
                dw.DW_TAG_enumerator,
                [
                    (dw.DW_AT_name, dw.DW_FORM_strp, name),
                    (dw.DW_AT_const_value, dw.DW_FORM_data1, index + first),
                ],
            )
            for index, name in enumerate(names)
        ]
        attributes = [
            (dw.DW_AT_byte_size, dw.DW_FORM_data1, 1),
            (dw.DW_AT_type, dw.DW_FORM_ref4, self.u8),
        ]
        return self._sized(self.add(path, dw.DW_TAG_enumeration_type, attributes, children), 1)

    def tagged(self, path: str, variants: Mapping[str, Any | None]) -> Any:
        """Make an enum whose variants hold one value or nothing, after a tag of one byte."""
        size = 1 + max((self.sizes[id(t)] for t in variants.values() if t is not None), default=0)
        tag = self.member("", self.u8, 0)
        part = self.die(dw.DW_TAG_variant_part, [(dw.DW_AT_discr, dw.DW_FORM_ref4, tag)], [tag])
        payloads = []
        for index, (name, held) in enumerate(variants.items()):
            members = [] if held is None else [self.member("__0", held, 1)]
            payload = self.die(
                dw.DW_TAG_structure_type,
                [
                    (dw.DW_AT_name, dw.DW_FORM_strp, name),
                    (dw.DW_AT_byte_size, dw.DW_FORM_data1, size),
                ],
                members,
            )
            payloads.append(payload)
            value = (dw.DW_AT_discr_value, dw.DW_FORM_data1, index)
            variant = self.die(dw.DW_TAG_variant, [value], [self.member(name, payload, 0)])
            part.children.append(variant)
        attributes = [(dw.DW_AT_byte_size, dw.DW_FORM_data1, size)]
        made = self.add(path, dw.DW_TAG_structure_type, attributes, [part, *payloads])
        return self._sized(made, size)

    def array(self, element: Any, count: int) -> Any:
        attributes = [(dw.DW_AT_type, dw.DW_FORM_ref4, element)]
        length = self.die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, dw.DW_FORM_data1, count)])
        made = self.die(dw.DW_TAG_array_type, attributes, [length])
        self.top.append(made)
        self.names[id(made)] = f"[{self.names[id(element)]}; {count}]"
        return self._sized(made, self.sizes[id(element)] * count)

    def pointer(self, target: Any, mark: str = "&") -> Any:
        path = mark + self.names[id(target)]
        attributes = [(dw.DW_AT_type, dw.DW_FORM_ref4, target)]
        return self._sized(self.add(path, dw.DW_TAG_pointer_type, attributes, []), 4)

    def result(self, ok: Any, error: Any) -> Any:
        path = f"core::result::Result<{self.names[id(ok)]}, {self.names[id(error)]}>"
        return self.tagged(path, {"Ok": ok, "Err": error})

    def request_error(self, error: Any) -> Any:
        fail = self.enum("idol_runtime::ClientError", "UnknownOperation")
        path = f"idol_runtime::RequestError<{self.names[id(error)]}>"
        return self.tagged(path, {"Runtime": error, "Fail": fail})

    def _members(self, members: Variables, at: int) -> tuple[list[Any], int]:
        made = []
        for name, target in members.items():
            made.append(self.member(name, target, at))
            at += self.sizes[id(target)]
        return made, at

    def member(self, name: str, target: Any, offset: int) -> Any:
        return self.die(
            dw.DW_TAG_member,
            [
                (dw.DW_AT_name, dw.DW_FORM_strp, name),
                (dw.DW_AT_type, dw.DW_FORM_ref4, target),
                (dw.DW_AT_data_member_location, dw.DW_FORM_data1, offset),
            ],
        )

    def _sized(self, made: Any, size: int) -> Any:
        self.sizes[id(made)] = size
        return made

    # ---- functions ------------------------------------------------------------------------------

    def function(
        self,
        path: str,
        parameters: Sequence[Any] = (),
        result: Any | None = None,
        *,
        linkage: str = "",
        body: Sequence[Any] = (),
    ) -> Any:
        attributes = [(dw.DW_AT_linkage_name, dw.DW_FORM_strp, linkage)] if linkage else []
        if result is not None:
            attributes.append((dw.DW_AT_type, dw.DW_FORM_ref4, result))
        children = [
            self.die(dw.DW_TAG_formal_parameter, [(dw.DW_AT_type, dw.DW_FORM_ref4, target)])
            for target in parameters
        ]
        return self.add(path, dw.DW_TAG_subprogram, attributes, [*children, *body])

    def block(self, variables: Variables, *inner: Any) -> Any:
        children = [
            self.die(
                dw.DW_TAG_variable,
                [
                    (dw.DW_AT_name, dw.DW_FORM_strp, name),
                    (dw.DW_AT_type, dw.DW_FORM_ref4, target),
                ],
            )
            for name, target in variables.items()
        ]
        return self.die(dw.DW_TAG_lexical_block, [], [*children, *inner])

    def method(self, parameters: Sequence[Any], result: Any | None = None) -> Any:
        """Make the server's method `op` of interface `Demo`, which is given a message besides."""
        self_, message = self.pointer(self.struct("server::Server")), self.u32
        return self.function(
            "server::{impl#0}::op",
            [self_, message, *parameters],
            result,
            linkage="_ZN55_$LT$server..Server$u20$as$u20$server..idl..InOrderDemoImpl$GT$2op17h01E",
        )

    def handler(
        self,
        arms: Sequence[tuple[Any, Any, Mapping[str, int]]],
        *,
        leased: Sequence[Any] = (),
        is_restricted: bool = False,
    ) -> Any:
        """Make `handle<Server>`: ARGS struct, ok and error type, and sizes of buffers of each arm.

        The buffers are those of the ok value (`ok`) and of the error (`error`). Each arm has a
        variable of each of the types `leased`, and is inside of a check of its caller if
        `is_restricted`.
        """
        blocks = []
        for message, (ok, error), sizes in arms:
            failure = self.request_error(error)
            inner = []
            for role, held in (("ok", {"val": ok}), ("error", {"val": failure})):
                buffers = []
                if role in sizes:
                    buffers = [self.block({"reply_buf": self.array(self.u8, sizes[role])})]
                if buffers and role == "error":
                    buffers = [self.block({"e": error}, *buffers)]
                inner.append(self.block(held, *buffers))
            answered = self.block({"r": self.result(ok, failure)}, *inner)
            lent = [
                part
                for type_ in leased
                for part in (self.block({"residual": failure}), self.block({"val": type_}))
            ]
            arm = self.block({"args": self.pointer(message)}, answered, *lent)
            blocks.append(self.block({"sender": self.u32}, arm) if is_restricted else arm)
        return self.function("server::idl::{impl#2}::handle<server::Server>", body=blocks)


def _split(path: str) -> tuple[list[str], str]:
    """Split a full name at the `::` outside of brackets."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(path):
        is_arrow = path.startswith("->", index - 1)
        depth += (char in "<([{") - (char in ">)]}" and not is_arrow)
        if not depth and path.startswith("::", index):
            parts.append(path[start:index])
            start = index + 2
    return parts, path[start:]
