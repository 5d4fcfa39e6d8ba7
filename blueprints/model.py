"""A blueprint as data: its layers, pins, bill of materials, profiles, faults and criteria."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.errors import ConfigError, nearest
from blueprints.words import CAPABILITIES, LAYERS, PROFILES, ROLES, SYSTEMS, UNITS

DIRECTORY = Path(__file__).parent
DEFAULT = "iec-type4"

Maturity = Literal["incubation", "mature"]
Runner = Literal["pytest", "robot", "locust"]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_LIMIT = re.compile(r"^(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*(\S+)?$")


class Limit(Model):
    """One side of a threshold: ``<= 5000 us``."""

    comparison: str
    value: float
    unit: str

    def met_by(self, value: float) -> bool:
        return _COMPARE[self.comparison](value, self.value)

    def __str__(self) -> str:
        return f"{self.comparison} {self.value:.10g} {self.unit}"

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read ``<= 5000 us``; raises ValueError that says what is missing."""
        match = _LIMIT.match(str(text).strip())
        if match is None:
            raise ValueError(f"{text!r} is no threshold; it reads like '<= 5000 us'")
        comparison, value, unit = match.groups()
        if unit is None:
            raise ValueError(f"the threshold {text!r} has no unit; known: {', '.join(UNITS)}")
        if unit not in UNITS:
            raise ValueError(f"unknown unit {unit!r}; {nearest(unit, UNITS)}")
        return cls(comparison=comparison, value=float(value), unit=unit)


class Pin(Model):
    """A version that the blueprint pins, and each profile's declared deviation from it."""

    version: str
    licence: str
    deviations: dict[str, str] = Field(default_factory=dict)

    def on(self, profile: str) -> str:
        """The version that labs of a profile are to have: a deviation may begin with one."""
        instead = re.match(r"\d+(\.\d+)+", self.deviations.get(profile, ""))
        return instead.group() if instead else self.version


class Node(Model):
    """A machine of the bill of materials. ``on``: the machine whose virtual machine it is."""

    roles: tuple[str, ...]
    on: str | None = None
    cpus: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    disk_gib: int = Field(gt=0)


class FaultEntry(Model):
    """What a fault does, beside failing the criteria that name it as theirs.

    ``value``: the text that it is injected with, where it can do several things. ``blast``: ids or
    layers whose criteria it may flip, its own among them. ``fails``: further
    criteria that it must FAIL. ``breaks``: what it breaks the lab for, so that these criteria
    cannot be judged and must end as ERROR, never as FAIL. Both: id → what the reason must say (a
    regular expression).
    """

    blast: tuple[str, ...]
    value: str = ""
    fails: dict[str, str] = Field(default_factory=dict)
    breaks: dict[str, str] = Field(default_factory=dict)


class Expectation(NamedTuple):
    """What a fault must do to a criterion: the verdict's word, and what the reason must say."""

    verdict: Literal["FAIL", "ERROR"]
    says: str


class BluvalTest(Model):
    """A test as a ``bluval-<blueprint>.yaml`` names it: the Robot suites in ``<layer>/<what>``.

    ``skip``: upstream leaves it out. ``show_stopper``: nothing after it runs when it fails.
    """

    what: str
    skip: bool = False
    show_stopper: bool = False


class Criterion(Model):
    """One sentence that a lab must fulfil, and one distinct reason to fail."""

    id: str
    layer: str
    title: str
    requirement: str
    runner: Runner
    mandatory_at: Maturity | Literal["never"] = "incubation"
    roles: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    #: The calls of a system's own API that it judges, as that system's documentation names them.
    apis: tuple[str, ...] = ()
    #: Systems that must be up before this can be judged (the preflight).
    stands_on: tuple[str, ...] = ()
    #: The system whose life this criterion judges: it has no preflight of that system.
    liveness_of: str | None = None
    #: A system that must be in the lab, and is not asked first: how one meets it is judged.
    meets: str | None = None
    impact: Literal["none", "service", "host"] = "none"
    #: Judged while nothing else is.
    alone: bool = False
    #: metric → profile → limit
    thresholds: dict[str, dict[str, str]] = Field(default_factory=dict)
    fault: str | None = None
    #: What the failure's reason must say when the fault is injected (a regular expression).
    fails_with: str = ".+"
    #: A test of BluVal's, run as upstream keeps it (see ``criteria import``).
    bluval: BluvalTest | None = None

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems that it judges or stands on."""
        named = (*self.stands_on, self.liveness_of, self.meets)
        return tuple(system for system in named if system is not None)

    def limit(self, metric: str, profile: str) -> Limit | None:
        text = self.thresholds.get(metric, {}).get(profile)
        return None if text is None else Limit.parse(text)

    def mandatory(self, maturity: Maturity) -> bool:
        """Whether it must be met at ``maturity``: what incubation asks, mature asks too."""
        return self.mandatory_at in ("incubation", maturity)


class BlueprintFile(Model):
    """The file as it stands; `Blueprint` is what the suite works with."""

    blueprint: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    layers: tuple[str, ...]
    pins: dict[str, Pin]
    bom: dict[str, Node]
    sentinels: dict[str, str]
    faults: dict[str, FaultEntry]
    criteria: tuple[Criterion, ...]
    #: Layers that only this blueprint has → the prefix of their criteria's ids.
    own_layers: dict[str, str] = Field(default_factory=dict)
    #: Where the Robot suites of its BluVal tests lie, ``<layer>/<what>`` below it.
    suites: Path | None = None


class Blueprint:
    """A validated blueprint. Criteria keep the file's order."""

    def __init__(self, file: Path, content: BlueprintFile) -> None:
        self.file = file
        self.name = content.blueprint
        self.title = content.title
        self.layers = content.layers
        self.pins = content.pins
        self.bom = content.bom
        self.sentinels = content.sentinels
        self.faults = content.faults
        self.criteria = content.criteria
        self.suites = content.suites

    @cached_property
    def by_id(self) -> dict[str, Criterion]:
        return {criterion.id: criterion for criterion in self.criteria}

    def criterion(self, identifier: str) -> Criterion:
        """The criterion of that id; raises `ConfigError` with the nearest ids."""
        found = self.by_id.get(identifier.upper())
        if found is None:
            raise ConfigError(
                f"unknown criterion {identifier!r}; {nearest(identifier, self.by_id)}"
            )
        return found

    def select(self, only: Iterable[str] = (), layers: Iterable[str] = ()) -> list[Criterion]:
        """Criteria by id and by layer; all when neither is given. Raises `ConfigError`."""
        ids = {self.criterion(identifier).id for identifier in only}
        wanted = set(layers)
        for layer in wanted - set(self.layers):
            raise ConfigError(f"unknown layer {layer!r}; {nearest(layer, self.layers)}")
        chosen = [
            c
            for c in self.criteria
            if (not ids or c.id in ids) and (not wanted or c.layer in wanted)
        ]
        if not chosen:
            raise ConfigError(
                f"no criterion is both one of {', '.join(sorted(ids))} and in layer "
                f"{', '.join(sorted(wanted))}"
                if ids
                else f"layer {', '.join(sorted(wanted))} has no criteria yet"
            )
        return chosen

    def machine(self, roles: Iterable[str]) -> Node:
        """The bill of materials' machine for a host with these roles; raises `ConfigError`."""
        wanted = set(roles)
        for node in self.bom.values():
            if wanted & set(node.roles):
                return node
        raise ConfigError(f"the bill of materials has no machine for {', '.join(sorted(wanted))}")

    def liveness_criterion(self, system: str) -> Criterion | None:
        """The one criterion that judges whether ``system`` lives."""
        return next((c for c in self.criteria if c.liveness_of == system), None)

    def faults_of(self, criterion: Criterion) -> list[str]:
        """The faults that show what a criterion's verdict means, its own first."""
        further = [
            name
            for name, fault in self.faults.items()
            if criterion.id in (*fault.fails, *fault.breaks) and name != criterion.fault
        ]
        return further if criterion.fault is None else [criterion.fault, *further]

    def expected(self, fault: str, criterion: Criterion) -> Expectation:
        """What one of `faults_of` a criterion must do to it."""
        if fault == criterion.fault:
            return Expectation("FAIL", criterion.fails_with)
        entry = self.faults[fault]
        if criterion.id in entry.fails:
            return Expectation("FAIL", entry.fails[criterion.id])
        return Expectation("ERROR", entry.breaks[criterion.id])

    def in_blast(self, fault: str, criterion: Criterion) -> bool:
        """Whether ``fault`` may flip ``criterion``."""
        blast = self.faults[fault].blast
        return criterion.id in blast or criterion.layer in blast


def load(name_or_path: str = DEFAULT) -> Blueprint:
    """Load a blueprint by name (one that the suite ships) or path.

    Raises `ConfigError` with file, line and column for anything that does not fit.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        shipped = {file.stem: file for file in DIRECTORY.glob("*.yaml")}
        if name_or_path not in shipped:
            raise ConfigError(
                f"unknown blueprint {name_or_path!r}; {nearest(name_or_path, shipped)}"
            )
        path = shipped[name_or_path]
    document = Document(path)
    content = document.load(BlueprintFile)
    _Check(document, content).all()
    return Blueprint(path.absolute(), content)


class _Check:
    """What the model's types cannot say: names that must be known, ids that must be unique."""

    def __init__(self, document: Document, content: BlueprintFile) -> None:
        self._document = document
        self._content = content
        self._prefixes = {layer: prefix for layer, (prefix, _) in LAYERS.items()}
        self._prefixes |= content.own_layers

    def all(self) -> None:
        content = self._content
        ids = {criterion.id for criterion in content.criteria}
        seen: set[str] = set()
        for i, criterion in enumerate(content.criteria):
            if criterion.id in seen:
                raise self._document.error(
                    "criteria", i, "id", says=f"criterion {criterion.id} stands here a second time"
                )
            seen.add(criterion.id)
            self._criterion(i, criterion)
        for i, layer in enumerate(content.layers):
            self._known("layer", layer, self._prefixes, "layers", i)
        for name, node in content.bom.items():
            for i, role in enumerate(node.roles):
                self._known("role", role, ROLES, "bom", name, "roles", i)
            if node.on is not None:
                self._known("machine", node.on, content.bom, "bom", name, "on")
        for name, pin in content.pins.items():
            for profile in pin.deviations:
                self._known("profile", profile, PROFILES, "pins", name, "deviations", profile)
        for layer, sentinel in content.sentinels.items():
            self._known("layer", layer, content.layers, "sentinels", layer)
            self._known("criterion", sentinel, ids, "sentinels", layer)
        for name, fault in content.faults.items():
            self._fault(name, fault, ids)

    def _fault(self, name: str, fault: FaultEntry, ids: set[str]) -> None:
        known = ids | set(self._content.layers)
        for i, target in enumerate(fault.blast):
            self._known("criterion or layer", target, known, "faults", name, "blast", i)
        for key in ("fails", "breaks"):
            for identifier, pattern in getattr(fault, key).items():
                at = ("faults", name, key, identifier)
                self._known("criterion", identifier, ids, *at)
                try:
                    re.compile(pattern)
                except re.error as error:
                    says = f"no regular expression: {error}"
                    raise self._document.error(*at, says=says) from None

    def _criterion(self, i: int, criterion: Criterion) -> None:
        at = ("criteria", i)
        content = self._content
        self._known("layer", criterion.layer, content.layers, *at, "layer")
        prefix = self._prefixes[criterion.layer]
        if not re.fullmatch(rf"{prefix}-\d\d\d?", criterion.id):
            raise self._document.error(
                *at,
                "id",
                says=f"{criterion.id!r} is no id of layer {criterion.layer}; expected {prefix}-NN",
            )
        for j, role in enumerate(criterion.roles):
            self._known("role", role, ROLES, *at, "roles", j)
        for j, capability in enumerate(criterion.capabilities):
            self._known("capability", capability, CAPABILITIES, *at, "capabilities", j)
        for j, system in enumerate(criterion.stands_on):
            self._known("system", system, SYSTEMS, *at, "stands_on", j)
        for key in ("liveness_of", "meets"):
            if (system := getattr(criterion, key)) is not None:
                self._known("system", system, SYSTEMS, *at, key)
        if criterion.fault is not None:
            self._known("fault", criterion.fault, content.faults, *at, "fault")
        for metric, profiles in criterion.thresholds.items():
            for profile, text in profiles.items():
                where = (*at, "thresholds", metric, profile)
                self._known("profile", profile, PROFILES, *where)
                try:
                    Limit.parse(text)
                except ValueError as error:
                    raise self._document.error(*where, says=str(error)) from None

    def _known(self, kind: str, found: str, known: Iterable[str], *path: str | int) -> None:
        known = set(known)
        if found not in known:
            raise self._document.error(
                *path, says=f"unknown {kind} {found!r}; {nearest(found, known)}"
            )
