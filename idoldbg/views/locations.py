"""Places in memory as people name them: an address, a peripheral, a static, a symbol, a stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, IdoldbgError, NotFound
from idoldbg.model.archive import KERNEL
from idoldbg.model.symbols import Symbol
from idoldbg.views.expressions import parse_expression
from idoldbg.views.parts import find_parts
from idoldbg.views.regions import peripherals, read_regions

__all__ = ["REGISTERS", "Location", "find_location", "parse_size"]

REGISTERS = ("sp", "msp", "psp", "pc", "lr")
_NUMBER = r"0x[0-9a-fA-F_]+|[0-9][0-9_]*"
_ADDRESS = re.compile(rf"({_NUMBER})(?:\+({_NUMBER}))?")
_SIZE = re.compile(rf"({_NUMBER}) ?(k|KiB|M|MiB)?")
_UNITS = {None: 1, "k": 1 << 10, "KiB": 1 << 10, "M": 1 << 20, "MiB": 1 << 20}
_MANY = 12  # candidates that an error lists


@dataclass(frozen=True, slots=True)
class Location:
    """A place in memory; `size` is that of what was named, None for a mere address.

    `needs_build` is whether it is known from the build, so that the target must run it.
    """

    address: int
    size: int | None = None
    needs_build: bool = True


def parse_size(text: str) -> int:
    """Return a number of bytes: `64`, `0x40`, `4k`, `1 MiB`; raise `ArgumentError`."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ArgumentError(f"`{text}` is not a size, such as 64, 0x40 or 4KiB", name="LENGTH")
    return _number(found[1]) * _UNITS[found[2]]


def _number(digits: str) -> int:
    return int(digits, 16) if digits.startswith("0x") else int(digits)


def find_location(
    program: Program, what: str, read_register: Callable[[str], int] | None = None
) -> Location:
    """Return the place that `what` names: an address, PERIPHERAL[+OFFSET], [TASK/]STATIC, a symbol,
    a register, or task:NAME:stack.

    Raises `NotFound` with near misses, `ArgumentError` where several fit, and what `read_register`
    raises, or `find_parts` for expressions on statics.
    """
    if (number := _ADDRESS.fullmatch(what)) is not None:
        address = _number(number[1]) + _number(number[2] or "0")
        if address >= 1 << 32:
            raise ArgumentError(f"`{what}` is not an address of 32 bits", name="WHAT")
        return Location(address, needs_build=False)
    if what in REGISTERS and read_register is not None:
        return Location(read_register(what), needs_build=False)
    if what.startswith("task:"):
        return _stack(program, what)
    name, plus, offset = what.partition("+")
    if (extent := peripherals(program.archive).get(name)) is not None:
        return _in_peripheral(what, extent, offset if plus else "0")
    try:
        parts = find_parts(program, parse_expression(what))
    except NotFound as error:
        return _symbol(program, what, error)
    found = [part for part in parts if part.address is not None]
    if not found:
        raise ArgumentError(f"`{what}` is in several parts: `idoldbg vars` lists them", name="WHAT")
    if len(found) > 1:
        raise _ambiguous(what, [part.expression for part in found])
    return Location(found[0].address or 0, found[0].type.size)


def _stack(program: Program, what: str) -> Location:
    _, name, *rest = what.split(":")
    if rest != ["stack"]:
        raise ArgumentError(f"`{what}`: only a stack is named so, task:NAME:stack", name="WHAT")
    if name != KERNEL:
        program.task(name)
    stack = read_regions(program).stack_of(name)
    if stack is None:
        raise NotFound("stack", name, where=program.archive.path)
    return Location(stack.low, stack.size)


def _in_peripheral(what: str, extent: tuple[int, int], offset: str) -> Location:
    low, size = extent
    if re.fullmatch(_NUMBER, offset) is None or _number(offset) >= size:
        raise ArgumentError(f"`{what}`: give an offset of less than 0x{size:x}", name="WHAT")
    return Location(low + _number(offset), size - _number(offset), needs_build=False)


def _symbol(program: Program, what: str, not_static: NotFound) -> Location:
    """Find a symbol of any object; raise `not_static` with the peripherals that resemble it."""
    task, slash, name = what.rpartition("/")
    objects = (task,) if slash else program.archive.object_names
    found = [(owner, s) for owner in objects for s in _symbols(program, owner, name)]
    places = {(s.address, s.size) for _, s in found}
    if len(places) > 1:
        raise _ambiguous(what, [f"{owner}/{s.path}" for owner, s in found])
    if found:
        return Location(found[0][1].address, found[0][1].size or None)
    near = near_misses(what, list(peripherals(program.archive)))
    if near and not not_static.near:
        raise NotFound("place", what, near=near, where=program.archive.path)
    raise not_static


def _symbols(program: Program, owner: str, name: str) -> Iterator[Symbol]:
    try:
        symbols = program.object(owner).symbols
    except IdoldbgError:
        return
    for symbol in symbols:
        if symbol.name == name or symbol.path == name or symbol.path.endswith(f"::{name}"):
            yield symbol


def _ambiguous(what: str, found: list[str]) -> ArgumentError:
    more = f", and {len(found) - _MANY} more" if len(found) > _MANY else ""
    names = ", ".join(f"`{each}`" for each in found[:_MANY])
    return ArgumentError(f"`{what}` is ambiguous; choose one of {names}{more}", name="WHAT")
