"""`extract app.toml`: the same bytes."""

from __future__ import annotations

from tests.real.peer import Peer

COMMAND = "extract"


def test_extract(peer: Peer) -> None:
    def found() -> str:
        return peer.program.archive.get_member("app.toml").decode(errors="replace")

    if peer.failure:
        peer.may_fail(found)
    peer.compare({"app.toml": peer.stdout.rstrip("\n")}, {"app.toml": found().rstrip("\n")})
