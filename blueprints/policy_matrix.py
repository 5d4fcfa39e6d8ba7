"""The network policy matrix as data: ``blueprints/policies/*.yaml``.

A *stage* has namespaces and pods. A *scenario* puts policies on it and says which connections
between its pods are then allowed and which are denied: its *cells*. Policies are Kubernetes'
own NetworkPolicySpec, written as they are sent, but that a CIDR may name a pod's address.
Field names and their meaning:
https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from blueprints.config import Document, Model
from blueprints.errors import ConfigError, nearest

DIRECTORY = Path(__file__).parent / "policies"
#: The file in it that holds the stage; all others hold scenarios.
STAGE = "stage.yaml"

Protocol = Literal["TCP", "UDP"]
Labels = dict[str, str]

_POD = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*")
_CELL = re.compile(rf"({_POD.pattern}) -> ({_POD.pattern}) (TCP|UDP) (\d+)")
#: A pod's address in a CIDR: ``{home/server}/32``.
_ADDRESS = re.compile(rf"\{{({_POD.pattern})\}}")


class Requirement(Model):
    """One of a selector's expressions."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class Selector(Model):
    """Kubernetes' LabelSelector; an empty one selects everything."""

    matchLabels: Labels = Field(default_factory=dict)  # noqa: N815 - Kubernetes' names, as sent
    matchExpressions: tuple[Requirement, ...] = ()  # noqa: N815


class IPBlock(Model):
    """Addresses; a CIDR may name a pod: ``{home/server}/32``."""

    cidr: str
    except_: tuple[str, ...] = Field(default=(), alias="except")

    @field_validator("cidr")
    @classmethod
    def _one_cidr(cls, value: str) -> str:
        return _cidr(value)

    @field_validator("except_")
    @classmethod
    def _cidrs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_cidr, value))


def _cidr(text: str) -> str:
    ipaddress.ip_network(_ADDRESS.sub("192.0.2.1", text))
    return text


class Peer(Model):
    """Whom a rule is about: pods by labels, by their namespace's, by both, or addresses."""

    podSelector: Selector | None = None  # noqa: N815
    namespaceSelector: Selector | None = None  # noqa: N815
    ipBlock: IPBlock | None = None  # noqa: N815

    @model_validator(mode="after")
    def _addresses_stand_alone(self) -> Peer:
        if (self.ipBlock is None) == (self.podSelector is self.namespaceSelector is None):
            raise ValueError("a peer has either an ipBlock or selectors")
        return self


class Port(Model):
    """A port, a named port, or with ``endPort`` a range; without ``port`` all of the protocol."""

    protocol: Protocol = "TCP"
    port: int | str | None = None
    endPort: int | None = None  # noqa: N815


class Ingress(Model):
    """What may come in; an empty rule lets everything in."""

    from_: tuple[Peer, ...] = Field(default=(), alias="from")
    ports: tuple[Port, ...] = ()


class Egress(Model):
    """What may go out; an empty rule lets everything out."""

    to: tuple[Peer, ...] = ()
    ports: tuple[Port, ...] = ()


class Policy(Model):
    """Kubernetes' NetworkPolicySpec. ``policyTypes`` is never left to the server's guess."""

    podSelector: Selector  # noqa: N815
    policyTypes: tuple[Literal["Ingress", "Egress"], ...] = Field(min_length=1)  # noqa: N815
    ingress: tuple[Ingress, ...] = ()
    egress: tuple[Egress, ...] = ()

    @model_validator(mode="after")
    def _rules_have_an_effect(self) -> Policy:
        for kind, rules in (("Ingress", self.ingress), ("Egress", self.egress)):
            if rules and kind not in self.policyTypes:
                raise ValueError(f"it has rules of {kind}, and policyTypes does not name it")
        return self

    def spec(self, address: Callable[[str], str]) -> dict[str, Any]:
        """The policy as it is sent; ``address`` knows a pod's address by its name."""
        sent: dict[str, Any] = self.model_dump(by_alias=True, exclude_unset=True, mode="json")
        return {key: _with_addresses(value, address) for key, value in sent.items()}


def _with_addresses(value: Any, address: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_addresses(one, address) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_addresses(one, address) for one in value]
    if isinstance(value, str):
        return _ADDRESS.sub(lambda found: address(found[1]), value)
    return value


class Entity(Model):
    """One end of what a Calico rule is about; selectors are Calico's expressions."""

    selector: str | None = None
    namespaceSelector: str | None = None  # noqa: N815
    ports: tuple[int | str, ...] = ()


class Rule(Model):
    """One of Calico's rules: the first that fits decides."""

    action: Literal["Allow", "Deny", "Pass"]
    protocol: Protocol | None = None
    source: Entity | None = None
    destination: Entity | None = None


class GlobalPolicy(Model):
    """Calico's GlobalNetworkPolicy; of several the one of the lowest order decides first.

    ``namespaceSelector`` chooses among the stage's own namespaces alone.
    https://docs.tigera.io/calico/3.28/reference/resources/globalnetworkpolicy
    """

    order: int
    selector: str
    namespaceSelector: str = "all()"  # noqa: N815
    types: tuple[Literal["Ingress", "Egress"], ...] = Field(min_length=1)
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()

    def spec(self, within: str) -> dict[str, Any]:
        """The policy as it is sent; ``within``: a selector of the namespaces that it may touch."""
        sent = self.model_dump(exclude_unset=True, mode="json")
        return sent | {"namespaceSelector": f"{within} && ({self.namespaceSelector})"}


class Cell(Model):
    """One connection: from a pod to a port of another."""

    source: str
    target: str
    protocol: Protocol
    port: int

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if (found := _CELL.fullmatch(value)) is None:
            raise ValueError("a cell reads 'home/friend -> home/server TCP 8080'")
        source, target, protocol, port = found.groups()
        return {"source": source, "target": target, "protocol": protocol, "port": int(port)}

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} {self.protocol} {self.port}"


class Pod(Model):
    """A pod of the stage, named NAMESPACE/NAME. Its ports have names, for policies to use.

    ``node``: pods with the same word are on one node, those with another on another where the
    cluster has two.
    """

    labels: Labels
    node: Literal["first", "second"]
    tcp: dict[str, int] = Field(default_factory=dict)
    udp: dict[str, int] = Field(default_factory=dict, max_length=1)

    def listens(self, cell: Cell) -> bool:
        ports = self.tcp if cell.protocol == "TCP" else self.udp
        return cell.port in ports.values()


class Stage(Model):
    """Namespaces by name, with their labels, and pods by NAMESPACE/NAME."""

    namespaces: dict[str, Labels]
    pods: dict[str, Pod]


class Step(Model):
    """What is put on the stage, and the cells that must then be allowed, and denied.

    ``policies``: namespace → name → policy, ``calico``: name → one of Calico's own; they replace
    those of the step before.
    ``labels``: pod or namespace → labels that it gets beside its own.
    """

    policies: dict[str, dict[str, Policy]] = Field(default_factory=dict)
    calico: dict[str, GlobalPolicy] = Field(default_factory=dict)
    labels: dict[str, Labels] = Field(default_factory=dict)
    allowed: tuple[Cell, ...] = ()
    denied: tuple[Cell, ...] = ()

    @property
    def expected(self) -> dict[Cell, bool]:
        """Cell → whether it must be allowed."""
        return dict.fromkeys(self.allowed, True) | dict.fromkeys(self.denied, False)


class Scenario(Step):
    """The judged step; ``before``: the one that is arranged for it, none being no policy.

    ``says``: what is judged, as a statement. ``since``: the Kubernetes minor release that it
    takes, ``1.22``.
    """

    criterion: str
    says: str
    since: str | None = Field(default=None, pattern=r"^1\.\d+$")
    before: Step | None = None

    @property
    def control(self) -> Step:
        """Without a policy every cell is allowed: else a denial would prove nothing."""
        cells = dict.fromkeys((*self.allowed, *self.denied))
        return Step(allowed=tuple(cells))


class ScenarioFile(Model):
    """A file of scenarios, by name."""

    scenarios: dict[str, Scenario]


class Matrix(Model):
    """The stage with all scenarios."""

    stage: Stage
    scenarios: dict[str, Scenario]


@cache
def load(directory: Path = DIRECTORY) -> Matrix:
    """Read the matrix; raises `ConfigError` with file, line and column."""
    stage = Document(directory / STAGE).load(Stage)
    scenarios: dict[str, Scenario] = {}
    for file in sorted(directory.glob("*.yaml")):
        if file.name == STAGE:
            continue
        document = Document(file)
        for name, scenario in document.load(ScenarioFile).scenarios.items():
            if name in scenarios:
                raise document.error(
                    "scenarios", name, says=f"scenario {name} stands in another file, too"
                )
            _check(document, name, scenario, stage)
            scenarios[name] = scenario
    if not scenarios:
        raise ConfigError(f"{directory}: no scenario of the policy matrix is there")
    return Matrix(stage=stage, scenarios=scenarios)


def _check(document: Document, name: str, scenario: Scenario, stage: Stage) -> None:
    """What the types cannot say; raises `ConfigError`."""
    here = ("scenarios", name)
    if not scenario.expected:
        raise document.error(*here, says="a scenario has cells: allowed, denied")
    for at, step in _steps(here, scenario):
        for where, kind, found, known in _names(at, step, stage):
            if found not in known:
                raise document.error(
                    *where, says=f"unknown {kind} {found!r}; {nearest(found, known)}"
                )
        if both := set(step.allowed) & set(step.denied):
            says = f"{', '.join(map(str, both))}: both allowed and denied"
            raise document.error(*at, "denied", says=says)
        for kind in ("allowed", "denied"):
            for i, cell in enumerate(getattr(step, kind)):
                if not stage.pods[cell.target].listens(cell):
                    says = f"{cell.target} does not listen on {cell.protocol} {cell.port}"
                    raise document.error(*at, kind, i, says=says)


Where = tuple[str | int, ...]


def _steps(here: Where, scenario: Scenario) -> Iterator[tuple[Where, Step]]:
    yield here, scenario
    if scenario.before:
        yield (*here, "before"), scenario.before


def _names(at: Where, step: Step, stage: Stage) -> Iterator[tuple[Where, str, str, set[str]]]:
    """Where a name stands, what it names, the name, and those that are known."""
    pods, namespaces = set(stage.pods), set(stage.namespaces)
    for kind in ("allowed", "denied"):
        for i, cell in enumerate(getattr(step, kind)):
            yield (*at, kind, i), "pod", cell.source, pods
            yield (*at, kind, i), "pod", cell.target, pods
    for namespace, policies in step.policies.items():
        yield (*at, "policies", namespace), "namespace", namespace, namespaces
        for name, policy in policies.items():
            for pod in _ADDRESS.findall(policy.model_dump_json(by_alias=True)):
                yield (*at, "policies", namespace, name), "pod", pod, pods
    for labelled in step.labels:
        yield (*at, "labels", labelled), "pod or namespace", labelled, pods | namespaces
