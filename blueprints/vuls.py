"""Vuls: a CVE of score 9 or more fails unless Akraino excepts it for that operating system.

Reads the JSON that ``vuls report -format-json`` writes, and the table that ``vuls report``
prints. An operating system of which Akraino has no list has no exceptions; a CVE without a
score fails, for nobody has shown that it is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blueprints.checks import Check
from blueprints.documents import parse_json
from blueprints.errors import Unacceptable

_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_SYSTEM = re.compile(r"\b(centos|ubuntu|debian|rhel|redhat|rocky|alma)(\d+(?:\.\d+)?)")
_SCORE = re.compile(r"\d{1,2}\.\d+|10|\d")
#: Scores by which Vuls counts a severity that came without one (its models/vulninfos.go).
_SEVERITY = {
    "CRITICAL": 10.0,
    "HIGH": 8.9,
    "IMPORTANT": 8.9,
    "MODERATE": 6.9,
    "MEDIUM": 6.9,
    "LOW": 3.9,
    "NEGLIGIBLE": 3.9,
}


def judge(data: bytes, exceptions: Mapping[str, Mapping[str, str]], limit: float) -> list[Check]:
    """Judge one host's report. Raises `Unacceptable` for what is none."""
    if data.lstrip().startswith((b"{", b"[")):
        system, scores = _from_json(parse_json(data))
    else:
        system, scores = _from_table(data.decode(errors="replace"))
    checks = [Check(f"scan of {system}")]
    excepted = exceptions.get(system, {})
    for cve, score in sorted(scores.items()):
        if score is not None and score < limit:
            checks.append(Check(cve))
            continue
        says = "has no score" if score is None else f"has score {score:g}, {limit:g} or more fails"
        if system not in exceptions:
            says += f"; Akraino lists no exceptions for {system}"
        why = f"excepted for {system}: {excepted[cve]}" if cve in excepted else ""
        checks.append(Check(cve, says, why))
    return checks


def _from_json(report: Any) -> tuple[str, dict[str, float | None]]:
    if isinstance(report, list):
        if len(report) != 1:
            raise Unacceptable(f"{len(report)} reports of Vuls in one file; one host, one file")
        (report,) = report
    try:
        family, release = str(report["family"]), str(report["release"])
        found = report["scannedCves"] or {}
        if report.get("errors"):
            raise Unacceptable(f"Vuls could not scan the host: {report['errors']!r:.200}")
        scores = {str(cve): _score(details) for cve, details in found.items()}
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise Unacceptable("no report of Vuls: family, release or scannedCves is missing") from None
    return _system(family, release), scores


def _score(details: Mapping[str, Any]) -> float | None:
    """The highest of the scores that Vuls has of a CVE, CVSS 3 or 2, or of its severity."""
    scores = []
    for entries in (details.get("cveContents") or {}).values():
        for entry in entries if isinstance(entries, list) else [entries]:
            given = [float(entry.get(key) or 0) for key in ("cvss3Score", "cvss2Score")]
            words = [
                str(entry.get(key) or "").upper() for key in ("cvss3Severity", "cvss2Severity")
            ]
            scores += given if any(given) else [_SEVERITY.get(word, 0.0) for word in words]
    return max(scores, default=0.0) or None


def _system(family: str, release: str) -> str:
    """``ubuntu2004``, ``centos79``: family, major and minor version, as Akraino writes it."""
    numbers = ".".join(release.split(".")[:2])
    return re.sub(r"[^a-z0-9]", "", f"{family}{numbers}".lower())


def _from_table(text: str) -> tuple[str, dict[str, float | None]]:
    systems = {_system(match[1], match[2]) for match in _SYSTEM.finditer(text)}
    heads = sum("CVSS" in line for line in text.splitlines())
    if len(systems) != 1 or heads > 1:
        raise Unacceptable(
            f"a report of Vuls names one operating system and has one table; "
            f"found {len(systems)} and {heads}"
        )
    scores: dict[str, float | None] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not _CVE.fullmatch(cells[0]):
            continue
        found = [float(cell) for cell in cells[1:] if _SCORE.fullmatch(cell)]
        scores[cells[0]] = found[0] if found and found[0] > 0 else None
    if not scores and "No CVE-IDs are found" not in text and not re.search(r"Total: 0\b", text):
        raise Unacceptable("no report of Vuls: neither a CVE nor a word that there is none")
    return systems.pop(), scores
