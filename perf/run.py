"""``python -m perf.run``: judge the load criteria of a task, one after the other.

The task comes from the environment, as for pytest and Robot; options stand above it. Results
go to ``RUN/allure-results``, each process's output to ``RUN/logs``. Ends with 0 when all
passed or were skipped, 1 when not, 2 when the task cannot be understood, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blueprints import allure_writer
from blueprints.errors import ConfigError
from blueprints.evidence import (
    CriterionFailed,
    Evidence,
    Outcome,
    Recorder,
    Verdict,
    WindowSpoilt,
)
from blueprints.model import Criterion
from lab import secrets, task
from lab.errors import LabError
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task
from perf.load import Engine, LoadPlan, LoadResult
from perf.scenario import Scenario
from perf.scenarios import SCENARIOS
from perf.use_cases import NotKnown

#: A window that the generator spoilt is measured again, so many times in all.
WINDOWS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m perf.run", description=__doc__)
    parser.add_argument("--run", metavar="DIR", help=f"the run directory ({task.RUN})")
    parser.add_argument("--lab", metavar="INVENTORY", help=f"the lab ({task.LAB})")
    parser.add_argument("--blueprint", metavar="FILE", help=f"the blueprint ({task.BLUEPRINT})")
    parser.add_argument("--only", metavar="IDS", help=f"criteria, by comma ({task.ONLY})")
    options = parser.parse_args(arguments)
    asked = {
        task.RUN: options.run,
        task.LAB: options.lab,
        task.BLUEPRINT: options.blueprint,
        task.ONLY: options.only,
    }
    try:
        found = Task.from_environment(os.environ | {k: v for k, v in asked.items() if v})
        criteria = found.ordered(planned(found))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        outcomes = judge_all(found, criteria)
    except KeyboardInterrupt:
        return 130  # what was judged until then lies in the run directory
    for outcome in outcomes:
        sys.stdout.write(redactor.text(_line(outcome)))
    good = (Verdict.PASS, Verdict.SKIP)
    return 0 if all(outcome.verdict in good for outcome in outcomes) else 1


def planned(asked: Task) -> list[Criterion]:
    """The load criteria that ``asked`` wants; raises `ConfigError` where there are none."""
    if asked.run is not None and not (asked.run / "run.json").exists():
        raise ConfigError(
            f"{asked.run} is no run directory: it has no run.json; ./iec4 perf --run DIR makes one"
        )
    chosen = asked.blueprint.select(only=asked.only)
    criteria = [criterion for criterion in chosen if criterion.runner == "locust"]
    if not criteria:
        raise ConfigError(
            f"none of {', '.join(c.id for c in chosen)} is judged by Locust; "
            f"known: {', '.join(SCENARIOS)}"
        )
    for criterion in criteria:
        if criterion.id not in SCENARIOS:
            raise ConfigError(
                f"{criterion.id} is to be judged by Locust, but no load is known for it; "
                f"known: {', '.join(SCENARIOS)} (perf/scenarios.py)"
            )
    return criteria


def judge_all(asked: Task, criteria: Sequence[Criterion]) -> list[Outcome]:
    """Judge each criterion, and write its result file where there is a run directory."""
    secrets.learn(asked.inventory)
    recorder = asked.recorder()
    windows = Windows()
    give_back = _write_results(asked, recorder)
    try:
        with Lab(asked.inventory) as lab:
            return [_settle(asked, lab, recorder, criterion, windows) for criterion in criteria]
    finally:
        give_back()


def judge(
    evidence: Evidence,
    scenario: Scenario,
    engine: Engine,
    progress: Callable[[LoadResult], None] = lambda _: None,
) -> None:
    """Put the load on, measure, and compare with the profile's limits.

    Raises `CriterionFailed`; `WindowSpoilt` when no window was valid; `LabError` when there
    was no load.
    """
    result = _measured(evidence, scenario.plans[evidence.profile], engine, progress)
    if result.began == 0:
        raise WindowSpoilt("no user began anything within the window")
    measurements = [
        evidence.measure(
            figure.name,
            figure.value,
            figure.unit,
            samples=figure.samples,
            window_valid=result.window_valid,
        )
        for figure in scenario.figures(result)
    ]
    _draw(evidence, result)
    with evidence.judge(scenario.statement):
        if result.spoilt_by:
            raise WindowSpoilt(f"in {WINDOWS} windows, at last: {'; '.join(result.spoilt_by)}")
        try:
            evidence.check(*measurements)
        except AssertionError as missed:
            reasons = ", ".join(f"{why} ({n} times)" for why, n in result.failures.items())
            raise AssertionError(f"{missed}{'; failures: ' if reasons else ''}{reasons}") from None


def _measured(
    evidence: Evidence, plan: LoadPlan, engine: Engine, progress: Callable[[LoadResult], None]
) -> LoadResult:
    """The first valid window of `WINDOWS`, else the last; each is kept as evidence."""
    for attempt in range(1, WINDOWS + 1):
        result = engine.run(plan)
        evidence.attach(f"load-{attempt}.json", result.to_json())
        progress(result)
        if result.window_valid:
            break
    return result


def _draw(evidence: Evidence, result: LoadResult) -> None:
    """Pictures of the window that is judged."""
    from perf import plots  # a second's import, and for this alone

    evidence.attach("distribution.png", plots.distribution([result], "png"))
    if len(result.series) > 1:
        evidence.attach("seconds.png", plots.series(result, "png"))


class Windows:
    """Windows that serve several criteria: each is measured once, unless it was spoilt."""

    def __init__(self) -> None:
        self._valid: dict[tuple[str, LoadPlan], LoadResult] = {}

    def engine(self, scenario: Scenario, engine: Engine) -> Engine:
        """The scenario's engine, which remembers if the scenario is shared."""
        return _Shared(scenario.locustfile, engine, self._valid) if scenario.shared else engine


@dataclass(frozen=True)
class _Shared:
    locustfile: str
    engine: Engine
    valid: dict[tuple[str, LoadPlan], LoadResult]

    def run(self, plan: LoadPlan) -> LoadResult:
        key = (self.locustfile, plan)
        if key in self.valid:
            return self.valid[key]
        result = self.engine.run(plan)
        if result.window_valid:
            self.valid[key] = result
        return result


def _settle(
    asked: Task, lab: Lab, recorder: Recorder, criterion: Criterion, windows: Windows
) -> Outcome:
    """One criterion from its preflight to its result file."""
    evidence = recorder.start(criterion)
    started = time.time()
    status, message = "passed", ""
    try:
        if reason := asked.skip_reason(criterion):
            status, message = "skipped", reason
        else:
            asked.preflight(criterion, lab)
            scenario = SCENARIOS[criterion.id]
            made = scenario.engine(asked.environment(), _log_keeper(asked, criterion))
            engine = windows.engine(scenario, made)

            def progress(result: LoadResult) -> None:
                recorder.event(kind="step", criterion=criterion.id, text=result.summary())

            judge(evidence, scenario, engine, progress)
    except CriterionFailed as failure:
        status, message = "failed", str(failure)
    except NotKnown as unknown:
        status, message = "skipped", str(unknown)
    except (LabError, ConfigError, WindowSpoilt) as error:
        status, message = "failed", str(error)
        if text := getattr(error, "evidence", None):
            evidence.attach("evidence.txt", text)
    outcome = recorder.end(evidence, status=status, message=message)
    if asked.run is not None:
        allure_writer.report_bare(criterion, "locust", started)
    return outcome


def _write_results(asked: Task, recorder: Recorder) -> Callable[[], None]:
    """Have results written into the run directory; returns what ends that."""
    if asked.run is None:
        return lambda: None
    _, give_back = allure_writer.take_over(
        asked.run / "allure-results",
        recorder,
        blueprint=asked.blueprint.name,
        redact=redactor.data,
    )
    return give_back


def _log_keeper(asked: Task, criterion: Criterion) -> Callable[[str], None] | None:
    if asked.run is None:
        return None
    log = asked.run / "logs" / f"locust-{criterion.id}.log"

    def keep(text: str) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as out:
            out.write(redactor.text(text))

    return keep


def _line(outcome: Outcome) -> str:
    criterion = outcome.evidence.criterion
    figures = [
        f"{m.name} {m.value:.10g} {m.unit}" + (f" (must be {m.threshold})" if m.threshold else "")
        for m in outcome.evidence.measurements
    ]
    text = "; ".join(filter(None, [outcome.reason, ", ".join(figures)]))
    return f"{outcome.verdict} {criterion.id} {criterion.title}: {text}\n"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    sys.exit(main())
