"""Findings that somebody has looked at and accepts, with the reason: a TOML file.

::

    [[suppress]]
    rule = "caller-restricted"
    task = "jefe"                 # task, interface and operation: left out, or `*`, for any
    operation = "set_reset_*"     # shell patterns
    reason = "only the sequencer may reset"
    expires = 2027-06-30          # optional: from the day after on, it no longer counts
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from idol.bounded_toml import load_toml
from idol.near import suggest
from idol.records import dataclass
from idoldbg.audit.finding import Finding
from idoldbg.audit.rules import RULES, advise
from idoldbg.errors import ArgumentError

__all__ = ["Suppression", "parse_suppressions"]

_PATTERNS = ("task", "interface", "operation", "name")
_KEYS = ("rule", *_PATTERNS, "reason", "expires")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry; `number` is its position in the file, from 1. Patterns are the shell's."""

    number: int
    rule: str
    reason: str
    task: str = "*"
    interface: str = "*"
    operation: str = "*"
    name: str = "*"
    expires: datetime.date | None = None

    def has_expired(self, today: datetime.date) -> bool:
        """Return whether its last day is over."""
        return self.expires is not None and today > self.expires

    def covers(self, finding: Finding) -> bool:
        """Return whether a finding is meant."""
        return finding.rule == self.rule and all(
            fnmatchcase(getattr(finding, key), getattr(self, key)) for key in _PATTERNS
        )

    @property
    def description(self) -> str:
        """Short description of the target."""
        said = [f"{key} {getattr(self, key)}" for key in _PATTERNS if getattr(self, key) != "*"]
        return f"entry {self.number} ({', '.join([self.rule, *said])})"


def parse_suppressions(text: str, name: str) -> tuple[Suppression, ...]:
    """Read a file of suppressions; `name` is what to call it.

    Raises `ArgumentError` that says which entry is wrong, and how.
    """
    try:
        data = load_toml(text)
    except ValueError as error:
        raise ArgumentError(f"{name} is not TOML: {error}") from None
    entries = data.pop("suppress", [])
    if data:
        raise ArgumentError(f"{name}: `{next(iter(data))}` is not known; write [[suppress]] tables")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ArgumentError(f"{name}: write each suppression as a table [[suppress]]")
    return tuple(_parse(entry, number, name) for number, entry in enumerate(entries, 1))


def _parse(entry: Mapping[str, Any], number: int, name: str) -> Suppression:
    where = f"{name}, entry {number}"
    for key in entry:
        if key not in _KEYS:
            advice = suggest(key, _KEYS, otherwise=f"the keys are {', '.join(_KEYS)}")
            raise ArgumentError(f"{where}: unknown key `{key}`: {advice}")
    fields = {key: value for key, value in entry.items() if key != "expires"}
    for key, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise ArgumentError(f"{where}: `{key}` must be a string, not {value!r:.60}")
    for key in ("rule", "reason"):
        if key not in fields:
            raise ArgumentError(f"{where}: `{key}` is missing; every suppression needs one")
    if fields["rule"] not in RULES:
        advice = advise(fields["rule"])
        raise ArgumentError(f"{where}: unknown rule `{fields['rule']}`: {advice}")
    return Suppression(number, **fields, expires=_parse_day(entry.get("expires"), where))


def _parse_day(value: Any, where: str) -> datetime.date | None:
    if isinstance(value, datetime.datetime):
        return value.date()
    if value is None or isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{where}: `expires` should be a day such as 2027-06-30") from None
