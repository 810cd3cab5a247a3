"""The audit of one build: every check over every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import idol
from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.callers import is_restricted
from idoldbg.audit.checks import (
    APPLICATION_CHECKS,
    CODE_CHECKS,
    IMAGE_CHECKS,
    SERVER_CHECKS,
    TYPE_CHECKS,
)
from idoldbg.audit.coverage import OperationCoverage, ServerCoverage, Summary, mark_aspects
from idoldbg.audit.finding import Finding
from idoldbg.audit.hiffy import Hiffy, read_hiffy
from idoldbg.audit.image import Image
from idoldbg.audit.interfaces import check_readable, read_text
from idoldbg.audit.kept import (
    IMAGE,
    OPERATION_FINDINGS,
    SERVER_FINDINGS,
    ImageFacts,
    OperationFindings,
)
from idoldbg.audit.limits import measure
from idoldbg.audit.objects import damaged_types, without_debug_info
from idoldbg.audit.subject import Subject
from idoldbg.build.program import Program, ServedInterface, operation_key
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.model.archive import Archive
from idoldbg.views.boot import starts_at_boot

__all__ = ["Audit", "Progress", "audit"]

Progress = Callable[[int, int, str], None]
"""Told before each task or operation: how many are done, how many there are, and which is next."""


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
    archive = program.archive
    program.prefetch()
    facts = _image_facts(program)
    image = Image(program, facts.hiffy, facts.hiffy_findings)
    findings = list(facts.findings)
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


def _image_facts(program: Program) -> ImageFacts:
    def find() -> ImageFacts:
        image = Image(program, *read_hiffy(program))
        findings = tuple(finding for check in IMAGE_CHECKS for finding in check(image))
        return ImageFacts(image.hiffy, image.hiffy_findings, findings)

    return program.recall(IMAGE, "", find)


def _audit_server(
    image: Image, server: ServedInterface, is_usable: bool, begin: Callable[[int, str], None]
) -> tuple[ServerCoverage, list[Finding]]:
    """Check one server; `begin` is told the index and name of each operation before its checks."""
    interface = server.interface
    findings = [finding for check in SERVER_CHECKS for finding in check(image, server)]
    operations: list[OperationCoverage] = []
    of_code = _server_findings(image, server, begin)
    if of_code is None:
        findings.append(without_debug_info(server))
    else:
        for operation in interface.operations:
            covered, found = _audit_operation(image, server, operation, is_usable)
            operations += [] if covered is None else [covered]
            findings += found
        if len(operations) == len(interface.operations):
            findings += of_code
    is_started = starts_at_boot(image.program, server.task)
    coverage = ServerCoverage(
        server.task.name, is_started, interface.source, interface, tuple(operations)
    )
    return coverage, findings


def _server_findings(
    image: Image, server: ServedInterface, begin: Callable[[int, str], None]
) -> tuple[Finding, ...] | None:
    """Return the findings about a server's code, after those about its operations were found.

    None where it has no debug information.
    """

    def find() -> tuple[Finding, ...] | None:
        if not image.program.object(server.task.name).has_debug_info:
            return None
        for index, operation in enumerate(server.interface.operations):
            begin(index, f"{server.interface.name}.{operation.name}")
            _operation_findings(image, server, operation)
        try:
            return tuple(finding for check in CODE_CHECKS for finding in check(image, server))
        except DebugInfoError as error:
            return (damaged_types(server, None, error),)

    return image.program.recall_settled(SERVER_FINDINGS, server.task.name, find)


def _audit_operation(
    image: Image, server: ServedInterface, operation: idol.Operation, is_usable: bool
) -> tuple[OperationCoverage | None, tuple[Finding, ...]]:
    """Check one operation; without coverage where its types cannot be read."""
    of_types = _operation_findings(image, server, operation)
    if of_types.is_damaged:
        return None, of_types.findings
    resolved = image.program.resolve(server, operation.name)
    subject = Subject(image, server, operation, resolved)
    of_application = (f for check in APPLICATION_CHECKS for f in check(subject))
    found = (*of_types.findings, *of_application)
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


def _operation_findings(
    image: Image, server: ServedInterface, operation: idol.Operation
) -> OperationFindings:
    program = image.program

    def find() -> OperationFindings:
        try:
            resolved = program.resolve(server, operation.name)
            subject = Subject(image, server, operation, resolved)
            found = tuple(finding for check in TYPE_CHECKS for finding in check(subject))
        except DebugInfoError as error:
            return OperationFindings(True, (damaged_types(server, operation, error),))
        return OperationFindings(False, found)

    key = operation_key(f"{server.interface.name}.{operation.name}", server.task.name)
    return program.recall_settled(OPERATION_FINDINGS, key, find)


def _has_error(findings: Iterable[Finding]) -> bool:
    return any(finding.level is Level.ERROR for finding in findings)


def _read_image_id(archive: Archive) -> str:
    try:
        return (archive.image_id or b"").hex()
    except ArchiveError:  # the kernel's file is damaged, which is a finding of its own
        return ""
