"""JUnit files, and what Jenkins makes of them: the build's ``testReport``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from blueprints.guarded_xml import parse

_CASE = "hudson.tasks.junit.CaseResult"


def report(files: Iterable[Path]) -> dict[str, Any]:
    """The report over files, as JSON. Raises `XmlRefused` for one that is no XML."""
    suites = [suite for file in files for suite in _suites(parse(file.read_bytes()))]
    cases = [case for suite in suites for case in suite["cases"]]
    count = {
        status: sum(case["status"] == status for case in cases)
        for status in ("FAILED", "PASSED", "SKIPPED")
    }
    return {
        "duration": round(sum(suite["duration"] for suite in suites), 6),
        "empty": not cases,
        "failCount": count["FAILED"],
        "passCount": count["PASSED"],
        "skipCount": count["SKIPPED"],
        "suites": suites,
    }


def _suites(root: Element) -> Iterable[dict[str, Any]]:
    for suite in [root] if root.tag == "testsuite" else root.iter("testsuite"):
        cases = [_case(case, suite.get("name", "")) for case in suite.findall("testcase")]
        yield {
            "cases": cases,
            "duration": round(sum(case["duration"] for case in cases), 6),
            "id": suite.get("id"),
            "name": suite.get("name", ""),
            "timestamp": suite.get("timestamp"),
        }


def _case(case: Element, suite: str) -> dict[str, Any]:
    failure = case.find("failure")
    if failure is None:
        failure = case.find("error")
    skipped = case.find("skipped")
    status = "FAILED" if failure is not None else "SKIPPED" if skipped is not None else "PASSED"
    return {
        "className": case.get("classname", suite),
        "name": case.get("name", ""),
        "duration": _seconds(case.get("time")),
        "status": status,
        "errorDetails": None if failure is None else failure.get("message"),
        "errorStackTrace": None if failure is None else failure.text,
        "skippedMessage": None if skipped is None else skipped.get("message"),
        "stdout": case.findtext("system-out"),
        "stderr": case.findtext("system-err"),
    }


def _seconds(time: str | None) -> float:
    """A case's time; 0 for what is no number, as Jenkins takes it."""
    try:
        seconds = float(time or 0)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
