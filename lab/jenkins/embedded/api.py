"""What the remote API shows of Jenkins itself, of items, views and the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from blueprints.guarded_xml import parse
from lab.jenkins.embedded.api_builds import BuildsApi, causes, values
from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.exports import Exported, whole
from lab.jenkins.embedded.jobconfig import JobConfig, Parameter
from lab.jenkins.embedded.queueing import QueueItem, now_ms
from lab.jenkins.embedded.shapes import FREESTYLE
from lab.jenkins.embedded.store import BuildRow, ItemRow

_ALL_VIEW = "hudson.model.AllView"
_LIST_VIEW = "hudson.model.ListView"
_COLOURS = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted"}
_QUEUE = "hudson.model.Queue$"
_PARAMETERS = "hudson.model.ParametersDefinitionProperty"
#: permalink → the results that it looks for
PERMALINKS: dict[str, Callable[[str | None], bool]] = {
    "lastBuild": lambda _: True,
    "lastCompletedBuild": lambda result: result is not None,
    "lastFailedBuild": lambda result: result == "FAILURE",
    "lastStableBuild": lambda result: result == "SUCCESS",
    "lastSuccessfulBuild": lambda result: result in ("SUCCESS", "UNSTABLE"),
    "lastUnstableBuild": lambda result: result == "UNSTABLE",
    "lastUnsuccessfulBuild": lambda result: result not in (None, "SUCCESS"),
}


class Api:
    """Builds the exported objects over a controller."""

    def __init__(self, controller: Controller, builds: BuildsApi) -> None:
        self._controller = controller
        self._store = controller.store
        self._builds = builds

    @property
    def base(self) -> str:
        return self._controller.settings.url

    # Jenkins, folders, views

    def root(self) -> Exported:
        controller = self._controller
        built_in = controller.nodes[0]
        return Exported(
            "hudson.model.Hudson",
            {
                "assignedLabels": [whole(None, {"name": name}) for name in built_in.labels],
                "mode": "NORMAL",
                "nodeDescription": built_in.description,
                "nodeName": "",
                "numExecutors": built_in.executors,
                "description": None,
                "jobs": lambda: self.jobs(""),
                "overallLoad": whole(None, {}),
                "primaryView": self._all_view("", "all"),
                "quietDownReason": controller.quiet_reason,
                "quietingDown": controller.quieting,
                "slaveAgentPort": -1,
                "unlabeledLoad": whole("jenkins.model.UnlabeledLoadStatistics", {}),
                "url": self.base,
                "useCrumbs": True,
                "useSecurity": True,
                "views": lambda: self._views("", "all"),
            },
        )

    def jobs(self, folder: str) -> list[Exported]:
        return [self.item(row) for row in self._store.items_in(folder)]

    def _views(self, folder: str, all_view: str) -> list[Exported]:
        listed = self._store.views(folder)
        return [self._all_view(folder, all_view), *(self.view(folder, name) for name in listed)]

    def _url(self, folder: str) -> str:
        return self._controller.job_url(folder) if folder else self.base

    def _all_view(self, folder: str, name: str) -> Exported:
        fields: dict[str, Any] = {
            "description": None,
            "jobs": lambda: self.jobs(folder),
            "name": name,
            "property": [],
            "url": self._url(folder),
        }
        return Exported(_ALL_VIEW, fields, ("name", "url"))

    def view(self, folder: str, name: str) -> Exported:
        """A list view; the items that it names, not those that it finds by a pattern."""
        root = parse(self._store.views(folder)[name].encode())
        named = {each.text for each in root.iterfind("jobNames/string")}
        fields: dict[str, Any] = {
            "description": root.findtext("description") or None,
            "jobs": lambda: [j for j in self.jobs(folder) if j.fields["name"] in named],
            "name": name,
            "property": [],
            "url": f"{self._url(folder)}view/{quote(name)}/",
        }
        return Exported(_LIST_VIEW, fields, ("name", "url"))

    def item(self, row: ItemRow) -> Exported:
        config = JobConfig.of(row.xml)
        return self._folder(row, config) if config.is_folder else self._job(row, config)

    def _folder(self, row: ItemRow, config: JobConfig) -> Exported:
        return Exported(
            config.job_class,
            {
                "actions": [
                    whole(None, {}),
                    whole(None, {}),
                    whole("com.cloudbees.plugins.credentials.ViewCredentialsAction", {}),
                ],
                **self._names(row, config),
                "url": self._controller.job_url(row.name),
                "healthReport": [],
                "jobs": lambda: self.jobs(row.name),
                "primaryView": self._all_view(row.name, "All"),
                "views": lambda: self._views(row.name, "All"),
            },
            ("name", "url"),
        )

    def _names(self, row: ItemRow, config: JobConfig) -> dict[str, Any]:
        name = row.name.rpartition("/")[2]
        display = config.root.findtext("displayName")
        return {
            "description": config.description,
            "displayName": display or name,
            "displayNameOrNull": display,
            "fullDisplayName": " » ".join([*row.name.split("/")[:-1], display or name]),
            "fullName": row.name,
            "name": name,
        }

    # Jobs

    def _job(self, row: ItemRow, config: JobConfig) -> Exported:
        builds = self._store.builds(row.name)
        shown = [self._builds.of_job(build, config) for build in builds]
        links = {
            link: next((e for b, e in zip(builds, shown, strict=True) if fits(b.result)), None)
            for link, fits in PERMALINKS.items()
        }
        queued = next((i for i in self._controller.queue.items() if i.job == row.name), None)
        names = self._names(row, config)
        fields: dict[str, Any] = {
            "actions": self._job_actions(config, builds),
            **names,
            "url": self._controller.job_url(row.name),
            "buildable": not config.disabled and not row.held,
            "builds": shown[:100],
            "allBuilds": shown,
            "color": self._colour(config, builds),
            "firstBuild": shown[-1] if shown else None,
            "healthReport": lambda: self._health(builds),
            "inQueue": queued is not None,
            "keepDependencies": False,
            **links,
            "nextBuildNumber": row.next_build,
            "property": [self._property(tag, config) for tag in config.properties],
            "queueItem": queued and self.queue_item(queued),
            "concurrentBuild": config.concurrent,
        }
        if config.kind == FREESTYLE:
            scm = config.root.find("scm")
            fields |= {
                "disabled": config.disabled,
                "downstreamProjects": [],
                "labelExpression": config.label,
                "scm": whole("hudson.scm.NullSCM" if scm is None else scm.get("class"), {}),
                "upstreamProjects": [],
            }
        else:
            fields |= {"resumeBlocked": False}
        return Exported(
            config.job_class, fields, ("name", "url", "color"), frozenset({"allBuilds"})
        )

    def _job_actions(self, config: JobConfig, builds: list[BuildRow]) -> list[Exported]:
        found = []
        if config.parameters:
            definitions = [_definition(p, named=False) for p in config.parameters]
            found.append(whole(_PARAMETERS, {"parameterDefinitions": definitions}))
        empty = 3 if builds and self._builds.report(builds[0]) else 2
        return [
            *found,
            *(whole(None, {}) for _ in range(empty)),
            whole("org.jenkinsci.plugins.displayurlapi.actions.JobDisplayAction", {}),
            whole("com.cloudbees.plugins.credentials.ViewCredentialsAction", {}),
        ]

    @staticmethod
    def _property(tag: str, config: JobConfig) -> Exported:
        if tag != _PARAMETERS:
            return whole(tag, {})
        definitions = [_definition(p, named=True) for p in config.parameters]
        return whole(tag, {"parameterDefinitions": definitions})

    @staticmethod
    def _colour(config: JobConfig, builds: list[BuildRow]) -> str:
        ended = next((build for build in builds if build.result is not None), None)
        colour = _COLOURS.get(ended.result or "", "notbuilt") if ended else "notbuilt"
        if config.disabled:
            colour = "disabled"
        return f"{colour}_anime" if builds and builds[0].result is None else colour

    def _health(self, builds: list[BuildRow]) -> list[Exported]:
        found = []
        last = next((build for build in builds if build.result is not None), None)
        if last is None:
            return []
        if report := self._builds.report(last):
            failed = report["failCount"]
            total = failed + report["passCount"] + report["skipCount"]
            tests = "1 test" if failed == 1 else f"{failed} tests"
            of = "1 test" if total == 1 else f"{total} tests"
            found.append(
                _health(
                    f"Tests: {tests} failing out of a total of {of}.",
                    int(100 * (total - failed) / total),
                )
            )
        recent = [build for build in builds if build.result is not None][:5]
        bad = sum(build.result == "FAILURE" for build in recent)
        score = 100 * (len(recent) - bad) // len(recent)
        says = (
            "No recent builds failed."
            if bad == 0
            else "All recent builds failed."
            if bad == len(recent)
            else f"{bad} out of the last {len(recent)} builds failed."
        )
        return [*found, _health(f"Build stability: {says}", score)]

    # The queue

    def queue(self) -> Exported:
        items = [self.queue_item(item) for item in self._controller.queue.items()]
        return Exported("hudson.model.Queue", {"discoverableItems": [], "items": items})

    def queue_item(self, item: QueueItem) -> Exported:
        actions = [causes(item.causes)]
        if item.parameterized:
            actions.insert(0, values(item.values))
        why = item.why
        if item.state == "waiting":
            left_s = (item.due_ms - now_ms()) / 1000
            shown = f"{left_s:.0f}" if left_s >= 10 else f"{max(left_s, 0):.1f}"
            why = f"In the quiet period. Expires in {shown} sec"
        fields: dict[str, Any] = {
            "actions": actions,
            "blocked": item.state == "blocked",
            "buildable": item.state == "buildable",
            "id": item.id,
            "inQueueSince": item.since_ms,
            "params": item.params,
            "stuck": item.stuck,
            "task": lambda: self._task(item),
            "url": f"queue/item/{item.id}/",
            "why": why,
        }
        if item.state == "left":
            fields |= {"cancelled": item.cancelled, "executable": lambda: self._executable(item)}
        elif item.state == "waiting":
            fields["timestamp"] = item.due_ms
        else:
            fields["buildableStartMilliseconds"] = item.buildable_ms
            if item.state == "buildable":
                fields["pending"] = False
        kind = f"{_QUEUE}{item.state.capitalize()}Item"
        return Exported(kind, fields, tuple(fields))

    def _task(self, item: QueueItem) -> Exported | None:
        row = self._store.item(item.job)
        return None if row is None else self.item(row)

    def _executable(self, item: QueueItem) -> Exported | None:
        row = None if item.build is None else self._store.build(item.job, item.build)
        return None if row is None else self._builds.build(row)

    def tied_to(self, label: str) -> list[Exported]:
        """The jobs of the top that run on a label."""
        rows = self._store.items_in("")
        return [self.item(row) for row in rows if JobConfig.of(row.xml).label == label]


def _definition(parameter: Parameter, *, named: bool) -> Exported:
    kind, name, value = parameter.value(None)
    default: dict[str, Any] = {"name": name} if named else {}
    if parameter.kind != "Password":
        default["value"] = value
    fields: dict[str, Any] = {
        "defaultParameterValue": whole(f"hudson.model.{kind}", default),
        "description": parameter.description,
        "name": parameter.name,
        "type": f"{parameter.kind}ParameterDefinition",
    }
    if parameter.kind == "Choice":
        fields["choices"] = list(parameter.choices)
    return whole(f"hudson.model.{parameter.kind}ParameterDefinition", fields)


def _health(description: str, score: int) -> Exported:
    edges = ((80, "80plus"), (60, "60to79"), (40, "40to59"), (20, "20to39"), (0, "00to19"))
    name = next(name for edge, name in edges if score >= edge)
    fields = {
        "description": description,
        "iconClassName": f"icon-health-{name}",
        "iconUrl": f"health-{name}.png",
        "score": score,
    }
    return whole(None, fields)
