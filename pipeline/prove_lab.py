"""The lab on which criteria are proven: faults come and go on it, and verdicts are looked at.

A fault that ruined it is followed by a new lab, in plain sight: the log and the page say why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Self

from blueprints.errors import ConfigError
from blueprints.model import Blueprint, Maturity
from lab import faults, secrets
from lab.errors import LabError
from lab.inventory import Inventory
from lab.session import Lab
from lab.task import Task
from pipeline import stages, story
from pipeline.progress import Progress
from pipeline.prove_log import Log
from pipeline.prove_outcomes import Seen
from pipeline.rundir import RunDirectory
from reports.results import read_results

#: So many criteria are judged by one pytest process: to start more takes longer than to wait.
BY_ONE_PROCESS = 12


class ProvingLab:
    """A lab with everything deployed that ``ids`` stand on, under its lease, as a context.

    Raises `LabError` where that fails, and `ConfigError` on a lab that has faults already.
    """

    def __init__(
        self,
        template: Inventory,
        blueprint: Blueprint,
        ids: Collection[str],
        directory: RunDirectory,
        log: Log,
        progress: Progress,
    ) -> None:
        self._template = template
        self._blueprint = blueprint
        self._ids = frozenset(ids)
        self._directory = directory
        self._log = log
        self._progress = progress
        self._parts = directory.path / "proof"
        self._stack = ExitStack()
        self._inventory = template

    def __enter__(self) -> Self:
        self._log.made_lab("to go on" if self._log.labs else "to begin with")
        try:
            self._make()
        except LabError as error:
            if not story.is_ours_to_make(self._template):
                raise
            self.renew(f"it did not come up: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def inventory(self) -> Inventory:
        """The lab as it is now."""
        return self._inventory

    def renew(self, why: str) -> None:
        """Take the lab away and make a new one; raises `LabError` where it is not ours."""
        why = secrets.redactor.text(why)
        if not story.is_ours_to_make(self._template):
            raise LabError(
                f"lab {self._template.name} is not what it was: {why}",
                advice="take it down and bring it up again: ./iec4 lab down, ./iec4 lab up",
            )
        self._progress.stage(f"a new lab: {why}")
        self._log.made_lab(why)
        self._stack.close()
        self._make()

    def _make(self) -> None:
        with ExitStack() as stack:  # what does not come up whole is taken down again
            self._bring_up(stack)
            self._stack = stack.pop_all()

    def _bring_up(self, stack: ExitStack) -> None:
        made = story.lab_for(self._template, self._directory, self._progress)
        self._inventory = stack.enter_context(made)
        if left := faults.active(self._inventory):
            raise ConfigError(
                f"lab {self._inventory.name} has faults already: {', '.join(left)}; "
                "clear them with ./iec4 lab fault clear"
            )
        secrets.learn(self._inventory)
        lab = stack.enter_context(Lab(self._inventory))
        stack.enter_context(story.leased(lab, self._directory))
        systems = Task(self._inventory, self._blueprint, only=self._ids).systems()
        stages.deploy(self._directory, lab, self._progress, systems=systems)

    def inject(self, fault: str) -> None:
        faults.inject(self._inventory, fault, self._blueprint.faults[fault].value)

    def clear(self, fault: str) -> None:
        faults.clear(self._inventory, fault)

    def judge(self, name: str, ids: Iterable[str]) -> dict[str, Seen]:
        """Judge criteria in a run directory of their own, ``proof/NUMBER-NAME``."""
        criteria = [self._blueprint.criterion(identifier) for identifier in dict.fromkeys(ids)]
        demanding = any(c.mandatory_at == "mature" for c in criteria)
        maturity: Maturity = "mature" if demanding else "incubation"
        taken = {path.name.partition("-")[0] for path in self._parts.glob("*-*")}
        number = next(text for n in count(1) if (text := f"{n:04}") not in taken)
        part = RunDirectory.create(
            self._parts / f"{number}-{name}",
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
        workers = 0 if len(criteria) <= BY_ONE_PROCESS else stages.WORKERS
        for stage in (partial(stages.validate, workers=workers), stages.perf):
            try:
                stage(part, task, self._progress)
            except LabError as error:  # recorded in its run.json: what it left has no verdict
                self._progress.step(secrets.redactor.text(str(error)))
        return {c.id: Seen(c.state, c.reason) for c in read_results(part.path).criteria}
