"""Reading a run: verdicts, what is missing, what is damaged, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import allure_commons
import pytest
from allure_commons import model2
from allure_commons.utils import now, uuid4

from blueprints import model
from blueprints.allure_writer import EvidenceLogger
from blueprints.errors import ConfigError
from blueprints.evidence import Recorder, Verdict
from reports.exit_codes import exit_code
from reports.results import counts, read_results


def state_of(run, identifier):
    return next(c for c in read_results(run.path).criteria if c.id == identifier)


def test_verdicts_in_the_planned_order_with_reason_time_and_measurements(run):
    run.pass_all("PAAS-02", "PAAS-20")
    run.result("PAAS-02", Verdict.FAIL, reason="no endpoint:\n  expected one", seconds=2.25)
    figure = {"name": "p99", "value": 4100.0, "unit": "us", "threshold": "<= 5000 us", "met": True}
    run.result("PAAS-20", measurements=[figure])
    results = read_results(run.path)
    assert [c.id for c in results.criteria] == [p[0] for p in run.planned]
    failed = results.criteria[2]
    assert (failed.verdict, failed.reason) == (Verdict.FAIL, "no endpoint: expected one")
    assert failed.seconds == pytest.approx(2.25)
    assert [(m.name, m.value, m.met) for m in results.criteria[3].measurements] == [
        ("p99", 4100.0, True)
    ]
    assert counts(results.criteria) == {"PASS": 4, "FAIL": 1, "ERROR": 0, "SKIP": 0, "NONE": 0}
    assert results.layers == ("os", "paas", "saas")


def test_what_the_suites_own_writer_writes_is_read(run):
    blueprint = model.load()
    recorder = Recorder("embedded")
    evidence = recorder.start(blueprint.criterion("PAAS-20"))
    name = next(iter(evidence.criterion.thresholds))
    evidence.measure(name, 1.0, evidence.limit(name).unit, samples=7)
    with pytest.raises(AssertionError), evidence.judge("calls are fast"):
        raise AssertionError("they are slow")
    recorder.end(evidence, status="failed")
    logger = EvidenceLogger(run.path / "allure-results", recorder, "iec-type4", lambda data: data)
    manager = allure_commons.plugin_manager
    manager.register(logger)
    try:
        result = model2.TestResult(uuid=uuid4(), name="test_calls", status="failed", start=now())
        result.stop = result.start + 10
        result.labels = [model2.Label("tag", "PAAS-20")]
        manager.hook.report_result(result=result)
    finally:
        manager.unregister(logger)
    found = state_of(run, "PAAS-20")
    assert (found.verdict, found.reason) == (Verdict.FAIL, "calls are fast: they are slow")
    assert found.measurements[0].samples == 7


def test_a_planned_criterion_without_a_result_has_no_verdict(run):
    run.pass_all("SAAS-01")
    missing = state_of(run, "SAAS-01")
    assert (missing.verdict, missing.state) == (None, "NONE")
    assert "no result" in missing.reason
    assert exit_code(read_results(run.path)) == 3


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"stages": [{"name": "deploy", "state": "failed", "message": "tars: no node"}]},
            "tars: no node",
        ),
        ({"interrupted": True}, "interrupted"),
        ({"stages": [{"name": "validate", "state": "running"}], "ended": None}, "cut off"),
    ],
)
def test_why_a_verdict_is_missing(run, changed, says):
    run.save(**changed)
    assert says in state_of(run, "SAAS-01").reason


def test_two_results_for_one_criterion_are_an_error_that_names_both(run):
    run.pass_all("PAAS-01")
    first = run.result("PAAS-01")
    second = run.result("PAAS-01", Verdict.FAIL, reason="deaf")
    found = state_of(run, "PAAS-01")
    assert found.verdict is Verdict.ERROR
    assert first.name in found.reason
    assert second.name in found.reason


def test_a_result_that_nobody_planned_is_told_and_not_counted(run):
    run.pass_all()
    run.result("PAAS-99", Verdict.FAIL, reason="who asked?")
    results = read_results(run.path)
    assert [(c.id, c.verdict, c.title) for c in results.unplanned] == [
        ("PAAS-99", Verdict.FAIL, "A title")
    ]
    assert exit_code(results) == 0


def test_a_result_that_names_no_criterion_is_only_a_note(run):
    run.pass_all()
    run.result(None, status="weird")
    results = read_results(run.path)
    assert len(results.notes) == 1
    assert "something else" in results.notes[0]
    assert (results.damage, exit_code(results)) == ((), 0)


def test_a_result_file_cut_off_anywhere_never_passes(run):
    """Cut at every fifth byte and at each of the last: never a PASS, always a named file."""
    run.pass_all("PAAS-01")
    whole = run.result("PAAS-01")
    content = whole.read_bytes()
    assert exit_code(read_results(run.path)) == 0
    for length in (*range(0, len(content), 5), *range(len(content) - 8, len(content))):
        whole.write_bytes(content[:length])
        results = read_results(run.path)
        assert exit_code(results) == 3, length
        criterion = next(c for c in results.criteria if c.id == "PAAS-01")
        says = criterion.reason if criterion.verdict else " ".join(results.damage)
        assert whole.name in says, length
        if length > len('{"name": "PAAS-01 '):
            assert criterion.verdict is Verdict.ERROR, length


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "unknown"},
        {"status": "failed"},
        {"labels": [{"name": "criterion", "value": "PAAS-01"}, {"name": "verdict", "value": "?"}]},
        {"labels": [{"name": "criterion", "value": "PAAS-01"}, {"name": "criterion"}]},
        {"attachments": [{"name": "measurements.json", "source": "gone-attachment.json"}]},
        {"attachments": "none"},
        {"statusDetails": "none"},
    ],
    ids=["status", "contradiction", "verdict", "label", "lost file", "attachments", "details"],
)
def test_a_result_that_does_not_make_sense_is_an_error(run, changed):
    run.pass_all("PAAS-01")
    path = run.result("PAAS-01", **changed)
    found = state_of(run, "PAAS-01")
    assert found.verdict is Verdict.ERROR
    assert path.name in found.reason


@pytest.mark.parametrize("value", ['"NaN"', "NaN", "Infinity", "[]", '"fast"'])
def test_a_measurement_that_is_no_figure_is_an_error(run, value):
    path = run.result("PAAS-20", measurements=[])
    source = json.loads(path.read_text())["attachments"][0]["source"]
    text = f'[{{"name": "p99", "unit": "us", "value": {value}}}]'
    (path.parent / source).write_text(text)
    assert state_of(run, "PAAS-20").verdict is Verdict.ERROR


def test_an_attachment_outside_the_results_is_not_read(run, tmp_path):
    (tmp_path / "elsewhere.json").write_text('[{"name": "x", "value": 1, "unit": "s"}]')
    run.result(
        "PAAS-20",
        attachments=[{"name": "measurements.json", "source": "../../elsewhere.json"}],
    )
    assert state_of(run, "PAAS-20").verdict is Verdict.ERROR


def test_declared_deviations_are_read_from_the_blueprint(run):
    pins = model.load().pins
    told = {d.name: (d.pinned, d.instead) for d in read_results(run.path).deviations}
    expected = {
        name: (pin.version, pin.deviations["embedded"])
        for name, pin in pins.items()
        if "embedded" in pin.deviations
    }
    assert expected
    assert told == expected
    run.save(profile="lab")
    assert read_results(run.path).deviations == ()
    run.save(blueprint="no-such-blueprint")
    assert "no-such-blueprint" in read_results(run.path).notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("", "cannot be read"),
        ('{"schema": 1, "id": ', "cannot be read"),
        ("[]", "schema None"),
        ('{"schema": 99}', "schema 99"),
        ('{"schema": 1}', "id: Field required"),
    ],
)
def test_what_is_no_run_directory_is_refused(tmp_path: Path, content, says):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ConfigError, match=says):
        read_results(tmp_path)


def code_of(run, **verdicts):
    for identifier, *_ in run.planned:
        verdict = verdicts.get(identifier.replace("-", "_"), Verdict.PASS)
        if verdict is not None:
            run.result(identifier, verdict, reason="" if verdict is Verdict.PASS else "because")
    return exit_code(read_results(run.path))


FAIL, ERROR, SKIP = Verdict.FAIL, Verdict.ERROR, Verdict.SKIP


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ({}, 0),
        ({"PAAS_01": FAIL}, 1),
        ({"PAAS_20": FAIL}, 0),  # not mandatory
        ({"PAAS_01": SKIP}, 0),
        ({"PAAS_20": ERROR}, 3),
        ({"PAAS_20": None}, 3),
        ({"PAAS_01": FAIL, "OS_01": ERROR}, 3),
        (dict.fromkeys(("OS_01", "PAAS_01", "PAAS_02", "PAAS_20", "SAAS_01"), SKIP), 4),
        (
            {**dict.fromkeys(("OS_01", "PAAS_01", "PAAS_02", "SAAS_01"), SKIP), "PAAS_20": FAIL},
            0,
        ),
    ],
)
def test_exit_codes_by_verdicts(run, verdicts, code):
    assert code_of(run, **verdicts) == code


def test_exit_codes_by_what_happened_to_the_run(run):
    assert code_of(run) == 0
    run.save(stages=[{"name": "perf", "state": "failed", "message": "locust broke"}])
    assert exit_code(read_results(run.path)) == 3
    run.save(stages=[{"name": "perf", "state": "interrupted"}])
    assert exit_code(read_results(run.path)) == 130
    run.save(interrupted=True)
    assert exit_code(read_results(run.path)) == 130
    run.save(planned=[])
    assert exit_code(read_results(run.path)) == 4
    run.save()
    (run.path / "allure-results" / "x-result.json").write_text("{")
    assert exit_code(read_results(run.path)) == 3
