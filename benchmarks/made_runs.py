"""Run directories as runs leave them, made in numbers to measure what reads them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blueprints.evidence import ALLURE_STATUS, Verdict
from reports.results import SCHEMA

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_VERDICTS = (Verdict.PASS,) * 16 + (Verdict.FAIL, Verdict.FAIL, Verdict.ERROR, Verdict.SKIP)


@dataclass(frozen=True)
class Planned:
    id: str
    layer: str
    title: str
    requirement: str


def make_run(
    path: Path, planned: Sequence[Planned], *, night: int, figures_in: int, seed: int
) -> None:
    """Write ``run.json`` and the Allure results; every ``figures_in``-th criterion has two
    figures. The same ``seed`` makes the same verdicts."""
    chance = random.Random(seed)  # noqa: S311  no secret is made of it
    began = _FIRST + timedelta(days=night)
    results = path / "allure-results"
    results.mkdir(parents=True)
    state = {
        "schema": SCHEMA,
        "id": path.name,
        "blueprint": "iec-type4",
        "lab": "bench",
        "profile": "embedded",
        "maturity": "incubation",
        "started": began.isoformat(),
        "ended": (began + timedelta(minutes=5)).isoformat(),
        "interrupted": False,
        "asked": {"command": ["run"]},
        "versions": {"python (tool)": "3.11", "kernel (tool)": "Linux 6"},
        "planned": [{**vars(one), "mandatory": True} for one in planned],
        "stages": [],
    }
    (path / "run.json").write_text(json.dumps(state))
    for place, one in enumerate(planned):
        _result(results, one, chance, began, with_figures=place % figures_in == 0)


def _result(
    results: Path, one: Planned, chance: random.Random, began: datetime, *, with_figures: bool
) -> None:
    identity = str(uuid.UUID(int=chance.getrandbits(128)))
    verdict = chance.choice(_VERDICTS)
    start = int(began.timestamp() * 1000)
    labels = {
        "parentSuite": f"validation.{one.layer}", "suite": "test_bench", "host": "bench",
        "thread": "1-MainThread", "framework": "pytest", "language": "cpython3",
        "package": f"validation.{one.layer}.test_bench", "criterion": one.id, "layer": one.layer,
        "blueprint": "iec-type4", "verdict": verdict.value, "epic": one.layer, "feature": one.id,
    }  # fmt: skip
    data: dict[str, Any] = {
        "name": f"{one.id} {one.title}",
        "status": ALLURE_STATUS[verdict],
        "description": one.requirement,
        "start": start,
        "stop": start + chance.randrange(20, 4000),
        "uuid": identity,
        "historyId": identity,
        "fullName": f"validation.{one.layer}.test_bench#test_{one.id}",
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
    }
    if verdict is not Verdict.PASS:
        data["statusDetails"] = {"message": f"{one.title}: found something else than was expected"}
    if with_figures:
        source = f"{identity}-attachment.json"
        figures = [
            {"name": name, "value": chance.gauss(middle, middle / 10), "unit": "us",
             "threshold": limit, "met": None if limit is None else True, "samples": 1000,
             "window_valid": True}
            for name, middle, limit in (("p50", 250, None), ("p99", 4000, "<= 50000 us"))
        ]  # fmt: skip
        (results / source).write_text(json.dumps(figures, indent=2))
        data["attachments"] = [
            {"name": "measurements.json", "source": source, "type": "application/json"}
        ]
    (results / f"{identity}-result.json").write_text(json.dumps(data))
