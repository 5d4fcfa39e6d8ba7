"""The gate: may this blueprint be released at that maturity, on the evidence of these runs?

Everything that Akraino asks becomes a line of one page: what is asked, whether it is met,
and where the evidence lies. A requirement for which there is no evidence is not met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from blueprints.model import Blueprint, Criterion, Maturity
from blueprints.release_rules import RELEASE, ReleaseRules
from blueprints.security import SecurityRules
from reports.exit_codes import ExitCode
from reports.results import CriterionResult, RunResults
from submission.exceptions import Exceptions, Granted
from submission.ledger import COMPLETE, Ledger, Refused
from submission.scans.outputs import DIRECTORY, Output, judges, read_outputs

#: The profile of labs that are not of the suite's own making.
REAL_PROFILE = "lab"


class State(StrEnum):
    """What came of a line. BLOCKS and UNJUDGED stand in the way of a release."""

    MET = "met"
    EXCEPTED = "excepted"
    NOTED = "noted"
    BLOCKS = "blocks"
    UNJUDGED = "not judged"


@dataclass(frozen=True)
class Line:
    """One requirement. ``lab`` is empty for what is about all labs.

    ``evidence`` are files; ``says`` is what was found, one sentence.
    """

    state: State
    subject: str
    requirement: str
    says: str
    lab: str = ""
    evidence: tuple[Path, ...] = ()

    @property
    def blocks(self) -> bool:
        return self.state in (State.BLOCKS, State.UNJUDGED)


@dataclass(frozen=True)
class Gate:
    """The page: whether the release may be made, and every line of it."""

    blueprint: str
    maturity: Maturity
    release: date
    runs: tuple[RunResults, ...]
    lines: tuple[Line, ...]

    @property
    def open(self) -> bool:
        return not any(line.blocks for line in self.lines)

    @property
    def exit_code(self) -> ExitCode:
        """3 when something could not be judged, 1 when something else blocks, 0."""
        if any(line.state is State.UNJUDGED for line in self.lines):
            return ExitCode.NOT_JUDGED
        return ExitCode.OK if self.open else ExitCode.MANDATORY_FAILED


@dataclass(frozen=True)
class Rules:
    """All that is asked, from whichever file."""

    release: ReleaseRules
    security: SecurityRules
    exceptions: Exceptions


def evaluate(
    blueprint: Blueprint,
    runs: Sequence[RunResults],
    maturity: Maturity,
    rules: Rules,
    release: date,
) -> Gate:
    """Judge a release on the day ``release``. Raises `ConfigError` for runs of another
    blueprint, or the same run twice."""
    _check_runs(blueprint, runs)
    runs = sorted(runs, key=lambda run: str(run.started))
    labs = {run.lab: [other for other in runs if other.lab == run.lab] for run in runs}
    lines = [*_labs(labs, rules.release), *_releases(maturity, rules), *_soundness(runs)]
    for lab, of_lab in labs.items():
        lines += _criteria(blueprint, lab, of_lab, maturity)
        lines += _mandatory_tests(blueprint, lab, of_lab, maturity, rules)
        lines += _pins(blueprint, lab, of_lab)
        lines.append(_pushed(lab, of_lab))
    lines = _with_exceptions(lines, maturity, rules, release)
    return Gate(blueprint.name, maturity, release, tuple(runs), tuple(lines))


def _check_runs(blueprint: Blueprint, runs: Sequence[RunResults]) -> None:
    seen: set[str] = set()
    for run in runs:
        if run.blueprint != blueprint.name:
            raise ConfigError(
                f"run {run.id} is of blueprint {run.blueprint}, not of {blueprint.name}; "
                "one gate judges one blueprint"
            )
        if run.id in seen:
            raise ConfigError(f"run {run.id} is given twice; two labs need two runs")
        seen.add(run.id)


def _labs(labs: dict[str, list[RunResults]], rules: ReleaseRules) -> Iterator[Line]:
    real = [lab for lab, runs in labs.items() if all(r.profile == REAL_PROFILE for r in runs)]
    others = [lab for lab in labs if lab not in real]
    says = f"deployed in {len(real)}: {', '.join(real)}" if real else "deployed in none"
    if others:
        says += f"; made by the suite itself, they do not count: {', '.join(others)}"
    yield Line(
        State.MET if len(real) >= rules.labs else State.BLOCKS,
        "labs",
        f"The blueprint is deployed in at least {rules.labs} community labs, "
        "or in one and the Linux Foundation's.",
        says,
        evidence=tuple(run.directory / "run.json" for runs in labs.values() for run in runs),
    )


def _releases(maturity: Maturity, rules: Rules) -> Iterator[Line]:
    if maturity == "mature":
        made, wanted = rules.exceptions.releases, rules.release.incubation_releases
        yield Line(
            State.MET if len(made) >= wanted else State.BLOCKS,
            "incubation releases",
            f"A mature blueprint had at least {wanted} releases in incubation.",
            f"had {len(made)}{': ' if made else ''}{', '.join(made)}",
            evidence=(RELEASE,),
        )


def _soundness(runs: Iterable[RunResults]) -> Iterator[Line]:
    """A run that broke off or lost evidence shows nothing for certain."""
    for run in runs:
        problems = list(run.damage)
        problems += [
            f"stage {stage.name} {stage.state}: {stage.message or 'no message'}"
            for stage in run.stages
            if stage.state in ("failed", "interrupted", "running") and stage.name != "report"
        ]
        if run.interrupted or run.ended is None:
            problems.append("the run did not come to its end")
        yield Line(
            State.UNJUDGED if problems else State.MET,
            f"run {run.id}",
            "The run came to its end, and all of its evidence is there.",
            "; ".join(problems) or f"ended {run.ended:%Y-%m-%d %H:%M:%S} UTC",
            run.lab,
            (run.directory / "run.json",),
        )


def _criteria(
    blueprint: Blueprint, lab: str, runs: Sequence[RunResults], maturity: Maturity
) -> Iterator[Line]:
    """Every mandatory criterion of the blueprint, by the lab's newest run that planned it."""
    for criterion in blueprint.criteria:
        if criterion.mandatory(maturity):
            yield _criterion(criterion, lab, runs)


def _criterion(criterion: Criterion, lab: str, runs: Sequence[RunResults]) -> Line:
    line = Line(State.BLOCKS, criterion.id, criterion.requirement, "", lab)
    for run in reversed(runs):
        for found in run.criteria:
            if found.id == criterion.id:
                return _verdict(line, found, run)
    return replace(line, says="no run of this lab judged it")


def _verdict(line: Line, found: CriterionResult, run: RunResults) -> Line:
    if found.verdict in (None, Verdict.ERROR):
        state = State.UNJUDGED
    else:
        state = State.MET if found.verdict is Verdict.PASS else State.BLOCKS
    says = f"{found.state}: {found.reason}" if found.reason else found.state
    if found.verdict is Verdict.SKIP:
        says += " (what is mandatory and skipped is not met)"
    sources = [run.directory / "allure-results" / name for name in found.sources]
    evidence = tuple(sources or [run.directory / "run.json"])
    return replace(line, state=state, says=says, evidence=evidence)


def _mandatory_tests(
    blueprint: Blueprint, lab: str, runs: Sequence[RunResults], maturity: Maturity, rules: Rules
) -> Iterator[Line]:
    """BluVal's mandatory tests on every layer that is deployed, by their newest outputs."""
    known = judges(rules.release, rules.security, maturity)
    for layer, tests in rules.release.mandatory_tests.items():
        for test in tests if layer in blueprint.layers else ():
            subject = f"{layer}/{test}"
            outputs: tuple[Output, ...] = ()
            for run in reversed(runs):
                outputs = outputs or read_outputs(run.directory, subject, *known[subject])
            requirement = f"BluVal's mandatory test {test} passes on layer {layer}."
            if not outputs:
                yield Line(
                    State.BLOCKS,
                    subject,
                    requirement,
                    f"no run of this lab has its output in {DIRECTORY}/{subject}/",
                    lab,
                    tuple(run.directory / "run.json" for run in runs),
                )
            for output in outputs:
                yield from _output(output, requirement, lab)


def _output(output: Output, requirement: str, lab: str) -> Iterator[Line]:
    line = Line(State.MET, output.test, requirement, "", lab, (output.file,))
    name = output.file.name
    if output.problem:
        yield replace(line, state=State.UNJUDGED, says=f"{name}: {output.problem}")
        return
    held = sum(not check.failure for check in output.checks)
    yield replace(line, says=f"{name}: {held} of {len(output.checks)} checks hold")
    for check in output.checks:
        if check.failure:
            yield replace(
                line,
                state=State.EXCEPTED if check.excepted else State.BLOCKS,
                subject=f"{output.test} {check.name}",
                says=f"{name}: {check.failure}"
                + (f" ({check.excepted})" if check.excepted else ""),
            )


def _pushed(lab: str, runs: Sequence[RunResults]) -> Line:
    """Whether the newest run lies on Nexus. It does not block: the gate opens before that."""
    newest = runs[-1]
    evidence = newest.directory / "run.json"
    try:
        ledger = Ledger.of(newest.directory)
        sent = [entry.url for entry in ledger.entries if entry.state == COMPLETE]
        says = f"as {sent[-1]}" if sent else f"not yet: ./iec4 submit {newest.directory.name}"
        evidence = ledger.file if sent else evidence
    except Refused as damaged:
        sent, says = [], str(damaged)
    return Line(
        State.MET if sent else State.NOTED,
        "logs pushed",
        "The newest logs of every lab are pushed to Nexus.",
        says,
        lab,
        (evidence,),
    )


def _pins(blueprint: Blueprint, lab: str, runs: Sequence[RunResults]) -> Iterator[Line]:
    """What was met equals what the blueprint pins, or the lab's profile says what stands there."""
    newest = runs[-1]
    for name, pin in blueprint.pins.items():
        found = next(
            (
                run.versions[key]
                for run in reversed(runs)
                if (key := f"{name} (found)") in run.versions
            ),
            None,
        )
        line = Line(
            State.MET,
            f"pin {name}",
            f"Upstream {name} is tested in the version that the blueprint pins, {pin.version}.",
            f"found {found}",
            lab,
            (newest.directory / "run.json", blueprint.file),
        )
        declared = pin.deviations.get(newest.profile)
        if declared is not None:
            says = f"declared deviation: {declared}" + (f"; found {found}" if found else "")
            yield replace(line, state=State.NOTED, says=says)
        elif found is None:
            yield replace(
                line,
                state=State.BLOCKS,
                says="not found on this lab: nothing there told its version",
            )
        elif _plain(found) != _plain(pin.version):
            yield replace(
                line, state=State.BLOCKS, says=f"found {found}, and no deviation is declared"
            )
        else:
            yield line


def _plain(version: str) -> str:
    return version.strip().removeprefix("v")


def _with_exceptions(
    lines: Sequence[Line], maturity: Maturity, rules: Rules, release: date
) -> list[Line]:
    """Let exceptions that hold cover what blocks; those that do not hold block themselves.

    What could not be judged is covered by none: an exception is from a requirement, not
    from finding out.
    """
    notice = rules.release.exception_notice_days
    in_force = [g for g in rules.exceptions.granted if maturity in g.entry.maturity]
    invalid = {g.entry.id: g.invalid(release, notice) for g in in_force}
    used: set[str] = set()
    judged = []
    for line in lines:
        covering = [g for g in in_force if g.covers(line.subject, line.lab, maturity)]
        if line.state is not State.BLOCKS:
            covering = []
        used |= {g.entry.id for g in covering}
        valid = next((g for g in covering if not invalid[g.entry.id]), None)
        judged.append(line if valid is None else _excepted(line, valid))
    return judged + [
        _exception_line(granted, invalid[granted.entry.id], granted.entry.id in used)
        for granted in in_force
    ]


def _excepted(line: Line, granted: Granted) -> Line:
    entry = granted.entry
    says = (
        f"{line.says}; {entry.id} excepts it until {entry.expires}: {entry.reason} "
        f"({entry.mitigation}; {entry.owner})"
    )
    return replace(line, state=State.EXCEPTED, says=says)


def _exception_line(granted: Granted, invalid: str, used: bool) -> Line:
    entry = granted.entry
    says = invalid or ("" if used else f"nothing that blocks is called {entry.covers!r}: remove it")
    return Line(
        State.BLOCKS if says else State.MET,
        entry.id,
        "An exception holds on the day of the release, and something needs it.",
        says
        or f"covers {entry.covers}, approved by {entry.approval.by} on {entry.approval.on} "
        f"({entry.approval.reference})",
        evidence=(Path(granted.where.rsplit(":", 2)[0]),),
    )
