"""What a job's config.xml asks for, as far as the embedded Jenkins does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from blueprints.guarded_xml import XmlRefused, parse
from lab.jenkins.embedded.shapes import FOLDER, FREESTYLE, PIPELINE

_PREFIX = "hudson.model."
_DISCARDER = "jenkins.model.BuildDiscarderProperty"

#: root element → the classes of the job and of its builds
CLASSES = {
    FREESTYLE: ("hudson.model.FreeStyleProject", "hudson.model.FreeStyleBuild"),
    PIPELINE: (
        "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        "org.jenkinsci.plugins.workflow.job.WorkflowRun",
    ),
    FOLDER: (FOLDER, ""),
}

#: (kind of value, name, value): kind is the class's name after ``hudson.model.``
Value = tuple[str, str, object]


class BadChoice(ValueError):
    """A value that a choice parameter does not offer, or an unknown parameter."""


@dataclass(frozen=True)
class Parameter:
    """A parameter definition. ``kind``: String, Text, Boolean, Choice or Password."""

    kind: str
    name: str
    description: str | None
    default: str
    choices: tuple[str, ...] = ()
    trim: bool = False

    @property
    def default_value(self) -> object:
        if self.kind == "Choice":
            return self.choices[0] if self.choices else ""
        return self.default == "true" if self.kind == "Boolean" else self.default

    def value(self, given: str | None) -> Value:
        """The value for what a form says; None is the default. Raises `BadChoice`."""
        kind = "String" if self.kind == "Choice" else self.kind
        if given is None:
            return f"{kind}ParameterValue", self.name, self.default_value
        if self.kind == "Choice" and given not in self.choices:
            raise BadChoice(f"{self.name} has no such choice")
        if self.kind == "Boolean":
            return f"{kind}ParameterValue", self.name, given.lower() in ("true", "on")
        return f"{kind}ParameterValue", self.name, given.strip() if self.trim else given


@dataclass(frozen=True)
class JobConfig:
    """A job or folder: the document's root, and what is asked of it most."""

    root: Element

    @classmethod
    def of(cls, xml: str | bytes) -> JobConfig:
        """Read a document. Raises `XmlRefused`, for an unknown kind of item too."""
        root = parse(xml.encode() if isinstance(xml, str) else xml)
        if root.tag not in CLASSES:
            raise XmlRefused(f"no item is called {root.tag}")
        return cls(root)

    @property
    def kind(self) -> str:
        return self.root.tag

    @property
    def is_folder(self) -> bool:
        return self.kind == FOLDER

    @property
    def job_class(self) -> str:
        return CLASSES[self.kind][0]

    @property
    def build_class(self) -> str:
        return CLASSES[self.kind][1]

    def text(self, path: str, default: str = "") -> str:
        return self.root.findtext(path) or default

    @property
    def description(self) -> str | None:
        return self.root.findtext("description")

    @property
    def disabled(self) -> bool:
        return self.text("disabled") == "true"

    @property
    def concurrent(self) -> bool:
        """Whether two of its builds may run at a time."""
        if self.kind == PIPELINE:
            return not any(
                each.tag.endswith("DisableConcurrentBuildsJobProperty")
                for each in self.root.iterfind("properties/*")
            )
        return self.text("concurrentBuild") == "true"

    @property
    def label(self) -> str | None:
        return self.root.findtext("assignedNode") or None

    @property
    def quiet_period_s(self) -> float | None:
        text = self.root.findtext("quietPeriod")
        return float(text) if text else None

    def is_blocked_by(self, job: str) -> bool:
        """Whether build-blocker holds it back while ``job`` runs: a pattern a line."""
        blocker = self.root.find("properties/hudson.plugins.buildblocker.BuildBlockerProperty")
        if blocker is None or blocker.findtext("useBuildBlocker") != "true":
            return False
        patterns = (blocker.findtext("blockingJobs") or "").split("\n")
        return any(pattern.strip() and re.fullmatch(pattern.strip(), job) for pattern in patterns)

    @property
    def keep_builds(self) -> int | None:
        """How many builds are kept; None for all."""
        for place in (f"properties/{_DISCARDER}/strategy/numToKeep", "logRotator/numToKeep"):
            if (text := self.root.findtext(place)) and int(text) > 0:
                return int(text)
        return None

    @property
    def properties(self) -> list[str]:
        """The tags of its properties, in their order."""
        return [each.tag for each in self.root.iterfind("properties/*")]

    @property
    def parameters(self) -> list[Parameter]:
        definitions = f"properties/{_PREFIX}ParametersDefinitionProperty/*/*"
        return [
            Parameter(
                each.tag.removeprefix(_PREFIX).removesuffix("ParameterDefinition"),
                each.findtext("name") or "",
                each.findtext("description"),
                each.findtext("defaultValue") or "",
                tuple(s.text or "" for s in each.iterfind("choices//string")),
                each.findtext("trim") == "true",
            )
            for each in self.root.iterfind(definitions)
        ]

    def values(self, form: Mapping[str, str]) -> tuple[Value, ...]:
        """A build's values by a form: unknown ones are dropped, missing ones take defaults.

        Raises `BadChoice`.
        """
        return tuple(p.value(form.get(p.name)) for p in self.parameters)

    def with_disabled(self, disabled: bool) -> Element:
        """The root, changed; as Jenkins does it for jobs of every kind."""
        element = self.root.find("disabled")
        if element is None:
            element = Element("disabled")
            self.root.append(element)
        element.text = str(disabled).lower()
        return self.root

    def with_description(self, description: str) -> Element:
        element = self.root.find("description")
        if element is None:
            element = Element("description")
            self.root.insert(0, element)
        element.text = description
        return self.root
