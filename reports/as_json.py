"""A run's results as one JSON document: ``--json`` prints it, ``verdicts.json`` keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from reports.exit_codes import exit_code
from reports.results import CriterionResult, RunResults, counts

SCHEMA = 1


def as_json(results: RunResults) -> str:
    """The document of `document` as text; plain ASCII, without a final newline."""
    return json.dumps(document(results), indent=2)


def document(results: RunResults) -> dict[str, Any]:
    """The results as JSON values. Times are ISO 8601 in UTC, durations seconds.

    ``verdict`` is PASS, FAIL, ERROR, SKIP or, for a planned criterion without one, NONE.
    """
    return {
        "schema": SCHEMA,
        "run": results.id,
        "blueprint": results.blueprint,
        "lab": results.lab,
        "profile": results.profile,
        "embedded": results.embedded,
        "maturity": results.maturity,
        "started": _time(results.started),
        "ended": _time(results.ended),
        "interrupted": results.interrupted,
        "exit_code": exit_code(results).value,
        "counts": counts(results.criteria),
        "layers": {layer: counts(results.of_layer(layer)) for layer in results.layers},
        "criteria": [_criterion(criterion) for criterion in results.criteria],
        "unplanned": [_criterion(criterion) for criterion in results.unplanned],
        "stages": [
            {
                "name": stage.name,
                "state": stage.state,
                "started": _time(stage.started),
                "ended": _time(stage.ended),
                "message": stage.message,
            }
            for stage in results.stages
        ],
        "asked": results.asked,
        "versions": results.versions,
        "deviations": [asdict(deviation) for deviation in results.deviations],
        "damage": list(results.damage),
        "notes": list(results.notes),
    }


def _criterion(criterion: CriterionResult) -> dict[str, Any]:
    return {
        "id": criterion.id,
        "layer": criterion.layer,
        "title": criterion.title,
        "requirement": criterion.requirement,
        "mandatory": criterion.mandatory,
        "verdict": criterion.state,
        "reason": criterion.reason,
        "seconds": criterion.seconds,
        "measurements": [asdict(measurement) for measurement in criterion.measurements],
        "sources": list(criterion.sources),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
