"""The findings about several files as text, JSON, SARIF or GitHub annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idol.hints import Final
from idol.report.files import FileReport, count_severities
from idol.report.github import to_github
from idol.report.json import to_json
from idol.report.sarif import to_sarif
from idol.report.text import to_text

__all__ = [
    "FORMATS",
    "FileReport",
    "count_severities",
    "to_github",
    "to_json",
    "to_sarif",
    "to_text",
]

#: A renderer for each `--format`; the results end with a line break.
FORMATS: Final[Mapping[str, Callable[[tuple[FileReport, ...]], str]]] = {
    "text": to_text,
    "json": to_json,
    "sarif": to_sarif,
    "github": to_github,
}
