"""IEC by kubeadm: the control plane on the tars-master, nodes there and on tars-agent hosts."""

from __future__ import annotations

import ipaddress

from blueprints.errors import ConfigError
from lab.iec import manifests
from lab.iec.client import ENDPOINT, SYSTEM
from lab.iec.handing_over import FetchKubeconfig, kubeconfig_place
from lab.iec.installation import ClusterInstall
from lab.iec.kubeadm import addons, documents, joining
from lab.iec.kubeadm.hosts import prepare
from lab.iec.kubeadm.runtime import stopped
from lab.iec.probe import probe
from lab.recipe import Await, Command, Recipe, SideBySide, Step, Write
from lab.session import Lab

MASTER_ROLE, AGENT_ROLE = "tars-master", "tars-agent"
#: For nodes, and for each workload of the cluster's own, with images to be pulled (s).
READY_S = 600.0

_NEW_KEY = f"""
umask 077
mkdir -p "$(dirname {documents.ENCRYPTION})"
cat >{documents.ENCRYPTION}.new <<END
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox: {{keys: [{{name: iec4, secret: "$(head -c 32 /dev/urandom | base64)"}}]}}
      - identity: {{}}
END
mv {documents.ENCRYPTION}.new {documents.ENCRYPTION}
"""


class KubeadmIec(Recipe):
    """The same steps in every lab; where things come from is the inventory's to say."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        install, nodes = installation(lab), cluster_hosts(lab)
        master, *others = nodes
        prepared = [prepare(install, host, control_plane=host == master) for host in nodes]
        prepared[0] += self._control_plane(lab, install, master)
        joins = [self._join(lab, install, master, host) for host in others]
        return [
            SideBySide("prepare hosts and the control plane", ", ".join(nodes), prepared),
            *([SideBySide("join the control plane", ", ".join(others), joins)] if others else []),
            *_network(install, master),
            joining.ready(master, nodes, timeout=READY_S),
            *(joining.rolled_out(master, one, timeout=READY_S) for one in addons.DNS),
            Await("the API server says that it is ready", master, probe),
        ]

    def _control_plane(self, lab: Lab, install: ClusterInstall, master: str) -> list[Step]:
        address, endpoint = host_address(lab, master), _endpoint(lab)
        configuration = documents.for_init(install, master, address, endpoint)
        by_path = install.minor >= documents.ANONYMOUS_BY_PATH
        policy = manifests.ours("audit-policy.yaml")
        steps: list[Step] = [
            Write("say what is logged", master, documents.AUDIT_POLICY, policy, sudo=True),
            Command(
                "make room for the audit log",
                master,
                ["mkdir", "-p", "-m", "700", documents.AUDIT_LOGS],
                unless=["test", "-d", documents.AUDIT_LOGS],
                sudo=True,
            ),
            Command(
                "make a key for secrets at rest",
                master,
                ["sh", "-euc", _NEW_KEY],
                unless=["test", "-s", documents.ENCRYPTION],
                sudo=True,
            ),
        ]
        if by_path:
            content = manifests.ours("authentication.yaml")
            steps.append(
                Write(
                    "say what needs no name", master, documents.AUTHENTICATION, content, sudo=True
                )
            )
        steps += [
            Write(
                "configure kubeadm",
                master,
                joining.CONFIGURATION,
                configuration.encode(),
                mode=0o600,
                sudo=True,
            ),
            joining.init(master, ignore=install.ignore_preflight),
        ]
        if not by_path:
            health = manifests.ours("health.yaml")
            steps.append(
                joining.apply("tell nobody without a name more than health", master, health)
            )
        place = kubeconfig_place(lab)
        title = "fetch its kubeconfig"
        return [*steps, FetchKubeconfig(title, master, joining.ADMIN, place, sudo=True)]

    def _join(self, lab: Lab, install: ClusterInstall, master: str, host: str) -> list[Step]:
        document = documents.for_join(install, host, host_address(lab, host), joining.DISCOVERY)
        return [
            Write(
                "configure kubeadm",
                host,
                joining.CONFIGURATION,
                document.encode(),
                mode=0o600,
                sudo=True,
            ),
            joining.Join("kubeadm join", host, master, _endpoint(lab), install.ignore_preflight),
        ]

    def removal(self, lab: Lab) -> list[Step]:
        """kubeadm's reset on every host; packages, images and programs stay where they are."""
        install, (master, *others) = installation(lab), cluster_hosts(lab)
        return [
            step
            for host in (*others, master)
            for step in (joining.reset(host), stopped(install, host, "kubelet"))
        ]


def _network(install: ClusterInstall, master: str) -> list[Step]:
    """Each begins when what it needs at once is there: otherwise it fails, and is tried again
    later and later."""

    def ready(*workloads: str) -> list[Step]:
        return [joining.rolled_out(master, one, timeout=READY_S) for one in workloads]

    steps: list[Step] = []
    if not install.name_servers:
        corefile = manifests.ours("corefile.yaml")
        steps.append(joining.apply("have CoreDNS ask nobody else", master, corefile))
    steps += ready(*addons.PROXY)
    steps.append(joining.apply("apply Calico", master, lambda: addons.calico(install)))
    steps += ready(*addons.CALICO)
    if install.multus:
        steps.append(joining.apply("apply Multus", master, lambda: addons.multus(install)))
        steps += ready(*addons.MULTUS)
    return steps


def installation(lab: Lab) -> ClusterInstall:
    """What the cluster is installed from; raises `ConfigError`."""
    install = lab.inventory.systems[SYSTEM].cluster
    if install is None:
        raise ConfigError(
            f"lab {lab.inventory.name} has no systems.{SYSTEM}.cluster: say what it is installed "
            "from (docs/kubernetes.md has an example), or adopt one that is there: adopted: true "
            "with its endpoint and kubeconfig"
        )
    return install


def cluster_hosts(lab: Lab) -> list[str]:
    """The control plane's host, then the other nodes; raises `ConfigError`."""
    masters = lab.inventory.with_role(MASTER_ROLE)
    if not masters:
        raise ConfigError(f"lab {lab.inventory.name} has no host with the role {MASTER_ROLE}")
    return list(dict.fromkeys((masters[0], *lab.inventory.with_role(AGENT_ROLE))))


def host_address(lab: Lab, host: str) -> str:
    """The address by which a node is known; raises `ConfigError` for a name."""
    address = lab.inventory.hosts[host].address or ""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ConfigError(
            f"hosts.{host}.address: a node of the cluster is known by an IP address, not "
            f"{address!r}"
        ) from None


def _endpoint(lab: Lab) -> str:
    host, port = lab.address(SYSTEM, ENDPOINT)
    return f"{host}:{port}"
