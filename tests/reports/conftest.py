"""Run directories as the pipeline and the runners leave them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from blueprints.evidence import ALLURE_STATUS, Verdict
from pipeline.rundir import SCHEMA

PLANNED = (
    ("OS-01", "os", "Every host presents its pinned host key", True),
    ("PAAS-01", "paas", "The name service answers", True),
    ("PAAS-02", "paas", "A deployed object is found by name", True),
    ("PAAS-20", "paas", "Calls are fast", False),
    ("SAAS-01", "saas", "The backend answers", True),
)


@dataclass
class Run:
    """A run directory under construction; `save` writes what ``run.json`` holds."""

    path: Path
    planned: tuple[tuple[str, str, str, bool], ...] = PLANNED
    state: dict[str, Any] = field(default_factory=dict)

    def save(self, **changed: Any) -> Path:
        self.state = {
            "schema": SCHEMA,
            "id": self.path.name,
            "blueprint": "iec-type4",
            "lab": "embedded",
            "profile": "embedded",
            "maturity": "incubation",
            "started": "2026-11-24T16:51:00.123Z",
            "ended": "2026-11-24T16:52:07.623Z",
            "interrupted": False,
            "asked": {"command": ["run"]},
            "versions": {"tars (pinned)": "3.0.17", "node": "v24.1.0"},
            "planned": [
                {
                    "id": identifier,
                    "layer": layer,
                    "title": title,
                    "requirement": f"{title}, always.",
                    "mandatory": mandatory,
                }
                for identifier, layer, title, mandatory in self.planned
            ],
            "stages": [],
            "blocked": {},
            **changed,
        }
        (self.path / "allure-results").mkdir(parents=True, exist_ok=True)
        (self.path / "run.json").write_text(json.dumps(self.state))
        return self.path

    def result(
        self,
        criterion: str | None,
        verdict: Verdict = Verdict.PASS,
        *,
        reason: str = "",
        seconds: float = 1.5,
        measurements: list[dict[str, Any]] | None = None,
        **changed: Any,
    ) -> Path:
        """Write an Allure result file, its keys in the writer's order."""
        identity = uuid.uuid4()
        results = self.path / "allure-results"
        results.mkdir(parents=True, exist_ok=True)
        layer = next((p[1] for p in self.planned if p[0] == criterion), "paas")
        title = next((p[2] for p in self.planned if p[0] == criterion), "A title")
        labels = {"criterion": criterion, "layer": layer, "verdict": verdict.value}
        data = {
            "name": f"{criterion} {title}" if criterion else "something else",
            "status": ALLURE_STATUS[verdict],
            "statusDetails": {"message": reason} if reason else None,
            "start": 1_795_000_000_000,
            "stop": 1_795_000_000_000 + int(seconds * 1000),
            "attachments": [],
            "uuid": str(identity),
            "historyId": str(identity),
            "labels": [{"name": n, "value": v} for n, v in labels.items()] if criterion else [],
        }
        if measurements is not None:
            source = f"{identity}-attachment.json"
            (results / source).write_text(json.dumps(measurements))
            data["attachments"] = [
                {"name": "measurements.json", "source": source, "type": "application/json"}
            ]
        path = results / f"{identity}-result.json"
        path.write_text(json.dumps({**data, **changed}))
        return path

    def pass_all(self, *but: str) -> None:
        for identifier, *_ in self.planned:
            if identifier not in but:
                self.result(identifier)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run in which nothing has been judged yet."""
    made = Run(tmp_path / "20261124T165100Z-iec-type4")
    made.save()
    return made


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Make runs beside each other: ``make_run(name, **keys of run.json)``."""

    def make(name: str, **state: Any) -> Run:
        made = Run(tmp_path / "results" / name)
        made.save(**state)
        return made

    return make
