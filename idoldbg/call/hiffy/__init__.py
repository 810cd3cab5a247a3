"""The mailbox of hiffy, the Hubris task that executes HIF programs for a debugger.

`layout` says where its variables are (from DWARF), `program` turns calls into HIF within hiffy's
limits, `mailbox` is the exchange with the running task as a pure machine that yields the `actions`
it wants done. Protocol: Hubris, `task/hiffy/src/main.rs` (hand-shake) and `common.rs` (functions).

    session = HiffySession(build_layout(variables, task_entry=(address, task_type)))
    outcome = drive(session.call(request, timeout_s=5.0), reader, writer, clock)
"""

from idoldbg.call.hiffy.actions import (
    Action,
    Machine,
    Read,
    ReadMany,
    Wait,
    Write,
    drive,
    plan_reads,
)
from idoldbg.call.hiffy.layout import (
    Area,
    HiffyFunction,
    HiffyLayout,
    PlacedVariable,
    TaskEntry,
    build_layout,
)
from idoldbg.call.hiffy.mailbox import HiffySession
from idoldbg.call.hiffy.program import (
    ErrorReply,
    Outcome,
    Program,
    ReadLease,
    Reply,
    SendRequest,
    ServerDeath,
    WriteLease,
    build_program,
    split_batches,
)

__all__ = [
    "Action",
    "Area",
    "ErrorReply",
    "HiffyFunction",
    "HiffyLayout",
    "HiffySession",
    "Machine",
    "Outcome",
    "PlacedVariable",
    "Program",
    "Read",
    "ReadLease",
    "ReadMany",
    "Reply",
    "SendRequest",
    "ServerDeath",
    "TaskEntry",
    "Wait",
    "Write",
    "WriteLease",
    "build_layout",
    "build_program",
    "drive",
    "plan_reads",
    "split_batches",
]
