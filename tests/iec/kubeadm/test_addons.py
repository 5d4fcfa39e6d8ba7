"""Stock manifests: where they come from, and what a lab puts into them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from blueprints.errors import ConfigError
from lab.errors import LabError
from lab.fetching import FetchFailed
from lab.iec import manifests
from lab.iec.installation import ClusterInstall, Download
from lab.iec.kubeadm import addons

#: As Calico's and Multus' own, as far as something is put into them.
CALICO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: calico-config, namespace: kube-system}
data: {veth_mtu: "0", calico_backend: vxlan}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  template:
    spec:
      initContainers: [{name: install-cni, image: "docker.io/calico/cni:v3.28.5"}]
      containers:
        - name: calico-node
          image: docker.io/calico/node:v3.28.5
          env: [{name: DATASTORE_TYPE, value: kubernetes}]
---
"""
MULTUS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-multus-ds, namespace: kube-system}
spec:
  template:
    spec:
      initContainers: [{name: install-multus-binary, image: "ghcr.io/x/multus-cni:snapshot"}]
      containers: [{name: kube-multus, image: "ghcr.io/x/multus-cni:snapshot"}]
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GOMODCACHE", raising=False)
    return tmp_path / "cache"


def install(tmp_path: Path, **texts: str) -> ClusterInstall:
    named = {}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        named[name] = Download(at=str(tmp_path / name), sha256=digest)
    return ClusterInstall(manifests=named, pod_network="10.9.0.0/16", mtu=1400)


def objects(applied: bytes) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in json.loads(applied)["items"]}


def test_calico_gets_the_pods_network_and_mtu_and_tells_nobody_of_itself(tmp_path: Path):
    found = objects(addons.calico(install(tmp_path, calico=CALICO)))

    [container] = found["calico-node"]["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "DATASTORE_TYPE": "kubernetes",
        "CALICO_IPV4POOL_CIDR": "10.9.0.0/16",
        "FELIX_USAGEREPORTINGENABLED": "false",
    }
    assert container["image"] == "docker.io/calico/node:v3.28.5"
    assert found["calico-config"]["data"] == {"veth_mtu": "1400", "calico_backend": "vxlan"}


def test_multus_is_of_the_pinned_image_and_finds_the_api_server(tmp_path: Path):
    given = install(tmp_path, multus=MULTUS)
    pod = objects(addons.multus(given))["kube-multus-ds"]["spec"]["template"]["spec"]

    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["image"] == given.multus_image
        [variable] = container["env"]
        assert variable == {"name": "KUBERNETES_SERVICE_HOST", "value": "::ffff:172.16.1.1"}


def test_another_manifest_than_calico_s_is_told(tmp_path: Path):
    with pytest.raises(LabError, match="no DaemonSet calico-node"):
        addons.calico(install(tmp_path, calico=MULTUS))


def test_a_manifest_that_was_altered_is_not_taken(tmp_path: Path):
    given = install(tmp_path, calico=CALICO)
    (tmp_path / "calico").write_text(CALICO.replace("kube-system", "default"))

    with pytest.raises(FetchFailed, match="not the file that is pinned"):
        addons.calico(given)


def test_who_has_no_manifest_learns_where_it_comes_from():
    with pytest.raises(ConfigError, match=r"lab build --deep .*cluster.manifests.multus"):
        addons.multus(ClusterInstall())


def test_a_module_cache_s_manifests_are_kept_unless_they_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stock = manifests.Stock("example.org/it", "v1.0.0", "a/b.yaml", _sha(b"as it was"))
    other = manifests.Stock("example.org/it", "v1.0.0", "a/c.yaml", _sha(b"as it was, too"))
    monkeypatch.setattr(manifests, "STOCK", {"calico": stock, "multus": other})
    for one, content in ((stock, b"as it was"), (other, b"another")):
        place = tmp_path / "modules" / one.within
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    manifests.keep(tmp_path / "modules")

    assert manifests.stock("calico", ClusterInstall()) == b"as it was"
    assert "manifests of multus are not" in (manifests.missing() or "")


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
