"""Blueprints and labs of a few lines, on which proving is tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blueprints.model import Blueprint, BlueprintFile, Criterion, FaultEntry
from pipeline.prove_outcomes import Seen

LAYERS = ("os", "k8s", "paas")
_PREFIXES = {"os": "OS", "k8s": "K8S", "paas": "PAAS"}


def blueprint(
    criteria: Iterable[tuple[str, str | None]],
    faults: Mapping[str, Iterable[str]],
    *,
    alone: Iterable[str] = (),
    breaks: Mapping[str, Mapping[str, str]] | None = None,
) -> Blueprint:
    """``criteria``: ids, each with its fault; ``faults``: each with its blast radius.

    ``breaks``: by fault, as `FaultEntry` has it.
    """
    layer_of = {prefix: layer for layer, prefix in _PREFIXES.items()}
    made = tuple(
        Criterion(
            id=identifier,
            layer=layer_of[identifier.partition("-")[0]],
            title=identifier,
            requirement=identifier,
            runner="pytest",
            fault=fault,
            fails_with="broken",
            alone=identifier in alone,
        )
        for identifier, fault in criteria
    )
    first: dict[str, str] = {}
    for criterion in made:
        first.setdefault(criterion.layer, criterion.id)
    content = BlueprintFile(
        blueprint="small",
        title="Small",
        layers=LAYERS,
        pins={},
        bom={},
        sentinels=first,
        faults={
            name: FaultEntry(blast=tuple(blast), breaks=dict((breaks or {}).get(name, {})))
            for name, blast in faults.items()
        },
        criteria=made,
    )
    return Blueprint(Path("small.yaml"), content)


@dataclass
class Bench:
    """A lab as a table. ``flips``: by fault, what fails with it; ``ruins``: what stays so.

    ``breaks``: by fault, what cannot be judged with it.

    ``flaky``: fails the first time that it is judged with a fault, whichever that is.
    """

    flips: Mapping[str, Iterable[str]]
    ruins: Mapping[str, Iterable[str]] = field(default_factory=dict)
    skips: frozenset[str] = frozenset()
    flaky: set[str] = field(default_factory=set)
    injected: set[str] = field(default_factory=set)
    ruined: set[str] = field(default_factory=set)
    renewals: list[str] = field(default_factory=list)
    judged: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    breaks: Mapping[str, Iterable[str]] = field(default_factory=dict)

    def inject(self, fault: str) -> None:
        assert not self.injected, "one fault at a time"
        self.injected.add(fault)
        self.ruined |= set(self.ruins.get(fault, ()))

    def clear(self, fault: str) -> None:
        self.injected.discard(fault)

    def renew(self, why: str) -> None:
        self.renewals.append(why)
        self.ruined.clear()

    def judge(self, name: str, ids: Iterable[str]) -> dict[str, Seen]:
        ids = tuple(ids)
        self.judged.append((name, ids))
        return {identifier: self._verdict(identifier) for identifier in ids}

    def _verdict(self, identifier: str) -> Seen:
        broken = {i for fault in self.injected for i in self.flips.get(fault, ())} | self.ruined
        if self.injected and identifier in self.flaky:
            self.flaky.discard(identifier)
            return Seen("ERROR", "by chance")
        if identifier in self.skips:
            return Seen("SKIP", "not here")
        if any(identifier in self.breaks.get(fault, ()) for fault in self.injected):
            return Seen("ERROR", "blocked by what is broken")
        return Seen("FAIL", "it is broken") if identifier in broken else Seen("PASS", "")
