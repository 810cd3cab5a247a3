"""The parts of SARIF that linters share.

Ref: OASIS Static Analysis Results Interchange Format 2.1.0; section numbers stand beside the parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from idol.findings import Level, Rule
from idol.findings.region import Region
from idol.hints import Any, Final

__all__ = [
    "SCHEMA",
    "Object",
    "escape_links",
    "find_broken",
    "make_log",
    "make_physical_location",
    "make_result",
    "to_uri",
]

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
Object = dict[str, Any]


def find_broken(rules: Mapping[str, Rule], found: Iterable[str]) -> tuple[Rule, ...]:
    """Return those of `rules` that the ids in `found` name, in the order of the table."""
    wanted = set(found)
    return tuple(rule for rule in rules.values() if rule.id in wanted)


def make_log(
    driver: Object,
    rules: Sequence[Rule],
    files: Iterable[str],
    results: Iterable[Object],
    identity: str = "",
) -> Object:
    """Return a log of one run of one tool, which describes `rules`, those that it found broken.

    `driver` is the tool's name and what else is known of it; `files` are URIs.
    """
    run: Object = {"tool": {"driver": driver | {"rules": [_describe(rule) for rule in rules]}}}
    if identity:
        # 3.17.3: the results of a run replace those of the last run of the same identity alone.
        run["automationDetails"] = {"id": identity}
    run |= {
        "columnKind": "unicodeCodePoints",  # 3.14.17: our columns count characters
        # 3.14.15: each file once
        "artifacts": [{"location": {"uri": uri}} for uri in dict.fromkeys(files)],
        "results": list(results),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _describe(rule: Rule) -> Object:
    """3.49: a reportingDescriptor; its page is both the plain and the formatted help."""
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": str(rule.level)},
    }


def make_result(
    rule: Rule, rule_index: int, level: Level, message: str, location: Object
) -> Object:
    """3.27: a result. Advice belongs to the message: there is no place for it alone."""
    return {
        "ruleId": rule.id,
        "ruleIndex": rule_index,
        "level": str(level),
        "message": {"text": message},
        "locations": [location],
    }


def escape_links(text: str) -> str:
    """3.11.5, 3.11.6: return plain text, in which `[words](target)` would be a link."""
    return re.sub(r"[\\\[\]]", r"\\\g<0>", text) if "](" in text else text


def make_physical_location(uri: str, region: Region | None) -> Object:
    """3.29: a place in a file, or the file as a whole."""
    physical: Object = {"artifactLocation": {"uri": uri}}
    if region is not None:  # 3.30: a region ends before `endColumn`
        physical["region"] = {
            "startLine": region.line,
            "startColumn": region.column,
            "endLine": region.end_line,
            "endColumn": region.end_column,
        }
    return physical


def to_uri(path: str) -> str:
    """3.10: relative names stay relative, to whatever the reader takes for the root."""
    from pathlib import Path
    from urllib.parse import quote

    if Path(path).is_absolute():
        return Path(path).as_uri()
    return quote(Path(path).as_posix(), errors="surrogateescape")
