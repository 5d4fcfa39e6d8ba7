"""Pods on the embedded node agent, seen by kubectl, which we did not write, and by our client."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from lab.iec import binaries
from lab.iec.workload import Place, Work, ip_of, name_of
from tests.iec.embedded.conftest import Deployed

pytestmark = pytest.mark.xdist_group("embedded cluster")


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, running: Deployed, namespace: str) -> None:
        found = binaries.find(["kubectl"])
        if not found:
            pytest.skip(binaries.missing(["kubectl"]) or "")
        self._argv = [str(found["kubectl"]), f"--kubeconfig={running.kubeconfig}", "-n", namespace]

    def run(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._argv, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    def check(self, *argv: str, stdin: str = "") -> str:
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self, pod: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.check("get", "pod", pod, "-o", "json"))["status"]
        return found

    def wait(self, pod: str, path: str, value: str) -> None:
        self.check("wait", f"pod/{pod}", f"--for=jsonpath={path}={value}", "--timeout=30s")


@pytest.fixture
def kubectl(running: Deployed, place: Place) -> Kubectl:
    return Kubectl(running, place.name)


def test_commands_have_their_input_output_errors_and_status(place: Place, kubectl: Kubectl) -> None:
    place.pods({"one": Work()})
    text = "".join(f"line {i}\n" for i in range(20_000))
    assert kubectl.check("exec", "-i", "one", "--", "cat", stdin=text) == text
    failed = kubectl.run("exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert "err\n" in failed.stderr
    ours = place.execute("one", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ours.status, ours.stdout, ours.stderr) == (7, "out\n", "err\n")


def test_a_pod_has_a_name_processes_and_a_network_of_its_own(
    place: Place, kubectl: Kubectl
) -> None:
    pod = place.pods({"one": Work()})["one"]
    assert kubectl.check("exec", "one", "--", "hostname") == "one\n"
    first = kubectl.check("exec", "one", "--", "cat", "/proc/1/cmdline").split("\0")
    assert first[:2] == ["/agnhost", "pause"]
    links = json.loads(kubectl.check("exec", "one", "--", "ip", "-json", "-4", "addr"))
    addresses = {link["ifname"]: link["addr_info"][0]["local"] for link in links}
    assert addresses == {"lo": "127.0.0.1", "eth0": ip_of(pod)}


def test_a_pod_cannot_change_the_machine_s_files(place: Place, kubectl: Kubectl) -> None:
    place.pods({"one": Work()})
    for change in (": >/usr/bin/iec4-was-here", ": >/bin/iec4-was-here", "chmod 700 /agnhost"):
        refused = kubectl.run("exec", "one", "--", "sh", "-c", change)
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr
    kubectl.check("exec", "one", "--", "sh", "-c", ": >/tmp/mine")


def test_output_is_kept_and_can_be_followed(place: Place, kubectl: Kubectl) -> None:
    script = "echo first; sleep 1; echo last"
    place.pod("one", Work(command=["sh", "-c", script], more={"restartPolicy": "Never"}))
    kubectl.wait("one", "{.status.containerStatuses[0].started}", "true")
    assert kubectl.check("logs", "-f", "one") == "first\nlast\n"
    kubectl.wait("one", "{.status.phase}", "Succeeded")
    assert kubectl.check("logs", "one") == "first\nlast\n"
    assert kubectl.check("logs", "one", "--tail=1") == "last\n"


def test_an_end_is_told_with_its_status(place: Place, kubectl: Kubectl) -> None:
    place.pod("one", Work(command=["sh", "-c", "exit 3"], more={"restartPolicy": "Never"}))
    kubectl.wait("one", "{.status.phase}", "Failed")
    [container] = kubectl.status("one")["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 3
    assert not container["ready"]


def test_what_ends_is_started_again(place: Place, kubectl: Kubectl) -> None:
    place.pod("one", Work(command=["sh", "-c", "sleep 0.2; exit 1"]))
    kubectl.wait("one", "{.status.containerStatuses[0].restartCount}", "2")
    assert kubectl.status("one")["containerStatuses"][0]["lastState"]


def test_an_image_that_there_is_not_is_told(
    running: Deployed, place: Place, kubectl: Kubectl
) -> None:
    other = Place(place.cluster, place.name, "docker.io/library/nginx:1")
    other.pod("one", Work())
    kubectl.wait("one", "{.status.containerStatuses[0].state.waiting.reason}", "ErrImageNeverPull")


def test_a_pod_is_gone_after_its_grace_even_if_it_does_not_listen(
    place: Place, kubectl: Kubectl
) -> None:
    script = "trap '' TERM; while :; do sleep 1; done"
    place.pods({"one": Work(command=["sh", "-c", script], grace_s=1)})
    place.remove("one", timeout=10)


def test_an_address_is_given_back(place: Place) -> None:
    """A block has 64 addresses: more pods than that, one after the other, need them again."""
    seen = set()
    for i in range(6):
        pods = place.pods({f"p{i}-{j}": Work(node="edge-a") for j in range(4)})
        seen |= {ip_of(pod) for pod in pods.values()}
        place.remove(*map(name_of, pods.values()))
    blocks = {address.rpartition(".")[0] for address in seen}
    assert len(blocks) == 1
    used = json.loads(place.cluster.get("/apis/crd.projectcalico.org/v1/ipamhandles"))["items"]
    assert not [handle for handle in used if any(name in str(handle) for name in seen)]


def test_the_environment_is_what_the_pod_says(place: Place, kubectl: Kubectl) -> None:
    kubectl.check("create", "configmap", "given", "--from-literal=a=1")
    kubectl.check("create", "secret", "generic", "kept", "--from-literal=b=2")
    environment = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "given", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "kept", "key": "b"}}},
        {"name": "ALL", "value": "$(NAME)-$(A)-$(B)-$$(A)-$(NONE)"},
    ]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one"},
        "spec": {
            "containers": [{"name": "c", "image": place.image, "env": environment}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    kubectl.check("create", "-f", "-", stdin=json.dumps(pod))
    place.ready("one")
    assert kubectl.check("exec", "one", "--", "printenv", "ALL") == "one-1-2-$(A)-$(NONE)\n"
