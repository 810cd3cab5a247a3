"""Calls of hiffy's own functions: arguments from text, programs, answers, and failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from idoldbg.call.functions import FunctionCall
from idoldbg.call.hif.results import Failed, Success
from idoldbg.call.hiffy import drive
from idoldbg.call.hiffy.functions import (
    Arguments,
    Signature,
    build_function_program,
    find_signature,
    parse_arguments,
    read_signatures,
)
from idoldbg.errors import ArgumentError, HiffyFailure, LimitExceeded, NotCallable, NotFound
from idoldbg.model.types import Pointer, Type
from idoldbg.render import functions as render
from tests.idoldbg.call.hif.interpreter import Failure, FunctionFailed, Stack
from tests.idoldbg.call.hiffy.fake import FakeBoard, FakeVariable
from tests.idoldbg.typegen import U8, U16, U32, make_clike, make_struct, make_tagged, make_tuple

PORT = make_clike("drv_stm32xx_sys_api::Port", [("A", 0), ("B", 1), ("K", 10)])
CONTROLLER = make_clike("drv_i2c_types::Controller", [("I2C0", 0), ("I2C3", 3)])
CODE = make_clike("drv_i2c_types::ResponseCode", [("NoDevice", 4), ("NoRegister", 5)])
PORT_INDEX = make_struct("drv_i2c_types::PortIndex", [("__0", U8)])
MUX = make_clike("drv_i2c_types::Mux", [("M1", 1), ("M2", 2)])
BUFFER = make_struct("task_hiffy::Buffer", [("__0", U8)])
USIZE = replace(U32, name="usize")
UNIT = make_tuple()

FUNCTIONS: list[tuple[str, Type, Type]] = [
    ("Sleep", U16, U32),
    ("Send", make_tuple(U32, U16, BUFFER, USIZE), U32),
    ("GpioSet", make_tuple(PORT, U8), U32),
    ("I2cRead", make_tuple(CONTROLLER, PORT_INDEX, MUX, MUX, U8, U8, USIZE), CODE),
    ("I2cWrite", make_tuple(CONTROLLER, PORT_INDEX, MUX, MUX, U8, U8, BUFFER, USIZE), CODE),
    ("HashUpdate", U32, CODE),
    ("QspiReadId", UNIT, CODE),
]


def option_of(functions: list[tuple[str, Type, Type]]) -> Type:
    enum = make_tagged("Functions", [(n, [("__0", a), ("__1", e)]) for n, a, e in functions])
    pointer = Pointer("&Functions", 4, "Functions", lambda: enum)
    return make_tagged("Option<&Functions>", [("None", []), ("Some", [("__0", pointer)])])


SIGNATURES = read_signatures(option_of(FUNCTIONS))


class Board(FakeBoard):
    """A hiffy with functions of real images; `called` keeps what they got."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.called: list[tuple[str, tuple[int | None, ...], bytes]] = []
        self.names = tuple(SIGNATURES)
        self.variables["HIFFY_FUNCTIONS"] = FakeVariable(None, option_of(FUNCTIONS))

    def __getattr__(self, name: str) -> Callable[[Stack, bytes, bytearray], int]:
        if not name.startswith("_do_"):
            raise AttributeError(name)

        def call(stack: Stack, data: bytes, scratch: bytearray) -> int:
            self.called.append((name.removeprefix("_do_"), tuple(stack), data[:4]))
            if name == "_do_GpioSet" and stack[-1] == 99:
                raise FunctionFailed(Failure("Fault", "BadParameter", 1))
            if name == "_do_I2cRead" and stack[-3] == 0x50:
                raise FunctionFailed(Failure("FunctionError", datum=4))
            scratch[:2] = b"\x34\x12"
            return 2 if name == "_do_I2cRead" else 0

        return call


def run(board: Board, *calls: tuple[str, list[str]], data: bytes = b"") -> list[FunctionCall]:
    from idoldbg.call.hiffy import Mailbox

    layout = board.layout(version=(0, 3, 1))
    made: list[tuple[Signature, Arguments]] = [
        (SIGNATURES[name], parse_arguments(SIGNATURES[name], texts)) for name, texts in calls
    ]
    program = build_function_program(layout, made, data, result_size=2)
    results = drive(Mailbox(layout).run(program), board, board, board)
    return [FunctionCall(s, a, r) for (s, a), r in zip(made, results, strict=True)]


def test_signatures_are_in_the_order_of_their_numbers() -> None:
    assert [(s.name, s.id) for s in SIGNATURES.values()] == [
        (name, number) for number, (name, _, _) in enumerate(FUNCTIONS)
    ]
    assert [len(s.arguments) for s in SIGNATURES.values()] == [1, 4, 2, 7, 8, 1, 0]
    assert SIGNATURES["I2cRead"].errors == {4: "NoDevice", 5: "NoRegister"}
    assert SIGNATURES["Sleep"].errors == {}


ARGUMENTS: list[tuple[str, list[str], Arguments]] = [
    ("Sleep", ["0x10"], (16,)),
    ("GpioSet", ["K", "5"], (10, 5)),
    ("GpioSet", ["1", "5"], (1, 5)),
    (
        "I2cRead",
        ["I2C3", "0", "None", "None", "0x48", "None", "2"],
        (3, 0, None, None, 72, None, 2),
    ),
    ("I2cRead", ["I2C0", "1", "M2", "M1", "72", "0", "None"], (0, 1, 2, 1, 72, 0, None)),
    # The count of a buffer is filled in.
    (
        "I2cWrite",
        ["I2C3", "0", "None", "None", "72", "1", "hex:0aff"],
        (3, 0, None, None, 72, 1, 10, 255, 2),
    ),
    (
        "I2cWrite",
        ["I2C3", "0", "None", "None", "72", "1", "[7]"],
        (3, 0, None, None, 72, 1, 7, 1),
    ),
    ("I2cWrite", ["I2C3", "0", "None", "None", "72", "1", "str:"], (3, 0, None, None, 72, 1, 0)),
    ("QspiReadId", [], ()),
]


@pytest.mark.parametrize(("name", "texts", "expected"), ARGUMENTS)
def test_arguments_from_text(name: str, texts: list[str], expected: Arguments) -> None:
    assert parse_arguments(SIGNATURES[name], texts) == expected


REFUSED: list[tuple[str, list[str], str]] = [
    ("GpioSet", ["A"], r"GpioSet takes 2 arguments \(Port, u8\), not 1"),
    ("QspiReadId", ["1"], "takes 0 arguments, not 1"),
    ("GpioSet", ["Q", "5"], "GpioSet argument 1: .*Q"),
    ("GpioSet", ["A", "256"], "GpioSet argument 2: .*256"),
    ("Sleep", ["-1"], "Sleep argument 1"),
    ("Sleep", ["soon"], "Sleep argument 1"),
    ("I2cWrite", ["I2C3", "0", "None", "None", "72", "1", "7"], "is not bytes: write hex:"),
]


@pytest.mark.parametrize(("name", "texts", "message"), REFUSED)
def test_arguments_that_do_not_fit(name: str, texts: list[str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(SIGNATURES[name], texts)


def test_functions_get_the_written_arguments() -> None:
    board = Board()
    read = ("I2cRead", ["I2C3", "0", "None", "None", "0x48", "None", "2"])
    first, second = run(board, read, ("HashUpdate", ["3"]), data=b"abc")
    assert first.data == b"\x34\x12"
    assert render.text(first) == "I2cRead: 34 12 (little-endian 4660, 0x1234)"
    assert (second.data, render.text(second)) == (b"", "HashUpdate: done, nothing returned")
    assert board.called == [
        ("I2cRead", (3, 0, None, None, 0x48, None, 2), b"abc\0"),
        ("HashUpdate", (3,), b"abc\0"),  # the stack is empty between them
    ]


def test_a_function_that_fails_is_named() -> None:
    (done,) = run(Board(), ("I2cRead", ["I2C3", "0", "None", "None", "0x50", "None", "2"]))
    assert (done.error, done.result) == ("NoDevice", Failed(4))
    assert render.text(done) == "I2cRead: failed with NoDevice"
    unknown = FunctionCall(SIGNATURES["I2cRead"], (), Failed(77))
    assert unknown.error == "code 77"


def test_a_value_that_the_function_refuses_is_explained() -> None:
    with pytest.raises(HiffyFailure) as caught:
        run(Board(), ("GpioSet", ["A", "1"]), ("GpioSet", ["A", "99"]))
    message = str(caught.value)
    assert "Fault(BadParameter(1)): an argument has a value that the function does not" in message
    assert message.endswith("the program may have run")  # the first call was made


def test_calls_beyond_the_limits_of_hiffy_are_refused() -> None:
    board = Board()
    layout = board.layout()
    with pytest.raises(LimitExceeded, match="the data takes 65 bytes, hiffy has room for 64"):
        build_function_program(layout, [(SIGNATURES["HashUpdate"], (65,))], bytes(65))
    with pytest.raises(LimitExceeded, match="the program takes 271 bytes"):
        build_function_program(layout, [(SIGNATURES["Sleep"], (1,))] * 45)
    with pytest.raises(LimitExceeded, match="33 entries do not fit"):
        build_function_program(layout, [(SIGNATURES["I2cWrite"], (0,) * 33)])
    with pytest.raises(NotCallable, match="use `idoldbg call`"):
        build_function_program(layout, [(SIGNATURES["Send"], (1, 2, 3, 4))])
    with pytest.raises(NotFound, match="did you mean `I2cRead`"):
        find_signature(SIGNATURES, "I2cRaed")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x01", "X: 01 (little-endian 1, 0x1)"),
        (b"\x01\x02\x03", "X: 01 02 03"),
        (bytes(9), "X: 9 bytes\n00000000  00 00 00 00 00 00 00 00 00 "),
    ],
)
def test_answers_without_a_type_are_bytes(data: bytes, shown: str) -> None:
    signature = replace(SIGNATURES["QspiReadId"], name="X")
    assert render.text(FunctionCall(signature, (), Success(data))).startswith(shown)
