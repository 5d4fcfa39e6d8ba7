"""What runs in a cluster from its start, as stock manifests with a lab's own values in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from lab.errors import LabError
from lab.iec.installation import ClusterInstall
from lab.iec.manifests import stock

Object = dict[str, Any]

#: The deployments and daemon sets of the cluster that are waited for.
CALICO = ("daemonset/calico-node", "deployment/calico-kube-controllers")
MULTUS = ("daemonset/kube-multus-ds",)
PROXY = ("daemonset/kube-proxy",)
DNS = ("deployment/coredns",)


def calico(install: ClusterInstall) -> bytes:
    """Calico by VXLAN from its stock manifest: pods' network, MTU; it tells nobody of itself."""
    settings = {
        "CALICO_IPV4POOL_CIDR": str(install.pod_network),
        "FELIX_USAGEREPORTINGENABLED": "false",
    }

    def change(one: Object) -> None:
        if _is(one, "DaemonSet", "calico-node"):
            containers = one["spec"]["template"]["spec"]["containers"]
            node = next(c for c in containers if c["name"] == "calico-node")
            kept = [e for e in node["env"] if e["name"] not in settings]
            node["env"] = [*kept, *({"name": n, "value": v} for n, v in settings.items())]
        if _is(one, "ConfigMap", "calico-config") and install.mtu is not None:
            one["data"]["veth_mtu"] = str(install.mtu)

    return _changed(
        "calico",
        install,
        change,
        expected={("DaemonSet", "calico-node"), ("ConfigMap", "calico-config")},
    )


def multus(install: ClusterInstall) -> bytes:
    """Multus from its stock manifest, with the image that is pinned.

    It writes the API server's address in brackets, as if it were IPv6. Go since 1.25.2 takes no
    IPv4 address there (net/url, CVE-2025-47912), but one that is mapped to IPv6.
    """
    mapped = f"::ffff:{install.service_network[1]}"

    def change(one: Object) -> None:
        if _is(one, "DaemonSet", "kube-multus-ds"):
            pod = one["spec"]["template"]["spec"]
            for container in (*pod["containers"], *pod["initContainers"]):
                container["image"] = install.multus_image
                container["env"] = [{"name": "KUBERNETES_SERVICE_HOST", "value": mapped}]

    return _changed("multus", install, change, expected={("DaemonSet", "kube-multus-ds")})


def _changed(
    name: str,
    install: ClusterInstall,
    change: Callable[[Object], None],
    *,
    expected: set[tuple[str, str]],
) -> bytes:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    objects = [one for one in yaml.load_all(stock(name, install), Loader=loader) if one]
    found = {(one["kind"], one["metadata"]["name"]) for one in objects}
    if lacking := expected - found:
        raise LabError(
            f"the manifest of {name} is not as expected",
            found="no " + ", no ".join(f"{kind} {named}" for kind, named in sorted(lacking)),
            advice="name the stock manifest of its release in the inventory",
        )
    for one in objects:
        change(one)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode()


def _is(one: Mapping[str, Any], kind: str, name: str) -> bool:
    return (one["kind"], one["metadata"]["name"]) == (kind, name)
