"""What an inventory may say of a cluster, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from blueprints.cluster import facts
from blueprints.errors import ConfigError
from lab import inventory as inventories
from lab.iec.installation import ClusterInstall

KEPT = "file:/srv/kubeconfig"
SHA = "0" * 64


def real(tmp_path: Path, **iec: Any) -> Path:
    host = {"roles": ["tars-master"], "address": "192.0.2.1"}
    data = {
        "name": "real",
        "kind": "real",
        "profile": "lab",
        "hosts": {"one": host},
        "systems": {"iec": iec},
    }
    file = tmp_path / "real.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def missing(file: Path) -> list[str]:
    return [one for one in inventories.load(str(file)).missing() if one.startswith("systems.iec")]


def test_iec_s_own_values_are_the_usual_ones():
    install = ClusterInstall()

    assert install.kubernetes == "1.19.0"
    assert install.cni == "calico"
    assert (str(install.pod_network), str(install.service_network)) == (
        "192.168.0.0/16",
        "172.16.1.0/24",
    )


@pytest.mark.parametrize("cni", list(facts().unsupported))
def test_iec_s_other_network_plugins_are_refused_with_what_is_missing(cni: str):
    with pytest.raises(ValidationError, match="calico only") as refused:
        ClusterInstall(cni=cni)

    assert facts().unsupported[cni] in str(refused.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cni": "weave"}, "IEC has no CNI_TYPE 'weave'"),
        ({"kubernetes": "1.18.20"}, "1.19 to 1.34, not of 1.18.20"),
        ({"kubernetes": "1.35.0"}, "1.19 to 1.34, not of 1.35.0"),
        ({"kubernetes": "v1.34.4"}, "should match pattern"),
        ({"pod_network": "172.16.0.0/16"}, "overlap"),
        ({"proxy": {"http": "http://me:secret@proxy:3128"}}, "credentials"),
        ({"registries": {"docker.io": "mirror:5000"}}, r"http\(s\)://HOST:PORT"),
        ({"binaries": {"kubeadm": {"at": "x", "sha256": "short"}}}, "should match pattern"),
        ({"repository": {"line": "deb http://x y", "key": {"at": "k", "sha256": SHA}}}, "the line"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        ClusterInstall(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"proxy": {"http": "http://me:sesame-open@proxy:3128"}},
        {"registries": {"docker.io": "https://me:sesame-open@mirror"}},
        {
            "repository": {
                "line": "deb http://me:sesame-open@x y",
                "key": {"at": "k", "sha256": SHA},
            }
        },
    ],
)
def test_no_error_shows_credentials(given: dict[str, Any], tmp_path: Path):
    file = real(tmp_path, secrets={"kubeconfig": KEPT}, cluster=given)

    with pytest.raises(ConfigError, match="credentials") as refused:
        inventories.load(str(file))

    assert "sesame-open" not in str(refused.value)


def test_a_real_lab_says_what_is_missing_to_install_a_cluster(tmp_path: Path):
    assert [one.partition(":")[0] for one in missing(real(tmp_path))] == [
        "systems.iec.endpoints.api",
        "systems.iec.secrets.kubeconfig",
        "systems.iec.cluster",
    ]
    some = {"kubeadm": {"at": "/x", "sha256": SHA}}
    file = real(tmp_path, secrets={"kubeconfig": KEPT}, cluster={"binaries": some})
    assert [one.partition(":")[0] for one in missing(file)] == [
        "systems.iec.endpoints.api",
        "systems.iec.cluster.binaries.kubectl",
        "systems.iec.cluster.binaries.kubelet",
    ]


def test_an_adopted_cluster_needs_its_endpoint_and_kubeconfig_only(tmp_path: Path):
    api = {"api": "https://192.0.2.1:6443"}
    file = real(tmp_path, adopted=True, endpoints=api, secrets={"kubeconfig": KEPT})

    assert missing(file) == []


def test_what_is_adopted_is_not_installed(tmp_path: Path):
    with pytest.raises(ConfigError, match="not adopted"):
        inventories.load(str(real(tmp_path, adopted=True, cluster={})))
