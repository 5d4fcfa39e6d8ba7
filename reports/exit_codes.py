"""The exit code that a run's results give."""

from __future__ import annotations

from enum import IntEnum

from blueprints.evidence import Verdict
from reports.results import RunResults


class ExitCode(IntEnum):
    """What a command's exit status says."""

    OK = 0
    MANDATORY_FAILED = 1
    USAGE = 2
    NOT_JUDGED = 3
    NOTHING_RAN = 4
    INTERRUPTED = 130


def exit_code(results: RunResults) -> ExitCode:
    """The first that applies: interrupted, not judged, a mandatory FAIL, nothing ran, OK.

    A stage that failed and evidence that was lost count as not judged: some of the run
    cannot be vouched for. Wrong usage (2) never gets as far as results.
    """
    verdicts = {criterion.verdict for criterion in results.criteria}
    failed_stage = any(s.state == "failed" and s.name != "report" for s in results.stages)
    if results.interrupted:
        return ExitCode.INTERRUPTED
    if failed_stage or results.damage or Verdict.ERROR in verdicts or None in verdicts:
        return ExitCode.NOT_JUDGED
    if any(c.mandatory and c.verdict is Verdict.FAIL for c in results.criteria):
        return ExitCode.MANDATORY_FAILED
    if verdicts <= {Verdict.SKIP}:
        return ExitCode.NOTHING_RAN
    return ExitCode.OK
