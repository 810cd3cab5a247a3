"""An interpreter of HIF: executes programs as hiffy does, with its limits and faults.

It stands in for hiffy (`tests/idoldbg/call/hiffy/fake.py`); the vectors made by the crate
(`fixtures/vectors/hif.json`) hold it to the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from idol.records import dataclass
from idoldbg.call.codec.postcard import encode_varint, take_varint
from idoldbg.call.codec.serde import WireError
from idoldbg.call.hif.ops import OPERANDS, HifError, Op, Opcode, Operand
from idoldbg.call.hif.results import Failed, FunctionResult, Success

__all__ = [
    "Execution",
    "Failure",
    "Function",
    "FunctionFailed",
    "Stack",
    "decode_op",
    "decode_program",
    "encode_results",
    "execute",
]

Stack = Sequence[int | None]

Function = Callable[[Stack, bytes, bytearray], int]
"""Gets the stack (top last), HIFFY_DATA and the scratch area; returns how many bytes of the scratch
area are its result, or raises `FunctionFailed`."""

_U32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Failure:
    """Reason why a program stopped: `hif::Failure`, or `StepLimit` where the interpreter gave up.

    `kind` is `IllegalOp`, `Fault`, `Invalid` or `FunctionError`, `name` the inner variant, `datum`
    its number.
    """

    kind: str
    name: str = ""
    datum: int | None = None

    def __str__(self) -> str:
        inner = self.name if self.datum is None else f"{self.name}({self.datum})"
        if not self.name:
            inner = "" if self.datum is None else str(self.datum)
        return f"{self.kind}({inner})" if inner else self.kind


class FunctionFailed(Exception):
    """Raised by a function. A `FunctionError` goes on the return stack, others end the program."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Stopped(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Execution:
    """End of a program; `failure` is None when it reached `Done`.

    `results` are those of the functions called so far, `stack` what was left on the stack.
    """

    results: tuple[FunctionResult, ...]
    failure: Failure | None
    stack: tuple[int | None, ...]
    step_count: int
    scratch: bytes


def execute(
    text: bytes,
    functions: Sequence[Function],
    data: bytes = b"",
    *,
    stack_length: int = 32,
    label_count: int = 4,
    return_stack_size: int = 2048,
    scratch_size: int = 512,
    step_limit: int = 100_000,
    usize_bits: int = 32,
) -> Execution:
    """Execute the program at the start of `text`. The defaults are hiffy's own limits."""
    machine = _Machine(
        text, functions, data, stack_length, label_count, return_stack_size, scratch_size
    )
    failure: Failure | None = None
    try:
        machine.run(step_limit, usize_bits)
    except _Stopped as stopped:
        failure = stopped.failure
    return Execution(
        tuple(machine.results),
        failure,
        tuple(machine.stack),
        machine.step_count,
        bytes(machine.scratch),
    )


def decode_op(text: bytes, offset: int = 0, *, usize_bits: int = 32) -> tuple[Op, int]:
    """Return the operation at `offset` and the offset after it; raise `HifError`.

    `usize_bits` is the word size of the machine that would execute it (it bounds varints).
    """
    try:
        index, at = take_varint(text, offset, usize_bits=usize_bits)
        code = Opcode(index)
    except (WireError, ValueError) as error:
        raise HifError(f"no operation at offset {offset}: {error}") from None
    size = OPERANDS[code]
    if size is Operand.NONE:
        return Op(code), at
    if at + size > len(text):
        raise HifError(f"{code.spelling} at offset {offset} ends before its operand")
    return Op(code, int.from_bytes(text[at : at + size], "little")), at + size


def decode_program(text: bytes) -> tuple[tuple[int, Op], ...]:
    """Return each operation with its offset, up to the first `Done`, or to the end of `text`.

    Nothing lies behind `Done` (a branch only goes to a label already passed), and HIFFY_TEXT holds
    leftovers there.
    """
    ops: list[tuple[int, Op]] = []
    offset = 0
    while offset < len(text):
        op, after = decode_op(text, offset)
        ops.append((offset, op))
        if op.code is Opcode.DONE:
            break
        offset = after
    return tuple(ops)


def encode_results(results: Iterable[FunctionResult]) -> bytes:
    """Return what a program that was executed to its end leaves on the return stack."""
    out = bytearray()
    for result in results:
        match result:
            case Success(data=data):
                out += bytes([0]) + encode_varint(len(data)) + data
            case Failed(code=code):
                out += bytes([1]) + code.to_bytes(4, "little")
    return bytes(out) + bytes([2])


class _Machine:
    def __init__(
        self,
        text: bytes,
        functions: Sequence[Function],
        data: bytes,
        stack_length: int,
        label_count: int,
        return_stack_size: int,
        scratch_size: int,
    ) -> None:
        self.text = text
        self.functions = functions
        self.data = data
        self.stack_length = stack_length
        self.return_stack_size = return_stack_size
        self.scratch = bytearray(scratch_size)
        self.stack: list[int | None] = []
        self.labels: list[int | None] = [None] * label_count
        self.results: list[FunctionResult] = []
        self.used = 0
        self.pc = 0
        self.step_count = 0

    def run(self, step_limit: int, usize_bits: int) -> None:
        while True:
            try:
                op, after = decode_op(self.text, self.pc, usize_bits=usize_bits)
            except HifError:
                raise _Stopped(Failure("Invalid")) from None
            if self.step_count == step_limit:
                raise _Stopped(Failure("StepLimit", datum=step_limit))
            self.step_count += 1
            self.pc = after
            if op.code is Opcode.DONE:
                if self.used + 1 > self.return_stack_size:
                    raise _fault("DoneStackOverflow")
                return
            self._step(op)

    def _step(self, op: Op) -> None:
        operand = op.operand or 0
        match op.code:
            case Opcode.LABEL:
                self.labels[self._label(operand)] = self.pc
            case Opcode.CALL:
                self._call(operand)
            case Opcode.DROP:
                self._drop()
            case Opcode.DROP_N:
                for _ in range(operand):
                    self._drop()
            case Opcode.PUSH | Opcode.PUSH16 | Opcode.PUSH32:
                self._push(operand)
            case Opcode.PUSH_NONE:
                self._push(None)
            case Opcode.SWAP:
                self._need(2)
                self.stack[-1], self.stack[-2] = self.stack[-2], self.stack[-1]
            case Opcode.DUP:
                if not self.stack:
                    raise _fault("DupUnderflow")
                self._push(self.stack[-1])
            case Opcode.ADD | Opcode.AND | Opcode.OR | Opcode.XOR:
                self._combine(op.code)
            case Opcode.EXPAND32:
                self._expand()
            case Opcode.COLLECT32:
                self._collect()
            case _:
                self._branch(op.code, operand)

    def _need(self, count: int) -> None:
        if len(self.stack) < count:
            raise _fault("StackUnderflow")

    def _push(self, value: int | None) -> None:
        if len(self.stack) == self.stack_length:
            raise _fault("StackOverflow")
        self.stack.append(value)

    def _drop(self) -> None:
        if not self.stack:
            raise _fault("DropUnderflow")
        self.stack.pop()

    def _operands(self) -> tuple[int, int]:
        self._need(2)
        top, second = self.stack[-1], self.stack[-2]
        if top is None or second is None:
            raise _fault("OperationOnNone")
        return top, second

    def _combine(self, code: Opcode) -> None:
        top, second = self._operands()
        self.stack.pop()
        match code:
            case Opcode.ADD:
                # Hubris builds in release mode, without overflow checks: the sum wraps.
                value = (top + second) & _U32
            case Opcode.AND:
                value = top & second
            case Opcode.OR:
                value = top | second
            case _:
                value = top ^ second
        self.stack[-1] = value

    def _expand(self) -> None:
        self._need(1)
        value = self.stack[-1]
        if value is None:
            raise _fault("OperationOnNone")
        self.stack.pop()
        for byte in value.to_bytes(4, "little"):
            self._push(byte)

    def _collect(self) -> None:
        self._need(4)
        value = 0
        for index in range(4):
            byte = self.stack[-1 - index]
            if byte is None:
                raise _fault("OperationOnNone")
            if byte > 0xFF:
                raise _fault("BadParameter", index)
            value = value << 8 | byte
        del self.stack[-3:]
        self.stack[-1] = value

    def _label(self, label: int) -> int:
        if label >= len(self.labels):
            raise _Stopped(Failure("IllegalOp", "BadTarget"))
        return label

    def _branch(self, code: Opcode, label: int) -> None:
        if code is not Opcode.BRANCH_ALWAYS:
            top, second = self._operands()
            taken = {
                Opcode.BRANCH_LESS_THAN: top < second,
                Opcode.BRANCH_LESS_THAN_OR_EQUAL_TO: top <= second,
                Opcode.BRANCH_GREATER_THAN: top > second,
                Opcode.BRANCH_GREATER_THAN_OR_EQUAL_TO: top >= second,
                Opcode.BRANCH_EQUAL_TO: top == second,
            }[code]
            if not taken:
                return
        target = self.labels[self._label(label)]
        if target is None:
            raise _Stopped(Failure("IllegalOp", "NoTarget"))
        self.pc = target

    def _call(self, number: int) -> None:
        if number >= len(self.functions):
            raise _Stopped(Failure("IllegalOp", "BadFunction"))
        result: FunctionResult
        try:
            size = self.functions[number](tuple(self.stack), self.data, self.scratch)
            result = Success(bytes(self.scratch[:size]))
        except FunctionFailed as failed:
            if failed.failure.kind != "FunctionError":
                raise _Stopped(failed.failure) from None
            result = Failed(failed.failure.datum or 0)
        used = self.used + len(encode_results([result])) - 1
        if used > self.return_stack_size:
            raise _fault("ReturnStackOverflow")
        self.used = used
        self.results.append(result)


def _fault(name: str, datum: int | None = None) -> _Stopped:
    return _Stopped(Failure("Fault", name, datum))
