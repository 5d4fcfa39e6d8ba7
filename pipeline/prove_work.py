"""The work of proving: one fault after the other, a look at the clean verdicts after each batch."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from blueprints.evidence import Verdict
from blueprints.model import Blueprint
from lab.errors import LabError
from lab.secrets import redactor
from pipeline.progress import Progress
from pipeline.prove_log import Log
from pipeline.prove_outcomes import Seen, Tried, doubts, not_back
from pipeline.prove_plan import Trial, batches


class Bench(Protocol):
    """Where it is tried: a lab (`prove_lab.ProvingLab`)."""

    def inject(self, fault: str, /) -> None: ...

    def clear(self, fault: str, /) -> None: ...

    def judge(self, name: str, ids: Iterable[str], /) -> dict[str, Seen]:
        """The verdicts of these criteria now; ``name`` says what for."""
        ...

    def renew(self, why: str, /) -> None:
        """Be a lab again on which nothing was tried."""
        ...


class Prover:
    """Tries trials on a lab, and keeps in ``log`` what it sees."""

    def __init__(self, blueprint: Blueprint, lab: Bench, log: Log, progress: Progress) -> None:
        self._blueprint = blueprint
        self._lab = lab
        self._log = log
        self._progress = progress

    def prove(self, trials: Sequence[Trial]) -> None:
        """Judge all on the clean lab, then try each; what leaves a doubt is tried once more."""
        ids = {identifier for trial in trials for identifier in trial.judged}
        self._progress.stage(f"the clean lab: {len(ids)} criteria")
        seen = self._lab.judge("clean", self._ordered(ids))
        doubtful = [i for i, one in seen.items() if one.verdict not in (Verdict.PASS, Verdict.SKIP)]
        if doubtful:
            seen |= self._lab.judge("clean-again", doubtful)
        self._log.saw_clean(seen)
        provable = [trial for trial in trials if self._passing(trial.own)]
        left = len(provable)
        for batch in batches(provable):
            self._progress.stage(f"{left} faults are left")
            left -= len(batch)
            for tried in self._try(batch):
                if not self._doubtful(tried):
                    self._log.saw(tried)
                    continue
                self._progress.stage(f"once more: {tried.trial.fault}")
                (again,) = self._try([tried.trial])
                self._log.saw(replace(again, tries=2))

    def _ordered(self, ids: Collection[str]) -> list[str]:
        return [criterion.id for criterion in self._blueprint.criteria if criterion.id in ids]

    def _passing(self, ids: Iterable[str]) -> list[str]:
        return [i for i in ids if self._log.clean[i].verdict == Verdict.PASS]

    def _doubtful(self, tried: Tried) -> bool:
        own = [self._blueprint.criterion(i) for i in self._passing(tried.trial.own)]
        return doubts(self._blueprint, tried, own, self._log.clean)

    def _try(self, batch: list[Trial]) -> list[Tried]:
        """Try each, then see whether the clean verdicts are back; a new lab where they are not."""
        tried = [self._with_fault(trial) for trial in batch]
        flipped = {
            i for one in tried for i, seen in one.faulty.items() if seen.verdict != Verdict.PASS
        }
        must_be = {i for trial in batch for i in (*trial.own, *trial.outside)}
        watched = self._passing(self._ordered(flipped | must_be))
        cleared = self._lab.judge(f"{batch[-1].own[0]}-cleared", watched)
        changed = [i for i in watched if cleared[i].verdict != Verdict.PASS]
        if changed:
            self._progress.step(f"not back yet: {', '.join(changed)}")
            cleared |= self._lab.judge(f"{batch[-1].own[0]}-cleared-again", changed)
        tried = [
            replace(one, cleared={i: cleared[i] for i in watched if i in one.trial.judged})
            for one in tried
        ]
        ruined = {i: cleared[i] for one in tried for i in not_back(one, self._log.clean)}
        if ruined:
            what = "; ".join(f"{i} {seen}" for i, seen in ruined.items())
            faults = ", ".join(trial.fault for trial in batch)
            self._lab.renew(f"after {faults} the clean verdicts are not back: {what}")
        return tried

    def _with_fault(self, trial: Trial) -> Tried:
        """Judge while the fault is there; it is gone when this returns, whatever happens."""
        judged = self._passing(trial.judged)
        self._progress.stage(f"prove {', '.join(trial.own)}: {trial.fault}")
        began = time.monotonic()
        faulty: dict[str, Seen] = {}
        trouble = None
        try:
            try:
                self._lab.inject(trial.fault)
                faulty = self._lab.judge(f"{trial.own[0]}-faulty", judged)
            finally:
                self._lab.clear(trial.fault)
        except LabError as error:
            trouble = redactor.text(f"the fault does not come and go: {error}")
            self._progress.step(trouble)
        seconds = time.monotonic() - began
        return Tried(trial, faulty, {}, seconds, trouble=trouble)
