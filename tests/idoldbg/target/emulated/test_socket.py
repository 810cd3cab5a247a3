"""The socket of a board that is kept running: clients that share it, die, and talk nonsense."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

from idoldbg.errors import FaultError, LinkError, LinkTimeout, ProbeNotFound, Unsupported
from idoldbg.target.emulated import client as board_client
from idoldbg.target.emulated import socket as board_socket
from idoldbg.target.emulated.client import short_address
from idoldbg.target.emulated.protocol import (
    MAX_HEADER,
    MAX_PAYLOAD,
    PROTOCOL,
    FrameReader,
    ProtocolError,
    decode_error,
    decode_operations,
    encode_frame,
)
from idoldbg.target.emulated.server import loop as loop_module
from idoldbg.target.emulated.socket import RemoteBoard, connect_board
from tests.conftest import wait_until

from ..conftest import FLASH, RAM, FakeChip, serving

HELLO = encode_frame({"hello": PROTOCOL})
READ = encode_frame({"do": [{"op": "read", "address": RAM, "size": 4}]})
WRITE = encode_frame({"do": [{"op": "write", "address": RAM, "size": 4}]}, b"good")


@contextmanager
def raw(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        with short_address(path) as address:
            connection.connect(address)
        yield connection


def answers(connection: socket.socket) -> list[dict[str, object]]:
    """Read headers until the other side closes."""
    frames, found = FrameReader(), []
    while data := connection.recv(65536):
        frames.feed(data)
        while frame := frames.take():
            found.append(frame[0])
    return found


def connect(path: Path) -> RemoteBoard:
    return connect_board(str(path))


class Wall:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


# ---------------------------------------------------------------------- one client


def test_boards_have_their_capabilities(served_chip: Path, chip: FakeChip) -> None:
    with connect(served_chip) as board:
        board.write(RAM + 4, b"\1\2\3\4")
        assert board.read_ranges([(RAM + 4, 4), (FLASH, 2)]) == [b"\1\2\3\4", b"\0\7"]
        assert board.read_register("pc") == 0x08000400
        with pytest.raises(Unsupported, match="no register"):
            board.read_register("pi")
        board.uart_feed("console", b"hello")
        assert board.uart() == {"console": b"hello", "second": b"two"}
        board.flash([(FLASH + 8, b"new")], archive="a.zip", image_id="00")
        assert board.read(FLASH + 7, 5) == b"\xffnew\xff"
        assert (chip.resets, board.status()["leds"]) == (1, {"red": True})
        board.reset(halt=True)
        assert board.is_halted and chip.is_halted
        board.resume()
        before = board.time_s
        board.run(1.5)
        assert board.time_s - before == pytest.approx(1.5)


def test_the_operations_before_a_failure_were_done(served_chip: Path, chip: FakeChip) -> None:
    with connect(served_chip) as board:
        writes = [{"op": "write", "address": a, "size": 1} for a in (RAM, 0x60000000, RAM + 1)]
        with pytest.raises(FaultError) as caught:
            board.client.do(*writes, payload=b"abc")
        assert caught.value.address == 0x60000000
        assert chip.memory[RAM][:2] == b"a\0"
        assert board.read(RAM, 1) == b"a"


def test_more_than_fits_into_a_frame(served_chip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_socket, "MAX_PAYLOAD", 1000)
    data = random.Random(1).randbytes(4321)
    with connect(served_chip) as board:
        board.write(RAM, data)
        assert board.read(RAM, len(data)) == data


def test_a_socket_without_a_board(tmp_path: Path) -> None:
    with pytest.raises(ProbeNotFound, match="no board listens"):
        connect(tmp_path / "nothing.sock")
    with pytest.raises(ProbeNotFound, match="idoldbg board start nothing"):
        connect_board("nothing")


def test_a_board_that_hangs_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(LinkTimeout, match="did not answer"):
            board_client.BoardClient(tmp_path / "s", "emu:s", limit_s=0.3)


class Interrupted(Exception):
    """As a timer of a test raises it."""


@contextmanager
def interrupted_at(wanted: int) -> Iterator[list[int]]:
    """Send a signal, whose handler raises, at one of the places of the link where Python calls it.

    Gives how many there were so far, as the only element of a list.
    """
    places = [0]

    def look(frame: FrameType, event: str, _argument: object) -> None:
        own = frame.f_code.co_filename in (board_client.__file__, board_socket.__file__)
        if own and event in ("call", "c_return"):
            places[0] += 1
            if places[0] == wanted:
                signal.raise_signal(signal.SIGALRM)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    sys.setprofile(look)
    try:
        yield places
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupted_client_connects_again(served_chip: Path, chip: FakeChip) -> None:
    """Wherever that was: the next request is answered, and the core goes on."""

    def work(link: board_socket.BoardLink) -> None:
        def work_halted() -> None:
            link.write(RAM, b"abcd")
            assert link.read(RAM, 4) == b"abcd"
            link.halted(lambda: link.read_register("pc"))

        link.alone(lambda: link.halted(work_halted))

    at = total = 0
    while at <= total:
        with board_socket.open_board(str(served_chip)) as link, connect(served_chip) as other:
            with suppress(Interrupted), interrupted_at(at) as places:
                work(link)
            total = places[0] if at == 0 else total
            work(link)
            other.lock(60)
            wait_until(lambda other=other: not other.status()["held_by"], f"{at}: nothing is held")
            assert not chip.is_halted, at
        at += 1
    assert total > 50


def test_claims_do_not_outlive_an_interruption(served_chip: Path) -> None:
    """Inside of `halted` nothing goes on as if the core still stood."""
    with board_socket.open_board(str(served_chip)) as link:

        def interrupted() -> None:
            link.board.client.interrupt()
            link.read(RAM, 4)

        with pytest.raises(LinkError, match="connection to the board is lost"):
            link.halted(interrupted)
        assert len(link.read(RAM, 4)) == 4


def test_board_that_was_started_again_is_another_one(
    served_chip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(served_chip) as board:
        board.client.interrupt()
        monkeypatch.setattr(board_client, "peer_credentials", lambda _: (1, os.getuid()))
        with pytest.raises(LinkError, match="started since; attach anew"):
            board.read(RAM, 4)


# ---------------------------------------------------------------------- several clients


def test_a_core_held_by_several_goes_on_after_the_last(served_chip: Path, chip: FakeChip) -> None:
    with connect(served_chip) as one, connect(served_chip) as two:
        one.hold()
        one.hold()
        two.hold()
        one.release()
        two.release()
        assert chip.is_halted
        two.release()  # has none any more
        assert chip.is_halted
        two.reset()
        assert chip.is_halted, "reset, but still held"
        one.release()
        assert not chip.is_halted
        one.halt()
        two.hold()
        two.release()
        assert chip.is_halted, "as it was before"


def test_a_client_that_goes_lets_go(served_chip: Path, chip: FakeChip) -> None:
    with connect(served_chip) as watcher:
        with connect(served_chip) as other:
            other.hold()
            other.lock()
        wait_until(lambda: not watcher.status()["held_by"], "the board hears that it went")
        assert not chip.is_halted
        watcher.lock()


def test_the_lock_goes_round_in_turn(served_chip: Path) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        with connect(served_chip) as board:
            board.lock()
            order.append(number)
            time.sleep(0.02)
            order.append(number)
            board.unlock()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    with connect(served_chip) as board:
        board.lock()
        board.lock()  # has it already
        for thread in threads:
            thread.start()
        time.sleep(0.1)  # some of them are waiting now, or none: the order holds either way
        assert board.read(FLASH, 1) == b"\0", "a lock keeps nobody from reading"
        board.unlock()
    for thread in threads:
        thread.join()
    assert len(order) == 10 and order[::2] == order[1::2]


def test_a_lock_that_is_never_given_back(
    served_chip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "WAIT_LIMIT_S", 0.2)
    with connect(served_chip) as one, connect(served_chip) as two:
        one.lock()
        for limit_s in (0.0, 0.1, 0.5):
            with pytest.raises(LinkTimeout, match="another client makes calls"):
                two.lock(limit_s)
        assert two.read(FLASH, 1) == b"\0"


def test_requests_are_not_torn(served_chip: Path) -> None:
    """Writers put the same byte into two places at once; readers never see two different ones."""
    places = [(RAM + 16, 8), (RAM + 0x2000, 8)]
    torn: list[list[bytes]] = []

    def write(number: int) -> None:
        value = bytes([number]) * 8
        operations = [{"op": "write", "address": a, "size": s} for a, s in places]
        with connect(served_chip) as board:
            for _ in range(150):
                board.client.do(*operations, payload=value * 2)

    def read() -> None:
        with connect(served_chip) as board:
            for _ in range(150):
                parts = board.read_ranges(places)
                if parts[0] != parts[1]:
                    torn.append(parts)

    threads = [threading.Thread(target=write, args=(n,)) for n in (1, 2)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []


def test_waiting_clients_do_not_block_others(
    served_chip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board's time hardly passes until the other one is done: waiting for that would hang."""
    begun, over = threading.Event(), threading.Event()
    fast = FakeChip.run

    def slow(self: FakeChip, seconds: float) -> None:
        begun.set()
        fast(self, seconds if over.is_set() else 1e-6)

    monkeypatch.setattr(FakeChip, "run", slow)
    monkeypatch.setattr(loop_module, "WAIT_LIMIT_S", 600.0)
    with connect(served_chip) as patient, connect(served_chip) as hasty:
        waiter = threading.Thread(target=patient.run, args=(0.3,))
        waiter.start()
        begun.wait()
        for _ in range(20):
            hasty.read(FLASH, 4)
        over.set()
        waiter.join()
        assert patient.time_s >= 0.3


def test_a_slice_of_waiting_is_as_long_as_the_host_can_bear(
    chip: FakeChip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firmware that keeps the host busy: a virtual second takes ten real ones."""
    wall, slices = Wall(), []
    fast = FakeChip.run

    def slow(self: FakeChip, seconds: float) -> None:
        slices.append(seconds * 10)
        wall.now_s += seconds * 10
        fast(self, seconds)

    monkeypatch.setattr(FakeChip, "run", slow)
    with serving(chip, tmp_path / "s", wall) as path, connect(path) as board:
        board.run(0.3)
    assert sum(slices) == pytest.approx(3)
    assert max(slices) <= 2 * loop_module.SLICE_REAL_S


def test_a_board_seems_to_have_run_between_accesses(chip: FakeChip, tmp_path: Path) -> None:
    wall = Wall()

    def look(board: RemoteBoard, pause_s: float) -> float:
        before = board.time_s
        wall.now_s += pause_s
        board.read(RAM, 4)
        return board.time_s - before

    with serving(chip, tmp_path / "s", wall) as path:
        with connect_board(str(path), clock="wall") as board:
            assert look(board, 0.0) == 0
            assert look(board, 0.05) == pytest.approx(0.05)
            assert look(board, 3600) == loop_module.CATCH_UP_VIRTUAL_S
        with connect(path) as board:
            assert look(board, 1) == loop_module.CATCH_UP_VIRTUAL_S
            assert look(board, 0.09) == 0, "between the requests of a client that waits, it stands"


# ---------------------------------------------------------------------- dying and nonsense


def alive(path: Path) -> bool:
    with connect(path) as board:
        return board.read(FLASH, 4) == bytes((0, 7, 14, 21))


@pytest.mark.parametrize("whole", [HELLO + READ, HELLO + WRITE], ids=["read", "write"])
def test_a_client_that_dies_after_any_byte(served_chip: Path, chip: FakeChip, whole: bytes) -> None:
    for length in range(len(whole)):
        with raw(served_chip) as connection:
            greeting, rest = whole[:length][: len(HELLO)], whole[:length][len(HELLO) :]
            connection.sendall(greeting)
            if len(greeting) == len(HELLO):
                connection.recv(1000)
            connection.sendall(rest)
    assert alive(served_chip)
    assert chip.memory[RAM][:4] == bytes(4), "half a request does nothing"


def test_a_client_that_dies_while_it_waits(served_chip: Path, chip: FakeChip) -> None:
    for _ in range(5):
        with raw(served_chip) as connection:
            connection.sendall(HELLO)
            connection.recv(1000)
            connection.sendall(
                encode_frame({"do": [{"op": "hold"}, {"op": "wait", "seconds": 50}]})
            )
    assert alive(served_chip)
    wait_until(lambda: not chip.is_halted, "the board hears of the last one's end")


def frame(text: bytes, payload: bytes = b"") -> bytes:
    return struct.pack("<II", len(text), len(payload)) + text + payload


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 64,
        b"\xff" * 64,
        struct.pack("<II", MAX_HEADER + 1, 0),
        struct.pack("<II", 2, MAX_PAYLOAD + 1),
        frame(b"{"),
        frame(b"[]"),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
        frame(b'{"hello": 99}'),
        frame(b'{"hello": "x"}'),
        frame(b'{"hello": 1, "clock": "sun"}'),
        frame(b'{"hello": 1, "clock": ["wall"]}'),
        READ,
        HELLO + HELLO,
        HELLO + READ + READ,
    ],
)
def test_nonsense_is_refused_with_a_reason(served_chip: Path, data: bytes) -> None:
    with raw(served_chip) as connection:
        connection.sendall(data)
        last = answers(connection)[-1]
        assert last["closing"] is True
        assert isinstance(last["error"], dict) and "does not serve" in last["error"]["message"]
    assert alive(served_chip)


BAD_OPERATIONS = [
    [],
    {},
    None,
    [None],
    ["read"],
    [{"op": "fly"}],
    [{"op": ["read"]}],
    [{"op": "read"}],
    [{"op": "read", "address": -1, "size": 4}],
    [{"op": "read", "address": True, "size": 4}],
    [{"op": "read", "address": 0, "size": 4.0}],
    [{"op": "read", "address": 1 << 32, "size": 0}],
    [{"op": "read", "address": 0xFFFFFFFF, "size": 2}],
    [{"op": "read", "address": 0, "size": MAX_PAYLOAD + 1}],
    [{"op": "read", "address": 0, "size": MAX_PAYLOAD}] * 2,
    [{"op": "read", "address": 0, "size": 1, "extra": 1}],
    [{"op": "write", "address": 0, "size": 5}],
    [{"op": "wait", "seconds": -1}],
    [{"op": "wait", "seconds": 1e300}],
    [{"op": "wait", "seconds": float("nan")}],
    [{"op": "wait", "seconds": 10**400}],
    [{"op": "wait", "seconds": "1"}],
    [{"op": "registers", "names": "pc"}],
    [{"op": "registers", "names": ["x" * 100]}],
    [{"op": "registers", "names": ["pc"] * 1000}],
    [{"op": "flash", "segments": [[0]]}],
    [{"op": "flash", "segments": [[0, -4]]}],
    [{"op": "flash", "segments": [], "archive": "x" * 9999}],
    [{"op": "name-image", "segments": [], "archive": "x"}],
    [{"op": "name-image", "segments": [[0, 4]], "archive": "x", "image_id": ""}],
    [{"op": "lock", "seconds": 61}],
    [{"op": "halt"}] * 257,
]


@pytest.mark.parametrize("operations", BAD_OPERATIONS, ids=range(len(BAD_OPERATIONS)))
def test_requests_that_make_no_sense_are_refused(operations: object) -> None:
    with pytest.raises(ProtocolError):
        decode_operations({"do": operations}, b"")


def test_random_requests_never_break_it(served_chip: Path) -> None:
    rng = random.Random(5)
    names = ("read", "write", "wait", "hold", "release", "lock", "unlock", "uart", "status", "x")

    def value() -> object:
        return rng.choice([0, 1, -1, RAM, 2**32, 2**70, 1.5, "pc", None, [], {}, True, [["x"]]])

    for _ in range(300):
        fields = rng.sample(("address", "size", "seconds", "names", "port", "halt"), 2)
        operation = {"op": rng.choice(names), **{f: value() for f in fields}}
        text = json.dumps({"do": [operation]}).encode()
        if rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + rng.randbytes(2) + text[at + 1 :]
        with raw(served_chip) as connection:
            connection.sendall(HELLO)
            connection.recv(1000)
            connection.sendall(frame(text, rng.randbytes(rng.choice([0, 4]))))
            if rng.random() < 0.5:
                connection.recv(1000)
    assert alive(served_chip)


def test_a_client_that_reads_nothing_keeps_nobody_waiting(served_chip: Path) -> None:
    lots = {"op": "read", "address": RAM, "size": 0x8000}
    with raw(served_chip) as lazy:
        lazy.sendall(HELLO)
        lazy.recv(1000)
        lazy.sendall(encode_frame({"do": [lots] * 64}))
        for _ in range(20):
            assert alive(served_chip)


def test_too_many_clients(served_chip: Path) -> None:
    boards = [connect(served_chip) for _ in range(loop_module.MAX_CLIENTS)]
    with pytest.raises(LinkError, match="clients already"):
        connect(served_chip)
    for board in boards:
        board.close()

    def has_room() -> bool:
        with suppress(LinkError):
            return alive(served_chip)
        return False

    wait_until(has_room, "the board hears that they went")


def test_a_server_that_talks_nonsense(tmp_path: Path) -> None:
    for answer in (b"\xff" * 64, frame(b"[]"), frame(b"{}") * 2, b"", frame(b'{"closing": 1}')):
        path = tmp_path / "s"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def serve(listener: socket.socket = listener, answer: bytes = answer) -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            with pytest.raises(LinkError):
                board_socket.open_board(str(path))
            thread.join(60)


def test_a_refusal_is_read_even_if_nothing_can_be_sent_any_more(tmp_path: Path) -> None:
    path = tmp_path / "s"
    refusal = encode_frame({"closing": True, "error": {"message": "too many clients"}})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(refusal)

        thread = threading.Thread(target=refuse)
        thread.start()
        begun = board_client._connect

        def connect_late(path: Path, spec: str) -> socket.socket:
            connection = begun(path, spec)
            thread.join(60)
            return connection

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(board_client, "_connect", connect_late)
            with pytest.raises(LinkError, match="too many clients"):
                connect(path)


def test_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    """The kernel refuses a client at once (EAGAIN) while others wait to be accepted."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        waiting = []
        with pytest.raises(BlockingIOError):
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(path))
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(board_client._connect(path, "emu:s")))
        thread.start()
        time.sleep(0.1)
        assert thread.is_alive() and not made
        for _ in range(len(waiting) - 1):
            listener.accept()[0].close()
        thread.join(60)
        for connection in [*waiting, *made]:
            connection.close()
        assert len(made) == 1


def test_a_backlog_that_stays_full_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_client, "CONNECT_LIMIT_S", 0.1)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with (
            socket.socket(socket.AF_UNIX) as first,
            pytest.raises(LinkError, match=r"taken none of its waiting clients for 0\.1 s"),
        ):
            first.connect(str(path))
            board_client._connect(path, "emu:s")


@pytest.mark.parametrize("number", [10**400, float("nan"), "1", True, None])
def test_times_that_no_clock_has_are_passed_over(number: object) -> None:
    facts = {"kind": "LinkTimeout", "message": "late", "timeout_s": number}
    assert type(decode_error(facts, "emu:s")) is LinkError
