"""The index file: what goes in comes out, and what is damaged is refused."""

from __future__ import annotations

import random
import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.build.index import IndexDamaged, IndexReader, IndexWriter, Kind, Results
from idoldbg.build.index.fields import INT, TEXT, TYPE, inline, many, mapping
from idoldbg.build.kept import ADDRESS, INTERFACE, SERVER, TASK_TYPE, TYPES
from idoldbg.build.load.recorded_archive import BUILD, FACTS, FLASH, TABLE
from idoldbg.call.hiffy.layout import Area
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import ImageFacts, TaskImage
from idoldbg.model.memory import Segment
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Subroutine,
    Type,
    TypeAt,
    Union,
    Variant,
)
from idoldbg.resolver import Candidate

FINGERPRINT = bytes(range(16))
U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)
UNIT = Struct("E::A", 0, ())
POINT = Struct("geo::Point", 8, (Member("x", 0, U8), Member("größe", 4, Array("[u8; 4]", U8, 4))))
POINTER = Pointer("*mut geo::Point", 4, "geo::Point", TypeAt("spi", 77, lambda _: POINT))
ALL_TYPES: tuple[Type, ...] = (
    U8,
    Scalar("!", 0, ScalarKind.UNSIGNED),
    Scalar("char", 4, ScalarKind.CHAR),
    POINT,
    POINTER,
    Pointer("*mut ()", 4, "()"),
    Union("geo::Either", 8, (Member("a", 0, POINT), Member("b", 0, U8))),
    CEnum("geo::Way", 2, True, (Enumerator("Back", -1), Enumerator("Far", 1 << 40))),
    Enum(
        "E",
        8,
        Member("", 0, U8),
        (Variant("A", None, 0, UNIT), Variant("B", (1 << 128) - 1, 1, POINT)),
    ),
    Enum(
        "Signed",
        8,
        Member("", 0, Scalar("i32", 4, ScalarKind.SIGNED)),
        (Variant("Minus", -3, 0, UNIT), Variant("Byte", 253, 0, UNIT)),
    ),
    Enum("Never", 0, None, ()),
    Array("[geo::Point; 0]", POINT, 0),
    Subroutine("fn(u8) -> u8"),
    Opaque("geo::Gone", "only declared here, not defined"),
)
ONE: Kind[Type] = Kind("one type", TYPE)
MANY: Kind[tuple[Type, ...]] = Kind("many types", many(TYPE))
AREAS: Kind[dict[str, Area]] = Kind("areas", mapping(inline(Area, address=INT, size=INT), TEXT))
CANDIDATE = Candidate("geo::Point", 8, ("spi", "kernel"), ("is larger",), POINT)
RESULTS: dict[tuple[Kind[Any], str], object] = {
    (MANY, "Point"): ALL_TYPES,
    (MANY, "Nothing"): (),
    (ONE, "4096"): POINT,
    (AREAS, ""): {"a": Area(0xFFFFFFFC, 8), "b": Area(0, 1 << 40)},
    (INTERFACE, "spi"): 'Interface(name: "Spi")',
    (INTERFACE, "idle"): None,
    (SERVER, "Sp\u00e9"): "spi",
    (ADDRESS, "TICKS"): 0x20000000,
    (ADDRESS, "NOTHING"): None,
    (TASK_TYPE, ""): POINT,
    (TYPES, "Point\0"): (((CANDIDATE, 4), (CANDIDATE, None)), (CANDIDATE,)),
    (FACTS, ""): ImageFacts(b"\x00\xff", 0x08000000, None),
    (FLASH, ""): (Segment(0x08000000, bytes(range(256))),),
    (BUILD, ""): (
        11,
        ("name", "board", "chip", "target", "image", "rev", "elf/kernel"),
        (
            TaskImage(
                0,
                "spi",
                "elf/task/spi",
                "drv-spi",
                3,
                False,
                1000,
                ("a",),
                (),
                ("irq",),
                {"sys": "rcc"},
                {"reset": ("jefe", "hiffy"), "off": ()},
            ),
        ),
        ("app.toml", "elf/kernel"),
    ),
    (TABLE, "app"): "{}",
}


def key(kind: Kind[Any], argument: str) -> str:
    return f"{kind.name}\0{argument}"


def index_file(results: dict[tuple[Kind[Any], str], object] | None = None) -> bytes:
    writer = IndexWriter()
    for (kind, argument), value in (RESULTS if results is None else results).items():
        writer.add(key(kind, argument), kind.field, value)
    return writer.to_bytes(FINGERPRINT)


def open_index(data: bytes) -> IndexReader:
    return IndexReader(data, FINGERPRINT, intern=lambda t: t, follow=lambda owner, offset: POINT)


def find(reader: IndexReader, kind: Kind[Any], argument: str) -> tuple[bool, Any]:
    return reader.find(key(kind, argument), kind.field)


def test_results_come_out_as_they_went_in() -> None:
    reader = open_index(index_file())
    assert len(reader) == len(RESULTS)
    for (kind, argument), value in RESULTS.items():
        assert find(reader, kind, argument) == (True, value)
    assert find(reader, MANY, "Other") == (False, None)


def test_pointers_keep_where_their_target_is() -> None:
    _, (found,) = find(open_index(index_file({(MANY, "p"): (POINTER,)})), MANY, "p")
    assert isinstance(found, Pointer)
    assert isinstance(found.resolve_target, TypeAt)
    assert (found.resolve_target.owner, found.resolve_target.die_offset) == ("spi", 77)
    assert found.resolve_target() is POINT


@given(st.lists(st.integers(-(1 << 127), (1 << 128) - 1), max_size=5))
def test_numbers_of_any_size(values: list[int]) -> None:
    numbers = CEnum("N", 16, True, tuple(Enumerator(f"v{i}", v) for i, v in enumerate(values)))
    data = index_file({(ONE, "0"): numbers})
    assert find(open_index(data), ONE, "0") == (True, numbers)


def test_equal_types_are_stored_once() -> None:
    """In whichever object they are, and though each pointer has its own place to point at."""
    one = index_file({(ONE, "1"): POINTER})
    other = Pointer("*mut geo::Point", 4, "geo::Point", TypeAt("b", 5, lambda _: POINT))
    fifty: dict[tuple[Kind[Any], str], object] = {
        (ONE, f"{i}"): (other if i else POINTER) for i in range(50)
    }
    assert len(index_file(fifty)) < len(one) + 50 * 60


def test_adding_keeps_earlier_entries() -> None:
    keys = list(RESULTS)
    writer = IndexWriter(open_index(index_file({k: RESULTS[k] for k in keys[:5]})))
    for kind, argument in keys[5:]:
        writer.add(key(kind, argument), kind.field, RESULTS[kind, argument])
    reader = open_index(writer.to_bytes(FINGERPRINT))
    for (kind, argument), value in RESULTS.items():
        assert find(reader, kind, argument) == (True, value)


def test_every_truncation_is_refused() -> None:
    data = index_file()
    for size in range(len(data)):
        with pytest.raises(IndexDamaged):
            open_index(data[:size])
    with pytest.raises(IndexDamaged):
        open_index(data + b"\0")


def test_every_flipped_bit_is_noticed() -> None:
    data = index_file()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(IndexDamaged):
            open_index(bytes(damaged))


def test_another_version_is_refused() -> None:
    data = index_file()
    with pytest.raises(IndexDamaged, match="version"):
        IndexReader(data, bytes(16), intern=lambda t: t, follow=lambda o, d: U8)
    with pytest.raises(IndexDamaged, match="version"):
        open_index(b"IDOLIDX0" + data[8:])


def forged(data: bytes, chance: random.Random) -> bytes:
    """Damage a file and make its check sum right, as somebody who means harm would."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(52, len(raw) - 4)
        if chance.random() < 0.5:
            word = chance.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.getrandbits(9)])
            struct.pack_into("<I", raw, at & ~3, word)
        else:
            raw[at] = chance.getrandbits(8)
    struct.pack_into("<I", raw, 48, crc32(raw[52:], crc32(raw[:48])))
    return bytes(raw)


def test_forged_files_give_an_answer_or_are_refused() -> None:
    data = index_file()
    refused = 0
    for seed in range(4000):
        raw = forged(data, random.Random(seed))
        try:
            reader = open_index(raw)
            for kind, argument in RESULTS:
                find(reader, kind, argument)
            IndexWriter(reader).to_bytes(FINGERPRINT)
        except IndexDamaged:
            refused += 1
    assert refused > 400


def test_a_forged_file_is_dropped_when_it_is_noticed() -> None:
    """A damaged index is dropped whole: results are found anew and replace it."""
    noticed = 0
    for seed in range(200):
        results = Results(forged(index_file(), random.Random(seed)), FINGERPRINT)
        for _ in range(2):
            for (kind, argument), value in RESULTS.items():
                results.recall(kind, argument, lambda value=value: value)  # type: ignore[misc]
        raw = results.to_bytes(FINGERPRINT)  # which looks at the rest of it
        noticed += bool(results.damage)
        assert bool(results.damage) <= results.news_count
        again = Results(raw, FINGERPRINT)
        for (kind, argument), value in RESULTS.items():
            if results.damage and again.knows(kind, argument):
                assert again.recall(kind, argument, list) == value
        assert not again.damage
    assert noticed > 20


def test_errors_are_not_kept() -> None:
    results = Results(None, FINGERPRINT)

    def fail() -> str:
        raise DebugInfoError("spi: not an ELF file", object="spi")

    for _ in range(2):
        with pytest.raises(DebugInfoError):
            results.recall(SERVER, "Spi", fail)
    assert results.news_count == 0


def test_a_result_that_is_forgotten_is_not_kept() -> None:
    results = Results(None, FINGERPRINT)
    assert results.recall(SERVER, "Spi", lambda: "spi") == "spi"
    results.forget(SERVER, "Spi")
    assert results.news_count == 0
    assert results.recall(SERVER, "Spi", lambda: "other") == "other"


def test_no_attribute_is_left_out() -> None:
    with pytest.raises(TypeError, match="Area has other attributes than address"):
        inline(Area, address=INT)
