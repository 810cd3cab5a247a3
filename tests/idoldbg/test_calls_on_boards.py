"""Every kind of call, on every demo board, through every link.

The links: direct, through pyOCD, over the socket of a board that is kept running, over its probe
server, and over USB: an emulated probe of the kind that is on each board.

One table: the operation, its texts, and the whole reply as JSON. The boards run the same tasks, so
the table holds on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from idoldbg.call.caller import Caller
from idoldbg.call.calls import Call, prepare_call
from idoldbg.call.codec import image
from idoldbg.errors import (
    ArgumentError,
    HiffyFailure,
    LimitExceeded,
    NotCallable,
    NotFound,
    OperationError,
    ServerDied,
)
from idoldbg.model.values import to_python
from idoldbg.render.json import operation_error, reply
from idoldbg.session import Session, TargetOptions, demo_boards, open_session
from idoldbg.target.emulated.server import running_board
from idoldbg.views.tasks import read_task
from tests.bench.bench import Bench
from tests.idoldbg.target.servers.real import openocd

Arguments = dict[str, str]

OK: list[tuple[str, Arguments, Any, dict[str, str]]] = [
    # leases: a NOR flash behind device 0, a loopback behind device 1
    (
        "Spi.exchange",
        {"device_index": "0", "source": "hex:9f000000", "sink": "4"},
        None,
        {"sink": "ffef4018"},
    ),
    (
        "Spi.exchange",
        {"device_index": "1", "source": "hex:00ff5aa5", "sink": "4"},
        None,
        {"sink": "00ff5aa5"},
    ),
    (
        "Spi.exchange",
        {"device_index": "1", "source": "str:hi", "sink": "4"},
        None,
        {"sink": "68690000"},
    ),
    ("Spi.write", {"device_index": "0x1", "source": "hex:010203"}, None, {}),
    ("Spi.read", {"device_index": "0b1", "sink": "3"}, None, {"sink": "ffffff"}),
    ("Spi.lock", {"device_index": "0", "cs_state": "Asserted"}, None, {}),
    ("Spi.release", {}, None, {}),
    ("Spi.lock", {"device_index": "1", "cs_state": "CsState::NotAsserted"}, None, {}),
    ("Spi.release", {}, None, {}),
    ("Sensor.history", {"samples": "3"}, 3, {"samples": "000001000200"}),
    ("Sensor.history", {}, 0, {"samples": ""}),
    ("Sensor.sum", {"values": "hex:0100000002000000ffffffff"}, 0x1_0000_0002, {}),
    # zerocopy values
    ("Sensor.get", {"id": "0"}, 21.5, {}),
    ("Sensor.post", {"id": "2", "value": "-40.25"}, None, {}),
    ("Sensor.get", {"id": "2"}, -40.25, {}),
    ("Sensor.temperature", {}, 21.5, {}),
    # an Option of an enum, without serialization
    ("Sensor.alarm", {}, None, {}),
    ("Sensor.set_alarm", {"alarm": "Some(Loud)"}, 0, {}),
    ("Sensor.alarm", {}, "Loud", {}),
    ("Sensor.set_alarm", {"alarm": "Some(Alarm::Quiet)"}, 7, {}),
    ("Sensor.alarm", {}, "Quiet", {}),
    ("Sensor.set_alarm", {"alarm": "None"}, 1, {}),
    ("Sensor.alarm", {}, None, {}),
    ("Sensor.set_alarm", {"alarm": "None"}, 0, {}),
    ("Sensor.set_enabled", {"enabled": "true"}, True, {}),
    ("Sensor.set_enabled", {"enabled": "false"}, True, {}),
    ("Sensor.set_enabled", {"enabled": "true"}, False, {}),
    (
        "Sensor.adjust",
        {"tiny": "-128", "small": "-0x8000", "medium": "-1", "large": "-9_223_372_036_854_742_000"},
        -9_223_372_036_854_774_897,
        {},
    ),
    (
        "Sensor.multiply",
        {"a": "0xffffffffffffffff", "b": "0xffffffffffffffff"},
        (2**64 - 1) ** 2,
        {},
    ),
    ("Sensor.reverse", {"bytes": "[1, 2, 3, 4, 5, 6, 7, 8]"}, {"hex": "0807060504030201"}, {}),
    ("Sensor.reverse", {"bytes": "hex:0102030405060708"}, {"hex": "0807060504030201"}, {}),
    # hubpack
    ("Sensor.last", {"id": "1"}, None, {}),
    ("Sensor.last", {"id": "0"}, 21.5, {}),
    ("Sensor.range", {}, [21.5, 21.5], {}),
    (
        "Sensor.configure",
        {"mode": "Periodic { interval_ms: 100 }", "offset": "Some(-3)"},
        "Off",
        {},
    ),
    (
        "Sensor.configure",
        {"mode": '{"Threshold": [1.5, 2.5]}', "offset": "None"},
        {"Periodic": {"interval_ms": 100}},
        {},
    ),
    # ssmarshal
    (
        "Sensor.status",
        {},
        {"mode": {"Threshold": [1.5, 2.5]}, "offset": -3, "enabled": True},
        {},
    ),
    ("Sensor.configure", {"mode": "Off", "offset": "0"}, {"Threshold": [1.5, 2.5]}, {}),
    ("Jefe.set_reset_reason", {"reason": "Unknown"}, None, {}),
    # a server that is a client itself
    ("Sensor.flash_id", {}, {"hex": "ef4018"}, {}),
    ("Jefe.set_state", {"state": "0xabcd1234"}, None, {}),
    ("Jefe.get_state", {}, 0xABCD1234, {}),
    ("UserLeds.led_on", {"index": "0"}, None, {}),
    ("UserLeds.led_off", {"index": "0"}, None, {}),
]

ERRORS: list[tuple[str, Arguments, str, int, Any]] = [
    (
        "Spi.exchange",
        {"device_index": "7", "source": "hex:9f", "sink": "1"},
        "BadDevice",
        4,
        "BadDevice",
    ),
    ("Spi.exchange", {"device_index": "0"}, "BadTransferSize", 1, "BadTransferSize"),
    ("Spi.release", {}, "NothingToRelease", 3, "NothingToRelease"),
    ("Sensor.get", {"id": "9"}, "InvalidSensor", 1, "InvalidSensor"),
    ("UserLeds.led_on", {"index": "99"}, "NotPresent", 1, "NotPresent"),
    ("Sensor.wait_sample", {}, "NotPeriodic", 6, "NotPeriodic"),
    ("Jefe.dump_region", {"task_index": "0", "number": "0"}, "NotAllowed", 2, "NotAllowed"),
    ("Jefe.dump_region", {"task_index": "99", "number": "0"}, "NoSuchTask", 1, "NoSuchTask"),
    ("Jefe.read_dump", {"task_index": "1", "address": "4"}, "NotDumped", 4, "NotDumped"),
    (
        "Sensor.configure",
        {"mode": "Periodic { interval_ms: 5 }", "offset": "None"},
        "BadInterval",
        1,
        {"BadInterval": {"lowest": 10, "highest": 60000, "given": 5}},
    ),
    (
        "Sensor.configure",
        {"mode": "Threshold(3.0, 2.0)", "offset": "None"},
        "BadThreshold",
        1,
        {"BadThreshold": [3.0, 2.0]},
    ),
]

# What the post-mortem says; on ARMv6-M too, where the kernel is who notices.
CAUSES = [
    ("ReadKernel", "mem fault (precise: 0x20000000) in task code", False),
    ("WriteText", "mem fault (precise: 0x", False),
    ("OverflowStack", "stack overflow; sp=0x", False),
    ("DivideByZero", "divide by zero", False),
    ("IllegalInstruction", "illegal instruction", False),
    ("ExecuteData", "jump to non-executable mem", False),
    ("ReadNothing", "bus fault (precise: 0x40", False),
    ("BadSyscall", "in syscall: undefined syscall number", True),
    ("BadSlice", "mem fault (precise: 0x20000000) in syscall", True),
    ("NoSuchTask", "in syscall: used bogus task index", True),
]


NO_OFFSET = {"offset": "None"}


USB = [
    ("stm32f4-discovery", "stlink-v2-1"),
    ("nucleo-g031", "stlink-v3"),
    ("lpcxpresso55s69", "mcu-link"),
    ("lpcxpresso55s69", "daplink-hid"),
]
PLACES = [
    *((board, link) for board in demo_boards() for link in ("emu", "pyocd:emu", "emu:NAME")),
    (demo_boards()[0], "remote:HOST:PORT"),  # one is enough: pyOCD's stack once more, and slow
    *((board, "board:NAME") for board in demo_boards()),
    ("stm32f4-discovery", "openocd:HOST:PORT"),
    ("stm32f4-discovery", "gdb:HOST:PORT"),
    *USB,
]


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: "-".join(place))
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    board_name, link = request.param
    return board_name, link


@pytest.fixture(scope="module")
def session(place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    board_name, link = place
    with ExitStack() as stack:
        if link == "emu:NAME":
            link = stack.enter_context(running_board("calls", board=board_name)).spec
        elif link == "remote:HOST:PORT":
            served = stack.enter_context(running_board("calls", board=board_name, pyocd_port=0))
            link = f"remote:localhost:{served.pyocd_port}"
        elif link == "board:NAME":
            kept = running_board("kept-calls", board=board_name, probe="pyocd:emu")
            link = stack.enter_context(kept).spec
        elif link in ("openocd:HOST:PORT", "gdb:HOST:PORT"):
            folder = tmp_path_factory.mktemp("openocd")
            link = stack.enter_context(openocd(folder, link.partition(":")[0]))
        elif place in USB:
            bench = stack.enter_context(Bench())
            stack.enter_context(bench.here())
            link = bench.plug(link, board_name).spec
        options = TargetOptions(board=board_name, probe=link, timeout_s=60)
        yield stack.enter_context(open_session(options))


def prepare(session: Session, operation: str, arguments: Arguments) -> Call:
    # Two tasks serve Victim: one of them is not started.
    task = "victim" if operation.startswith("Victim.") else None
    return prepare_call(session.program.operation(operation, task), arguments)


def test_every_ok_reply_is_decoded(session: Session) -> None:
    for operation, arguments, value, leases in OK:
        found = reply(session.caller.call(prepare(session, operation, arguments)))
        assert found["ok"] == value, operation
        assert {k: v["hex"] for k, v in found["leases"].items()} == leases, operation


def test_every_error_is_decoded(session: Session) -> None:
    for operation, arguments, variant, code, value in ERRORS:
        call = prepare(session, operation, arguments)
        with pytest.raises(OperationError) as caught:
            session.caller.call(call)
        found = operation_error(call.operation, caught.value)["err"]
        assert found == {"variant": variant, "code": code, "value": value}, operation


def test_a_struct_reply_has_its_fields(session: Session) -> None:
    session.caller.call(prepare(session, "Sensor.post", {"id": "3", "value": "1e3"}))
    found = reply(session.caller.call(prepare(session, "Sensor.reading", {"id": "3"})))["ok"]
    assert {k: v for k, v in found.items() if k != "timestamp"} == {
        "id": 3,
        "value": 1000.0,
        "unit": "Celsius",
    }
    assert isinstance(found["timestamp"], int)
    newest = reply(session.caller.call(prepare(session, "Sensor.newest", {})))["ok"]
    assert newest["Ok"]["value"] == 1000.0


def test_a_panic_names_task_message_and_restart(session: Session) -> None:
    victim = session.program.task("victim")
    before = read_task(session.program, victim.index).generation
    assert before is not None
    with pytest.raises(ServerDied, match="task `victim` died") as caught:
        session.caller.call(prepare(session, "Victim.panic", {"code": "42"}))
    assert "restarted" in str(caught.value)
    assert "told to panic with code 42" in str(caught.value)
    after = read_task(session.program, victim.index)
    assert after.generation == before + 1
    assert after.fault is None
    assert caught.value.generation == after.generation
    assert reply(session.caller.call(prepare(session, "Victim.ping", {})))["ok"] == 1


@pytest.mark.parametrize(("cause", "message", "also_v6m"), CAUSES)
def test_every_way_to_die_is_named_and_survived(
    session: Session, cause: str, message: str, also_v6m: bool
) -> None:
    call = prepare(session, "Victim.die", {"cause": cause})
    with pytest.raises(ServerDied) as caught:
        session.caller.call(call)
    if also_v6m or session.program.archive.board != "nucleo-g031":
        assert message in str(caught.value)
    assert reply(session.caller.call(prepare(session, "Victim.ping", {})))["ok"] == 1


def test_an_operation_can_wait_for_an_interrupt(session: Session) -> None:
    session.caller.call(
        prepare(session, "Sensor.configure", {"mode": "Periodic { interval_ms: 30 }", **NO_OFFSET})
    )
    wait = prepare(session, "Sensor.wait_sample", {})
    first, second = (reply(session.caller.call(wait))["ok"] for _ in range(2))
    assert second == {"id": 0, "value": 21.5, "unit": "Celsius", "timestamp": second["timestamp"]}
    # The timer goes on between calls, however long that takes; its phase is not the kernel's.
    intervals = round((second["timestamp"] - first["timestamp"]) / 30)
    assert intervals >= 1
    assert abs(second["timestamp"] - first["timestamp"] - 30 * intervals) <= 1
    session.caller.call(prepare(session, "Sensor.configure", {"mode": "Off", **NO_OFFSET}))


def test_a_dump_of_a_task_equals_its_memory(session: Session) -> None:
    program = session.program
    victim = program.task("victim")
    arguments = {"task_index": str(victim.index)}

    def find_region(number: int) -> Any:
        call = prepare(session, "Jefe.dump_region", {**arguments, "number": str(number)})
        return reply(session.caller.call(call))["ok"]

    (table,) = program.kernel.find_variables("HUBRIS_TASK_TABLE_SPACE")
    entry, ram = find_region(0), find_region(1)
    assert entry["base"] == (table.address or 0) + victim.index * entry["size"]
    assert find_region(2) is None
    for region in (entry, ram):
        size = min(region["size"], 200)
        # What is behind the region is not copied.
        at = region["base"] + region["size"] - size
        call = prepare(session, "Jefe.read_dump", {**arguments, "address": str(at), "data": "200"})
        found = reply(session.caller.call(call))
        assert found["ok"] == size
        read = bytes.fromhex(found["leases"]["data"]["hex"])
        assert read == session.link.read(at, size) + bytes(200 - size)


def test_a_reply_fault_kills_hiffy_and_the_next_call_works(session: Session) -> None:
    with pytest.raises(
        HiffyFailure,
        match=r"restarted during the call.*`victim` rejected the message.*AccessViolation.*callers",
    ):
        session.caller.call(prepare(session, "Victim.refuse", {}))
    assert reply(session.caller.call(prepare(session, "Sensor.temperature", {})))["ok"] == 21.5


@pytest.mark.parametrize(
    ("operation", "arguments", "error", "message"),
    [
        ("Spy.exchange", {}, NotFound, "did you mean `Spi`"),
        ("Spi.exchang", {}, NotFound, "did you mean `Spi.exchange`"),
        ("Spi.read", {}, ArgumentError, "--device-index"),
        ("Spi.read", {"device_index": "256"}, ArgumentError, "255"),
        ("Spi.lock", {"device_index": "0", "cs_state": "Assertd"}, ArgumentError, "Asserted"),
        ("Sensor.history", {"samples": "65"}, ArgumentError, "at most 64"),
        (
            "Sensor.sum",
            {"values": "hex:010203"},
            ArgumentError,
            "not a multiple of",
        ),
    ],
)
def test_bad_input_is_refused_with_advice(
    session: Session, operation: str, arguments: Arguments, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare(session, operation, arguments)


def test_too_large_a_payload_is_refused_before_anything_is_written(session: Session) -> None:
    session.caller.call(prepare(session, "Sensor.temperature", {}))
    before = session.traffic
    size = 60000
    with pytest.raises(LimitExceeded) as caught:
        session.caller.call(
            prepare(session, "Spi.exchange", {"device_index": "1", "sink": str(size)}),
        )
    assert caught.value.actual >= size > caught.value.limit
    assert (session.traffic - before).block_writes == 0


def test_a_warm_call_takes_six_transactions_at_most(
    session: Session, place: tuple[str, str]
) -> None:
    """An ST-Link answers each block by itself: there it takes more."""
    limit = 11 if place[1].startswith("stlink") else 6
    call = prepare(session, "Sensor.get", {"id": "0"})
    session.caller.call(call)

    def spent() -> int:
        before = session.traffic
        session.caller.call(call)
        traffic = session.traffic - before
        return traffic.transactions - max(traffic.polls - 1, 0)

    # More than once: on boards that follow the wall clock, hiffy may just be awake.
    assert any(spent() <= limit for _ in range(20))


def test_replies_are_json(session: Session) -> None:
    for operation, arguments, _, _ in OK[:3]:
        json.dumps(
            reply(session.caller.call(prepare(session, operation, arguments))), allow_nan=False
        )


def test_a_task_that_is_not_started_is_refused(session: Session) -> None:
    idle = [t for t in session.program.archive.tasks if not t.start]
    if not idle:
        pytest.skip("every task of this image is started")
    for server in session.program.servers:
        if server.task in idle:
            name = f"{server.interface.name}.{server.interface.operations[0].name}"
            call = prepare_call(session.program.operation(name, server.task.name), {})
            with pytest.raises(NotCallable, match="not started"):
                session.caller.call(call)


def test_counters_of_a_server_can_be_read(session: Session) -> None:
    program = session.program
    (variable,) = program.object("user_leds").find_variables("__USERLEDS_SERVER_COUNTERS")

    def atomic(value: Any) -> int:
        """Unwrap `AtomicU32`, which DWARF shows with all that it is made of."""
        while isinstance(value, dict):
            (value,) = value.values()
        return int(value)

    def led_on() -> tuple[int, int]:
        assert variable.address is not None
        data = program.memory.read(variable.address, variable.type.size)
        counts = to_python(image.decode(variable.type, data))["led_on"]
        return atomic(counts["Ok"]), atomic(counts["Err"]["NotPresent"])

    done, failed = led_on()
    session.caller.call(prepare(session, "UserLeds.led_on", {"index": "0"}))
    with pytest.raises(OperationError):
        session.caller.call(prepare(session, "UserLeds.led_on", {"index": "99"}))
    assert led_on() == (done + 1, failed + 1)


def test_a_restricted_operation_is_refused_here_and_by_the_server(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = prepare(session, "Jefe.get_reset_reason", {})
    with pytest.raises(NotCallable, match="by sensor only"):
        session.caller.call(call)
    # What the refusal spares the user: the server answers its caller with a fault.
    monkeypatch.setattr(Caller, "_check_allowed", lambda *_: None)
    with pytest.raises(
        HiffyFailure,
        match=r"restarted during the call.*`jefe` rejected the message.*AccessViolation",
    ):
        session.caller.call(call)
    assert reply(session.caller.call(prepare(session, "Sensor.temperature", {})))["ok"] == 21.5
