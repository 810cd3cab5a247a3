"""File names of the interfaces: the image has the text, the reader has files.

Code scanners show findings beside lines of files of a repository. The image holds each interface's
text as the build found it, so a file with the same text is where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass, field
from idoldbg.audit import Audit, Finding, ServerCoverage

__all__ = ["Files", "normalize"]


@dataclass(frozen=True)
class Files:
    """Names of texts; `known` maps the text of an `.idol` file to its path."""

    audit: Audit
    known: Mapping[str, str] = field(default_factory=dict)

    def name(self, server: ServerCoverage) -> str:
        """Return the path of a server's interface, or a name made of its task's."""
        if server.source is not None:
            path = self.known.get(normalize(server.source.text))
            if path is not None:
                return path
        return f"{server.task}.idol"

    def of(self, finding: Finding) -> str | None:
        """Return the path of the text that a finding points into; None where it points at none."""
        server = self.server(finding)
        return None if server is None or server.source is None else self.name(server)

    def server(self, finding: Finding) -> ServerCoverage | None:
        """Return the server that a finding is about."""
        return next((s for s in self.audit.servers if s.task == finding.task), None)

    def place(self, finding: Finding) -> str:
        """Return `file:line:column`, "" where there is no such place."""
        name = self.of(finding)
        if name is None or finding.place is None:
            return ""
        return f"{name}:{finding.place.line}:{finding.place.column}"


def normalize(text: str) -> str:
    """Return a text as it is compared: line ends of all systems are the same."""
    return text.replace("\r\n", "\n").strip()
