"""The recipe's list of steps, as a dry run tells it: the same in every lab, but for where from."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from blueprints.errors import ConfigError
from lab.iec.installation import KEYRING, ClusterInstall
from lab.iec.kubeadm import joining
from lab.iec.kubeadm.recipe import KubeadmIec
from lab.iec.recipe import recipe
from lab.inventory import HostEntry, Inventory, SystemEntry
from lab.recipe import Step, Write, in_order
from lab.session import Lab

SHA = "0" * 64
IEC_3_0 = {
    name: {"at": f"https://mirror.test/1.19.0/{name}", "sha256": SHA}
    for name in ("kubeadm", "kubectl", "kubelet")
}


def lab(*, kubeconfig: str = "file:/srv/kubeconfig", address: str = "192.0.2.1", **iec: Any) -> Lab:
    hosts = {
        "boss": HostEntry(roles=("tars-master",), address=address, sudo=True),
        "edge-a": HostEntry(roles=("tars-agent",), address="192.0.2.2", sudo=True),
        "edge-b": HostEntry(roles=("tars-agent", "dc"), address="192.0.2.3", sudo=True),
    }
    entry = SystemEntry(
        endpoints={"api": "https://192.0.2.1:6443"},
        secrets={"kubeconfig": kubeconfig},
        cluster=ClusterInstall.model_validate(iec),
    )
    return Lab(
        Inventory(name="real", kind="real", profile="lab", hosts=hosts, systems={"iec": entry})
    )


def plan(of: Lab) -> list[Step]:
    return in_order(KubeadmIec().steps(of))


def titles(of: Lab, host: str) -> list[str]:
    return [step.title for step in plan(of) if step.host == host]


def test_iec_3_0_is_planned_on_every_host():
    real = lab(binaries=IEC_3_0)

    assert isinstance(recipe(real), KubeadmIec)
    boss, edge = titles(real, "boss"), titles(real, "edge-b")
    for needed in ("load the kernel's modules", "swap nothing any more", "install packages",
                   "bring kubelet", "run containerd", "run kubelet"):  # fmt: skip
        assert needed in boss
        assert needed in edge
    assert boss.index("kubeadm init") < boss.index("apply Calico") < boss.index("apply Multus")
    assert "kubeadm join" in edge
    assert "kubeadm init" not in edge
    hosts = [step.host for step in plan(real) if step.title == "kubeadm join"]
    assert hosts == ["edge-a", "edge-b"]


def test_before_1_32_nobody_s_rights_are_a_role_s():
    old, new = (
        titles(lab(binaries=IEC_3_0), "boss"),
        titles(lab(kubernetes="1.34.4", mirror="/m"), "boss"),
    )

    assert "tell nobody without a name more than health" in old
    assert "say what needs no name" not in old
    assert "say what needs no name" in new
    assert "tell nobody without a name more than health" not in new


def test_only_where_things_come_from_tells_labs_apart():
    real = titles(lab(kubernetes="1.34.4", binaries=IEC_3_0), "edge-a")
    mirrored = titles(lab(kubernetes="1.34.4", mirror="/srv/iec4"), "edge-a")

    assert [t.replace("bring ", "").replace("link ", "") for t in real] == [
        t.replace("link ", "").replace(" from the mirror", "") for t in mirrored
    ]


def test_the_plan_says_where_from_and_shows_no_secret():
    told = "\n".join(step.describe() for step in plan(lab(binaries=IEC_3_0)))

    assert f"from https://mirror.test/1.19.0/kubelet (SHA-256 {SHA})" in told
    assert "kubeadm init" in told
    assert "/srv/kubeconfig (mode 600)" in told


def test_images_are_imported_where_they_are_needed():
    archives = [
        {"image": f"registry.k8s.io/{name}:v1", "file": f"/m/{name}.tar", "digest": f"sha256:{SHA}"}
        for name in ("kube-apiserver", "etcd", "kube-proxy")
    ]
    of = lab(kubernetes="1.34.4", mirror="/m", archives=archives)

    assert "import 3 images by digest" in titles(of, "boss")
    assert "import 1 images by digest" in titles(of, "edge-a")


def test_mirrors_and_proxies_of_a_closed_network_are_configured():
    of = lab(
        kubernetes="1.34.4",
        mirror="/m",
        image_repository="mirror.test/k8s",
        registries={"docker.io": "https://mirror.test/hub", "ghcr.io": "https://mirror.test"},
        proxy={"https": "http://proxy.test:3128", "without": ["192.0.2.0/24"]},
        repository={
            "line": f"deb [signed-by={KEYRING}] https://mirror.test/apt stable main",
            "key": {"at": "https://mirror.test/key.asc", "sha256": SHA},
        },
    )
    files = {
        step.path: step.content
        for step in plan(of)
        if isinstance(step, Write) and step.host == "edge-a"
    }

    hub = files["/etc/containerd/certs.d/docker.io/hosts.toml"]
    assert hub == (
        b'[host."https://mirror.test/hub"]\n  capabilities = ["pull", "resolve"]\n'
        b"  override_path = true\n"
    )
    assert b"override_path" not in files["/etc/containerd/certs.d/ghcr.io/hosts.toml"]
    assert b'sandbox_image = "mirror.test/k8s/pause:' in files["/etc/containerd/config.toml"]
    unit = files["/etc/systemd/system/containerd.service.d/iec4-proxy.conf"]
    assert b'Environment="HTTPS_PROXY=http://proxy.test:3128"' in unit
    assert b'Environment="NO_PROXY=192.0.2.0/24"' in unit
    assert "/etc/apt/sources.list.d/iec4.list" in files
    [install] = [s for s in plan(of) if s.host == "edge-a" and s.title == "install packages"]
    assert "https_proxy=http://proxy.test:3128" in install.describe()


def test_a_node_is_known_by_an_ip_address():
    with pytest.raises(ConfigError, match=r"hosts.boss.address.*not 'boss.test'"):
        KubeadmIec().steps(lab(address="boss.test", binaries=IEC_3_0))


def test_the_kubeconfig_is_written_to_a_file_or_not_at_all():
    with pytest.raises(ConfigError, match="kubeconfig: file:PATH"):
        KubeadmIec().steps(lab(kubeconfig="env:KUBECONFIG", binaries=IEC_3_0))


def test_a_lab_without_data_for_it_is_told_what_to_say():
    entry = SystemEntry(endpoints={"api": "https://192.0.2.1:6443"})
    bare = lab(binaries=IEC_3_0).inventory.model_copy(update={"systems": {"iec": entry}})

    with pytest.raises(ConfigError, match=r"no systems.iec.cluster.*adopted: true"):
        recipe(Lab(bare)).steps(Lab(bare))


def test_who_joins_is_told_whom_to_trust_and_who_it_is():
    """A kubeconfig with a token in it: nobody has to be let in without a name to be found."""
    told = yaml.safe_load(joining.discovery("192.0.2.1:6443", b"a CA", "abcdef.0123456789abcdef"))

    [cluster], [user] = told["clusters"], told["users"]
    assert cluster["cluster"]["server"] == "https://192.0.2.1:6443"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"a CA"
    assert user["user"] == {"token": "abcdef.0123456789abcdef"}
