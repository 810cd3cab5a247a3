"""HOST:PORT of SPECs."""

from __future__ import annotations

import pytest

from idoldbg.errors import ArgumentError
from idoldbg.target.servers.address import split_address
from idoldbg.target.spec import Spec


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("localhost:3333", ("localhost", 3333)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("::1:6666", ("::1", 6666)),
    ],
)
def test_addresses(rest: str, expected: tuple[str, int]) -> None:
    assert split_address(Spec("gdb", rest)) == expected


@pytest.mark.parametrize(
    "rest", [None, "", "localhost", "localhost:", ":3333", "h:0", "h:65536", "h:x", "h:-1", "h:٣",
             "a..b:1", "h:111111111111111111111111"],
)  # fmt: skip
def test_malformed_addresses_are_refused(rest: str | None) -> None:
    with pytest.raises(ArgumentError, match=r"is not (gdb:HOST:PORT|a host name)|not a host"):
        split_address(Spec("gdb", rest))
