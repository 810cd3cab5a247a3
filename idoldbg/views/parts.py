"""Parts of statics in a target's memory, found by expressions and read.

Fields are found inside cells and other wrappers, the fields of an enum under the name of its
variant (`state.Faulted.fault`), the elements of a slice by index; `.*` follows a pointer. Only the
memory of the part is read.
"""

from __future__ import annotations

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import ArgumentError, DecodeError, IdoldbgError, NotFound
from idoldbg.model.types import (
    Array,
    Enum,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Union,
    short_name,
    shown_field,
)
from idoldbg.model.values import (
    ArrayValue,
    EnumValue,
    PointerValue,
    Raw,
    StructValue,
    Text,
    Unreadable,
    Value,
)
from idoldbg.views.expressions import (
    Deref,
    Expression,
    FieldStep,
    IndexStep,
    RangeStep,
    Step,
    parse_expression,
)
from idoldbg.views.regions import is_device
from idoldbg.views.variables import OPTIMISED, SPLIT, Static, match_statics

__all__ = ["Part", "VarRead", "evaluate", "find_parts", "peel", "read_part"]

TEXT_LIMIT = 255  # bytes of a `&str` that is followed
SLICE_LIMIT = 64  # elements of a `&[T]`
FOLLOW_LIMIT = 256  # slices in one value
RANGE_LIMIT = 4096  # elements of a range that are looked into
DEPTH_LIMIT = 16
ATOMIC_BOOLS = ("AtomicBool", "Atomic<bool>")  # the latter in newer Rust, where it holds a u8


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a static in memory: what an expression means on a target.

    `address` is None only for a static that the compiler split into pieces. `notes` say what was
    passed on the way, such as the flag of a cell.
    """

    static: Static
    expression: str
    type: Type
    address: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VarRead:
    """Value of a part; `raw` are its bytes. `notes` say what is to be known about it."""

    part: Part
    value: Value
    raw: bytes
    notes: tuple[str, ...] = ()


# ---- where it is --------------------------------------------------------------------------------


def find_parts(program: Program, expression: Expression) -> tuple[Part, ...]:
    """Return the parts that an expression means: one for each static that its path fits.

    Pointers, slices and enums on the way are read. Raises `NotFound` with near misses, `FaultError`
    and `DecodeError` where no static has such a part.
    """
    statics = match_statics(program, expression.path, expression.task)
    found: list[Part] = []
    problems: list[IdoldbgError] = []
    for static in statics:
        try:
            found += _Walk(program, static).walk(expression.steps)
        except (NotFound, DecodeError) as error:  # of the others it may be right
            problems.append(error)
    if not found:
        raise problems[0]
    return tuple(found)


def peel(type_: Type) -> tuple[Type, int]:
    """Return what wrappers hold in the end, and its offset.

    A wrapper is known by its shape: one member that has a size, flags (`taken`, `borrowed`) aside;
    a union of `uninit` and `value`. Other types are returned as they are.
    """
    at = 0
    for _ in range(DEPTH_LIMIT):
        inner, offset, _flag = _peel_once(type_)
        if inner is type_:
            break
        type_, at = inner, at + offset
    return type_, at


def _is_flag(type_: Type) -> bool:
    """Return whether a type is a bool, also an atomic or a cell of one."""
    for _ in range(DEPTH_LIMIT):
        if isinstance(type_, Scalar):
            return type_.size == 1 and (type_.encoding is ScalarKind.BOOL)
        if not isinstance(type_, Struct) or type_.size != 1:
            return False
        if short_name(type_.name) in ATOMIC_BOOLS:
            return True
        sized = [m for m in type_.members if m.type.size]
        if len(sized) != 1:
            return False
        type_ = sized[0].type
    return False


class _Walk:
    """Follows the steps of an expression from a static to its parts."""

    def __init__(self, program: Program, static: Static) -> None:
        self.program = program
        self.static = static

    def walk(self, steps: tuple[Step, ...]) -> list[Part]:
        static = self.static
        variable = static.variable
        if static.memory == OPTIMISED:
            raise DecodeError(
                f"`{static.path}` has no memory: the compiler optimised it away", type=""
            )
        if static.memory == SPLIT and steps:
            raise DecodeError(
                f"`{static.path}` was split up by the compiler: only the whole can be read", type=""
            )
        parts = [Part(static, static.path, variable.type, variable.address)]
        for index, step in enumerate(steps):
            is_last = index + 1 == len(steps)
            parts = [found for part in parts for found in self.step(part, step, is_last)]
            if len(parts) > RANGE_LIMIT:
                raise DecodeError(f"more than {RANGE_LIMIT} parts", type="")
        return parts

    def step(self, part: Part, step: Step, is_last: bool) -> list[Part]:
        match step:
            case FieldStep(name=name):
                return [self.field(part, name)]
            case IndexStep(index=index):
                return [self.element(part, index)]
            case RangeStep():
                return self.elements(part, step, is_last)
            case Deref():
                return [self.followed(part)]

    def field(self, part: Part, name: str) -> Part:
        wanted = f"__{name}" if name.isdecimal() else name
        type_, address, notes = part.type, part.address or 0, part.notes
        names: list[str] = []
        for _ in range(DEPTH_LIMIT):
            if isinstance(type_, Enum):
                return self.variant(part, type_, address, name)
            if isinstance(type_, Struct):
                for member in type_.members:
                    if member.name == wanted:
                        return Part(
                            part.static,
                            f"{part.expression}.{name}",
                            member.type,
                            address + member.offset,
                            notes,
                        )
                names += [shown_field(m.name) for m in type_.members]
            inner, offset, flag = _peel_once(type_)
            if inner is type_:
                break
            if flag:
                notes = (*notes, self.flag_note(type_, address, flag))
            type_, address = inner, address + offset
        near = near_misses(name, names)
        hint = f"it has {', '.join(names[:40])}" if names and not near else ""
        kind = short_name(part.type.name)
        if not names:
            hint = "follow it with `.*`" if isinstance(type_, Pointer) else "it has no fields"
        raise NotFound("field", name, near=near, where=f"`{part.expression}` (`{kind}`)", hint=hint)

    def flag_note(self, type_: Type, address: int, flag: str) -> str:
        if not isinstance(type_, Struct):
            return flag
        member = next(m for m in type_.members if m.name == flag)
        data = self.program.memory.read(address + member.offset, member.type.size)
        return f"{flag}: {'true' if any(data) else 'false'}"

    def variant(self, part: Part, type_: Enum, address: int, name: str) -> Part:
        where = f"`{part.expression}` (`{short_name(type_.name)}`)"
        found = next((v for v in type_.variants if v.name == name), None)
        if found is None:
            near = near_misses(name, type_.variant_names)
            hint = "" if near else f"it has {', '.join(type_.variant_names[:40])}"
            raise NotFound("variant", name, near=near, where=where, hint=hint)
        value = image.decode(type_, self.program.memory.read(address, type_.size), address=address)
        if isinstance(value, Unreadable):
            raise value.error()
        if value.as_variant(name) is None:
            now = value.variant if isinstance(value, EnumValue) else "?"
            raise DecodeError(f"{where} is `{now}` now, not `{name}`", type=type_.name)
        return Part(
            part.static,
            f"{part.expression}.{name}",
            found.type,
            address + found.offset,
            part.notes,
        )

    def sequence(self, part: Part) -> tuple[Type, int, int]:
        """Return element type, address and count of an array or slice, also in wrappers."""
        type_, address = part.type, part.address or 0
        for _ in range(DEPTH_LIMIT):
            if isinstance(type_, Array):
                return type_.element, address, type_.count
            pointer = _slice_pointer(type_)
            if pointer is not None:
                data = self.program.memory.read(address, type_.size)
                start, count = _slice_of(image.decode(type_, data))
                return _target(pointer, part.expression), start, count
            inner, offset, _flag = _peel_once(type_)
            if inner is type_:
                break
            type_, address = inner, address + offset
        raise DecodeError(
            f"`{part.expression}` (`{short_name(part.type.name)}`) is not an array or slice",
            type=part.type.name,
        )

    def element(self, part: Part, index: int) -> Part:
        element, address, count = self.sequence(part)
        if index >= count:
            raise NotFound("element", str(index), where=f"`{part.expression}`, which has {count}")
        return Part(
            part.static,
            f"{part.expression}[{index}]",
            element,
            address + index * element.size,
            part.notes,
        )

    def elements(self, part: Part, step: RangeStep, is_last: bool) -> list[Part]:
        element, address, count = self.sequence(part)
        end = count if step.end is None else step.end
        if end > count or step.start > count:
            raise NotFound(
                "element", str(max(end - 1, step.start)),
                where=f"`{part.expression}`, which has {count}",
            )  # fmt: skip
        size = end - step.start
        if size > RANGE_LIMIT:
            raise DecodeError(
                f"`{part.expression}[{step.start}..{end}]`: {size} elements, at most "
                f"{RANGE_LIMIT} are read at once", type=part.type.name,
            )  # fmt: skip
        if not is_last:
            return [self.element(part, index) for index in range(step.start, end)]
        array = Array(f"[{element.name}; {size}]", element, size)
        at = address + step.start * element.size
        name = f"{part.expression}[{step.start}..{end}]"
        return [Part(part.static, name, array, at, part.notes)]

    def followed(self, part: Part) -> Part:
        type_, offset = peel(part.type)
        pointer = _slice_pointer(part.type) or _slice_pointer(type_)
        address = (part.address or 0) + offset
        expression = f"{part.expression}.*"
        if pointer is not None:
            element, start, count = self.sequence(part)
            kept = min(count, TEXT_LIMIT if element.is_byte else SLICE_LIMIT)
            notes = part.notes
            if kept < count:
                notes = (*notes, f"the first {kept} of {count} elements")
            array = Array(f"[{element.name}; {kept}]", element, kept)
            return Part(part.static, expression, array, start, notes)
        if not isinstance(type_, Pointer):
            raise DecodeError(
                f"`{part.expression}` (`{short_name(part.type.name)}`) is not a pointer",
                type=part.type.name,
            )
        data = self.program.memory.read(address, type_.size)
        target, at = _target(type_, part.expression), int.from_bytes(data, "little")
        if is_device(self.program, at, max(target.size, 1)):
            raise ArgumentError(
                f"`{expression}` is at 0x{at:08x} among device registers, which reading can "
                f"change: `idoldbg readmem 0x{at:08x} --device` reads them", name="EXPR",
            )  # fmt: skip
        return Part(part.static, expression, target, at, part.notes)


def _peel_once(type_: Type) -> tuple[Type, int, str]:
    """Return what the outermost wrapper holds, as `peel`."""
    if isinstance(type_, Union):
        inner = image.initialized_type(type_)
        return (type_, 0, "") if inner is None else (inner, 0, "")
    if not isinstance(type_, Struct):
        return type_, 0, ""
    sized = [m for m in type_.members if m.type.size]
    held = [m for m in sized if not _is_flag(m.type)] if len(sized) == 2 else sized
    if len(held) != 1:
        return type_, 0, ""
    flag = next((m.name for m in sized if m not in held), "")
    return held[0].type, held[0].offset, flag


def _slice_pointer(type_: Type) -> Pointer | None:
    """Return the pointer of a `&[T]` or `&str`, which is told by its members."""
    if not isinstance(type_, Struct):
        return None
    members = {m.name: m.type for m in type_.members}
    pointer = members.get("data_ptr")
    return (
        pointer if set(members) == {"data_ptr", "length"} and isinstance(pointer, Pointer) else None
    )


def _slice_of(value: Value) -> tuple[int, int]:
    return int(value["data_ptr"]), int(value["length"])


def _target(pointer: Pointer, where: str) -> Type:
    if pointer.resolve_target is None:
        raise DecodeError(
            f"`{where}`: what `{pointer.name}` points to is not in debug information",
            type=pointer.name,
        )
    return pointer.resolve_target()


# ---- reading ------------------------------------------------------------------------------------


def evaluate(program: Program, text: str, *, one: bool = False) -> tuple[VarRead, ...]:
    """Read what an expression means: a value for each static that its path fits.

    With `one` it must be a single one; raises `ArgumentError` with their full names otherwise.
    Raises as `parse_expression` and `find_parts`, and `FaultError`.
    """
    parts = find_parts(program, parse_expression(text))
    if one and len(parts) > 1:
        names = ", ".join(dict.fromkeys(f"`{part.expression}`" for part in parts[:20]))
        raise ArgumentError(f"`{text}` is ambiguous; choose one of {names}", name="EXPR")
    return tuple(read_part(program, part) for part in parts)


def read_part(program: Program, part: Part) -> VarRead:
    """Read and decode a part; slices in it are followed once. Raises `FaultError`."""
    pieces = part.static.variable.pieces
    if part.address is None:
        raw = b"".join(program.memory.read(address, size) for address, size in pieces)
        at = ", ".join(f"0x{address:08x}" for address, _ in pieces)
        notes: tuple[str, ...] = (f"split by the compiler: at {at}",)
    else:
        raw = program.memory.read(part.address, part.type.size) if part.type.size else b""
        notes = ()
    value = image.decode(part.type, raw, address=part.address)
    follower = _Follower(program)
    value = follower.follow(value, 0)
    if isinstance(part.type, Opaque):
        notes = (*notes, part.type.reason)
    if follower.saw_uninitialised:
        notes = (*notes, "uninitialised?")
    return VarRead(part, value, raw, (*part.notes, *notes, *follower.notes))


class _Follower:
    """Puts what slices point to in their part, each once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.notes: list[str] = []
        self.count = 0
        self.saw_uninitialised = False

    def follow(self, value: Value, depth: int) -> Value:
        if depth > 4 * DEPTH_LIMIT:
            return value
        match value:
            case StructValue(type=type_, fields=fields, address=address):
                pointer = _slice_pointer(type_)
                if pointer is not None:
                    return self.slice(value, pointer)
                inner = tuple((name, self.follow(part, depth + 1)) for name, part in fields)
                return StructValue(type_, inner, address)
            case EnumValue(payload=payload) if payload is not None:
                held = self.follow(payload, depth + 1)
                assert isinstance(held, StructValue)
                return EnumValue(value.type, value.variant, value.code, held, value.address)
            case ArrayValue(type=type_, elements=elements, address=address):
                parts = tuple(self.follow(element, depth + 1) for element in elements)
                return ArrayValue(type_, parts, address)
            case Raw(type=Union() as union) if image.initialized_type(union) is not None:
                self.saw_uninitialised = True
                return value
            case _:
                return value

    def slice(self, value: StructValue, pointer: Pointer) -> Value:
        start, count = _slice_of(value)
        self.count += 1
        if self.count > FOLLOW_LIMIT:
            return PointerValue(pointer, start, value.address)
        is_text = short_name(value.type.name).endswith("str")
        try:
            element = _target(pointer, value.type.name)
            kept = min(count, TEXT_LIMIT if is_text or element.is_byte else SLICE_LIMIT)
            size = kept * element.size
            data = self.program.memory.read(start, size) if size else b""
        except IdoldbgError as error:
            return Unreadable(value.type, str(error), value.address)
        if kept < count:
            self.notes.append(f"the first {kept} of {count} elements at 0x{start:08x}")
        if is_text:
            return Text(value.type, data.decode(errors="replace"), value.address)
        array = Array(f"[{element.name}; {kept}]", element, kept)
        return image.decode(array, data, address=start)
