"""What a faulty cluster makes of what it is sent: policies, pods …, as an admission rewrites them.

A rewritten object is what the cluster enforces from then on, and nobody is told: so each way in
which a cluster can be wrong about policies and pods is acted out by a right one. This module
travels to hosts, and is all standard library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
#: Changes an object in place; the second is what it was before, empty where it is new.
Change = Callable[[Object, Object], None]

#: A selector that no pod has the labels for.
NOBODY: Object = {"matchLabels": {"iec4.nobody": ""}}
#: How many pods each owner has had made.
_PODS_OF: Counter[str] = Counter()


def _ignored(policy: Object, _: Object) -> None:
    policy["spec"]["podSelector"] = NOBODY


def _without_egress(policy: Object, _: Object) -> None:
    spec = policy["spec"]
    spec.pop("egress", None)
    spec["policyTypes"] = [kind for kind in spec["policyTypes"] if kind != "Egress"]
    if not spec["policyTypes"]:  # none would mean Ingress
        spec.update(policyTypes=["Ingress"], podSelector=NOBODY)


def _rules(policy: Object, *directions: str) -> Iterator[Object]:
    """The rules of a policy, those of both directions unless some are named."""
    for direction in directions or ("ingress", "egress"):
        yield from policy["spec"].get(direction) or ()


def _peers(policy: Object) -> Iterator[Object]:
    for rule in _rules(policy):
        yield from rule.get("from") or rule.get("to") or ()


def _pod_labels_ignored(policy: Object, _: Object) -> None:
    for peer in _peers(policy):
        if "podSelector" in peer:
            peer["podSelector"] = {}


def _namespace_labels_ignored(policy: Object, _: Object) -> None:
    for peer in _peers(policy):
        if "namespaceSelector" in peer:
            peer["namespaceSelector"] = {}


def _either_is_enough(policy: Object, _: Object) -> None:
    for rule in _rules(policy):
        for direction in ("from", "to"):
            if direction in rule:
                rule[direction] = [
                    {selector: peer[selector]} for peer in rule[direction] for selector in peer
                ]


def _except_ignored(policy: Object, _: Object) -> None:
    for peer in _peers(policy):
        peer.get("ipBlock", {}).pop("except", None)


def _ports_ignored(policy: Object, _: Object) -> None:
    for rule in _rules(policy):
        rule.pop("ports", None)


def _ports(policy: Object) -> Iterator[Object]:
    for rule in _rules(policy):
        yield from rule.get("ports") or ()


def _range_cut(policy: Object, _: Object) -> None:
    for port in _ports(policy):
        port.pop("endPort", None)


def _names_ignored(policy: Object, _: Object) -> None:
    for port in _ports(policy):
        if isinstance(port.get("port"), str):
            del port["port"]


def _udp_as_tcp(policy: Object, _: Object) -> None:
    for port in _ports(policy):
        port["protocol"] = "TCP"


def _egress_to_all(policy: Object, _: Object) -> None:
    for rule in _rules(policy, "egress"):
        rule.pop("to", None)


def _egress_to_any_port(policy: Object, _: Object) -> None:
    for rule in _rules(policy, "egress"):
        rule.pop("ports", None)


def _one_end_asked(policy: Object, previous: Object) -> None:
    if len(policy["spec"]["policyTypes"]) > 1:
        _without_egress(policy, previous)


def _empty_rules_lost(policy: Object, _: Object) -> None:
    spec = policy["spec"]
    for direction in ("ingress", "egress"):
        if direction in spec:
            spec[direction] = [rule for rule in spec[direction] if rule]


def _empty_means_everybody(policy: Object, _: Object) -> None:
    for peer in _peers(policy):
        if peer.get("podSelector") == {}:
            peer.setdefault("namespaceSelector", {})


def _change_lost(policy: Object, previous: Object) -> None:
    if previous:
        policy["spec"] = deepcopy(previous["spec"])


def _kept(policy: Object, previous: Object) -> None:
    if not previous:
        policy["metadata"].setdefault("finalizers", []).append(KEPT)


def _labels_lost(labelled: Object, previous: Object) -> None:
    if previous:
        labelled["metadata"]["labels"] = deepcopy(previous["metadata"].get("labels", {}))


def _order_reversed(policy: Object, _: Object) -> None:
    if "order" in policy["spec"]:
        policy["spec"]["order"] = -policy["spec"]["order"]


def _selector_ignored(pod: Object, _: Object) -> None:
    pod["spec"].pop("nodeSelector", None)


def _tolerating(**which: str) -> Change:
    def change(pod: Object, previous: Object) -> None:
        if not previous:
            pod["spec"].setdefault("tolerations", []).append({"operator": "Exists", **which})

    return change


def _requests_ignored(pod: Object, previous: Object) -> None:
    if not previous:
        for container in pod["spec"]["containers"]:
            container.pop("resources", None)


def _affinity_ignored(pod: Object, _: Object) -> None:
    pod["spec"].pop("affinity", None)


def _volumes_empty(pod: Object, previous: Object) -> None:
    for volume in () if previous else pod["spec"].get("volumes") or ():
        if volume.pop("configMap", None) or volume.pop("secret", None):
            volume["emptyDir"] = {}


def _addresses_unexplained(pod: Object, _: Object) -> None:
    annotations = pod["metadata"].get("annotations") or {}
    for name in [name for name in annotations if name.startswith("cni.projectcalico.org/")]:
        del annotations[name]


def _third_never_runs(pod: Object, previous: Object) -> None:
    for owner in () if previous else pod["metadata"].get("ownerReferences") or ():
        _PODS_OF[owner["uid"]] += 1
        if _PODS_OF[owner["uid"]] > 2:
            pod["spec"]["nodeSelector"] = NOBODY["matchLabels"]


def _all_at_once(deployment: Object, _: Object) -> None:
    deployment["spec"]["strategy"] = {"type": "Recreate"}


def _history_lost(deployment: Object, _: Object) -> None:
    deployment["spec"]["revisionHistoryLimit"] = 0


def _budget_ignored(budget: Object, _: Object) -> None:
    budget["spec"].pop("minAvailable", None)
    budget["spec"]["maxUnavailable"] = "100%"


def _quota_ignored(quota: Object, _: Object) -> None:
    quota["spec"]["hard"] = dict.fromkeys(quota["spec"]["hard"], "1000")


def _never_run(job: Object, _: Object) -> None:
    job["spec"]["suspend"] = True


def _scope_ignored(policy: Object, _: Object) -> None:
    policy["spec"].pop("namespaceSelector", None)


def _address_told_wrong(pod: Object, _: Object) -> None:
    if "podIP" in pod["status"]:
        pod["status"] |= {"podIP": _NOWHERE, "podIPs": [{"ip": _NOWHERE}]}


def _endpoints_lost(piece: Object, _: Object) -> None:
    piece["endpoints"] = []


def _endpoints_stale(piece: Object, previous: Object) -> None:
    """Those that were ready stay so, whatever became of them."""
    ready = [one for one in previous.get("endpoints") or () if one["conditions"].get("ready")]
    stay = {tuple(one["addresses"]) for one in ready}
    new = [one for one in piece.get("endpoints") or () if tuple(one["addresses"]) not in stay]
    piece["endpoints"] = [*ready, *new]


def _one_node_s_port(service: Object, _: Object) -> None:
    if service["spec"].get("type") == "NodePort":
        service["spec"]["externalTrafficPolicy"] = "Local"


def _second_interface_lost(pod: Object, _: Object) -> None:
    pod["metadata"].get("annotations", {}).pop(_NETWORKS, None)


#: Multus' annotation of pods: the networks that they have beside the cluster's own.
_NETWORKS = "k8s.v1.cni.cncf.io/networks"
#: An address of nobody (RFC 5737).
_NOWHERE = "192.0.2.1"
#: What a policy that is not let go has; `k8s.policy-kept` ends when it is taken off again.
KEPT = "iec4.run/kept"

_POLICIES = ("networkpolicies",)
_LABELLED = ("pods", "namespaces")
_GLOBAL = ("globalnetworkpolicies",)
_PODS = ("pods",)


@dataclass(frozen=True)
class Rewriting:
    """What a fault does in words, the resources that it rewrites, and how."""

    does: str
    resources: tuple[str, ...]
    change: Change


REWRITINGS = {
    "k8s.policies-ignored": Rewriting("network policies select no pod", _POLICIES, _ignored),
    "k8s.egress-ignored": Rewriting(
        "network policies rule ingress alone", _POLICIES, _without_egress
    ),
    "k8s.peer-labels-ignored": Rewriting(
        "network policies let in and out any pod where they name its labels",
        _POLICIES,
        _pod_labels_ignored,
    ),
    "k8s.namespace-labels-ignored": Rewriting(
        "network policies take every namespace for the one that they name by labels",
        _POLICIES,
        _namespace_labels_ignored,
    ),
    "k8s.either-is-enough": Rewriting(
        "network policies let in whom one of a peer's two selectors selects",
        _POLICIES,
        _either_is_enough,
    ),
    "k8s.except-ignored": Rewriting(
        "what address blocks except is let in", _POLICIES, _except_ignored
    ),
    "k8s.ports-ignored": Rewriting("network policies open all ports", _POLICIES, _ports_ignored),
    "k8s.range-cut": Rewriting(
        "of a range of ports the first is open alone", _POLICIES, _range_cut
    ),
    "k8s.port-names-ignored": Rewriting(
        "network policies that name a port open all of them",
        _POLICIES,
        _names_ignored,
    ),
    "k8s.udp-as-tcp": Rewriting("network policies take UDP for TCP", _POLICIES, _udp_as_tcp),
    "k8s.egress-to-all": Rewriting(
        "policies of egress let out to everybody", _POLICIES, _egress_to_all
    ),
    "k8s.egress-to-any-port": Rewriting(
        "policies of egress let out to all ports",
        _POLICIES,
        _egress_to_any_port,
    ),
    "k8s.one-end-asked": Rewriting(
        "network policies of both directions rule ingress alone",
        _POLICIES,
        _one_end_asked,
    ),
    "k8s.empty-rules-lost": Rewriting(
        "rules that allow everything are lost", _POLICIES, _empty_rules_lost
    ),
    "k8s.empty-means-everybody": Rewriting(
        "an empty selector of pods selects those of all namespaces",
        _POLICIES,
        _empty_means_everybody,
    ),
    "k8s.policy-change-lost": Rewriting(
        "a changed network policy stays as it was", _POLICIES, _change_lost
    ),
    "k8s.policy-kept": Rewriting("a deleted network policy stays", _POLICIES, _kept),
    "k8s.label-change-lost": Rewriting(
        "labels of pods and namespaces stay as they were",
        _LABELLED,
        _labels_lost,
    ),
    "k8s.scope-ignored": Rewriting(
        "Calico's global policies hold in every namespace", _GLOBAL, _scope_ignored
    ),
    "k8s.second-interface-lost": Rewriting(
        "pods have no interface beside the first", _PODS, _second_interface_lost
    ),
    "k8s.address-told-wrong": Rewriting(
        "pods' addresses are told wrong", ("pods/status",), _address_told_wrong
    ),
    "k8s.endpoints-lost": Rewriting(
        "services have no endpoints", ("endpointslices",), _endpoints_lost
    ),
    "k8s.endpoints-stale": Rewriting(
        "services keep the endpoints that are gone", ("endpointslices",), _endpoints_stale
    ),
    "k8s.node-port-of-one": Rewriting(
        "a service's node port answers on the nodes of its pods alone",
        ("services",),
        _one_node_s_port,
    ),
    "k8s.order-reversed": Rewriting(
        "Calico's policies hold in reversed order",
        _GLOBAL,
        _order_reversed,
    ),
    "k8s.selector-ignored": Rewriting(
        "pods are put on nodes that they did not select", _PODS, _selector_ignored
    ),
    "k8s.taints-ignored": Rewriting("pods tolerate every taint", _PODS, _tolerating()),
    "k8s.requests-ignored": Rewriting(
        "the scheduler does not know what pods ask for", _PODS, _requests_ignored
    ),
    "k8s.affinity-ignored": Rewriting(
        "pods are put beside those that they avoid", _PODS, _affinity_ignored
    ),
    "k8s.cordon-ignored": Rewriting(
        "pods are put on nodes that are being drained",
        _PODS,
        _tolerating(key="node.kubernetes.io/unschedulable"),
    ),
    "k8s.volumes-empty": Rewriting(
        "volumes of configuration and secrets are empty", _PODS, _volumes_empty
    ),
    "k8s.addresses-unexplained": Rewriting(
        "no pod says that its address is Calico's",
        ("pods", "pods/status"),
        _addresses_unexplained,
    ),
    "k8s.third-pod-waits": Rewriting(
        "of an application two pods are run, and never a third", _PODS, _third_never_runs
    ),
    "k8s.rollout-at-once": Rewriting(
        "an update ends all pods before it starts new ones", ("deployments",), _all_at_once
    ),
    "k8s.history-lost": Rewriting(
        "what a deployment was before is forgotten", ("deployments",), _history_lost
    ),
    "k8s.budgets-ignored": Rewriting(
        "disruption budgets allow every disruption", ("poddisruptionbudgets",), _budget_ignored
    ),
    "k8s.quotas-ignored": Rewriting(
        "quotas are a thousand of everything", ("resourcequotas",), _quota_ignored
    ),
    "k8s.jobs-suspended": Rewriting("jobs are not run", ("jobs",), _never_run),
}


def rewrite(fault: str, request: Object) -> Object:
    """What becomes of the object in an AdmissionReview's request.

    https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
    """
    changed: Object = deepcopy(request["object"])
    REWRITINGS[fault].change(changed, request.get("oldObject") or {})
    return changed
