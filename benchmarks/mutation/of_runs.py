"""Runs that come from elsewhere or are gone on with, their figures, bundles and envelopes."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.mutation.recorded import as_json, read_from, written, zipped
from benchmarks.mutation.target import target, text_of
from blueprints import guarded_xml
from blueprints.errors import ConfigError, Unacceptable
from lab import lease
from perf import handover, histogram, load, study
from pipeline import loading, progress, rundir
from pipeline.progress import EventFollower, Progress
from reports import result_files, results, runfiles, scan
from submission import attestation, bundle_results, ledger, ui_view, untrusted
from submission.ledger import Ledger, Refused

OUTPUT = b"""<?xml version="1.0" encoding="UTF-8"?>
<robot generator="Robot 7.1" generated="2026-11-25T12:00:00.000000" rpa="false" schemaversion="5">
<suite id="s1" name="Iec4"><meta name="Run">20261125T120000Z-iec</meta><meta name="Lab">inw</meta>
<meta name="Blueprint">iec-type4</meta><suite id="s1-s1" name="Paas">
<test id="s1-s1-t1" name="PAAS-01 It lives"><kw name="Measured"><msg level="INFO">p99: 4.5 ms, must
 be &lt;= 5 ms</msg></kw><doc>It lives.</doc><tag>mandatory</tag>
<status status="PASS" start="2026-11-25T12:00:00.000000" elapsed="0.5"/></test>
<test id="s1-s1-t2" name="PAAS-02 It talks"><status status="FAIL" start="2026-11-25T12:00:01"
 elapsed="0.25">ERROR: nobody there</status></test>
<status status="FAIL" start="2026-11-25T12:00:00" elapsed="1"/></suite></suite>
<statistics><total><stat pass="1" fail="1" skip="0">All Tests</stat></total></statistics>
<errors></errors></robot>
"""
_RUN = {
    "schema": 1, "id": "20261125T120000Z-iec", "blueprint": "iec-type4", "lab": "a",
    "profile": "lab", "maturity": "incubation", "started": "2026-11-25T12:00:00Z",
    "ended": None, "interrupted": False, "asked": {}, "versions": {"tars": "3.0.17"},
    "planned": [{"id": "PAAS-01", "layer": "paas", "title": "t", "requirement": "r",
                 "mandatory": True}],
    "stages": [{"name": "validate", "state": "done", "started": "2026-11-25T12:00:00",
                "ended": "2026-11-25T12:00:09+01:00", "message": None}],
}  # fmt: skip
_RESULT = {
    "name": "PAAS-01 t", "status": "passed", "start": 1, "stop": 5000,
    "statusDetails": {"message": "m"}, "fullName": "validation.paas#t",
    "labels": [{"name": "criterion", "value": "PAAS-01"}, {"name": "layer", "value": "paas"},
               {"name": "verdict", "value": "PASS"}],
    "attachments": [{"name": "measurements.json", "source": "m-attachment.json",
                     "type": "application/json"}],
}  # fmt: skip
_FIGURES = [{"name": "p99", "value": 1.5, "unit": "ms", "threshold": "<= 5 ms", "met": True}]
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def _run_of(run_json: bytes, result: bytes, figures: bytes) -> Path:
    written("run/allure-results/a-result.json", result)
    written("run/allure-results/m-attachment.json", figures)
    return written("run/run.json", run_json).parent


def _result(data: bytes) -> None:
    results.read_results(_run_of(as_json(_RUN)[0], data, as_json(_FIGURES)[0]))


def _run_json(data: bytes) -> None:
    results.read_results(_run_of(data, as_json(_RESULT)[0], as_json(_FIGURES)[0]))


def _figures(data: bytes) -> None:
    results.read_results(_run_of(as_json(_RUN)[0], as_json(_RESULT)[0], data))


def _archived() -> list[bytes]:
    below = "r/allure-results/"
    return [
        zipped(
            {
                "r/run.json": as_json(_RUN)[0],
                f"{below}a-result.json": as_json(_RESULT)[0],
                f"{below}m-attachment.json": as_json(_FIGURES)[0],
            }
        )
    ]


def _scan(data: bytes) -> None:
    file = written("scanned/file", data)
    scan.scan(file.parent, lambda piece: b"secret-token" in piece)


def _scanned() -> list[bytes]:
    secret = b"a secret-token of ours"
    hidden = base64.b64encode(gzip.compress(secret))
    return [
        gzip.compress(secret * 9),
        zipped({"a": secret, "b": hidden, "c": b"c"}),
        hidden,
        secret,
    ]


def _envelope() -> list[bytes]:
    made = attestation.statement({"a": b"b"}, {"result": "PASSED"})
    return [attestation.sign(made, _KEY)]


def _verify(data: bytes) -> None:
    attestation.mismatches(attestation.verified(data, _KEY.public_key()), {"a": b"b"})


def _statement(data: bytes) -> None:
    """As above, with a signature that fits: what is signed can be nonsense too."""
    payload = base64.b64encode(data).decode()
    kind = attestation.PAYLOAD_TYPE.encode()
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(data), data)
    signature = base64.b64encode(_KEY.sign(encoded)).decode()
    envelope = {
        "payloadType": attestation.PAYLOAD_TYPE,
        "payload": payload,
        "signatures": [{"sig": signature}],
    }
    _verify(json.dumps(envelope).encode())


def _windows() -> list[bytes]:
    latencies = histogram.Histogram()
    latencies.record_batch([5.0, 100.0, 2500.0])
    window = load.LoadResult(
        plan=load.LoadPlan(users=2, window_s=1.0),
        conditions=load.Conditions(1, "x86_64", 10, 2),
        window_s=1.0,
        latencies=latencies,
        succeeded_in_window=3,
        failures={},
        generator=load.GeneratorHealth(50.0, 10.0, 20.0),
    )
    return [*as_json(window.to_json()), *as_json({handover.BROKEN: "no server"})]


def _bundle_of(data: bytes) -> None:
    bundle_results.read_bundle(
        written("bundle.zip", zipped({"results/paas/iec4/output.xml": data}))
    )


_RECORD = {"holder": "a", "run": "b", "token": "c", "since": 1, "expires": 100}
_UPLOADS = [
    {"stamp": "20261125", "url": "https://nexus/a", "bundle": "ab", "state": "posting", "when": "b"}
]
_EVENTS = b"""{"kind": "start", "criterion": "OS-01", "title": "t", "t": 1.5}
{"kind": "step", "criterion": "OS-01", "text": "asked", "t": 1.6}
{"kind": "end", "criterion": "OS-01", "title": "t", "verdict": "PASS", "seconds": 0.5, "reason": ""}
"""


def _follow(data: bytes) -> None:
    """Events that come after a run has begun to be followed."""
    file = written("events.jsonl", b"")
    follower = EventFollower(file, Progress("quiet"))
    file.write_bytes(data)
    follower.poll()


def _studies() -> list[bytes]:
    window = load.LoadResult.from_json(json.loads(_windows()[0]))
    found = study.Study("rpc", "2026-11-25T12:00:00", (), (window,), None, {"users": "2"})
    return as_json(found.to_json())


TARGETS = (
    target(
        "robot-output",
        "Robot's output.xml, as Akraino's UI reads it",
        ui_view.shown,
        lambda: [OUTPUT],
        Unacceptable,
        ui_view,
        guarded_xml,
    ),
    target(
        "test-info",
        "a results tree's test_info.yaml",
        ui_view.test_info,
        lambda: [b"test_info:\n  layer: os\n  optional: true\n"],
        Unacceptable,
        ui_view,
        untrusted,
    ),
    target(
        "bundle",
        "the output.xml in a bundle, as a run's results",
        _bundle_of,
        lambda: [OUTPUT],
        ConfigError,
        bundle_results,
        guarded_xml,
    ),
    target("dsse", "DSSE envelopes", _verify, _envelope, Unacceptable, attestation),
    target(
        "dsse-statement",
        "in-toto Statements, well signed",
        _statement,
        lambda: as_json(attestation.statement({"a": b"b"}, {"result": "PASSED"})),
        Unacceptable,
        attestation,
    ),
    target("run-json", "a run's run.json", _run_json, lambda: as_json(_RUN), ConfigError, results),
    target(
        "allure-result",
        "a run's Allure result files",
        _result,
        lambda: as_json(_RESULT),
        ConfigError,
        results,
        result_files,
    ),
    target(
        "measurements",
        "a run's measurements.json",
        _figures,
        lambda: as_json(_FIGURES),
        ConfigError,
        results,
        result_files,
    ),
    target(
        "run-archive",
        "a run as a zip file",
        read_from("run.zip", results.read_results),
        _archived,
        ConfigError,
        results,
        runfiles,
        text=False,
    ),
    target(
        "secret-scan",
        "files that are searched for secrets, packed ones among them",
        _scan,
        _scanned,
        (),
        scan,
        text=False,
    ),
    target(
        "load-window",
        "what a load generator hands over",
        read_from("window.json", handover.read),
        _windows,
        handover.LoadBroken,
        handover,
        load,
        histogram,
    ),
    target(
        "histogram",
        "a histogram of latencies",
        lambda data: histogram.Histogram.from_json(json.loads(data)),
        lambda: as_json(json.loads(_windows()[0])["latencies"]),
        (ValueError, RecursionError),
        histogram,
    ),
    target(
        "run-to-go-on-with",
        "run.json of a run that is gone on with",
        read_from("resumed/run.json", lambda file: rundir.RunDirectory.open(file.parent)),
        lambda: as_json(_RUN | {"planned": []}),
        ConfigError,
        rundir,
    ),
    target("events", "a run's events.jsonl as it grows", _follow, lambda: [_EVENTS], (), progress),
    target(
        "study",
        "an earlier load study",
        read_from("study.json", loading.read_baseline),
        _studies,
        ConfigError,
        loading,
        study,
        load,
        histogram,
    ),
    target(
        "uploads",
        "a run's ledger of uploads",
        read_from("submitted/submission/ledger.json", lambda file: Ledger.of(file.parents[1])),
        lambda: as_json(_UPLOADS),
        Refused,
        ledger,
    ),
    target(
        "lease",
        "a lab's lease, as its host has it",
        lambda data: lease.Record.read(text_of(data)),
        lambda: as_json(_RECORD),
        ValueError,
        lease,
    ),
)
