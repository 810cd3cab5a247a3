"""All that one call needs from a build: `setup_call.py ARCHIVE IFACE.OP`. Prints
the seconds of processors that it took after the imports, and the most memory in kB.

What a `call` does before it touches the target: open the build, find the server, resolve the
operation, lay out hiffy's mailbox, know the image's id and the bytes that are flashed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from idoldbg.call.opener import open_hiffy
from idoldbg.opening import TargetOptions, open_program

begin = time.process_time()
archive, operation, *options = sys.argv[1:]
program = open_program(TargetOptions(archive=archive, use_cache="--no-cache" not in options))
program.operation(operation)
no_target: Any = None
_ = open_hiffy(program, no_target).mailbox
assert program.archive.image_id is not None
assert program.archive.flash_segments()
with open("/proc/self/status") as file:  # noqa: PTH123  pathlib is not what is measured
    status = file.read()
print(time.process_time() - begin, status.partition("VmHWM:")[2].split()[0])
