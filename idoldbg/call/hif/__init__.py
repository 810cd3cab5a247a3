"""HIF, the programs that a debugger hands to hiffy.

A stack machine: `ops` is its table, `assemble` and `disassemble` turn programs into bytes or text
and back, `results` reads what a program leaves on the return stack, `run` executes programs here,
as hiffy does there. Specification: the crate `hif` 0.3.1 (`src/lib.rs`); programs and results are
postcard 0.7.
"""

from idoldbg.call.hif.assemble import assemble, encode_op, encode_program
from idoldbg.call.hif.disassemble import decode_op, decode_program, disassemble
from idoldbg.call.hif.ops import HIF_VERSION, HifError, Op, Opcode, push
from idoldbg.call.hif.results import Failed, FunctionResult, Success, decode_results, encode_results
from idoldbg.call.hif.run import Execution, Failure, Function, FunctionFailed, execute

__all__ = [
    "HIF_VERSION",
    "Execution",
    "Failed",
    "Failure",
    "Function",
    "FunctionFailed",
    "FunctionResult",
    "HifError",
    "Op",
    "Opcode",
    "Success",
    "assemble",
    "decode_op",
    "decode_program",
    "decode_results",
    "disassemble",
    "encode_op",
    "encode_program",
    "encode_results",
    "execute",
    "push",
]
