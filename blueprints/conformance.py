"""Kubernetes conformance: the JUnit file that the e2e tests leave, all of it passed."""

from __future__ import annotations

from blueprints.checks import Check
from blueprints.documents import parse_xml
from blueprints.errors import Unacceptable


def judge(data: bytes) -> list[Check]:
    """Judge one run of the conformance tests. Raises `Unacceptable` where none was run."""
    root = parse_xml(data)
    cases = list(root.iter("testcase"))
    if root.tag not in ("testsuite", "testsuites") or not cases:
        raise Unacceptable("no JUnit file of a conformance run: it has no test case")
    failed, ran = [], 0
    for case in cases:
        name = case.get("name") or "a test without a name"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(Check(name, "failed"))
        ran += case.find("skipped") is None
    if ran == 0:
        raise Unacceptable("a conformance run in which every test was skipped")
    return [Check(f"{ran} conformance tests"), *failed]


def names_of_those_that_ran(data: bytes) -> set[str]:
    """The conformance tests in a run's JUnit file that were not skipped.

    e2e.test calls them ``[It] NAME``, and its own set-up by other words.
    """
    return {
        name.removeprefix("[It] ")
        for case in parse_xml(data).iter("testcase")
        if case.find("skipped") is None and "[Conformance]" in (name := case.get("name") or "")
    }
