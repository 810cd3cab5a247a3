"""An audit as JUnit XML: a test case for each operation, in a suite for each server.

There is no standard; this keeps to what the schemas of Jenkins' xUnit plug-in, GitLab and pytest
agree on. Findings below `--fail-on` are told in `system-out`, known ones make a case `skipped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as XmlTree

from idol.records import dataclass
from idoldbg.audit import Audit, Finding, ServerCoverage
from idoldbg.audit.verdict import Judged, Standing, Verdict, reaches
from idoldbg.render.audit.files import Files
from idoldbg.render.printable import escape_xml, printable, xml_text

__all__ = ["to_junit"]

IMAGE_SUITE = "image"


@dataclass(frozen=True, slots=True)
class _Case:
    """A test case to be: what is said about one operation, or about a server or the image.

    `is_covered` is False for an operation of which nothing could be found out.
    """

    name: str
    judged: tuple[Judged, ...]
    note: str = ""
    is_covered: bool = True


def to_junit(verdict: Verdict, files: Files) -> str:
    """Write an audit."""
    root = XmlTree.Element("testsuites", name="idoldbg audit")
    _suite(root, IMAGE_SUITE, _image_cases(verdict), verdict, files)
    for server in verdict.audit.servers:
        name = f"{server.task}.{server.name}"
        _suite(root, name, _server_cases(verdict, server), verdict, files)
    for key in ("tests", "failures", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("errors", "0")
    XmlTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _serialize(root) + "\n"


def _image_cases(verdict: Verdict) -> list[_Case]:
    servers = {server.task for server in verdict.audit.servers}
    found = [j for j in verdict.judged if not j.finding.interface and j.finding.task not in servers]
    rules = dict.fromkeys(j.finding.rule for j in found)
    cases = [_Case(rule, tuple(j for j in found if j.finding.rule == rule)) for rule in rules]
    return cases or [_Case("hiffy", (), _hiffy_note(verdict.audit))]


def _hiffy_note(audit: Audit) -> str:
    if audit.hiffy is None or audit.hiffy.version is None:
        return ""
    return f"hiffy speaks HIF {'.'.join(map(str, audit.hiffy.version))}"


def _server_cases(verdict: Verdict, server: ServerCoverage) -> list[_Case]:
    own = [j for j in verdict.judged if j.finding.task == server.task]
    cases = []
    about = tuple(j for j in own if not j.finding.operation)
    if about or server.interface is None:
        cases.append(_Case("(interface)", about))
    operations = server.interface.operations if server.interface is not None else ()
    covered = {c.operation.name for c in server.operations}
    for operation in operations:
        found = tuple(j for j in own if j.finding.operation == operation.name)
        cases.append(_Case(operation.name, found, is_covered=operation.name in covered))
    return cases


def _suite(
    root: XmlTree.Element, name: str, cases: Sequence[_Case], verdict: Verdict, files: Files
) -> None:
    suite = XmlTree.SubElement(root, "testsuite", name=xml_text(name))
    counts = {"failures": 0, "skipped": 0}
    for case in cases:
        element = XmlTree.SubElement(
            suite, "testcase", classname=xml_text(name), name=xml_text(case.name), time="0"
        )
        kind = _fill(element, case, verdict.fail_on, files)
        if kind:
            counts[kind] += 1
    suite.set("tests", str(len(cases)))
    suite.set("errors", "0")
    for key, count in counts.items():
        suite.set(key, str(count))


def _fill(element: XmlTree.Element, case: _Case, fail_on: str, files: Files) -> str | None:
    """Write a case's result; return the attribute of its suite that counts it."""
    opened = [j.finding for j in case.judged if j.standing is Standing.OPEN]
    failing = [f for f in opened if reaches(f.level, fail_on)]
    known = [j for j in case.judged if j.standing is not Standing.OPEN]
    kind = None
    if failing:
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        message = xml_text(failing[0].message + more, "")
        failure = XmlTree.SubElement(
            element, "failure", message=message, type=xml_text(failing[0].rule)
        )
        failure.text = xml_text("\n\n".join(_describe(f, files) for f in failing))
        kind = "failures"
    elif known and any(reaches(j.finding.level, fail_on) for j in known):
        reasons = dict.fromkeys(j.reason or f"{j.finding.rule} is in the baseline" for j in known)
        XmlTree.SubElement(element, "skipped", message=xml_text("; ".join(reasons)))
        kind = "skipped"
    elif not case.is_covered and not failing:
        message = "nothing is known of it: see the findings about its interface"
        XmlTree.SubElement(element, "skipped", message=message)
        kind = "skipped"
    told = [_describe(f, files) for f in opened if f not in failing] + [case.note] * bool(case.note)
    if told:
        XmlTree.SubElement(element, "system-out").text = xml_text("\n\n".join(told))
    return kind


def _describe(finding: Finding, files: Files) -> str:
    place = files.place(finding)
    head = f"{place}: " if place else ""
    first = f"{head}{finding.level}: {finding.rule}: {finding.message}"
    return "\n".join([printable(first), printable(f"fix: {finding.fix}")])


def _serialize(root: XmlTree.Element) -> str:
    return escape_xml(XmlTree.tostring(root, "unicode"))
