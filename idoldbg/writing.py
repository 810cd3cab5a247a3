"""Writes to variables and memory of a running target: checked before, read back after."""

from __future__ import annotations

from collections.abc import Sequence

from idoldbg.build.program import Program
from idoldbg.call.arguments import ReadData, parse_value, read_source
from idoldbg.call.codec import image
from idoldbg.errors import ArchiveError, ArgumentError, FaultError, IdoldbgError
from idoldbg.model.memory import MemoryWriter
from idoldbg.model.regions import RegionKind
from idoldbg.model.types import Array, Scalar, ScalarKind, Type
from idoldbg.session import Session
from idoldbg.views.memory_dump import MemoryWrite, check_access
from idoldbg.views.parts import Part, VarRead, peel, read_part
from idoldbg.views.regions import find_place, read_regions
from idoldbg.views.tasks import is_halted

__all__ = ["encode_values", "set_variable", "write_memory"]

ONE_STORE = (1, 2, 4)  # bytes that the target stores at once
SHOWN = 32  # bytes in a message


def set_variable(session: Session, part: Part, text: str, *, force: bool = False) -> VarRead:
    """Write the value that `text` means to a part, read it back and return it.

    Firmware may use the part at any moment: without `force` only an integer, a bool or an atomic
    is written, which takes one store; anything else only while the core is halted. Raises
    `ArgumentError` for these, for flash, and for a value that does not fit; `FaultError` where the
    memory has another value afterwards; `Unsupported` for a link that cannot write.
    """
    session.target.need(MemoryWriter)
    if part.address is None:
        raise ArgumentError(f"`{part.expression}` is in several parts", name="--set")
    if _is_in_flash(session, part.address, part.type.size) or (
        part.static.memory == "flash" and ".*" not in part.expression
    ):
        raise ArgumentError(
            f"`{part.expression}` is in flash at 0x{part.address:08x}, which `idoldbg flash` "
            "programs", name="--set",
        )  # fmt: skip
    type_, offset = peel(part.type)
    is_plain = _is_plain(type_)
    if not is_plain:
        type_, offset = _opened(part.type), 0
    data = image.encode(parse_value(text, type_, name="--set"))
    if not (is_plain or force or is_halted(session.link)):
        raise ArgumentError(
            f"`{part.expression}` is {type_.size} bytes of `{type_.name}`, which the firmware may "
            "be using: give --force, or halt the core first", name="--set",
        )  # fmt: skip
    at = part.address + offset
    session.link.write(at, data)
    back = session.link.read(at, len(data))
    if back != data:
        raise FaultError(
            f"`{part.expression}`: {data.hex()} was written to 0x{at:08x}, and {back.hex()} read "
            "back: the firmware has changed it meanwhile, or it is not RAM",
            address=at, size=len(data),
        )  # fmt: skip
    return read_part(session.program, part)


def _opened(type_: Type) -> Type:
    """Return a type of the same bytes without the atomics and cells around its elements."""
    inner, offset = peel(type_)
    if offset or inner.size != type_.size:
        return type_
    if isinstance(inner, Array):
        return Array(inner.name, _opened(inner.element), inner.count)
    return inner if isinstance(inner, Scalar) else type_


def _is_plain(type_: Type) -> bool:
    kinds = (ScalarKind.UNSIGNED, ScalarKind.SIGNED, ScalarKind.BOOL)
    return isinstance(type_, Scalar) and type_.size in ONE_STORE and type_.encoding in kinds


def _is_in_flash(session: Session, address: int, size: int) -> bool:
    try:
        segments = session.program.archive.flash_segments()
    except ArchiveError:  # a build without an image: sections and regions alone say it
        segments = ()
    return any(s.address < address + size and address < s.end for s in segments)


# ---- memory --------------------------------------------------------------------------------------


def encode_values(values: Sequence[str], width: int, read_data: ReadData) -> bytes:
    """Return the bytes of values: numbers of `width` bytes, `hex:…`, `str:…`, `@FILE`, `-`.

    Raises `ArgumentError` for what is neither, or does not fit.
    """
    return b"".join(_encode(text, width, read_data) for text in values)


def _encode(text: str, width: int, read_data: ReadData) -> bytes:
    data = read_source(text, read_data)
    if data is not None:
        return data
    try:
        if text.startswith("hex:"):
            return bytes.fromhex(text.removeprefix("hex:").replace("_", ""))
        value = int(text, 0)
    except ValueError:
        raise ArgumentError(
            f"`{text}` is not a value: give a number, hex:0102, str:TEXT or @FILE", name="VALUE"
        ) from None
    bits = 8 * width
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise ArgumentError(f"`{text}` does not fit into {bits} bits", name="VALUE")
    return (value % (1 << bits)).to_bytes(width, "little")


def write_memory(
    session: Session, address: int, data: bytes, *, width: int, allow_device: bool = False
) -> MemoryWrite:
    """Write bytes, and return what was there before and is there after.

    Device registers are written one by one, each with an access of `width` bytes. Raises
    `ArgumentError` for flash, for device registers that are not allowed and for unaligned
    accesses; `FaultError` where RAM has another content afterwards; `Unsupported` for a link that
    cannot write.
    """
    session.target.need(MemoryWriter)
    program, size = session.program, len(data)
    is_registers = check_access(program, address, size, width, allow_device=allow_device)
    if _is_in_flash(session, address, size) or _is_flash_region(program, address, size):
        raise ArgumentError(
            f"0x{address:08x} is in flash, which `idoldbg flash` programs", name="WHAT"
        )
    step = width if is_registers else size
    pieces = [(address + at, data[at : at + step]) for at in range(0, size, step)]
    before = b"".join(session.link.read(at, len(piece)) for at, piece in pieces)
    for at, piece in pieces:
        session.link.write(at, piece)
    after = b"".join(session.link.read(at, len(piece)) for at, piece in pieces)
    if after != data and not is_registers:
        raise FaultError(
            f"{_short(data)} was written to 0x{address:08x}, and {_short(after)} read back: the "
            "firmware has changed it meanwhile, or it is not RAM",
            address=address, size=size,
        )  # fmt: skip
    return MemoryWrite(address, before, after, width, find_place(program, address))


def _short(data: bytes) -> str:
    return data.hex() if len(data) <= SHOWN else f"{data[:SHOWN].hex()}…"


def _is_flash_region(program: Program, address: int, size: int) -> bool:
    """Return whether memory is flash by the region table: a bank that holds no image, too."""
    try:
        regions = read_regions(program).regions
    except IdoldbgError:
        return False
    touched = [r for r in regions if r.low < address + size and address < r.end]
    return any(r.kind is RegionKind.FLASH for r in touched) and not any(r.write for r in touched)
