"""Hubpack, the fixed-size binary format that Hubris tasks speak, in pure Python.

Two levels. `Writer` and `Reader` put and take single items; a caller that walks its own types needs
no more. `encode`, `decode` and `max_size` do whole values by a schema: see `hubpack.schema`.

    >>> reading = Struct("Reading", (("celsius", F32), ("sensor", U8)))
    >>> encode(reading, {"celsius": 21.5, "sensor": 3}).hex()
    '0000ac4103'
    >>> decode(reading, bytes.fromhex("0000ac4103"))
    ({'celsius': 21.5, 'sensor': 3}, 5)
"""

from typing import TYPE_CHECKING, Any

from .wire import DecodeError, EncodeError, HubpackError, Reader, Writer

if TYPE_CHECKING:
    from .schema import (
        BOOL,
        F32,
        F64,
        I8,
        I16,
        I32,
        I64,
        I128,
        U8,
        U16,
        U32,
        U64,
        U128,
        UNIT,
        Array,
        Enum,
        Option,
        Primitive,
        Result,
        Schema,
        Some,
        Struct,
        Tuple,
        Variant,
        decode,
        encode,
        max_size,
    )

__all__ = [
    # Schemas
    "BOOL",
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "UNIT",
    "Array",
    "Enum",
    "Option",
    "Primitive",
    "Result",
    "Schema",
    "Struct",
    "Tuple",
    # Values
    "Some",
    "Variant",
    # Whole values
    "decode",
    "encode",
    "max_size",
    # Single items
    "Reader",
    "Writer",
    # Errors
    "DecodeError",
    "EncodeError",
    "HubpackError",
]


def __getattr__(name: str) -> Any:
    """Load `schema` when one of its names is asked for; single items need only `wire`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import schema

    value = globals()[name] = getattr(schema, name)
    return value
