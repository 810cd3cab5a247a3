"""Packets of the GDB remote protocol, both ways, whole, cut off and garbled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.target.servers.gdb_packets import (
    MAX_NOISE,
    MAX_PACKET,
    GdbError,
    Packet,
    PacketReader,
    Signal,
    decode_error_reply,
    decode_hex,
    decode_memory,
    decode_part,
    decode_supported,
    encode_binary,
    encode_packet,
    is_stop,
)

PLAIN = st.binary(max_size=200).map(lambda data: data.translate(None, b"#$}*"))


def read_all(*parts: bytes) -> list[Packet | Signal]:
    reader, found = PacketReader(), []
    for part in parts:
        reader.feed(part)
        while (taken := reader.take()) is not None:
            found.append(taken)
    return found


@pytest.mark.parametrize(
    ("wire", "data"),
    [  # the first three are the manual's examples
        (b"$m0,4#fd", b"m0,4"),
        (b"$0* #7a", b"0000"),
        (b"$#00", b""),
        (b"$}\x03#80", b"#"),
        (b"$OK#9a", b"OK"),
        (b"$OK#9A", b"OK"),
        (b"$OK#9b", None),
        (b"$OK#zz", None),
        (b"$* #4a", None),  # a run of nothing
        (b"$0*\x1f#79", None),  # a run of two
        (b"$}#7d", b"\x00"),  # an escape of nothing
    ],
)
def test_packets_of_the_wire(wire: bytes, data: bytes | None) -> None:
    assert read_all(wire) == [Packet(data)]


@given(PLAIN)
def test_encoded_packets_are_read_back(data: bytes) -> None:
    assert read_all(encode_packet(data)) == [Packet(data)]


@given(st.binary(max_size=200))
def test_binary_data_is_escaped(data: bytes) -> None:
    assert read_all(encode_packet(encode_binary(data))) == [Packet(data)]


@given(PLAIN, st.integers(0, 250))
def test_a_packet_may_come_in_pieces(data: bytes, cut: int) -> None:
    wire = b"+" + encode_packet(data) + b"-"
    assert read_all(wire[:cut], wire[cut:]) == [Signal(False), Packet(data), Signal(True)]


@given(PLAIN)
def test_nothing_comes_of_less_than_a_packet(data: bytes) -> None:
    wire = encode_packet(data)
    for end in range(len(wire)):
        assert read_all(wire[:end]) == []


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for found in read_all(data):
        assert isinstance(found, Packet | Signal)


def test_one_wrong_bit_is_seen() -> None:
    wire = encode_packet(b"T05thread:01;")
    for at in range(1, len(wire) - 3):
        for bit in range(8):
            damaged = bytearray(wire)
            damaged[at] ^= 1 << bit
            assert Packet(b"T05thread:01;") not in read_all(bytes(damaged))


def test_notifications_are_passed_over() -> None:
    assert read_all(b"%Stop:T05#" + b"%02x" % (sum(b"Stop:T05") & 255), b"$OK#9a") == [
        Packet(b"OK")
    ]


def test_noise_and_packets_without_an_end_are_refused() -> None:
    assert read_all(b"hello\r\n$OK#9a") == [Packet(b"OK")]
    with pytest.raises(GdbError, match="does not speak"):
        read_all(b"x" * (MAX_NOISE + 1))
    with pytest.raises(GdbError, match="more than"):
        read_all(b"$" + b"x" * (MAX_PACKET + 1))
    run = b"0" + b"*~" * (MAX_PACKET // 97 + 1)
    with pytest.raises(GdbError, match="more than"):
        read_all(encode_packet(run))


def test_supported_features_are_split() -> None:
    assert decode_supported(b"PacketSize=4000;qXfer:features:read+;vContSupported-;x;=1;") == {
        "PacketSize": "4000",
        "qXfer:features:read": "+",
        "vContSupported": "-",
        "": "1",
    }


@pytest.mark.parametrize(
    ("reply", "error"),
    [(b"E01", "E01"), (b"E.no, no", "E.no, no"), (b"E012", None), (b"OK", None), (b"E", None)],
)
def test_errors(reply: bytes, error: str | None) -> None:
    assert decode_error_reply(reply) == error


def test_memory_is_as_much_as_was_asked_for_or_less() -> None:
    assert decode_memory(b"0aFf", 2) == b"\x0a\xff"
    assert decode_memory(b"0a", 2) == b"\x0a"
    for reply in (b"", b"0", b"0a0b0c", b"0g", b"OK"):
        with pytest.raises(GdbError):
            decode_memory(reply, 2)
    with pytest.raises(GdbError, match="not hexadecimal"):
        decode_hex(b"+1")


def test_parts_of_documents() -> None:
    assert decode_part(b"mabc") == (b"abc", False)
    assert decode_part(b"l") == (b"", True)
    with pytest.raises(GdbError):
        decode_part(b"E01")


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"T05", True), (b"S02", True), (b"W00", True), (b"OK", False), (b"", False), (b"O4f", False)],
)
def test_stops(data: bytes, expected: bool) -> None:
    assert is_stop(data) is expected
