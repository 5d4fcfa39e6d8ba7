"""The main job, from bare hosts to a verdict: the whole story in one screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from blueprints import model, sets
from blueprints.errors import ConfigError
from blueprints.model import Blueprint, Criterion, Maturity
from lab import inventory as inventories
from lab import secrets
from lab.errors import LabError, LeaseHeld
from lab.inventory import Inventory
from lab.session import Lab
from lab.task import Task
from pipeline import stages
from pipeline.progress import Progress
from pipeline.rundir import RunDirectory
from reports.exit_codes import exit_code
from reports.results import read_results

#: A lab of ours that nobody takes down ends by itself, seconds.
LAB_TTL_S = 12 * 3600

#: kind of lab → the module that makes one
_LIFECYCLES = {"embedded": "lab.loopback.lifecycle", "deep": "lab.deep.lifecycle"}


@dataclass(frozen=True)
class Request:
    """What a person asked ``run`` for."""

    lab: str = "embedded"
    blueprint: str = model.DEFAULT
    only: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    maturity: Maturity = "incubation"
    disruptive: bool = False
    run: Path | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    #: The name of a set of criteria (`blueprints.sets`).
    chosen_set: str = sets.FULL
    #: The seed of the order in which to judge.
    shuffle: int | None = None

    def select(self, blueprint: Blueprint) -> list[Criterion]:
        """The criteria that all of its options choose; raises `ConfigError` when none is left."""
        chosen = blueprint.select(self.only, self.layers)
        of_set = sets.find(blueprint, self.chosen_set)
        if kept := [criterion for criterion in chosen if of_set.has(criterion)]:
            return kept
        raise ConfigError(
            f"set {self.chosen_set} has none of {', '.join(c.id for c in chosen[:5])}; "
            "leave out --set, or choose others"
        )

    def task(self, inventory: Inventory, blueprint: Blueprint, directory: RunDirectory) -> Task:
        """What runners are asked to judge on a lab, in a run directory."""
        return Task(
            inventory,
            blueprint,
            run=directory.path,
            only=frozenset(c.id for c in self.select(blueprint)),
            disruptive=self.disruptive,
            maturity=self.maturity,
            shuffle=self.shuffle,
        )


def run(request: Request, progress: Progress) -> tuple[RunDirectory, int]:
    """Lab up, deploy, validate, perf, report, lab down. Returns the run and its exit code."""
    blueprint = model.load(request.blueprint)
    template = inventories.load(request.lab)
    if is_ours_to_make(template):
        lifecycle_of(template)
    else:
        template.require_complete()
    planned = request.select(blueprint)
    directory = new_run(request, blueprint, template, planned)
    with directory.held():
        return _work(directory, template, blueprint, request, progress)


def _work(
    directory: RunDirectory,
    template: Inventory,
    blueprint: Blueprint,
    request: Request,
    progress: Progress,
) -> tuple[RunDirectory, int]:
    try:
        with lab_for(template, directory, progress) as inventory:
            judge(directory, inventory, blueprint, request, progress)
    except KeyboardInterrupt:
        directory.state.interrupted = True
    except LabError as error:  # recorded as a failed stage
        progress.step(f"the lab cannot be used: {secrets.redactor.text(str(error))}")
    return directory, finish(directory, progress, html=not directory.state.interrupted)


def judge(
    directory: RunDirectory,
    inventory: Inventory,
    blueprint: Blueprint,
    request: Request,
    progress: Progress,
) -> None:
    """Deploy, validate and measure on a lab that is there, under its lease."""
    secrets.learn(inventory)
    task = request.task(inventory, blueprint, directory)
    with (
        Lab(inventory, overflow=directory.logs / "overflow") as lab,
        leased(lab, directory),
    ):
        try:
            works: tuple[Callable[[], None], ...] = (
                lambda: stages.deploy(directory, lab, progress, systems=task.systems()),
                lambda: stages.survey(directory, lab, task.systems()),
                lambda: stages.validate(directory, task, progress),
                lambda: stages.perf(directory, task, progress),
            )
            for work in works:
                try:
                    work()
                except LabError as error:  # recorded in run.json; later stages still tell more
                    progress.step(secrets.redactor.text(str(error)))
        finally:
            if inventory.state is not None:
                stages.collect(directory, lab, progress)


@contextmanager
def leased(lab: Lab, directory: RunDirectory) -> Iterator[None]:
    """Hold the lab's lease in this run's name; a lease that was lost on the way is an error."""
    from lab.lease import lease

    holder = f"run {directory.state.id} by process {os.getpid()}"
    with ExitStack() as stack:
        with directory.stage("lease"):
            run, beside = str(directory.path), directory.path.parent
            held = stack.enter_context(lease(lab, holder=holder, run=run, beside=beside))
        yield
        if held.lost is not None:
            with directory.stage("lease"):
                raise LeaseHeld("the lab's lease was lost during the run", found=held.lost)


def resume(path: Path, request: Request, progress: Progress) -> tuple[RunDirectory, int]:
    """Go on with an interrupted run: judge what could not be judged, on a lab of its kind.

    One that was killed while it wrote its reports has only these to write.
    """
    directory = RunDirectory.open(path)
    with directory.held():
        directory.sweep()
        return _go_on(directory, request, progress)


def _go_on(
    directory: RunDirectory, request: Request, progress: Progress
) -> tuple[RunDirectory, int]:
    path = directory.path
    unjudged = [c for c in read_results(path).criteria if c.state in ("NONE", "ERROR")]
    if not unjudged and directory.state.reported is None:
        return directory, finish(directory, progress, html=True)
    if not unjudged:
        raise ConfigError(f"{path}: every planned criterion was judged; nothing to resume")
    for source in (source for criterion in unjudged for source in criterion.sources):
        (directory.allure_results / source).unlink(missing_ok=True)
    directory.state.interrupted, directory.state.ended = False, None
    blueprint = model.load(directory.state.asked.get("blueprint") or directory.state.blueprint)
    request = replace(
        request,
        lab=directory.state.lab,
        only=tuple(c.id for c in unjudged),
        maturity=directory.state.maturity,
    )
    return _work(directory, inventories.load(request.lab), blueprint, request, progress)


def finish(directory: RunDirectory, progress: Progress, *, html: bool) -> int:
    """Write the reports, whatever happened before; the exit code comes last."""
    from pipeline.rundir import now
    from reports import latest

    directory.state.ended, directory.state.reported = now(), None
    directory.save()
    stages.report(directory, progress, html=html)
    directory.state.reported = now()
    directory.save()
    try:
        latest.point(directory.path)
        latest.prune(directory.path.parent, keep=latest.KEEP)
    except OSError as error:  # the run itself is whole
        progress.step(f"{directory.path.parent} was not tidied up: {error}")
    return exit_code(read_results(directory.path))


def new_run(
    request: Request, blueprint: Blueprint, inventory: Inventory, planned: list[Criterion]
) -> RunDirectory:
    return RunDirectory.create(
        request.run,
        blueprint=blueprint,
        lab=inventory.name,
        profile=inventory.profile,
        maturity=request.maturity,
        planned=planned,
        asked={**request.asked, "blueprint": _name_or_file(blueprint)},
        inventory=None if is_ours_to_make(inventory) else inventory.file,
    )


def _name_or_file(blueprint: Blueprint) -> str:
    """How whoever reads the run finds its blueprint again."""
    shipped = blueprint.file.parent == model.DIRECTORY
    return blueprint.name if shipped else str(blueprint.file)


def is_ours_to_make(template: Inventory) -> bool:
    """Whether the suite makes this lab: an embedded or a deep one, unless it is up already."""
    return template.kind in _LIFECYCLES and template.state is None


def lifecycle_of(template: Inventory) -> ModuleType:
    """The module that makes labs of this kind (``up``, ``status``, ``down``), which may need root.

    Raises `ConfigError` when this machine cannot have one.
    """
    if template.kind not in _LIFECYCLES:
        raise ConfigError(f"lab {template.name} is a real one: the suite neither makes nor ends it")
    lifecycle = import_module(_LIFECYCLES[template.kind])
    if lack := lifecycle.missing():
        raise ConfigError(lack)
    return lifecycle


@contextmanager
def lab_for(
    template: Inventory, directory: RunDirectory, progress: Progress
) -> Iterator[Inventory]:
    """The lab to work on: a real one as it is; one of ours made for us, and removed."""
    if not is_ours_to_make(template):
        yield template
        return
    lifecycle = lifecycle_of(template)
    state = directory.path / "lab"
    progress.stage("lab up")
    with directory.stage("lab"):
        lifecycle.down(state)  # of a run that was killed and goes on now: its lab may be dying yet
        inventory = lifecycle.up(template, state, owner_pid=os.getpid(), ttl_s=LAB_TTL_S)
    try:
        yield inventory
    finally:
        progress.stage("lab down")
        lifecycle.down(state)
        shutil.rmtree(state, ignore_errors=True)
