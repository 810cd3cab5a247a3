"""Statics made by hand, as lib/ringbuf and lib/counters of Hubris lay them out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idoldbg.build.debuginfo.elf import Section
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.model.symbols import Symbol, SymbolKind, SymbolTable, Variable
from idoldbg.model.types import Member, Struct, Type
from idoldbg.session import demo_archive
from tests.idoldbg.typegen import U16, U32, make_array

RAM = 0x20000000
ATOMIC = Struct(
    "AtomicU32", 4, (Member("v", 0, Struct("UnsafeCell<u32>", 4, (Member("value", 0, U32),))),)
)
EVENTS = Struct("EventCounts", 8, (Member("Sent", 0, ATOMIC), Member("Lost", 4, ATOMIC)))
LAST = Struct("Last", 4, (Member("index", 0, U32),))


def entry_type(payload: Type, *, merged: bool = True) -> Struct:
    members = [Member("line", 0, U16), Member("generation", 2, U16), Member("payload", 4, payload)]
    at = 4 + payload.size
    if merged:
        members.append(Member("count", at, U32))
        at += 4
    return Struct("ringbuf::RingbufEntry<T, u32>", at, tuple(members))


def ring_type(entry: Struct, count: int) -> Struct:
    """`StaticCell<Ringbuf<T, C, N>>`; `last` is a plain number, as a niche would have it."""
    size = 4 + count * entry.size
    members = (Member("last", 0, U32), Member("buffer", 4, make_array(entry, count)))
    inner = Struct("ringbuf::Ringbuf<T, u32, N>", size, members)
    return Struct("StaticCell<T>", size, (Member("cell", 0, inner),))


def counted_type(ring: Struct) -> Struct:
    members = (Member("ringbuf", 0, ring), Member("counters", ring.size, EVENTS))
    return Struct("ringbuf::CountedRingbuf<T, N>", ring.size + EVENTS.size, members)


class _Elf:
    """Sections: RAM alone."""

    segments = ()

    def find_symbols(self, name: str) -> tuple[Symbol, ...]:
        return ()

    sections = (Section(1, ".bss", "SHT_NOBITS", 3, RAM, 0, 1 << 16, 0),)


class Statics:
    """Debug information of statics, placed one after the other."""

    elf = _Elf()
    idolatry: str | None = None

    def find_types(self, name: str) -> tuple[Type, ...]:
        return ()

    def find_declaring_file(self, variable: Variable) -> str | None:
        return f"/hubris/{variable.full_name.split('::')[0]}.rs"

    def __init__(self, *statics: tuple[str, Type]) -> None:
        symbols: list[Symbol] = []
        self.variables: list[Variable] = []
        at = RAM
        for index, (path, type_) in enumerate(statics):
            size = type_.size
            short = path.rsplit("::", 1)[-1]
            mangled = "_ZN" + "".join(f"{len(p)}{p}" for p in path.split("::")) + "E"
            symbols.append(Symbol(mangled, at, size, SymbolKind.OBJECT, False, ".bss"))
            self.variables.append(Variable(short, path, mangled, at, size, type_, index))
            at += size

        self.symbols = SymbolTable(symbols)

    def iter_variables(self) -> Iterator[Variable]:
        return iter(self.variables)

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        return tuple(v for v in self.variables if v.name == name)


def program_of(
    monkeypatch: pytest.MonkeyPatch, memory: bytes, *statics: tuple[str, Type]
) -> Program:
    """Make a program whose task `spi` has these statics, and no other."""
    archive = open_build(demo_archive("stm32f4-discovery")).archive
    program = Program(archive, MemoryImage([Segment(RAM, memory)]))
    info = {"spi": Statics(*statics)}
    monkeypatch.setattr(program, "object", lambda name: info.get(name) or Statics())
    return program
