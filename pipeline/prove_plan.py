"""What is tried to prove criteria: which fault, and what is judged while it is injected.

Nothing here touches a lab. The same question has the same plan, so that a proof that was
interrupted goes on where it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from blueprints.model import Blueprint, Criterion

#: After so many trials one looks whether the clean verdicts are back.
BATCH = 8


@dataclass(frozen=True)
class Trial:
    """A fault, and the ids of the criteria that are judged while it is injected.

    ``own``: those that it must flip as the blueprint says. ``within``: others of its blast radius,
    which may change. ``outside``: what must stay as it was. ``apart``: it proves what needs
    the lab alone. ``ruinous``: it may leave something dead behind.
    """

    fault: str
    layer: str
    own: tuple[str, ...]
    within: tuple[str, ...]
    outside: tuple[str, ...]
    apart: bool
    ruinous: bool

    @property
    def judged(self) -> tuple[str, ...]:
        return (*self.own, *self.within, *self.outside)


#: What else is judged with a fault and its own criteria, in the order of preference.
Others = Callable[[str, Sequence[Criterion]], Iterable[Criterion]]


def by_sentinels(
    blueprint: Blueprint, chosen: Iterable[Criterion], able: Collection[str]
) -> list[Trial]:
    """A trial for each fault of the chosen criteria; one sentinel in every other layer watches.

    ``able``: ids of what can be judged on the lab; nothing else is in a trial.
    """

    def sentinels(fault: str, own: Sequence[Criterion]) -> Iterable[Criterion]:
        layers = {criterion.layer for criterion in own}
        for layer, identifier in blueprint.sentinels.items():
            sentinel = blueprint.criterion(identifier)
            if layer not in layers and not blueprint.in_blast(fault, sentinel):
                yield sentinel

    return _trials(blueprint, chosen, able, sentinels, len(blueprint.sentinels))


def by_sample(
    blueprint: Blueprint,
    chosen: Iterable[Criterion],
    able: Collection[str],
    *,
    many: int,
    seed: int,
) -> list[Trial]:
    """A trial for each fault of the chosen criteria, against others that chance picks.

    ``many`` of those outside of its blast radius, and as many of those within it besides its
    own. Each fault has its own chance, by ``seed``: a larger sample holds the smaller one,
    and what is drawn for one fault does not depend on which others are tried.
    """

    def drawn(fault: str, _: Sequence[Criterion]) -> Iterable[Criterion]:
        criteria = list(blueprint.criteria)
        random.Random(f"{seed} {fault}").shuffle(criteria)  # noqa: S311 - no secret
        return criteria

    return _trials(blueprint, chosen, able, drawn, many)


def _trials(
    blueprint: Blueprint,
    chosen: Iterable[Criterion],
    able: Collection[str],
    others: Others,
    many: int,
) -> list[Trial]:
    by_fault: dict[str, list[Criterion]] = {}
    for criterion in chosen:
        if criterion.id in able:
            for fault in blueprint.faults_of(criterion):
                by_fault.setdefault(fault, []).append(criterion)
    trials = []
    for fault, own in by_fault.items():
        watching = [c for c in others(fault, own) if c.id in able and c not in own]
        within = [c.id for c in watching if blueprint.in_blast(fault, c)]
        outside = [c.id for c in watching if not blueprint.in_blast(fault, c)]
        trials.append(
            Trial(
                fault,
                own[0].layer,
                own=tuple(c.id for c in own),
                within=tuple(within[:many]),
                outside=tuple(outside[:many]),
                apart=any(c.alone for c in own),
                # What may take a whole layer away may not give it back.
                ruinous=any(name in blueprint.layers for name in blueprint.faults[fault].blast),
            )
        )
    # What needs the lab alone comes last, layer by layer.
    return sorted(trials, key=lambda t: (t.apart, blueprint.layers.index(t.layer)))


def batches(trials: Iterable[Trial], most: int = BATCH) -> list[list[Trial]]:
    """The trials, in their order, in groups that one look at the clean verdicts follows.

    A group is of one layer, and of trials that all need the lab alone or all do not. One that
    may ruin the lab ends its group.
    """
    found: list[list[Trial]] = []
    for _, alike in groupby(trials, key=lambda t: (t.apart, t.layer)):
        group: list[Trial] = []
        for trial in alike:
            group.append(trial)
            if trial.ruinous or len(group) == most:
                found.append(group)
                group = []
        if group:
            found.append(group)
    return found


def pairs(trials: Iterable[Trial]) -> int:
    """How many pairs of a fault and a criterion are tried."""
    return sum(len(trial.judged) for trial in trials)


def all_pairs(blueprint: Blueprint) -> int:
    """How many pairs of a fault and a criterion there are."""
    return len(blueprint.faults) * len(blueprint.criteria)
