"""The webhook of faults, as an API server asks it: TLS, AdmissionReview, JSON patch."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.iec.admission import HOST, Webhook, configuration
from lab.iec.embedded.pki import Authority
from lab.iec.rewriting import KEPT, REWRITINGS

POLICY = {
    "metadata": {"name": "who", "namespace": "iec4-test"},
    "spec": {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
    },
}


class Asked:
    """A webhook for one fault, asked as an API server asks it."""

    def __init__(self, fault: str, directory: Path) -> None:
        authority = Authority(directory / "pki")
        pair = authority.server("webhook", "webhook", [HOST])
        self.webhook = Webhook(fault, 0, str(pair.certificate), str(pair.key))
        vouching = authority.pair.certificate.read_bytes()
        self.told = configuration(fault, self.webhook.server_address[1], vouching)["webhooks"][0]

    def becomes(self, sent: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
        """What an object becomes when the API server has applied the answer."""
        request = {"uid": "7", "object": sent, "oldObject": before}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        config = self.told["clientConfig"]
        trust = ssl.create_default_context(cadata=base64.b64decode(config["caBundle"]).decode())
        answered = httpx.post(config["url"], json=review | {"request": request}, verify=trust)
        response = answered.raise_for_status().json()["response"]
        assert (response["uid"], response["allowed"]) == ("7", True)
        changed = dict(sent)
        if "patch" in response:
            assert response["patchType"] == "JSONPatch"
            for step in json.loads(base64.b64decode(response["patch"])):
                assert step["op"] == "add"
                changed[step["path"].removeprefix("/")] = step["value"]
        return changed


@contextmanager
def webhook(fault: str, directory: Path) -> Iterator[Asked]:
    asked = Asked(fault, directory)
    thread = threading.Thread(target=asked.webhook.serve_forever)
    thread.start()
    try:
        yield asked
    finally:
        asked.webhook.shutdown()
        asked.webhook.server_close()
        thread.join()


def test_what_the_fault_is_about_is_another(tmp_path: Path) -> None:
    with webhook("k8s.except-ignored", tmp_path) as asked:
        policy = asked.becomes(POLICY)
    assert policy["spec"]["ingress"] == [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    assert policy["metadata"] == POLICY["metadata"]


def test_all_else_stays(tmp_path: Path) -> None:
    with webhook("k8s.ports-ignored", tmp_path) as asked:
        assert asked.becomes(POLICY) == POLICY


@pytest.mark.parametrize(
    ("fault", "sent", "expected"),
    [
        ("k8s.policy-change-lost", {**POLICY, "spec": {"podSelector": {}}}, POLICY),
        (
            "k8s.label-change-lost",
            {"metadata": {"labels": {"a": "2"}}},
            {"metadata": {"labels": {}}},
        ),
    ],
)
def test_a_change_can_be_lost(
    tmp_path: Path, fault: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    with webhook(fault, tmp_path) as asked:
        assert asked.becomes(sent, POLICY) == expected
        assert asked.becomes(sent) == sent  # new


def test_a_policy_can_be_kept(tmp_path: Path) -> None:
    with webhook("k8s.policy-kept", tmp_path) as asked:
        assert asked.becomes(POLICY)["metadata"]["finalizers"] == [KEPT]
        assert asked.becomes(POLICY, POLICY) == POLICY


def test_endpoints_that_were_ready_can_stay(tmp_path: Path) -> None:
    def endpoint(address: str, ready: bool) -> dict[str, Any]:
        return {"addresses": [address], "conditions": {"ready": ready}}

    before = {"endpoints": [endpoint("10.0.0.1", True), endpoint("10.0.0.2", False)]}
    now = {"endpoints": [endpoint("10.0.0.2", True)]}
    with webhook("k8s.endpoints-stale", tmp_path) as asked:
        assert asked.becomes(now, before)["endpoints"] == [
            endpoint("10.0.0.1", True),
            endpoint("10.0.0.2", True),
        ]


@pytest.mark.parametrize("fault", REWRITINGS)
def test_it_is_asked_about_the_suite_s_namespaces_and_its_fault_s_resources_alone(
    fault: str, tmp_path: Path
) -> None:
    told = configuration(fault, 1, b"")["webhooks"][0]
    (rule,) = told["rules"]
    assert rule["resources"] == [*REWRITINGS[fault].resources]
    assert told["namespaceSelector"]["matchExpressions"][0]["key"] == "iec4.run"
