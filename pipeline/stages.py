"""The stages: deploy, validate, perf, report. They share the run directory and nothing else."""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path

from blueprints.model import Criterion, Runner
from blueprints.words import SYSTEMS
from lab import secrets
from lab.errors import DeployFailed, LabError, ToolMissing
from lab.recipe import Recipe, Step, StepDone, execute, in_order
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task
from lab.wait import wait_for
from pipeline import lab_jobs
from pipeline.children import Child
from pipeline.progress import EventFollower, Progress
from pipeline.rundir import RunDirectory

ROOT = Path(__file__).resolve().parent.parent

#: Bounds for the runners, seconds; a runner that is still there then is ended.
VALIDATE_TIMEOUT_S = 1200
PERF_TIMEOUT_S = 600

#: pytest processes beside each other, where it pays: criteria mostly wait for the lab.
WORKERS = 3
FEW = 3

#: The plugins that validation needs. Others that happen to be installed stay out: loading
#: them costs every worker a second, and one of them shuffles.
PYTEST_PLUGINS = ("allure_pytest.plugin", "xdist.plugin", "pytest_timeout", "no:cacheprovider")


def recipes(lab: Lab, systems: Collection[str]) -> dict[str, Recipe]:
    """The recipes of those ``systems`` that this lab deploys (adopted ones were there before)."""
    found: dict[str, Recipe] = {}
    for name, entry in lab.inventory.systems.items():
        if name in systems and not entry.adopted:
            recipe_of: Callable[[Lab], Recipe] = import_module(f"lab.{name}.recipe").recipe
            found[name] = recipe_of(lab)
    return found


def dry_run(lab: Lab, *, remove: bool) -> list[Step]:
    """The steps that `deploy` would execute, in order."""
    chosen = recipes(lab, SYSTEMS)
    steps = [step for each in chosen.items() for step in _steps(*each, lab, remove=remove)]
    return in_order(steps)


def _steps(system: str, recipe: Recipe, lab: Lab, *, remove: bool) -> list[Step]:
    if remove:
        return recipe.removal(lab)
    return [*recipe.steps(lab), *(lab_jobs.steps(lab) if system == "jenkins" else ())]


def deploy(
    run: RunDirectory,
    lab: Lab,
    progress: Progress,
    *,
    systems: Collection[str] = SYSTEMS,
    remove: bool = False,
) -> None:
    """Deploy (or remove) systems, side by side; a failure blocks that system alone.

    Raises `DeployFailed` at the end when one failed; the others were deployed.
    """
    with run.stage("deploy") as stage:
        chosen = recipes(lab, systems)
        if not chosen:
            stage.state = "skipped"
            return
        progress.stage("remove" if remove else "deploy")
        failures: dict[str, LabError] = {}
        log = run.logs / "deploy.log"
        writing = threading.Lock()

        def tell(system: str, text: str) -> None:
            with writing, log.open("a") as out:
                out.write(redactor.text(f"{time.strftime('%H:%M:%S')} {system}: {text}\n"))

        def work(system: str, recipe: Recipe) -> None:
            def done(what: StepDone) -> None:
                line = f"{what.step.host}: {what.step.title}: {what.outcome}"
                tell(system, f"{line} ({what.duration_s:.2f} s): {what.step.describe()}")
                progress.step(f"{system:<10} {line} ({what.duration_s:.1f} s)")

            try:
                execute(_steps(system, recipe, lab, remove=remove), lab, done=done)
            except LabError as error:
                failures[system] = error
                with suppress(OSError):
                    tell(system, f"FAILED: {error}\n{error.evidence or ''}")
                progress.step(f"{system:<10} FAILED: {redactor.text(str(error))}")
            except OSError as error:  # of this machine: its disk is full, say
                failures[system] = DeployFailed("its deployment broke off", found=str(error))

        workers = [threading.Thread(target=work, args=item, daemon=True) for item in chosen.items()]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():  # an interruption must reach this thread
                worker.join(0.2)
        run.state.blocked = {
            system: redactor.text(str(error)) for system, error in failures.items()
        }
        run.save()
        if failures:
            raise DeployFailed(
                "; ".join(f"{system}: {text}" for system, text in run.state.blocked.items())
            )


def survey(run: RunDirectory, lab: Lab, systems: Collection[str]) -> None:
    """Write into run.json what versions were met: the suite's tools, and what systems tell."""
    tools = ("pytest", "robotframework", "locust", "paramiko", "aiortc", "tarsio")
    found = {f"{tool} (tool)": metadata.version(tool) for tool in tools}
    found["python (tool)"] = platform.python_version()
    found["kernel (tool)"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    there = frozenset(systems) & lab.inventory.systems.keys()
    if "tars" in there:
        from lab.tars.probe import tars_web

        with suppress(LabError), tars_web(lab) as web:
            found["tars (found)"] = ", ".join(sorted(set(web.node_versions().values())))
    if "classroom" in there:
        from lab.classroom.probe import probe

        with suppress(LabError):  # its liveness criterion will say so
            found["openvidu (found)"] = probe(lab)
    if "jenkins" in there:
        from lab.jenkins import probe as jenkins

        with suppress(LabError):
            found["jenkins (found)"] = jenkins.probe(lab)
    run.state.versions |= found
    run.save()


def validate(run: RunDirectory, task: Task, progress: Progress, *, workers: int = WORKERS) -> None:
    """Judge the planned criteria by pytest and Robot, side by side.

    ``workers``: pytest processes for what may be judged beside others; 0 for one that starts
    none, which is the quickest for few criteria.
    """
    criteria = _planned(run, task, "pytest", "robot")
    with run.stage("validate") as stage:
        if not criteria:
            stage.state = "skipped"
            return
        progress.stage("validate", len(criteria))
        if any("jenkins" in criterion.stands_on for criterion in criteria):
            lab_jobs.keep(run, task.inventory)
        by_bluval = [c for c in criteria if c.bluval is not None]

        def chosen(runner: Runner, *, alone: bool) -> list[Criterion]:
            return [
                c for c in criteria if c.runner == runner and c.alone == alone and c.bluval is None
            ]

        def start_beside_each_other() -> Iterator[Child]:
            by_pytest = chosen("pytest", alone=False)
            # A browser takes half a gigabyte: one process judges all that is seen in one.
            if in_browser := [c for c in by_pytest if "browser" in c.capabilities]:
                yield _pytest(run, task, in_browser, name="pytest-browser", workers=0)
            if others := [c for c in by_pytest if "browser" not in c.capabilities]:
                yield _pytest(run, task, others, workers=workers)
            if by_robot := chosen("robot", alone=False):
                yield _robot(run, task, by_robot)

        def start_pytest_alone() -> Iterator[Child]:
            if alone := chosen("pytest", alone=True):
                yield _pytest(run, task, alone, name="pytest-alone", workers=0)

        def start_robot_alone() -> Iterator[Child]:
            if alone := chosen("robot", alone=True):
                yield _robot(run, task, alone, name="robot-alone")

        def start_bluval() -> Iterator[Child]:
            if by_bluval:
                yield _child(run, task, by_bluval, "bluval", ["-m", "iec4_keywords.bluval"])

        steps = (start_beside_each_other, start_pytest_alone, start_robot_alone, start_bluval)
        try:
            # What needs the lab for itself comes after the others, one after the other.
            for start in steps:
                children = [*start()]
                _follow(run, children, progress, VALIDATE_TIMEOUT_S)
                _check_ends(children, stage_ok=(0, 1), log_dir=run.logs)
        finally:
            for written in ("robot", "robot-alone", "bluval"):
                redact_tree(run.path / written)


def perf(run: RunDirectory, task: Task, progress: Progress) -> None:
    """Measure the planned load criteria by Locust."""
    criteria = _planned(run, task, "locust")
    with run.stage("perf") as stage:
        if not criteria:
            stage.state = "skipped"
            return
        progress.stage("perf", len(criteria))
        child = _child(run, task, criteria, "perf", ["-m", "perf.run"])
        _follow(run, [child], progress, PERF_TIMEOUT_S)
        _check_ends([child], stage_ok=(0, 1), log_dir=run.logs)


def collect(run: RunDirectory, lab: Lab, progress: Progress) -> None:
    """Bring the hosts' service logs into the run directory, redacted; none is an obstacle."""
    for name in lab.inventory.hosts:
        try:
            host = lab.host(name)
            listing = host.run(["sh", "-c", "cd .iec4/services && ls -d */log */*.log"]).text
            for found in listing.split():
                remote = f".iec4/services/{found}"
                service = found.removesuffix("log").rstrip("./").replace("/", "-")
                local = run.logs / "hosts" / name / f"{service}.log"
                local.parent.mkdir(parents=True, exist_ok=True)
                host.get(remote, local)
                local.write_bytes(redactor.data(local.read_bytes()))
        except (LabError, OSError) as error:
            progress.step(f"logs of {name} could not be collected: {error}")


def search(run: RunDirectory) -> None:
    """Search every file for secrets; raises `LabError`, and fails the run, where one is found."""
    from reports.scan import scan

    with run.stage("scan"):
        if leaks := scan(run.path, redactor.found_in):
            raise LabError("; ".join(leaks), advice="delete this run, and renew that secret")


def report(run: RunDirectory, progress: Progress, *, html: bool = True) -> list[str]:
    """Write every report from what lies in the run directory; return what went wrong.

    First every file in it is searched for secrets: one that is found fails the run.
    """
    from lab.nodejs import node_binary, npm_tree
    from reports.write import write_reports

    progress.stage("report")
    tools: tuple[Path, Path] | None = None
    problems = []
    try:
        search(run)
    except LabError as error:
        problems.append(str(error))
    if html:
        try:
            tools = (node_binary(), npm_tree(ROOT / "reports" / "allure"))
        except ToolMissing as error:
            problems.append(str(error))
    problems += write_reports(run.path, tools=tools)
    for problem in problems:
        progress.step(redactor.text(problem))
    return problems


def redact_tree(directory: Path) -> None:
    """Redact files that a runner wrote by itself (Robot's output), in place."""
    for path in directory.rglob("*") if directory.exists() else ():
        if path.is_file():
            data = path.read_bytes()
            clean = redactor.data(data)
            if clean != data:
                path.write_bytes(clean)


def _planned(run: RunDirectory, task: Task, *runners: str) -> list[Criterion]:
    ids = {planned["id"] for planned in run.state.planned}
    return [
        c for c in task.blueprint.criteria if c.id in ids and c.runner in runners and task.wants(c)
    ]


def _child(
    run: RunDirectory, task: Task, criteria: Sequence[Criterion], name: str, argv: list[str]
) -> Child:
    """Start a runner; it learns from the environment what to judge, and where."""
    chosen = replace(task, run=run.path, only=frozenset(c.id for c in criteria))
    secrets.learn(task.inventory)
    return Child(
        name,
        [sys.executable, *argv],
        log=run.logs / f"{name}.log",
        env={
            **os.environ,
            **chosen.environment(),
            "PYTHONUNBUFFERED": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        cwd=ROOT,
    )


def _pytest(
    run: RunDirectory,
    task: Task,
    criteria: list[Criterion],
    *,
    name: str = "pytest",
    workers: int = WORKERS,
) -> Child:
    folders = sorted({f"validation/{c.layer}" for c in criteria})
    argv = ["-m", "pytest", *folders, "-q", "--tb=short", f"--alluredir={run.allure_results}"]
    for plugin in PYTEST_PLUGINS:
        argv += ["-p", plugin]
    if workers and len(criteria) > FEW:
        argv += ["-n", str(workers), "--dist=worksteal"]
    return _child(run, task, criteria, name, argv)


def _robot(
    run: RunDirectory, task: Task, criteria: list[Criterion], *, name: str = "robot"
) -> Child:
    folders = sorted({f"robot/{c.layer}" for c in criteria})
    argv = ["-m", "robot", "--outputdir", str(run.path / name), "--console", "quiet"]
    argv += ["--listener", f"iec4_keywords.allure_results.AllureResults:{run.allure_results}"]
    argv += ["--debugfile", "debug.log", "--name", "IEC4"]
    if task.shuffle is not None:
        argv += ["--randomize", f"all:{task.shuffle}"]
    for criterion in criteria:
        argv += ["--include", criterion.id]
    return _child(run, task, criteria, name, [*argv, *folders])


def _follow(run: RunDirectory, children: list[Child], progress: Progress, timeout: float) -> None:
    """Show events until every child has ended; end them all on time-out or interruption."""
    follower = EventFollower(run.events, progress)

    def over() -> bool:
        follower.poll()
        return not any(child.running for child in children)

    try:
        wait_for("the end of the runners", over, timeout=timeout, interval=0.1)
        for child in children:
            child.wait(10)
    finally:
        for child in children:
            child.end()
        follower.poll()


def _check_ends(children: list[Child], *, stage_ok: tuple[int, ...], log_dir: Path) -> None:
    """A runner that broke, rather than found something, fails the stage.

    pytest ends with 0 or 1, Robot with the number of failed tests (up to 250).
    """
    for child in children:
        status = child.status
        broke = status is None or status not in stage_ok
        if child.name.startswith("robot"):
            broke = status is None or status < 0 or status > 250
        if broke:
            log = log_dir / f"{child.name}.log"
            tail = (
                log.read_text(errors="replace").strip().splitlines()[-15:] if log.exists() else []
            )
            raise LabError(
                f"{child.name} broke with status {status}",
                found=tail[-1] if tail else "no output",
                advice=f"see {log}",
                evidence=json.dumps(tail),
            )
