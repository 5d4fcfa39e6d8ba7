"""The client against a real kube-apiserver."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lightkube.models.core_v1 import ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ConfigMap, Namespace, Secret, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from lab.checkup import check
from lab.errors import LabError, SystemDown, WaitTimeout
from lab.iec.client import Cluster, Refused, access, open_cluster
from lab.iec.execution import execute
from lab.iec.probe import probe
from lab.inventory import Inventory, SystemEntry
from lab.secrets import MASK, redactor
from lab.session import Lab
from tests.iec.client import apiserver
from tests.iec.client.apiserver import ApiServer


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"iec4-{uuid.uuid4().hex[:8]}"
    cluster.kube.create(Namespace(metadata=ObjectMeta(name=name)))
    return name


def lab_with(server: ApiServer, *, url: str | None = None) -> Lab:
    system = SystemEntry(
        endpoints={"api": url or server.url}, secrets={"kubeconfig": f"file:{server.kubeconfig}"}
    )
    return Lab(
        Inventory(
            name="test", kind="embedded", profile="embedded", hosts={}, systems={"iec": system}
        )
    )


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name), data=data)


def test_the_probe_tells_the_version(server: ApiServer) -> None:
    with lab_with(server) as lab:
        assert probe(lab).startswith("v1.")


def test_lab_check_trusts_the_kubeconfig_s_ca(server: ApiServer) -> None:
    with lab_with(server) as lab:
        found = {finding.name: finding for finding in check(lab)}
    assert found["iec.api"].ok, found["iec.api"].says
    assert found["iec.kubeconfig"].ok


def test_an_inventory_s_endpoint_outranks_the_kubeconfig_s(server: ApiServer) -> None:
    with lab_with(server, url="https://127.0.0.2:1") as lab:
        assert access(lab).server == "https://127.0.0.2:1"


def test_objects_are_made_and_read(cluster: Cluster, namespace: str) -> None:
    cluster.kube.create(config_map("colours", sky="blue"), namespace=namespace)
    assert cluster.kube.get(ConfigMap, "colours", namespace=namespace).data == {"sky": "blue"}


def test_a_refusal_is_told_in_kubernetes_words(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Refused) as refused:
        cluster.kube.get(ConfigMap, "nowhere", namespace=namespace)
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    assert 'configmaps "nowhere" not found' in str(refused.value)


def test_nobody_is_refused(cluster: Cluster) -> None:
    with (
        cluster.as_(cluster.access.anonymous()) as anonymous,
        pytest.raises(Refused, match="system:anonymous") as refused,
    ):
        anonymous.kube.get(Namespace, "default")
    assert refused.value.status == 403


def test_a_token_makes_somebody(cluster: Cluster, namespace: str) -> None:
    cluster.kube.create(ServiceAccount(metadata=ObjectMeta(name="clerk")), namespace=namespace)
    token = cluster.token("clerk", namespace=namespace)
    with (
        cluster.as_(cluster.access.with_token(token)) as clerk,
        pytest.raises(Refused, match=f"system:serviceaccount:{namespace}:clerk"),
    ):
        clerk.kube.get(ConfigMap, "colours", namespace=namespace)


def test_where_no_token_may_be_asked_for_the_account_s_own_is_taken(
    cluster: Cluster, namespace: str
) -> None:
    """Who asks here may read accounts and secrets, and have no tokens made."""
    names = ("clerk", "tokenless")
    for name in names:
        secrets = [ObjectReference(name=f"{name}-token")]
        account = ServiceAccount(metadata=ObjectMeta(name=name), secrets=secrets)
        cluster.kube.create(account, namespace=namespace)
    token = Secret(metadata=ObjectMeta(name="clerk-token"), stringData={"token": "the-old-token"})
    cluster.kube.create(token, namespace=namespace)
    other = Secret(metadata=ObjectMeta(name="tokenless-token"), stringData={"other": "word"})
    cluster.kube.create(other, namespace=namespace)
    name = ObjectMeta(name="reader")
    may = PolicyRule(apiGroups=[""], resources=["serviceaccounts", "secrets"], verbs=["get"])
    cluster.kube.create(Role(metadata=name, rules=[may]), namespace=namespace)
    role = RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name="reader")
    clerk = Subject(kind="ServiceAccount", name="clerk", namespace=namespace)
    binding = RoleBinding(metadata=name, roleRef=role, subjects=[clerk])
    cluster.kube.create(binding, namespace=namespace)
    access = cluster.access.with_token(cluster.token("clerk", namespace=namespace))
    with cluster.as_(access) as reader:
        assert reader.token("clerk", namespace=namespace) == "the-old-token"
        with pytest.raises(Refused, match="cannot create resource"):
            reader.token("tokenless", namespace=namespace)
    assert redactor.text("the-old-token") == MASK


def test_a_wait_sees_what_is_made_meanwhile(cluster: Cluster, namespace: str) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            cluster.wait,
            "both maps are there",
            ConfigMap,
            lambda found: {"one", "two"} <= {one.metadata.name for one in found},
            namespace=namespace,
            timeout=10,
        )
        for name in ("one", "two"):
            cluster.kube.create(config_map(name), namespace=namespace)
        assert len(waiting.result()) >= 2


def test_a_wait_sees_a_change_and_an_end(cluster: Cluster, namespace: str) -> None:
    cluster.kube.create(config_map("light", is_="red"), namespace=namespace)
    with ThreadPoolExecutor() as pool:
        green = pool.submit(
            cluster.wait,
            "the light is green",
            ConfigMap,
            lambda found: [one for one in found if one.data == {"is_": "green"}],
            namespace=namespace,
            name="light",
        )
        cluster.kube.patch(ConfigMap, "light", {"data": {"is_": "green"}}, namespace=namespace)
        assert green.result()
        gone = pool.submit(
            cluster.wait,
            "the light is gone",
            ConfigMap,
            lambda found: not found,
            namespace=namespace,
            name="light",
        )
        cluster.kube.delete(ConfigMap, "light", namespace=namespace)
        assert gone.result() == []


def test_a_wait_ends_and_tells_what_it_saw(cluster: Cluster, namespace: str) -> None:
    cluster.kube.create(config_map("light", is_="red"), namespace=namespace)
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"the light is green.*'red'"):
        cluster.wait(
            "the light is green",
            ConfigMap,
            lambda found: not found,
            namespace=namespace,
            name="light",
            timeout=0.4,
            seen=lambda one: one.data["is_"],
        )
    assert 0.4 <= time.monotonic() - began < 3


def test_many_waits_leave_no_connection_open(cluster: Cluster, namespace: str) -> None:
    for _ in range(110):  # a pool holds a hundred
        cluster.wait("a look", ConfigMap, lambda _: True, namespace=namespace, timeout=5)
    cluster.kube.create(config_map("late"), namespace=namespace)
    for _ in range(110):
        with pytest.raises(WaitTimeout):
            cluster.wait("never", ConfigMap, lambda _: False, namespace=namespace, timeout=0.02)
    assert cluster.kube.get(ConfigMap, "late", namespace=namespace)


@pytest.fixture
def mute() -> Iterator[str]:
    """The URL of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_is_away_or_mute_is_down(server: ApiServer, mute: str) -> None:
    for url in ("https://127.0.0.1:1", mute):
        with (
            Cluster(server.access.at(url), timeout=0.3) as nobody,
            pytest.raises(SystemDown, match="does not answer"),
        ):
            nobody.get("/readyz")


def test_another_ca_s_server_is_not_trusted(server: ApiServer) -> None:
    stranger = server.access.at(server.url)
    other, _ = apiserver.certificate("other", None)
    with (
        Cluster(stranger.trusting(apiserver.pem(other).decode())) as cluster,
        pytest.raises(SystemDown, match="certificate verify failed"),
    ):
        cluster.get("/readyz")


def test_a_server_that_is_none_is_told_by_the_probe(server: ApiServer, mute: str) -> None:
    with lab_with(server, url="https://127.0.0.1:1") as lab, pytest.raises(SystemDown):
        probe(lab)


def test_exec_in_a_pod_that_is_not_there_is_refused(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Refused) as refused:
        execute(cluster, "nobody", ["true"], namespace=namespace)
    assert refused.value.status == 404


def test_exec_with_a_mute_server_ends(server: ApiServer, mute: str) -> None:
    with (
        Cluster(server.access.at(mute)) as cluster,
        pytest.raises(LabError, match="did not end"),
    ):
        execute(cluster, "nobody", ["true"], namespace="default", timeout=0.3)


def test_no_error_and_no_form_of_the_client_shows_a_key(server: ApiServer, tmp_path: Path) -> None:
    config = json.loads(server.kubeconfig.read_text())
    key = config["users"][0]["user"]["client-key-data"]
    assert key not in repr(server.access)
    config["users"][0]["user"]["client-certificate-data"] = key
    wrong = tmp_path / "kubeconfig"
    wrong.write_text(json.dumps(config))
    with (
        lab_with(ApiServer(server.url, wrong, server.etcd)) as lab,
        pytest.raises(LabError, match="certificates cannot be used") as error,
    ):
        open_cluster(lab)
    assert key[:16] not in f"{error.value} {error.value.evidence}"
