"""LZSS with the parameters of dump areas: crate `lzss` as `humpty` uses it (EI 6, EJ 4, fill 0x20).

Bits come highest first. `1` and eight bits are a byte; `0`, six bits of position and four of length
copy length + 2 bytes out of the window, the last 64 bytes of output in a ring. The ring starts full
of blanks, and is written from position 47 on.
"""

from __future__ import annotations

__all__ = ["decompress"]

POSITION_BITS, LENGTH_BITS = 6, 4
LITERAL_BITS, COPY_BITS = 8, POSITION_BITS + LENGTH_BITS  # behind the first bit of a code
SHORTEST = 2  # bytes of a copy
WINDOW = 1 << POSITION_BITS
FIRST = WINDOW - (1 << LENGTH_BITS) - 1  # where the ring's first byte goes
FILL = b"\x20"


def decompress(data: bytes, limit: int) -> bytes:
    """Return what `data` stands for, at most `limit` bytes; a code that is cut off ends it."""
    window, at = bytearray(FILL * WINDOW), FIRST
    output = bytearray()
    held = count = 0  # bits that were read and not used yet
    source = iter(data)
    while len(output) < limit:
        wanted = 1 + (LITERAL_BITS if held >> count - 1 & 1 else COPY_BITS) if count else 1
        if count < wanted:
            byte = next(source, None)
            if byte is None:
                break
            held, count = held << 8 | byte, count + 8
            continue
        count -= wanted
        code, held = held >> count, held & ((1 << count) - 1)
        if wanted == 1 + LITERAL_BITS:
            window[at] = code & 0xFF
            output.append(window[at])
            at = (at + 1) % WINDOW
            continue
        start, size = code >> LENGTH_BITS, (code & (1 << LENGTH_BITS) - 1) + SHORTEST
        for index in range(start, start + size):
            window[at] = window[index % WINDOW]
            output.append(window[at])
            at = (at + 1) % WINDOW
    return bytes(output[:limit])
