"""Enumerations of the Idol language: a module of its own, so that they load alone."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Encoding", "ErrorKind", "RecvKind"]


class Encoding(StrEnum):
    """Encoding of arguments and replies; the value is the spelling in Idol."""

    ZEROCOPY = "Zerocopy"
    SSMARSHAL = "Ssmarshal"
    HUBPACK = "Hubpack"


class RecvKind(StrEnum):
    """Conversion of a received value into its type; the value is the spelling in Idol."""

    FROM_BYTES = "FromBytes"
    FROM_PRIMITIVE = "FromPrimitive"
    FROM = "From"


class ErrorKind(StrEnum):
    """Encoding of an operation's error; the value is the spelling in Idol."""

    #: In the response code alone.
    C_LIKE = "CLike"
    #: Response code 1 and a message in the operation's encoding.
    COMPLEX = "Complex"
    #: Never sent by the server: the client makes it of a dead code.
    SERVER_DEATH = "ServerDeath"
