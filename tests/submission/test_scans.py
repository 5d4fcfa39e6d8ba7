"""Outputs of scanners, judged by Akraino's rules and without their weak spots."""

from __future__ import annotations

import json

import pytest

from blueprints import conformance, kube_hunter, lynis, vuls
from blueprints.checks import Check
from blueprints.errors import Unacceptable
from blueprints.security import security_rules
from tests.submission.conftest import JUNIT, RECORDED, lynis_log, vuls_report

RULES = security_rules()


def failing(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.failure]


def judge_lynis(log: bytes) -> list[Check]:
    return lynis.judge(log.decode(), RULES.lynis["incubation"])


def test_akraino_s_list_has_what_the_reference_says() -> None:
    assert len(RULES.lynis["incubation"]) == 8
    assert len(RULES.lynis["mature"]) == 29
    assert "CVE-2016-1585" in RULES.vuls["ubuntu2004"]
    assert "KHV002" in RULES.kube_hunter


def test_a_hardened_host_passes() -> None:
    assert failing(judge_lynis(lynis_log())) == []


@pytest.mark.parametrize("name", RULES.lynis["incubation"])
def test_each_named_check_can_fail(name: str) -> None:
    assert failing(judge_lynis(lynis_log(name))) == [lynis.short_name(name)]


@pytest.mark.parametrize("name", RULES.lynis["incubation"])
def test_a_check_that_the_log_lacks_fails(name: str) -> None:
    (check,) = [check for check in judge_lynis(lynis_log(absent=name)) if check.failure]
    assert check.failure == f"the log has no line {name!r}"


def test_a_block_reaches_to_the_next_rule_only() -> None:
    other = b"Performing test ID X-1 (other)\nHardening: assigned partial number\n====\n"
    log = lynis_log().replace(b"2026-11-24 16:52:01 Lynis ended", other + b"Lynis ended")
    assert other in log
    assert failing(judge_lynis(log)) == []


def test_a_check_that_stands_there_twice_must_hold_twice() -> None:
    again = lynis_log("AUTH-9328").replace(b"ended successfully", b"")
    assert failing(judge_lynis(again + b"\n" + lynis_log())) == ["AUTH-9328"]


@pytest.mark.parametrize("log", [b"", b"hello", lynis_log(ended=False)])
def test_no_whole_log_is_no_judgement(log: bytes) -> None:
    with pytest.raises(Unacceptable):
        judge_lynis(log)


def judge_vuls(report: bytes) -> dict[str, Check]:
    checks = vuls.judge(report, RULES.vuls, 9.0)
    return {check.name: check for check in checks if check.failure}


def test_scores_below_nine_pass() -> None:
    assert judge_vuls(vuls_report(CVE_2020_0001=8.9, CVE_2020_0002=0.1)) == {}


def test_nine_or_more_fails_unless_excepted_for_that_system() -> None:
    found = judge_vuls(vuls_report(CVE_2020_0001=9.0, CVE_2016_1585=9.8))
    assert found["CVE-2020-0001"].excepted == ""
    assert found["CVE-2016-1585"].excepted.startswith("excepted for ubuntu2004: Medium")
    elsewhere = judge_vuls(vuls_report("centos", "8.2.2004", CVE_2016_1585=9.8))
    assert elsewhere["CVE-2016-1585"].excepted == ""


def test_an_unknown_system_has_no_exceptions() -> None:
    (check,) = judge_vuls(vuls_report("debian", "12.5", CVE_2016_1585=9.8)).values()
    assert check.failure.endswith("Akraino lists no exceptions for debian125")


def test_a_cve_without_score_fails_and_a_severity_counts_as_one() -> None:
    report = json.loads(vuls_report())
    report["scannedCves"] = {
        "CVE-2020-0001": {"cveContents": {}},
        "CVE-2020-0002": {"cveContents": {"ubuntu": [{"cvss3Severity": "low"}]}},
        "CVE-2020-0003": {"cveContents": {"ubuntu": [{"cvss3Severity": "critical"}]}},
    }
    found = judge_vuls(json.dumps(report).encode())
    assert found["CVE-2020-0001"].failure == "has no score"
    assert set(found) == {"CVE-2020-0001", "CVE-2020-0003"}


TABLE = """edge-a (ubuntu20.04)
====================
Total: 2 (Critical:1 High:0 Medium:1 Low:0 ?:0), 1/2 Fixed
+----------------+------+--------+-----+-----------+---------+
|     CVE-ID     | CVSS | ATTACK | POC |   FIXED   |   NVD   |
+----------------+------+--------+-----+-----------+---------+
| CVE-2020-0001  |  9.8 |  AV:N  |     |     fixed | https:  |
| CVE-2020-0002  |  5.5 |  AV:L  |     |   unfixed | https:  |
+----------------+------+--------+-----+-----------+---------+
"""


def test_the_printed_table_is_read_too() -> None:
    assert set(judge_vuls(TABLE.encode())) == {"CVE-2020-0001"}


@pytest.mark.parametrize(
    "report",
    [b"{}", b"[]", b"[{}, {}]", b"{", b"nothing", TABLE.encode() * 2, TABLE[:200].encode(),
     json.dumps({"family": "ubuntu", "release": "20.04", "scannedCves": {},
                 "errors": ["no ssh"]}).encode()],
    ids=range(8),
)  # fmt: skip
def test_no_report_of_vuls_is_no_judgement(report: bytes) -> None:
    with pytest.raises(Unacceptable):
        judge_vuls(report)


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def test_a_recorded_hunt_without_findings_passes() -> None:
    assert failing(kube_hunter.judge(recorded("kube-hunter.json"), RULES.kube_hunter)) == []


def test_a_hunt_that_met_no_api_server_is_no_judgement() -> None:
    with pytest.raises(Unacceptable, match="API server"):
        kube_hunter.judge(recorded("kube-hunter-no-api.json"), RULES.kube_hunter)


def test_a_recorded_finding_fails() -> None:
    checks = kube_hunter.judge(recorded("kube-hunter-finding.json"), RULES.kube_hunter)
    (check,) = [check for check in checks if check.failure]
    assert check.name == "KHV002"
    assert check.failure.startswith("KHV002 - Kubernetes version disclosure at 172.31.77.21:6443")


def test_a_finding_that_akraino_does_not_know_fails_too() -> None:
    report = recorded("kube-hunter-finding.json").replace(b"KHV002", b"KHV999")
    assert failing(kube_hunter.judge(report, RULES.kube_hunter)) == ["KHV999"]


def test_the_plain_report_is_read_too() -> None:
    text = b"| KHV002 | Initial Access | K8s Version Disclosure |\n| None | CAP_NET_RAW Enabled |"
    checks = kube_hunter.judge(text, RULES.kube_hunter)
    assert failing(checks) == ["KHV002", "CAP_NET_RAW Enabled"]
    assert failing(kube_hunter.judge(b"No vulnerabilities were found", RULES.kube_hunter)) == []


@pytest.mark.parametrize(
    "report", [b"", b"{}", b'{"nodes": [], "vulnerabilities": []}', b'{"nodes": 1}', b"no cluster"]
)
def test_no_report_of_a_hunt_is_no_judgement(report: bytes) -> None:
    with pytest.raises(Unacceptable):
        kube_hunter.judge(report, RULES.kube_hunter)


def test_conformance_passes_or_names_what_failed() -> None:
    assert failing(conformance.judge(JUNIT)) == []
    bad = JUNIT.replace(b'DNS should provide DNS"/>', b'DNS"><failure/></testcase>')
    assert failing(conformance.judge(bad)) == ["[sig-network] DNS"]


@pytest.mark.parametrize(
    "report",
    [b"", b"<a/>", b"<testsuite/>",
     b"<testsuite><testcase><skipped/></testcase></testsuite>",
     b'<!DOCTYPE x [<!ENTITY e "e">]><testsuite><testcase/></testsuite>'],
)  # fmt: skip
def test_no_conformance_run_is_no_judgement(report: bytes) -> None:
    with pytest.raises(Unacceptable):
        conformance.judge(report)
