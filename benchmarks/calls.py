"""Cost of calls: time, and transactions of the link by its kind.

Each is measured beside the exchange of a debugger that believes to be alone, as Humility's does:
written, kicked, polled and read, with nothing that proves whose program ran.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from idoldbg.call.calls import Call, build_message, prepare_call
from idoldbg.call.hiffy import HiffyLayout, Machine, Read, ReadMany, Wait, Write, drive
from idoldbg.call.hiffy.program import HifProgram, build_program
from idoldbg.call.hiffy.transport import HiffyTransport
from idoldbg.session import Session, TargetOptions, demo_boards, open_session
from idoldbg.target.trace import Traffic

__all__ = ["bench_calls", "flash_id_call", "quiet_session"]

BATCH = 32
QUEUES, ONE_BY_ONE = "pyocd:emu, queued (CMSIS-DAP, ST-Link)", "pyocd:emu, one by one (J-Link)"
LINKS = ("emu", "pyocd:emu", QUEUES, ONE_BY_ONE)
FLASH_ID = {"device_index": "0", "source": "hex:9f000000", "sink": "4"}


def quiet_session(board: str, probe: str) -> Session:
    """Open a session that says nothing."""
    return open_session(TargetOptions(board=board, probe=probe), notify=lambda _: None)


def flash_id_call(session: Session) -> Call:
    """Prepare `Spi.exchange` that asks the flash for its id."""
    operation = session.program.operation("Spi.exchange")
    return prepare_call(operation, FLASH_ID, read_data=lambda _: b"")


def bench_calls(repeat: int) -> None:
    """Calls in a running session: one by one, in batches, and without any proof."""
    print("calls in one process (transactions a call: besides polls + polls)")
    for board in demo_boards():
        for link in LINKS:
            with _opened(board, link) as session:
                print(f"  {board}, {link}")
                bare = prepare_call(session.program.operation("Sensor.temperature"), {})
                for label, call in (("", bare), (" with a lease", flash_id_call(session))):
                    _bench_call(session, call, label, repeat)


def _bench_call(session: Session, call: Call, label: str, repeat: int) -> None:
    transport = session.caller.transport
    assert isinstance(transport, HiffyTransport)
    layout = transport.mailbox.layout
    memory = session.target.memory
    task = session.program.task(call.operation.task)
    program = build_program(layout, [build_message(call, task.index)])
    batch = [call] * BATCH
    rows = {
        f"a call{label}": (lambda: session.caller.call(call), 1),
        f"in batches of {BATCH}": (lambda: list(session.caller.call_all(batch)), BATCH),
        "without proof": (lambda: drive(_unproved(layout, program), memory, memory, memory), 1),
    }
    for name, (action, count) in rows.items():
        for _ in range(3):  # the first ones look at more
            action()
        before, begin = session.traffic, time.perf_counter()
        rounds = max(repeat // count, 1)
        for _ in range(rounds):
            action()
        calls = rounds * count
        seconds = (time.perf_counter() - begin) / calls
        print(f"    {name:<24} {1 / seconds:7.0f} calls/s   {_a_call(session, before, calls)}")


def _a_call(session: Session, before: Traffic, calls: int) -> str:
    traffic = session.traffic - before
    polls = traffic.polls / calls
    return (
        f"{traffic.transactions / calls - polls:5.2f} + {polls:4.2f} transactions"
        f" ({traffic.block_writes / calls:.2f} writes), {traffic.bytes_read / calls:.0f} bytes"
        f" read, {traffic.bytes_written / calls:.0f} written"
    )


def _unproved(layout: HiffyLayout, program: HifProgram) -> Machine[bytes]:
    counters = ((layout.ready, 4), (layout.requests, 4), (layout.errors, 4))
    while True:
        ready, *before = yield ReadMany(counters)
        if any(ready):
            break
        yield Wait(0.001)
    if program.data and layout.data is not None:
        yield Write(layout.data.address, program.data)
    yield Write(layout.text.address, program.text)
    yield Write(layout.kick, b"\1\0\0\0")
    while True:
        yield Wait(0.001)
        _, *now = yield ReadMany(counters)
        if now != before:
            break
    return (yield Read(layout.return_stack.address, program.result_size))  # type: ignore[no-any-return]


@contextmanager
def _opened(board: str, link: str) -> Iterator[Session]:
    """Open a session on a link; the emulated probe is made to read as a kind of probe does."""
    with ExitStack() as stack:
        if link in (QUEUES, ONE_BY_ONE):
            _make_probe(stack, is_queue=link == QUEUES)
        yield stack.enter_context(quiet_session(board, link.partition(",")[0]))


def _make_probe(stack: ExitStack, *, is_queue: bool) -> None:
    import pyocd  # noqa: F401  # before the plug-in's own modules, see there
    from pyocd.probe import cmsis_dap_probe

    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe

    def no_ranges(self: Any, ap: Any, ranges: Any) -> Any:
        raise NotImplementedError

    if is_queue:
        stack.enter_context(patch.object(cmsis_dap_probe, "CMSISDAPProbe", EmulatedProbe))
        no_access = patch.object(EmulatedProbe, "get_memory_interface_for_ap", lambda *_: None)
        stack.enter_context(no_access)
        stack.enter_context(patch.object(EmulatedProbe, "read_ranges", None))
    else:
        stack.enter_context(patch.object(EmulatedProbe, "read_ranges", no_ranges))
