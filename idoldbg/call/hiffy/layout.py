"""Layout of hiffy from its DWARF: addresses and sizes of its variables, its functions.

Names and meaning: Hubris, `task/hiffy/src/main.rs` (HIFFY_*) and `generic.rs`, `stm32g0.rs`, …
(HIFFY_FUNCTIONS, whose variants stand in the order of the function ids).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from idol.records import dataclass, field
from idoldbg.errors import DebugInfoError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Pointer,
    Scalar,
    Struct,
    Type,
    Union,
    Variant,
)

__all__ = [
    "VARIABLES",
    "Area",
    "HiffyFunction",
    "HiffyLayout",
    "PlacedVariable",
    "TaskEntry",
    "build_layout",
    "find_functions",
    "find_variables",
]

_WORDS = ("HIFFY_REQUESTS", "HIFFY_ERRORS", "HIFFY_KICK", "HIFFY_READY")
_AREAS = ("HIFFY_TEXT", "HIFFY_RSTACK", "HIFFY_FAILURE")
_VERSIONS = ("HIFFY_VERSION_MAJOR", "HIFFY_VERSION_MINOR", "HIFFY_VERSION_PATCH")

VARIABLES = (*_AREAS, *_WORDS, *_VERSIONS, "HIFFY_DATA", "HIFFY_SCRATCH", "HIFFY_FUNCTIONS")
"""What to look up for `build_layout`.

HIFFY_SCRATCH is missing in old images, HIFFY_DATA where no function uses it.
"""

OLD_SCRATCH_SIZE = 256
"""Before HIFFY_SCRATCH, the scratch area was an array of this size on hiffy's stack."""


class PlacedVariable(Protocol):
    """Protocol of a variable for the layout (a `debuginfo.Variable`)."""

    @property
    def address(self) -> int | None:
        """Address; None for a variable that exists in the debug information alone."""

    @property
    def type(self) -> Type:
        """Its type."""


@dataclass(frozen=True, slots=True)
class Area:
    """Bytes at an absolute address."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class HiffyFunction:
    """A function that programs can call; `errors` names its codes where it has an enum of them."""

    name: str
    id: int
    argument_count: int
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """The parts of hiffy's entry in the kernel's task table that tell how it is.

    Types are `abi::TaskState` and the type of the generation (a count of restarts).
    """

    state: Area
    state_type: Type
    generation: Area


@dataclass(frozen=True, slots=True)
class HiffyLayout:
    """hiffy in one image.

    `data` is None where no function of this hiffy takes data: the linker then drops HIFFY_DATA.
    `scratch` is None where its address is not known; `scratch_size` holds nevertheless. `version`
    is known when it was read from the image's file, else `version_words` are read from the target.
    """

    text: Area
    data: Area | None
    return_stack: Area
    scratch: Area | None
    scratch_size: int
    requests: int
    errors: int
    kick: int
    ready: int
    failure: Area
    failure_type: Type
    functions: Mapping[str, HiffyFunction]
    version_words: tuple[int, ...] = ()
    version: tuple[int, int, int] | None = None
    task: TaskEntry | None = None
    task_names: tuple[str, ...] = field(default=())

    @property
    def data_size(self) -> int:
        """Return how many bytes a program can bring with it."""
        return 0 if self.data is None else self.data.size


def find_variables(
    find: Callable[[str], Sequence[PlacedVariable]],
) -> dict[str, PlacedVariable]:
    """Look up `VARIABLES` for `build_layout` with `find`; what is not there is left out.

    Of several of one name, the one with an address counts.
    """
    found = {name: find(name) for name in VARIABLES}
    return {
        name: next((v for v in variables if v.address is not None), variables[0])
        for name, variables in found.items()
        if variables
    }


def build_layout(
    variables: Mapping[str, PlacedVariable],
    *,
    task_entry: tuple[int, Type] | None = None,
    task_names: Sequence[str] = (),
    version: tuple[int, int, int] | None = None,
) -> HiffyLayout:
    """Put a layout together from the variables called `VARIABLES`; raise `DebugInfoError`.

    `task_entry` is the address of hiffy's entry in the task table and its type, the kernel's
    `Task`; without it a restart of hiffy looks like readiness. `version` is HIF's, where
    the image's file has the values of HIFFY_VERSION_*. `task_names` make messages readable.
    """
    areas = {name: _area(variables, name) for name in _AREAS}
    addresses = {name: _word(variables, name) for name in _WORDS}
    scratch, scratch_size = _scratch(variables.get("HIFFY_SCRATCH"))
    return HiffyLayout(
        text=areas["HIFFY_TEXT"],
        data=_data(variables),
        return_stack=areas["HIFFY_RSTACK"],
        scratch=scratch,
        scratch_size=scratch_size,
        requests=addresses["HIFFY_REQUESTS"],
        errors=addresses["HIFFY_ERRORS"],
        kick=addresses["HIFFY_KICK"],
        ready=addresses["HIFFY_READY"],
        failure=areas["HIFFY_FAILURE"],
        failure_type=variables["HIFFY_FAILURE"].type,
        functions=_functions(_get(variables, "HIFFY_FUNCTIONS").type),
        version_words=() if version else tuple(_word(variables, name) for name in _VERSIONS),
        version=version,
        task=None if task_entry is None else _task(*task_entry),
        task_names=tuple(task_names),
    )


def _get(variables: Mapping[str, PlacedVariable], name: str) -> PlacedVariable:
    variable = variables.get(name)
    if variable is None:
        raise DebugInfoError(
            f"{name} is not in the debug information of hiffy: the image was stripped, or its "
            "hiffy is of a kind that is not known here",
            object="hiffy",
        )
    return variable


def _area(variables: Mapping[str, PlacedVariable], name: str) -> Area:
    variable = _get(variables, name)
    if variable.address is None:
        raise DebugInfoError(f"{name} has no address", object="hiffy")
    return Area(variable.address, variable.type.size)


def _data(variables: Mapping[str, PlacedVariable]) -> Area | None:
    variable = variables.get("HIFFY_DATA")
    if variable is None or variable.address is None:
        return None
    return _area(variables, "HIFFY_DATA")


def _word(variables: Mapping[str, PlacedVariable], name: str) -> int:
    area = _area(variables, name)
    if area.size != 4:
        raise DebugInfoError(f"{name} should be 4 bytes and is {area.size}", object="hiffy")
    return area.address


def _scratch(variable: PlacedVariable | None) -> tuple[Area | None, int]:
    """Find the bytes inside `StaticCell<[u8; N]>`."""
    if variable is None:
        return None, OLD_SCRATCH_SIZE
    found = _find_bytes(variable.type, 0, 0)
    if found is None:
        raise DebugInfoError("HIFFY_SCRATCH holds no array of u8", object="hiffy")
    offset, size = found
    if variable.address is None:
        return None, size
    return Area(variable.address + offset, size), size


def _find_bytes(type_: Type, offset: int, depth: int) -> tuple[int, int] | None:
    if isinstance(type_, Array) and type_.is_byte_array:
        return offset, type_.count
    if isinstance(type_, Struct | Union) and depth < 16:
        for member in type_.members:
            found = _find_bytes(member.type, offset + member.offset, depth + 1)
            if found is not None:
                return found
    return None


def _functions(type_: Type) -> dict[str, HiffyFunction]:
    """Read the functions of `Option<&Functions>`, as far as sending takes them."""
    result: dict[str, HiffyFunction] = {}
    for number, (name, arguments, error) in enumerate(find_functions(type_)):
        errors = {e.value: e.name for e in error.enumerators} if isinstance(error, CEnum) else {}
        result[name] = HiffyFunction(name, number, len(arguments), errors)
    return result


def find_functions(type_: Type) -> Iterator[tuple[str, tuple[Type, ...], Type]]:
    """Yield (name, argument types, error type) in the order of the functions' numbers.

    `type_` is that of HIFFY_FUNCTIONS, `Option<&Functions>`: a variant for each function, holding
    (arguments, error). Raises `DebugInfoError` for others.
    """
    for variant in _functions_enum(type_).variants:
        yield variant.name, *_signature(variant)


def _functions_enum(type_: Type) -> Enum:
    if isinstance(type_, Enum):
        for variant in type_.variants:
            if variant.name == "Some" and len(variant.type.members) == 1:
                pointer = variant.type.members[0].type
                if isinstance(pointer, Pointer) and pointer.resolve_target is not None:
                    target = pointer.resolve_target()
                    if isinstance(target, Enum):
                        return target
    raise DebugInfoError("HIFFY_FUNCTIONS is not an Option<&Functions>", object="hiffy")


def _signature(variant: Variant) -> tuple[tuple[Type, ...], Type]:
    members = {m.name: m.type for m in variant.type.members}
    if set(members) != {"__0", "__1"}:
        raise DebugInfoError(
            f"HIFFY_FUNCTIONS: `{variant.name}` is not a pair of arguments and error",
            object="hiffy",
        )
    arguments = members["__0"]
    if isinstance(arguments, Struct) and _is_tuple(arguments):
        ordered = sorted(arguments.members, key=lambda m: int(m.name.removeprefix("__")))
        return tuple(m.type for m in ordered), members["__1"]
    is_unit = isinstance(arguments, Scalar) and arguments.size == 0
    return () if is_unit else (arguments,), members["__1"]


def _is_tuple(type_: Struct) -> bool:
    """Return whether a type is a tuple, not a struct that is one argument."""
    numbered = all(m.name.removeprefix("__").isdecimal() for m in type_.members)
    return type_.name.startswith("(") and numbered


def _task(address: int, type_: Type) -> TaskEntry:
    members = {m.name: m for m in type_.members} if isinstance(type_, Struct) else {}
    if "state" not in members or "generation" not in members:
        raise DebugInfoError(
            f"`{type_.name}` has no state and generation: it is not a kernel task", object="kernel"
        )
    state, generation = members["state"], members["generation"]
    return TaskEntry(
        Area(address + state.offset, state.type.size),
        state.type,
        Area(address + generation.offset, generation.type.size),
    )
