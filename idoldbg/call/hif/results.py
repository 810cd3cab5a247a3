"""The return stack: one result for each `Call`, then the mark of `Done`.

Crate `hif` 0.3.1, `enum FunctionResult`, in postcard: a variant and, for Success, a length and that
many bytes; for Failure a u32.
"""

from __future__ import annotations

from typing import TypeAlias

from idol.records import dataclass
from idoldbg.call.codec.postcard import encode_varint, take_varint
from idoldbg.call.codec.serde import WireError
from idoldbg.call.hif.ops import HifError

__all__ = [
    "DONE_SIZE",
    "FAILED_SIZE",
    "Failed",
    "FunctionResult",
    "Success",
    "decode_results",
    "success_size",
]

_SUCCESS, _FAILURE, _DONE = range(3)

DONE_SIZE = 1
FAILED_SIZE = 5


@dataclass(frozen=True, slots=True)
class Success:
    """A function returned these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A function failed with its own code, such as a server's response code."""

    code: int


FunctionResult: TypeAlias = Success | Failed


def success_size(size: int) -> int:
    """Return how much of the return stack a Success of `size` bytes takes."""
    return 1 + len(encode_varint(size)) + size


def decode_results(stack: bytes) -> tuple[FunctionResult, ...]:
    """Return the results up to Done; raise `HifError` where there is none."""
    results: list[FunctionResult] = []
    offset = 0
    while True:
        try:
            variant, after = take_varint(stack, offset)
            if variant == _DONE:
                return tuple(results)
            if variant == _SUCCESS:
                size, start = take_varint(stack, after)
                result: FunctionResult = Success(_slice(stack, start, size))
                offset = start + size
            elif variant == _FAILURE:
                result = Failed(int.from_bytes(_slice(stack, after, 4), "little"))
                offset = after + 4
            else:
                raise WireError(f"{variant} is not a kind of result")
        except WireError as error:
            raise HifError(f"return stack, result {len(results)}: {error}") from None
        results.append(result)


def _slice(stack: bytes, start: int, size: int) -> bytes:
    part = stack[start : start + size]
    if len(part) < size:
        raise WireError(f"{size} bytes wanted, {len(part)} left")
    return part
