"""An audit in which every name that comes from a build is an attack on some format."""

from __future__ import annotations

from dataclasses import replace

import idol
from idol.findings.region import Region
from idoldbg.audit import Audit, Finding, Level, Role, ServerCoverage
from idoldbg.model.types import Scalar, ScalarKind
from idoldbg.resolver import Candidate

SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
ATTRIBUTE = '"\' onmouseover="window.hacked = 3" x=\''
XML = "]]> <!-- & \x00\x1b[31m\ufffe -->"
COMMAND = "a::b,c%\n::error title=x::y\r\n"
TEXT = "\u202egnp.exe\u200b | pipe `tick` *star* [link](javascript:alert(1))"

NASTY = (SCRIPT, ATTRIBUTE, XML, COMMAND, TEXT)


def hostile_audit(demo: Audit) -> Audit:
    """Return the demo's audit with hostile names in every field that a build can fill."""
    servers = tuple(_hostile_server(s, NASTY[i % 5]) for i, s in enumerate(demo.servers))
    findings = []
    for server, nasty in zip(servers, NASTY, strict=False):
        candidate = Candidate(nasty, 4, (nasty,), (nasty,), Scalar(nasty, 4, ScalarKind.UNSIGNED))
        findings.append(
            Finding(
                "type-missing",
                Level.ERROR,
                f"the type {nasty} is not there",
                f"keep {nasty}",
                server.task,
                server.name,
                nasty,
                Role.OK,
                nasty,
                nasty,
                Region(1, 1, 1, 5),
                (candidate,),
            )
        )
    return replace(
        demo,
        name=SCRIPT,
        board=ATTRIBUTE,
        image_name=XML,
        git_rev=TEXT,
        archive=SCRIPT,
        servers=servers,
        findings=tuple(findings),
    )


def _hostile_server(server: ServerCoverage, nasty: str) -> ServerCoverage:
    assert server.source is not None and server.interface is not None
    operations = tuple(
        replace(
            covered,
            operation=replace(covered.operation, name=nasty),
            resolved=replace(
                covered.resolved,
                interface=nasty,
                operation=nasty,
                doc=nasty,
                ok=replace(covered.resolved.ok, text=nasty),
            ),
        )
        for covered in server.operations
    )
    return replace(
        server,
        task=nasty,
        source=idol.Source(nasty, f"{nasty}\n{server.source.text}"),
        interface=replace(server.interface, name=nasty),
        operations=operations,
    )
