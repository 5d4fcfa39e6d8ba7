"""JUnit XML as Jenkins reads it: a test suite a layer, a test case a criterion.

Elements, attributes and their order are those of the format that Jenkins's xUnit plugin
publishes as ``junit-10.xsd``: FAIL is a ``failure``; ERROR, and a planned criterion without
a verdict, an ``error``; SKIP is ``skipped``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from xml.etree import ElementTree

from blueprints.evidence import Measurement
from reports.results import CriterionResult, RunResults, counts
from reports.text import one_line, printable

_ELEMENTS = {"FAIL": "failure", "ERROR": "error", "NONE": "error", "SKIP": "skipped"}


def junit_xml(results: RunResults) -> bytes:
    """The run as a JUnit document (UTF-8)."""
    root = ElementTree.Element("testsuites", name=one_line(results.id))
    _count(root, results.criteria, damaged=len(results.damage))
    for layer in results.layers:
        root.append(_suite(results, layer))
    if results.damage:
        root.append(_damage_suite(results))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _suite(results: RunResults, layer: str) -> ElementTree.Element:
    criteria = results.of_layer(layer)
    suite = ElementTree.Element("testsuite", name=_class_name(results, layer))
    _count(suite, criteria)
    if results.started:
        # The format has local time without zone; we give UTC.
        suite.set("timestamp", f"{results.started.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(results).items():
        ElementTree.SubElement(properties, "property", name=one_line(name), value=one_line(value))
    for criterion in criteria:
        suite.append(_case(results, criterion))
    return suite


def _properties(results: RunResults) -> dict[str, str]:
    return {
        "run": results.id,
        "lab": results.lab,
        "profile": results.profile,
        "maturity": results.maturity,
        **results.versions,
        **{f"deviation {d.name} {d.pinned}": d.instead for d in results.deviations},
    }


def _case(results: RunResults, criterion: CriterionResult) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_class_name(results, criterion.layer),
        name=one_line(f"{criterion.id} {criterion.title}"),
        time=_seconds(criterion.seconds),
    )
    if criterion.state in _ELEMENTS:
        outcome = ElementTree.SubElement(case, _ELEMENTS[criterion.state])
        outcome.set("message", one_line(criterion.reason))
        if criterion.state != "SKIP":
            outcome.set("type", criterion.state)
            outcome.text = printable(f"{criterion.requirement}\n{criterion.reason}")
    if criterion.measurements:
        output = ElementTree.SubElement(case, "system-out")
        output.text = printable("\n".join(map(_figure, criterion.measurements)))
    return case


def _damage_suite(results: RunResults) -> ElementTree.Element:
    """Lost evidence, as errors: a run is not to look good because a file was cut off."""
    suite = ElementTree.Element("testsuite", name=_class_name(results, "evidence"))
    _count(suite, (), damaged=len(results.damage))
    for number, says in enumerate(results.damage, 1):
        case = ElementTree.SubElement(
            suite, "testcase", classname=suite.get("name", ""), name=f"lost evidence {number}"
        )
        ElementTree.SubElement(case, "error", message=one_line(says), type="ERROR")
    return suite


def _class_name(results: RunResults, part: str) -> str:
    """Jenkins shows what stands before the last dot as a package."""
    return one_line(f"{results.blueprint}.{part}")


def _figure(measurement: Measurement) -> str:
    limit = f", must be {measurement.threshold}" if measurement.threshold else ""
    samples = f", {measurement.samples} samples" if measurement.samples is not None else ""
    spoilt = "" if measurement.window_valid else ", window spoilt"
    return f"{measurement.name}: {measurement.value:g} {measurement.unit}{limit}{samples}{spoilt}"


def _count(
    element: ElementTree.Element, criteria: Sequence[CriterionResult], *, damaged: int = 0
) -> None:
    number = counts(criteria)
    element.set("tests", str(len(criteria) + damaged))
    element.set("failures", str(number["FAIL"]))
    element.set("errors", str(number["ERROR"] + number["NONE"] + damaged))
    if element.tag == "testsuite":
        element.set("skipped", str(number["SKIP"]))
    element.set("time", _seconds(sum(c.seconds or 0.0 for c in criteria)))


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3f}"
