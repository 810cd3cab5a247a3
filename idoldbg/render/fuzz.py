"""Crashes that made-up inputs have found, as text, JSON and JUnit XML."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as XmlTree

from idoldbg.model.fuzz import FuzzReport
from idoldbg.render.printable import join_lines, one_line, xml_text

__all__ = ["json", "junit", "text"]


def text(report: FuzzReport) -> str:
    """Return a line for each operation, and the crashes below."""
    lines = []
    for each in report.tried:
        line = f"{each.operation}: {each.inputs} inputs, {each.blocks} new blocks of code"
        lines.append(one_line(f"{each.operation}: {each.skipped}" if each.skipped else line))
        for crash in report.crashes:
            if (crash.operation, crash.task) == (each.operation, each.task):
                lines.append(one_line(f"  {crash.kind} ({crash.count}×): {crash.message}"))
                lines.append(one_line(f"    {crash.command}"))
                if crash.history:
                    lines.append(one_line(f"    idoldbg replay {crash.history}"))
    lines.append(f"seed {report.seed}: {report.inputs} inputs, {len(report.crashes)} crashes")
    return join_lines(lines)


def json(report: FuzzReport) -> dict[str, Any]:
    """Return the report as JSON."""
    return {
        "schema": "idoldbg.fuzz/1",
        "seed": report.seed,
        "inputs": report.inputs,
        "operations": [
            {
                "operation": each.operation,
                "task": each.task,
                "inputs": each.inputs,
                "blocks": each.blocks,
                "skipped": each.skipped or None,
            }
            for each in report.tried
        ],
        "crashes": [
            {
                "operation": crash.operation,
                "task": crash.task,
                "kind": crash.kind,
                "message": crash.message,
                "command": crash.command,
                "count": crash.count,
                "history": crash.history or None,
            }
            for crash in report.crashes
        ],
    }


def junit(report: FuzzReport) -> str:
    """Return a test case for each operation."""
    suite = XmlTree.Element("testsuite", name="idoldbg fuzz", tests=str(len(report.tried)))
    failures = 0
    for each in report.tried:
        name, task = xml_text(each.operation), xml_text(each.task)
        case = XmlTree.SubElement(suite, "testcase", classname=task, name=name, time="0")
        if each.skipped:
            XmlTree.SubElement(case, "skipped", message=xml_text(each.skipped, ""))
        found = [c for c in report.crashes if (c.operation, c.task) == (each.operation, each.task)]
        if found:
            failures += 1
            failure = XmlTree.SubElement(case, "failure", message=xml_text(found[0].message, ""))
            failure.text = xml_text("\n".join(f"{c.kind}: {c.message}\n{c.command}" for c in found))
    suite.set("failures", str(failures))
    return XmlTree.tostring(suite, encoding="unicode")
