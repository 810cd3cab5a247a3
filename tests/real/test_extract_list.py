"""`extract --list`: every file of a build, with its size."""

from __future__ import annotations

from tests.real.peer import Peer

COMMAND = "extract-list"


def test_extract_list(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("extract"))
    rows = [line.split(None, 1) for line in peer.stdout.splitlines()[1:]]
    theirs = {f"size of {name}": int(size) for size, name in rows}
    members = peer.json("extract")["members"]
    peer.compare(theirs, {f"size of {each['name']}": each["size"] for each in members})
