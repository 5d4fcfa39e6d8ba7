"""``./iec4 bench k8s``: how quickly the embedded cluster acts, and what it costs.

A probe in a pod sends a datagram every two milliseconds, each from a port of its own, to a server
on the other node: the first that stays without an answer, or has one again, tells when a policy
was programmed. All clocks are the machine's one.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from lightkube.models.core_v1 import EnvVar
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.models.networking_v1 import (
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicySpec,
)
from lightkube.resources.core_v1 import Namespace, Pod
from lightkube.resources.networking_v1 import NetworkPolicy

from benchmarks.datagrams import PROBE, SERVER, changes
from benchmarks.figures import BenchFailed, Figure, Taken, bench, say
from fixtures.labs import running_lab
from lab import inventory as inventories
from lab.errors import LabError
from lab.iec.client import Cluster, open_cluster
from lab.iec.programs import PROGRAMS
from lab.iec.recipe import recipe
from lab.iec.workload import HTTP_PORT, Place, Work, ip_of, name_of, new_place, pod_spec, serving
from lab.inventory import Inventory
from lab.loopback import cleanup
from lab.loopback.state import lab_id
from lab.recipe import execute
from lab.session import Lab
from lab.wait import wait_for

#: Policies made and removed; pods made; objects asked for.
POLICIES, PODS, GETS = 40, 20, 2000
#: Seconds in which nothing is asked of the cluster; it has settled before.
SETTLING_S, IDLE_S = 10.0, 20.0
_PATIENCE_S = 30.0
#: Seconds for which packets have the same fate before a policy counts as the reason.
STEADY_S = 0.8

#: What the control plane is; calico-node, the node agent and pods are the nodes'.
CONTROL_PLANE = tuple(name for name in PROGRAMS if name.startswith("kube-") or name == "etcd")

FIGURES = (
    Figure("policy_proven_s", "from the beginning of its deployment to a policy enforced", 25.0),
    Figure("policy_programming_p50_ms", "from a policy's change to the first packet it decides"),
    Figure("policy_programming_p99_ms", "the same, 99th percentile"),
    Figure("pod_ready_p50_ms", "from a pod's creation to its readiness, by httpGet"),
    Figure("apiserver_get_p99_ms", "one object by name, connection kept"),
    Figure("control_plane_idle_cpu_percent", "of one core, while nothing is asked"),
    Figure("control_plane_mib", "memory of etcd and the three of Kubernetes (PSS)"),
    Figure("cluster_mib", "memory of all of it, with two nodes (PSS)", 1024.0),
)


def main(json: bool, write: bool) -> int:
    """Take the figures; see `benchmarks.figures.bench`."""
    return bench("k8s", FIGURES, take, json=json, write=write)


def take(place: Path) -> Taken:
    """All figures; raises `BenchFailed`."""
    template = inventories.load("embedded")
    alone = {name: template.systems[name] for name in ("iec",)}
    try:
        with running_lab(
            template.model_copy(update={"systems": alone}), place / "lab"
        ) as inventory:
            if reason := inventory.lacks.get("iec"):
                raise BenchFailed(reason)
            with Lab(inventory) as lab:
                return _figures(lab)
    except LabError as error:
        raise BenchFailed(f"{error}\n{error.evidence or ''}") from error


def _figures(lab: Lab) -> Taken:
    began = time.monotonic()
    say("the deployment, and its first policy")
    execute(recipe(lab).steps(lab), lab)
    with open_cluster(lab) as cluster:
        with _place(cluster) as place:
            _prove_policy(cluster, place)
            proven_s = time.monotonic() - began
        say(f"the cluster at rest, {SETTLING_S + IDLE_S:.0f} s")
        idle = _at_rest(lab.inventory)
        say(f"{GETS} requests")
        gets = _gets(cluster)
        say(f"{PODS} pods")
        with _place(cluster) as place:
            pods = [_pod_ready(place, f"pod{i}") for i in range(PODS)]
        say(f"{2 * POLICIES} changes of policy")
        with _place(cluster) as place:
            delays = _programming(cluster, place)
    figures = {
        "policy_proven_s": round(proven_s, 1),
        "policy_programming_p50_ms": _percentile(delays, 50),
        "policy_programming_p99_ms": _percentile(delays, 99),
        "pod_ready_p50_ms": _percentile(pods, 50),
        "apiserver_get_p99_ms": _percentile(gets, 99),
        "control_plane_idle_cpu_percent": idle.control_plane_cpu_percent,
        "control_plane_mib": idle.control_plane_mib,
        "cluster_mib": idle.mib,
    }
    conditions: dict[str, str | float] = {
        "policies": 2 * POLICIES,
        "pods": PODS,
        "gets": GETS,
        "idle_s": IDLE_S,
        "cluster_idle_cpu_percent": idle.cpu_percent,
    }
    return Taken(figures, conditions)


@contextmanager
def _place(cluster: Cluster) -> Iterator[Place]:
    """A namespace; it is gone, and the cluster quiet again, after the context."""
    with new_place(cluster, "bench", run="bench") as place:
        yield place

    def gone() -> bool:
        return place.name not in {name_of(one) for one in cluster.kube.list(Namespace)}

    wait_for(f"the end of {place.name}", gone, timeout=_PATIENCE_S)


# -- policy ------------------------------------------------------------------


def _prove_policy(cluster: Cluster, place: Place) -> None:
    """A server lets its friend in, and nobody else, once a policy says so: by packets."""
    works = {
        "server": serving(node="edge-a"),
        "friend": Work(node="edge-b", labels={"who": "friend"}),
        "stranger": Work(node="edge-b"),
    }
    address = ip_of(place.pods(works)["server"])

    def enters(client: str) -> bool:
        argv = ("/agnhost", "connect", f"{address}:{HTTP_PORT}", "--timeout=500ms")
        return place.execute(client, *argv).status == 0

    for client in ("friend", "stranger"):
        wait_for(f"{client} enters", lambda c=client: enters(c), timeout=_PATIENCE_S)  # type: ignore[misc]
    friends = NetworkPolicyPeer(podSelector=LabelSelector(matchLabels={"who": "friend"}))
    _decide(cluster, place, "server", [NetworkPolicyIngressRule(from_=[friends])])
    wait_for("the stranger is kept out", lambda: not enters("stranger"), timeout=_PATIENCE_S)
    if not enters("friend"):
        raise BenchFailed("the policy keeps out whom it lets in")


def _decide(
    cluster: Cluster, place: Place, app: str, ingress: Sequence[NetworkPolicyIngressRule]
) -> None:
    chosen = LabelSelector(matchLabels={"app": app})
    spec = NetworkPolicySpec(podSelector=chosen, policyTypes=["Ingress"], ingress=list(ingress))
    policy = NetworkPolicy(metadata=ObjectMeta(name="decision"), spec=spec)
    cluster.kube.create(policy, namespace=place.name)


def _programming(cluster: Cluster, place: Place) -> list[float]:
    """Milliseconds from each change of policy, asked for, to the first packet that it decides."""
    address = ip_of(
        place.pods({"server": Work(command=["python3", "-c", SERVER], node="edge-a")})["server"]
    )
    told_where = [EnvVar(name="SERVER", value=address)]
    probe = pod_spec(Work(command=["python3", "-c", PROBE], node="edge-b"), place.image)
    probe.containers[0].env = told_where
    cluster.kube.create(Pod(metadata=ObjectMeta(name="probe"), spec=probe), namespace=place.name)
    place.ready("probe")
    seen = partial(_change, cluster, f"/api/v1/namespaces/{place.name}/pods/probe/log")
    seen(0.0, answered=True)
    delays = []
    for _ in range(POLICIES):
        began = time.time()
        _decide(cluster, place, "server", [])
        delays.append(seen(began, answered=False) - began)
        began = time.time()
        cluster.kube.delete(NetworkPolicy, "decision", namespace=place.name)
        delays.append(seen(began, answered=True) - began)
    return [1000 * delay for delay in delays]


def _change(cluster: Cluster, log: str, after: float, *, answered: bool) -> float:
    """When packets began to be answered, or lost, after a moment: once the probe has told.

    It is so for a while: a busy machine loses a row of packets before a policy does.
    """

    def told() -> float | None:
        found = changes(cluster.get(log))
        if not found or found[-1].answered is not answered or found[-1].moment <= after:
            raise LabError(f"not since {after:.3f}", found=f"{found[-4:]}")
        lasts = time.time() > found[-1].moment + STEADY_S
        return found[-1].moment if lasts else None

    what = f"packets are {'answered' if answered else 'lost'}"
    return wait_for(what, told, timeout=_PATIENCE_S, slowest=0.1)


# -- pods, the API, the machine ----------------------------------------------


def _pod_ready(place: Place, name: str) -> float:
    """Milliseconds from a pod's creation to its readiness; it is gone afterwards."""
    began = time.perf_counter()
    place.pod(name, serving())
    place.ready(name)
    taken = (time.perf_counter() - began) * 1000
    place.remove(name)
    return taken


def _gets(cluster: Cluster) -> list[float]:
    """Milliseconds that each request for one object takes."""
    taken = []
    for _ in range(GETS):
        began = time.perf_counter()
        cluster.kube.get(Namespace, "default")
        taken.append((time.perf_counter() - began) * 1000)
    return taken


@dataclass(frozen=True)
class _Rest:
    cpu_percent: float
    control_plane_cpu_percent: float
    mib: float
    control_plane_mib: float


def _at_rest(inventory: Inventory) -> _Rest:
    """What the cluster takes of a core, and holds, while nothing is asked of it."""
    assert inventory.state is not None
    host = inventory.with_role("tars-master")[0]
    tagged = cleanup.tagged(lab_id(inventory.state))
    pids = [pid for pid in tagged if cleanup.environment(pid).get(cleanup.HOST) == host]
    processes = [psutil.Process(pid) for pid in pids]
    core = [p for p in processes if os.path.basename(p.exe()) in CONTROL_PLANE]  # noqa: PTH119
    _let_pass(SETTLING_S)
    before = {p.pid: _cpu_s(p) for p in processes}
    began = time.monotonic()
    _let_pass(IDLE_S)
    passed = time.monotonic() - began
    spent = {p.pid: _cpu_s(p) - before[p.pid] for p in processes}
    return _Rest(
        cpu_percent=round(100 * sum(spent.values()) / passed, 1),
        control_plane_cpu_percent=round(100 * sum(spent[p.pid] for p in core) / passed, 1),
        mib=_mib(processes),
        control_plane_mib=_mib(core),
    )


def _let_pass(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_for("rest", lambda: time.monotonic() >= until, timeout=seconds + 5, interval=0.5)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _mib(processes: Sequence[psutil.Process]) -> float:
    return round(float(sum(p.memory_full_info().pss for p in processes)) / 2**20, 1)


def _percentile(values: Sequence[float], percent: int) -> float:
    """A percentile, with the values between the two nearest interpolated."""
    if percent == 50:
        return round(statistics.median(values), 1)
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)
