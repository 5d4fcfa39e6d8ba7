"""What scanners, conformance runs and clock daemons print."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from benchmarks.mutation.recorded import RECORDINGS, whole, written
from benchmarks.mutation.target import Target, text_of
from blueprints import conformance, guarded_xml, kube_hunter, lynis, vuls
from blueprints.errors import Unacceptable
from blueprints.security import security_rules
from lab import clock
from lab.errors import LabError
from lab.iec import client, execution
from lab.iec import conformance as reports

_STATUS = (
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Forbidden",'
    b'"message":"pods is forbidden","code":403}'
)
_EXITED = (
    b'{"metadata":{},"status":"Failure","message":"command terminated","reason":"NonZeroExitCode",'
    b'"details":{"causes":[{"reason":"ExitCode","message":"3"}]}}'
)
_RULES = security_rules()
_NAMED = _RULES.lynis["mature"]


def _lynis_logs() -> list[bytes]:
    lines = ["Starting Lynis 3.0.8 with PID 4711", "===="]
    for name in _NAMED:
        lines += [name, "Hardening: assigned partial number of hardening points (0 of 1).", "===="]
    return ["\n".join([*lines, "Lynis ended successfully"]).encode()]


def _vuls_reports() -> list[bytes]:
    cves = {"CVE-2016-1585": 9.8, "CVE-2020-0001": 6.1}
    report = {
        "family": "ubuntu",
        "release": "20.04",
        "errors": [],
        "scannedCves": {
            cve: {"cveContents": {"nvd": [{"cvss3Score": score, "cvss2Severity": "HIGH"}]}}
            for cve, score in cves.items()
        },
    }
    rows = "".join(f"| {cve} | {score} | AV:N | fixed |\n" for cve, score in cves.items())
    table = f"edge-a (ubuntu20.04)\n====\nTotal: 2\n\n| CVE-ID | CVSS | ATTACK | FIXED |\n{rows}"
    return [json.dumps(report).encode(), table.encode()]


def _archives() -> list[bytes]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("plugins/e2e/results/global/junit_01.xml", "plugins/logs/results/n.json"):
            member = tarfile.TarInfo(name)
            member.size = len(_JUNIT)
            tar.addfile(member, io.BytesIO(_JUNIT))
    return [packed.getvalue()]


def _archive(data: bytes) -> None:
    """The tar is mutated, then compressed; one in eight is mutated as it lies there."""
    packed = data if data[-1:] and data[-1] % 8 == 7 else gzip.compress(data, 1)
    reports.read(written("202611250300_sonobuoy.tar.gz", packed))


_JUNIT = b"""<testsuites tests="4"><testsuite name="Kubernetes e2e suite">
<testcase name="[sig-node] Pods should be updated [Conformance]" status="passed"/>
<testcase name="[sig-network] DNS should work [Conformance]"><skipped/></testcase>
<testcase name="[sig-apps] Job should run"><failure message="a">b</failure></testcase>
</testsuite></testsuites>"""

TARGETS = (
    Target(
        "lynis",
        "Lynis' log",
        lambda data: lynis.judge(text_of(data), _NAMED),
        _lynis_logs,
        (Unacceptable,),
        (lynis,),
    ),
    Target(
        "vuls",
        "Vuls' reports, JSON and table",
        lambda data: vuls.judge(data, _RULES.vuls, 9.0),
        _vuls_reports,
        (Unacceptable,),
        (vuls,),
    ),
    Target(
        "kube-hunter",
        "kube-hunter's reports, JSON and plain",
        lambda data: kube_hunter.judge(data, _RULES.kube_hunter),
        whole("akraino/kube-hunter*.json", below=RECORDINGS),
        (Unacceptable,),
        (kube_hunter,),
    ),
    Target(
        "conformance-junit",
        "the JUnit file of the e2e tests",
        conformance.judge,
        lambda: [_JUNIT],
        (Unacceptable,),
        (conformance, guarded_xml),
    ),
    Target(
        "sonobuoy-archive",
        "sonobuoy's archive",
        _archive,
        _archives,
        (LabError,),
        (reports,),
        text=False,
    ),
    Target(
        "clock",
        "what chrony, timesyncd and ntpd say",
        lambda data: clock.read(text_of(data)),
        lambda: [
            b"chrony\nC0A80001,192.168.0.1,3,1600000000.5,-0.000012,0.000003,0.00002,"
            b"1.5,0.001,0.02,0.03,0.004,64.2,Normal\n",
            b"timesyncd\n       Server: 192.168.0.1 (ntp)\nPoll interval: 32s\n"
            b"       Leap: normal\n    Version: 4\n    Stratum: 2\n     Offset: +1min 2.5s\n",
            b'ntpd\nleap=00, stratum=3, refid=192.168.0.1, offset="-0.25"\n',
        ],
        (ValueError,),
        (clock,),
    ),
    Target(
        "kubernetes-refusal",
        "what an API server refuses with; any other body gives its first line",
        lambda data: client.Refused("GET /", 400, data),
        lambda: [_STATUS],
        (),
        (client,),
    ),
    Target(
        "kubernetes-exec",
        "the Status that ends a command in a pod",
        lambda data: execution.exit_status("/exec", data),
        lambda: [_STATUS, _EXITED],
        (LabError,),
        (execution, client),
    ),
)
