"""Traces of the demo images: known chains of messages, in this process and on running boards."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.errors import OperationError, ServerDied, Unsupported
from idoldbg.instruments import Tracing
from idoldbg.render.task_trace import describe, event_json, line
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.capability import Instruments, Snapshots
from idoldbg.target.emulated.server import running_board
from idoldbg.views.idol_messages import Outcome
from idoldbg.views.kernel_layout import find_kernel_layout
from idoldbg.views.task_trace import EventKind, TaskEvent, matches
from tests.conftest import ARCHIVES, ROOT

pytest_plugins = "pytester"

IMAGES = ("stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69")
each_image = pytest.mark.parametrize("image", IMAGES)
EXCHANGE = "Spi.exchange(device_index: {}, source: 4 B, sink: 4 B) = {}"
READ_ID = b"\x9f\0\0\0"


def archive(image: str) -> Path:
    return ARCHIVES / f"{image}.zip"


def without_times(events: tuple[TaskEvent, ...], *kinds: EventKind) -> list[str]:
    return [describe(e).rpartition("  in ")[0] or describe(e) for e in events if e.kind in kinds]


@each_image
def test_a_call_is_decoded_with_both_its_ends(image: str) -> None:
    with idoldbg.attach(archive(image), probe="emu") as dev:
        dev.Sensor.get(id=0)
        with dev.trace() as trace:
            dev.Spi.exchange(device_index=0, source=READ_ID, sink=4)
            with pytest.raises(OperationError):
                dev.Spi.exchange(device_index=9, source=READ_ID, sink=4)
            dev.Sensor.configure(mode={"Periodic": {"interval_ms": 100}}, offset=-3)
    assert without_times(trace.events, EventKind.CALL) == [
        "hiffy → spi  " + EXCHANGE.format(0, "()"),
        "hiffy → spi  " + EXCHANGE.format(9, "Err(BadDevice)"),
        "hiffy → sensor  Sensor.configure(mode: Periodic { interval_ms: 100 }, offset: Some(-3)) "
        "= Off",
    ]
    for event in trace.events:
        if event.call is not None:
            taken, replied = event.call.received_ns, event.call.replied_ns
            assert taken is not None and replied is not None
            assert event.time_ns < taken < replied < event.end_ns


@each_image
def test_a_function_that_is_called_n_times_is_seen_n_times(image: str) -> None:
    with idoldbg.attach(archive(image), probe="emu") as dev, dev.trace() as trace:
        for _ in range(7):
            dev["victim"].Victim.ping()
    pings = [c for c in trace.calls if c.message.full == "Victim.ping"]
    assert [c.result.value.value for c in pings if c.result.value] == list(range(1, 8))  # type: ignore[attr-defined]
    assert {c.server for c in pings} == {"victim"}


@each_image
def test_a_death_is_a_chain_of_events(image: str) -> None:
    """The client's message, the fault, the supervisor's questions, the restart, the dead code."""
    with idoldbg.attach(archive(image), probe="emu") as dev:
        dev.Sensor.get(id=0)  # past the boot
        with dev.trace() as trace, pytest.raises(ServerDied):
            dev["victim"].Victim.panic(code=3)
        kinds = (EventKind.CALL, EventKind.FAULT, EventKind.RESTART)
        seen = [text.split("(")[0] for text in without_times(trace.events, *kinds)]
        kernel = ("find_faulted_task", "read_task_status", "read_panic_message", "reinit_task")
        assert [text for text in seen if "jefe → kernel" in text][:4] == [
            f"jefe → kernel  kernel.{name}" for name in kernel
        ]
        decoded = without_times(trace.events, EventKind.CALL)
        assert "jefe → kernel  kernel.reinit_task(task: victim, start: true) = ()" in decoded
        assert "jefe → kernel  kernel.find_faulted_task(from: hiffy) = victim" in decoded
        assert any("told to panic with code 3" in text for text in decoded)
        assert any("Panic" in t for t in decoded if "kernel.read_task_status(task: victim)" in t)
        faults = [e for e in trace.events if e.kind is EventKind.FAULT]
        assert [e.task for e in faults] == ["victim"]
        assert "told to panic with code 3" in describe(faults[0])
        restarts = [e for e in trace.events if e.kind is EventKind.RESTART]
        assert [(e.task, e.number) for e in restarts] == [("victim", 1)]
        (call,) = (c for c in trace.calls if c.message.full == "Victim.panic")
        assert (call.result.outcome, call.result.generation) == (Outcome.DEAD, 1)


def test_a_fault_of_the_processor_has_its_address() -> None:
    with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev:
        with dev.trace() as trace, pytest.raises(ServerDied):
            dev["victim"].Victim.die(cause="ReadKernel")
        (fault,) = (e for e in trace.events if e.kind is EventKind.FAULT)
        assert fault.fault is not None and fault.address is not None
        assert fault.task == "victim"
        symbol = dev.program.object("victim").symbols.find_function_at(fault.address)
        assert symbol is not None


def record(image: str) -> bytes:
    """Return the raw records of a fixed sequence of calls."""
    options = TargetOptions(archive=str(archive(image)), probe="emu")
    with open_session(options) as session:
        instruments = session.target.need(Instruments)
        layout = find_kernel_layout(session.program).to_json()
        instruments.start_instrument("trace", {"layout": layout})
        session.link.wait(0.3)
        dev = idoldbg.Device(session)
        dev.Sensor.get(id=0)
        dev.UserLeds.led_on(index=0) if image != "nucleo-g031" else None
        session.link.wait(0.1)
        return instruments.stop_instrument("trace")


@each_image
def test_two_runs_give_the_same_trace_to_the_byte(image: str) -> None:
    first, second = record(image), record(image)
    assert len(first) > 10_000
    assert first == second


def test_a_trace_changes_nothing() -> None:
    """Memory and time of a board are the same with it and without."""
    states = []
    for traces in (False, True):
        with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev:
            if traces:
                with dev.trace():
                    dev.Sensor.get(id=0)
            else:
                dev.Sensor.get(id=0)
            states.append((dev.link.monotonic(), dev.link.read(0x20000000, 0x4000)))
    assert states[0][0] == states[1][0]
    differing = [i for i in range(0x4000) if states[0][1][i] != states[1][1][i]]
    assert len(differing) < 32  # the tags of two debuggers' calls are random


def test_a_trace_goes_on_after_a_snapshot_was_restored() -> None:
    """The task table says who waits in the snapshot: the first call has both its ends."""
    with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev:
        dev.Sensor.get(id=0)
        snapshots = dev.session.target.need(Snapshots)
        state = snapshots.snapshot()
        with dev.trace() as trace:
            dev.Sensor.get(id=0)
            snapshots.restore(state)
            dev["victim"].Victim.ping()
        names = [c.message.full for c in trace.calls]
        assert names == ["Sensor.get", "Victim.ping"]
        assert all(c.received_ns is not None for c in trace.calls)
        kinds = [e.kind for e in trace.events]
        assert kinds.count(EventKind.RESTORED) == 1
        assert EventKind.RESTART not in kinds and EventKind.FAULT not in kinds


def test_a_call_that_is_under_way_begins_with_the_trace() -> None:
    options = {"probe": "emu", "timeout_s": 0.4, "recover": False}
    with idoldbg.attach(archive("stm32f4-discovery"), **options) as dev:  # type: ignore[arg-type]  # of each its own
        with pytest.raises(idoldbg.IdoldbgError):
            dev["victim"].Victim.hang(milliseconds=1500)
        with dev.trace() as trace:
            began = dev.link.monotonic()
            dev.link.wait(1.5)
        (hang,) = (e for e in trace.events if e.call and e.call.message.full == "Victim.hang")
        assert hang.call is not None and hang.call.arguments is not None
        assert hang.call.result.outcome is Outcome.OK
        assert hang.time_ns == pytest.approx(began * 1e9, abs=1000)
        assert 1.2e9 < hang.end_ns - hang.time_ns < 1.5e9


def test_notifications_timers_and_switches_are_seen() -> None:
    with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev:
        with dev.trace() as trace:
            dev.link.wait(0.25)
        events = trace.events
    jefe = [e for e in events if e.task == "jefe" and e.kind is EventKind.NOTIFICATION]
    assert [e.name for e in jefe] == ["timer"] * len(jefe)
    assert len(jefe) in (2, 3)  # every 100 ms
    times = [e.time_ns for e in jefe]
    assert all(abs(b - a - 100_000_000) < 10_000 for a, b in pairwise(times))
    ticks = [e for e in events if e.kind is EventKind.INTERRUPT and e.name == "SysTick"]
    assert len(ticks) in (248, 249, 250)
    switches = [e for e in events if e.kind is EventKind.SWITCH]
    assert {e.task for e in switches} >= {"jefe", "idle"}
    for before, after in pairwise(switches):
        assert after.peer == before.task


def test_filters() -> None:
    with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev, dev.trace() as trace:
        dev.Sensor.get(id=0)
        dev.Spi.exchange(device_index=0, source=READ_ID, sink=4)

    def names(tasks: tuple[str, ...] = (), interfaces: tuple[str, ...] = ()) -> set[str]:
        kept = [e for e in trace.events if matches(e, tasks, interfaces, {"call"})]
        return {e.call.message.full for e in kept if e.call is not None}

    assert names() == {"Sensor.get", "Spi.exchange", "kernel.read_image_id"}
    assert names(tasks=("spi",)) == {"Spi.exchange"}
    assert names(interfaces=("Sensor",)) == {"Sensor.get"}
    assert names(interfaces=("Spi.read",)) == set()


# ---- running boards ------------------------------------------------------------------------------


def test_one_client_traces_the_calls_of_another() -> None:
    with running_board("traced", archive("stm32f4-discovery")) as entry:
        watching = idoldbg.attach(probe=entry.spec)
        with watching, idoldbg.attach(probe=entry.spec) as other:
            with watching.trace() as trace:
                other.Sensor.get(id=0)
            assert "Sensor.get" in {c.message.full for c in trace.calls}
            with pytest.raises(idoldbg.IdoldbgError, match="instrument"):
                watching.session.target.need(Instruments).take_instrument("trace")
            watching.coverage().__enter__()  # it ends with the connection
            other.Sensor.get(id=0)


def test_other_targets_refuse(tmp_path: Path) -> None:
    dump = tmp_path / "core"
    with idoldbg.attach(archive("stm32f4-discovery"), probe="emu") as dev:
        dev.write_dump(dump) if hasattr(dev, "write_dump") else dev.dump(dump)
    with idoldbg.attach(dump) as dead:
        with pytest.raises(Unsupported, match=r"core dump.*--probe emu"):
            dead.trace().__enter__()
        with pytest.raises(Unsupported):
            dead.profile(0.1)


# ---- the command ---------------------------------------------------------------------------------


def idoldbg_run(*arguments: str) -> int:
    return run(list(arguments))


def test_command_traces_another(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "x.pftrace"
    code = idoldbg_run(
        *("trace", "-o", str(target), "--", "idoldbg", "-a", str(archive("nucleo-g031"))),
        *("call", "Spi.exchange", "--device-index", "9", "--source", "hex:9f", "--sink", "1"),
    )
    assert code == 1  # the call's
    out, err = capfd.readouterr()
    assert "Spi.exchange(device_index: 9, source: 1 B, sink: 1 B) = Err(BadDevice)  in " in out
    assert "ui.perfetto.dev" in err
    assert target.stat().st_size > 10_000


def test_command_prints_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("trace", "--seconds", "0.01", "--format", "json", "--all")
    assert idoldbg_run("-a", str(archive("nucleo-g031")), "-p", "emu", *options) == 0
    events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert {e["kind"] for e in events} >= {"call", "switch", "interrupt", "timer"}
    (first,) = (e for e in events if e["kind"] == "call")
    assert (first["interface"], first["operation"]) == ("kernel", "read_image_id")


def test_command_traces_what_a_failed_test_did(
    pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]
) -> None:
    pytester.makepyfile(
        """
        def test_victim(idol):
            idol["victim"].Victim.die(cause="DivideByZero")
        """
    )
    options = ("--idoldbg-archive", str(archive("stm32f4-discovery")), "-p", "no:cacheprovider")
    assert pytester.runpytest_subprocess(*options, "--basetemp=tmp").ret == 1
    (history,) = pytester.path.rglob("*.history")
    capfd.readouterr()
    assert idoldbg_run("trace", "--", "idoldbg", "-p", f"history:{history}", "tasks") == 0
    out = capfd.readouterr().out
    assert "hiffy → victim  Victim.die(cause: DivideByZero)" in out
    assert "victim  FAULT: divide by zero" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "sbi"), "spi"),
        (("--interface", "Sbi"), "did you mean `Spi`"),
        (("--interface", "Spi.exchang"), "did you mean `Spi.exchange`"),
        (("--kind", "cal"), "call"),
        (("--follow", "--seconds", "1"), "--follow"),
        (("--seconds", "1", "--", "true"), "COMMAND"),
        (("-o", "/no/such/folder/x"), "no such directory"),
        (("--", "/no/such/program"), "cannot run"),
    ],
)
def test_mistakes_are_explained(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert idoldbg_run("-a", str(archive("nucleo-g031")), "-p", "emu", "trace", *options) in (2, 4)
    assert message in capsys.readouterr().err


def test_a_command_without_boards_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    assert idoldbg_run("trace", "--", "sh", "-c", "exit 5") == 5
    assert "no emulated board" in capfd.readouterr().err


def test_a_line_begins_with_the_time() -> None:
    event = TaskEvent(EventKind.RESET, 1_500_000_000, 1_500_000_000, None)
    assert line(event) == "    1.500000  reset"
    assert event_json(event)["time_ns"] == 1_500_000_000


def test_the_guide_runs() -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "instruments.md").read_text(), re.S | re.M
    )
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/instruments.md", "exec"), {"idoldbg": idoldbg})


# ---- real images ---------------------------------------------------------------------------------


def test_a_real_image_says_what_it_does_at_boot(real_hubris: Path) -> None:
    """Facts of an RoT image of Oxide's, as its drivers call each other before anybody else does."""
    path = real_hubris / "archives" / "build-gimlet-rot-c-image-b.zip"
    options = TargetOptions(archive=str(path), probe="emu")
    with open_session(options) as session:
        tracing = Tracing(session)
        events = [*tracing.follow(0.5), *tracing.stop()]
    shown = without_times(tuple(events), EventKind.CALL)
    for expected in (
        "syscon_driver → jefe  Jefe.set_reset_reason(reason: Other(0)) = ()",
        "gpio_driver → syscon_driver  Syscon.enable_clock(peripheral: Iocon) = ()",
        "sprot → gpio_driver  Pins.iocon_configure_raw(pin: PIO0_26, conf: 265) = ()",
    ):
        assert expected in shown
    assert all(e.call.arguments is not None for e in events if e.call is not None)
    assert not any(e.kind is EventKind.FAULT for e in events)
