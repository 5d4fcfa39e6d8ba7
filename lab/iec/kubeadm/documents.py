"""kubeadm's configuration, in the API that a version of it reads.

Sources: kubernetes.io, reference/config-api (kubeadm-config.v1beta2 … v1beta4,
kubelet-config.v1beta1, kube-proxy-config.v1alpha1); kubeadm 1.22 brought v1beta3, 1.31 v1beta4,
in which further arguments are lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lab.iec.installation import ClusterInstall

#: Where containerd listens.
SOCKET = "/run/containerd/containerd.sock"
#: The port at which the API server answers.
PORT = 6443

DIRECTORY = "/etc/kubernetes"
#: Files of the API server beside kubeadm's own, on the control plane's host.
AUDIT_POLICY = f"{DIRECTORY}/iec4/audit-policy.yaml"
AUDIT_LOGS = "/var/log/kubernetes"
ENCRYPTION = f"{DIRECTORY}/iec4/encryption.yaml"
AUTHENTICATION = f"{DIRECTORY}/iec4/authentication.yaml"
#: kubelet's names for a node's ways to evict pods that the disk of a lab would take too early.
_ARGUMENTS_ARE_LISTS = 31
_HAS_V1BETA3 = 22
#: From here on which paths nobody has to say who they are for is the API server's to configure
#: (KEP-4633: beta in 1.32, stable in 1.34); before, it is a role's (RBAC).
ANONYMOUS_BY_PATH = 32
_SOCKET_IS_A_URL = 24

Document = dict[str, Any]


def api(install: ClusterInstall) -> str:
    """The version of kubeadm's API that this version of it prefers."""
    if install.minor >= _ARGUMENTS_ARE_LISTS:
        return "kubeadm.k8s.io/v1beta4"
    return f"kubeadm.k8s.io/v1beta{3 if install.minor >= _HAS_V1BETA3 else 2}"


def for_init(install: ClusterInstall, name: str, address: str, endpoint: str) -> str:
    """The documents of ``kubeadm init``: on host ``name``, whose API is reached at ``endpoint``
    (``HOST:PORT``)."""
    newest = install.minor >= _ARGUMENTS_ARE_LISTS
    cluster: Document = {
        "apiVersion": api(install),
        "kind": "ClusterConfiguration",
        "kubernetesVersion": f"v{install.kubernetes}",
        "controlPlaneEndpoint": endpoint,
        "imageRepository": install.image_repository,
        "networking": {
            "podSubnet": str(install.pod_network),
            "serviceSubnet": str(install.service_network),
        },
        "apiServer": _api_server(install, endpoint),
    }
    if install.etcd is not None:
        cluster["etcd"] = {"local": {"imageTag": install.etcd}}
    if install.coredns is not None:
        cluster["dns"] = {"imageTag": install.coredns}
    init: Document = {
        "apiVersion": api(install),
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": PORT},
        "nodeRegistration": _registration(install, name, address),
    }
    if newest:
        init["timeouts"] = {"controlPlaneComponentHealthCheck": "4m0s"}
    return _joined([init, cluster, _kubelet(install), _kube_proxy(install)])


def for_join(install: ClusterInstall, name: str, address: str, discovery: str) -> str:
    """The document of ``kubeadm join``: ``discovery``, a file on the host, says to what."""
    return _joined(
        [
            {
                "apiVersion": api(install),
                "kind": "JoinConfiguration",
                "discovery": {"file": {"kubeConfigPath": discovery}},
                "nodeRegistration": _registration(install, name, address),
            }
        ]
    )


def _registration(install: ClusterInstall, name: str, address: str) -> Document:
    socket = f"unix://{SOCKET}" if install.minor >= _SOCKET_IS_A_URL else SOCKET
    return {
        "name": name,
        "criSocket": socket,
        "taints": [],  # as IEC has it: pods run beside the control plane
        "kubeletExtraArgs": _arguments(install, {"node-ip": address}),
    }


def _api_server(install: ClusterInstall, endpoint: str) -> Document:
    arguments = {
        "audit-policy-file": AUDIT_POLICY,
        "audit-log-path": f"{AUDIT_LOGS}/audit.log",
        "audit-log-maxsize": "100",
        "audit-log-maxbackup": "10",
        "encryption-provider-config": ENCRYPTION,
        "profiling": "false",
    }
    if install.minor >= ANONYMOUS_BY_PATH:
        arguments["authentication-config"] = AUTHENTICATION
    own = f"{DIRECTORY}/iec4"
    server: Document = {
        "certSANs": [endpoint.rpartition(":")[0]],
        "extraArgs": _arguments(install, arguments),
        "extraVolumes": [
            {"name": "iec4", "hostPath": own, "mountPath": own, "readOnly": True},
            {"name": "audit", "hostPath": AUDIT_LOGS, "mountPath": AUDIT_LOGS},
        ],
    }
    if install.minor < _ARGUMENTS_ARE_LISTS:
        server["timeoutForControlPlane"] = "4m0s"
    return server


def _kubelet(install: ClusterInstall) -> Document:
    """As kubeadm configures it, with control groups by whoever starts services."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd" if install.init == "systemd" else "cgroupfs",
        **install.kubelet,
    }


def _kube_proxy(install: ClusterInstall) -> Document:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        **install.kube_proxy,
    }


def _arguments(install: ClusterInstall, values: Mapping[str, str]) -> object:
    if install.minor >= _ARGUMENTS_ARE_LISTS:
        return [{"name": name, "value": value} for name, value in values.items()]
    return dict(values)


def _joined(documents: Sequence[Document]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
