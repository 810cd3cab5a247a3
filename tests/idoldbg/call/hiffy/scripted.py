"""A board on which every step is somebody's: the firmware's, the supervisor's, a debugger's.

hiffy follows Hubris's `task/hiffy/src/main.rs` statement by statement and executes HIFFY_TEXT in
place, an operation a step. Memory survives a reset until the firmware has written it anew. What
every call's token came to is logged, so that a test knows what was executed, and how often.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from random import Random

from idoldbg.call.codec import image
from idoldbg.call.hif.ops import Opcode
from idoldbg.call.hif.results import Failed, FunctionResult, Success
from idoldbg.call.hiffy import (
    Action,
    Area,
    HiffyFunction,
    HiffyLayout,
    Read,
    ReadMany,
    TaskEntry,
    Wait,
    Write,
)
from idoldbg.call.hiffy.actions import ONE_MOMENT, Block
from idoldbg.call.hiffy.status import ImageMark
from idoldbg.call.message import ErrorReply, Message, Outcome, RawReply, ReadLease
from idoldbg.model.values import EnumValue, Int, StructValue, make_enum
from tests.idoldbg.call.hif.interpreter import encode_results
from tests.idoldbg.call.hiffy.fake import FAILURE, SCHED, STATE, TASK_ID
from tests.idoldbg.typegen import U8, U16

BASE = 0x2000_0000
STATE_SIZE, FAILURE_SIZE = STATE.size, FAILURE.size
IMAGE = 0x0800_0000
SERVER, NAMES = 1, ("jefe", "server", "hiffy")
ECHO, FAIL, COMPLEX, LEASE, RESET, KILL = range(1, 7)
PLAIN = 9
"""A function of hiffy that takes no arguments, as `QspiReadId`: its program is three bytes long."""
SIZES = {"DATA": 16, "RSTACK": 64, "TEXT": 128, "SCRATCH": 16}


def _state(scheduler: str) -> bytes:
    chosen = next(v for v in SCHED.variants if v.name == scheduler)
    payload = None
    if chosen.type.members:
        inner: Int | StructValue = Int(U8, 0)
        if scheduler != "InRecv":
            inner = StructValue(TASK_ID, (("__0", Int(U16, SERVER)),))
        payload = StructValue(chosen.type, (("__0", inner),))
    return _task_state("Healthy", make_enum(SCHED, scheduler, payload))


def _task_state(variant: str, field: EnumValue | Int) -> bytes:
    chosen = next(v for v in STATE.variants if v.name == variant)
    payload = StructValue(chosen.type, ((chosen.type.members[0].name, field),))
    return image.encode(make_enum(STATE, variant, payload))


STATES = {name: _state(name) for name in ("Stopped", "Runnable", "InReply", "InRecv")}
STATES["Faulted"] = _task_state("Faulted", Int(U8, 9))
_INVALID = image.encode(
    make_enum(
        FAILURE,
        "Some",
        StructValue(
            FAILURE.variants[1].type,
            (("__0", make_enum(FAILURE.variants[1].type.members[0].type, "Invalid", None)),),
        ),
    )
)


def make_message(kind: int, token: int) -> Message:
    """Make a message whose token comes back in its reply, of its lease where it has one."""
    data = token.to_bytes(4, "little")
    if kind == LEASE:
        return Message(SERVER, kind, data, 4, (ReadLease(data),), name="Server.lease")
    error_size = 4 if kind == COMPLEX else 0
    return Message(SERVER, kind, data, 4, error_size=error_size, name="Server.op")


def right_outcome(kind: int, token: int) -> Outcome:
    data = (token ^ 0x5A5A5A5A).to_bytes(4, "little")
    if kind == FAIL:
        return ErrorReply(7)
    if kind == COMPLEX:
        return ErrorReply(1, data)
    return RawReply(data)


class Board:
    """One board. `step` lets the firmware do the least that it can."""

    def __init__(self, random: Random, *, has_ticks: bool) -> None:
        self.random = random
        self.at: dict[str, int] = {}
        names = list(SIZES)
        random.shuffle(names)  # who lies before whom is the linker's choice
        sizes = {**{n: SIZES[n] for n in names}, "FAILURE": FAILURE_SIZE}
        sizes |= {"REQUESTS": 4, "ERRORS": 4, "KICK": 4, "READY": 4}
        sizes |= {"STATE": STATE_SIZE, "GENERATION": 4, "TICKS": 8}
        end = 0
        for name, size in sizes.items():
            self.at[name] = end
            end += (size + 3) & ~3
        self.bss = self.at["STATE"]  # hiffy's memory ends here, the kernel's begins
        self.ram = bytearray(end)
        self.mark = ImageMark("image id", IMAGE, b"idoldbg!")
        self.flash = self.mark.expected
        self.has_ticks = has_ticks
        self.has_own_clock = True
        self._started = 0
        self.extra_s = 0.0
        self.steps = 0
        self.log: dict[int, list[bool]] = {}  # of each token, each time: was it on our image?
        self.resets: list[int] = []  # steps at which, and those at which hiffy was restarted
        self.restarts: list[int] = []
        self.runs: list[list[int]] = []  # steps from which and until which hiffy executed
        self._begin(self._boot(stale=0))

    def layout(self) -> HiffyLayout:
        at = {name: BASE + offset for name, offset in self.at.items()}
        return HiffyLayout(
            text=Area(at["TEXT"], SIZES["TEXT"]),
            data=Area(at["DATA"], SIZES["DATA"]),
            return_stack=Area(at["RSTACK"], SIZES["RSTACK"]),
            scratch=Area(at["SCRATCH"], SIZES["SCRATCH"]),
            scratch_size=SIZES["SCRATCH"],
            requests=at["REQUESTS"],
            errors=at["ERRORS"],
            kick=at["KICK"],
            ready=at["READY"],
            failure=Area(at["FAILURE"], FAILURE_SIZE),
            failure_type=FAILURE,
            functions={
                "Send": HiffyFunction("Send", 0, 4, {}),
                "SendLeaseRead": HiffyFunction("SendLeaseRead", 1, 5, {}),
            },
            version=(0, 3, 1),
            task=TaskEntry(Area(at["STATE"], STATE_SIZE), STATE, Area(at["GENERATION"], 4)),
            task_names=NAMES,
        )

    @property
    def ticks_address(self) -> int | None:
        return BASE + self.at["TICKS"] if self.has_ticks else None

    @property
    def now_s(self) -> float:
        """Time for debuggers: of its own, or by which the kernel's clock goes right."""
        return self.steps * 0.0005 if self.has_own_clock else self.steps * 0.0001 + self.extra_s

    # -- memory

    def get(self, name: str) -> int:
        at = self.at[name]
        return int.from_bytes(self.ram[at : at + 4], "little")

    def put(self, name: str, value: int) -> None:
        at = self.at[name]
        self.ram[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")

    def put_bytes(self, name: str, data: bytes, offset: int = 0) -> None:
        at = self.at[name] + offset
        self.ram[at : at + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        if address >= BASE:
            return bytes(self.ram[address - BASE : address - BASE + size])
        return self.flash[:size]

    def write(self, address: int, data: bytes) -> None:
        self.ram[address - BASE : address - BASE + len(data)] = data

    # -- what happens to it

    def grow_old(self, ticks: int) -> None:
        """Let its kernel run for long already."""
        self._started = ticks
        self._begin(self._boot(stale=0))

    def reset(self) -> None:
        """Reset the chip: the firmware begins anew, and RAM stays for a while as it was."""
        self.resets.append(self.steps)
        if self.random.random() < 0.1:  # the power was off: RAM is anything
            self.ram[:] = self.random.randbytes(len(self.ram))
        self._begin(self._boot(stale=self.random.randrange(40)))

    def flash_other(self) -> None:
        """Program another build, of the same layout."""
        self.flash = b"another!" if self.flash == self.mark.expected else self.mark.expected
        self.reset()

    def _begin(self, firmware: Iterator[None]) -> None:
        self.is_at_rest = False  # it has taken what there was to take
        self._firmware = firmware

    def stop(self) -> None:
        """Let the firmware do nothing more."""
        self._begin(repeat(None))

    def step(self) -> None:
        self.steps += 1
        next(self._firmware)

    def _boot(self, stale: int) -> Iterator[None]:
        for _ in range(stale):
            yield
        self._ticks, self._started = self._started, 0
        self.put_bytes("TICKS", self._ticks.to_bytes(8, "little"))
        self.put("GENERATION", 0)
        self.put_bytes("STATE", STATES["Stopped"])
        yield
        self.put_bytes("STATE", STATES["Runnable"])
        yield from self._run_hiffy()

    def _run_hiffy(self) -> Iterator[None]:
        """Run hiffy for ever; a death is answered by the supervisor."""
        while True:
            for _ in range(self.random.randrange(4)):  # it has not run yet: memory is as it was
                yield self._tick()
            self.ram[: self.bss] = bytes(self.bss)
            yield from self._main()
            # Killed: the supervisor restarts it, sooner or later.
            self.put_bytes("STATE", STATES["Faulted"])
            for _ in range(self.random.randrange(6)):
                yield self._tick()
            self.restarts.append(self.steps)
            self.put("GENERATION", self.get("GENERATION") + 1)
            self.put_bytes("STATE", STATES["Runnable"])

    def _tick(self) -> None:
        self._ticks += 1
        self.extra_s += 0.0009
        at = self.at["TICKS"]
        self.ram[at : at + 4] = self._ticks.to_bytes(4, "little")

    def _main(self) -> Iterator[None]:
        """Be `main` of hiffy; return when it was killed."""
        while True:
            self.put("READY", 1)
            yield
            self.put_bytes("STATE", STATES["InRecv"])
            self.is_at_rest = self.get("KICK") == 0
            for _ in range(4 + 4 * int(self.random.random() * 3)):
                yield self._tick()
            self.is_at_rest = False
            self.put_bytes("STATE", STATES["Runnable"])
            yield
            self.put("READY", 0)
            yield
            kick = self.get("KICK")
            yield
            if kick == 0:
                continue
            self.put("KICK", 0)
            self.runs.append([self.steps, self.steps])
            yield
            is_alive = yield from self._execute()
            self.runs[-1][1] = self.steps
            if not is_alive:
                return

    def _execute(self) -> Iterator[None]:  # type: ignore[misc]  # and returns whether hiffy lives
        """Execute HIFFY_TEXT in place."""
        text, at = self.at["TEXT"], 0
        stack: list[int] = []
        results: list[FunctionResult] = []
        while True:
            code = self.ram[text + at]
            operand = self.ram[text + at + 1] if at + 1 < SIZES["TEXT"] else 0
            at += 1
            if code == Opcode.DONE:
                self.put_bytes("RSTACK", encode_results(results))
                yield
                self.put("REQUESTS", self.get("REQUESTS") + 1)
                yield
                return True
            if code == Opcode.PUSH and len(stack) < 32:
                stack.append(operand)
                at += 1
            elif code == Opcode.DROP_N and operand <= len(stack):
                del stack[len(stack) - operand :]
                at += 1
            elif code == Opcode.CALL and operand == PLAIN:
                at += 1
                results.append(Success(b"\1\2\3\4"))
                self.put_bytes("RSTACK", encode_results(results)[:-1])
            elif code == Opcode.CALL and operand < 2 and len(stack) >= 4 + operand:
                at += 1
                yield
                firmware = self._firmware
                result = self._send(stack, has_lease=operand == 1)
                if self._firmware is not firmware:
                    yield  # for ever: this firmware has been reset
                if result is None:
                    return False
                self.put_bytes("STATE", STATES["InReply"])
                yield self._tick()
                self.put_bytes("STATE", STATES["Runnable"])
                results.append(result)
                self.put_bytes("RSTACK", encode_results(results)[:-1])
            else:
                self.put_bytes("FAILURE", _INVALID)
                yield
                self.put("ERRORS", self.get("ERRORS") + 1)
                yield
                return True
            if at >= SIZES["TEXT"] - 1:
                at = 0  # not so on a board, where this is a fault; text here never gets so far
            yield

    def _send(self, stack: list[int], *, has_lease: bool) -> FunctionResult | None:
        """Have the server answer; None where it kills hiffy or resets the board."""
        size, reply_size = (stack[-3], stack[-2]) if has_lease else (stack[-2], stack[-1])
        extra = 5 if has_lease else 4
        if len(stack) < size + extra or reply_size > SIZES["SCRATCH"]:
            return Failed(0xFFFF)
        frame = stack[len(stack) - size - extra :]
        code, payload = frame[1], bytes(frame[2 : 2 + size])
        token = int.from_bytes(payload, "little")
        self.log.setdefault(token, []).append(self.flash == self.mark.expected)
        if code == LEASE:
            token = self.get("DATA")
        answer = (token ^ 0x5A5A5A5A).to_bytes(4, "little")
        match code:
            case 1 | 4:
                self.put_bytes("SCRATCH", answer)
                return Success(answer)
            case 2:
                return Failed(7)
            case 3:
                self.put_bytes("SCRATCH", answer)
                return Failed(1)
            case 5:
                self.reset()
                return None
            case 6:
                return None
        return Failed(0xEEEE)


def parts_of(
    action: Action, random: Random, *, is_torn: bool, has_torn_writes: bool
) -> list[Action]:
    """Split an action into what others may come between, in any order that is allowed."""
    if isinstance(action, ReadMany) and is_torn:
        parts: list[Action] = []
        for stage in action.stages:
            reads = [Read(*r) for r in stage]
            random.shuffle(reads)
            parts += reads
        return parts
    if isinstance(action, Write) and len(action.data) > 8 and has_torn_writes:
        at, data = action.address, action.data
        return [Write(at + i, data[i : i + 4]) for i in range(0, len(data), 4)]
    return [action]


def pieces_of(block: Block, *, is_torn: bool) -> list[Read]:
    """Split a block into what others may come between: in order, save what is read at a moment."""
    if not is_torn:
        return [Read(*block.place)]
    pieces: list[list[int]] = []
    for address, size in sorted(block.ranges):
        end = address + size
        is_moment = block.first != block.last and pieces and end - pieces[-1][0] <= ONE_MOMENT
        if pieces and (is_moment or address < pieces[-1][1]):
            pieces[-1][1] = max(pieces[-1][1], end)
        else:
            pieces.append([address, end])
    ends = [begin for begin, _ in pieces[1:]] + [pieces[-1][1]]  # what lies between is read too
    return [Read(begin, end - begin) for (begin, _), end in zip(pieces, ends, strict=True)]


def perform(board: Board, action: Action) -> object:
    match action:
        case Read(address=address, size=size):
            return board.read(address, size)
        case ReadMany(ranges=ranges):
            return tuple(board.read(*range_) for range_ in ranges)
        case Write(address=address, data=data):
            return board.write(address, data)
        case Wait():
            return board.now_s
