"""Files that people write, and documents and archives of any kind."""

from __future__ import annotations

from benchmarks.checkout import ROOT
from benchmarks.mutation.of_runs import OUTPUT
from benchmarks.mutation.recorded import as_json, read_from, whole, zipped
from benchmarks.mutation.target import target, text_of
from blueprints import config, documents, guarded_xml, model
from blueprints.errors import ConfigError, Unacceptable
from lab import inventory
from lab.cvb import scenario
from lab.cvb.embedded import policies, settings
from lab.errors import LabError
from lab.iec import kubeconfig
from submission import bluval, exceptions, untrusted

_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?><a b="c"><d>e &amp; f</d><g/><!-- h -->'
    b"<![CDATA[i]]></a>"
)
_YAML = (
    b"---\nname: iec4 # words\nlist: [1, 2.5, true, null, 2026-11-25, 0x1f, 1:30]\n"
    b"map: {a: &b x, c: *b}\ntext: |\n  lines\n  of it\n'key': \"\\u00e9\"\n? k\n: v\n"
)
_JSON = b'{"a": [1, -2.5e3, true, false, null, "b\\u00e9\\ud83d\\ude00"], "c": {"d": {}}}'
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


def _zips() -> list[bytes]:
    files = {f"results/os/{n}/output.xml": b"<robot/>" * (n + 1) for n in range(3)}
    return [zipped(files), zipped({"a": b"x" * 500, "b": b"y" * 500, "c": b"z"})]


def _blueprints() -> list[bytes]:
    upstream = ROOT / "fixtures" / "recordings" / "akraino" / "bluval" / "bluval-iec.yaml"
    return [bluval.as_yaml(bluval.read(upstream, None).blueprint, upstream.name).encode()]


TARGETS = (
    target(
        "json-document",
        "JSON of other programs",
        documents.parse_json,
        lambda: [_JSON],
        Unacceptable,
        documents,
    ),
    target(
        "xml-document",
        "XML of other programs",
        documents.parse_xml,
        lambda: [_XML, OUTPUT],
        Unacceptable,
        documents,
        guarded_xml,
    ),
    target(
        "yaml-document",
        "YAML of other programs",
        untrusted.parse_yaml,
        lambda: [_YAML],
        Unacceptable,
        untrusted,
    ),
    target(
        "zip",
        "zip files",
        read_from("a.zip", untrusted.read_zip),
        _zips,
        Unacceptable,
        untrusted,
        text=False,
    ),
    target(
        "kubeconfig",
        "a kubeconfig",
        lambda data: kubeconfig.read(text_of(data)),
        lambda: [_KUBECONFIG],
        LabError,
        kubeconfig,
    ),
    target(
        "inventory",
        "an inventory",
        read_from("lab.yaml", lambda file: inventory.load(str(file))),
        whole("lab/inventories/inwinstack.yaml"),
        ConfigError,
        inventory,
        config,
    ),
    target(
        "blueprint",
        "a blueprint (here: one made of Akraino's own)",
        read_from("blueprint.yaml", lambda file: model.load(str(file))),
        _blueprints,
        ConfigError,
        model,
        config,
    ),
    target(
        "bluval",
        "Akraino's bluval-NAME.yaml",
        read_from("bluval-iec.yaml", lambda file: bluval.read(file, None)),
        whole("fixtures/recordings/akraino/bluval/*.yaml"),
        ConfigError,
        bluval,
        untrusted,
        config,
    ),
    target(
        "exceptions",
        "exceptions from what a release must show",
        read_from("granted.yaml", lambda file: exceptions.load("a", file)),
        lambda: [_EXCEPTIONS],
        ConfigError,
        exceptions,
        config,
    ),
    target(
        "scenario",
        "a scenario of vehicles and cameras",
        read_from("scenario.yaml", scenario.load),
        whole("lab/cvb/scenarios/one-road.yaml", "lab/cvb/scenarios/again.yaml"),
        ConfigError,
        scenario,
        config,
    ),
    target(
        "edge-settings",
        "what an edge is told",
        lambda data: settings.read(text_of(data)),
        lambda: as_json(_SETTINGS),
        (KeyError, TypeError, ValueError),
        settings,
    ),
    target(
        "edge-policies",
        "policies that an edge kept",
        lambda data: policies.Policies.from_json(text_of(data)),
        lambda: as_json(_POLICIES),
        (KeyError, TypeError, ValueError),
        policies,
    ),
)
