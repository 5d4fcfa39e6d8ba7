"""``prove``: show that criteria can fail, and that nothing else fails with them.

For each criterion: clean → PASS, its fault injected → FAIL with the expected reason,
cleared → PASS; meanwhile one sentinel in every other layer stays as it was. What SKIPs
counts as skipped, not as proven.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from blueprints import model
from blueprints.model import Blueprint, Criterion, Maturity
from lab import faults, secrets
from lab import inventory as inventories
from lab.errors import LabError
from lab.inventory import Inventory
from lab.session import Lab
from lab.task import Task
from pipeline import stages, story
from pipeline.progress import Progress
from pipeline.rundir import RunDirectory
from reports.results import read_results


@dataclass(frozen=True)
class Proof:
    """What came of proving one criterion; ``state`` is proven, unproven or skipped."""

    id: str
    fault: str | None
    state: str
    says: str


@dataclass(frozen=True)
class _Seen:
    verdict: str
    reason: str


def prove(
    *,
    blueprint: str,
    lab: str,
    only: tuple[str, ...],
    layers: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> int:
    """Prove criteria on a lab of their own; exit code 0 when all were proven."""
    loaded = model.load(blueprint)
    template = inventories.load(lab)
    story.lifecycle_of(template)
    chosen = loaded.select(only, layers)
    for criterion in chosen:
        if criterion.fault is not None:
            faults.find(criterion.fault)  # one that a lab can inject
    progress = Progress.for_terminal(quiet=quiet or as_json)
    try:
        proofs = _on_a_lab(template, loaded, chosen, progress)
    except KeyboardInterrupt:
        return 130
    finally:
        progress.close()
    if as_json:
        print(json.dumps([asdict(proof) for proof in proofs], indent=2))
    else:
        for proof in proofs:
            print(f"{proof.state:<9} {proof.id:<8} {proof.fault or '-':<28} {proof.says}")
        counts = {state: sum(p.state == state for p in proofs) for state in _STATES}
        print(", ".join(f"{count} {state}" for state, count in counts.items()))
    if any(proof.state == "unproven" for proof in proofs):
        return 1
    return 0 if any(proof.state == "proven" for proof in proofs) else 4


_STATES = ("proven", "unproven", "skipped")


def _on_a_lab(
    template: Inventory, blueprint: Blueprint, chosen: list[Criterion], progress: Progress
) -> list[Proof]:
    wanted = [*chosen, *(blueprint.criterion(i) for i in blueprint.sentinels.values())]
    request = story.Request(
        lab=template.name, blueprint=str(blueprint.file), only=tuple(c.id for c in wanted)
    )
    directory = story.new_run(request, blueprint, template, request.select(blueprint))
    with story.lab_for(template, directory, progress) as inventory:
        secrets.learn(inventory)
        systems = Task(inventory, blueprint, only=frozenset(c.id for c in wanted)).systems()
        with Lab(inventory) as lab:
            stages.deploy(directory, lab, progress, systems=systems)
        prover = _Prover(blueprint, inventory, directory, progress)
        before = prover.judge("clean", request.select(blueprint))
        return [prover.prove(criterion, before) for criterion in chosen]


class _Prover:
    def __init__(
        self,
        blueprint: Blueprint,
        inventory: Inventory,
        directory: RunDirectory,
        progress: Progress,
    ) -> None:
        self._blueprint = blueprint
        self._inventory = inventory
        self._directory = directory
        self._progress = progress

    def judge(self, name: str, criteria: list[Criterion]) -> dict[str, _Seen]:
        """Judge criteria in a run directory of their own, below the proof's."""
        demanding = any(c.mandatory_at == "mature" for c in criteria)
        maturity: Maturity = "mature" if demanding else "incubation"
        part = RunDirectory.create(
            self._directory.path / "proof" / name,
            blueprint=self._blueprint,
            lab=self._inventory.name,
            profile=self._inventory.profile,
            maturity=maturity,
            planned=criteria,
            asked={"proof": name},
        )
        task = Task(
            self._inventory,
            self._blueprint,
            run=part.path,
            only=frozenset(c.id for c in criteria),
            disruptive=True,
            maturity=maturity,
        )
        for stage in (stages.validate, stages.perf):
            try:
                stage(part, task, self._progress)
            except LabError as error:
                self._progress.step(str(error))
        return {c.id: _Seen(c.state, c.reason) for c in read_results(part.path).criteria}

    def prove(self, criterion: Criterion, clean: dict[str, _Seen]) -> Proof:
        fault = criterion.fault
        before = clean[criterion.id]
        if before.verdict == "SKIP":
            return Proof(criterion.id, fault, "skipped", f"unprovable here: {before.reason}")
        if fault is None:
            return Proof(criterion.id, None, "unproven", "it names no fault")
        if before.verdict != "PASS":
            says = f"clean lab: {before.verdict} {before.reason}"
            return Proof(criterion.id, fault, "unproven", says)
        sentinels = [
            self._blueprint.criterion(identifier)
            for layer, identifier in self._blueprint.sentinels.items()
            if layer != criterion.layer and not _in_blast(self._blueprint, fault, identifier)
        ]
        judged = [criterion, *sentinels]
        self._progress.stage(f"prove {criterion.id}: {fault}")
        faults.inject(self._inventory, fault)
        try:
            faulty = self.judge(f"{criterion.id}-faulty", judged)
        finally:
            faults.clear(self._inventory, fault)
        cleared = self.judge(f"{criterion.id}-cleared", judged)
        problem = (
            _as_expected(criterion, faulty[criterion.id], cleared[criterion.id])
            or _changed(sentinels, clean, faulty)
            or _changed(sentinels, clean, cleared)
        )
        if problem:
            return Proof(criterion.id, fault, "unproven", problem)
        return Proof(criterion.id, fault, "proven", faulty[criterion.id].reason)


def _in_blast(blueprint: Blueprint, fault: str, identifier: str) -> bool:
    return blueprint.in_blast(fault, blueprint.criterion(identifier))


def _as_expected(criterion: Criterion, faulty: _Seen, cleared: _Seen) -> str | None:
    if faulty.verdict != "FAIL":
        return f"with the fault: {faulty.verdict} {faulty.reason}; expected FAIL"
    if not re.search(criterion.fails_with, faulty.reason):
        return f"with the fault: {faulty.reason!r} does not say /{criterion.fails_with}/"
    if cleared.verdict != "PASS":
        return f"cleared: {cleared.verdict} {cleared.reason}; expected PASS"
    return None


def _changed(
    sentinels: list[Criterion], clean: dict[str, _Seen], now: dict[str, _Seen]
) -> str | None:
    for sentinel in sentinels:
        if now[sentinel.id].verdict != clean[sentinel.id].verdict:
            seen = now[sentinel.id]
            return f"sentinel {sentinel.id} changed to {seen.verdict}: {seen.reason}"
    return None
