"""The mailbox of hiffy, the Hubris task that executes HIF programs for a debugger.

`layout` says where its variables are (from DWARF), `program` turns calls into HIF within hiffy's
limits, `mailbox` is the exchange with the running task as a pure machine that yields the `actions`
it wants done. Protocol: Hubris, `task/hiffy/src/main.rs` (hand-shake) and `common.rs` (functions).

    mailbox = Mailbox(build_layout(variables, task_entry=(address, task_type)))
    (outcome,) = drive(mailbox.send([message], timeout_s=5.0), reader, writer, clock)
"""

from idoldbg.call.hiffy.actions import (
    Action,
    Machine,
    Read,
    ReadMany,
    Wait,
    Write,
    drive,
    plan_blocks,
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
from idoldbg.call.hiffy.mailbox import Mailbox
from idoldbg.call.hiffy.program import HifProgram, build_program, split_batches

__all__ = [
    "Action",
    "Area",
    "HiffyFunction",
    "HiffyLayout",
    "Mailbox",
    "Machine",
    "PlacedVariable",
    "HifProgram",
    "Read",
    "ReadMany",
    "TaskEntry",
    "Wait",
    "Write",
    "build_layout",
    "build_program",
    "drive",
    "plan_blocks",
    "plan_reads",
    "split_batches",
]
