"""One JUnit file for all places: a test suite for each, failures of the lab apart."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

from idoldbg.farm.records import FarmResult, Outcome, PlaceResult, TestRecord
from idoldbg.render.printable import escape_xml, xml_text

__all__ = ["to_junit"]

_TAGS = {
    Outcome.FAILED: ("failure", "failure"),
    Outcome.ERROR: ("error", "error"),
    Outcome.INFRASTRUCTURE: ("error", "infrastructure"),
    Outcome.SKIPPED: ("skipped", ""),
}


def to_junit(result: FarmResult) -> str:
    """Return the XML text; a place on which nothing ran has one test case that says why."""
    root = ET.Element("testsuites", name="idoldbg farm", time=f"{result.duration_s:.3f}")
    for place in result.places:
        root.append(_suite(place, result.started))
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in root:
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
    for name, value in totals.items():
        root.set(name, str(value))
    ET.indent(root)
    return escape_xml(ET.tostring(root, encoding="unicode", xml_declaration=True)) + "\n"


def _suite(place: PlaceResult, started: float) -> ET.Element:
    suite = ET.Element("testsuite", name=xml_text(place.name), time=f"{place.duration_s:.3f}")
    suite.set("timestamp", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started)))
    suite.set("hostname", xml_text(place.name))
    properties = ET.SubElement(suite, "properties")
    for name, value in {**place.tags, **place.facts, "place": place.name}.items():
        ET.SubElement(properties, "property", name=xml_text(name), value=xml_text(value))
    tests = place.tests
    if place.problem and not any(t.outcome is Outcome.INFRASTRUCTURE for t in tests):
        lost = TestRecord("::run", Outcome.INFRASTRUCTURE, message=place.problem)
        lost.text = place.log_tail
        tests = [*tests, lost]
    for test in tests:
        suite.append(_case(place, test))
    counts = [test.outcome for test in tests]
    suite.set("tests", str(len(tests)))
    suite.set("failures", str(counts.count(Outcome.FAILED)))
    errors = counts.count(Outcome.ERROR) + counts.count(Outcome.INFRASTRUCTURE)
    suite.set("errors", str(errors))
    suite.set("skipped", str(counts.count(Outcome.SKIPPED)))
    return suite


def _case(place: PlaceResult, test: TestRecord) -> ET.Element:
    path, _, name = test.node_id.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    *classes, name = name.split("::") if "[" not in name else [name]
    classname = ".".join(part for part in (place.name, module, *classes) if part)
    case = ET.Element("testcase", classname=xml_text(classname), name=xml_text(name))
    case.set("time", f"{test.duration_s:.3f}")
    if test.properties:
        properties = ET.SubElement(case, "properties")
        for key, value in sorted(test.properties.items()):
            ET.SubElement(properties, "property", name=xml_text(key), value=xml_text(value))
    if test.outcome in _TAGS:
        tag, kind = _TAGS[test.outcome]
        element = ET.SubElement(case, tag, message=xml_text(test.message))
        if kind:
            element.set("type", kind)
        element.text = xml_text(test.text or test.message)
    if test.output:
        ET.SubElement(case, "system-out").text = xml_text(test.output)
    return case
