"""Writes Allure result files with the suite's labels, verdicts and attachments.

Allure's adapters for pytest and Robot hand their results to a file logger; this one takes
its place. It finds the criterion among a result's labels, stamps verdict, layer and
measurements on it, and lets text pass the redactor before it reaches the disk.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import allure_commons
import attr
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment as AllureAttachment
from allure_commons.model2 import Label, StatusDetails, TestResult

from blueprints.evidence import (
    ALLURE_STATUS,
    Attachment,
    Outcome,
    Recorder,
    Verdict,
    measurements_json,
)
from blueprints.model import Criterion

Redact = Callable[[bytes], bytes]


class EvidenceLogger(AllureFileLogger):
    """Allure's file logger, with verdicts and redaction. Raises OSError like any writer."""

    def __init__(self, directory: Path, recorder: Recorder, blueprint: str, redact: Redact) -> None:
        super().__init__(str(directory))
        self._directory = directory
        self._recorder = recorder
        self._blueprint = blueprint
        self._redact = redact

    @allure_commons.hookimpl
    def report_result(self, result: TestResult) -> None:
        """Write one result; results that name no criterion keep their own status."""
        names = {label.value for label in result.labels if label.name in ("criterion", "tag")}
        for identifier in names & self._recorder.outcomes.keys():
            self._stamp(result, self._recorder.outcomes[identifier])
        super().report_result(self._redacted(result))

    @allure_commons.hookimpl
    def report_container(self, container: Any) -> None:
        super().report_container(self._redacted(container))

    @allure_commons.hookimpl
    def report_attached_data(self, body: bytes | str, file_name: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        super().report_attached_data(self._redact(data), file_name)

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        self.report_attached_data(Path(source).read_bytes(), file_name)

    def _stamp(self, result: TestResult, outcome: Outcome) -> None:
        evidence = outcome.evidence
        criterion = evidence.criterion
        result.labels = [label for label in result.labels if label.name != "criterion"]
        result.labels += [
            Label(name="criterion", value=criterion.id),
            Label(name="layer", value=criterion.layer),
            Label(name="blueprint", value=self._blueprint),
            Label(name="verdict", value=outcome.verdict.value),
            Label(name="epic", value=criterion.layer),
            Label(name="feature", value=criterion.id),
        ]
        result.name = f"{criterion.id} {criterion.title}"
        result.description = criterion.requirement
        result.status = ALLURE_STATUS[outcome.verdict]
        if result.start is not None:  # its two moments are of a clock that may be set meanwhile
            result.stop = result.start + round(outcome.seconds * 1000)
        if outcome.verdict is not Verdict.PASS:
            trace = result.statusDetails.trace if result.statusDetails else None
            result.statusDetails = StatusDetails(message=outcome.reason, trace=trace)
        attachments = [*evidence.attachments]
        if evidence.measurements:
            attachments.append(
                Attachment("measurements.json", measurements_json(evidence), "application/json")
            )
        result.attachments += [self._written(attachment) for attachment in attachments]

    def _written(self, attachment: Attachment) -> AllureAttachment:
        suffix = Path(attachment.name).suffix or ".bin"
        file_name = f"{uuid.uuid4()}-attachment{suffix}"
        self.report_attached_data(attachment.body, file_name)
        return AllureAttachment(name=attachment.name, source=file_name, type=attachment.media_type)

    def _redacted(self, value: Any) -> Any:
        """The same Allure item with every string in it redacted."""
        if isinstance(value, str):
            return self._redact(value.encode()).decode()
        if isinstance(value, list):
            return [self._redacted(item) for item in value]
        if attr.has(type(value)):
            for field in attr.fields(type(value)):
                setattr(value, field.name, self._redacted(getattr(value, field.name)))
        return value


def report_bare(criterion: Criterion, framework: str, started: float) -> None:
    """Hand Allure a result of a runner that has no adapter; the evidence logger puts verdict,
    figures and attachments on it. ``started``: seconds since the epoch."""
    full_name = f"{framework}.{criterion.id}"
    allure_commons.plugin_manager.hook.report_result(
        result=TestResult(
            uuid=str(uuid.uuid4()),
            name=criterion.title,
            fullName=full_name,
            historyId=full_name,
            testCaseId=full_name,
            labels=[
                Label(name="criterion", value=criterion.id),
                Label(name="framework", value=framework),
            ],
            start=int(started * 1000),
            stop=int(time.time() * 1000),
        )
    )


def take_over(
    directory: Path, recorder: Recorder, *, blueprint: str, redact: Redact
) -> tuple[EvidenceLogger, Callable[[], None]]:
    """Put an `EvidenceLogger` in the place of whatever file loggers are registered.

    Returns it, and the function that puts the old ones back: Allure's pytest plugin
    unregisters its own logger at the end, and fails when it is gone.
    """
    manager = allure_commons.plugin_manager
    replaced = [p for p in manager.get_plugins() if isinstance(p, AllureFileLogger)]
    for plugin in replaced:
        manager.unregister(plugin)
    logger = EvidenceLogger(directory, recorder, blueprint, redact)
    manager.register(logger)

    def give_back() -> None:
        manager.unregister(logger)
        for plugin in replaced:
            manager.register(plugin)

    return logger, give_back
