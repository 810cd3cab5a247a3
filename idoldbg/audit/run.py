"""The audit of one build: every check over every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import idol
from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.callers import is_restricted
from idoldbg.audit.checks import CODE_CHECKS, IMAGE_CHECKS, OPERATION_CHECKS, SERVER_CHECKS
from idoldbg.audit.coverage import OperationCoverage, ServerCoverage, Summary, mark_aspects
from idoldbg.audit.finding import Finding
from idoldbg.audit.hiffy import Hiffy
from idoldbg.audit.image import Image
from idoldbg.audit.interfaces import check_readable, read_text
from idoldbg.audit.limits import measure
from idoldbg.audit.objects import damaged_types, without_debug_info
from idoldbg.audit.subject import Subject
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
        """Number of operations, and how many can be used."""
        return Summary.of(self.servers)


def audit(program: Program, progress: Progress | None = None) -> Audit:
    """Check every operation of every interface of a build.

    Only the servers' objects, hiffy's and the kernel's are read, and others where a type is not in
    its server's. Raises `ArchiveError` for a build that cannot be read at all.
    """
    image, archive = Image.of(program), program.archive
    findings = [finding for check in IMAGE_CHECKS for finding in check(image)]
    is_usable = image.hiffy is not None and not _has_error(findings)
    servers: dict[str, ServerCoverage] = {}
    # Of hiffy there are more words.
    reported = {f.task for f in findings if f.rule == "debug-info-damaged"}
    for task, finding in check_readable(program):
        if task.name not in reported:
            findings.append(finding)
            source, started = read_text(program, task.name), starts_at_boot(program, task)
            servers[task.name] = ServerCoverage(task.name, started, source, None, ())
    total = sum(len(s.interface.operations) for s in program.servers)
    done = 0
    for server in program.servers:

        def begin(index: int, name: str, done: int = done) -> None:
            if progress is not None:
                progress(done + index, total, name)

        servers[server.task.name], found = _audit_server(image, server, is_usable, begin)
        findings += found
        done += len(server.interface.operations)
    order = {task.name: task.index for task in archive.tasks}
    return Audit(
        # A path may hold bytes that are not text; a report is text.
        archive.path.encode(errors="surrogateescape").decode(errors="replace"),
        archive.name,
        archive.board,
        archive.image_name,
        _read_image_id(archive),
        archive.git_rev,
        tuple(order),
        image.hiffy,
        is_usable,
        tuple(sorted(servers.values(), key=lambda s: order[s.task])),
        tuple(sorted(findings, key=lambda f: order.get(f.task, -1))),
    )


def _audit_server(
    image: Image, server: ServedInterface, is_usable: bool, begin: Callable[[int, str], None]
) -> tuple[ServerCoverage, list[Finding]]:
    """Check one server; `begin` is told the index and name of each operation before its checks."""
    interface = server.interface
    findings = [finding for check in SERVER_CHECKS for finding in check(image, server)]
    operations: list[OperationCoverage] = []
    if not image.program.object(server.task.name).has_debug_info:
        findings.append(without_debug_info(server))
    else:
        for index, operation in enumerate(interface.operations):
            begin(index, f"{interface.name}.{operation.name}")
            try:
                covered, found = _audit_operation(image, server, operation, is_usable)
            except DebugInfoError as error:
                findings.append(damaged_types(server, operation, error))
                continue
            operations.append(covered)
            findings += found
        if len(operations) == len(interface.operations):
            findings += _check_code(image, server)
    is_started = starts_at_boot(image.program, server.task)
    coverage = ServerCoverage(
        server.task.name, is_started, interface.source, interface, tuple(operations)
    )
    return coverage, findings


def _audit_operation(
    image: Image, server: ServedInterface, operation: idol.Operation, is_usable: bool
) -> tuple[OperationCoverage, list[Finding]]:
    """Check one operation; raise `DebugInfoError` where its types cannot be read."""
    resolved = image.program.resolve(server, operation.name)
    subject = Subject(image, server, operation, resolved)
    found = [finding for check in OPERATION_CHECKS for finding in check(subject)]
    fit = measure(subject)
    restricted = is_restricted(server, operation.name)
    complete = not _has_error(found)
    covered = OperationCoverage(
        operation,
        resolved,
        fit,
        mark_aspects(operation, found, fit),
        restricted,
        complete,
        complete and is_usable and not restricted,
    )
    return covered, found


def _check_code(image: Image, server: ServedInterface) -> list[Finding]:
    try:
        return [finding for check in CODE_CHECKS for finding in check(image, server)]
    except DebugInfoError as error:
        return [damaged_types(server, None, error)]


def _has_error(findings: Iterable[Finding]) -> bool:
    return any(finding.level is Level.ERROR for finding in findings)


def _read_image_id(archive: Archive) -> str:
    try:
        return (archive.image_id or b"").hex()
    except ArchiveError:  # the kernel's file is damaged, which is a finding of its own
        return ""
