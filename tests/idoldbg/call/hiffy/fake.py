"""A board with nothing but hiffy: its memory, its timer, its hand-shake, and servers in Python.

The loop follows Hubris's `task/hiffy/src/main.rs`, the functions `common.rs`; programs run in
`tests/idoldbg/call/hif/interpreter.py`, which its own tests hold to the original.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from idoldbg.call.codec import image
from idoldbg.call.hiffy import HiffyLayout, Machine, Mailbox, build_layout
from idoldbg.call.message import Message, Outcome
from idoldbg.errors import FaultError
from idoldbg.model.types import Array, Enum, Member, Pointer, Struct, Type
from idoldbg.model.values import EnumValue, Int, StructValue, make_enum
from tests.idoldbg.call.hif.interpreter import (
    Failure,
    FunctionFailed,
    Stack,
    encode_results,
    execute,
)
from tests.idoldbg.typegen import BOOL, U8, U16, U32, make_array, make_struct, make_tagged

TASK_ID = make_struct("abi::TaskId", [("__0", U16)])
SCHED = make_tagged(
    "abi::SchedState",
    [
        ("Stopped", []),
        ("Runnable", []),
        ("InSend", [("__0", TASK_ID)]),
        ("InReply", [("__0", TASK_ID)]),
        ("InRecv", [("__0", U8)]),
    ],
)
STATE = make_tagged("abi::TaskState", [("Healthy", [("__0", SCHED)]), ("Faulted", [("code", U8)])])
TASK = make_struct(
    "kern::task::Task",
    [("save", make_array(U32, 20)), ("priority", U8), ("state", STATE), ("generation", U32)],
)
FAULT = make_tagged("hif::Fault", [("StackOverflow", []), ("BadParameter", [("__0", U8)])])
FAILURE = make_tagged(
    "core::option::Option<hif::Failure>",
    [
        ("None", []),
        (
            "Some",
            [
                (
                    "__0",
                    make_tagged(
                        "hif::Failure",
                        [("Fault", [("__0", FAULT)]), ("Invalid", []), ("IllegalOp", [])],
                    ),
                )
            ],
        ),
    ],
)
ATOMIC = make_struct("core::sync::atomic::AtomicU32", [("v", U32)])


def function_type(arguments: int) -> list[tuple[str, Type]]:
    parts = make_struct("(args)", [(f"__{i}", U16) for i in range(arguments)])
    return [("__0", U16 if arguments == 1 else parts), ("__1", U32)]


ARITY = {
    "Sleep": 1,
    "Send": 4,
    "SendLeaseRead": 5,
    "SendLeaseReadWrite": 6,
    "SendLeaseWrite": 5,
}


def functions_type(names: tuple[str, ...]) -> Enum:
    functions = make_tagged("Functions", [(n, function_type(ARITY[n])) for n in names])
    pointer = Pointer("&Functions", 4, "Functions", lambda: functions)
    return make_tagged(
        "core::option::Option<&Functions>", [("None", []), ("Some", [("__0", pointer)])]
    )


@dataclass(frozen=True)
class FakeVariable:
    address: int | None
    type: Type


@dataclass
class FakeTask:
    """Answers a message with a code and a reply; may fill the write lease."""

    answer: Callable[[int, bytes, bytes, int], tuple[int, bytes, bytes]]


RAM, KERNEL = 0x2000_4000, 0x2000_0000
TASK_NAMES = ("jefe", "spi", "hiffy")


@dataclass
class FakeBoard:
    """Is the reader, the writer and the clock of a link."""

    names: tuple[str, ...] = (
        "Sleep",
        "Send",
        "SendLeaseRead",
        "SendLeaseReadWrite",
        "SendLeaseWrite",
    )
    text_size: int = 256
    data_size: int = 64
    return_stack_size: int = 300
    scratch_size: int = 128
    servers: dict[int, FakeTask] = field(default_factory=dict)
    version: tuple[int, int, int] = (0, 3, 1)
    start_s: float = 0.0  # when hiffy reaches its main
    death_at_call: str = ""  # "restart", "fault", "hang", "panic": hiffy's fate in a call

    def __post_init__(self) -> None:
        self.memory: dict[int, bytearray] = {}
        self.variables: dict[str, FakeVariable] = {}
        self.now = 0.0
        self.next_wake = 0.25
        self.sleep = 0.25
        self.sleeps = 0
        self.is_dead = False
        self.transactions: list[str] = []
        self.at = RAM
        cell = Struct(  # the borrowed flag lies behind the bytes, as rustc puts it
            "static_cell::StaticCell",
            self.scratch_size + 1,
            (
                Member("borrowed", self.scratch_size, BOOL),
                Member(
                    "cell",
                    0,
                    make_struct("UnsafeCell", [("value", self._bytes(self.scratch_size))]),
                ),
            ),
        )
        for name, type_ in {
            "HIFFY_VERSION_MAJOR": ATOMIC,
            "HIFFY_VERSION_MINOR": ATOMIC,
            "HIFFY_VERSION_PATCH": ATOMIC,
            "HIFFY_REQUESTS": ATOMIC,
            "HIFFY_ERRORS": ATOMIC,
            "HIFFY_KICK": ATOMIC,
            "HIFFY_READY": ATOMIC,
            "HIFFY_FAILURE": FAILURE,
            "HIFFY_TEXT": self._bytes(self.text_size),
            "HIFFY_DATA": self._bytes(self.data_size),
            "HIFFY_RSTACK": self._bytes(self.return_stack_size),
            "HIFFY_SCRATCH": cell,
        }.items():
            self.variables[name] = FakeVariable(self.at, type_)
            self.at += type_.size
        self.variables["HIFFY_FUNCTIONS"] = FakeVariable(None, functions_type(self.names))
        self.ram = bytearray(self.at - RAM)
        self.kernel = bytearray(TASK.size)
        for part, value in zip(("MAJOR", "MINOR", "PATCH"), self.version, strict=True):
            self.put_word(f"HIFFY_VERSION_{part}", value)
        self.put_state("Runnable")
        self._start_if_due()

    @staticmethod
    def _bytes(size: int) -> Array:
        return make_array(U8, size)

    def layout(self, *, version: tuple[int, int, int] | None = None) -> HiffyLayout:
        return build_layout(
            self.variables, task_entry=(KERNEL, TASK), task_names=TASK_NAMES, version=version
        )

    # Memory as hiffy sees it.

    def slice(self, name: str) -> tuple[int, int]:
        variable = self.variables[name]
        assert variable.address is not None
        return variable.address - RAM, variable.type.size

    def get(self, name: str) -> bytes:
        start, size = self.slice(name)
        return bytes(self.ram[start : start + size])

    def put(self, name: str, data: bytes) -> None:
        start, _ = self.slice(name)
        self.ram[start : start + len(data)] = data

    def word(self, name: str) -> int:
        return int.from_bytes(self.get(name), "little")

    def put_word(self, name: str, value: int) -> None:
        self.put(name, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def put_state(self, scheduler: str, task: int = 0) -> None:
        chosen = next(v for v in SCHED.variants if v.name == scheduler)
        payload = None
        if chosen.type.members:
            inner = (
                Int(U8, 0)
                if scheduler == "InRecv"
                else StructValue(TASK_ID, (("__0", Int(U16, task | 3 << 10)),))
            )
            payload = StructValue(chosen.type, (("__0", inner),))
        self._put_task_state("Healthy", make_enum(SCHED, scheduler, payload))

    def put_fault(self) -> None:
        self._put_task_state("Faulted", Int(U8, 9))

    def _put_task_state(self, variant: str, field: EnumValue | Int) -> None:
        chosen = next(v for v in STATE.variants if v.name == variant)
        payload = StructValue(chosen.type, ((chosen.type.members[0].name, field),))
        offset = next(m.offset for m in TASK.members if m.name == "state")
        data = image.encode(make_enum(STATE, variant, payload))
        self.kernel[offset : offset + len(data)] = data

    def restart(self) -> None:
        """Restart hiffy, as a supervisor does; its memory is zeroed when it runs again."""
        offset = next(m.offset for m in TASK.members if m.name == "generation")
        self.kernel[offset] += 1
        for name in self.variables:
            if name not in ("HIFFY_FUNCTIONS",) and "VERSION" not in name:
                self.put(name, bytes(self.slice(name)[1]))
        self.sleep, self.sleeps = 0.25, 0
        self.next_wake = self.now + self.sleep
        self.put_state("InRecv")
        self.put_word("HIFFY_READY", 1)

    # The link.

    def read(self, address: int, size: int) -> bytes:
        self.transactions.append(f"read {address:#x} {size}")
        if address >= KERNEL and address + size <= KERNEL + len(self.kernel):
            return bytes(self.kernel[address - KERNEL : address - KERNEL + size])
        if address >= RAM and address + size <= RAM + len(self.ram):
            return bytes(self.ram[address - RAM : address - RAM + size])
        raise FaultError("no memory", address=address, size=size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        before = len(self.transactions)
        found = [self.read(*range_) for range_ in ranges]
        self.transactions[before:] = [" + ".join(self.transactions[before:])]
        return found

    def write(self, address: int, data: bytes) -> None:
        self.transactions.append(f"write {self._name(address)} {len(data)}")
        assert address >= RAM and address + len(data) <= RAM + len(self.ram)
        self.ram[address - RAM : address - RAM + len(data)] = data

    def _name(self, address: int) -> str:
        return next(n for n, v in self.variables.items() if v.address == address)

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        self._start_if_due()
        while self.next_wake <= end and not self.is_dead:
            self.now = max(self.now, self.next_wake)
            self._start_if_due()
            self._wake()
        self.now = end
        self._start_if_due()

    # hiffy.

    def _start_if_due(self) -> None:
        if self.now >= self.start_s and not self.is_dead and not self.word("HIFFY_READY"):
            self.put_state("InRecv")
            self.put_word("HIFFY_READY", 1)

    def _wake(self) -> None:
        if self.word("HIFFY_KICK") and self.word("HIFFY_READY"):
            self.put_word("HIFFY_KICK", 0)
            self.put_word("HIFFY_READY", 0)
            self.sleep, self.sleeps = 0.001, 0
            self._execute()
            if not self.is_dead:
                self.put_word("HIFFY_READY", 1)
        else:
            self.sleeps += 1
            if self.sleeps == 10:
                self.sleep, self.sleeps = min(self.sleep * 10, 0.25), 0
        self.next_wake = self.now + self.sleep

    def _execute(self) -> None:
        if self.death_at_call == "restart":
            self.restart()
            return
        if self.death_at_call == "fault":
            self.put_fault()
            self.is_dead = True
            return
        if self.death_at_call == "hang":
            self.put_state("InReply", 1)
            self.is_dead = True
            return
        functions = [getattr(self, f"_do_{name}") for name in self.names]
        run = execute(
            self.get("HIFFY_TEXT"),
            functions,
            self.get("HIFFY_DATA"),
            return_stack_size=self.return_stack_size,
            scratch_size=self.scratch_size,
        )
        self.put("HIFFY_SCRATCH", run.scratch)
        if run.failure is None:
            self.put("HIFFY_RSTACK", encode_results(run.results))
            self.put_word("HIFFY_REQUESTS", self.word("HIFFY_REQUESTS") + 1)
        else:
            self.put("HIFFY_FAILURE", self._failure(run.failure))
            self.put_word("HIFFY_ERRORS", self.word("HIFFY_ERRORS") + 1)

    def _failure(self, failure: Failure) -> bytes:
        option = FAILURE.variants[1]
        inner_type = option.type.members[0].type
        assert isinstance(inner_type, Enum)
        payload = None
        if failure.kind == "Fault":
            variant = next(v for v in FAULT.variants if v.name == failure.name)
            fields = (("__0", Int(U8, failure.datum or 0)),) if variant.type.members else ()
            fault = make_enum(
                FAULT, failure.name, StructValue(variant.type, fields) if fields else None
            )
            payload = StructValue(inner_type.variants[0].type, (("__0", fault),))
        value = make_enum(inner_type, failure.kind, payload)
        return image.encode(make_enum(FAILURE, "Some", StructValue(option.type, (("__0", value),))))

    def _do_Sleep(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        return 0

    def _send(self, stack: Stack, data: bytes, scratch: bytearray, extra: int, order: str) -> int:
        numbers = [v if v is not None else -1 for v in stack]
        trailer = numbers[len(numbers) - (extra - 2) :]
        payload_size, reply_size, *leases = trailer
        frame = numbers[len(numbers) - payload_size - extra :]
        task, code = frame[:2]
        payload = bytes(frame[2 : 2 + payload_size])
        if task >= len(TASK_NAMES):
            raise FunctionFailed(Failure("Fault", "BadParameter", 0))
        sizes = dict(zip(order, leases, strict=True))
        assert reply_size + sizes.get("w", 0) <= len(scratch)
        rc, reply, lease = self.servers[task].answer(
            code, payload, data[: sizes.get("r", 0)], sizes.get("w", 0)
        )
        assert len(reply) <= reply_size
        scratch[: len(reply)] = reply
        scratch[reply_size : reply_size + len(lease)] = lease
        if rc:
            raise FunctionFailed(Failure("FunctionError", datum=rc))
        return reply_size + sizes.get("w", 0)

    def _do_Send(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        return self._send(stack, data, scratch, 4, "")

    def _do_SendLeaseRead(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        return self._send(stack, data, scratch, 5, "r")

    def _do_SendLeaseWrite(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        return self._send(stack, data, scratch, 5, "w")

    def _do_SendLeaseReadWrite(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        return self._send(stack, data, scratch, 6, "rw")


def send_one(mailbox: Mailbox, message: Message, *, timeout_s: float = 5.0) -> Machine[Outcome]:
    (outcome,) = yield from mailbox.send([message], timeout_s=timeout_s)
    return outcome
