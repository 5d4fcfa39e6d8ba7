"""kubeadm's configuration in each API of it; a real kubeadm reads those that it can."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.iec import binaries
from lab.iec.installation import ClusterInstall
from lab.iec.kubeadm import documents

#: The version of IEC 3.0, one of the middle, the deep lab's.
VERSIONS = ("1.19.0", "1.28.15", "1.34.4")


def of(version: str, **given: Any) -> ClusterInstall:
    return ClusterInstall(kubernetes=version, mirror="/srv/iec4", **given)


def init(version: str, **given: Any) -> dict[str, dict[str, Any]]:
    """kind → document."""
    text = documents.for_init(of(version, **given), "one", "192.0.2.1", "192.0.2.9:6443")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def join(version: str) -> dict[str, Any]:
    text = documents.for_join(of(version), "two", "192.0.2.2", "/etc/discovery.conf")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def arguments(given: object) -> dict[str, str]:
    """Further arguments, whether they are a list or a mapping."""
    if isinstance(given, list):
        return {one["name"]: one["value"] for one in given}
    assert isinstance(given, dict)
    return given


@pytest.mark.parametrize(
    ("version", "api"), list(zip(VERSIONS, ("v1beta2", "v1beta3", "v1beta4"), strict=True))
)
def test_the_api_is_what_that_kubeadm_reads(version: str, api: str):
    found = init(version)

    for kind in ("InitConfiguration", "ClusterConfiguration"):
        assert found[kind]["apiVersion"] == f"kubeadm.k8s.io/{api}"
    assert join(version)["apiVersion"] == f"kubeadm.k8s.io/{api}"
    assert found["ClusterConfiguration"]["kubernetesVersion"] == f"v{version}"


@pytest.mark.parametrize(
    ("version", "kind"), [("1.30.9", dict), ("1.31.0", list), ("1.22.0", dict), ("1.21.14", dict)]
)
def test_arguments_are_a_list_from_1_31_on(version: str, kind: type):
    found = init(version)

    given = found["ClusterConfiguration"]["apiServer"]["extraArgs"]
    assert type(given) is kind
    assert type(found["InitConfiguration"]["nodeRegistration"]["kubeletExtraArgs"]) is kind
    assert arguments(given)["audit-log-path"] == "/var/log/kubernetes/audit.log"


@pytest.mark.parametrize("version", VERSIONS)
def test_networks_and_node_are_iec_s_and_the_inventory_s(version: str):
    found = init(version)

    assert found["ClusterConfiguration"]["networking"] == {
        "podSubnet": "192.168.0.0/16",
        "serviceSubnet": "172.16.1.0/24",
    }
    assert found["ClusterConfiguration"]["controlPlaneEndpoint"] == "192.0.2.9:6443"
    assert found["ClusterConfiguration"]["apiServer"]["certSANs"] == ["192.0.2.9"]
    node = found["InitConfiguration"]["nodeRegistration"]
    assert node["name"] == "one"
    assert node["taints"] == []
    assert arguments(node["kubeletExtraArgs"]) == {"node-ip": "192.0.2.1"}


@pytest.mark.parametrize("version", VERSIONS)
def test_secrets_are_encrypted_and_deeds_written_down(version: str):
    server = init(version)["ClusterConfiguration"]["apiServer"]

    given = arguments(server["extraArgs"])
    assert given["encryption-provider-config"] == documents.ENCRYPTION
    assert given["audit-policy-file"] == documents.AUDIT_POLICY
    mounted = {volume["mountPath"] for volume in server["extraVolumes"]}
    for file in (documents.ENCRYPTION, documents.AUDIT_POLICY):
        assert str(Path(file).parent) in mounted


def test_paths_that_need_no_name_are_named_where_the_api_server_can():
    def of_version(version: str) -> dict[str, str]:
        return arguments(init(version)["ClusterConfiguration"]["apiServer"]["extraArgs"])

    assert of_version("1.34.4")["authentication-config"] == documents.AUTHENTICATION
    assert "authentication-config" not in of_version("1.31.4")


def test_the_runtime_s_socket_is_a_url_from_1_24_on():
    def socket(version: str) -> object:
        return init(version)["InitConfiguration"]["nodeRegistration"]["criSocket"]

    assert socket("1.23.17") == "/run/containerd/containerd.sock"
    assert socket("1.24.0") == "unix:///run/containerd/containerd.sock"


def test_a_lab_s_own_values_come_last():
    found = init("1.34.4", init="none", kubelet={"failSwapOn": False}, etcd="3.6.14-0")

    assert found["KubeletConfiguration"]["failSwapOn"] is False
    assert found["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"
    assert found["ClusterConfiguration"]["etcd"] == {"local": {"imageTag": "3.6.14-0"}}


@pytest.mark.parametrize("made_for", ["1.34.4", "1.28.15"])
def test_a_real_kubeadm_takes_it(made_for: str, tmp_path: Path):
    """Of an older API the form; the version that it names is too old to be set up."""
    found = binaries.find(["kubeadm"])
    if not found:
        pytest.skip("no kubeadm here: ./iec4 lab build --deep builds one")
    discovery = tmp_path / "discovery.conf"
    discovery.touch()
    texts = {
        "init": documents.for_init(of(made_for), "one", "192.0.2.1", "192.0.2.9:6443"),
        "join": documents.for_join(of(made_for), "two", "192.0.2.2", str(discovery)),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace(f"v{made_for}", "v1.34.4"))
        told = subprocess.run(
            [found["kubeadm"], "config", "validate", "--config", tmp_path / name],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        assert "unknown field" not in told.stderr
