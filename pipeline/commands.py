"""What each command does, below its arguments; each returns an exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.words import SYSTEMS
from lab import inventory as inventories
from lab import secrets
from lab.inventory import Inventory
from lab.session import Lab
from lab.task import running_lab
from pipeline import stages, story
from pipeline.progress import Progress
from pipeline.rundir import RunDirectory
from reports.results import read_results

RESULTS = Path("results")
#: Seconds that a stage which was told to end may take; its report is asked for meanwhile.
ENDING_S = 20


def asked() -> dict[str, Any]:
    """What stands in run.json about the call: its words, and who called (Jenkins' build)."""
    return {"command": sys.argv[1:], "build": os.environ.get("BUILD_URL")}


def run(request: story.Request, *, resume: Path | None, quiet: bool, as_json: bool) -> int:
    progress = Progress.for_terminal(quiet=quiet)
    try:
        if resume is not None:
            directory, code = story.resume(resume, request, progress)
        else:
            directory, code = story.run(request, progress)
    finally:
        progress.close()
    show(directory.path, as_json=as_json)
    return code


def show(directory: Path, *, as_json: bool) -> None:
    """Print the results of a run: the verdict table, or one JSON document."""
    from reports.as_json import as_json as document
    from reports.table import print_table

    results = read_results(directory)
    if as_json:
        print(document(results))
    else:
        print_table(results)


def not_met_in(run_path: Path | None) -> tuple[str, ...]:
    """Ids of a run's criteria that were neither met nor skipped; raises when there are none."""
    if run_path is None:
        return ()
    RunDirectory.open(run_path)
    criteria = read_results(run_path).criteria
    ids = tuple(c.id for c in criteria if c.state not in ("PASS", "SKIP"))
    if not ids:
        raise ConfigError(f"{run_path}: every criterion was met or skipped; nothing to repeat")
    return ids


def stage(name: str, *, lab: str | None, run: Path | None, quiet: bool, **options: Any) -> int:
    """One stage by itself, in a run directory that it makes when it is the first."""
    # "embedded" and "deep" name templates; a stage works on the lab that `lab up` made of it.
    lab = running_lab(lab)
    inventory = inventories.load(lab)
    secrets.learn(inventory)
    progress = Progress.for_terminal(quiet=quiet)
    if options.pop("dry_run", False):
        return _print_steps(inventory, remove=options["remove"])
    remove = options.pop("remove", False)
    request = story.Request(
        lab=lab,
        only=options.get("only", ()),
        layers=options.get("layers", ()),
        blueprint=options.get("blueprint", model.DEFAULT),
        maturity=options.get("maturity", "incubation"),
        disruptive=options.get("disruptive", False),
        run=run,
        asked=asked(),
    )
    blueprint = model.load(request.blueprint)
    directory = _open_or_make(name, request, inventory)
    task = request.task(inventory, blueprint, directory)
    try:
        with (
            directory.held(),
            Lab(inventory, overflow=directory.logs / "overflow") as opened,
            story.leased(opened, directory),
        ):
            if name == "deploy":
                systems = SYSTEMS if remove else task.systems()
                stages.deploy(directory, opened, progress, systems=systems, remove=remove)
            elif name == "validate":
                stages.survey(directory, opened, task.systems())
                stages.validate(directory, task, progress)
            else:
                stages.perf(directory, task, progress)
    except KeyboardInterrupt:
        directory.state.interrupted = True
        directory.save()
        return 130
    finally:
        progress.close()
    print(f"run directory: {directory.path}")
    # A stage's exit code says whether the stage ran; `report` judges the verdicts.
    return 0


def _open_or_make(stage: str, request: story.Request, inventory: Inventory) -> RunDirectory:
    """The run directory; a new one plans what this stage and those after it judge."""
    if request.run is not None and (request.run / "run.json").exists():
        directory = RunDirectory.open(request.run)
        if directory.state.lab != inventory.name:
            raise ConfigError(
                f"{request.run} is a run on lab {directory.state.lab}, not {inventory.name}; "
                "give another --run"
            )
        return directory
    blueprint = model.load(request.blueprint)
    planned = request.select(blueprint)
    if stage == "perf":
        planned = [criterion for criterion in planned if criterion.runner == "locust"]
    return story.new_run(request, blueprint, inventory, planned)


def _print_steps(inventory: Inventory, *, remove: bool) -> int:
    with Lab(inventory) as lab:
        for number, step in enumerate(stages.dry_run(lab, remove=remove), 1):
            print(f"{number:3} {step.host}: {step.title}: {step.describe()}")
    return 0


def report(run_path: Path | None, *, quiet: bool, as_json: bool) -> int:
    directory = RunDirectory.open((run_path or RESULTS / "latest").resolve())
    with directory.held(patience_s=ENDING_S):
        directory.sweep()
        return _report(directory, quiet=quiet, as_json=as_json)


def _report(directory: RunDirectory, *, quiet: bool, as_json: bool) -> int:
    if directory.state.inventory is not None and Path(directory.state.inventory).exists():
        secrets.learn(inventories.load(directory.state.inventory))
    progress = Progress.for_terminal(quiet=quiet or as_json)
    code = story.finish(directory, progress, html=True)
    progress.close()
    show(directory.path, as_json=as_json)
    return code


def explain(identifier: str, blueprint: str) -> int:
    """Print a criterion's fields, one a line."""
    loaded = model.load(blueprint)
    criterion = loaded.criterion(identifier)
    print(f"{criterion.id}  {criterion.title}")
    rows = {
        "requirement": criterion.requirement,
        "layer": criterion.layer,
        "mandatory at": criterion.mandatory_at,
        "judged by": f"{criterion.runner}, in {_place(criterion)}",
        "needs roles": ", ".join(criterion.roles) or "none",
        "needs capabilities": ", ".join(criterion.capabilities) or "none",
        "stands on": ", ".join(criterion.stands_on) or "nothing",
        "impact": criterion.impact,
    }
    for metric, limits in criterion.thresholds.items():
        rows[f"threshold {metric}"] = ", ".join(f"{p}: {limit}" for p, limit in limits.items())
    if criterion.fault:
        rows["proven by"] = f"fault {criterion.fault}: must FAIL with /{criterion.fails_with}/"
        rows["blast radius"] = ", ".join(loaded.faults[criterion.fault].blast)
        for fault in loaded.faults_of(criterion)[1:]:
            verdict, says = loaded.expected(fault, criterion)
            rows[f"with {fault}"] = f"must be {verdict} with /{says}/"
    for name, value in rows.items():
        print(f"  {name + ':':<22} {value}")
    return 0


def _place(criterion: model.Criterion) -> str:
    room = {"pytest": "validation", "robot": "robot", "locust": "perf"}[criterion.runner]
    return room if criterion.runner == "locust" else f"{room}/{criterion.layer}"
