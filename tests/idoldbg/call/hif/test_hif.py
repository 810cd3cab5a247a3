"""Programs and results against the original crate (`fixtures/vectors/hif.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.call.hif.encode import encode_program
from idoldbg.call.hif.ops import OPERANDS, HifError, Op, Opcode, Operand, push
from idoldbg.call.hif.results import Failed, Success, decode_results, success_size
from tests.idoldbg.call.hif.interpreter import (
    Failure,
    FunctionFailed,
    Stack,
    decode_op,
    decode_program,
    encode_results,
    execute,
)
from tests.idoldbg.call.hif.text import assemble, disassemble

VECTORS = Path(__file__).resolve().parents[4] / "fixtures" / "vectors" / "hif.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())
STEP_LIMIT = 500
STACK_LENGTH = 8


def top(stack: Stack) -> int:
    if not stack:
        raise FunctionFailed(Failure("Fault", "MissingParameters"))
    value = stack[-1]
    if value is None:
        raise FunctionFailed(Failure("Fault", "EmptyParameter", 0))
    return value


# The functions of `generator/src/hif_cases.rs`.


def echo(stack: Stack, data: bytes, scratch: bytearray) -> int:
    value = top(stack)
    if len(scratch) < 4:
        raise FunctionFailed(Failure("Fault", "ReturnValueOverflow"))
    scratch[:4] = value.to_bytes(4, "little")
    return 4


def fail(stack: Stack, data: bytes, scratch: bytearray) -> int:
    raise FunctionFailed(Failure("FunctionError", datum=top(stack)))


def load(stack: Stack, data: bytes, scratch: bytearray) -> int:
    index = top(stack)
    if index >= len(data):
        raise FunctionFailed(Failure("Fault", "AccessOutOfBounds"))
    scratch[0] = data[index]
    return 1


def fill(stack: Stack, data: bytes, scratch: bytearray) -> int:
    size = top(stack)
    if size > len(scratch):
        raise FunctionFailed(Failure("Fault", "ReturnValueOverflow"))
    scratch[:size] = b"\xa5" * size
    return size


FUNCTIONS = (echo, fail, load, fill)


def test_the_vectors_cover_all_types() -> None:
    failures = {c["failure"] for c in CASES}
    assert len(CASES) > 500
    assert {None, "Invalid", "StepLimit", "Fault(StackOverflow)"} <= failures
    assert {"IllegalOp(NoTarget)", "IllegalOp(BadTarget)", "IllegalOp(BadFunction)"} <= failures
    seen = {op.split()[0] for c in CASES for op in c["ops"] or ()}
    assert seen == {code.spelling for code in Opcode}


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_the_crate_executes_the_same(case: dict[str, Any]) -> None:
    run = execute(
        bytes.fromhex(case["text"]),
        FUNCTIONS,
        b"hiffy data",
        stack_length=STACK_LENGTH,
        return_stack_size=case["return_stack_size"],
        scratch_size=case["scratch_size"],
        step_limit=STEP_LIMIT,
        usize_bits=64,  # that of the machine which made the vectors
    )
    kind = None if run.failure is None else run.failure.kind
    assert (kind if kind == "StepLimit" else run.failure and str(run.failure)) == case["failure"]
    assert run.step_count == case["step_count"]
    if case["failure"] is None:
        stack = [*run.stack, *[None] * (STACK_LENGTH - len(run.stack))]
        assert stack == case["stack"]
        returned = bytes.fromhex(case["return_stack"])
        assert encode_results(run.results) == returned
        assert decode_results(returned + b"\xee\xee") == run.results


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["ops"] is not None], ids=lambda c: str(len(c["ops"]))
)
def test_the_crate_encodes_the_same(case: dict[str, Any]) -> None:
    text = "\n".join(case["ops"])
    ops = assemble(text)
    assert encode_program(ops) == bytes.fromhex(case["text"])
    assert disassemble(ops).split("\n")[:-1] == case["ops"]
    if "Done" in case["ops"]:
        decoded = decode_program(bytes.fromhex(case["text"]) + b"leftovers")
        assert [str(op) for _, op in decoded] == case["ops"]


def operations() -> st.SearchStrategy[Op]:
    def build(code: Opcode) -> st.SearchStrategy[Op]:
        kind = OPERANDS[code]
        if kind is Operand.NONE:
            return st.just(Op(code))
        return st.integers(0, (1 << 8 * kind) - 1).map(lambda n: Op(code, n))

    return st.sampled_from(Opcode).flatmap(build)


@given(st.lists(operations(), max_size=20))
def test_programs_go_round(ops: list[Op]) -> None:
    names = {"Sleep": 0, "Send": 1}
    assert list(assemble(disassemble(ops, names), names)) == ops
    data = encode_program(ops)
    end = ops.index(Op(Opcode.DONE)) + 1 if Op(Opcode.DONE) in ops else len(ops)
    assert [op for _, op in decode_program(data)] == ops[:end]


@given(st.binary(max_size=24))
def test_any_bytes_are_a_program_or_an_error(data: bytes) -> None:
    run = execute(data, FUNCTIONS, step_limit=200)
    assert run.failure is None or str(run.failure)
    try:
        decode_program(data)
    except HifError as error:
        assert "offset" in str(error)


@given(st.binary(max_size=24))
def test_any_bytes_are_results_or_an_error(data: bytes) -> None:
    try:
        results = decode_results(data)
    except HifError as error:
        assert "return stack" in str(error)
    else:
        assert all(isinstance(r, Success | Failed) for r in results)


RESULTS = (Success(b""), Failed(0xFFFFFF03), Success(bytes(200)), Failed(1))


def test_results_are_cut_nowhere_unnoticed() -> None:
    data = encode_results(RESULTS)
    assert decode_results(data) == RESULTS
    for size in range(len(data)):
        with pytest.raises(HifError):
            decode_results(data[:size])
    assert success_size(200) == len(encode_results([RESULTS[2]])) - 1 == 203


TEXTS = [
    ("Push", "line 1: Push needs an operand"),
    ("Done\nDrop 3", "line 2: `3` is too much after Drop"),
    ("Push 256", r"line 1: Push 256: not in 0..=255"),
    ("Push x", "line 1: `x` is not a number"),
    ("Pusch 3", "line 1: no operation `Pusch`"),
    ("Call Sned", r"line 1: no function `Sned` \(known: Send\)"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_program_text_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(HifError, match=message):
        assemble(text, {"Send": 1})


def test_program_text_is_lenient_about_form() -> None:
    text = "\n# a call\npush 0x10   # task\n  CALL send\n call Send\nbranchlessthan 1\n"
    with pytest.raises(HifError, match="send"):
        assemble(text, {"Send": 1})
    ops = assemble(text.replace("send", "Send"), {"Send": 1})
    assert [str(op) for op in ops] == ["Push 16", "Call 1", "Call 1", "BranchLessThan 1"]


def test_push_takes_the_shortest_form() -> None:
    assert [str(push(n)) for n in (0, 255, 256, 65535, 65536)] == [
        "Push 0",
        "Push 255",
        "Push16 256",
        "Push16 65535",
        "Push32 65536",
    ]
    with pytest.raises(HifError):
        push(1 << 32)


def test_operations_end_with_the_text() -> None:
    with pytest.raises(HifError, match="ends before its operand"):
        decode_op(b"\x06\x01\x02\x03")
    with pytest.raises(HifError, match="no operation at offset 1"):
        decode_op(b"\x08\x17", 1)
