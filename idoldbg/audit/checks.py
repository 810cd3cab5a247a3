"""Every check, in tables: a new one joins with its row.

A check yields findings and reads what it is about from its arguments; it raises `DebugInfoError`
where debug information is damaged, which becomes a finding itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from idoldbg.audit.callers import check_caller, check_network, check_started
from idoldbg.audit.finding import Finding
from idoldbg.audit.image import Image, check_hiffy
from idoldbg.audit.interfaces import check_text
from idoldbg.audit.kernel import check_kernel, check_processor
from idoldbg.audit.limits import check_limits
from idoldbg.audit.messages import check_message
from idoldbg.audit.serialization import check_serialization
from idoldbg.audit.sizes import check_incoming, check_sizes
from idoldbg.audit.subject import Subject
from idoldbg.audit.types import check_types
from idoldbg.build.program import ServedInterface

__all__ = ["APPLICATION_CHECKS", "CODE_CHECKS", "IMAGE_CHECKS", "SERVER_CHECKS", "TYPE_CHECKS"]

ServerCheck = Callable[[Image, ServedInterface], Iterable[Finding]]

#: Of the image as a whole. An error of theirs means that nothing can be called.
IMAGE_CHECKS: Final[tuple[Callable[[Image], Iterable[Finding]], ...]] = (
    check_processor,
    check_kernel,
    check_hiffy,
    check_network,
)
#: Of each server, before its types are read.
SERVER_CHECKS: Final[tuple[ServerCheck, ...]] = (check_text, check_started)
#: Of each operation, once its types are resolved. An error of theirs: it cannot be called. They go
#: by interface and debug information alone, not by hiffy: indices keep the findings.
TYPE_CHECKS: Final[tuple[Callable[[Subject], Iterable[Finding]], ...]] = (
    check_message,
    check_types,
    check_sizes,
    check_serialization,
)
#: Of each operation, too: what this image's hiffy can carry, and what the application allows it.
APPLICATION_CHECKS: Final[tuple[Callable[[Subject], Iterable[Finding]], ...]] = (
    check_limits,
    check_caller,
)
#: Of the code of each server all of whose operations could be read.
CODE_CHECKS: Final[tuple[ServerCheck, ...]] = (check_incoming,)
