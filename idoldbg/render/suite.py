"""Results of a test suite as text, JSON and JUnit's XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from idol.printable import escape_xml, xml_text
from idoldbg.render import source as source_of
from idoldbg.render import stacks
from idoldbg.render.json import task_row
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.tasks import describe_state
from idoldbg.views.source import Source
from idoldbg.views.suite import CaseResult, Outcome

__all__ = ["describe", "json", "junit", "summary", "text"]


def text(result: CaseResult) -> str:
    """Write one result, and what is known of a case that did not pass."""
    head = one_line(f"{result.case.name}  {result.outcome}{_time(result)}")
    return join_lines([head, *(f"    {line}" for line in describe(result))])


def _time(result: CaseResult) -> str:
    return "" if result.ticks is None else f"  {result.ticks} ms"


def describe(result: CaseResult) -> list[str]:
    """List why a case did not pass: the message, the state of the suite's task, its stack."""
    lines = [result.message] if result.message else []
    if result.suite is not None:
        lines.append(f"{result.suite.name}: {describe_state(result.suite)}")
    if result.stack is not None:
        lines += [f"  {line}" for line in stacks.lines(result.stack, sources=True)]
    return lines


def summary(results: Sequence[CaseResult], total: int) -> str:
    """Write how many cases ended how, and how many of `total` were left out."""
    counts = Counter(result.outcome for result in results)
    parts = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]]
    if total > len(results):
        parts.append(f"{total - len(results)} deselected")
    return ", ".join(parts) or "no case was run"


def json(results: Sequence[CaseResult], total: int, source: Source) -> dict[str, Any]:
    """Return the object of `test`."""
    return {
        "schema": "idoldbg.test/1",
        "source": source_of.json(source),
        "total": total,
        "cases": [_case(result) for result in results],
    }


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "number": result.case.number,
        "name": result.case.name,
        "outcome": str(result.outcome),
        "ticks": result.ticks,
        "seconds": round(result.seconds, 6),
        "message": result.message,
        "suite": None if result.suite is None else task_row(result.suite),
        "stack": None if result.stack is None else stacks.json(result.stack),
    }


def junit(results: Sequence[CaseResult], name: str) -> str:
    """Return a JUnit file's text; times are the target's where they are known."""
    counts = Counter(result.outcome for result in results)
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": xml_text(name),
            "tests": str(len(results)),
            "failures": str(counts[Outcome.FAILED] + counts[Outcome.STUCK]),
            "errors": str(counts[Outcome.ERROR]),
            "time": f"{sum(map(_seconds, results)):.3f}",
        },
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": xml_text(name),
                "name": xml_text(result.case.name),
                "time": f"{_seconds(result):.3f}",
            },
        )
        if result.outcome is not Outcome.PASSED:
            lines = describe(result)
            kind = "error" if result.outcome is Outcome.ERROR else "failure"
            attributes = {
                "type": str(result.outcome),
                "message": xml_text(lines[0] if lines else ""),
            }
            ElementTree.SubElement(case, kind, attributes).text = xml_text("\n".join(lines))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    body = escape_xml(ElementTree.tostring(root, encoding="unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _seconds(result: CaseResult) -> float:
    return result.seconds if result.ticks is None else result.ticks / 1000
