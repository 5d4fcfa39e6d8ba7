"""What NetworkPolicies mean, by the API's own documentation, for pods that are data.

Written from https://kubernetes.io/docs/concepts/services-networking/network-policies/ alone, to
hold the matrix' hand-written cells to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blueprints.policy_matrix import (
    Cell,
    Labels,
    Matrix,
    Peer,
    Policy,
    Port,
    Requirement,
    Selector,
    Step,
)


@dataclass(frozen=True)
class Actor:
    """A pod: where it is, how it and its namespace are labelled, and its address."""

    namespace: str
    labels: Labels
    zone: Labels
    address: str
    ports: Mapping[str, int]


class Oracle:
    """Says of each cell whether a step's policies allow it."""

    def __init__(self, matrix: Matrix, step: Step) -> None:
        self._step = step
        self._actors = {
            name: Actor(
                namespace=namespace,
                labels=pod.labels | step.labels.get(name, {}),
                zone=matrix.stage.namespaces[namespace] | step.labels.get(namespace, {}),
                address=f"10.0.0.{number}",
                ports=pod.tcp | pod.udp,
            )
            for number, (name, pod) in enumerate(matrix.stage.pods.items(), 1)
            for namespace in [name.partition("/")[0]]
        }

    def allows(self, cell: Cell) -> bool:
        source, target = self._actors[cell.source], self._actors[cell.target]
        return self._let(source, target, "Egress", target, cell) and self._let(
            target, source, "Ingress", target, cell
        )

    def _let(self, subject: Actor, peer: Actor, kind: str, target: Actor, cell: Cell) -> bool:
        isolating = [p for p in self._of(subject) if kind in p.policyTypes]
        if not isolating:
            return True
        return any(
            self._peers_fit(rule.from_ if kind == "Ingress" else rule.to, subject, peer)
            and _ports_fit(rule.ports, target, cell)
            for policy in isolating
            for rule in (policy.ingress if kind == "Ingress" else policy.egress)
        )

    def _of(self, subject: Actor) -> Iterator[Policy]:
        for policy in self._step.policies.get(subject.namespace, {}).values():
            if _selects(policy.podSelector, subject.labels):
                yield policy

    def _peers_fit(self, peers: tuple[Peer, ...], subject: Actor, peer: Actor) -> bool:
        return not peers or any(self._fits(one, subject, peer) for one in peers)

    def _fits(self, wanted: Peer, subject: Actor, peer: Actor) -> bool:
        if wanted.ipBlock:
            outside = any(self._within(cidr, peer) for cidr in wanted.ipBlock.except_)
            return self._within(wanted.ipBlock.cidr, peer) and not outside
        if wanted.namespaceSelector is None:
            if peer.namespace != subject.namespace:
                return False
        elif not _selects(wanted.namespaceSelector, peer.zone):
            return False
        return wanted.podSelector is None or _selects(wanted.podSelector, peer.labels)

    def _within(self, cidr: str, peer: Actor) -> bool:
        for name, actor in self._actors.items():
            cidr = cidr.replace(f"{{{name}}}", actor.address)
        return ipaddress.ip_address(peer.address) in ipaddress.ip_network(cidr)


def _selects(selector: Selector, labels: Labels) -> bool:
    same = all(labels.get(key) == value for key, value in selector.matchLabels.items())
    return same and all(_meets(one, labels) for one in selector.matchExpressions)


def _meets(requirement: Requirement, labels: Labels) -> bool:
    there = requirement.key in labels
    among = labels.get(requirement.key) in requirement.values
    return {
        "In": among,
        "NotIn": not among,
        "Exists": there,
        "DoesNotExist": not there,
    }[requirement.operator]


def _ports_fit(ports: tuple[Port, ...], target: Actor, cell: Cell) -> bool:
    return not ports or any(_port_fits(port, target, cell) for port in ports)


def _port_fits(port: Port, target: Actor, cell: Cell) -> bool:
    if port.protocol != cell.protocol:
        return False
    if port.port is None:
        return True
    first = target.ports[port.port] if isinstance(port.port, str) else port.port
    return first <= cell.port <= (port.endPort or first)
