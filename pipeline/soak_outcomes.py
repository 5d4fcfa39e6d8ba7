"""What came of a soak: every criterion's verdicts over many runs, and those that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reports.exit_codes import ExitCode
from reports.results import STATES, CriterionResult


@dataclass(frozen=True)
class RunSeen:
    """One run of a soak, and how to have it again. ``code`` is None for one that had no end."""

    number: int
    name: str
    shuffle: int
    seconds: float
    code: int | None
    criteria: tuple[CriterionResult, ...]
    says: str = ""

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(criterion.state for criterion in self.criteria)
        return {state: found[state] for state in STATES}


@dataclass
class Outcome:
    """One verdict of a criterion: in which runs it was seen, and the evidence of the first."""

    state: str
    reason: str
    run: Path
    files: tuple[str, ...]
    runs: list[int] = field(default_factory=list)

    @property
    def evidence(self) -> list[str]:
        """Paths: the result files, or the run that has none."""
        return [str(self.run / "allure-results" / name) for name in self.files] or [str(self.run)]


@dataclass(frozen=True)
class Flake:
    """A criterion whose verdict differed between runs of the same thing."""

    id: str
    title: str
    outcomes: tuple[Outcome, ...]


class Tally:
    """The verdicts of all runs so far."""

    def __init__(self) -> None:
        self.runs: list[RunSeen] = []
        self._titles: dict[str, str] = {}
        self._outcomes: dict[str, dict[str, Outcome]] = {}

    def add(self, run: RunSeen, kept: Path) -> bool:
        """Count a run; whether it has a verdict or an exit code that none before it had.

        ``kept``: where the run directory lies if it is kept, as evidence of those.
        """
        new = run.code not in {earlier.code for earlier in self.runs}
        self.runs.append(run)
        for criterion in run.criteria:
            self._titles[criterion.id] = criterion.title
            of = self._outcomes.setdefault(criterion.id, {})
            if criterion.state not in of:
                of[criterion.state] = Outcome(
                    criterion.state, criterion.reason, kept, criterion.sources
                )
                new = True
            of[criterion.state].runs.append(run.number)
        return new

    @property
    def flakes(self) -> list[Flake]:
        """In the order of the blueprint, each with its most frequent outcome first."""
        return [
            Flake(
                identifier,
                self._titles[identifier],
                tuple(sorted(of.values(), key=lambda outcome: -len(outcome.runs))),
            )
            for identifier, of in self._outcomes.items()
            if len(of) > 1
        ]

    @property
    def clean(self) -> int:
        """How many runs ended well."""
        return sum(run.code == ExitCode.OK for run in self.runs)

    def exit_code(self) -> ExitCode:
        """1 for a flake; else what the runs themselves ended with, if one did not end well."""
        if self.flakes:
            return ExitCode.MANDATORY_FAILED
        return _worst(run.code for run in self.runs)


#: Exit codes of runs, the most telling first.
_ORDER = (
    ExitCode.USAGE,
    ExitCode.NOT_JUDGED,
    ExitCode.MANDATORY_FAILED,
    ExitCode.NOTHING_RAN,
    ExitCode.OK,
)


def _worst(codes: Iterable[int | None]) -> ExitCode:
    found = {ExitCode.NOT_JUDGED if code not in _ORDER else ExitCode(code) for code in codes}
    return next((code for code in _ORDER if code in found), ExitCode.NOTHING_RAN)


def table(tally: Tally, asked: int, command: Sequence[str]) -> str:
    """For a person: a line a run, then each flake with the evidence of its outcomes."""
    lines = [f"{'run':>4}  {'code':>4}  {'time':>7}  verdicts"]
    for run in tally.runs:
        counts = ", ".join(f"{number} {state}" for state, number in run.counts.items() if number)
        code = "-" if run.code is None else str(run.code)
        says = f"{counts}  {run.says}".strip()
        lines.append(f"{run.number:>4}  {code:>4}  {run.seconds:5.1f} s  {says}")
    for flake in tally.flakes:
        lines += ["", f"FLAKE {flake.id} {flake.title}"]
        for outcome in flake.outcomes:
            often = f"{len(outcome.runs)} of {len(tally.runs)} runs"
            reason = f": {outcome.reason}" if outcome.reason else ""
            lines.append(f"  {outcome.state} in {often}{reason}")
            lines += [f"    {path}" for path in outcome.evidence]
            shuffle = next(r.shuffle for r in tally.runs if r.number == outcome.runs[0])
            lines.append(f"    again: {' '.join(command)} --shuffle {shuffle}")
    seconds = sorted(run.seconds for run in tally.runs)
    took = f", median {seconds[len(seconds) // 2]:.1f} s" if seconds else ""
    lines += [
        "",
        f"{len(tally.runs)} of {asked} runs, {tally.clean} clean, {len(tally.flakes)} flakes{took}",
    ]
    return "\n".join(lines)


def document(tally: Tally, asked: int) -> dict[str, object]:
    """The summary for a machine."""
    return {
        "asked": asked,
        "runs": [
            {
                "number": run.number,
                "name": run.name,
                "shuffle": run.shuffle,
                "seconds": round(run.seconds, 1),
                "exit_code": run.code,
                "verdicts": run.counts,
                "says": run.says,
            }
            for run in tally.runs
        ],
        "clean": tally.clean,
        "flakes": [
            {
                "id": flake.id,
                "title": flake.title,
                "outcomes": [
                    {
                        "verdict": outcome.state,
                        "reason": outcome.reason,
                        "runs": outcome.runs,
                        "evidence": outcome.evidence,
                    }
                    for outcome in flake.outcomes
                ],
            }
            for flake in tally.flakes
        ],
    }
