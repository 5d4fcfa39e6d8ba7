"""Akraino's validation UI, as far as Jenkins and Nexus meet it.

Emulated after its sources (validation/ui): it triggers a Jenkins job as its
JenkinsExecutorClient does, takes the job's notification, and then reads the results from
Nexus as its NexusExecutorClient does: listings by the rows of their tables, every entry of a
layer as a test directory. Its pages, users and time slots are not emulated.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx

from blueprints.errors import Unacceptable
from submission.doubles.server import Answer, Double, Request
from submission.ui_view import IGNORED_BLUEPRINTS, IGNORED_IN_LAYERS, Shown, shown, test_info

_PATH = "/api/v1/jenkinsjobnotification/"
TIMEOUT_S = 30


@dataclass
class Submission:
    """One that a person made in the UI. States: Submitted, Waiting, Running, Completed."""

    id: int
    blueprint: str
    layer: str
    version: str
    lab: str
    optional: bool
    state: str = "Submitted"
    queue_url: str | None = None
    build_number: int | None = None
    result: Result | None = None


@dataclass(frozen=True)
class Result:
    """A timestamp as the UI keeps it. ``dropped`` are layers that it lost without a word."""

    timestamp: str
    verdict: bool
    all_layers: bool | None
    optional: bool | None
    suites: dict[str, Shown]
    dropped: dict[str, str] = field(default_factory=dict)


class AkrainoUi(Double):
    """``nexus``: base URL of Nexus. ``silos``: registered labs. ``job``: the Jenkins job
    whose notifications count. ``failing``: so many notifications are answered with 500."""

    def __init__(self, nexus: str, silos: Collection[str], job: str, *, failing: int = 0) -> None:
        super().__init__()
        self._nexus = f"{nexus.rstrip('/')}/content/sites/logs"
        self._silos = set(silos)
        self._job = job
        self._failing = failing
        self._http = httpx.Client(timeout=TIMEOUT_S)
        self.submissions: dict[int, Submission] = {}

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._http.close()

    def submit(
        self, *, blueprint: str, layer: str, version: str, lab: str, optional: bool = False
    ) -> Submission:
        """What a person's click makes; `trigger` has Jenkins work on it."""
        made = Submission(len(self.submissions) + 1, blueprint, layer, version, lab, optional)
        self.submissions[made.id] = made
        return made

    def trigger(
        self, submission: Submission, jenkins: str, *, auth: tuple[str, str], ui_ip: str
    ) -> str:
        """Start the job as the UI does; returns the queue item's URL.

        Raises httpx.HTTPStatusError for any answer but 200 and 201.
        """
        base = jenkins.rstrip("/")
        with httpx.Client(auth=auth, timeout=TIMEOUT_S) as http:
            answer = http.get(f"{base}/crumbIssuer/api/json")
            crumb = answer.raise_for_status().json()["crumb"]
            query = urlencode(
                {
                    "SUBMISSION_ID": submission.id,
                    "BLUEPRINT": submission.blueprint,
                    "LAYER": submission.layer,
                    "VERSION": submission.version,
                    "LAB": submission.lab,
                    "OPTIONAL": str(submission.optional).lower(),
                    "UI_IP": ui_ip,
                }
            )
            answer = http.post(
                f"{base}/job/{self._job}/buildWithParameters?{query}",
                headers={"Jenkins-Crumb": crumb, "Content-Type": "application/json"},
            ).raise_for_status()
        submission.state, submission.queue_url = "Waiting", answer.headers["Location"]
        return str(submission.queue_url)

    def answer(self, request: Request) -> Answer:
        """The notification's endpoint; nothing else is there."""
        if request.method != "POST" or request.path != _PATH:
            return Answer(404)
        if self._failing > 0:
            self._failing -= 1
            return Answer(500)
        try:
            told = json.loads(request.body)
            name, number = _typed(told, "name", str), _typed(told, "buildNumber", int)
            stamp, identifier = _typed(told, "timestamp", str), _typed(told, "submissionId", int)
            if name != self._job:  # not of our job: the UI says 200 and does nothing
                return Answer(200)
            submission = self.submissions[identifier]
            submission.build_number = number
            submission.result = self.read(
                submission.lab, submission.blueprint, submission.version, stamp
            )
            submission.state = "Completed"
        except (ValueError, KeyError, TypeError, LookupError, httpx.HTTPError):
            return Answer(500)
        return Answer(200)

    def read(self, silo: str, blueprint: str, version: str, stamp: str) -> Result:
        """One timestamp's results. Raises LookupError where the UI finds none."""
        if silo not in self._silos or blueprint in IGNORED_BLUEPRINTS:
            raise LookupError(f"{silo}/{blueprint} is not registered")
        above = f"{self._nexus}/{silo}/bluval_results/{blueprint}/{version}"
        if stamp not in _rows(self._get(f"{above}/")):
            raise LookupError(f"no {stamp} in {above}")
        base = f"{above}/{stamp}/results"
        suites: dict[str, Shown] = {}
        dropped: dict[str, str] = {}
        for layer in _rows(self._get(f"{base}/")):
            if any(word in layer for word in IGNORED_IN_LAYERS):
                continue
            try:
                for test in _rows(self._get(f"{base}/{layer}/")):
                    output = self._get(f"{base}/{layer}/{test}/output.xml")
                    suites[f"{layer}/{test}"] = shown(output)
            except (httpx.HTTPError, Unacceptable) as error:
                dropped[layer] = str(error)
        if not suites:
            raise LookupError("no robot test results could be obtained")
        all_layers = optional = None
        try:
            layer, optional = test_info(self._get(f"{base}/test_info.yaml"))
            all_layers = layer == "all"
        except httpx.HTTPStatusError:
            pass  # the file may be missing
        verdict = all(suite.failed == 0 for suite in suites.values())
        return Result(stamp, verdict, all_layers, optional, suites, dropped)

    def _get(self, url: str) -> bytes:
        return self._http.get(url).raise_for_status().content


def _typed(told: dict[str, Any], name: str, kind: type) -> Any:
    value = told[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is no {kind.__name__}")
    return value


def _rows(page: bytes) -> list[str]:
    """A listing's entries as the UI takes them: from the third row of the table on, the text
    of the first link, without its last character."""
    table = _Table()
    table.feed(page.decode())
    return [text[:-1] for text in table.rows[2:]]


class _Table(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str] = []
        self._in_link = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append("")
        self._in_link = tag == "a" and not (self.rows and self.rows[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False

    def handle_data(self, data: str) -> None:
        if self._in_link and self.rows:
            self.rows[-1] += data
