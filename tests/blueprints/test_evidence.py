"""Arrange and judge are separate; one table maps what happened to verdicts."""

import json
from pathlib import Path

import pytest

from blueprints import model
from blueprints.evidence import CriterionFailed, Evidence, Recorder, Verdict, WindowSpoilt
from lab.errors import WaitTimeout

CRITERION = model.load().criterion("SAAS-07")


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(CRITERION, "embedded")


@pytest.mark.parametrize(
    "raised",
    [
        AssertionError("too few"),
        ConnectionRefusedError("no"),
        TimeoutError("late"),
        pytest.fail.Exception("failed"),
    ],
)
def test_whatever_the_judged_step_raises_is_a_fail(
    evidence: Evidence, raised: BaseException
) -> None:
    with pytest.raises(CriterionFailed, match="media flows"), evidence.judge("media flows"):
        raise raised
    outcome = Recorder("embedded").end(evidence, status="failed", message="ignored")
    assert outcome.verdict is Verdict.FAIL
    assert outcome.reason.startswith("media flows: ")


def test_whatever_goes_wrong_while_arranging_is_an_error(evidence: Evidence) -> None:
    outcome = Recorder("embedded").end(evidence, status="failed", message="host is\n down")
    assert (outcome.verdict, outcome.reason) == (Verdict.ERROR, "host is down")


def test_after_a_passed_judgement_a_failing_teardown_is_an_error(evidence: Evidence) -> None:
    with evidence.judge("media flows"):
        pass
    assert Recorder("embedded").end(evidence, status="failed").verdict is Verdict.ERROR


def test_judging_nothing_is_an_error(evidence: Evidence) -> None:
    outcome = Recorder("embedded").end(evidence, status="passed")
    assert (outcome.verdict, outcome.reason) == (
        Verdict.ERROR,
        "the test ended without judging anything",
    )


def test_an_interruption_is_no_fail(evidence: Evidence) -> None:
    with pytest.raises(KeyboardInterrupt), evidence.judge("media flows"):
        raise KeyboardInterrupt
    assert evidence.failure is None


def test_an_error_with_evidence_keeps_it(evidence: Evidence) -> None:
    with pytest.raises(CriterionFailed), evidence.judge("it answers"):
        raise WaitTimeout("nothing came", evidence="the last answer")
    assert evidence.attachments[0].body == b"the last answer"


def test_measurements_meet_the_profile_s_limit(evidence: Evidence) -> None:
    enough = evidence.measure("audio_packets", 50, "packets", samples=1)
    few = evidence.measure("audio_packets", 3, "packets")
    free = evidence.measure("something_else", 3, "ms")
    assert (enough.met, few.met, free.met) == (True, False, None)
    evidence.check(enough, free)
    with pytest.raises(AssertionError, match="audio_packets is 3 packets, must be >= 40 packets"):
        evidence.check(few)


def test_a_figure_in_another_unit_is_refused(evidence: Evidence) -> None:
    with pytest.raises(ValueError, match="measured in ms, its limit stands in packets"):
        evidence.measure("audio_packets", 50, "ms")


def test_a_spoilt_window_is_never_a_fail(evidence: Evidence) -> None:
    spoilt = evidence.measure("audio_packets", 3, "packets", window_valid=False)
    with pytest.raises(WindowSpoilt), evidence.judge("media flows"):
        evidence.check(spoilt)
    assert Recorder("embedded").end(evidence, status="failed").verdict is Verdict.ERROR


def test_events_tell_what_happened(tmp_path: Path) -> None:
    recorder = Recorder("embedded", tmp_path / "events.jsonl")
    started = recorder.start(CRITERION)
    recorder.end(started, status="skipped", message="capability missing: kvm")
    first, last = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert (first["kind"], first["criterion"]) == ("start", "SAAS-07")
    assert (last["verdict"], last["reason"]) == ("SKIP", "capability missing: kvm")
