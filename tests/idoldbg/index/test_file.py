"""The index file: what goes in comes out, and what is damaged is refused."""

from __future__ import annotations

import random
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.archive import ImageFacts, TaskImage
from idoldbg.errors import DebugInfoError
from idoldbg.index import QUESTIONS, Answers, IndexDamaged, IndexReader, IndexWriter
from idoldbg.memory import Segment
from idoldbg.symbols import Block, Subprogram, Variable
from idoldbg.types import (
    Array,
    CEnum,
    Encoding,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    Struct,
    Subroutine,
    Type,
    TypeAt,
    Union,
    Variant,
)

FINGERPRINT = bytes(range(16))
U8 = Scalar("u8", 1, Encoding.UNSIGNED)
UNIT = Struct("E::A", 0, ())
POINT = Struct("geo::Point", 8, (Member("x", 0, U8), Member("größe", 4, Array("[u8; 4]", U8, 4))))
POINTER = Pointer("*mut geo::Point", 4, "geo::Point", TypeAt("spi", 77, lambda _: POINT))
TYPES: tuple[Type, ...] = (
    U8,
    Scalar("!", 0, Encoding.UNSIGNED),
    Scalar("char", 4, Encoding.CHAR),
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
        Member("", 0, Scalar("i32", 4, Encoding.SIGNED)),
        (Variant("Minus", -3, 0, UNIT), Variant("Byte", 253, 0, UNIT)),
    ),
    Enum("Never", 0, None, ()),
    Array("[geo::Point; 0]", POINT, 0),
    Subroutine("fn(u8) -> u8"),
    Opaque("geo::Gone", "only declared here, not defined"),
)
STATIC = Variable("S", "geo::S", "_ZN1S", 0xFFFFFFFC, 8, POINT, 12, ((0x20000000, 4), (8, 4)))
ANSWERS = {
    ("spi", "types", "Point"): TYPES,
    ("spi", "types", "Nothing"): (),
    ("kernel", "type names", "Option<"): ("Option<u8>", "Option<\u00e9>"),
    ("kernel", "type at", "4096"): POINT,
    ("kernel", "variables", "S"): (STATIC, Variable("T", "T", "", None, 1, U8, 3)),
    ("spi", "subprograms", "op"): (Subprogram("op", "a::op", "_Z", None, (("self", POINTER),), 9),),
    ("spi", "bodies", "main"): (Block("m", (("x", U8),), (Block("", (), ()),)),),
    ("spi", "interface", ""): 'Interface(name: "Spi")',
    ("idle", "interface", ""): None,
    ("spi", "has debug info", ""): True,
    ("", "image", ""): ImageFacts(b"\x00\xff", 0x08000000, None),
    ("", "flash", ""): (Segment(0x08000000, bytes(range(256))),),
    ("", "build", ""): (
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
    ("", "description", "app"): "{}",
}


def index_file(answers: dict[tuple[str, str, str], object] | None = None) -> bytes:
    writer = IndexWriter()
    for key, value in (ANSWERS if answers is None else answers).items():
        writer.add("\0".join(key), QUESTIONS[key[1]], value)
    return writer.to_bytes(FINGERPRINT)


def open_index(data: bytes) -> IndexReader:
    return IndexReader(data, FINGERPRINT, intern=lambda t: t, follow=lambda owner, offset: POINT)


def test_answers_come_out_as_they_went_in() -> None:
    reader = open_index(index_file())
    assert len(reader) == len(ANSWERS)
    for key, value in ANSWERS.items():
        assert reader.find("\0".join(key), QUESTIONS[key[1]]) == (True, value)
    assert reader.find("spi\0types\0Other", QUESTIONS["types"]) == (False, None)


def test_pointers_keep_where_their_target_is() -> None:
    _, (found,) = open_index(index_file({("spi", "types", "p"): (POINTER,)})).find(
        "spi\0types\0p", QUESTIONS["types"]
    )
    assert isinstance(found, Pointer)
    assert isinstance(found.resolve_target, TypeAt)
    assert (found.resolve_target.owner, found.resolve_target.die_offset) == ("spi", 77)
    assert found.resolve_target() is POINT


@given(st.lists(st.integers(-(1 << 127), (1 << 128) - 1), max_size=5))
def test_numbers_of_any_size(values: list[int]) -> None:
    numbers = CEnum("N", 16, True, tuple(Enumerator(f"v{i}", v) for i, v in enumerate(values)))
    data = index_file({("k", "type at", "0"): numbers})
    assert open_index(data).find("\0".join(["k", "type at", "0"]), QUESTIONS["type at"]) == (
        True,
        numbers,
    )


def test_equal_types_are_stored_once() -> None:
    """In whichever object they are, and though each pointer has its own place to point at."""
    one = index_file({("a", "type at", "1"): POINTER})
    other = Pointer("*mut geo::Point", 4, "geo::Point", TypeAt("b", 5, lambda _: POINT))
    many = {(f"task{i}", "type at", "1"): (other if i else POINTER) for i in range(50)}
    assert len(index_file(many)) < len(one) + 50 * 60


def test_adding_keeps_what_was_there() -> None:
    keys = list(ANSWERS)
    first = index_file({k: ANSWERS[k] for k in keys[:5]})
    writer = IndexWriter(open_index(first))
    for key in keys[5:]:
        writer.add("\0".join(key), QUESTIONS[key[1]], ANSWERS[key])
    reader = open_index(writer.to_bytes(FINGERPRINT))
    for key, value in ANSWERS.items():
        assert reader.find("\0".join(key), QUESTIONS[key[1]]) == (True, value)


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
            for key in ANSWERS:
                reader.find("\0".join(key), QUESTIONS[key[1]])
            IndexWriter(reader).to_bytes(FINGERPRINT)
        except IndexDamaged:
            refused += 1
    assert refused > 400


def test_a_forged_file_is_dropped_when_it_is_noticed() -> None:
    """Its answers are asked for anew, and written in place of it."""
    for seed in range(200):
        answers = Answers(forged(index_file(), random.Random(seed)), FINGERPRINT)
        for key, value in ANSWERS.items():
            answers.ask(*key, lambda value=value: value)  # type: ignore[misc]
        again = Answers(answers.to_bytes(), FINGERPRINT)
        assert not again.damage
        assert all(again.knows(*key) for key in ANSWERS)


@pytest.mark.parametrize("content", [b"\x03\0\0\0", b"", None])
def test_words_of_initial_memory_are_kept(content: bytes | None) -> None:
    answers = Answers(None, FINGERPRINT)
    answers.ask("hiffy", "memory", "0x20000000+4", lambda: content)
    again = Answers(answers.to_bytes(), FINGERPRINT)
    assert again.knows("hiffy", "memory", "0x20000000+4")
    assert again.ask("hiffy", "memory", "0x20000000+4", lambda: b"?") == content


def test_errors_are_not_kept() -> None:
    answers = Answers(None, FINGERPRINT)

    def fail() -> bool:
        raise DebugInfoError("spi: not an ELF file", object="spi")

    for _ in range(2):
        with pytest.raises(DebugInfoError):
            answers.ask("spi", "has debug info", "", fail)
    assert not answers.has_news
