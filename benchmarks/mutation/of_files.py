"""Files that people write, runs that come from elsewhere, archives and bundles."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.checkout import ROOT
from benchmarks.mutation.recorded import whole, written
from benchmarks.mutation.target import Target, text_of
from blueprints import config, documents, guarded_xml, model
from blueprints.errors import ConfigError, Unacceptable
from lab import inventory
from lab.cvb import scenario
from lab.cvb.embedded import policies, settings
from lab.errors import LabError
from lab.iec import kubeconfig
from perf import handover, histogram, load
from reports import result_files, results, runfiles, scan
from submission import attestation, bluval, bundle_results, exceptions, ui_view, untrusted

_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?><a b="c"><d>e &amp; f</d><g/><!-- h -->'
    b"<![CDATA[i]]></a>"
)
_YAML = (
    b"---\nname: iec4 # words\nlist: [1, 2.5, true, null, 2026-11-25, 0x1f, 1:30]\n"
    b"map: {a: &b x, c: *b}\ntext: |\n  lines\n  of it\n'key': \"\\u00e9\"\n? k\n: v\n"
)
_JSON = b'{"a": [1, -2.5e3, true, false, null, "b\\u00e9\\ud83d\\ude00"], "c": {"d": {}}}'
_OUTPUT = b"""<?xml version="1.0" encoding="UTF-8"?>
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
_KUBECONFIG = b"""apiVersion: v1
kind: Config
current-context: a
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', tls-server-name: n,
  certificate-authority-data: LS0tLS1CRUdJTg==}}]
users: [{name: u, user: {token: secret-token-1, client-key-data: LS0tLS1CRUdJTg==,
  client-certificate-data: LS0tLS1CRUdJTg==}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
"""
_SETTINGS = {
    "edges": {"edge-a": {"host": "127.1.1.1", "low": [0.0, 0.0], "high": [100.0, 50.0]}},
    "digests": {"publisher": "ab", "edge": "cd"}, "token_file": "t", "merge_m": 2.0,
    "hazard": {"horizon_ms": 3000, "radius_m": 2.5, "episode_end_ms": 2000},
    "frame": {"moment_off_ms": 5000, "detections": 1000},
    "batch": {"period_ms": 1000, "bound": 100},
}  # fmt: skip
_POLICIES = [
    {"application": "a", "revision": 1, "target": 0, "deadline_ms": 100, "fallback": [1, 2],
     "sampling": 0.25, "retention_ms": 1000, "redacted": ["plate"], "urgent": True},
]  # fmt: skip
_EXCEPTIONS = b"""exceptions:
- id: EX-01
  covers: SAAS-20
  labs: [lf-cd]
  owner: the classroom's team
  reason: the lab has one student host only
  mitigation: measured by hand on a larger lab
  submitted: 2026-11-01
  approval: {by: TSC, on: 2026-11-05, reference: minutes of that day}
  expires: 2027-05-31
releases: ['4.0']
"""
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def _zip(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            kind = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)[number % 2]
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return made.getvalue()


def _zips() -> list[bytes]:
    files = {f"results/os/{n}/output.xml": b"<robot/>" * (n + 1) for n in range(3)}
    return [_zip(files), _zip({"a": b"x" * 500, "b": b"y" * 500, "c": b"z"})]


def _json(found: object) -> list[bytes]:
    return [json.dumps(found).encode()]


def _run_of(run_json: bytes, result: bytes, figures: bytes) -> Path:
    written("run/allure-results/a-result.json", result)
    written("run/allure-results/m-attachment.json", figures)
    return written("run/run.json", run_json).parent


def _result(data: bytes) -> None:
    results.read_results(_run_of(_json(_RUN)[0], data, _json(_FIGURES)[0]))


def _run_json(data: bytes) -> None:
    results.read_results(_run_of(data, _json(_RESULT)[0], _json(_FIGURES)[0]))


def _figures(data: bytes) -> None:
    results.read_results(_run_of(_json(_RUN)[0], _json(_RESULT)[0], data))


def _archived() -> list[bytes]:
    below = "r/allure-results/"
    return [
        _zip(
            {
                "r/run.json": _json(_RUN)[0],
                f"{below}a-result.json": _json(_RESULT)[0],
                f"{below}m-attachment.json": _json(_FIGURES)[0],
            }
        )
    ]


def _scan(data: bytes) -> None:
    file = written("scanned/file", data)
    scan.scan(file.parent, lambda piece: b"secret-token" in piece)


def _scanned() -> list[bytes]:
    secret = b"a secret-token of ours"
    hidden = base64.b64encode(gzip.compress(secret))
    return [gzip.compress(secret * 9), _zip({"a": secret, "b": hidden, "c": b"c"}), hidden, secret]


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
    return [*_json(window.to_json()), *_json({handover.BROKEN: "no server"})]


def _blueprints() -> list[bytes]:
    upstream = ROOT / "fixtures" / "recordings" / "akraino" / "bluval" / "bluval-iec.yaml"
    return [bluval.as_yaml(bluval.read(upstream, None).blueprint, upstream.name).encode()]


def _bundle_of(data: bytes) -> None:
    bundle_results.read_bundle(written("bundle.zip", _zip({"results/paas/iec4/output.xml": data})))


def _read_from(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """The parser of a file, from its content; the file has that name."""
    return lambda data: read(written(name, data))


def _target(
    name: str,
    what: str,
    parse: Callable[[bytes], object],
    found: Callable[[], list[bytes]],
    errors: type[Exception] | tuple[type[Exception], ...],
    *modules: ModuleType,
    text: bool = True,
) -> Target:
    kinds = errors if isinstance(errors, tuple) else (errors,)
    return Target(name, what, parse, found, kinds, modules, text)


TARGETS = (
    _target(
        "json-document",
        "JSON of other programs",
        documents.parse_json,
        lambda: [_JSON],
        Unacceptable,
        documents,
    ),
    _target(
        "xml-document",
        "XML of other programs",
        documents.parse_xml,
        lambda: [_XML, _OUTPUT],
        Unacceptable,
        documents,
        guarded_xml,
    ),
    _target(
        "yaml-document",
        "YAML of other programs",
        untrusted.parse_yaml,
        lambda: [_YAML],
        Unacceptable,
        untrusted,
    ),
    _target(
        "zip",
        "zip files",
        _read_from("a.zip", untrusted.read_zip),
        _zips,
        Unacceptable,
        untrusted,
        text=False,
    ),
    _target(
        "robot-output",
        "Robot's output.xml, as Akraino's UI reads it",
        ui_view.shown,
        lambda: [_OUTPUT],
        Unacceptable,
        ui_view,
        guarded_xml,
    ),
    _target(
        "test-info",
        "a results tree's test_info.yaml",
        ui_view.test_info,
        lambda: [b"test_info:\n  layer: os\n  optional: true\n"],
        Unacceptable,
        ui_view,
        untrusted,
    ),
    _target(
        "bundle",
        "the output.xml in a bundle, as a run's results",
        _bundle_of,
        lambda: [_OUTPUT],
        ConfigError,
        bundle_results,
        guarded_xml,
    ),
    _target("dsse", "DSSE envelopes", _verify, _envelope, Unacceptable, attestation),
    _target(
        "dsse-statement",
        "in-toto Statements, well signed",
        _statement,
        lambda: _json(attestation.statement({"a": b"b"}, {"result": "PASSED"})),
        Unacceptable,
        attestation,
    ),
    _target("run-json", "a run's run.json", _run_json, lambda: _json(_RUN), ConfigError, results),
    _target(
        "allure-result",
        "a run's Allure result files",
        _result,
        lambda: _json(_RESULT),
        ConfigError,
        results,
        result_files,
    ),
    _target(
        "measurements",
        "a run's measurements.json",
        _figures,
        lambda: _json(_FIGURES),
        ConfigError,
        results,
        result_files,
    ),
    _target(
        "run-archive",
        "a run as a zip file",
        _read_from("run.zip", results.read_results),
        _archived,
        ConfigError,
        results,
        runfiles,
        text=False,
    ),
    _target(
        "secret-scan",
        "files that are searched for secrets, packed ones among them",
        _scan,
        _scanned,
        (),
        scan,
        text=False,
    ),
    _target(
        "load-window",
        "what a load generator hands over",
        _read_from("window.json", handover.read),
        _windows,
        handover.LoadBroken,
        handover,
        load,
        histogram,
    ),
    _target(
        "histogram",
        "a histogram of latencies",
        lambda data: histogram.Histogram.from_json(json.loads(data)),
        lambda: _json(json.loads(_windows()[0])["latencies"]),
        (ValueError, RecursionError),
        histogram,
    ),
    _target(
        "kubeconfig",
        "a kubeconfig",
        lambda data: kubeconfig.read(text_of(data)),
        lambda: [_KUBECONFIG],
        LabError,
        kubeconfig,
    ),
    _target(
        "inventory",
        "an inventory",
        _read_from("lab.yaml", lambda file: inventory.load(str(file))),
        whole("lab/inventories/inwinstack.yaml"),
        ConfigError,
        inventory,
        config,
    ),
    _target(
        "blueprint",
        "a blueprint (here: one made of Akraino's own)",
        _read_from("blueprint.yaml", lambda file: model.load(str(file))),
        _blueprints,
        ConfigError,
        model,
        config,
    ),
    _target(
        "bluval",
        "Akraino's bluval-NAME.yaml",
        _read_from("bluval-iec.yaml", lambda file: bluval.read(file, None)),
        whole("fixtures/recordings/akraino/bluval/*.yaml"),
        ConfigError,
        bluval,
        untrusted,
        config,
    ),
    _target(
        "exceptions",
        "exceptions from what a release must show",
        _read_from("granted.yaml", lambda file: exceptions.load("a", file)),
        lambda: [_EXCEPTIONS],
        ConfigError,
        exceptions,
        config,
    ),
    _target(
        "scenario",
        "a scenario of vehicles and cameras",
        _read_from("scenario.yaml", scenario.load),
        whole("lab/cvb/scenarios/one-road.yaml", "lab/cvb/scenarios/again.yaml"),
        ConfigError,
        scenario,
        config,
    ),
    _target(
        "edge-settings",
        "what an edge is told",
        lambda data: settings.read(text_of(data)),
        lambda: _json(_SETTINGS),
        (KeyError, TypeError, ValueError),
        settings,
    ),
    _target(
        "edge-policies",
        "policies that an edge kept",
        lambda data: policies.Policies.from_json(text_of(data)),
        lambda: _json(_POLICIES),
        (KeyError, TypeError, ValueError),
        policies,
    ),
)
