"""Behaviour of the images that calls alone do not show: faults, restarts, timers, LEDs, stacks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest

from idoldbg.call.calls import prepare_call
from idoldbg.errors import HiffyFailure, ServerDied
from idoldbg.render.json import reply
from idoldbg.session import Session, TargetOptions, demo_boards, open_session
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.views.tasks import read_task

RAM = 0x20000000
UNUSED_STACK = struct.pack("<I", 0xBADDCAFE)

# What the supervisor says on the serial port.
FAULT_LINES = {
    "ReadKernel": "memory access at 0x20000000",
    "WriteText": "memory access at 0x",
    "OverflowStack": "stack overflow at 0x",
    "DivideByZero": "division by zero",
    "IllegalInstruction": "illegal instruction",
    "ExecuteData": "execution of data",
    "BadSyscall": "system call: no such call",
    "BadSlice": "memory access at 0x20000000 in a system call",
    "NoSuchTask": "system call: no such task",
    "ReadNothing": "bus error at 0x40",
}
# ARMv6-M has one kind of fault, and Rust checks its divisions.
V6M_LINES = dict.fromkeys(
    [
        "ReadKernel",
        "WriteText",
        "OverflowStack",
        "IllegalInstruction",
        "ExecuteData",
        "ReadNothing",
    ],
    "invalid operation 0x00000000",
) | {"DivideByZero": "panic: panicked at task/victim/src/main.rs"}


class Running:
    """An image on its board, from reset."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.board: EmulatedBoard = session.target.need(EmulatedLink).board

    def call(self, operation: str, **arguments: str) -> object:
        task = "victim" if operation.startswith("Victim.") else None
        call = prepare_call(self.session.program.operation(operation, task), arguments)
        return reply(self.session.caller.call(call))["ok"]

    @property
    def is_v6m(self) -> bool:
        return self.session.program.archive.chip.endswith("stm32g0")

    @property
    def serial_lines(self) -> list[str]:
        (output,) = self.board.uart.values()
        return output.decode().splitlines()

    def lit(self) -> int:
        return sum(self.board.leds.values())


@pytest.fixture(params=demo_boards())
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    with open_session(TargetOptions(board=request.param, probe="emu")) as session:
        yield Running(session)


def test_the_supervisor_reports_the_image_at_boot(running: Running) -> None:
    running.call("Jefe.get_state")
    image_id = running.session.program.archive.facts.image_id
    assert image_id is not None
    text = f"{int.from_bytes(image_id, 'little'):016x}"
    assert running.serial_lines == [f"jefe: image {text} started"]


def test_each_fault_is_distinguished(running: Running) -> None:
    victim = running.session.program.task("victim").index
    for count, (cause, message) in enumerate(FAULT_LINES.items(), start=1):
        with pytest.raises(ServerDied):
            running.call("Victim.die", cause=cause)
        if running.is_v6m:
            message = V6M_LINES.get(cause, message)
        assert running.serial_lines[-1].startswith(f"jefe: task victim faulted: {message}"), cause
        assert read_task(running.session.program, victim).generation == count


def test_a_refused_client_is_stopped_and_restarted(running: Running) -> None:
    with pytest.raises(HiffyFailure):
        running.call("Victim.refuse")
    expected = "jefe: task hiffy faulted: refused by victim: access violation"
    assert running.serial_lines[-1] == expected
    assert running.call("Victim.ping") == 1  # the server goes on


def test_generations_wrap_around(running: Running) -> None:
    victim = running.session.program.task("victim").index
    for count in range(1, 67):
        running.call("Jefe.restart_task", task_index=str(victim))
        assert running.call("Victim.ping") == 1, count


def test_injected_faults_are_counted_and_named(running: Running) -> None:
    leds = running.session.program.task("user_leds").index
    running.call("Jefe.fault_task", task_index=str(leds))
    running.board.run(0.01)
    assert running.serial_lines[-1] == "jefe: task user_leds faulted: injected by jefe"
    assert read_task(running.session.program, leds).generation == 1


def test_a_task_that_faults_again_at_once_waits(running: Running) -> None:
    for _ in range(2):
        with pytest.raises(ServerDied):
            running.call("Victim.die", cause="BadSyscall")
    assert running.call("Victim.ping") == 1


def test_lights(running: Running) -> None:
    assert running.lit() == 0
    running.call("UserLeds.led_on", index="0")
    assert running.lit() == 1
    running.call("UserLeds.led_toggle", index="0")
    assert running.lit() == 0


def test_blinking_goes_by_the_timer(running: Running) -> None:
    running.call("UserLeds.led_blink", index="0")
    seen = []
    for _ in range(6):
        seen.append(running.lit())
        running.board.run(0.5)
    assert seen in ([1, 0] * 3, [0, 1] * 3)
    running.call("UserLeds.led_off", index="0")
    running.board.run(2)
    assert running.lit() == 0


def test_samples_are_taken_by_interrupts(running: Running) -> None:
    def newest() -> int:
        result = running.call("Sensor.reading", id="0")
        assert isinstance(result, dict)
        return int(result["timestamp"])

    taken = []
    running.call("Sensor.configure", mode="Periodic { interval_ms: 50 }", offset="None")
    for _ in range(4):
        running.board.run(0.05)
        taken.append(newest())
    # Calls take time of the board too, so that some see the next but one.
    for before, after in pairwise(taken):
        assert after > before
        assert (after - before) % 50 == 0
    running.call("Sensor.configure", mode="Off", offset="None")
    last = newest()
    running.board.run(0.2)
    assert newest() == last


def test_a_reset_starts_over(running: Running) -> None:
    running.call("Jefe.set_state", state="7")
    running.call("UserLeds.led_on", index="0")
    with pytest.raises(HiffyFailure):
        running.call("Jefe.request_reset")
    running.board.run(0.5)
    assert running.call("Jefe.get_state") == 0
    assert running.lit() == 0


def test_long_waits_do_not_stop_more_important_tasks(running: Running) -> None:
    running.call("Victim.hang", milliseconds="300")
    assert running.call("Sensor.temperature") == 21.5


def test_no_task_comes_near_the_end_of_its_stack(running: Running) -> None:
    """Exercise everybody, then look how much stack was never used."""
    region = running.call("Jefe.dump_region", task_index="1", number="1")
    assert isinstance(region, dict)
    hiffy = str(region["base"])
    for operation, arguments in (
        ("Spi.exchange", {"device_index": "0", "source": "hex:9f", "sink": "4"}),
        ("Sensor.configure", {"mode": "Threshold(1.5, 2.5)", "offset": "Some(-3)"}),
        ("Sensor.status", {}),
        ("Sensor.reading", {"id": "0"}),
        ("Sensor.post", {"id": "1", "value": "1"}),
        ("Sensor.newest", {}),
        ("Sensor.multiply", {"a": "0xffffffffffffffff", "b": "3"}),
        ("Sensor.history", {"samples": "9"}),
        ("Sensor.flash_id", {}),
        ("Sensor.configure", {"mode": "Periodic { interval_ms: 20 }", "offset": "None"}),
        ("Sensor.wait_sample", {}),
        ("UserLeds.led_blink", {"index": "0"}),
        ("Jefe.set_reset_reason", {"reason": "Other(1)"}),
        ("Jefe.read_fault_counts", {}),
        ("Jefe.read_dump", {"task_index": "1", "address": hiffy, "data": "64"}),
    ):
        running.call(operation, **arguments)
    with pytest.raises(ServerDied):
        running.call("Victim.panic", code="1")
    running.board.run(1.2)

    for task in running.session.program.archive.tasks:
        if not task.start or task.name == "victim":  # restarted: its stack is fresh
            continue
        assert task.stack_size is not None
        top = initial_stack(running, task.index)
        stack = running.board.read(top - task.stack_size, task.stack_size)
        unused = 0
        while stack[unused : unused + 4] == UNUSED_STACK:
            unused += 4
        assert unused >= 64, f"{task.name}: only {unused} of {task.stack_size} bytes left"

    # The kernel's stack, at the start of RAM, was zero when the emulated board was switched on.
    stack = running.board.read(RAM, running.session.program.archive.app["kernel"]["stacksize"])
    unused = len(stack) - len(stack.lstrip(b"\0"))
    assert unused >= 96, f"kernel: only {unused} of {len(stack)} bytes left"


def initial_stack(running: Running, index: int) -> int:
    kernel = running.session.program.kernel
    (descriptors,) = kernel.find_variables("HUBRIS_TASK_DESCS")
    assert descriptors.address is not None
    (type_,) = {t.name: t for t in kernel.find_types("kern::descs::TaskDesc")}.values()
    offset = {m.name: m.offset for m in type_.members}["initial_stack"]
    at = descriptors.address + index * type_.size + offset
    return int.from_bytes(running.board.read(at, 4), "little")
