"""kube-hunter: any finding fails, whether Akraino's list knows it or not.

Reads ``--report json`` and the plain report. A hunt that met no API server has shown nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blueprints.checks import Check
from blueprints.documents import parse_json
from blueprints.errors import Unacceptable

_NOTHING = "No vulnerabilities were found"
#: What it calls an API server that it met; the second, when that does not tell its version.
_API_SERVERS = {"API Server", "Unrecognized K8s API"}
_ID = re.compile(r"KHV\d{3}|CAP_NET_RAW Enabled|Access to pod's secrets")


def judge(data: bytes, known: Mapping[str, tuple[str, ...]]) -> list[Check]:
    """Judge one hunt. Raises `Unacceptable` for what is no report of one."""
    if data.lstrip().startswith(b"{"):
        return _from_json(parse_json(data), known)
    text = data.decode(errors="replace")
    found = dict.fromkeys(_ID.findall(text))
    if not found and _NOTHING not in text:
        raise Unacceptable("no report of kube-hunter: neither a finding nor a word of none")
    return [Check("hunt"), *(_finding(name, name, "", known) for name in found)]


def _from_json(report: Any, known: Mapping[str, tuple[str, ...]]) -> list[Check]:
    try:
        nodes, findings = report["nodes"], report["vulnerabilities"]
        checks = [
            _finding(
                str(finding.get("vid") or finding["vulnerability"]),
                str(finding["vulnerability"]),
                str(finding.get("location") or ""),
                known,
            )
            for finding in findings
        ]
        seen = len(nodes)
        served = {service["service"] for service in report["services"]}
    except (KeyError, TypeError, AttributeError):
        raise Unacceptable("no report of kube-hunter: it lacks what it met") from None
    if seen == 0:
        raise Unacceptable("kube-hunter met no node: the hunt has shown nothing")
    if not served & _API_SERVERS:
        raise Unacceptable("kube-hunter met no API server: the hunt has shown nothing")
    return [Check(f"hunt on {seen} nodes"), *checks]


def _finding(name: str, title: str, where: str, known: Mapping[str, tuple[str, ...]]) -> Check:
    # None is its word for a finding that has no number.
    label = title if name == "None" else name
    title_of, *helps = known.get(label, known.get(title, (title,)))
    at = f" at {where}" if where else ""
    advice = f": {helps[0]}" if helps else ""
    return Check(label, f"{title_of}{at}{advice}")
