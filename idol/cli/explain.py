"""`idol explain`: the page of a rule."""

from __future__ import annotations

import argparse
import json

from idol.cli.codes import EXIT_CODES, OK
from idol.errors import OptionsError
from idol.findings import Rule
from idol.rules import RULES, advise


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain`."""
    parser = commands.add_parser(
        "explain",
        help="say what a rule of `check` is about",
        description="Say what a rule of `idol check` is about: what, why, a wrong and a right "
        "example. Without a rule, list them all.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("rule", nargs="?", metavar="RULE", help="the id in a finding's brackets")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="default: %(default)s"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    rules = [_get_rule(arguments.rule)] if arguments.rule else list(RULES.values())
    if arguments.format == "json":
        shown = {"schema": "idol.explain/1", "rules": [_to_json(rule) for rule in rules]}
        print(json.dumps(shown, indent=2, sort_keys=True))
    elif arguments.rule:
        print(rules[0].format_page(), end="")
    else:
        width = max(map(len, RULES))
        for rule in rules:
            print(f"{rule.id:{width}}  {rule.format_level():17}  {rule.title}")
    return OK


def _get_rule(name: str) -> Rule:
    if name in RULES:
        return RULES[name]
    raise OptionsError(f"unknown rule `{name}`: {advise(name)}")


def _to_json(rule: Rule) -> dict[str, object]:
    return {
        "rule": rule.id,
        "severity": str(rule.level),
        "strict": rule.is_strict,
        "title": rule.title,
        "page": rule.page,
    }
