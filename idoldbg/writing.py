"""Sets variables of a running target: checked before, read back after."""

from __future__ import annotations

from idoldbg.call.arguments import parse_value
from idoldbg.call.codec import image
from idoldbg.errors import ArchiveError, ArgumentError, FaultError
from idoldbg.model.memory import MemoryWriter
from idoldbg.model.types import Array, Encoding, Scalar, Type
from idoldbg.session import Session
from idoldbg.views.parts import Part, VarRead, peel, read_part
from idoldbg.views.tasks import is_halted

__all__ = ["set_variable"]

ONE_STORE = (1, 2, 4)  # bytes that the target stores at once


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
    if _is_in_flash(session, part):
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
    kinds = (Encoding.UNSIGNED, Encoding.SIGNED, Encoding.BOOL)
    return isinstance(type_, Scalar) and type_.size in ONE_STORE and type_.encoding in kinds


def _is_in_flash(session: Session, part: Part) -> bool:
    address = part.address or 0
    try:
        segments = session.program.archive.flash_segments()
    except ArchiveError:  # a build without an image: sections alone say it
        segments = ()
    is_flashed = any(s.address < address + part.type.size and address < s.end for s in segments)
    return is_flashed or (part.static.memory == "flash" and ".*" not in part.expression)
