"""`idoldbg audit --explain`: what the rules are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from idol.findings import Rule, find_near_rule
from idoldbg.audit import RULES
from idoldbg.errors import NotFound
from idoldbg.render import json
from idoldbg.render.text import table

if TYPE_CHECKING:
    from idoldbg.cli.audit_output import Output

__all__ = ["explain"]


def explain(name: str, outputs: Sequence[Output]) -> None:
    """Print the page of a rule, or with an empty name the list of all; raise `NotFound`."""
    rules = [_get_rule(name)] if name else list(RULES.values())
    if any(output.format == "json" for output in outputs):
        shown = {"schema": "idoldbg.audit-rules/1", "rules": [_object(rule) for rule in rules]}
        click.echo(json.dumps(shown))
    elif name:
        click.echo(rules[0].format_page(), nl=False)
    else:
        click.echo(table([[rule.id, str(rule.level), rule.title] for rule in rules]))


def _get_rule(name: str) -> Rule:
    if name in RULES:
        return RULES[name]
    near = find_near_rule(name, RULES)
    hint = "" if near else "`idoldbg audit --explain` lists them all"
    raise NotFound("rule", name, near=(near,) if near else (), hint=hint)


def _object(rule: Rule) -> dict[str, object]:
    return {"rule": rule.id, "level": str(rule.level), "title": rule.title, "page": rule.page}
