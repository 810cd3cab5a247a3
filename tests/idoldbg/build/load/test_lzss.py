"""Compression of dump areas, against the crate that firmware has (`fixtures/vectors`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.build.load.lzss import decompress
from tests.idoldbg.build.load.packing import compress

VECTORS = Path(__file__).resolve().parents[4] / "fixtures" / "vectors" / "humpty.json"
CASES = [
    (bytes.fromhex(c["plain"]), bytes.fromhex(c["packed"]), c["cut"])
    for c in json.loads(VECTORS.read_text())["lzss"]
]


@pytest.mark.parametrize(("plain", "packed", "cut"), CASES)
def test_output_of_the_crate_is_read_at_every_length(
    plain: bytes, packed: bytes, cut: list[int]
) -> None:
    assert decompress(packed, len(plain)) == plain
    assert [decompress(packed[:size], 1 << 16) for size in range(len(packed) + 1)] == [
        plain[:size] for size in cut
    ]


@pytest.mark.parametrize(("plain", "packed", "cut"), CASES)
def test_the_tests_compress_as_well(plain: bytes, packed: bytes, cut: list[int]) -> None:
    assert decompress(compress(plain), len(plain)) == plain
    assert len(compress(plain)) <= len(packed)


@given(st.lists(st.sampled_from([b"\0", b" ", b"ab", b"stack "]) | st.binary(max_size=3)))
def test_round_trip(parts: list[bytes]) -> None:
    plain = b"".join(parts)
    assert decompress(compress(plain), len(plain)) == plain
    assert decompress(compress(plain), 3) == plain[:3]


def test_a_copy_may_overlap_its_own_output_and_begin_in_the_blanks() -> None:
    # A literal `x` at 47, then 17 bytes from there: each is the one that was just written.
    assert decompress(bytes([0b1_0111100, 0b0_0_101111, 0b1111_0000]), 99) == b"x" * 18
    assert decompress(bytes([0b0_000000_0, 0b000_00000]), 99) == b"  "


@given(st.binary(max_size=300), st.integers(0, 500))
def test_any_bytes_end(data: bytes, limit: int) -> None:
    assert len(decompress(data, limit)) <= min(limit, 13 * len(data))
