"""The registers of a GDB server: their numbers and places, from its target description.

Spec: "Debugging with GDB", appendix G (target descriptions), G.5.3 for the features of Arm. Pure,
and the XML is not trusted: entities and documents of any size are refused before they are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from idol.records import dataclass

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["DEFAULT", "FeatureError", "Register", "find_register", "read_registers"]

MAX_XML = 1 << 18
MAX_DOCUMENTS = 16
MAX_REGISTERS = 1024
MAX_BITS = 1 << 12


class FeatureError(Exception):
    """A target description that cannot be used."""


@dataclass(frozen=True, slots=True)
class Register:
    """Number of a register in `p`, its place in the reply of `g`, and its size, in bytes."""

    number: int
    offset: int
    size: int


def _default() -> dict[str, Register]:
    """Return the registers of an Arm core without a description: eight of FPA, then cpsr."""
    found = {f"r{n}": Register(n, 4 * n, 4) for n in range(13)}
    found |= {"sp": Register(13, 52, 4), "lr": Register(14, 56, 4), "pc": Register(15, 60, 4)}
    return found | {"xpsr": Register(25, 64 + 8 * 12 + 4, 4)}


DEFAULT: Mapping[str, Register] = _default()


def read_registers(read: Callable[[str], bytes]) -> dict[str, Register]:
    """Return the registers that `target.xml`, read by `read`, and what it includes have.

    Names are in lower case. Raises `FeatureError`.
    """
    found: dict[str, Register] = {}
    number = 0
    places: list[tuple[int, str, int]] = []
    for element in _elements(read, "target.xml", []):
        if len(places) >= MAX_REGISTERS:
            raise FeatureError(f"more than {MAX_REGISTERS} registers")
        name = element.get("name", "").lower()
        number = _integer(element.get("regnum", str(number)), MAX_REGISTERS, "regnum")
        bits = _integer(element.get("bitsize", ""), MAX_BITS, "bitsize")
        places.append((number, name, (bits + 7) // 8))  # OpenOCD's primask is of one bit
        number += 1
    offset = 0
    for place, name, size in sorted(places):
        found[name] = Register(place, offset, size)
        offset += size
    return found


def find_register(known: Mapping[str, Register], name: str) -> tuple[Register, int, int] | None:
    """Return where a register of ours is: (register, shift, size in bits); None if it is nowhere.

    s0 to s31 may be halves of d0 to d15. The small special registers may be bytes of one word, as
    pyOCD and older J-Link servers have them.
    """
    key = {"r13": "sp", "r14": "lr", "r15": "pc"}.get(name.lower(), name.lower())
    for other in (key, *({"xpsr": ("cpsr",)}.get(key, ()))):
        if other in known:
            return known[other], 0, min(32, 8 * known[other].size)
    if re.fullmatch(r"s(\d|[12]\d|3[01])", key):
        double = known.get(f"d{int(key[1:]) // 2}")
        if double is not None and double.size == 8:
            return double, 32 * (int(key[1:]) % 2), 32
    return None


def _elements(read: Callable[[str], bytes], name: str, seen: list[str]) -> Iterator[Element]:
    """Yield the `reg` elements of a document and those that it includes, in their order."""
    seen.append(name)
    if len(seen) > MAX_DOCUMENTS:
        raise FeatureError(f"more than {MAX_DOCUMENTS} documents")
    for element in _parse(read(name), name).iter():
        kind = element.tag.rpartition("}")[2]
        if kind == "reg":
            yield element
        elif kind == "include":
            yield from _elements(read, element.get("href", ""), seen)


def _parse(document: bytes, name: str) -> Element:
    from xml.etree import ElementTree

    if len(document) > MAX_XML:
        raise FeatureError(f"{name} of more than {MAX_XML} bytes")
    if b"<!ENTITY" in document or b"\0" in document:
        raise FeatureError(f"{name} defines entities, or is not in UTF-8")
    try:
        # Not all servers declare the prefix of XInclude.
        return ElementTree.fromstring(document.replace(b"xi:include", b"include"))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FeatureError(f"{name} is not XML ({error})") from None


def _integer(text: str, limit: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > limit:
        raise FeatureError(f"a register with the {what} `{text[:20]}`")
    return int(text)
