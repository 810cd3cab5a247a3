"""The audit of one build: every check over every operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import idol
from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.callers import check_caller, check_network, check_started, is_restricted
from idoldbg.audit.coverage import OperationCoverage, ServerCoverage, Summary, mark_aspects
from idoldbg.audit.finding import Finding
from idoldbg.audit.hiffy import Hiffy, read_hiffy
from idoldbg.audit.interfaces import check_readable, check_text, read_text
from idoldbg.audit.kernel import check_kernel, check_processor
from idoldbg.audit.limits import check_limits, measure
from idoldbg.audit.messages import check_message
from idoldbg.audit.rules import RULES
from idoldbg.audit.serialization import SerdeEvidence, check_serialization
from idoldbg.audit.sizes import check_incoming, check_sizes
from idoldbg.audit.subject import Subject
from idoldbg.audit.types import check_types
from idoldbg.build.program import Program, ServedInterface
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.model.archive import Archive
from idoldbg.views.boot import starts_at_boot

__all__ = ["Audit", "Progress", "audit"]

Progress = Callable[[int, int, str], None]
"""Told before each operation: how many are done, how many there are, and which is next."""


@dataclass(frozen=True)
class Audit:
    """All that the audit found out about a build.

    `archive` is what the user gave, `image_id` hexadecimal or "" where the image has none.
    `is_usable` tells whether calls can be made at all, whatever the operation.
    """

    archive: str
    name: str
    board: str
    image_name: str
    image_id: str
    git_rev: str
    tasks: tuple[str, ...]
    hiffy: Hiffy | None
    is_usable: bool
    servers: tuple[ServerCoverage, ...]
    findings: tuple[Finding, ...]

    @cached_property
    def summary(self) -> Summary:
        """How many operations there are and how many can be used."""
        return Summary.of(self.servers)


def audit(program: Program, progress: Progress | None = None) -> Audit:
    """Check every operation of every interface of a build.

    Only the servers' objects, hiffy's and the kernel's are read, and others where a type is not in
    its server's. Raises `ArchiveError` for a build that cannot be read at all.
    """
    return _Auditor(program, progress or (lambda done, total, name: None)).run()


class _Auditor:
    def __init__(self, program: Program, progress: Progress) -> None:
        self._program = program
        self._progress = progress
        self._serde = SerdeEvidence()
        self._findings: list[Finding] = []
        self._hiffy: Hiffy | None = None
        self._is_usable = False

    def run(self) -> Audit:
        program, archive = self._program, self._program.archive
        program.prefetch()
        self._hiffy, found = read_hiffy(program)
        self._findings += [*check_processor(program), *check_kernel(program)]
        if not archive.other_processor:  # else hiffy makes no difference
            self._findings += [*found, *check_network(archive)]
        no_error = all(f.level is not Level.ERROR for f in self._findings)
        self._is_usable = self._hiffy is not None and no_error
        unreadable: dict[str, ServerCoverage] = {}
        reported = {f.task for f in self._findings if f.rule == "debug-info-damaged"}
        for task, finding in check_readable(program):
            if task.name in reported:  # hiffy, for which there are more words
                continue
            self._findings.append(finding)
            source = read_text(program, task.name)
            unreadable[task.name] = ServerCoverage(
                task.name, starts_at_boot(program, task), source, None, ()
            )
        total = sum(len(s.interface.operations) for s in program.servers)
        servers = list(unreadable.values())
        done = 0
        for server in program.servers:
            servers.append(self._server(server, done, total))
            done += len(server.interface.operations)
        order = {task.name: task.index for task in archive.tasks}
        return Audit(
            # A path may hold bytes that are no text; a report is text.
            archive.path.encode(errors="surrogateescape").decode(errors="replace"),
            archive.name,
            archive.board,
            archive.image_name,
            _read_image_id(archive),
            archive.git_rev,
            tuple(order),
            self._hiffy,
            self._is_usable,
            tuple(sorted(servers, key=lambda s: order[s.task])),
            tuple(sorted(self._findings, key=lambda f: order.get(f.task, -1))),
        )

    def _server(self, server: ServedInterface, done: int, total: int) -> ServerCoverage:
        interface = server.interface
        self._findings += [*check_text(server), *check_started(self._program, server)]
        operations: list[OperationCoverage] = []
        if not self._program.object(server.task.name).has_debug_info:
            self._findings.append(_no_debug_info(server))
        else:
            for index, operation in enumerate(interface.operations):
                self._progress(done + index, total, f"{interface.name}.{operation.name}")
                covered = self._operation(server, operation)
                if covered is not None:
                    operations.append(covered)
            if len(operations) == len(interface.operations):
                self._findings += self._incoming(server)
        return ServerCoverage(
            server.task.name,
            starts_at_boot(self._program, server.task),
            interface.source,
            interface,
            tuple(operations),
        )

    def _incoming(self, server: ServedInterface) -> tuple[Finding, ...]:
        try:
            return tuple(check_incoming(self._program, server))
        except DebugInfoError as error:
            return (_damaged(server, None, error),)

    def _operation(
        self, server: ServedInterface, operation: idol.Operation
    ) -> OperationCoverage | None:
        try:
            resolved = self._program.resolve(server, operation.name)
            subject = Subject(self._program, server, operation, resolved)
            found = self._check(subject)
        except DebugInfoError as error:
            self._findings.append(_damaged(server, operation, error))
            return None
        self._findings += found
        fit = measure(subject, self._hiffy)
        restricted = is_restricted(server, operation.name)
        complete = all(f.level is not Level.ERROR for f in found)
        return OperationCoverage(
            operation,
            resolved,
            fit,
            mark_aspects(operation, found, fit),
            restricted,
            complete,
            complete and self._is_usable and not restricted,
        )

    def _check(self, subject: Subject) -> list[Finding]:
        found = [*check_message(subject), *check_types(subject), *check_sizes(subject)]
        found += check_serialization(subject, self._serde)
        if self._hiffy is not None:
            found += check_limits(subject, self._hiffy)
        found += check_caller(subject)
        return found


def _read_image_id(archive: Archive) -> str:
    try:
        return (archive.image_id or b"").hex()
    except ArchiveError:  # the kernel's file is damaged, which is a finding of its own
        return ""


def _no_debug_info(server: ServedInterface) -> Finding:
    rule = RULES["debug-info-missing"]
    return Finding(
        rule.id,
        rule.level,
        f"the ELF of task `{server.task.name}` has no `.debug_info`: no type of "
        f"`{server.interface.name}` is known, so none of its operations can be called",
        "Set `debug = true` (or 2) in the profile that the image is built with, and do not strip "
        "the ELF files before they go into the archive.",
        server.task.name,
        server.interface.name,
    )


def _damaged(
    server: ServedInterface, operation: idol.Operation | None, error: DebugInfoError
) -> Finding:
    rule = RULES["debug-info-damaged"]
    what = "the server's code" if operation is None else "the types of the operation"
    return Finding(
        rule.id,
        rule.level,
        f"{what} cannot be read: {error}",
        "Build the archive again; if that does not help, please report it with the archive.",
        server.task.name,
        server.interface.name,
        "" if operation is None else operation.name,
    )
