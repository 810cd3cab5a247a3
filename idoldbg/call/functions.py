"""hiffy's own functions in a build: what there is, and calls of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.arguments import ReadData
from idoldbg.call.hif.results import Failed, FunctionResult
from idoldbg.call.hiffy.functions import (
    Arguments,
    Signature,
    build_function_program,
    find_signature,
    parse_arguments,
    read_signatures,
)
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.transport import HIFFY
from idoldbg.call.opener import find_layout
from idoldbg.errors import DebugInfoError

if TYPE_CHECKING:
    from idoldbg.call.caller import Caller

__all__ = ["FunctionCall", "Functions", "call_function", "call_functions", "read_functions"]


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions of a build's hiffy, in the order of their numbers, and its areas."""

    layout: HiffyLayout
    signatures: tuple[Signature, ...]

    def find(self, name: str) -> Signature:
        """Return a function by name; raise `NotFound` with those that resemble it."""
        return find_signature({each.name: each for each in self.signatures}, name)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function that was called, and its answer: its bytes, or the code that it failed with."""

    signature: Signature
    arguments: Arguments
    result: FunctionResult

    @property
    def error(self) -> str | None:
        """Name of the code that it failed with, None if it did not."""
        if isinstance(self.result, Failed):
            return self.signature.describe_error(self.result.code)
        return None

    @property
    def data(self) -> bytes:
        """Bytes that it returned; their type is not described anywhere."""
        return b"" if isinstance(self.result, Failed) else self.result.data


def read_functions(program: Program) -> Functions:
    """Read hiffy's functions from DWARF; raise `NotCallable`, `DebugInfoError`."""
    layout = find_layout(program)
    for variable in program.object(HIFFY).find_variables("HIFFY_FUNCTIONS"):
        return Functions(layout, tuple(read_signatures(variable.type).values()))
    raise DebugInfoError(  # pragma: no cover  (the layout was read from it)
        "HIFFY_FUNCTIONS is gone", object=HIFFY, archive=program.archive.path
    )


def call_function(
    caller: Caller,
    name: str,
    texts: Sequence[str],
    *,
    data: bytes = b"",
    read_data: ReadData | None = None,
) -> FunctionCall:
    """Call one function with arguments as people write them; errors as `Caller.run`."""
    functions = read_functions(caller.program)
    signature = functions.find(name)
    arguments = () if signature.is_send else parse_arguments(signature, texts, read_data)
    (done,) = call_functions(caller, functions, [(signature, arguments)], data=data)
    return done


def call_functions(
    caller: Caller,
    functions: Functions,
    calls: Sequence[tuple[Signature, Arguments]],
    *,
    data: bytes = b"",
    result_size: int | None = None,
) -> tuple[FunctionCall, ...]:
    """Make several calls in one program; `result_size` is the most that each returns."""
    program = build_function_program(functions.layout, calls, data, result_size=result_size)
    results = caller.run(program)
    return tuple(
        FunctionCall(signature, arguments, result)
        for (signature, arguments), result in zip(calls, results, strict=True)
    )
