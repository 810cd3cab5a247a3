"""Calls of hiffy's own functions, with arguments as people write them.

What a function takes is in the DWARF of HIFFY_FUNCTIONS (Hubris, `task/hiffy/src/stm32h7.rs` and
others): each argument is an entry of the stack. `Buffer` stands for bytes that are pushed one by
one; a `usize` behind it is their count. What a function returns is not described there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.call.arguments import ReadData, parse_value
from idoldbg.call.arguments.convert import parse_node, read_source
from idoldbg.call.arguments.nodes import bytes_of
from idoldbg.call.hif.encode import encode_program
from idoldbg.call.hif.ops import Op, Opcode, push
from idoldbg.call.hif.results import DONE_SIZE, FAILED_SIZE, success_size
from idoldbg.call.hiffy.layout import HiffyLayout, find_functions
from idoldbg.call.hiffy.program import STACK_LENGTH, HifProgram
from idoldbg.errors import ArgumentError, DecodeError, LimitExceeded, NotCallable, NotFound
from idoldbg.model.types import CEnum, Struct, Type, short_name
from idoldbg.model.values import EnumValue

__all__ = [
    "Arguments",
    "Signature",
    "build_function_program",
    "find_signature",
    "is_buffer",
    "parse_arguments",
    "parse_bytes",
    "read_signatures",
    "seal_program",
]

SENDS = "Send"  # how the functions begin that make Idol calls
BUFFER = "Buffer"
ABSENT = "None"
WORD_LIMIT = 1 << 32

Arguments = tuple[int | None, ...]
"""Entries of the stack, from the bottom; None is an empty one."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function: the types of its arguments, and of the codes that it fails with.

    What it returns is not described in DWARF.
    """

    name: str
    id: int
    arguments: tuple[Type, ...]
    error: Type

    @property
    def errors(self) -> Mapping[int, str]:
        """Names of the codes that it fails with, where their type is an enum."""
        named = self.error.enumerators if isinstance(self.error, CEnum) else ()
        return {each.value: each.name for each in named}

    @property
    def is_send(self) -> bool:
        """Whether it makes Idol calls, for which there is `idoldbg call`."""
        return self.name.startswith(SENDS)

    @property
    def places(self) -> tuple[int, ...]:
        """Positions of the arguments to be given: not the count of a buffer."""
        counts = {i + 1 for i, type_ in enumerate(self.arguments) if is_buffer(type_)}
        return tuple(i for i in range(len(self.arguments)) if i not in counts)

    def describe_error(self, code: int) -> str:
        """Return the name of a code, or the code."""
        return self.errors.get(code, f"code {code}")


def is_buffer(type_: Type) -> bool:
    """Return whether an argument is bytes of any count."""
    return isinstance(type_, Struct) and short_name(type_.name) == BUFFER


def read_signatures(functions: Type) -> dict[str, Signature]:
    """Read the functions from the type of HIFFY_FUNCTIONS; raise `DebugInfoError`."""
    return {
        name: Signature(name, number, arguments, error)
        for number, (name, arguments, error) in enumerate(find_functions(functions))
    }


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """Return a function by name; raise `NotFound` with those that resemble it."""
    if name in signatures:
        return signatures[name]
    near = near_misses(name, list(signatures))
    hint = "" if near else f"it has {', '.join(signatures) or 'none'}"
    raise NotFound("function", name, near=near, where="this image's hiffy", hint=hint)


def parse_arguments(
    signature: Signature, texts: Sequence[str], read_data: ReadData | None = None
) -> Arguments:
    """Read the arguments of a function from text; raise `ArgumentError`.

    Numbers in any base, variants of enums by name (tasks too), `None` for an empty entry; bytes as
    `hex:…`, `str:…`, or with `read_data` `@FILE`. The count of bytes is filled in.
    """
    places = signature.places
    if len(texts) != len(places):
        takes = ", ".join(short_name(signature.arguments[i].name) for i in places)
        raise ArgumentError(
            f"{signature.name} takes {len(places)} argument{'s' * (len(places) != 1)}"
            f"{f' ({takes})' if takes else ''}, not {len(texts)}"
        )
    entries: list[int | None] = []
    for place, text in zip(places, texts, strict=True):
        type_ = signature.arguments[place]
        name = f"{signature.name} argument {places.index(place) + 1}"
        if not is_buffer(type_):
            entries.append(_entry(text, type_, name))
            continue
        data = parse_bytes(text, name, read_data)
        entries += data
        if place + 1 < len(signature.arguments):
            entries.append(len(data))
    return tuple(entries)


def _entry(text: str, type_: Type, name: str) -> int | None:
    is_variant = isinstance(type_, CEnum) and ABSENT in type_.variant_names
    if text == ABSENT and not is_variant:
        return None
    value = parse_value(text, _content(type_), name=name)
    try:
        code = value.code if isinstance(value, EnumValue) else None
        number = int(value) if code is None else code
    except DecodeError:
        raise ArgumentError(
            f"an argument of type `{type_.name}` is not a number", name=name
        ) from None
    if not -WORD_LIMIT // 2 <= number < WORD_LIMIT:
        raise ArgumentError(f"{text} does not fit 32 bits", name=name)
    return number % WORD_LIMIT


def _content(type_: Type) -> Type:
    """See through newtypes, such as `PortIndex(u8)`."""
    while isinstance(type_, Struct) and len(type_.members) == 1:
        type_ = type_.members[0].type
    return type_


def parse_bytes(text: str, name: str, read_data: ReadData | None = None) -> bytes:
    """Read `hex:…`, `str:…`, a list or, with `read_data`, `@FILE`; raise `ArgumentError`."""
    data = read_source(text, read_data)
    if data is not None:
        return data
    found = bytes_of(parse_node(text, name=name))
    if found is None:
        raise ArgumentError(f"`{text}` is not bytes: write hex:0102, str:TEXT or [1, 2]", name=name)
    return found


def build_function_program(
    layout: HiffyLayout,
    calls: Sequence[tuple[Signature, Arguments]],
    data: bytes = b"",
    *,
    result_size: int | None = None,
) -> HifProgram:
    """Return the program that calls functions one after the other, with `data` in HIFFY_DATA.

    `result_size` is the most that one can return; by default all that fits. Raises `NotCallable`,
    `LimitExceeded`.
    """
    ops: list[Op] = []
    for signature, arguments in calls:
        if signature.is_send:
            raise NotCallable(f"{signature.name} makes Idol calls: use `idoldbg call`")
        if len(arguments) > STACK_LENGTH:
            raise LimitExceeded(
                f"{signature.name}: {len(arguments)} entries do not fit hiffy's stack of "
                f"{STACK_LENGTH}",
                limit=STACK_LENGTH,
                actual=len(arguments),
            )
        ops += [Op(Opcode.PUSH_NONE) if n is None else push(n) for n in arguments]
        ops.append(Op(Opcode.CALL, signature.id))
        if arguments:
            ops.append(Op(Opcode.DROP_N, len(arguments)))
    size = layout.scratch_size if result_size is None else result_size
    return seal_program(layout, ops, data, len(calls), size)


def seal_program(
    layout: HiffyLayout, ops: Sequence[Op], data: bytes, count: int, result_size: int
) -> HifProgram:
    """Encode a program that makes `count` calls; raise `LimitExceeded` where it does not fit."""
    text = encode_program([*ops, Op(Opcode.DONE)])
    for what, actual, limit in (
        ("the program", len(text), layout.text.size),
        ("the data", len(data), layout.data_size),
    ):
        if actual > limit:
            raise LimitExceeded(
                f"{what} takes {actual} bytes, hiffy has room for {limit}",
                limit=limit,
                actual=actual,
            )
    each = max(FAILED_SIZE, success_size(result_size))
    return HifProgram(text, data, min(layout.return_stack.size, DONE_SIZE + count * each))
