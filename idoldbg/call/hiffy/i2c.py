"""Programs that scan an I2C bus for devices, or a device for registers.

A loop in HIF calls `I2cRead` (Hubris, `task/hiffy/src/stm32h7.rs`) for one byte each: controller,
port, multiplexer, segment, address, register, count. Each answer is a result of its own, so a scan
takes as many programs as its results need.
"""

from __future__ import annotations

from collections.abc import Iterator

from idol.records import dataclass
from idoldbg.call.hif.ops import Op, Opcode, push
from idoldbg.call.hif.results import DONE_SIZE, FAILED_SIZE
from idoldbg.call.hiffy.functions import Signature, seal_program
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.program import HifProgram
from idoldbg.errors import NotCallable

__all__ = ["ADDRESSES", "READ", "REGISTERS", "BusPlace", "check_function", "scan_programs"]

READ = "I2cRead"
ARGUMENTS = 7
ADDRESSES, REGISTERS = range(0x80), range(0x100)
_LOOP = 0  # a label


@dataclass(frozen=True, slots=True)
class BusPlace:
    """A bus by numbers: controller, index of its port, and where there is one, mux and segment."""

    controller: int
    port: int
    mux: int | None = None
    segment: int | None = None


def check_function(signature: Signature) -> Signature:
    """Return `I2cRead` if it is as known here; raise `NotCallable`."""
    if len(signature.arguments) != ARGUMENTS:
        raise NotCallable(
            f"this image's {READ} takes {len(signature.arguments)} arguments where {ARGUMENTS} are "
            "known: its hiffy is from a different Hubris version"
        )
    return signature


def scan_programs(
    layout: HiffyLayout,
    signature: Signature,
    place: BusPlace,
    *,
    device: int | None = None,
    register: int | None = None,
) -> Iterator[tuple[range, HifProgram]]:
    """Yield programs, and the addresses (with `device`, the registers) that each reads.

    `register` is read of each address; without, a byte is read without naming one.
    """
    numbers = ADDRESSES if device is None else REGISTERS
    size = max(1, (layout.return_stack.size - DONE_SIZE) // FAILED_SIZE)
    for first in range(0, len(numbers), size):
        part = range(first, min(first + size, len(numbers)))
        if device is None:
            ops = _scan_addresses(signature, place, part, register)
        else:
            ops = _scan_registers(signature, place, part, device)
        yield part, seal_program(layout, ops, b"", len(part), 1)


def _base(place: BusPlace) -> list[Op]:
    numbers = (place.controller, place.port, place.mux, place.segment)
    return [Op(Opcode.PUSH_NONE) if n is None else push(n) for n in numbers]


def _begin(first: int) -> list[Op]:
    """Push the number to begin with; below the label lies the limit, or nothing the first time."""
    return [push(first), Op(Opcode.PUSH_NONE), Op(Opcode.LABEL, _LOOP), Op(Opcode.DROP)]


def _repeat(end: int) -> list[Op]:
    """Go on while the limit is greater than the number below it."""
    return [push(end), Op(Opcode.BRANCH_GREATER_THAN, _LOOP)]


def _scan_addresses(
    signature: Signature, place: BusPlace, part: range, register: int | None
) -> list[Op]:
    return [
        *_base(place),
        Op(Opcode.PUSH_NONE) if register is None else push(register),
        *_begin(part.start),
        Op(Opcode.SWAP),  # the address goes below the register
        push(1),
        Op(Opcode.CALL, signature.id),
        Op(Opcode.DROP),
        Op(Opcode.SWAP),
        push(1),
        Op(Opcode.ADD),
        *_repeat(part.stop),
    ]


def _scan_registers(signature: Signature, place: BusPlace, part: range, device: int) -> list[Op]:
    return [
        *_base(place),
        push(device),
        *_begin(part.start),
        push(1),
        Op(Opcode.CALL, signature.id),
        Op(Opcode.ADD),  # the count of one makes it the next register
        *_repeat(part.stop),
    ]
