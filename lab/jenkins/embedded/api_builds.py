"""What the remote API shows of builds: themselves, their test reports and artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.exports import Exported, whole
from lab.jenkins.embedded.jobconfig import JobConfig, Value
from lab.jenkins.embedded.publishers import REPORT
from lab.jenkins.embedded.shapes import FREESTYLE
from lab.jenkins.embedded.store import BuildRow


class BuildsApi:
    """Builds of a controller."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._store = controller.store

    def build(self, row: BuildRow) -> Exported:
        item = self._store.item(row.item)
        assert item is not None, "a build's job is there"
        return self.of_job(row, JobConfig.of(item.xml))

    def of_job(self, row: BuildRow, config: JobConfig) -> Exported:
        running = row.result is None
        name = f"#{row.number}"
        url = f"{self._controller.job_url(row.item)}{row.number}/"
        freestyle = config.kind == FREESTYLE
        fields: dict[str, Any] = {
            "actions": lambda: self._build_actions(row),
            "artifacts": lambda: self._artifacts(row),
            "building": running,
            "description": row.description,
            "displayName": name,
            "duration": row.duration_ms,
            "estimatedDuration": lambda: self._estimate(row),
            "executor": whole(None if freestyle else "hudson.model.OneOffExecutor", {})
            if running
            else None,
            "fullDisplayName": f"{row.item.replace('/', ' » ')} {name}",
            "id": str(row.number),
            "inProgress": running,
            "keepLog": row.keep,
            "number": row.number,
            "queueId": row.queue_id,
            "result": row.result,
            "timestamp": row.started_ms,
            "url": url,
        }
        if freestyle:
            empty: dict[str, Any] = {"items": [], "kind": None}
            fields |= {
                "builtOn": row.node,
                "changeSet": whole("hudson.scm.EmptyChangeLogSet", empty),
                "culprits": [],
            }
        else:
            fields |= {
                "changeSets": [],
                "culprits": [],
                "nextBuild": lambda: self._beside(row, config, row.number + 1),
                "previousBuild": lambda: self._beside(row, config, row.number - 1),
            }
        return Exported(config.build_class, fields, ("number", "url"))

    def _beside(self, row: BuildRow, config: JobConfig, number: int) -> Exported | None:
        other = self._store.build(row.item, number)
        return None if other is None else self.of_job(other, config)

    def _build_actions(self, row: BuildRow) -> list[Exported]:
        actions = []
        if row.parameterized:
            actions.append(values(row.parameters))
        actions += [
            causes(row.causes),
            whole("jenkins.metrics.impl.TimeInQueueAction", _times(row)),
        ]
        if row.interrupted:
            actions.append(whole("jenkins.model.InterruptedBuildAction", {}))
        if report := self.report(row):
            counts = {
                "failCount": report["failCount"],
                "skipCount": report["skipCount"],
                "totalCount": report["failCount"] + report["passCount"] + report["skipCount"],
                "urlName": "testReport",
            }
            actions.append(whole("hudson.tasks.junit.TestResultAction", counts))
        display = "org.jenkinsci.plugins.displayurlapi.actions.RunDisplayAction"
        return [*actions, whole(None, {}), whole(display, {})]

    def artifacts_of(self, row: BuildRow) -> Path:
        return self._store.directory_of(row) / "archive"

    def _artifacts(self, row: BuildRow) -> list[Exported]:
        root = self.artifacts_of(row)
        return [
            whole(
                None,
                {
                    "displayPath": path.name,
                    "fileName": path.name,
                    "relativePath": str(path.relative_to(root)),
                },
            )
            for path in sorted(root.rglob("*"))
            if path.is_file()
        ]

    def _estimate(self, row: BuildRow) -> int:
        """As Jenkins does: the average of the last three successes, and -1 without any."""
        done = [
            build.duration_ms
            for build in self._store.builds(row.item)
            if build.result in ("SUCCESS", "UNSTABLE", "FAILURE")
        ][:3]
        return sum(done) // len(done) if done else -1

    def report(self, row: BuildRow) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self._store.directory_of(row) / REPORT).read_text())
        except FileNotFoundError:
            return None
        return found

    def test_report(self, row: BuildRow) -> Exported | None:
        """A build's test results; None when it has none."""
        report = self.report(row)
        if report is None:
            return None
        suites = [_suite(suite, row.number) for suite in report["suites"]]
        counts = {key: value for key, value in report.items() if key != "suites"}
        return Exported(
            "hudson.tasks.junit.TestResult", {"testActions": [], **counts, "suites": suites}
        )


def values(values: tuple[Value, ...]) -> Exported:
    shown = [
        whole(
            f"hudson.model.{kind}",
            {"name": name} if kind.startswith("Password") else {"name": name, "value": value},
        )
        for kind, name, value in values
    ]
    return whole("hudson.model.ParametersAction", {"parameters": shown})


def causes(users: tuple[str, ...] | list[str]) -> Exported:
    shown = [
        whole(
            "hudson.model.Cause$UserIdCause",
            {"shortDescription": f"Started by user {user}", "userId": user, "userName": user},
        )
        for user in users
    ]
    return whole("hudson.model.CauseAction", {"causes": shown})


def _times(row: BuildRow) -> dict[str, Any]:
    return {
        "blockedDurationMillis": 0,
        "blockedTimeMillis": 0,
        "buildableDurationMillis": row.buildable_ms,
        "buildableTimeMillis": row.buildable_ms,
        "buildingDurationMillis": row.duration_ms,
        "executingTimeMillis": row.duration_ms,
        "executorUtilization": 1.0,
        "subTaskCount": 0,
        "waitingDurationMillis": row.waited_ms,
        "waitingTimeMillis": row.waited_ms,
    }


def _suite(suite: dict[str, Any], number: int) -> Exported:
    fields = {
        "cases": [_case(case, number) for case in suite["cases"]],
        "duration": suite["duration"],
        "enclosingBlockNames": [],
        "enclosingBlocks": [],
        "id": suite["id"],
        "name": suite["name"],
        "nodeId": None,
        "properties": whole(None, {}),
        "stderr": None,
        "stdout": None,
        "timestamp": suite["timestamp"],
    }
    return whole(None, fields)


def _case(case: dict[str, Any], number: int) -> Exported:
    failed = case["status"] == "FAILED"
    fields = {
        "testActions": [],
        # Jenkins counts from build 0 where nothing has failed, for skipped cases too.
        "age": {"FAILED": 1, "SKIPPED": number + 1}.get(case["status"], 0),
        **case,
        "failedSince": number if failed else 0,
        "properties": whole(None, {}),
        "skipped": case["status"] == "SKIPPED",
    }
    return whole(None, fields)
