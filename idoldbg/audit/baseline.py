"""The findings that were there when somebody began to look: only new ones shall fail the build.

A JSON file, `"schema": "idoldbg.baseline/1"`. Findings are known again by their fingerprints; the
rest of each entry is for the people who review the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from idol.printable import escape_json
from idol.records import dataclass
from idoldbg.audit.finding import Finding
from idoldbg.errors import ArgumentError

__all__ = ["Known", "format_baseline", "parse_baseline"]

_SCHEMA = "idoldbg.baseline/1"
_TEXTS = ("rule", "task", "interface", "operation", "name", "type")


@dataclass(frozen=True, slots=True)
class Known:
    """A finding of then; `subject` is what it was about, in words."""

    fingerprint: str
    rule: str
    subject: str


def format_baseline(findings: Iterable[Finding]) -> str:
    """Write a baseline, one entry per fingerprint, in an order that makes good diffs."""
    entries = {}
    for finding in findings:
        entry = {key: getattr(finding, key) for key in _TEXTS if getattr(finding, key)}
        if finding.role is not None:
            entry["role"] = str(finding.role)
        entries[finding.fingerprint] = {
            "fingerprint": finding.fingerprint,
            "subject": finding.subject,
            **entry,
        }
    ordered = sorted(entries.values(), key=lambda e: (e["subject"], e["rule"], e["fingerprint"]))
    log = {"schema": _SCHEMA, "findings": ordered}
    return escape_json(json.dumps(log, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def parse_baseline(text: str, name: str) -> tuple[Known, ...]:
    """Read a baseline; `name` is what to call it. Raises `ArgumentError`."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{name} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
        raise ArgumentError(f"{name} is not a {_SCHEMA} file: write one with --write-baseline")
    entries = data.get("findings")
    if not isinstance(entries, list):
        raise ArgumentError(f"{name}: `findings` should be a list")
    return tuple(_parse(entry, number, name) for number, entry in enumerate(entries, 1))


def _parse(entry: Any, number: int, name: str) -> Known:
    values = [entry.get(key) for key in ("fingerprint", "rule")] if isinstance(entry, dict) else []
    if len(values) != 2 or not all(isinstance(value, str) for value in values):
        raise ArgumentError(f"{name}: finding {number} lacks a fingerprint or a rule")
    return Known(str(values[0]), str(values[1]), str(entry.get("subject", "")))
