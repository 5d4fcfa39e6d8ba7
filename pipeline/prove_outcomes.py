"""What was seen, and what it shows: proofs, and flips that no blast radius declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from blueprints.evidence import Verdict
from blueprints.model import Blueprint, Criterion
from pipeline.prove_plan import Trial

STATES = ("proven", "unproven", "skipped")


class Seen(NamedTuple):
    """A criterion's verdict (its word, or NONE) and the reason for it."""

    verdict: str
    reason: str

    def __str__(self) -> str:
        return " ".join(filter(None, self))


_NOT_JUDGED = Seen("NONE", "not judged")


@dataclass(frozen=True)
class Tried:
    """What was seen of a trial: while its fault was there, and after it had been cleared.

    ``trouble``: why the fault could not be injected or cleared. ``tries``: how often it was
    tried; only the last one counts. ``seconds``: how long the fault was there.
    """

    trial: Trial
    faulty: Mapping[str, Seen]
    cleared: Mapping[str, Seen]
    seconds: float
    tries: int = 1
    trouble: str | None = None


@dataclass(frozen=True)
class Flip:
    """A criterion that a fault changed and by its blast radius may not change."""

    fault: str
    criterion: str
    verdict: str
    says: str


@dataclass(frozen=True)
class Proof:
    """What came of proving one criterion; ``state`` is one of `STATES`."""

    id: str
    fault: str | None
    state: str
    says: str


@dataclass(frozen=True)
class Summary:
    """What ``--json`` has: every proof, ids by state, and the undeclared flips."""

    criteria: tuple[Proof, ...]
    undeclared_flips: tuple[Flip, ...]

    def ids(self, state: str) -> list[str]:
        return [proof.id for proof in self.criteria if proof.state == state]

    @property
    def exit_code(self) -> int:
        """1: something is unproven or flips undeclared; 4: nothing was proven; 0."""
        if self.undeclared_flips or self.ids("unproven"):
            return 1
        return 0 if self.ids("proven") else 4

    def document(self) -> dict[str, Any]:
        return {
            "criteria": [asdict(proof) for proof in self.criteria],
            **{state: self.ids(state) for state in STATES},
            "undeclared_flips": [asdict(flip) for flip in self.undeclared_flips],
        }


def summary(
    blueprint: Blueprint,
    chosen: Iterable[Criterion],
    clean: Mapping[str, Seen],
    tried: Mapping[str, Tried],
) -> Summary:
    """What is shown of the chosen criteria. ``tried``: by fault."""
    return Summary(
        tuple(_proof(blueprint, criterion, clean, tried) for criterion in chosen),
        tuple(flip for one in tried.values() for flip in flips(one, clean)),
    )


def flips(tried: Tried, clean: Mapping[str, Seen]) -> list[Flip]:
    """What changed outside of the blast radius, while the fault was there or since."""
    found = []
    for identifier in tried.trial.outside:
        for when, seen in (("", tried.faulty), ("cleared: ", tried.cleared)):
            now = seen.get(identifier)
            if now is not None and now.verdict != clean[identifier].verdict:
                says = f"{when}{now.reason}"
                found.append(Flip(tried.trial.fault, identifier, now.verdict, says))
                break
    return found


def not_back(tried: Tried, clean: Mapping[str, Seen]) -> list[str]:
    """The ids whose clean verdict was not back once the fault had been cleared."""
    return [i for i, seen in tried.cleared.items() if seen.verdict != clean[i].verdict]


def doubts(
    blueprint: Blueprint, tried: Tried, criteria: Iterable[Criterion], clean: Mapping[str, Seen]
) -> bool:
    """Whether the trial must be repeated: it proves not all that it should, or flips more.

    ``criteria``: those that the trial is to prove.
    """
    unproven = any(_missing(blueprint, criterion, tried) for criterion in criteria)
    return bool(unproven or flips(tried, clean) or not_back(tried, clean))


def _proof(
    blueprint: Blueprint,
    criterion: Criterion,
    clean: Mapping[str, Seen],
    tried: Mapping[str, Tried],
) -> Proof:
    """Of the trials of all its faults; what its own one made of it is what a proof says."""
    before = clean.get(criterion.id, _NOT_JUDGED)
    mine = [tried[fault] for fault in blueprint.faults_of(criterion) if fault in tried]
    if before.verdict == Verdict.SKIP:
        state, says = "skipped", f"unprovable here: {before.reason}"
    elif problem := _problem(blueprint, criterion, before, clean, tried):
        state, says = "unproven", problem
    else:
        state, says = "proven", mine[0].faulty[criterion.id].reason
    tries = max((one.tries for one in mine), default=1)
    again = f" (tried {tries} times)" if tries > 1 else ""
    return Proof(criterion.id, criterion.fault, state, f"{says}{again}")


def _problem(
    blueprint: Blueprint,
    criterion: Criterion,
    before: Seen,
    clean: Mapping[str, Seen],
    tried: Mapping[str, Tried],
) -> str | None:
    """Why a criterion is not proven; None when it is."""
    if criterion.fault is None:
        return "it names no fault"
    if before.verdict != Verdict.PASS and before is not _NOT_JUDGED:
        return f"clean lab: {before}"
    for fault in blueprint.faults_of(criterion):
        further = "" if fault == criterion.fault else f"{fault}: "
        if fault not in tried:
            return f"{further}not tried"
        if missing := _missing(blueprint, criterion, tried[fault]):
            return f"{further}{missing}"
        for flip in flips(tried[fault], clean):
            return f"{further}{flip.criterion} changed to {flip.verdict}: {flip.says}"
    return None


def _missing(blueprint: Blueprint, criterion: Criterion, tried: Tried) -> str | None:
    """What the trial lacks to prove the criterion; None when it does."""
    if tried.trouble:
        return tried.trouble
    faulty = tried.faulty.get(criterion.id, _NOT_JUDGED)
    cleared = tried.cleared.get(criterion.id, _NOT_JUDGED)
    verdict, says = blueprint.expected(tried.trial.fault, criterion)
    if faulty.verdict != verdict:
        return f"with the fault: {faulty}; expected {verdict}"
    if not re.search(says, faulty.reason):
        return f"with the fault: {faulty.reason!r} does not say /{says}/"
    if cleared.verdict != Verdict.PASS:
        return f"cleared: {cleared}; expected PASS"
    return None
